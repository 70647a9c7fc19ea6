#include "endpoint/internal/healing.hpp"

#include <algorithm>

#include "base/codec.hpp"

namespace opaline::endpoint::internal {

void Healing::load() {
  const auto row = core_.staging.get(Table::device, as_view(kOrphansKey));
  if (row && !decode(*row, orphans_)) core_.found_corrupt();
}

bool Healing::within_budget(PeerDevice& device) {
  std::erase_if(device.record.heals, [this](Time at) { return core_.now() - at >= kHealWindow; });
  if (device.record.heals.size() >= kMaxHealsPerWindow) {
    ++core_.counters.heals_suppressed;
    return false;
  }
  device.record.heals.push_back(core_.now());
  device.dirty = true;
  ++core_.counters.heals;
  return true;
}

void Healing::ask_again(Peer& peer, PeerDevice& device, const EnvelopeId& envelope, Time received_at) {
  Bytes body;
  Writer(body).bytes(envelope.view()).u64(static_cast<std::uint64_t>(unix_millis(received_at)));
  outbox_.add_control(peer, device.address.device, ContentKind::retry, std::move(body));
}

void Healing::broken(const session::HandshakeHash& hash, const EnvelopeId& envelope, Time received_at,
                     session::Error why) {
  ++core_.counters.undecryptable;
  const session::Session* const session = sessions_.find(hash);
  if (session == nullptr) return;
  PeerDevice* const device = peers_.find(session->peer());
  if (device == nullptr) return;
  Peer& peer = peers_.get(session->peer().account);
  const session::DeviceEntry* const listed = peer.entry(device->address.device);
  // Nothing is asked of a device that left the list, nor while the person has to look at an alarm.
  if (peer.alarmed() || listed == nullptr || listed->keys.hash() != session->peer_identity()) return;
  const SessionReference* const ref = Sessions::reference(*device, hash);
  if (ref == nullptr) return;
  if (ref->failed) {  // asked for: what follows in that session comes with it
    ++core_.counters.heals_suppressed;
    return;
  }
  if (!within_budget(*device)) return;
  sessions_.retire(*device, hash);
  ask_again(peer, *device, envelope, received_at);
  core_.notice(peer.account,
               why == session::Error::gap_too_large ? NoticeKind::messages_expired : NoticeKind::session_healed);
}

void Healing::orphan(const EnvelopeId& envelope, ByteView ciphertext, Time received_at, bool unknown_prekey) {
  ++core_.counters.orphans;
  if (unknown_prekey) prekeys_.suspect();
  // Those that share a tag are of one peer, and come again together.
  const session::SessionTag tag = session::is_handshake(ciphertext)
                                      ? session::SessionTag{}
                                      : session::peek_tag(ciphertext).value_or(session::SessionTag{});
  const bool known = !tag.is_zero() && std::ranges::find(orphans_.orphans, tag, &Orphan::tag) != orphans_.orphans.end();
  if (known || orphans_.orphans.size() >= kMaxOrphans) return;
  orphans_.orphans.push_back({tag, envelope, received_at});
  core_.staging.put(Table::device, as_view(kOrphansKey), encode(orphans_));
  if (core_.ledger.next_probe < core_.now() + kProbeDelay) {
    core_.ledger.next_probe = core_.now() + kProbeDelay;
    core_.ledger_dirty = true;
  }
}

void Healing::probe(bool connected) {
  if (!connected || orphans_.orphans.empty() || core_.now() < core_.ledger.next_probe) return;
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
    if (peer.alarmed() || peer.entry(candidate.address.device) == nullptr) continue;
    PeerDevice& device = peers_.device(peer, candidate.address.device);
    if (!within_budget(device)) continue;
    // If it was this one, what we have of its session is worth nothing.
    device.record.open_new = true;
    for (const Orphan& orphan : orphans_.orphans) ask_again(peer, device, orphan.envelope, orphan.received_at);
  }
  orphans_.orphans.clear();
  core_.staging.erase(Table::device, as_view(kOrphansKey));
  core_.ledger.next_probe = core_.now() + kProbeEvery;
  core_.ledger_dirty = true;
}

void Healing::asked(Peer& peer, PeerDevice& device, const wire::Retry& retry) {
  if (peer.alarmed() || !outbox_.resend(device, retry.envelope)) ++core_.counters.retries_refused;
}

std::optional<Time> Healing::next_deadline() const {
  if (orphans_.orphans.empty()) return std::nullopt;
  return core_.ledger.next_probe;
}

}  // namespace opaline::endpoint::internal
