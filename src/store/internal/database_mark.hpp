#pragma once
// What a database had on stable storage when it was last opened or closed, in a small file beside its own. RocksDB
// takes a missing or shortened log for one that never was, and a shortened manifest for an older state, whose later
// files it then deletes: with the mark such a directory is refused instead of served without what was accepted.
//
//   opaline database mark 1\n manifest NUMBER BYTES\n log NUMBER BYTES\n sequence NUMBER\n sum HEX\n
//
// (each on a line of its own; `sum` are the first 8 bytes of the SHA-256 of the lines before it)
#include <rocksdb/db.h>

#include <filesystem>
#include <optional>
#include <string>

#include "base/result.hpp"

namespace opaline::store::internal {

inline constexpr const char* kMarkFile = "MARK";

struct DatabaseMark {
  std::uint64_t manifest = 0, manifest_bytes = 0;
  std::uint64_t log = 0, log_bytes = 0;  ///< the newest log; 0: none
  std::uint64_t sequence = 0;
};

/// The mark; nullopt: there is none (a database of an earlier version, or a checkpoint). The error says what is wrong
/// with the file.
[[nodiscard]] Result<std::optional<DatabaseMark>, std::string> read_mark(rocksdb::Env& env,
                                                                         const std::filesystem::path& directory);
/// Before opening: the error names the file that is missing or shorter than it was.
[[nodiscard]] Result<void, std::string> check_files(rocksdb::Env& env, const std::filesystem::path& directory,
                                                    const DatabaseMark& mark);
/// Replaces the mark by what the directory has now; `sequence` is on stable storage. An older mark stays true, so that
/// a failure does no harm.
[[nodiscard]] bool write_mark(rocksdb::Env& env, const std::filesystem::path& directory, std::uint64_t sequence);

}  // namespace opaline::store::internal
