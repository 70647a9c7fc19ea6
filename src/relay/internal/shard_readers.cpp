// Readers that come and go, and what they find stored.
#include <algorithm>

#include "relay/internal/shard.hpp"

namespace opaline::relay {

void Relay::Shard::attach(ConnectionId id, std::uint8_t subscription, const MailboxId& mailbox) {
  Mailbox& m = find_or_load(mailbox);
  OPALINE_ASSERT(m.reader == nullptr || m.reader->id != id);
  if (m.reader != nullptr) detach(m.reader->id);
  Reader* reader = readers_.find(id);
  if (reader == nullptr) {
    reader = new Reader;
    reader->id = id;
    readers_.insert(id, reader);
  }
  OPALINE_ASSERT(reader->mailboxes.size() == subscription);
  reader->mailboxes.push_back(&m);
  m.reader = reader;
  m.subscription = subscription;
  m.drained_due = true;
  // Everything in RAM that is on its way to the store counts as waiting: it will get the next sequences.
  m.drain_target = m.next_sequence - 1 + m.to_store;
  pump(m);
}

void Relay::Shard::detach(ConnectionId connection) {
  held_.erase(static_cast<std::uint64_t>(connection));
  Reader* const reader = readers_.erase(connection);
  if (reader == nullptr) return;
  for (Mailbox* each : reader->mailboxes) leave(*each);
  delete reader;
}

void Relay::Shard::leave(Mailbox& m) {
  m.reader = nullptr;
  m.overdue = m.drained_due = false;
  // What it was pushed and did not acknowledge is as if it had not been pushed.
  std::uint64_t first_stored = 0;
  for (std::uint32_t i = 0; i < m.slots.size(); ++i) {
    const Slot& slot = m.slots[i];
    if (slot.gap_of_head) m.gap_head = true;
    if (slot.kind == Slot::Kind::stored && first_stored == 0) first_stored = slot.sequence;
  }
  m.slots.clear();
  m.slots.trim();
  m.first_slot = m.stored_slots = 0;
  drop_fetched(m);
  if (first_stored != 0) m.read_from = first_stored;
  m.unpushed = nullptr;
  m.pushed_queued = 0;
  for (Envelope* e = m.first; e != nullptr; e = e->next) {
    if (e->acknowledged) continue;
    e->pushed = false;
    if (m.unpushed == nullptr) m.unpushed = e;
  }
  if (m.phase != Phase::gone && m.phase != Phase::fenced) all_to_store(m);
  mark(m);
}

void Relay::Shard::drop_fetched(Mailbox& m) {
  if (!m.backlog) return;
  Backlog& b = *m.backlog;
  if (b.has_fetched()) m.read_from = static_cast<std::uint64_t>(b.fetched[b.fetched_at].sequence);
  for (std::size_t i = b.fetched_at; i < b.fetched.size(); ++i) fetched_bytes_ -= b.fetched[i].ciphertext.size();
  b.fetched = {};
  b.fetched_at = 0;
  b.discard_read = b.reading;
}

// ---- draining

void Relay::Shard::drain(Mailbox& m) {
  Backlog& b = m.need_backlog();
  while (b.has_fetched()) {
    store::StoredEnvelope& e = b.fetched[b.fetched_at];
    const std::size_t size = e.ciphertext.size();
    if (expired(e.day)) {
      (void)expire(m);
      m.gap_head = true;
    } else {
      if (!can_push(*m.reader, size)) break;
      Slot slot{.sequence = static_cast<std::uint64_t>(e.sequence)};
      slot.bytes = static_cast<std::uint32_t>(size);
      slot.day = static_cast<std::uint16_t>(number(e.day));
      slot.kind = Slot::Kind::stored;
      ++m.stored_slots;
      push(m, slot, e.gap, e.id, e.ciphertext);
    }
    fetched_bytes_ -= size;
    e.ciphertext = {};
    ++b.fetched_at;
  }
  if (!b.has_fetched()) {
    b.fetched.clear();
    b.fetched_at = 0;
  }
  const std::size_t waiting = b.fetched.size() - b.fetched_at;
  const bool more = m.read_from <= m.last_stored;
  if (more && !b.reading && waiting <= limits_.drain_window_envelopes / 2 && m.reader->credit_envelopes > 0)
    call_read(m);
  if (!m.unread() && m.stored_slots == 0) settle_empty(m);
}

void Relay::Shard::call_read(Mailbox& m) {
  Backlog& b = *m.backlog;
  b.reading = true;
  b.read_bound = m.last_stored;
  ++m.store_calls;
  const std::size_t max_bytes = under_pressure() ? wire::kMaxEnvelopeBytes : limits_.drain_window_bytes;
  store_.read(epoch_, m.id, store::Sequence(m.read_from), limits_.drain_window_envelopes, max_bytes,
              [weak = weak_from_this(), &m](store::ReadOutcome outcome, std::vector<store::StoredEnvelope> envelopes) {
                if (const auto self = weak.lock()) self->on_read(m, outcome, std::move(envelopes));
              });
}

void Relay::Shard::on_read(Mailbox& m, store::ReadOutcome outcome, std::vector<store::StoredEnvelope> envelopes) {
  --m.store_calls;
  mark(m);
  if (m.phase != Phase::open) return;
  Backlog& b = *m.backlog;
  if (std::exchange(b.discard_read, false)) {
    b.reading = false;
    if (m.reader != nullptr) pump(m);
    return;
  }
  switch (outcome) {
    case store::ReadOutcome::fenced:
      b.reading = false;
      fence(m);
      return;
    case store::ReadOutcome::failed:
      // Stays `reading` until the repeat. Serving others goes on; this reader has to wait for the disk.
      ++counters_.store_failed_reads;
      repeat_later(m, StoreCall::read, b.read_attempts++);
      return;
    case store::ReadOutcome::ok:
      break;
  }
  b.reading = false;
  b.read_attempts = 0;
  refresh_day();
  if (b.fetched_at > 0) {
    b.fetched.erase(b.fetched.begin(), b.fetched.begin() + static_cast<std::ptrdiff_t>(b.fetched_at));
    b.fetched_at = 0;
  }
  // A read also sees appends whose answer has not come (or was `unknown`): those envelopes are still in RAM and their
  // append may be repeated. To serve and remove them from here would leave what the repetition stores again for ever.
  bool at_end = envelopes.empty();
  for (store::StoredEnvelope& e : envelopes) {
    const auto sequence = static_cast<std::uint64_t>(e.sequence);
    if (sequence > m.last_stored) {
      at_end = true;
      if (e.gap && m.read_from <= b.read_bound) m.gap_head = true;  // may stand for what was damaged before it
      break;
    }
    if (sequence < m.read_from) continue;
    m.read_from = sequence + 1;
    fetched_bytes_ += e.ciphertext.size();
    b.fetched.push_back(std::move(e));
  }
  // Nothing more up to what was stored when the read was called: the rest has expired or was damaged.
  if (at_end) m.read_from = std::max(m.read_from, b.read_bound + 1);
  pump(m);
}

/// The store holds nothing that anybody could still get: its accounts go back to nothing, whatever was counted.
void Relay::Shard::settle_empty(Mailbox& m) {
  Backlog& b = *m.backlog;
  if (m.unread() || m.stored_slots > 0 || !b.storing.empty() || b.reading) return;
  if (m.stored_count > 0) m.remove_through = std::max(m.remove_through, m.last_stored);
  m.stored_count = 0;
  m.stored_bytes = 0;
  m.backlog.reset();
  m.shares.clear();
  for (const Envelope* e = m.first; e != nullptr; e = e->next) {
    if (!e->acknowledged) m.shares.charge(e->sender_tag, e->size);
  }
}

void Relay::Shard::report_drained(Mailbox& m) {
  if (m.phase != Phase::open) return;
  const bool storing = m.storing() && m.backlog->storing.front()->sequence <= m.drain_target;
  const bool to_store = m.to_store > 0 && m.next_sequence <= m.drain_target;
  if (storing || to_store) return;
  if (m.unread()) {
    const bool fetched = m.backlog && m.backlog->has_fetched();
    const std::uint64_t next =
        fetched ? static_cast<std::uint64_t>(m.backlog->fetched[m.backlog->fetched_at].sequence) : m.read_from;
    if (next <= m.drain_target) return;
  }
  for (std::uint32_t i = 0; i < m.slots.size() && m.stored_slots > 0; ++i) {
    if (m.slots[i].kind != Slot::Kind::stored) continue;
    if (m.slots[i].sequence <= m.drain_target) return;
    break;
  }
  m.drained_due = false;
  outputs_.drained(m.reader->id, m.subscription);
}

}  // namespace opaline::relay
