#include "relay/internal/shard.hpp"

#include <algorithm>

namespace opaline::relay {

using wire::SubmitStatus;

// ---- answers

void Relay::Shard::reply(const Waiter& waiter, std::size_t size, const MailboxId& mailbox, SubmitStatus status) {
  switch (status) {
    case SubmitStatus::accepted:
      break;
    case SubmitStatus::full:
      ++counters_.full;
      break;
    case SubmitStatus::gone:
      ++counters_.gone;
      break;
    case SubmitStatus::retry:
      ++counters_.retry;
      break;
    case SubmitStatus::held_back:
      ++counters_.held_back;
      break;
    case SubmitStatus::refresh:
    case SubmitStatus::refused:
      break;  // the edge's alone
  }
  if (status != SubmitStatus::accepted) hold(waiter.connection, mailbox);
  outputs_.result(waiter.connection, waiter.number, status, static_cast<std::uint32_t>(size));
}

void Relay::Shard::answer(Envelope& e, SubmitStatus status) {
  reply(e.sender, e.size, e.mailbox->id, status);
  if (e.repeats == nullptr) return;
  for (const Waiter& each : *e.repeats) reply(each, e.size, e.mailbox->id, status);
  delete std::exchange(e.repeats, nullptr);
}

void Relay::Shard::answer_now(const Submission& s, SubmitStatus status) {
  reply({s.sender, s.number}, s.ciphertext.size(), s.mailbox, status);
}

bool Relay::Shard::is_held(ConnectionId connection, const MailboxId& mailbox) const {
  const auto at = held_.find(static_cast<std::uint64_t>(connection));
  return at != held_.end() && std::find(at->second.begin(), at->second.end(), mailbox) != at->second.end();
}

void Relay::Shard::hold(ConnectionId connection, const MailboxId& mailbox) {
  // A connection has at most kMaxRoutes mailboxes at a time; one that changes its routes faster than it says CLEAR
  // loses the oldest of these marks, and with it the order that only itself depends on.
  constexpr std::size_t kMaxHeld = 2 * wire::kMaxRoutes;
  auto& mailboxes = held_[static_cast<std::uint64_t>(connection)];
  if (std::find(mailboxes.begin(), mailboxes.end(), mailbox) != mailboxes.end()) return;
  if (mailboxes.size() >= kMaxHeld) mailboxes.erase(mailboxes.begin());
  mailboxes.push_back(mailbox);
}

void Relay::Shard::clear(ConnectionId sender, const MailboxId& mailbox) {
  const auto at = held_.find(static_cast<std::uint64_t>(sender));
  if (at == held_.end()) return;
  std::erase(at->second, mailbox);
  if (at->second.empty()) held_.erase(at);
}

// ---- submitting

bool Relay::Shard::has_room(Mailbox& m, std::uint64_t tag, std::size_t size) {
  const std::uint64_t envelopes = std::uint64_t{m.count} + m.stored_count;
  const std::uint64_t bytes = m.bytes + m.stored_bytes;
  const SenderUse use = m.shares.use(tag);
  return envelopes < limits_.mailbox_envelopes && bytes + size <= limits_.mailbox_bytes &&
         std::min<std::uint64_t>(use.envelopes, envelopes) < limits_.mailbox_envelopes / limits_.sender_share &&
         std::min(use.bytes, bytes) + size <= limits_.mailbox_bytes / limits_.sender_share;
}

void Relay::Shard::submit(const Submission& s) {
  ++counters_.submitted;
  if (!held_.empty() && is_held(s.sender, s.mailbox)) return answer_now(s, SubmitStatus::held_back);
  if (s.envelope_class == wire::EnvelopeClass::ephemeral) return submit_ephemeral(s);
  if (shutting_down_) return answer_now(s, SubmitStatus::retry);
  Mailbox& m = find_or_load(s.mailbox);
  if (m.phase == Phase::gone) return answer_now(s, SubmitStatus::gone);
  if (m.phase == Phase::fenced) return answer_now(s, SubmitStatus::retry);

  const std::uint64_t tag = sender_tag(s.sender_account);
  if (Envelope* same = duplicates_.find(&m, s.id, tag)) return submit_again(*same, s);
  if (ram_bytes() + s.ciphertext.size() >= limits_.max_ram_bytes) return answer_now(s, SubmitStatus::retry);
  if (!has_room(m, tag, s.ciphertext.size()) && (expire(m) == 0 || !has_room(m, tag, s.ciphertext.size()))) {
    m.gap_next = true;
    return answer_now(s, SubmitStatus::full);
  }

  Envelope* const e = pool_.make(s.ciphertext);
  e->id = s.id;
  e->sender_tag = tag;
  e->sender = {s.sender, s.number};
  e->arrived = clock_.monotonic();
  e->gap = std::exchange(m.gap_next, false);
  m.append(e);
  m.charge(e);
  duplicates_.insert(e);
  deadlines_.push_back(e);
  if (m.unpushed == e) push_queued(m);
  if (m.unpushed != nullptr || under_pressure()) mark(m);
}

void Relay::Shard::submit_again(Envelope& same, const Submission& s) {
  ++counters_.duplicate_submits;
  if (same.acknowledged) return answer_now(s, SubmitStatus::accepted);  // being stored, but the device has it
  if (same.repeats == nullptr) same.repeats = new std::vector<Waiter>;
  same.repeats->push_back({s.sender, s.number});
}

void Relay::Shard::submit_ephemeral(const Submission& s) {
  Mailbox* const m = mailboxes_.find(s.mailbox);
  if (m != nullptr && m->phase == Phase::gone) return answer_now(s, SubmitStatus::gone);
  // Only what can go at once and in its place is worth sending. The answer is the same in any case.
  const bool goes = m != nullptr && m->phase == Phase::open && m->reader != nullptr && !m->unread() &&
                    m->unpushed == nullptr && !m->overdue && can_push(*m->reader, s.ciphertext.size());
  if (goes) {
    Slot slot{.sequence = 0};
    slot.bytes = static_cast<std::uint32_t>(s.ciphertext.size());
    slot.kind = Slot::Kind::settled;
    push(*m, slot, false, s.id, s.ciphertext);
    ++counters_.ephemeral_pushed;
  } else {
    ++counters_.ephemeral_dropped;
  }
  answer_now(s, SubmitStatus::accepted);
}

void Relay::Shard::forget(Envelope* e) {
  deadlines_.remove(e);
  duplicates_.erase(e);
  e->mailbox->unlink(e);
  pool_.free(e);
}

void Relay::Shard::fail_one(Envelope* e, SubmitStatus status) {
  Mailbox& m = *e->mailbox;
  if (!e->acknowledged) {
    if (e->pushed) {
      Slot& slot = m.slot_of(*e);
      slot.kind = Slot::Kind::settled;
      slot.sequence = 0;
    }
    if (!e->to_admit) m.discharge(e);
    answer(*e, status);
  }
  forget(e);
}

void Relay::Shard::fail(Envelope* e, SubmitStatus status) {
  Mailbox& m = *e->mailbox;
  // Everybody who waits for it: a sender that connected again waits for what it submitted on its earlier connection.
  std::vector<ConnectionId> connections{e->sender.connection};
  if (e->repeats != nullptr) {
    for (const Waiter& each : *e->repeats) connections.push_back(each.connection);
  }
  const auto concerned = [&connections](const Envelope& other) {
    const auto is_one = [&connections](ConnectionId id) {
      return std::ranges::find(connections, id) != connections.end();
    };
    if (is_one(other.sender.connection)) return true;
    return other.repeats != nullptr &&
           std::ranges::any_of(*other.repeats, [&](const Waiter& w) { return is_one(w.connection); });
  };
  fail_one(e, status);
  for (Envelope* each = m.first; each != nullptr;) {
    Envelope* const following = each->next;
    if (each->place != Place::storing && concerned(*each)) fail_one(each, SubmitStatus::held_back);
    each = following;
  }
}

void Relay::Shard::fail_all(Mailbox& m, SubmitStatus status) {
  for (Envelope* each = m.first; each != nullptr;) {
    Envelope* const following = each->next;
    if (each->place != Place::storing) fail_one(each, status);
    each = following;
  }
}

// ---- pushing

bool Relay::Shard::can_push(const Reader& reader, std::size_t size) const {
  return reader.credit_envelopes > 0 && reader.credit_bytes >= size &&
         reader.outstanding < limits_.unacknowledged_envelopes &&
         (reader.outstanding == 0 || reader.outstanding_bytes + size <= limits_.unacknowledged_bytes);
}

void Relay::Shard::push(Mailbox& m, Slot slot, bool gap, const EnvelopeId& id, ByteView ciphertext) {
  Reader& reader = *m.reader;
  slot.gap_of_head = std::exchange(m.gap_head, false);
  m.slots.push_back(slot);
  --reader.credit_envelopes;
  reader.credit_bytes -= slot.bytes;
  ++reader.outstanding;
  reader.outstanding_bytes += slot.bytes;
  if (!reader.runs.empty() && reader.runs.back().mailbox == &m) {
    ++reader.runs.back().count;
  } else {
    reader.runs.push_back({&m, 1});
  }
  ++counters_.pushed;
  outputs_.push(reader.id, m.subscription, gap || slot.gap_of_head, id, ciphertext);
}

void Relay::Shard::push_queued(Mailbox& m) {
  if (m.reader == nullptr || m.phase != Phase::open || m.unread()) return;
  while (m.unpushed != nullptr && m.unpushed->place == Place::queued && can_push(*m.reader, m.unpushed->size)) {
    Envelope* const e = m.unpushed;
    m.unpushed = e->next;
    ++m.pushed_queued;
    e->pushed = true;
    e->slot = m.first_slot + m.slots.size();
    Slot slot{.envelope = e};
    slot.bytes = e->size;
    push(m, slot, e->gap, e->id, e->ciphertext());
  }
}

void Relay::Shard::pump(Mailbox& m) {
  if (m.phase != Phase::open) return;
  if (m.reader != nullptr) {
    if (m.unread()) drain(m);
    push_queued(m);
    if (m.drained_due) report_drained(m);
  }
  mark(m);
}

// ---- acknowledging

void Relay::Shard::acknowledge_pushes(Mailbox& m, Reader& reader, std::uint32_t count) {
  m.overdue = false;
  for (; count > 0; --count) {
    const Slot slot = m.slots.front();
    m.slots.pop_front();
    ++m.first_slot;
    reader.outstanding_bytes -= slot.bytes;
    switch (slot.kind) {
      case Slot::Kind::ram: {
        Envelope* const e = slot.envelope;
        ++counters_.accepted_online;
        m.discharge(e);
        answer(*e, SubmitStatus::accepted);
        if (e->place == Place::storing) {
          e->acknowledged = true;  // removed from the store when it is there
        } else {
          forget(e);
        }
        break;
      }
      case Slot::Kind::stored:
        --m.stored_slots;
        ++counters_.stored_removed;
        m.remove_through = std::max(m.remove_through, slot.sequence);
        m.account_removed(Day(slot.day), slot.bytes);
        break;
      case Slot::Kind::settled:
        break;
    }
  }
  if (m.slots.empty()) m.slots.trim();
  if (m.backlog && m.stored_slots == 0) settle_empty(m);
}

bool Relay::Shard::acknowledge(ConnectionId id, std::uint32_t number) {
  Reader* const reader = readers_.find(id);
  if (reader == nullptr) return false;
  std::uint32_t count = number - reader->acknowledged;
  if (count > reader->outstanding) return false;
  counters_.acknowledged += count;
  reader->acknowledged = number;
  reader->outstanding -= count;
  while (count > 0) {
    Reader::Run& run = reader->runs.front();
    const std::uint32_t of_this = std::min(count, run.count);
    Mailbox& m = *run.mailbox;
    run.count -= of_this;
    if (run.count == 0) reader->runs.pop_front();
    count -= of_this;
    acknowledge_pushes(m, *reader, of_this);
    if (m.remove_through > m.removed_through) mark(m);
  }
  for (Mailbox* each : reader->mailboxes) {
    if (each->unpushed != nullptr || each->unread() || each->drained_due) pump(*each);
  }
  return true;
}

void Relay::Shard::add_credit(ConnectionId id, std::uint32_t envelopes, std::uint32_t bytes) {
  Reader* const reader = readers_.find(id);
  if (reader == nullptr) return;
  const auto saturate = [](std::uint32_t& to, std::uint32_t more) {
    to = more > UINT32_MAX - to ? UINT32_MAX : to + more;
  };
  saturate(reader->credit_envelopes, envelopes);
  saturate(reader->credit_bytes, bytes);
  for (Mailbox* each : reader->mailboxes) {
    if (each->unpushed != nullptr || each->unread()) pump(*each);
  }
}

}  // namespace opaline::relay
