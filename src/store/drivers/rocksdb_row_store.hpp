#pragma once
// RowStore on RocksDB: all tables in one database, every write synced. Rows lie in it as given: see sealed_rows.hpp.
#include <filesystem>
#include <memory>
#include <string>

#include "base/log.hpp"
#include "base/time.hpp"
#include "store/open_error.hpp"
#include "store/row_store.hpp"

namespace rocksdb {
class Env;
}

namespace opaline::store {

struct RocksdbRowOptions {
  std::filesystem::path directory;  ///< made (0700) if its parent exists
  std::vector<std::string> tables;  ///< every table that will be used: 1 to 64 bytes each
  /// With less than this free on the file system, writes that add or change something answer `full`; deletions go on.
  std::uint64_t reserve_bytes = std::uint64_t{64} << 20;
  bool accept_damaged_log = false;  ///< as RocksdbMailboxOptions
  rocksdb::Env* env = nullptr;      ///< another file system, for tests; outlives the store
};

/// Thread-safe; concurrent writers share an fsync.
class RocksdbRowStore final : public RowStore {
 public:
  [[nodiscard]] static Result<std::unique_ptr<RocksdbRowStore>, OpenError> open(const RocksdbRowOptions& options,
                                                                                Log& log);
  ~RocksdbRowStore() override;

  [[nodiscard]] Result<std::optional<Bytes>, RowError> get(std::string_view table, ByteView key) override;
  [[nodiscard]] Result<void, RowError> write(std::vector<RowChange> changes) override;
  [[nodiscard]] Result<std::vector<std::pair<Bytes, Bytes>>, RowError> scan(std::string_view table, ByteView prefix,
                                                                            ByteView after, std::size_t limit) override;
  [[nodiscard]] Result<std::vector<std::pair<Bytes, Bytes>>, RowError> scan_back(std::string_view table,
                                                                                 ByteView prefix, ByteView before,
                                                                                 std::size_t limit) override;
  [[nodiscard]] Result<void, RowError> erase_range(std::string_view table, ByteView from, ByteView end) override;

  /// Rewrites the files if rows were deleted or replaced, at most once a day, so that their old bytes are gone within a
  /// day. To be called about hourly, from a thread that may block.
  void maintain(Time now);
  /// A consistent copy of all tables in a new directory, for backups. The directory must not exist yet.
  [[nodiscard]] Result<void, RowError> checkpoint(const std::filesystem::path& directory);
  /// For tests: as the option.
  void set_reserve_bytes(std::uint64_t bytes);

 private:
  class Impl;
  explicit RocksdbRowStore(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace opaline::store
