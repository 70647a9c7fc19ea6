#pragma once
#include <set>

#include "store/drivers/memory_disk.hpp"
#include "store/row_store.hpp"

namespace opaline::store {

/// RowStore on a MemoryDisk; every write is synced before it returns. A write that the disk's faults make `unknown` may
/// or may not be there. Not thread-safe. Borrows the disk.
class MemoryRowStore final : public RowStore {
 public:
  MemoryRowStore(MemoryDisk& disk, std::vector<std::string> tables);

  [[nodiscard]] Result<std::optional<Bytes>, RowError> get(std::string_view table, ByteView key) override;
  [[nodiscard]] Result<void, RowError> write(std::vector<RowChange> changes) override;
  [[nodiscard]] Result<std::vector<std::pair<Bytes, Bytes>>, RowError> scan(std::string_view table, ByteView prefix,
                                                                            ByteView after, std::size_t limit) override;
  [[nodiscard]] Result<std::vector<std::pair<Bytes, Bytes>>, RowError> scan_back(std::string_view table,
                                                                                 ByteView prefix, ByteView before,
                                                                                 std::size_t limit) override;
  [[nodiscard]] Result<void, RowError> erase_range(std::string_view table, ByteView from, ByteView end) override;

 private:
  MemoryDisk& disk_;
  std::set<std::string, std::less<>> tables_;
};

}  // namespace opaline::store
