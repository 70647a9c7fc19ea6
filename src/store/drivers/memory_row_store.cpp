#include "store/drivers/memory_row_store.hpp"

#include <algorithm>

namespace opaline::store {

MemoryRowStore::MemoryRowStore(MemoryDisk& disk, std::vector<std::string> tables)
    : disk_(disk), tables_(tables.begin(), tables.end()) {}

Result<std::optional<Bytes>, RowError> MemoryRowStore::get(std::string_view table, ByteView key) {
  OPALINE_ASSERT(tables_.contains(table));
  if (disk_.faults.failed || disk_.happens(disk_.faults.read_failed)) return fail(RowError::failed);
  const auto found = disk_.live_.rows.find({std::string(table), to_bytes(key)});
  if (found == disk_.live_.rows.end()) return std::optional<Bytes>();
  return std::optional(found->second);
}

Result<void, RowError> MemoryRowStore::write(std::vector<RowChange> changes) {
  if (disk_.faults.failed || disk_.happens(disk_.faults.unknown_lost)) return fail(RowError::unknown);
  const bool adds = std::ranges::any_of(changes, [](const RowChange& change) { return change.value.has_value(); });
  if (adds && (disk_.faults.full || disk_.happens(disk_.faults.full_at_random))) return fail(RowError::full);
  for (RowChange& change : changes) {
    OPALINE_ASSERT(tables_.contains(change.table) && change.key.size() <= kMaxRowKeyBytes);
    MemoryDisk::Row row{std::string(change.table), std::move(change.key)};
    if (change.value) {
      disk_.live_.rows.insert_or_assign(std::move(row), std::move(*change.value));
    } else {
      disk_.live_.rows.erase(row);
    }
  }
  if (disk_.happens(disk_.faults.unknown_stored)) return fail(RowError::unknown);
  return {};
}

Result<std::vector<std::pair<Bytes, Bytes>>, RowError> MemoryRowStore::scan(std::string_view table, ByteView prefix,
                                                                            ByteView after, std::size_t limit) {
  OPALINE_ASSERT(tables_.contains(table));
  if (disk_.faults.failed || disk_.happens(disk_.faults.read_failed)) return fail(RowError::failed);
  std::vector<std::pair<Bytes, Bytes>> out;
  const Bytes last = to_bytes(after);
  for (auto at = disk_.live_.rows.lower_bound({std::string(table), to_bytes(prefix)}); at != disk_.live_.rows.end();
       ++at) {
    const auto& [name, key] = at->first;
    if (out.size() >= limit || name != table ||
        !std::ranges::equal(ByteView(key).first(std::min(key.size(), prefix.size())), prefix))
      break;
    if (last.empty() || key > last) out.emplace_back(key, at->second);
  }
  return out;
}

Result<std::vector<std::pair<Bytes, Bytes>>, RowError> MemoryRowStore::scan_back(std::string_view table,
                                                                                 ByteView prefix, ByteView before,
                                                                                 std::size_t limit) {
  OPALINE_TRY(auto all, scan(table, prefix, {}, SIZE_MAX));
  const Bytes end = to_bytes(before);
  if (!end.empty()) std::erase_if(all, [&](const auto& row) { return row.first >= end; });
  std::ranges::reverse(all);
  if (all.size() > limit) all.resize(limit);
  return all;
}

Result<void, RowError> MemoryRowStore::erase_range(std::string_view table, ByteView from, ByteView end) {
  OPALINE_ASSERT(tables_.contains(table));
  if (disk_.faults.failed || disk_.happens(disk_.faults.unknown_lost)) return fail(RowError::unknown);
  const MemoryDisk::Row first{std::string(table), to_bytes(from)};
  const MemoryDisk::Row last{std::string(table), to_bytes(end)};
  std::erase_if(disk_.live_.rows, [&](const auto& row) { return row.first >= first && row.first < last; });
  return {};
}

}  // namespace opaline::store
