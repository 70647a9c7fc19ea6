#include "store/internal/mailbox_reader.hpp"

#include <algorithm>

namespace opaline::store::internal {
namespace {

/// The status of a block that cannot be read names its file.
ReadOutcome read_failed(const MailboxDb& db, const rocksdb::Status& status) {
  db.log().event(LogLevel::error, "store.read_failed", {{"why", status.ToString()}});
  return ReadOutcome::failed;
}

/// An iterator over one mailbox's envelopes in one day.
class Cursor {
 public:
  Cursor(const MailboxDb& db, DayFamilyPtr family, const MailboxHash& hash, std::uint64_t head,
         std::size_t readahead_bytes)
      : family_(std::move(family)), lower_(envelope_key(hash, head + 1)), upper_(envelope_key(hash, UINT64_MAX)) {
    rocksdb::ReadOptions options;
    lower_slice_ = slice(lower_);
    upper_slice_ = slice(upper_);
    options.iterate_lower_bound = &lower_slice_;
    options.iterate_upper_bound = &upper_slice_;  // exclusive: no sequence reaches UINT64_MAX
    options.prefix_same_as_start = true;
    options.fill_cache = false;  // what is read is about to be deleted
    options.readahead_size = readahead_bytes;
    iterator_.reset(db.db().NewIterator(options, family_->handle()));
  }
  Cursor(const Cursor&) = delete;
  Cursor& operator=(const Cursor&) = delete;

  void seek(std::uint64_t sequence) {
    EnvelopeKey key = lower_;
    const EnvelopeKey wanted =
        envelope_key(to_array<kMailboxHashBytes>(ByteView(lower_).first(kMailboxHashBytes)), sequence);
    key = std::max(key, wanted);
    iterator_->Seek(slice(key));
  }
  void seek_first() { iterator_->Seek(lower_slice_); }
  void seek_last() { iterator_->SeekForPrev(upper_slice_); }
  void next() { iterator_->Next(); }
  [[nodiscard]] bool valid() const { return iterator_->Valid(); }
  [[nodiscard]] bool failed() const { return !iterator_->status().ok(); }
  [[nodiscard]] rocksdb::Status status() const { return iterator_->status(); }
  [[nodiscard]] EnvelopeKey key() const { return to_array<kEnvelopeKeyBytes>(view(iterator_->key())); }
  [[nodiscard]] std::uint64_t sequence() const { return sequence_of(key()); }
  [[nodiscard]] ByteView value() const { return view(iterator_->value()); }
  [[nodiscard]] const DayFamilyPtr& family() const { return family_; }

 private:
  DayFamilyPtr family_;
  EnvelopeKey lower_, upper_;
  rocksdb::Slice lower_slice_, upper_slice_;
  std::unique_ptr<rocksdb::Iterator> iterator_;
};

/// The head row: nullopt if the day has nothing for the mailbox.
Result<std::optional<std::uint64_t>, ReadOutcome> head_in(const MailboxDb& db, const DayFamily& family,
                                                          const MailboxHash& hash) {
  rocksdb::PinnableSlice value;
  const auto status = db.db().Get(rocksdb::ReadOptions(), family.handle(), slice(envelope_key(hash, 0)), &value);
  if (status.IsNotFound()) return std::optional<std::uint64_t>();
  if (!status.ok()) return fail(read_failed(db, status));
  const auto head = head_of(view(value));
  if (!head) return fail(ReadOutcome::failed);
  return head;
}

}  // namespace

Result<std::vector<DayContents>, ReadOutcome> contents_of(const MailboxDb& db, const MailboxHash& hash) {
  std::vector<DayContents> out;
  const auto days = db.days();
  for (const auto& [day, family] : *days) {
    OPALINE_TRY(const auto head, head_in(db, *family, hash));
    if (!head) continue;
    DayContents contents{.family = family, .head = *head};
    Cursor cursor(db, family, hash, *head, 0);
    cursor.seek_first();
    if (cursor.failed()) return fail(read_failed(db, cursor.status()));
    if (!cursor.valid()) continue;
    const auto first = envelope_header(cursor.value());
    contents.first = cursor.sequence();
    const std::uint64_t first_bytes = ciphertext_bytes(cursor.value());
    cursor.seek_last();
    if (cursor.failed()) return fail(read_failed(db, cursor.status()));
    if (!cursor.valid()) return fail(ReadOutcome::failed);
    const auto last = envelope_header(cursor.value());
    if (!first || !last) return fail(ReadOutcome::failed);
    contents.last = cursor.sequence();
    contents.count = last->ordinal - first->ordinal + 1;
    contents.bytes = last->end - first->end + first_bytes;
    contents.last_ordinal = last->ordinal;
    contents.last_end = last->end;
    out.push_back(std::move(contents));
  }
  return out;
}

Result<MailboxSummary, ReadOutcome> summarize(const MailboxDb& db, const MailboxId& mailbox) {
  OPALINE_TRY(const auto days, contents_of(db, db.hash_of(mailbox)));
  MailboxSummary out;
  for (const DayContents& day : days) {
    out.days.push_back({.day = day.family->day(),
                        .first = Sequence(day.first),
                        .last = Sequence(day.last),
                        .count = day.count,
                        .bytes = day.bytes});
    out.last = std::max(out.last, Sequence(day.last));
  }
  return out;
}

Result<std::vector<StoredEnvelope>, ReadOutcome> read(const MailboxDb& db, const MailboxId& mailbox,
                                                      const ReadLimits& limits, std::atomic<std::uint64_t>& damaged) {
  const MailboxHash hash = db.hash_of(mailbox);
  const auto days = db.days();
  std::vector<std::unique_ptr<Cursor>> cursors;
  for (const auto& [day, family] : *days) {
    OPALINE_TRY(const auto head, head_in(db, *family, hash));
    if (!head) continue;
    auto cursor = std::make_unique<Cursor>(db, family, hash, *head, limits.max_bytes > (256U << 10) ? 256U << 10 : 0);
    cursor->seek(static_cast<std::uint64_t>(limits.from));
    if (cursor->failed()) return fail(read_failed(db, cursor->status()));
    if (cursor->valid()) cursors.push_back(std::move(cursor));
  }
  std::vector<StoredEnvelope> out;
  std::size_t bytes = 0;
  bool gap = false;
  Run run{};
  std::shared_ptr<const RowSealKey> key;
  const DayFamily* key_of_day = nullptr;
  while (!cursors.empty()) {
    // Days rarely overlap: a retry around midnight, or a clock that was set back.
    const auto at = std::ranges::min_element(cursors, {}, [](const auto& cursor) { return cursor->sequence(); });
    Cursor& cursor = **at;
    const auto header = envelope_header(cursor.value());
    const std::uint64_t size = ciphertext_bytes(cursor.value());
    if (!out.empty() && (out.size() >= limits.max_count || bytes + size > limits.max_bytes)) break;
    std::optional<StoredEnvelope> envelope;
    bool day_is_gone = false;
    if (header) {
      if (key == nullptr || key_of_day != cursor.family().get() || run != header->run) {
        auto found = cursor.family()->key_of(header->run, db.vault());
        if (!found && found.error() != VaultError::destroyed) return fail(ReadOutcome::failed);
        day_is_gone = !found;
        key = found ? std::move(*found) : nullptr;
        key_of_day = cursor.family().get();
        run = header->run;
      }
      if (key != nullptr) envelope = open_envelope(*key, cursor.key(), cursor.family()->day(), cursor.value());
    }
    if (envelope) {
      envelope->gap = envelope->gap || gap;
      gap = false;
      bytes += envelope->ciphertext.size();
      out.push_back(std::move(*envelope));
    } else if (!day_is_gone) {
      gap = true;
      damaged.fetch_add(1, std::memory_order_relaxed);
    }
    cursor.next();
    if (cursor.failed()) return fail(read_failed(db, cursor.status()));
    if (!cursor.valid()) cursors.erase(at);
  }
  return out;
}

Result<std::optional<EnvelopeId>, ReadOutcome> stored_id(const MailboxDb& db, DayFamily& family,
                                                         const MailboxHash& hash, std::uint64_t sequence) {
  const EnvelopeKey at = envelope_key(hash, sequence);
  rocksdb::PinnableSlice value;
  const auto status = db.db().Get(rocksdb::ReadOptions(), family.handle(), slice(at), &value);
  if (status.IsNotFound()) return std::optional<EnvelopeId>();
  if (!status.ok()) return fail(read_failed(db, status));
  const auto header = envelope_header(view(value));
  if (!header) return std::optional<EnvelopeId>();
  const auto key = family.key_of(header->run, db.vault());
  if (!key && key.error() != VaultError::destroyed) return fail(ReadOutcome::failed);
  const auto envelope = key ? open_envelope(**key, at, family.day(), view(value)) : std::nullopt;
  return envelope ? std::optional(envelope->id) : std::nullopt;
}

Result<std::vector<StoredRow>, ReadOutcome> rows_between(const MailboxDb& db, const DayFamilyPtr& family,
                                                         const MailboxHash& hash, std::uint64_t after,
                                                         std::uint64_t through) {
  std::vector<StoredRow> out;
  Cursor cursor(db, family, hash, after, 0);
  for (cursor.seek_first(); cursor.valid() && cursor.sequence() <= through; cursor.next()) {
    out.push_back({.key = cursor.key(), .value = to_bytes(cursor.value())});
  }
  if (cursor.failed()) return fail(read_failed(db, cursor.status()));
  return out;
}

}  // namespace opaline::store::internal
