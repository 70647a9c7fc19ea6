#pragma once
// Tickets with which gateways put themselves in. In RAM alone: an operator makes another one.
#include <unordered_map>

#include "base/random.hpp"
#include "base/secret.hpp"
#include "crypto/hash.hpp"
#include "identity/business.hpp"

namespace opaline::identity::internal {

using EnrolmentId = ByteId<struct EnrolmentIdTag, 16>;

struct Enrolment {
  AccountId business;
  MailboxId mailbox;  ///< of device 1
  Instant expires;
  std::uint32_t attempts_left = kTicketAttempts;
  std::optional<ByteArray<32>> completed;  ///< hash of the request that used it: from then on it answers repetitions
  std::optional<BusinessMove> move;        ///< comes true with the gateway that uses it
};

class Enrolments {
 public:
  explicit Enrolments(RandomSource& random) : random_(random) { random_.fill(key_.fill()); }

  /// Ends an earlier ticket of the business; a move that hung on that hangs on this one, unless there is another.
  [[nodiscard]] BusinessEnrolment start(const AccountId& business, Instant now, std::optional<BusinessMove> move);
  /// Null: there is no ticket that could bring one about. As find().
  [[nodiscard]] const BusinessMove* move_of(const AccountId& business, Instant now) const;
  /// Null if the ticket is not one or is over. Until the next call that is not const.
  [[nodiscard]] Enrolment* find(ByteView ticket, Instant now);
  void forget(const AccountId& business);
  void drop_expired(Instant now);
  [[nodiscard]] std::size_t size() const { return entries_.size(); }

 private:
  [[nodiscard]] EnrolmentId id_of(ByteView ticket) const;

  RandomSource& random_;
  Secret<struct EnrolmentKeyTag, 32> key_;  ///< of this process: tickets are found by a MAC, not by themselves
  std::unordered_map<EnrolmentId, Enrolment> entries_;
};

}  // namespace opaline::identity::internal
