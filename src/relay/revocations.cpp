#include "relay/revocations.hpp"

#include <algorithm>

#include "wire/send_token.hpp"

namespace opaline::relay {
namespace {

template <class Map, class Key>
void raise(Map& map, const Key& key, Time issued_until) {
  // A token's expiry stands in whole seconds, cut down: compare on the same grid.
  const Time expires = std::chrono::floor<seconds>(issued_until + wire::kSendTokenLifetime);
  const auto [at, fresh] = map.try_emplace(key, expires);
  if (!fresh) at->second = std::max(at->second, expires);
}

template <class Map, class Key>
bool covers(const Map& map, const Key& key, Time token_expires) {
  if (map.empty()) return false;
  const auto at = map.find(key);
  return at != map.end() && token_expires <= at->second;
}

}  // namespace

void Revocations::mailbox_gone(const MailboxId& mailbox, Time at) {
  raise(gone_, mailbox, at);
  ++version_;
}

void Revocations::revoke_mailbox(const MailboxId& mailbox, Time issued_until) {
  raise(mailboxes_, mailbox, issued_until);
  ++version_;
}

void Revocations::revoke_sender(const AccountId& sender, Time issued_until) {
  raise(senders_, sender, issued_until);
  ++version_;
}

Revocations::Verdict Revocations::check(const AccountId& sender, const MailboxId& mailbox, Time token_expires) const {
  if (gone_.contains(mailbox)) return Verdict::gone;
  if (covers(mailboxes_, mailbox, token_expires) || covers(senders_, sender, token_expires)) return Verdict::refresh;
  return Verdict::open;
}

void Revocations::forget(Time now) {
  const auto expired = [now](const auto& entry) { return entry.second < now; };
  std::erase_if(gone_, expired);
  std::erase_if(mailboxes_, expired);
  std::erase_if(senders_, expired);
}

}  // namespace opaline::relay
