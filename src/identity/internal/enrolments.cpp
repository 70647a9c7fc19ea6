#include "identity/internal/enrolments.hpp"

namespace opaline::identity::internal {

EnrolmentId Enrolments::id_of(ByteView ticket) const {
  const auto mac = crypto::hmac_sha256(key_.reveal(), {as_view("enrolment"), ticket});
  return EnrolmentId(FixedView<32>(mac).first<EnrolmentId::kSize>());
}

BusinessEnrolment Enrolments::start(const AccountId& business, Instant now, std::optional<BusinessMove> move) {
  if (const auto* earlier = move_of(business, now); earlier != nullptr && !move) move = *earlier;
  forget(business);
  BusinessEnrolment out{
      .ticket = random_.bytes<kTicketBytes>(), .business = business, .mailbox = random_.id<MailboxId>()};
  entries_.insert_or_assign(id_of(out.ticket), Enrolment{.business = business,
                                                         .mailbox = out.mailbox,
                                                         .expires = now + kEnrolmentLifetime,
                                                         .attempts_left = kTicketAttempts,
                                                         .completed = std::nullopt,
                                                         .move = std::move(move)});
  return out;
}

const BusinessMove* Enrolments::move_of(const AccountId& business, Instant now) const {
  for (const auto& [id, one] : entries_)
    if (one.business == business && one.move && now < one.expires) return &*one.move;
  return nullptr;
}

Enrolment* Enrolments::find(ByteView ticket, Instant now) {
  if (ticket.size() != kTicketBytes) return nullptr;
  const auto found = entries_.find(id_of(ticket));
  return found == entries_.end() || now >= found->second.expires ? nullptr : &found->second;
}

void Enrolments::forget(const AccountId& business) {
  std::erase_if(entries_, [&](const auto& entry) { return entry.second.business == business; });
}

void Enrolments::drop_expired(Instant now) {
  std::erase_if(entries_, [now](const auto& entry) { return now >= entry.second.expires; });
}

}  // namespace opaline::identity::internal
