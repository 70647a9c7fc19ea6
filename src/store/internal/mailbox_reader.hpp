#pragma once
// Reads of the RocksDB mailbox store. No state of its own: what it reads is what was committed.
#include "store/internal/mailbox_db.hpp"

namespace opaline::store::internal {

/// What one day holds for one mailbox.
struct DayContents {
  DayFamilyPtr family;
  std::uint64_t head = 0;  ///< all sequences up to it are gone
  std::uint64_t first = 0, last = 0;
  std::uint32_t count = 0, last_ordinal = 0;
  std::uint64_t bytes = 0, last_end = 0;
};

/// The days that hold something for the mailbox, oldest first, by two look-ups each and without reading what lies
/// between.
[[nodiscard]] Result<std::vector<DayContents>, ReadOutcome> contents_of(const MailboxDb& db, const MailboxHash& hash);

[[nodiscard]] Result<MailboxSummary, ReadOutcome> summarize(const MailboxDb& db, const MailboxId& mailbox);

struct ReadLimits {
  Sequence from{};
  std::size_t max_count = 0, max_bytes = 0;
};
/// `damaged` is raised by one for each envelope left out because it is not authentic.
[[nodiscard]] Result<std::vector<StoredEnvelope>, ReadOutcome> read(const MailboxDb& db, const MailboxId& mailbox,
                                                                    const ReadLimits& limits,
                                                                    std::atomic<std::uint64_t>& damaged);

/// The id in a row, for telling a duplicate. nullopt: there is no such row, or nobody can open it any more.
[[nodiscard]] Result<std::optional<EnvelopeId>, ReadOutcome> stored_id(const MailboxDb& db, DayFamily& family,
                                                                       const MailboxHash& hash, std::uint64_t sequence);

struct StoredRow {
  EnvelopeKey key{};
  Bytes value;
};
/// The rows of one mailbox and day with sequences above `after`, up to and including `through`.
[[nodiscard]] Result<std::vector<StoredRow>, ReadOutcome> rows_between(const MailboxDb& db, const DayFamilyPtr& family,
                                                                       const MailboxHash& hash, std::uint64_t after,
                                                                       std::uint64_t through);

}  // namespace opaline::store::internal
