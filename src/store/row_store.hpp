#pragma once
// Port: rows in tables, changed in atomic batches. DirectoryStore, OperatorStore and (later) the others are RowStores
// with tables of their own; typed access and sealing live above (sealed_rows.hpp). Synchronous: used from service
// threads, never from an I/O thread.
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"

namespace opaline::store {

enum class RowError : std::uint8_t {
  full,     ///< the disk is full: nothing was changed
  failed,   ///< nothing was changed, or the store is damaged; do not go on writing
  unknown,  ///< the change may or may not be there after a restart
};

inline constexpr std::size_t kMaxRowKeyBytes = 512;

/// A table name is one of those registered at open time; keys have at most kMaxRowKeyBytes.
struct RowChange {
  std::string_view table;
  Bytes key;
  std::optional<Bytes> value;  ///< nullopt: delete
};

class RowStore {
 public:
  virtual ~RowStore() = default;
  /// nullopt: no such row.
  [[nodiscard]] virtual Result<std::optional<Bytes>, RowError> get(std::string_view table, ByteView key) = 0;
  /// All or nothing; on stable storage (fsync) when it returns.
  [[nodiscard]] virtual Result<void, RowError> write(std::vector<RowChange> changes) = 0;
  /// Rows whose key begins with `prefix` and is greater than `after`, in key order, at most `limit`.
  [[nodiscard]] virtual Result<std::vector<std::pair<Bytes, Bytes>>, RowError> scan(std::string_view table,
                                                                                    ByteView prefix, ByteView after,
                                                                                    std::size_t limit) = 0;
  /// Rows whose key begins with `prefix` and is less than `before` (empty: all), in falling order, at most `limit`.
  [[nodiscard]] virtual Result<std::vector<std::pair<Bytes, Bytes>>, RowError> scan_back(std::string_view table,
                                                                                         ByteView prefix,
                                                                                         ByteView before,
                                                                                         std::size_t limit) = 0;
  /// Removes the rows with `from` <= key < `end`; gone for good (fsync) when it returns, and their bytes are out of the
  /// store's files. The cost follows what is removed, not what is stored; goes on where a write finds the disk full.
  /// After an error some may be left: call it again.
  [[nodiscard]] virtual Result<void, RowError> erase_range(std::string_view table, ByteView from, ByteView end) = 0;
};

}  // namespace opaline::store
