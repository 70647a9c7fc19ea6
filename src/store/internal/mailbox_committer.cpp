#include "store/internal/mailbox_committer.hpp"

#include <algorithm>

#include "base/fault_point.hpp"

namespace opaline::store::internal {
namespace {

/// Mailboxes a generation remembers, about 150 bytes each. More than a group has items, so that nothing in the
/// uncommitted batch is forgotten.
constexpr std::size_t kGenerationSize = 65536;
static_assert(kGenerationSize > 2 * kMaxGroupItems);
/// Sequences have few holes. Where they seem to have many (a destroyed mailbox, an owner that jumped ahead), rows are
/// looked up instead.
constexpr std::uint64_t kMaxBlindDeletes = 4096;

}  // namespace

std::uint64_t MailboxCommitter::MailboxState::last() const {
  std::uint64_t out = 0;
  for (const DayState& day : days) out = std::max(out, day.last);
  return out;
}

MailboxCommitter::DayState* MailboxCommitter::MailboxState::day(Day wanted) {
  const auto found = std::ranges::find_if(days, [&](const DayState& each) { return each.family->day() == wanted; });
  return found == days.end() ? nullptr : &*found;
}

MailboxCommitter::MailboxState* MailboxCommitter::state_of(const MailboxId& mailbox) {
  if (const auto found = young_.find(mailbox); found != young_.end()) return &found->second;
  if (young_.size() >= kGenerationSize) {
    old_ = std::move(young_);
    young_.clear();
  }
  if (auto node = old_.extract(mailbox)) return &young_.insert(std::move(node)).position->second;
  MailboxState state{.hash = db_.hash_of(mailbox), .days = {}};
  const auto contents = contents_of(db_, state.hash);
  if (!contents) return nullptr;
  for (const DayContents& day : *contents) {
    state.days.push_back({.family = day.family,
                          .head = day.head,
                          .last = day.last,
                          .last_ordinal = day.last_ordinal,
                          .last_end = day.last_end});
  }
  return &young_.emplace(mailbox, std::move(state)).first->second;
}

Result<DayFamilyPtr, AppendOutcome> MailboxCommitter::family_of(Day day) {
  if (write_family_ != nullptr && write_family_->day() == day) return write_family_;
  auto family = db_.make_day(day);
  if (!family) return fail(family.error() == MailboxDb::DayError::full ? AppendOutcome::full : AppendOutcome::unknown);
  auto key = (*family)->key_of(db_.run(), db_.vault());
  if (!key) return fail(AppendOutcome::unknown);
  write_family_ = *family;
  write_key_ = std::move(*key);
  return *family;
}

std::optional<AppendOutcome> MailboxCommitter::known(const Append& append, const MailboxState& state) {
  const auto sequence = static_cast<std::uint64_t>(append.sequence);
  for (const DayState& day : state.days) {
    if (sequence <= day.head || sequence > day.last) continue;
    const auto id = stored_id(db_, *day.family, state.hash, sequence);
    if (!id) return AppendOutcome::unknown;
    if (!*id) continue;
    if (**id == append.id) return AppendOutcome::duplicate;
    db_.log().event(LogLevel::error,
                    "store.sequence_taken");  // two owners, or an owner that lost count: keep what was accepted
    return AppendOutcome::unknown;
  }
  return std::nullopt;
}

std::optional<EnvelopeHeader> MailboxCommitter::insert_below(const Append& append, const MailboxState& state,
                                                             DayState& day) {
  const auto sequence = static_cast<std::uint64_t>(append.sequence);
  auto above = rows_between(db_, day.family, state.hash, sequence, day.last);
  if (!above || above->empty()) return std::nullopt;
  const std::uint64_t size = append.ciphertext.size();
  EnvelopeHeader out{.ordinal = day.last_ordinal, .end = day.last_end, .run = {}, .counter = 0};
  bool next_above = true;
  for (StoredRow& row : *above) {
    const auto header = envelope_header(row.value);
    if (!header) continue;
    if (std::exchange(next_above, false)) {
      out.ordinal = header->ordinal;
      out.end = header->end - ciphertext_bytes(row.value) + size;
    }
    renumber_envelope(header->ordinal + 1, header->end + size, row.value);
    batch_.Put(day.family->handle(), slice(row.key), slice(row.value));
  }
  day.last_ordinal += 1;
  day.last_end += size;
  return out;
}

void MailboxCommitter::put(const Append& append, AppendOutcome& outcome) {
  const auto sequence = static_cast<std::uint64_t>(append.sequence);
  OPALINE_ASSERT(sequence > 0 && sequence < UINT64_MAX);
  outcome = AppendOutcome::unknown;
  MailboxState* state = state_of(append.mailbox);
  if (state != nullptr && sequence <= state->last()) {
    flush();  // so that what this group holds already is found
    state = state_of(append.mailbox);
    if (state == nullptr) return;
    if (const auto answer = known(append, *state)) {
      outcome = *answer;
      if (outcome == AppendOutcome::duplicate) counters_.duplicates.fetch_add(1, std::memory_order_relaxed);
      return;
    }
  }
  if (state == nullptr) return;
  if (full_) {
    outcome = AppendOutcome::full;
    return;
  }
  const auto family = family_of(append.day);
  if (!family) {
    outcome = family.error();
    return;
  }
  DayState* day = state->day(append.day);
  const bool lowers_head = day != nullptr && sequence <= day->head;
  if (day == nullptr) {
    day = &state->days.emplace_back(DayState{.family = *family});
    std::ranges::sort(state->days, {}, [](const DayState& each) { return each.family->day(); });
    day = state->day(append.day);
  }
  EnvelopeHeader header;
  const bool is_first = day->last == 0;
  if (!is_first && sequence < day->last) {
    const auto made = insert_below(append, *state, *day);
    if (!made) return;
    header = *made;
  } else {
    header.ordinal = ++day->last_ordinal;
    header.end = day->last_end += append.ciphertext.size();
    day->last = sequence;
  }
  if (is_first || lowers_head) {
    day->head = sequence - 1;
    batch_.Put(day->family->handle(), slice(envelope_key(state->hash, 0)), slice(head_value(day->head)));
  }
  header.run = db_.run();
  header.counter = counter_++;
  const EnvelopeKey at = envelope_key(state->hash, sequence);
  seal_envelope(*write_key_, header, at, append, value_);
  batch_.Put(day->family->handle(), slice(at), slice(value_));
  in_batch_.push_back(&outcome);
}

bool MailboxCommitter::delete_rows(const MailboxHash& hash, const DayState& day, std::uint64_t through) {
  if (through - day.head <= kMaxBlindDeletes) {
    for (std::uint64_t sequence = day.head + 1; sequence <= through; ++sequence) {
      batch_.Delete(day.family->handle(), slice(envelope_key(hash, sequence)));
    }
    return true;
  }
  const auto rows = rows_between(db_, day.family, hash, day.head, through);
  if (!rows) return false;
  for (const StoredRow& row : *rows) batch_.Delete(day.family->handle(), slice(row.key));
  return true;
}

void MailboxCommitter::remove(const Removal& removal) {
  const auto through = static_cast<std::uint64_t>(removal.through);
  MailboxState* state = state_of(removal.mailbox);
  if (state == nullptr) return;
  const bool many = std::ranges::any_of(
      state->days, [&](const DayState& day) { return std::min(through, day.last) > day.head + kMaxBlindDeletes; });
  if (many) {
    flush();  // so that what this group holds already is found
    state = state_of(removal.mailbox);
    if (state == nullptr) return;
  }
  for (DayState& day : state->days) {
    const std::uint64_t end = std::min(through, day.last);
    if (end <= day.head || !delete_rows(state->hash, day, end)) continue;
    day.head = end;
    const EnvelopeKey head = envelope_key(state->hash, 0);
    if (end == day.last) {
      batch_.Delete(day.family->handle(), slice(head));
    } else {
      batch_.Put(day.family->handle(), slice(head), slice(head_value(end)));
    }
  }
  std::erase_if(state->days, [](const DayState& day) { return day.head == day.last; });
}

void MailboxCommitter::flush() {
  if (batch_.Count() == 0) return;
  rocksdb::WriteOptions options;
  options.sync = !in_batch_.empty();
  fault_point("store.before_wal_sync");
  const auto status = db_.db().Write(options, &batch_);
  fault_point("store.after_wal_sync");
  AppendOutcome outcome = AppendOutcome::stored;
  if (status.ok()) {
    counters_.appended.fetch_add(in_batch_.size(), std::memory_order_relaxed);
    counters_.groups.fetch_add(1, std::memory_order_relaxed);
    if (std::exchange(is_failing_, false)) db_.log().event(LogLevel::info, "store.writes_again");
  } else {
    outcome = is_full(status) ? AppendOutcome::full : AppendOutcome::unknown;
    counters_.failures.fetch_add(1, std::memory_order_relaxed);
    if (!std::exchange(is_failing_, true)) {
      db_.log().event(LogLevel::error, "store.write_failed", {{"why", status.ToString()}});
    }
    young_.clear();  // they counted on this batch
    old_.clear();
  }
  for (AppendOutcome* const each : in_batch_) *each = outcome;
  in_batch_.clear();
  batch_.Clear();
}

std::vector<Completion> MailboxCommitter::run(std::vector<MailboxCall> calls, std::uint64_t reserve_bytes) {
  const bool was_full = std::exchange(full_, db_.free_bytes() < reserve_bytes);
  if (full_ && !was_full)
    db_.log().event(LogLevel::error, "store.full", {{"needed_bytes", static_cast<std::int64_t>(reserve_bytes)}});
  if (was_full && !full_) db_.log().event(LogLevel::info, "store.has_room_again");
  if (is_failing_ && !full_) static_cast<void>(resume(db_.db()));
  std::vector<Completion> out;
  std::vector<std::vector<AppendOutcome>> outcomes(calls.size());
  for (std::size_t i = 0; i < calls.size(); ++i) {
    if (auto* const append = std::get_if<AppendCall>(&calls[i])) {
      outcomes[i].resize(append->batch.size(), AppendOutcome::fenced);
      for (std::size_t item = 0; item < append->batch.size(); ++item) {
        if (db_.is_owner(append->epoch)) put(append->batch[item], outcomes[i][item]);
      }
    } else if (const auto* const removals = std::get_if<RemoveCall>(&calls[i])) {
      if (!db_.is_owner(removals->epoch)) continue;
      fault_point("store.before_removal");
      for (const Removal& removal : removals->batch) remove(removal);
    } else if (auto* const expiry = std::get_if<ExpireCall>(&calls[i])) {
      flush();
      young_.clear();  // they hold the days
      old_.clear();
      write_family_.reset();
      write_key_.reset();
      out.emplace_back(
          [done = std::move(expiry->done), good = db_.expire_through(expiry->day, full_)]() mutable { done(good); });
    }
  }
  flush();
  for (std::size_t i = 0; i < calls.size(); ++i) {
    auto* const append = std::get_if<AppendCall>(&calls[i]);
    if (append == nullptr) continue;
    const auto full = std::ranges::count(outcomes[i], AppendOutcome::full);
    if (full > 0) counters_.refused_full.fetch_add(static_cast<std::uint64_t>(full), std::memory_order_relaxed);
    out.emplace_back(
        [done = std::move(append->done), answer = std::move(outcomes[i])]() mutable { done(std::move(answer)); });
  }
  return out;
}

}  // namespace opaline::store::internal
