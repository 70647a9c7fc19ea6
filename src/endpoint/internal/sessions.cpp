#include "endpoint/internal/sessions.hpp"

#include <algorithm>

namespace opaline::endpoint::internal {

using session::HandshakeHash;
using session::Session;
using session::SessionTag;

Session* Sessions::find(const HandshakeHash& hash) {
  if (hash.is_zero()) return nullptr;
  if (const auto it = cache_.find(hash); it != cache_.end()) return &it->second.session;
  const auto row = core_.staging.get(Table::session, hash.view());
  if (!row) return nullptr;
  SessionRow parsed;
  if (!decode(*row, parsed)) {
    core_.found_corrupt();
    return nullptr;
  }
  auto loaded = Session::deserialise(parsed.state);
  if (!loaded) {
    core_.found_corrupt();
    return nullptr;
  }
  Cached& cached = cache_.emplace(hash, Cached{std::move(*loaded), std::move(parsed.tags)}).first->second;
  for (const SessionTag& tag : cached.tags) tags_.insert_or_assign(tag, hash);
  return &cached.session;
}

std::optional<HandshakeHash> Sessions::by_tag(const SessionTag& tag) {
  if (const auto cached = tags_.find(tag); cached != tags_.end()) return cached->second;
  const auto row = core_.staging.get(Table::session_tag, tag.view());
  if (!row) return std::nullopt;
  return HandshakeHash::from(*row);
}

void Sessions::note_tags(const HandshakeHash& hash, Cached& cached) {
  for (const SessionTag& tag : cached.session.accepted_tags()) {
    if (std::ranges::find(cached.tags, tag) != cached.tags.end()) continue;
    cached.tags.push_back(tag);
    tags_.insert_or_assign(tag, hash);
    core_.staging.put(Table::session_tag, tag.view(), to_secret_bytes(hash.view()));
  }
  // Old tags still tell whose ciphertext it is that cannot be opened any more.
  while (cached.tags.size() > kMaxTagsKept) {
    core_.staging.erase(Table::session_tag, cached.tags.front().view());
    tags_.erase(cached.tags.front());
    cached.tags.erase(cached.tags.begin());
  }
}

void Sessions::changed(const HandshakeHash& hash, PeerDevice& device) {
  const auto it = cache_.find(hash);
  OPALINE_ASSERT(it != cache_.end());
  mark(hash, it->second);
  note_tags(hash, it->second);
  if (SessionReference* const ref = reference(device, hash)) {
    ref->last_use = core_.next(&LedgerRecord::next_use);
    device.record.last_use = core_.now();
    device.dirty = true;
  }
}

SessionReference* Sessions::reference(PeerDevice& device, const HandshakeHash& hash) {
  const auto it = std::ranges::find(device.record.sessions, hash, &SessionReference::hash);
  return it == device.record.sessions.end() ? nullptr : &*it;
}

Session* Sessions::sender(PeerDevice& device) {
  if (device.record.open_new) return nullptr;
  Session* const session = find(device.record.sending);
  if (session == nullptr || session->is_established()) return session;
  const SessionReference* const ref = reference(device, device.record.sending);
  return ref != nullptr && core_.now() <= ref->answer_by ? session : nullptr;
}

void Sessions::keep(PeerDevice& device, Session session, Time answer_by) {
  const HandshakeHash hash = session.handshake_hash();
  // The newest is the last of the list; the least recently used one goes when there are too many.
  device.record.sessions.push_back({.hash = hash, .answer_by = answer_by});
  while (device.record.sessions.size() > kMaxSessionsPerDevice) {
    const auto oldest = std::ranges::min_element(device.record.sessions.begin(), device.record.sessions.end() - 1, {},
                                                 [&](const SessionReference& ref) {
                                                   // What sends now is kept.
                                                   return ref.hash == device.record.sending ? UINT64_MAX : ref.last_use;
                                                 });
    remove(oldest->hash);
    device.record.sessions.erase(oldest);
  }
  cache_.insert_or_assign(hash, Cached{std::move(session), {}});
  changed(hash, device);
}

void Sessions::opened(PeerDevice& device, Session session, const session::PrekeySet& set) {
  device.record.sending = session.handshake_hash();
  device.record.slow = {};
  device.record.open_new = false;
  // A message that waits at the relay for kMessageLife must still find the private halves.
  const Time last = set.offered_until - session::kPrekeyOffered + session::kPrekeyLife - kMessageLife;
  keep(device, std::move(session), std::min(last, core_.now() + kUnansweredSessionLife));
  ++core_.counters.sessions_opened;
}

void Sessions::accepted(PeerDevice& device, Session session) {
  const HandshakeHash hash = session.handshake_hash();
  const Session* const current = sender(device);
  const bool at_once = current != nullptr && current->is_initiator() && !current->is_established();
  const bool leave = at_once && unheard(device);
  device.record.slow = leave ? device.record.sending : HandshakeHash{};
  if (!at_once || leave || session::sends_before(hash, device.record.sending)) device.record.sending = hash;
  device.record.open_new = false;  // what wanted a fresh session has one
  keep(device, std::move(session), core_.now());
  ++core_.counters.sessions_accepted;
}

bool Sessions::unheard(PeerDevice& device) {
  const Session* const session = find(device.record.sending);
  const SessionReference* const ref = reference(device, device.record.sending);
  return session != nullptr && ref != nullptr && session->is_initiator() && !session->is_established() &&
         ref->unanswered_since != Time{} && core_.now() - ref->unanswered_since > kAskAgainAfter;
}

bool Sessions::silent(const PeerDevice& device) const {
  const auto& all = device.record.sessions;
  const auto ref = std::ranges::find(all, device.record.sending, &SessionReference::hash);
  return ref != all.end() && ref->unanswered_since != Time{} &&
         core_.now() - ref->unanswered_since > kSilentSessionLife;
}

void Sessions::keep_going(PeerDevice& device) {
  if (SessionReference* const ref = reference(device, device.record.sending)) ref->unanswered_since = core_.now();
  device.dirty = true;
}

void Sessions::sent(PeerDevice& device, const HandshakeHash& hash) {
  SessionReference* const ref = reference(device, hash);
  if (ref == nullptr || ref->unanswered_since != Time{}) return;
  ref->unanswered_since = core_.now();
  device.dirty = true;
}

Sessions::Heard Sessions::heard(PeerDevice& device, const HandshakeHash& hash) {
  SessionReference* const ref = reference(device, hash);
  if (ref == nullptr) return Heard::as_expected;
  if (ref->unanswered_since != Time{}) {
    ref->unanswered_since = {};
    device.dirty = true;
  }
  if (device.record.open_new || hash == device.record.sending) return Heard::as_expected;
  const Session* const ours = find(device.record.sending);
  Heard what = Heard::as_expected;
  if (hash == device.record.slow) {  // it was answered after all: as if both had been opened at once
    device.record.slow = {};
    device.dirty = true;
    if (!session::sends_before(hash, device.record.sending)) return what;
  } else if (ours != nullptr && ours->is_established()) {
    ref->failed = false;  // what failed in it was of another home
    if (!comes_after(device, hash)) what = Heard::set_back;
  } else if (!device.record.sending.is_zero()) {
    if (!unheard(device) || !comes_after(device, hash) || ref->failed) return what;
    device.record.slow = device.record.sending;
  }
  device.record.sending = hash;
  device.dirty = true;
  return what;
}

bool Sessions::comes_after(const PeerDevice& device, const HandshakeHash& hash) {
  const auto& all = device.record.sessions;  // the newest is the last
  const auto ours = std::ranges::find(all, device.record.sending, &SessionReference::hash);
  return std::find_if(ours, all.end(), [&](const SessionReference& ref) { return ref.hash == hash; }) != all.end();
}

void Sessions::retire(PeerDevice& device, const HandshakeHash& hash) {
  auto ref = std::ranges::find(device.record.sessions, hash, &SessionReference::hash);
  if (ref != device.record.sessions.end()) ref->failed = true;
  device.dirty = true;
  if (device.record.slow == hash) device.record.slow = {};
  if (device.record.sending != hash) return;
  device.record.sending = device.record.slow = {};
  for (; ref != device.record.sessions.end(); ++ref)
    if (!ref->failed) device.record.sending = ref->hash;
  if (device.record.sending.is_zero()) device.record.open_new = true;
}

void Sessions::remove(const HandshakeHash& hash) {
  if (find(hash) != nullptr)
    for (const SessionTag& tag : cache_.at(hash).tags) {
      core_.staging.erase(Table::session_tag, tag.view());
      tags_.erase(tag);
    }
  cache_.erase(hash);
  core_.staging.erase(Table::session, hash.view());
}

void Sessions::remove_all(PeerDevice& device) {
  for (const SessionReference& ref : device.record.sessions) remove(ref.hash);
  device.record.sessions.clear();
  device.record.sending = device.record.slow = {};
  device.record.open_new = false;
  device.dirty = true;
}

void Sessions::wipe_late() {
  for (auto& [hash, cached] : cache_)
    if (cached.session.wipe_late(core_.now())) mark(hash, cached);
  std::vector<std::pair<Bytes, SecretBytes>> changed;
  core_.staging.for_each(Table::session, {}, {}, [&](ByteView key, ByteView value) {
    const auto hash = HandshakeHash::from(key);
    if (hash && cache_.contains(*hash)) return true;
    SessionRow row;
    auto session = decode(value, row) ? Session::deserialise(row.state) : fail(session::Error::bad_state);
    if (!session || !session->wipe_late(core_.now())) return true;  // a damaged row is found by who needs it
    const SecretBytes state = session->serialise();
    changed.emplace_back(to_bytes(key), encode(SessionRow{row.tags, state}));
    return true;
  });
  for (auto& [key, row] : changed) core_.staging.put(Table::session, key, std::move(row));
}

void Sessions::mark(const HandshakeHash& hash, Cached& cached) {
  if (!std::exchange(cached.dirty, true)) dirty_.push_back(hash);
}

void Sessions::write() {
  for (const HandshakeHash& hash : std::exchange(dirty_, {})) {
    const auto found = cache_.find(hash);
    if (found == cache_.end() || !found->second.dirty) continue;  // removed since
    const SecretBytes state = found->second.session.serialise();
    core_.staging.put(Table::session, hash.view(), encode(SessionRow{found->second.tags, state}));
    found->second.dirty = false;
  }
}

void Sessions::evict() {
  if (cache_.size() <= kMaxCachedSessions) return;
  cache_.clear();
  tags_.clear();
}

}  // namespace opaline::endpoint::internal
