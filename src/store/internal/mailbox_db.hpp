#pragma once
// The RocksDB database under the mailbox store: its days (column families with their keys), and what it remembers
// besides.
#include <rocksdb/cache.h>

#include <atomic>
#include <map>
#include <memory>
#include <mutex>

#include "base/log.hpp"
#include "base/random.hpp"
#include "store/internal/mailbox_rows.hpp"
#include "store/internal/rocksdb_common.hpp"

namespace opaline::store::internal {

/// A day's rows and keys. Thread-safe. Goes when its last user does; the rows of a dropped day leave the disk then.
class DayFamily {
 public:
  DayFamily(rocksdb::DB& db, rocksdb::ColumnFamilyHandle* handle, Day day) : db_(db), handle_(handle), day_(day) {}
  DayFamily(const DayFamily&) = delete;
  DayFamily& operator=(const DayFamily&) = delete;
  ~DayFamily() { db_.DestroyColumnFamilyHandle(handle_); }

  [[nodiscard]] Day day() const { return day_; }
  [[nodiscard]] rocksdb::ColumnFamilyHandle* handle() const { return handle_; }
  /// The key that opens rows of a run. destroyed: the day's key is gone; failed: the vault does not answer.
  [[nodiscard]] Result<std::shared_ptr<const RowSealKey>, VaultError> key_of(const Run& run, KeyVault& vault);

 private:
  rocksdb::DB& db_;
  rocksdb::ColumnFamilyHandle* const handle_;
  const Day day_;
  std::mutex mutex_;  // guards keys_
  std::map<Run, std::shared_ptr<const RowSealKey>> keys_;
};
using DayFamilyPtr = std::shared_ptr<DayFamily>;

/// Thread-safe, but that new days and dropped days come from one thread (the committer).
class MailboxDb {
 public:
  [[nodiscard]] static Result<std::unique_ptr<MailboxDb>, OpenError> open(const DatabaseSettings& settings,
                                                                          KeyVault& vault, RandomSource& random,
                                                                          Log& log);
  ~MailboxDb();

  [[nodiscard]] rocksdb::DB& db() const { return *db_; }
  [[nodiscard]] KeyVault& vault() const { return vault_; }
  [[nodiscard]] Log& log() const { return log_; }
  [[nodiscard]] const Run& run() const { return run_; }
  [[nodiscard]] MailboxHash hash_of(const MailboxId& mailbox) const { return mailbox_hash(index_key_, mailbox); }
  [[nodiscard]] std::uint64_t free_bytes() const { return internal::free_bytes(directory_); }

  /// All days there are, oldest first. Never nullptr; stays as it is.
  using Days = std::map<Day, DayFamilyPtr>;
  [[nodiscard]] std::shared_ptr<const Days> days() const;

  enum class DayError : std::uint8_t { full, unusable };
  /// The day's family, made with its key if need be. unusable: the key was destroyed, the vault or disk failed, or
  /// there are too many days. Committer only.
  [[nodiscard]] Result<DayFamilyPtr, DayError> make_day(Day day);
  /// Destroys the keys of all days through `day`, then drops their rows. Committer only.
  [[nodiscard]] bool expire_through(Day day, bool disk_is_full);

  /// Raises the epoch on disk by one and makes it the owner's. nullopt: the disk failed.
  [[nodiscard]] std::optional<OwnerEpoch> take();
  /// Whether this epoch is the one that was last taken since opening.
  [[nodiscard]] bool is_owner(OwnerEpoch epoch) const {
    return epoch != OwnerEpoch{} && epoch == owner_.load(std::memory_order_acquire);
  }

  void maintain(Time now);

 private:
  MailboxDb(const DatabaseSettings& settings, KeyVault& vault, RandomSource& random, Log& log,
            const VaultKey& index_key);
  [[nodiscard]] Result<void, OpenError> adopt(OpenDatabase opened, const DatabaseSettings& settings);
  [[nodiscard]] Result<void, OpenError> check_meta(const DatabaseSettings& settings);
  [[nodiscard]] Result<std::optional<Bytes>, rocksdb::Status> meta(std::string_view key);
  [[nodiscard]] rocksdb::Status set_meta(std::string_view key, ByteView value);
  [[nodiscard]] rocksdb::Status flush_all();
  bool drop(const DayFamilyPtr& family);
  void publish(Days days);

  const DatabaseSettings settings_;
  const std::filesystem::path directory_;
  KeyVault& vault_;
  Log& log_;
  crypto::HmacSha256Key index_key_;
  Run run_{};
  std::shared_ptr<rocksdb::Cache> cache_;
  std::unique_ptr<rocksdb::DB> db_;
  rocksdb::ColumnFamilyHandle* meta_ = nullptr;
  std::atomic<OwnerEpoch> owner_{};
  mutable std::mutex mutex_;  // guards epoch_, days_
  std::uint64_t epoch_ = 0;
  std::shared_ptr<const Days> days_ = std::make_shared<const Days>();
  std::mutex maintaining_;
};

/// Options of a day's column family.
[[nodiscard]] rocksdb::ColumnFamilyOptions day_family_options(const std::shared_ptr<rocksdb::Cache>& cache);

}  // namespace opaline::store::internal
