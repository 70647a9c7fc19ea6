#pragma once
// MailboxStore on RocksDB. A column family per day of arrival, so that expiry drops files; rows are keyed by a keyed
// hash of the mailbox and sealed under the day's key (layout: internal/mailbox_rows.hpp, docs/storage.md).
#include <filesystem>
#include <memory>

#include "base/log.hpp"
#include "base/random.hpp"
#include "base/result.hpp"
#include "store/key_vault.hpp"
#include "store/mailbox_store.hpp"
#include "store/open_error.hpp"

namespace rocksdb {
class Env;
}

namespace opaline::store {

struct RocksdbMailboxOptions {
  std::filesystem::path directory;  ///< made (0700) if its parent exists
  /// What waits to be committed; beyond it appends answer `unknown` at once, removals are dropped.
  std::size_t max_queue_items = 1 << 16;
  std::size_t max_queue_bytes = std::size_t{64} << 20;
  /// With less than this free on the file system appends answer `full`: compaction, removals and the vault go on.
  std::uint64_t reserve_bytes = std::uint64_t{256} << 20;
  /// Opens although the write-ahead log is damaged before its end, and loses what comes after the damage. The
  /// operator's choice.
  bool accept_damaged_log = false;
  rocksdb::Env* env = nullptr;  ///< another file system, for tests; outlives the store
};

/// Two threads of its own: a committer and a reader. Thread-safe.
class RocksdbMailboxStore final : public MailboxStore {
 public:
  /// Opens or makes the store; cost follows the number of files and the last few MiB of the log, not what is stored.
  /// `vault`, `random`, `executor` and `log` outlive the store and are thread-safe.
  [[nodiscard]] static Result<std::unique_ptr<RocksdbMailboxStore>, OpenError> open(
      const RocksdbMailboxOptions& options, KeyVault& vault, RandomSource& random, Executor executor, Log& log);
  /// Commits what is queued, posts all completions, closes.
  ~RocksdbMailboxStore() override;

  [[nodiscard]] std::optional<OwnerEpoch> acquire_all() override;
  void append(OwnerEpoch epoch, std::vector<Append> batch, AppendDone done) override;
  void remove(OwnerEpoch epoch, std::vector<Removal> batch) override;
  void destroy(OwnerEpoch epoch, MailboxId mailbox) override;
  void summarize(OwnerEpoch epoch, MailboxId mailbox, SummaryDone done) override;
  void read(OwnerEpoch epoch, MailboxId mailbox, Sequence from, std::size_t max_count, std::size_t max_bytes,
            ReadDone done) override;
  void expire_through(Day day, ExpireDone done) override;

  /// Rewrites the files of days from which something was removed, so that removed bytes have left the data files (and
  /// the log) within a day. To be called about hourly, from a thread that may block for as long as rewriting a day
  /// takes.
  void maintain(Time now);

  /// Since opening, for metrics.
  struct Stats {
    std::uint64_t appended = 0, duplicates = 0, groups = 0, refused_full = 0, refused_queue = 0, failures = 0,
                  damaged = 0;
    std::uint64_t queued_items = 0;  ///< now
    std::uint64_t days = 0;          ///< now
  };
  [[nodiscard]] Stats stats() const;
  /// For tests: as the option.
  void set_reserve_bytes(std::uint64_t bytes);

 private:
  class Impl;
  explicit RocksdbMailboxStore(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace opaline::store
