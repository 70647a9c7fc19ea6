#pragma once
// What both RocksDB drivers share: options, opening, and what an error means for the operator.
#include <rocksdb/db.h>

#include <filesystem>
#include <memory>

#include "base/bytes.hpp"
#include "base/log.hpp"
#include "base/result.hpp"
#include "store/open_error.hpp"

namespace opaline::store::internal {

[[nodiscard]] inline rocksdb::Slice slice(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
[[nodiscard]] inline ByteView view(const rocksdb::Slice& bytes) {
  return std::as_bytes(std::span<const char>(bytes.data(), bytes.size()));
}
[[nodiscard]] inline Bytes bytes_of(const rocksdb::Slice& text) {
  return to_bytes(view(text));
}

struct DatabaseSettings {
  std::filesystem::path directory;
  const char* what;  ///< "mailbox store", for messages
  bool accept_damaged_log = false;
  rocksdb::Env* env = nullptr;
  Log* log = nullptr;  ///< outlives the database
};

/// One background thread each for flushes and compactions, synced log without recycling, no compression (sealed bytes
/// have none to give), little logging.
[[nodiscard]] rocksdb::DBOptions database_options(const DatabaseSettings& settings);

/// Closes the database after its handles.
struct OpenDatabase {
  std::unique_ptr<rocksdb::DB> db;
  std::vector<rocksdb::ColumnFamilyHandle*> handles;  ///< in the order of `names`; the owner destroys them
  std::vector<std::string> names;
};
/// Opens the database with all its column families, each with `family_options`; makes it if there is none. Never
/// destroys or repairs.
[[nodiscard]] Result<OpenDatabase, OpenError> open_database(const DatabaseSettings& settings,
                                                            rocksdb::DBOptions options,
                                                            const rocksdb::ColumnFamilyOptions& family_options);

/// Notes in the directory what is on stable storage (database_mark.hpp). After opening, and after closing with the
/// sequence from before, when all of it was synced.
void note_mark(const DatabaseSettings& settings, std::uint64_t sequence);

[[nodiscard]] OpenError open_error(const DatabaseSettings& settings, const rocksdb::Status& status);
[[nodiscard]] inline bool is_full(const rocksdb::Status& status) {
  return status.IsNoSpace();
}

/// Takes up writes again after one that failed, if the disk takes them: true if it does. RocksDB keeps refusing writes
/// after the first that failed, and for ever (until it is opened again) once it was asked to go on while the disk was
/// still full; so a file of our own is tried first.
[[nodiscard]] bool resume(rocksdb::DB& db);

/// Free bytes for unprivileged users on the directory's file system; UINT64_MAX if that cannot be told.
[[nodiscard]] std::uint64_t free_bytes(const std::filesystem::path& directory);

}  // namespace opaline::store::internal
