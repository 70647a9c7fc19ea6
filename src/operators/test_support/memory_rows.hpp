#pragma once
// For tests: a RowStore in memory whose next write can be made to fail.
#include <map>
#include <optional>
#include <string>

#include "store/row_store.hpp"

namespace opaline::operators {

class MemoryRows final : public store::RowStore {
 public:
  Result<std::optional<Bytes>, store::RowError> get(std::string_view table, ByteView key) override {
    if (unreadable) return fail(store::RowError::failed);
    const auto& rows = tables[std::string(table)];
    const auto found = rows.find(to_bytes(key));
    if (found == rows.end()) return std::optional<Bytes>{};
    return std::optional<Bytes>(found->second);
  }
  Result<void, store::RowError> write(std::vector<store::RowChange> changes) override {
    if (fail_next) {
      const auto error = *std::exchange(fail_next, std::nullopt);
      if (error == store::RowError::unknown && unknown_was_written) apply(changes);
      return fail(error);
    }
    apply(changes);
    return {};
  }
  Result<std::vector<std::pair<Bytes, Bytes>>, store::RowError> scan(std::string_view table, ByteView prefix,
                                                                     ByteView after, std::size_t limit) override {
    if (unreadable) return fail(store::RowError::failed);
    std::vector<std::pair<Bytes, Bytes>> out;
    const auto& rows = tables[std::string(table)];
    for (auto row = rows.lower_bound(to_bytes(prefix)); row != rows.end() && out.size() < limit; ++row) {
      if (row->first.size() < prefix.size() || !equal(ByteView(row->first).first(prefix.size()), prefix)) break;
      if (row->first > to_bytes(after) || after.empty()) out.emplace_back(*row);
    }
    return out;
  }
  Result<std::vector<std::pair<Bytes, Bytes>>, store::RowError> scan_back(std::string_view, ByteView, ByteView,
                                                                          std::size_t) override {
    return fail(store::RowError::failed);  // nobody here asks
  }
  Result<void, store::RowError> erase_range(std::string_view, ByteView, ByteView) override {
    return fail(store::RowError::failed);
  }

  std::map<std::string, std::map<Bytes, Bytes>> tables;
  std::optional<store::RowError> fail_next;
  bool unknown_was_written = false;
  bool unreadable = false;

 private:
  void apply(const std::vector<store::RowChange>& changes) {
    for (const auto& change : changes) {
      auto& rows = tables[std::string(change.table)];
      if (change.value) {
        rows[change.key] = *change.value;
      } else {
        rows.erase(change.key);
      }
    }
  }
};

}  // namespace opaline::operators
