// Mailboxes that are loaded, forgotten, destroyed; time.
#include <algorithm>

#include "relay/internal/shard.hpp"

namespace opaline::relay {

using wire::SubmitStatus;

Relay::Shard::Shard(const Limits& limits, store::MailboxStore& store, store::OwnerEpoch epoch, Outputs& outputs,
                    const Clock& clock, RandomSource& random)
    : limits_(limits), store_(store), epoch_(epoch), outputs_(outputs), clock_(clock), duplicates_(random) {
  OPALINE_ASSERT(limits_.sender_share > 0);
  refresh_day();
}

Relay::Shard::~Shard() {
  mailboxes_.for_each([this](Mailbox& m) {
    while (m.first != nullptr) forget(m.first);
  });
  mailboxes_.for_each([](Mailbox& m) { delete &m; });
  readers_.for_each([](Reader& r) { delete &r; });
}

// ---- loading

Mailbox& Relay::Shard::find_or_load(const MailboxId& id) {
  Mailbox* m = mailboxes_.find(id);
  if (m != nullptr) {
    if (m->idle) {
      leave_idle(*m);
      mark(*m);  // back to the idle list if nothing comes of it
    }
    if (m->phase == Phase::loading && m->store_calls == 0) call_summarize(*m);  // had been given up
    return *m;
  }
  m = new Mailbox(id);
  mailboxes_.insert(id, m);
  call_summarize(*m);
  return *m;
}

void Relay::Shard::call_summarize(Mailbox& m) {
  ++m.store_calls;
  store_.summarize(epoch_, m.id,
                   [weak = weak_from_this(), &m](store::ReadOutcome outcome, store::MailboxSummary summary) {
                     if (const auto self = weak.lock()) self->on_summary(m, outcome, std::move(summary));
                   });
}

void Relay::Shard::on_summary(Mailbox& m, store::ReadOutcome outcome, store::MailboxSummary summary) {
  --m.store_calls;
  mark(m);
  if (m.phase != Phase::loading) return;
  switch (outcome) {
    case store::ReadOutcome::fenced:
      return fence(m);
    case store::ReadOutcome::failed:
      ++counters_.store_failed_reads;
      // Senders get `retry` in the end; a reader waits for as long as it stays.
      if (m.load_attempts >= limits_.store_repeats) fail_all(m, SubmitStatus::retry);
      if (m.load_attempts < limits_.store_repeats || m.reader != nullptr)
        repeat_later(m, StoreCall::summarize, m.load_attempts++);
      return;
    case store::ReadOutcome::ok:
      return open(m, summary);
  }
}

void Relay::Shard::open(Mailbox& m, const store::MailboxSummary& summary) {
  refresh_day();
  m.phase = Phase::open;
  m.last_stored = static_cast<std::uint64_t>(summary.last);
  m.next_sequence = std::max(m.last_stored + 1, sequence_floor_);
  m.read_from = m.last_stored + 1;
  for (const auto& day : summary.days) {
    m.last_stored = std::max(m.last_stored, static_cast<std::uint64_t>(day.last));
    if (expired(day.day)) {
      counters_.expired += day.count;
      m.gap_head = true;
      continue;
    }
    m.need_backlog().days.push_back(day);
    m.stored_count += day.count;
    m.stored_bytes += day.bytes;
    m.read_from = std::min(m.read_from, static_cast<std::uint64_t>(day.first));
  }
  m.next_sequence = std::max(m.next_sequence, m.last_stored + 1);
  bool gap = false;
  if (const auto at = remembered_.find(m.id); at != remembered_.end()) {
    remembered_uses_ -= at->second.uses.size();
    gap = at->second.gap_next;
    m.gap_head = m.gap_head || at->second.gap_head;
    m.shares.restore(std::move(at->second.uses));
    remembered_.erase(at);
  } else {
    m.shares.clear();
  }
  admit_waiting(m, gap);
  m.drain_target = m.unread() ? m.last_stored : 0;
  pump(m);
}

/// What came while the mailbox was loading is measured now, in order, against what it holds. `gap`: something was
/// refused before the first of them.
void Relay::Shard::admit_waiting(Mailbox& m, bool gap) {
  Envelope* e = m.first;
  m.count = 0;
  m.bytes = 0;
  for (Envelope* each = e; each != nullptr; each = each->next) each->to_admit = true;
  // With a refused one goes what follows of its connection: the queue has to be looked at anew.
  while (e != nullptr) {
    const bool admitted = has_room(m, e->sender_tag, e->size);
    e->to_admit = false;
    m.charge(e);
    if (admitted) {
      e->gap = std::exchange(gap, false) || e->gap;
      e = e->next;
      continue;
    }
    gap = true;
    fail(e, SubmitStatus::full);
    for (e = m.first; e != nullptr && !e->to_admit; e = e->next) {
    }
  }
  m.gap_next = m.gap_next || gap;
}

// ---- repeating

void Relay::Shard::repeat_later(Mailbox& m, StoreCall what, std::uint32_t attempts) {
  ++m.store_calls;
  const auto delay = limits_.store_repeat_delay * (1 << std::min(attempts, 6u));
  repeats_.emplace(clock_.monotonic() + delay, std::pair(&m, what));
}

void Relay::Shard::repeat(Mailbox& m, StoreCall what) {
  --m.store_calls;
  mark(m);
  switch (what) {
    case StoreCall::summarize:
      if (m.phase == Phase::loading) call_summarize(m);
      return;
    case StoreCall::append:
      return repeat_append(m);
    case StoreCall::read:
      if (m.phase != Phase::open) return;
      m.backlog->reading = m.backlog->discard_read = false;
      pump(m);
      return;
  }
}

// ---- forgetting

void Relay::Shard::consider_idle(Mailbox& m) {
  if (m.idle || m.dirty || m.reader != nullptr || m.first != nullptr || m.store_calls > 0) return;
  if (m.phase == Phase::loading || m.phase == Phase::fenced) return unload(m);
  m.idle = true;
  m.idle_since = clock_.monotonic();
  m.idle_previous = idle_last_;
  m.idle_next = nullptr;
  (idle_last_ != nullptr ? idle_last_->idle_next : idle_first_) = &m;
  idle_last_ = &m;
  ++idle_count_;
}

void Relay::Shard::leave_idle(Mailbox& m) {
  m.idle = false;
  (m.idle_previous != nullptr ? m.idle_previous->idle_next : idle_first_) = m.idle_next;
  (m.idle_next != nullptr ? m.idle_next->idle_previous : idle_last_) = m.idle_previous;
  --idle_count_;
}

void Relay::Shard::unload(Mailbox& m) {
  if (m.phase == Phase::open) remember(m);
  sequence_floor_ = std::max(sequence_floor_, m.next_sequence);
  mailboxes_.erase(m.id);
  delete &m;
}

void Relay::Shard::remember(const Mailbox& m) {
  // A sender with less than 1/64 of a share is forgotten: to fill a mailbox in such portions takes many idle times.
  const std::uint32_t envelopes = std::max(1u, limits_.mailbox_envelopes / limits_.sender_share / 64);
  Remembered out{.uses = m.shares.at_least(envelopes, limits_.mailbox_bytes / limits_.sender_share / 64),
                 .gap_next = m.gap_next,
                 .gap_head = m.gap_head};
  if (m.stored_count == 0) out.uses.clear();
  if (out.uses.empty() && !out.gap_next && !out.gap_head) return;
  remembered_uses_ += out.uses.size();
  remembered_.insert_or_assign(m.id, std::move(out));
  while (!remembered_.empty() &&
         (remembered_uses_ > limits_.remembered_shares || remembered_.size() > limits_.remembered_shares)) {
    const auto any = remembered_.begin();
    remembered_uses_ -= any->second.uses.size();
    remembered_.erase(any);
  }
}

void Relay::Shard::destroy(const MailboxId& id) {
  Mailbox* found = mailboxes_.find(id);
  if (found == nullptr) {
    found = new Mailbox(id);
    mailboxes_.insert(id, found);
  }
  Mailbox& m = *found;
  store_.destroy(epoch_, id);
  if (const auto at = remembered_.find(id); at != remembered_.end()) {
    remembered_uses_ -= at->second.uses.size();
    remembered_.erase(at);
  }
  mark(m);
  if (m.phase == Phase::gone) return;
  ++counters_.mailboxes_destroyed;
  drop_fetched(m);
  m.phase = Phase::gone;
  for (Envelope* e = m.first; e != nullptr;) {
    Envelope* const following = e->next;
    if (e->place != Place::storing) {
      fail_one(e, SubmitStatus::gone);
    } else if (!e->acknowledged) {
      // Stays until its append is answered.
      m.discharge(e);
      answer(*e, SubmitStatus::gone);
      e->acknowledged = true;
    }
    e = following;
  }
  for (std::uint32_t i = 0; i < m.slots.size(); ++i) m.slots[i].kind = Slot::Kind::settled;
  m.stored_slots = m.stored_count = 0;
  m.stored_bytes = 0;
  m.read_from = m.last_stored + 1;
  m.remove_through = m.removed_through;
  m.unpushed = nullptr;
  m.gap_head = m.gap_next = false;
}

// ---- time

void Relay::Shard::refresh_day() {
  today_ = day_of(clock_.now());
  if (clock_trusted_) retention_day_ = today_;
}

std::uint64_t Relay::Shard::expire(Mailbox& m) {
  refresh_day();
  const std::int64_t last = std::int64_t{number(retention_day_)} - limits_.retention.count();
  if (last < 0) return 0;
  const std::uint64_t count = m.expire(Day(static_cast<std::uint32_t>(last)));
  counters_.expired += count;
  return count;
}

void Relay::Shard::trust_clock(bool trusted) {
  clock_trusted_ = trusted;
  refresh_day();
}

void Relay::Shard::tick() {
  refresh_day();
  const Instant now = clock_.monotonic();
  while (Envelope* const e = deadlines_.first()) {
    if (e->arrived + limits_.delivery_deadline > now) break;
    Mailbox& m = *e->mailbox;
    if (m.reader != nullptr && m.phase == Phase::open) m.overdue = true;
    ++counters_.deadline_spills;
    to_store(e);
    mark(m);
  }
  while (!repeats_.empty() && repeats_.begin()->first <= now) {
    const auto [m, what] = repeats_.begin()->second;
    repeats_.erase(repeats_.begin());
    repeat(*m, what);
  }
  while (idle_first_ != nullptr &&
         (idle_first_->idle_since + limits_.idle_mailbox_time <= now || idle_count_ > limits_.idle_mailboxes)) {
    Mailbox& m = *idle_first_;
    leave_idle(m);
    if (!m.dirty) unload(m);  // else flush() decides
  }
  flush();
}

std::optional<Instant> Relay::Shard::next_deadline() const {
  std::optional<Instant> out;
  const auto earlier = [&out](Instant at) {
    if (!out || at < *out) out = at;
  };
  if (deadlines_.first() != nullptr) earlier(deadlines_.first()->arrived + limits_.delivery_deadline);
  if (!repeats_.empty()) earlier(repeats_.begin()->first);
  if (idle_first_ != nullptr) earlier(idle_first_->idle_since + limits_.idle_mailbox_time);
  return out;
}

void Relay::Shard::shut_down(std::move_only_function<void()> done) {
  shutting_down_ = true;
  shutdown_done_ = std::move(done);
  mailboxes_.for_each([this](Mailbox& m) { mark(m); });
  flush();
}

void Relay::Shard::finish_shutdown() {
  if (pool_.used_blocks() == 0 && shutdown_done_) std::exchange(shutdown_done_, {})();
}

const Counters& Relay::Shard::counters() {
  counters_.mailboxes_in_ram = mailboxes_.size();
  counters_.envelopes_in_ram = pool_.used_blocks();
  counters_.ram_bytes = ram_bytes();
  return counters_;
}

}  // namespace opaline::relay
