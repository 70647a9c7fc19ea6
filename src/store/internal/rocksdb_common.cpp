#include "store/internal/rocksdb_common.hpp"

#include <rocksdb/listener.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>

#include "store/internal/database_mark.hpp"

namespace opaline::store::internal {
namespace {

constexpr std::uint64_t kMaxLogBytes = std::uint64_t{256} << 20;  // replayed at a start after a crash: about a second

/// RocksDB's own recovery from a full disk gives up for ever if its first try, made at once, finds no space; Resume is
/// then `Busy`. So the drivers call Resume themselves when there is space.
class NoRecoveryOfItsOwn final : public rocksdb::EventListener {
 public:
  void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason, rocksdb::Status, bool* auto_recovery) override {
    *auto_recovery = false;
  }
};

/// RocksDB's warnings go to our log. A log file of its own it must not have: on a full disk, writing to it is an
/// assertion.
class Warnings final : public rocksdb::Logger {
 public:
  explicit Warnings(Log& log) : Logger(rocksdb::InfoLogLevel::WARN_LEVEL), log_(log) {}
  using Logger::Logv;
  void Logv(const char* format, va_list arguments) override {
    char text[kMaxLogValueBytes];
    std::vsnprintf(text, sizeof(text), format, arguments);
    log_.event(LogLevel::warning, "store.rocksdb", {{"text", std::string_view(text)}});
  }

 private:
  Log& log_;
};

/// True if the directory holds a database or what is left of one.
Result<bool, OpenError> holds_database(const DatabaseSettings& settings) {
  std::error_code error;
  bool current = false;
  bool remains = false;
  for (const auto& entry : std::filesystem::directory_iterator(settings.directory, error)) {
    const std::string name = entry.path().filename().string();
    current = current || name == "CURRENT";
    remains = remains || name.starts_with("MANIFEST-") || name.ends_with(".sst") || name.ends_with(".log");
  }
  const std::string where = std::string(settings.what) + " " + settings.directory.string() + ": ";
  if (error) return fail(OpenError{where + "cannot be listed: " + error.message()});
  if (remains && !current) {
    return fail(
        OpenError{where +
                  "the file CURRENT is missing, but there is data: put back the whole directory from one copy, or move "
                  "it away to start with an empty one (what waits in it is then lost)"});
  }
  return current;
}

rocksdb::Env& env_of(const DatabaseSettings& settings) {
  return settings.env != nullptr ? *settings.env : *rocksdb::Env::Default();
}

OpenError incomplete(const DatabaseSettings& settings, const std::string& why) {
  return OpenError{std::string(settings.what) + " " + settings.directory.string() + ": " + why +
                   ": put back the whole directory from one copy. `opalined --set paths.accept_damage=true` opens it "
                   "for once without what is missing (accounts or messages that were accepted are then lost)"};
}

/// Before opening: whether the files are there that were there.
Result<std::uint64_t, OpenError> expected_sequence(const DatabaseSettings& settings) {
  if (settings.accept_damaged_log) return 0;
  const auto mark = read_mark(env_of(settings), settings.directory);
  if (!mark) return fail(incomplete(settings, mark.error()));
  if (!*mark) return 0;
  if (const auto checked = check_files(env_of(settings), settings.directory, **mark); !checked)
    return fail(incomplete(settings, checked.error()));
  return (*mark)->sequence;
}

}  // namespace

void note_mark(const DatabaseSettings& settings, std::uint64_t sequence) {
  if (!write_mark(env_of(settings), settings.directory, sequence))
    settings.log->event(LogLevel::warning, "store.mark_not_written", {{"store", settings.what}});
}

rocksdb::DBOptions database_options(const DatabaseSettings& settings) {
  rocksdb::DBOptions out;
  out.create_if_missing = true;
  out.paranoid_checks = true;
  out.listeners.push_back(std::make_shared<NoRecoveryOfItsOwn>());
  if (settings.env != nullptr) out.env = settings.env;
  // A log with a hole is refused, not cut off at the hole: what comes after was accepted. A last record that a crash
  // cut short never was.
  out.wal_recovery_mode = settings.accept_damaged_log ? rocksdb::WALRecoveryMode::kPointInTimeRecovery
                                                      : rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  out.track_and_verify_wals_in_manifest = !settings.accept_damaged_log;
  // What a start finds in the log goes to synced files, because the log itself may only be in the page cache after a
  // kill.
  out.avoid_flush_during_recovery = false;
  out.recycle_log_file_num = 0;  // a recycled log would keep old bytes
  out.WAL_ttl_seconds = 0;
  out.WAL_size_limit_MB = 0;
  out.max_total_wal_size = kMaxLogBytes;
  out.allow_concurrent_memtable_write = false;
  out.enable_pipelined_write = false;
  out.max_background_jobs = 2;
  out.bytes_per_sync = 1 << 20;
  out.max_open_files = -1;
  out.skip_stats_update_on_db_open = true;
  out.stats_dump_period_sec = 0;
  out.stats_persist_period_sec = 0;
  out.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;
  out.info_log = std::make_shared<Warnings>(*settings.log);
  return out;
}

OpenError open_error(const DatabaseSettings& settings, const rocksdb::Status& status) {
  std::string message = std::string(settings.what) + " " + settings.directory.string() + ": ";
  const std::string text = status.ToString();
  if (is_full(status)) {
    message += "the disk is full: make room and start again. ";
  } else if (status.IsIOError() && text.find("lock") != std::string::npos) {
    message += "another process uses it. ";
  } else if (status.IsCorruption() && !settings.accept_damaged_log) {
    message +=
        "its files are damaged. Put back the directory from a copy, or move it away to start with an empty one. If it "
        "is the write-ahead log (*.log) that is damaged, for instance by a power cut, `opalined --set "
        "paths.accept_damage=true` opens it for once without what comes after the damage. ";
  } else if (text.find("MANIFEST-") != std::string::npos) {
    message +=
        "a file that it needs is missing. Put back the directory from a copy, or move it away to start with an empty "
        "one. ";
  } else if (status.IsCorruption()) {
    message +=
        "its files are damaged. Put back the directory from a copy, or move it away to start with an empty one. ";
  } else {
    message += "cannot be opened. ";
  }
  return OpenError{message + "(" + text + ")"};
}

Result<OpenDatabase, OpenError> open_database(const DatabaseSettings& settings, rocksdb::DBOptions options,
                                              const rocksdb::ColumnFamilyOptions& family_options) {
  if (::mkdir(settings.directory.c_str(), 0700) != 0 && errno != EEXIST) {
    return fail(OpenError{std::string(settings.what) + " " + settings.directory.string() +
                          ": cannot make the directory: " + std::strerror(errno)});
  }
  OPALINE_TRY(const bool exists, holds_database(settings));
  OPALINE_TRY(const std::uint64_t sequence, expected_sequence(settings));
  OpenDatabase out;
  out.names = {rocksdb::kDefaultColumnFamilyName};
  if (exists) {
    out.names.clear();
    const auto listed = rocksdb::DB::ListColumnFamilies(options, settings.directory.string(), &out.names);
    if (!listed.ok()) return fail(open_error(settings, listed));
  }
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  for (const std::string& name : out.names) families.emplace_back(name, family_options);
  rocksdb::DB* db = nullptr;
  const auto opened = rocksdb::DB::Open(options, settings.directory.string(), families, &out.handles, &db);
  if (!opened.ok()) return fail(open_error(settings, opened));
  out.db.reset(db);
  if (db->GetLatestSequenceNumber() < sequence) {
    for (auto* const handle : out.handles) db->DestroyColumnFamilyHandle(handle);
    return fail(incomplete(settings, "the end of its write-ahead log (*.log) is missing"));
  }
  note_mark(settings, db->GetLatestSequenceNumber());  // what was in the log went to synced files
  return out;
}

bool resume(rocksdb::DB& db) {
  constexpr std::size_t kProbeBytes = 256 << 10;
  std::uint64_t needed = 0;  // going on begins with writing the memory's tables to files
  db.GetAggregatedIntProperty("rocksdb.cur-size-all-mem-tables", &needed);
  if (free_bytes(db.GetName()) < needed + needed / 4 + (1U << 20)) return false;
  rocksdb::Env& env = *db.GetEnv();
  const std::string name = db.GetName() + "/probe.tmp";
  std::unique_ptr<rocksdb::WritableFile> file;
  auto status = env.NewWritableFile(name, &file, rocksdb::EnvOptions());
  if (status.ok()) status = file->Append(std::string(kProbeBytes, 'p'));
  if (status.ok()) status = file->Sync();
  if (file != nullptr && status.ok()) status = file->Close();
  file.reset();
  static_cast<void>(env.DeleteFile(name));
  return status.ok() && db.Resume().ok();
}

std::uint64_t free_bytes(const std::filesystem::path& directory) {
  struct statvfs status{};
  if (::statvfs(directory.c_str(), &status) != 0) return UINT64_MAX;
  return static_cast<std::uint64_t>(status.f_bavail) * status.f_frsize;
}

}  // namespace opaline::store::internal
