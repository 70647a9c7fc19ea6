#pragma once
// Accounts whose key-holder is putting a new primary device in (docs/device-api.md, "One's own devices"). Challenges
// are not kept: they carry their end and a MAC. Tickets are in RAM.
#include <unordered_map>

#include "base/ids.hpp"
#include "base/random.hpp"
#include "base/secret.hpp"
#include "base/time.hpp"
#include "crypto/hash.hpp"
#include "identity/limits.hpp"

namespace opaline::identity::internal {

using RecoveryId = ByteId<struct RecoveryIdTag, 16>;

struct Recovery {
  AccountId account;
  MailboxId mailbox;  ///< the new device's
  Instant expires;
  std::uint32_t attempts_left = kTicketAttempts;
  std::optional<ByteArray<32>> completed;  ///< hash of the request that completed it
};

class Recoveries {
 public:
  explicit Recoveries(RandomSource& random) : random_(random) { random_.fill(key_.fill()); }

  /// u64 end (seconds of the monotonic clock), 8 random bytes, 16 bytes of a MAC over both and the account.
  [[nodiscard]] ByteArray<kRecoveryChallengeBytes> challenge(const AccountId& account, Instant now);
  /// Whether this process gave it for this account, and it is not over.
  [[nodiscard]] bool is_good(const AccountId& account, ByteView challenge, Instant now) const;

  struct Opened {
    ByteArray<kTicketBytes> ticket;
    Recovery* recovery = nullptr;  ///< until the next call that is not const
  };
  /// Of a good challenge whose signature was right. The same challenge gives the same again; another one of the same
  /// account ends the earlier ticket. nullopt: too many.
  [[nodiscard]] std::optional<Opened> open(const AccountId& account, ByteView challenge, Instant now);
  /// Null if the ticket is not one or is over.
  [[nodiscard]] Recovery* find(ByteView ticket, Instant now);
  void drop_expired(Instant now);

 private:
  [[nodiscard]] ByteArray<16> mac(std::string_view kind, ByteView one, ByteView two = {}) const;

  RandomSource& random_;
  Secret<struct RecoveryKeyTag, 32> key_;  ///< of this process
  std::unordered_map<RecoveryId, Recovery> entries_;
};

}  // namespace opaline::identity::internal
