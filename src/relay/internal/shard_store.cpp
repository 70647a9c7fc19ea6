// What goes to the store, when, and what its answers mean.
#include <algorithm>

#include "relay/internal/shard.hpp"

namespace opaline::relay {

using store::AppendOutcome;
using wire::SubmitStatus;

namespace {
// One mailbox's part of one append, and one append call: enough for a group commit, little enough to copy in one go.
constexpr std::size_t kMaxPartEnvelopes = 1024;
constexpr std::size_t kMaxPartBytes = 4 << 20;
constexpr std::size_t kMaxCallEnvelopes = 4096;
constexpr std::size_t kMaxCallBytes = 8 << 20;
}  // namespace

// ---- which envelopes have to be stored

void Relay::Shard::to_store(Envelope* e) {
  Mailbox& m = *e->mailbox;
  deadlines_.remove(e);
  e->place = Place::to_store;
  ++m.to_store;
  if (e->pushed) --m.pushed_queued;
}

void Relay::Shard::all_to_store(Mailbox& m) {
  Envelope* e = m.last;
  while (e != nullptr && e->place == Place::queued) e = e->previous;
  for (e = e == nullptr ? m.first : e->next; e != nullptr; e = e->next) to_store(e);
}

/// Whether the reader may be expected to take what it was not pushed yet, within the deadline.
bool Relay::Shard::worth_waiting(const Mailbox& m) const {
  if (m.reader == nullptr || m.overdue || shutting_down_) return false;
  const bool acknowledgements_due = m.reader->outstanding > 0;
  if (m.reader->credit_envelopes == 0) return acknowledgements_due && !m.unread();
  return acknowledgements_due || m.unread() || m.storing() || m.to_store > 0;
}

/// At the end of a round: decides about envelopes that could not be pushed. Only whole heads of the queue are stored,
/// so while something in front may still be acknowledged from RAM they wait for it, or for its deadline.
void Relay::Shard::place_waiting(Mailbox& m) {
  if (m.last == nullptr || m.last->place != Place::queued) return;
  if (under_pressure() || shutting_down_) return all_to_store(m);
  if (m.unpushed == nullptr || m.pushed_queued > 0 || worth_waiting(m)) return;
  all_to_store(m);
}

// ---- appending

void Relay::Shard::flush() {
  refresh_day();
  // Completions never come from inside a call of the store, so nothing below re-enters.
  round_.swap(dirty_);
  for (Mailbox* m : round_) {
    m->dirty = false;
    if (m->phase == Phase::open) {
      place_waiting(*m);
      begin_append(*m);
    }
    if (m->remove_through > m->removed_through) {
      m->removed_through = m->remove_through;
      removals_.push_back({m->id, store::Sequence(m->remove_through)});
    }
  }
  if (!batch_parts_.empty()) call_append();
  if (!removals_.empty()) store_.remove(epoch_, std::exchange(removals_, {}));
  for (Mailbox* m : round_) consider_idle(*m);
  round_.clear();
  if (shutting_down_) finish_shutdown();
}

void Relay::Shard::begin_append(Mailbox& m) {
  if (m.to_store == 0 || m.storing()) return;
  Backlog& b = m.need_backlog();
  std::size_t bytes = 0;
  for (Envelope* e = m.first; e != nullptr && e->place == Place::to_store; e = e->next) {
    if (b.storing.size() >= kMaxPartEnvelopes || bytes + e->size > kMaxPartBytes) break;
    bytes += e->size;
    e->place = Place::storing;
    e->sequence = m.next_sequence++;
    --m.to_store;
    b.storing.push_back(e);
    add_append(*e);
  }
  b.append_attempts = 0;
  b.appending = true;
  ++m.store_calls;
  batch_parts_.push_back({&m, b.storing.size()});
  if (batch_.size() >= kMaxCallEnvelopes || batch_bytes_ >= kMaxCallBytes) call_append();
}

void Relay::Shard::add_append(Envelope& e) {
  e.day = today_;
  batch_bytes_ += e.size;
  batch_.push_back({.mailbox = e.mailbox->id,
                    .sequence = store::Sequence(e.sequence),
                    .id = e.id,
                    .day = e.day,
                    .gap = e.gap,
                    .ciphertext = to_bytes(e.ciphertext())});
}

void Relay::Shard::call_append() {
  batch_bytes_ = 0;
  store_.append(
      epoch_, std::exchange(batch_, {}),
      [weak = weak_from_this(), parts = std::exchange(batch_parts_, {})](std::vector<AppendOutcome> outcomes) {
        if (const auto self = weak.lock()) self->on_appended(parts, outcomes);
      });
}

void Relay::Shard::on_appended(const std::vector<Part>& parts, const std::vector<AppendOutcome>& outcomes) {
  std::size_t done = 0;
  for (const Part& part : parts) {
    OPALINE_ASSERT(done + part.count <= outcomes.size());
    on_appended(*part.mailbox, std::span(outcomes).subspan(done, part.count));
    done += part.count;
  }
}

void Relay::Shard::on_appended(Mailbox& m, std::span<const AppendOutcome> outcomes) {
  --m.store_calls;
  mark(m);
  Backlog& b = *m.backlog;
  b.appending = false;
  if (m.phase == Phase::gone) {
    drop_storing(m);
    store_.destroy(epoch_, m.id);  // what the append may have left there
    return;
  }
  bool unknown = false, fenced = false;
  std::size_t next = 0;
  for (Envelope* e : b.storing) {
    if (e->resolved) continue;
    e->outcome = outcomes[next++];
    e->resolved = e->outcome != AppendOutcome::unknown;
    if (!e->resolved) {
      ++counters_.store_unknown;
      unknown = true;
    }
    if (e->outcome == AppendOutcome::fenced) fenced = true;
  }
  const bool repeat = unknown && !fenced && b.append_attempts < limits_.store_repeats;
  // In order: what lies behind one whose outcome is open waits with its answer.
  std::size_t finished = 0;
  for (Envelope* e : b.storing) {
    if (!e->resolved && repeat) break;
    finish_append(m, e);
    ++finished;
  }
  b.storing.erase(b.storing.begin(), b.storing.begin() + static_cast<std::ptrdiff_t>(finished));
  if (fenced) return fence(m);
  if (repeat) return repeat_later(m, StoreCall::append, b.append_attempts++);
  if (m.stored_slots == 0) settle_empty(m);
  pump(m);
}

void Relay::Shard::repeat_append(Mailbox& m) {
  Backlog& b = *m.backlog;
  if (m.phase != Phase::open) {
    if (m.phase == Phase::gone) store_.destroy(epoch_, m.id);
    return drop_storing(m);
  }
  std::size_t count = 0;
  for (Envelope* e : b.storing) {
    if (e->resolved) continue;
    add_append(*e);
    ++count;
  }
  b.appending = true;
  ++m.store_calls;
  batch_parts_.push_back({&m, count});
}

/// The appends of a mailbox that is gone or fenced have no more meaning.
void Relay::Shard::drop_storing(Mailbox& m) {
  for (Envelope* e : m.backlog->storing) {
    if (e->acknowledged) {
      forget(e);
    } else {
      fail_one(e, SubmitStatus::retry);
    }
  }
  m.backlog->storing.clear();
}

void Relay::Shard::finish_append(Mailbox& m, Envelope* e) {
  const bool stored = e->outcome == AppendOutcome::stored || e->outcome == AppendOutcome::duplicate;
  if (stored) return finish_stored(m, e);
  if (e->outcome == AppendOutcome::unknown) {
    // It may be there: its place is used up, a reader is to find it, an acknowledgement is to remove it.
    m.last_stored = std::max(m.last_stored, e->sequence);
    if (e->acknowledged) m.remove_through = std::max(m.remove_through, e->sequence);
    if (e->pushed) m.read_from = std::max(m.read_from, e->sequence + 1);
    // Nothing was added to the accounts: by day 0 nothing will be taken from them.
    if (e->pushed && !e->acknowledged) slot_is_stored(m, *e, Day(0));
  }
  if (e->outcome == AppendOutcome::full) ++counters_.store_full;
  if (e->acknowledged) return forget(e);  // the device has it and its sender knows
  if (e->outcome == AppendOutcome::full) {
    m.gap_next = true;
    fail(e, SubmitStatus::full);
  } else {
    fail(e, SubmitStatus::retry);
  }
}

void Relay::Shard::slot_is_stored(Mailbox& m, Envelope& e, Day day) {
  Slot& slot = m.slot_of(e);
  slot.kind = Slot::Kind::stored;
  slot.sequence = e.sequence;
  slot.day = static_cast<std::uint16_t>(number(day));
  ++m.stored_slots;
  e.pushed = false;
}

void Relay::Shard::finish_stored(Mailbox& m, Envelope* e) {
  m.last_stored = std::max(m.last_stored, e->sequence);
  ++counters_.stored;
  if (e->acknowledged) {
    ++counters_.stored_removed;
    m.remove_through = std::max(m.remove_through, e->sequence);
    m.read_from = std::max(m.read_from, e->sequence + 1);
    forget(e);
    return;
  }
  if (e->pushed) {
    slot_is_stored(m, *e, e->day);
    m.read_from = std::max(m.read_from, e->sequence + 1);
  }
  // Its sender stays charged with it in the shares.
  --m.count;
  m.bytes -= e->size;
  m.account_stored(e->day, e->size, e->sequence);
  ++counters_.accepted_stored;
  answer(*e, SubmitStatus::accepted);
  forget(e);
}

void Relay::Shard::fence(Mailbox& m) {
  ++counters_.fenced;
  m.phase = Phase::fenced;
  drop_fetched(m);
  fail_all(m, SubmitStatus::retry);
}

}  // namespace opaline::relay
