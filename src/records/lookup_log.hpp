#pragma once
// The lookup log (docs/adr/0016-lookup-log.md, promise 9): who asked the directory about whom, five fields, in
// partitions of a day, each sealed under the key of its day in a vault of the log's own.
#include <functional>
#include <memory>
#include <set>

#include "base/log.hpp"
#include "identity/handle.hpp"
#include "identity/ports.hpp"
#include "records/collection.hpp"
#include "store/key_vault.hpp"
#include "store/row_store.hpp"

namespace opaline::records {

/// Whose lookups: those that a handle made, or those that were made of it.
enum class LookupSide : std::uint8_t { by_handle, of_handle };

/// Entries with `from` <= time < `to`.
struct LookupQuery {
  identity::Handle handle;
  LookupSide side = LookupSide::by_handle;
  Time from;
  Time to;
};

struct LookupFindings {
  std::uint64_t entries = 0;         ///< that were found
  std::uint64_t damaged = 0;         ///< rows that are not authentic, and were passed over
  std::vector<Day> unreadable_days;  ///< which have rows, but no key that they may be read with; none is expected
  friend bool operator==(const LookupFindings&, const LookupFindings&) = default;
};

struct LookupLogConfig {
  /// 1 to 30. The key of day D is destroyed as day D + retention begins (UTC), so that no entry grows older than
  /// `retention` times 24 hours.
  std::chrono::days retention{30};
  std::size_t max_waiting = 65'536;  ///< entries between append() and the disk
};

struct LookupLogStats {
  std::uint64_t entries = 0, bytes = 0;  ///< that can be read; bytes as stored, in keys and values
  std::optional<Time> oldest;
  std::uint64_t written = 0, collected = 0;  ///< since the start, as all below
  std::uint64_t dropped_queue = 0;           ///< more came than the disk took
  std::uint64_t dropped_disk = 0;            ///< the disk was full or failed; some may be there all the same
  std::uint64_t dropped_vault = 0;           ///< the day has no key: the vault failed, or it was destroyed before
  std::size_t waiting = 0;
  bool collecting = false;  ///< there are targets
};

/// Thread-safe.
class LookupLog final : public identity::LookupLog {
 public:
  struct Ports {
    store::RowStore* rows;   ///< opened with lookup_tables(); null, as the vault: nothing is kept (a retention of 0)
    store::KeyVault* vault;  ///< of its own: its days end before those of the mailboxes
    const Clock& clock;      ///< read by those who read the log
    Log& log;
  };
  /// Reads how much there is. All ports outlive the log. failed: the store is damaged.
  [[nodiscard]] static Result<std::unique_ptr<LookupLog>, store::RowError> open(const LookupLogConfig& config,
                                                                                const Ports& ports);
  /// Writes what waits.
  ~LookupLog() override;

  /// Queues and returns; drops and counts what there is no room for. What waits in memory is lost with the process.
  void append(std::span<const identity::LookupLogEntry> entries) override;
  [[nodiscard]] Result<identity::OwnLookups, identity::OwnLookupsError> own(
      std::span<const identity::HeldHandle> handles, ByteView after, std::size_t limit) override;
  [[nodiscard]] std::uint32_t days() const override;
  /// Waits until everything that was appended before is written and collected, or dropped.
  void flush();

  /// From now on entries in which one of these handles asks or is asked for go to `into`, too, also where nothing is
  /// kept. It must outlive the log, or the next call. When this returns, no earlier target is collected any more.
  void set_targets(std::set<std::string, std::less<>> handles, Collection& into);
  void clear_targets();

  /// The last time that was found right (store::ExpiryGuard). Entries whose time is further than kMaxClockStep from it
  /// go into the partition of its day, for no clock that went wrong may keep anything longer. Before the first call all
  /// go where their time says.
  void trust_clock(Time last);
  /// Destroys the keys of the days that are over: nobody reads them any more when this returns. Only where the clock is
  /// to be trusted, which it then is at `now`. A few fsyncs. False: the vault failed; to be tried again.
  [[nodiscard]] bool expire(Time now);
  /// Removes the rows of days whose keys are gone. Blocks for as long as the disk needs. False: it failed; to be tried
  /// again.
  [[nodiscard]] bool remove_expired();

  /// Calls `visit` for each entry in the order in which they were logged, until it returns false; holds few of them at
  /// a time. What is older than the retention is not served. Blocks; any thread may. failed: the disk does not answer.
  using Visitor = std::function<bool(const identity::LookupLogEntry&)>;
  [[nodiscard]] Result<LookupFindings, store::RowError> find(const LookupQuery& query, const Visitor& visit);
  /// As find, with nobody who looks.
  [[nodiscard]] Result<LookupFindings, store::RowError> count(const LookupQuery& query);

  [[nodiscard]] LookupLogStats stats() const;

 private:
  class Impl;
  explicit LookupLog(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// The tables of its RowStore.
[[nodiscard]] std::vector<std::string> lookup_tables();

}  // namespace opaline::records
