#include "server/backup.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>

#include "identity/tables.hpp"
#include "operators/operators.hpp"
#include "server/admin_client.hpp"
#include "server/metrics.hpp"
#include "server/process.hpp"
#include "server/server.hpp"
#include "store/drivers/file_key_vault.hpp"
#include "store/drivers/rocksdb_row_store.hpp"

namespace opaline::server {
namespace {

namespace fs = std::filesystem;
using operators::Action;

constexpr std::size_t kPage = 256;

std::string why() {
  return std::error_code(errno, std::system_category()).message();
}

class File {
 public:
  File(const fs::path& path, int flags) : fd_(open(path.c_str(), flags | O_CLOEXEC, 0600)) {}
  ~File() { close(); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  [[nodiscard]] bool is_open() const { return fd_ >= 0; }
  bool write_all(ByteView bytes) {
    while (!bytes.empty()) {
      const ssize_t size = write(fd_, bytes.data(), bytes.size());
      if (size < 0 && errno == EINTR) continue;
      if (size <= 0) return false;
      bytes = bytes.subspan(static_cast<std::size_t>(size));
    }
    return true;
  }
  std::optional<std::size_t> read_some(std::span<std::byte> out) {
    for (;;) {
      const ssize_t size = read(fd_, out.data(), out.size());
      if (size >= 0) return static_cast<std::size_t>(size);
      if (errno != EINTR) return std::nullopt;
    }
  }
  bool sync() { return fsync(fd_) == 0; }
  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }

 private:
  int fd_;
};

using NamedKeys = std::vector<std::pair<std::string, store::VaultKey>>;

Result<std::unique_ptr<store::RocksdbRowStore>, std::string> open_rows(const fs::path& directory, Log& log) {
  store::RocksdbRowOptions options;
  options.directory = directory;
  options.tables = row_tables();
  auto rows = store::RocksdbRowStore::open(options, log);
  if (!rows) return fail(rows.error().message);
  return std::move(*rows);
}

Result<std::unique_ptr<store::FileKeyVault>, std::string> open_vault(const Config& config, RandomSource& random) {
  auto vault = store::FileKeyVault::open(
      {.directory = config.paths.vault, .master_key_file = store::systemd_credential("opaline-vault-key")}, random);
  if (!vault) return fail(vault.error().message);
  return std::move(*vault);
}

/// Files that root makes are closed to the service, so root does not make any.
Result<void, std::string> must_own(const fs::path& directory) {
  struct stat status{};
  fs::path at = directory;
  while (stat(at.c_str(), &status) != 0 && at.has_relative_path()) at = at.parent_path();
  if (status.st_uid == geteuid()) return {};
  const passwd* const owner = getpwuid(status.st_uid);
  return fail(fmt::format("{} belongs to {}: run this as that user (runuser -u {} -- opalined ...)", at.string(),
                          owner ? owner->pw_name : std::to_string(status.st_uid),
                          owner ? owner->pw_name : std::to_string(status.st_uid)));
}

/// Says in the audit trail who did it. In a server that does not run: with what it would use itself.
Result<void, std::string> record(store::RowStore& rows, store::KeyVault& vault, Action action,
                                 const BackupPorts& ports) {
  auto sealed = store::SealedRows::open(rows, vault, ports.random, kSealCheckTable);
  if (!sealed) return fail(sealed.error().message);
  operators::Operators all(*sealed, ports.clock, ports.random);
  if (!all.record(operators::local_owner(getuid()), action, {}, operators::Outcome::done)) {
    return fail(std::string("the audit trail cannot be written"));
  }
  return {};
}

/// Everything that a backup is made of, held open while it is written.
struct Origin {
  std::optional<DirectoryLock> lock;
  std::unique_ptr<store::RocksdbRowStore> rows;
  NamedKeys keys;
  fs::path remove_afterwards;  ///< the running server's copy
  ~Origin() {
    rows.reset();
    std::error_code ignored;
    if (!remove_afterwards.empty()) fs::remove_all(remove_afterwards, ignored);
  }
};

Result<void, std::string> from_running_server(Origin& origin, const Config& config, const BackupPorts& ports) {
  OPALINE_TRY(const auto answer, ask_admin(config.paths.admin_socket, "POST", "backup/checkpoint"));
  boost::system::error_code error;
  const auto body = boost::json::parse(answer.body, error);
  const auto* object = error ? nullptr : body.if_object();
  const auto* directory = object ? object->if_contains("directory") : nullptr;
  const auto* keys = object ? object->if_contains("keys") : nullptr;
  if (answer.status != 200 || !directory || !directory->is_string() || !keys || !keys->is_object()) {
    const auto* message = object ? object->if_contains("message") : nullptr;
    return fail("the running server gave no copy: " +
                (message && message->is_string() ? std::string(message->get_string()) : std::to_string(answer.status)));
  }
  origin.remove_afterwards = std::string(directory->get_string());
  for (const auto& [purpose, hex] : keys->get_object()) {
    const auto key = hex.is_string() ? from_hex(std::string_view(hex.get_string())) : std::nullopt;
    if (!key || key->size() != store::VaultKey::kSize || !store::is_vault_purpose(purpose)) {
      return fail(std::string("the running server gave keys that are none"));
    }
    origin.keys.emplace_back(std::string(purpose),
                             store::VaultKey(FixedView<store::VaultKey::kSize>(key->data(), key->size())));
  }
  OPALINE_TRY(origin.rows, open_rows(origin.remove_afterwards, ports.log));
  return {};
}

Result<void, std::string> from_directory(Origin& origin, const Config& config, const BackupPorts& ports) {
  std::error_code error;
  if (fs::exists(config.paths.data / kRestoreMarker, error)) {
    return fail(std::string("a restore into this data directory did not finish: there is nothing to back up"));
  }
  OPALINE_CHECK(must_own(config.paths.data));
  OPALINE_TRY(const auto vault, open_vault(config, ports.random));
  OPALINE_TRY(origin.rows, open_rows(config.paths.data / kRowsDirectory, ports.log));
  const auto purposes = vault->named_purposes();
  if (!purposes) return fail(std::string("the vault cannot be read"));
  for (const auto& purpose : *purposes) {
    auto key = vault->named_key(purpose);
    if (!key) return fail(std::string("the vault cannot be read"));
    origin.keys.emplace_back(purpose, std::move(*key));
  }
  return record(*origin.rows, *vault, Action::backup, ports);
}

Result<BackupEnd, std::string> write_backup(Origin& origin, const BackupInfo& info, File& out, ByteView passphrase,
                                            const crypto::Argon2Cost& cost, RandomSource& random) {
  const auto told = [](BackupError error) { return std::string(describe(error)); };
  auto writer = BackupWriter::start([&out](ByteView bytes) { return out.write_all(bytes); }, passphrase, cost, random);
  if (!writer) return fail(told(writer.error()));
  if (const auto done = writer->info(info); !done) return fail(told(done.error()));
  for (const auto& [purpose, key] : origin.keys) {
    if (const auto done = writer->key(purpose, key); !done) return fail(told(done.error()));
  }
  for (const auto& table : backed_up_tables()) {
    for (Bytes after;;) {
      auto rows = origin.rows->scan(table, {}, after, kPage);
      if (!rows) return fail(fmt::format("table {} cannot be read", table));
      for (const auto& [key, value] : *rows) {
        if (const auto done = writer->row(table, key, value); !done) return fail(told(done.error()));
      }
      if (rows->size() < kPage) break;
      after = std::move(rows->back().first);
    }
  }
  const auto end = writer->finish();
  if (!end) return fail(told(end.error()));
  if (!out.sync()) return fail(told(BackupError::input_output));
  return *end;
}

/// Calls `each` with every record of the file. True authenticity is known only when it returns without an error.
Result<BackupReport, std::string> read_backup(const fs::path& file, ByteView passphrase,
                                              const std::function<Result<void, std::string>(BackupRecord&)>& each) {
  File in(file, O_RDONLY);
  if (!in.is_open()) return fail(fmt::format("{} cannot be read: {}", file.string(), why()));
  const auto told = [&](BackupError error) { return fmt::format("{}: {}", file.string(), describe(error)); };
  auto reader = BackupReader::open([&in](std::span<std::byte> out) { return in.read_some(out); }, passphrase);
  if (!reader) return fail(told(reader.error()));
  BackupReport report;
  for (;;) {
    auto record = reader->next();
    if (!record) return fail(told(record.error()));
    if (const auto* info = std::get_if<BackupInfo>(&*record)) report.info = *info;
    OPALINE_CHECK(each(*record));
    if (const auto* end = std::get_if<BackupEnd>(&*record)) {
      report.counts = *end;
      return report;
    }
  }
}

Result<void, std::string> must_be_empty(const Config& config) {
  std::error_code error;
  for (const auto& path : {config.paths.data, config.paths.vault}) {
    if (fs::exists(path, error) && !fs::is_empty(path, error)) {
      return fail(
          fmt::format("{} is not empty: a backup is restored into nothing, never over something", path.string()));
    }
  }
  return {};
}

}  // namespace

std::vector<std::string> backed_up_tables() {
  // Prekeys and their cursors: what was handed out since the backup would be handed out again. The clock: it belongs
  // to the machine. The check of the seal: it is made anew under the restored keys.
  static constexpr std::array kLeftOut{identity::tables::kPrekeys, identity::tables::kOneTime, kClockTable,
                                       kSealCheckTable};
  auto out = row_tables();
  std::erase_if(out, [](const std::string& table) { return std::ranges::find(kLeftOut, table) != kLeftOut.end(); });
  return out;
}

Result<BackupReport, std::string> make_backup(const Config& config, const fs::path& file, ByteView passphrase,
                                              const crypto::Argon2Cost& cost, const BackupPorts& ports) {
  std::error_code error;
  if (fs::exists(file, error)) return fail(fmt::format("{} exists already and is not overwritten", file.string()));
  if (!fs::exists(config.paths.data / kRowsDirectory, error)) {
    return fail(fmt::format("there is nothing in {}: has this server ever run?", config.paths.data.string()));
  }
  auto partial = file;
  partial += ".partial";
  fs::remove(partial, error);
  File out(partial, O_WRONLY | O_CREAT | O_EXCL);
  if (!out.is_open()) return fail(fmt::format("{} cannot be written: {}", file.string(), why()));
  const auto made = [&]() -> Result<BackupReport, std::string> {
    Origin origin;
    if (auto lock = DirectoryLock::take(config.paths.data)) {
      origin.lock.emplace(std::move(*lock));
      OPALINE_CHECK(from_directory(origin, config, ports));
    } else {
      OPALINE_CHECK(from_running_server(origin, config, ports));
    }
    const BackupInfo info{ports.clock.now(), config.server.name, std::string(version())};
    OPALINE_TRY(const auto counts, write_backup(origin, info, out, passphrase, cost, ports.random));
    return BackupReport{info, counts};
  }();
  out.close();
  if (made && rename(partial.c_str(), file.c_str()) == 0) return made;
  const auto reason = made ? fmt::format("{} cannot be written: {}", file.string(), why()) : made.error();
  fs::remove(partial, error);
  return fail(reason);
}

Result<BackupReport, std::string> restore_backup(const Config& config, const fs::path& file, ByteView passphrase,
                                                 const BackupPorts& ports) {
  OPALINE_CHECK(must_be_empty(config));
  OPALINE_CHECK(must_own(config.paths.data));
  const auto known = row_tables();
  OPALINE_TRY(const auto checked, read_backup(file, passphrase, [&](BackupRecord& record) -> Result<void, std::string> {
                const auto* row = std::get_if<BackupRow>(&record);
                if (row && std::ranges::find(known, row->table) == known.end()) {
                  return fail(
                      fmt::format("the backup has a table \"{}\" that this version ({}) does not know; it was "
                                  "made by a newer one",
                                  row->table, version()));
                }
                return {};
              }));
  auto lock = DirectoryLock::take(config.paths.data);
  if (!lock) return fail(lock.error());
  std::error_code error;
  fs::create_directories(config.paths.vault.parent_path(), error);
  const auto marker = config.paths.data / kRestoreMarker;
  OPALINE_CHECK(write_file_atomically(marker, "see docs/operations.md, Backup\n", 0600));
  OPALINE_TRY(const auto vault, open_vault(config, ports.random));
  OPALINE_TRY(const auto rows, open_rows(config.paths.data / kRowsDirectory, ports.log));
  std::vector<BackupRow> page;
  const auto flush = [&]() -> Result<void, std::string> {
    std::vector<store::RowChange> changes;
    for (auto& row : page) changes.push_back({row.table, std::move(row.key), std::move(row.value)});
    if (!changes.empty() && !rows->write(std::move(changes)))
      return fail(std::string("the rows cannot be written: is the disk full?"));
    page.clear();
    return {};
  };
  OPALINE_CHECK(read_backup(file, passphrase, [&](BackupRecord& record) -> Result<void, std::string> {
    if (const auto* key = std::get_if<BackupNamedKey>(&record)) {
      const auto imported = vault->import_named_key(key->purpose, key->key);
      if (!imported || !*imported) return fail(fmt::format("the vault does not take the key \"{}\"", key->purpose));
    } else if (auto* row = std::get_if<BackupRow>(&record)) {
      page.push_back(std::move(*row));
      if (page.size() >= kPage) return flush();
    }
    return {};
  }));
  OPALINE_CHECK(flush());
  OPALINE_CHECK(record(*rows, *vault, Action::restore, ports));
  fs::remove(marker, error);
  if (error) return fail(fmt::format("{} cannot be removed: remove it by hand", marker.string()));
  return checked;
}

}  // namespace opaline::server
