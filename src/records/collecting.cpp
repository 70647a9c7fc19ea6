#include "records/collecting.hpp"

#include <algorithm>

#include "base/codec.hpp"
#include "records/internal/case_rows.hpp"
#include "records/internal/lookup_rows.hpp"
#include "records/tables.hpp"

namespace opaline::records {
namespace {

constexpr std::size_t kPage = 500;

/// u32 year || u32 number || u64 time (ms) || 8 random bytes: in the order of time, and none twice.
Bytes key_of(const CaseId& id, Time time, FixedView<8> random) {
  Bytes out = internal::key_of(id);
  Writer(out).u64(static_cast<std::uint64_t>(unix_millis(time))).bytes(random);
  return out;
}
Time time_of(ByteView key) {
  return from_unix_millis(static_cast<std::int64_t>(Reader(key.subspan(8)).u64()));
}

bool wanted(const CollectTarget& target, const identity::LookupLogEntry& entry) {
  const auto is = [&](const std::string& handle) { return std::ranges::binary_search(target.handles, handle); };
  return entry.time >= target.from && entry.time < target.to && (is(entry.source_handle) || is(entry.looked_up_handle));
}

/// Visits the keys and values of a case before `to`.
bool each(store::SealedRows& rows, const CaseId& id, Time to,
          const std::function<bool(const store::SealedRows::Row&)>& visit) {
  const auto prefix = internal::key_of(id);
  Bytes after;
  for (;;) {
    const auto page = rows.scan(tables::kCollected, prefix, after, kPage);
    if (!page) return false;
    for (const auto& row : *page) {
      if (time_of(row.key) >= to) return true;
      if (!visit(row)) return false;
    }
    if (page->size() < kPage) return true;
    after = page->back().key;
  }
}

}  // namespace

void Collecting::set(std::vector<CollectTarget> targets) {
  const std::lock_guard lock(mutex_);
  targets_ = std::move(targets);
}

std::set<std::string, std::less<>> Collecting::handles() const {
  const std::lock_guard lock(mutex_);
  std::set<std::string, std::less<>> out;
  for (const auto& target : targets_) out.insert(target.handles.begin(), target.handles.end());
  return out;
}

void Collecting::collect(std::span<const identity::LookupLogEntry> entries) {
  auto batch = rows_.batch();
  std::uint64_t count = 0;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& entry : entries) {
      for (const auto& target : targets_) {
        if (!wanted(target, entry)) continue;
        batch.put(tables::kCollected, store::clear(key_of(target.id, entry.time, random_.bytes<8>())),
                  internal::encode(entry));
        ++count;
      }
    }
  }
  if (count > 0 && !rows_.write(std::move(batch))) lost_ += count;
}

Result<std::vector<Row>, Error> Collecting::read(const CaseId& id, const std::vector<std::string>& handles, Time from,
                                                 Time to) {
  std::vector<Row> out;
  const bool done = each(rows_, id, to, [&](const auto& row) {
    const auto entry = internal::decode_entry(row.value);
    if (!entry) return false;
    if (entry->time < from) return true;
    if (std::ranges::binary_search(handles, entry->source_handle))
      out.push_back({entry->source_handle, Direction::by, *entry});
    if (std::ranges::binary_search(handles, entry->looked_up_handle))
      out.push_back({entry->looked_up_handle, Direction::of, *entry});
    return true;
  });
  if (!done) return fail(Error::unavailable);
  return out;
}

Result<void, Error> Collecting::erase(const CaseId& id, Time to, store::SealedRows::Batch& batch) {
  const bool done = each(rows_, id, to, [&](const auto& row) {
    batch.erase(tables::kCollected, store::clear(row.key));
    return true;
  });
  if (!done) return fail(Error::unavailable);
  return {};
}

}  // namespace opaline::records
