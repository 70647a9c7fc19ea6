#pragma once
// Who is proving that a handle is theirs. In RAM alone: ten minutes are not worth a disk, and a restart means asking
// for another code.
#include <unordered_map>

#include "base/random.hpp"
#include "crypto/hash.hpp"
#include "identity/handle.hpp"
#include "identity/limits.hpp"
#include "identity/ports.hpp"

namespace opaline::identity::internal {

using VerificationId = ByteId<struct VerificationIdTag, kVerificationBytes>;

/// A handle with a code on its way, and after the right code a registration with a ticket.
struct Verification {
  Verification(const Handle& handle_, const std::optional<AccountId>& adding_to_, Instant expires_)
      : handle(handle_), adding_to(adding_to_), expires(expires_) {}
  Handle handle;
  std::optional<AccountId> adding_to;  ///< the handle is to be one more of this account; else it registers a new one
  ByteArray<32> code_mac{};
  std::uint32_t tries_left = kCodeTries;
  Instant expires;
  bool checked = false;
  // From here on only if checked, for registrations.
  AccountId account;
  MailboxId mailbox;
  std::uint32_t attempts_left = kTicketAttempts;
  // Set once the handle was given to an account: from then on it only answers repetitions.
  std::optional<ByteArray<32>> completed;  ///< hash of the request that completed it
};

class Verifications {
 public:
  explicit Verifications(RandomSource& random) : random_(random) { random_.fill(key_.fill()); }

  [[nodiscard]] bool is_full() const { return entries_.size() >= kMaxVerifications; }
  struct Started {
    VerificationId id;
    Code code;
  };
  /// Not while is_full (asserted).
  [[nodiscard]] Started start(const Handle& handle, const std::optional<AccountId>& adding_to, Instant now);

  struct Checked {
    Verification* right = nullptr;  ///< set if the code was right; until the next call that is not const
    bool known = false;
    std::uint32_t tries_left = 0;  ///< known and not right
  };
  /// One try, unless the code is right: a right code may be sent again. `code` has kCodeDigits bytes (asserted). The
  /// last wrong try forgets the verification.
  [[nodiscard]] Checked check(ByteView id, std::string_view code, const std::optional<AccountId>& adding_to,
                              Instant now);

  /// 16 bytes of the id and a MAC over it: so that it is the same for the same verification, and nothing is kept for
  /// it.
  [[nodiscard]] ByteArray<kTicketBytes> ticket(ByteView id) const;
  /// Null if the ticket is not one or is over. Until the next call that is not const.
  [[nodiscard]] Verification* find_ticket(ByteView ticket, Instant now);

  void forget(ByteView id);
  /// The handle was given to an account: whoever proved it before that has to prove it again.
  void forget_others(const Handle& handle, const Verification& kept);
  void drop_expired(Instant now);
  [[nodiscard]] std::size_t size() const { return entries_.size(); }
  [[nodiscard]] std::size_t tickets() const;

 private:
  [[nodiscard]] Verification* find(ByteView id, Instant now);
  [[nodiscard]] ByteArray<32> code_mac(const VerificationId& id, ByteView code) const;

  RandomSource& random_;
  Secret<struct VerificationKeyTag, 32> key_;  ///< of this process
  std::unordered_map<VerificationId, Verification> entries_;
};

}  // namespace opaline::identity::internal
