#include "endpoint/internal/healing.hpp"

#include <algorithm>

#include "base/codec.hpp"

namespace opaline::endpoint::internal {
namespace {

session::SessionTag tag_of(ByteView ciphertext) {
  return session::is_handshake(ciphertext) ? session::SessionTag{}
                                           : session::peek_tag(ciphertext).value_or(session::SessionTag{});
}

}  // namespace

void Healing::load() {
  const auto row = core_.staging.get(Table::device, as_view(kOrphansKey));
  if (row && !decode(*row, orphans_)) core_.found_corrupt();
}

bool Healing::within_budget(PeerDevice& device) {
  std::erase_if(device.record.heals, [this](Time at) { return core_.now() - at >= kHealWindow || at > core_.now(); });
  if (device.record.heals.size() >= kMaxHealsPerWindow) {
    ++core_.counters.heals_suppressed;
    return false;
  }
  device.record.heals.push_back(core_.now());
  device.dirty = true;
  ++core_.counters.heals;
  return true;
}

void Healing::ask_again(Peer& peer, PeerDevice& device, const EnvelopeId& envelope, Time received_at,
                        std::uint32_t passed_over) {
  Bytes body;
  Writer to(body);
  to.bytes(envelope.view()).u64(static_cast<std::uint64_t>(unix_millis(received_at)));
  if (passed_over > 0) to.u32(passed_over);
  outbox_.add_control(peer, device.address.device, ContentKind::retry, std::move(body));
}

void Healing::set_back(Peer& peer, PeerDevice& device) {
  if (peer.alarmed() || peer.record.blocked) return;
  ask_again(peer, device, kSetBackQuestion, core_.now());
}

void Healing::broken(const session::HandshakeHash& hash, const EnvelopeId& envelope, ByteView ciphertext,
                     Time received_at, session::Error why) {
  ++core_.counters.undecryptable;
  if (session::peek_ephemeral(ciphertext)) return;  // its time is over anyway
  const session::Session* const session = sessions_.find(hash);
  if (session == nullptr) return;
  PeerDevice* const device = peers_.find(session->peer());
  if (device == nullptr) return;
  Peer& peer = peers_.get(session->peer().account);
  const session::DeviceEntry* const listed = peer.entry(device->address.device);
  // Nothing is asked of a device that left the list or of an account that is blocked, nor while the person has to look
  // at an alarm.
  if (peer.alarmed() || peer.record.blocked || listed == nullptr || listed->keys.hash() != session->peer_identity())
    return;
  const SessionReference* const ref = Sessions::reference(*device, hash);
  if (ref == nullptr) return;
  const bool again = ref->failed;
  remember_lost(*device, envelope, ciphertext, received_at);
  if (again && asked_lately(*device)) {  // what follows in that session comes with the answer
    ++core_.counters.heals_suppressed;
    return;
  }
  if (!within_budget(*device)) return;
  sessions_.retire(*device, hash);
  // Who writes did not get the question, so that the session in which it was put is not his.
  if (again) device->record.open_new = true;
  ask_about_lost(peer, *device, !again);
  if (!core_.is_own(peer.account)) set_back(peer, *device);  // any question of an own device tells it
  if (again) return;
  const bool expired = why == session::Error::gap_too_large;
  // One line a day is enough of a device whose homes take turns.
  if (!expired && device->record.heals.size() > 1) return;
  core_.notice(peer.account, expired ? NoticeKind::messages_expired : NoticeKind::session_healed);
}

bool Healing::asked_lately(const PeerDevice& device) const {
  return std::ranges::any_of(device.record.lost, [this](const LostMessage& m) {
    return m.asked > 0 && m.asked_at <= core_.now() && core_.now() - m.asked_at < kAskAgainAfter;
  });
}

void Healing::remember_lost(PeerDevice& device, const EnvelopeId& envelope, ByteView ciphertext, Time received_at) {
  auto& lost = device.record.lost;
  std::erase_if(lost, [this](const LostMessage& m) {
    return m.asked >= kMaxLostAsked || core_.now() - m.received_at > kResendFor;
  });
  const session::SessionTag tag = tag_of(ciphertext);
  // Those of one chain come again together; what fails long after the question may be of another copy of its sender.
  const bool known = !tag.is_zero() && std::ranges::any_of(lost, [&](const LostMessage& m) {
    return m.tag == tag && (m.asked == 0 || core_.now() - m.asked_at < kAskAgainAfter);
  });
  if (known) return;
  if (lost.size() >= kMaxLost) lost.erase(std::ranges::max_element(lost, {}, &LostMessage::asked));
  lost.push_back({.tag = tag, .envelope = envelope, .received_at = received_at});
  device.dirty = true;
}

void Healing::ask_about(Peer& peer, PeerDevice& device, LostMessage& message) {
  ask_again(peer, device, message.envelope, message.received_at);
  ++message.asked;
  message.asked_at = core_.now();
  device.dirty = true;
}

void Healing::ask_about_lost(Peer& peer, PeerDevice& device, bool new_ones_only) {
  for (LostMessage& message : device.record.lost)
    if (message.asked < kMaxLostAsked && (!new_ones_only || message.asked == 0)) ask_about(peer, device, message);
}

void Healing::orphan(const EnvelopeId& envelope, ByteView ciphertext, Time received_at, bool unknown_prekey) {
  ++core_.counters.orphans;
  if (session::peek_ephemeral(ciphertext)) return;
  if (unknown_prekey) prekeys_.suspect();
  // Those that share a tag are of one peer, and come again together.
  const session::SessionTag tag = tag_of(ciphertext);
  const bool known = !tag.is_zero() && std::ranges::find(orphans_.orphans, tag, &Orphan::tag) != orphans_.orphans.end();
  if (known) return;
  std::erase_if(orphans_.orphans, [this](const Orphan& o) {
    return o.asked >= kMaxOrphanAsked || core_.now() - o.received_at > kResendFor;
  });
  if (orphans_.orphans.size() >= kMaxOrphans) {
    const auto asked = std::ranges::find_if(orphans_.orphans, [](const Orphan& o) { return o.asked > 0; });
    if (asked == orphans_.orphans.end()) return;
    orphans_.orphans.erase(asked);
  }
  orphans_.orphans.push_back({tag, envelope, received_at, 0});
  write_orphans();
  if (core_.ledger.next_probe < core_.now() + kProbeDelay) {
    core_.ledger.next_probe = core_.now() + kProbeDelay;
    core_.ledger_dirty = true;
  }
}

void Healing::write_orphans() {
  core_.staging.put(Table::device, as_view(kOrphansKey), encode(orphans_));
}

void Healing::ask_about_orphans(Peer& peer, PeerDevice& device, bool new_ones_only) {
  for (Orphan& orphan : orphans_.orphans) {
    if (orphan.asked >= kMaxOrphanAsked || (new_ones_only && orphan.asked > 0)) continue;
    ask_again(peer, device, orphan.envelope, orphan.received_at);
  }
}

void Healing::heard(Peer& peer, PeerDevice& device) {
  if (device.record.lost.empty() || peer.alarmed() || peer.record.blocked) return;
  // Once more where it is heard now: another home with its keys may have got the question. Who knows it has answered.
  for (LostMessage& message : device.record.lost)
    if (message.asked == 1 && core_.now() - message.asked_at >= kAskAgainAfter) ask_about(peer, device, message);
  const bool any = std::ranges::any_of(device.record.lost, [](const LostMessage& m) { return m.asked == 0; });
  if (!any || asked_lately(device) || !within_budget(device)) return;
  device.record.open_new = true;
  ask_about_lost(peer, device, true);
}

void Healing::met(Peer& peer, PeerDevice& device, bool opened_it) {
  if (peer.alarmed() || peer.record.blocked) return;
  ask_about_lost(peer, device, !opened_it);
  if (orphans_.orphans.empty() || !within_budget(device)) return;
  ask_about_orphans(peer, device, false);
  for (Orphan& orphan : orphans_.orphans)
    if (orphan.asked < kMaxOrphanAsked) ++orphan.asked;
  write_orphans();
}

bool Healing::probe_wanted() const {
  return std::ranges::any_of(orphans_.orphans, [](const Orphan& o) { return o.asked == 0; });
}

void Healing::probe(bool connected) {
  const milliseconds wait = core_.ledger.next_probe - core_.now();
  if (!connected || !probe_wanted() || (wait > milliseconds(0) && wait <= kProbeEvery)) return;
  struct Candidate {
    Time last_use;
    session::DeviceAddress address;
  };
  std::vector<Candidate> candidates;
  core_.staging.for_each(Table::peer_device, {}, {}, [&](ByteView key, ByteView value) {
    DeviceRecord record;
    Reader in(key);
    const AccountId account(in.array<AccountId::kSize>());
    const DeviceNumber number{in.u32()};
    if (!in.finished() || !decode(value, record)) {
      core_.found_corrupt();
      return false;
    }
    if (record.last_use != Time{}) candidates.push_back({record.last_use, {account, number}});
    return true;
  });
  std::ranges::sort(candidates, std::greater{}, &Candidate::last_use);
  if (candidates.size() > kMaxProbedDevices) candidates.resize(kMaxProbedDevices);
  for (const Candidate& candidate : candidates) {
    Peer& peer = peers_.get(candidate.address.account);
    if (peer.alarmed() || peer.record.blocked || peer.entry(candidate.address.device) == nullptr) continue;
    PeerDevice& device = peers_.device(peer, candidate.address.device);
    if (!within_budget(device)) continue;
    // If it was this one, what we have of its session is worth nothing.
    device.record.open_new = true;
    ask_about_orphans(peer, device, true);
  }
  for (Orphan& orphan : orphans_.orphans) orphan.asked = std::max<std::uint8_t>(orphan.asked, 1);
  write_orphans();
  core_.ledger.next_probe = core_.now() + kProbeEvery;
  core_.ledger_dirty = true;
}

void Healing::passed_over(Peer& peer, PeerDevice& device, const EnvelopeId& envelope, std::size_t count,
                          Time received_at) {
  if (peer.alarmed() || peer.record.blocked) return;
  // Over a relay that loses much, each question could make the next gap.
  std::erase_if(device.gaps, [this](Time at) { return core_.now() - at >= kGapWindow || at > core_.now(); });
  if (device.gaps.size() >= kMaxGapsPerWindow) {
    ++core_.counters.heals_suppressed;
    return;
  }
  device.gaps.push_back(core_.now());
  ask_again(peer, device, envelope, received_at, static_cast<std::uint32_t>(std::min(count, kMaxResendTail)));
}

void Healing::asked(Peer& peer, PeerDevice& device, const wire::Retry& retry) {
  const auto answer = [&] {
    if (retry.passed_over > 0) return outbox_.resend_before(device, retry.envelope, retry.passed_over);
    return outbox_.resend(device, retry.envelope);
  };
  if (peer.alarmed() || !answer()) ++core_.counters.retries_refused;
}

std::optional<Time> Healing::next_deadline() const {
  if (!probe_wanted()) return std::nullopt;
  return core_.ledger.next_probe;
}

}  // namespace opaline::endpoint::internal
