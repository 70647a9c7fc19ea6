#include "relay/internal/mailbox.hpp"

#include <algorithm>

namespace opaline::relay::internal {

void Mailbox::append(Envelope* e) {
  e->mailbox = this;
  e->previous = last;
  e->next = nullptr;
  (last != nullptr ? last->next : first) = e;
  last = e;
  if (unpushed == nullptr) unpushed = e;
}

void Mailbox::unlink(Envelope* e) {
  if (unpushed == e) unpushed = e->next;
  (e->previous != nullptr ? e->previous->next : first) = e->next;
  (e->next != nullptr ? e->next->previous : last) = e->previous;
  if (e->place == Place::to_store) --to_store;
  if (e->place == Place::queued && e->pushed) --pushed_queued;
}

void Mailbox::charge(Envelope* e) {
  ++count;
  bytes += e->size;
  shares.charge(e->sender_tag, e->size);
}

void Mailbox::discharge(Envelope* e) {
  --count;
  bytes -= e->size;
  shares.give_back(e->sender_tag, e->size);
}

void Mailbox::account_stored(Day day, std::size_t size, std::uint64_t sequence) {
  auto& days = need_backlog().days;
  auto at = std::find_if(days.begin(), days.end(), [day](const auto& each) { return each.day >= day; });
  if (at == days.end() || at->day != day) {
    at = days.insert(at, {.day = day, .first = store::Sequence(sequence), .last = {}, .count = 0, .bytes = 0});
  }
  at->last = std::max(at->last, store::Sequence(sequence));
  ++at->count;
  at->bytes += size;
  ++stored_count;
  stored_bytes += size;
}

void Mailbox::account_removed(Day day, std::size_t size) {
  if (!backlog) return;
  auto& days = backlog->days;
  const auto at = std::find_if(days.begin(), days.end(), [day](const auto& each) { return each.day == day; });
  if (at == days.end() || at->count == 0) return;  // expired meanwhile, or of an append whose outcome stayed unknown
  const std::uint64_t removed = std::min<std::uint64_t>(size, at->bytes);
  --at->count;
  at->bytes -= removed;
  --stored_count;
  stored_bytes -= removed;
  if (at->count == 0) days.erase(at);
}

std::uint64_t Mailbox::expire(Day last_expired) {
  if (!backlog) return 0;
  std::uint64_t out = 0;
  std::erase_if(backlog->days, [&](const store::MailboxSummary::PerDay& day) {
    if (day.day > last_expired) return false;
    out += day.count;
    stored_count -= day.count;
    stored_bytes -= day.bytes;
    if (static_cast<std::uint64_t>(day.last) >= read_from) gap_head = true;
    return true;
  });
  return out;
}

}  // namespace opaline::relay::internal
