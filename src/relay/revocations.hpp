#pragma once
// Send tokens that are void before they expire, and mailboxes that are no more. The identity service tells the relay at
// start (everything of the last token lifetime) and at each change; the edge looks here when a route is opened and
// again after each change.
#include <unordered_map>

#include "base/ids.hpp"
#include "base/time.hpp"

namespace opaline::relay {

/// Single-threaded. Grows with what identity revokes within one token lifetime; `forget` drops what no longer matters.
class Revocations {
 public:
  enum class Verdict : std::uint8_t { open, gone, refresh };

  /// A removed device's mailbox: submissions are answered `gone` until no token made at or before `at` can be valid.
  void mailbox_gone(const MailboxId& mailbox, Time at);
  /// Tokens for this mailbox, or of this sender, that were issued at or before `issued_until` are answered `refresh`.
  /// Tokens made later are good.
  void revoke_mailbox(const MailboxId& mailbox, Time issued_until);
  void revoke_sender(const AccountId& sender, Time issued_until);

  /// `token_expires`: whole seconds, as it stands in the token.
  [[nodiscard]] Verdict check(const AccountId& sender, const MailboxId& mailbox, Time token_expires) const;
  [[nodiscard]] bool is_gone(const MailboxId& mailbox) const { return gone_.contains(mailbox); }
  /// Rises with each change: a verdict found under another version has to be asked for again.
  [[nodiscard]] std::uint32_t version() const { return version_; }
  /// Drops entries whose tokens have all expired by themselves. Cost: the size of the tables.
  void forget(Time now);
  [[nodiscard]] std::size_t size() const { return gone_.size() + mailboxes_.size() + senders_.size(); }

 private:
  // The latest expiry of the tokens concerned.
  std::unordered_map<MailboxId, Time> gone_;
  std::unordered_map<MailboxId, Time> mailboxes_;
  std::unordered_map<AccountId, Time> senders_;
  std::uint32_t version_ = 1;
};

}  // namespace opaline::relay
