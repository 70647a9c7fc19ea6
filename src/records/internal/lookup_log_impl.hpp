#pragma once
// The parts of the lookup log: lookup_log.cpp writes and destroys, lookup_log_reading.cpp finds.
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>

#include "records/internal/lookup_rows.hpp"
#include "records/lookup_log.hpp"

namespace opaline::records {

using identity::HeldHandle;
using identity::LookupLogEntry;
using identity::OwnLookupsError;
using internal::DayCounts;
using internal::DayKeys;
using store::RowError;
using store::VaultError;

inline constexpr std::size_t kRowsOfAScan = 512;  ///< rows in memory while reading

class LookupLog::Impl {
 public:
  Impl(const LookupLogConfig& config, const Ports& ports) : config_(config), ports_(ports) {}
  ~Impl();

  Result<void, RowError> load();
  void start() {
    writer_ = std::thread([this] { run(); });
  }

  void append(std::span<const LookupLogEntry> entries);
  void flush();
  void set_targets(std::set<std::string, std::less<>> handles, Collection* into);
  void trust_clock(Time last);
  bool expire(Time now);
  bool remove_expired();
  Result<LookupFindings, RowError> find(const LookupQuery& query, const Visitor& visit);
  Result<identity::OwnLookups, identity::OwnLookupsError> own(std::span<const HeldHandle> handles, ByteView after,
                                                              std::size_t limit);
  LookupLogStats stats() const;
  [[nodiscard]] std::uint32_t days() const {
    return keeps() ? static_cast<std::uint32_t>(config_.retention.count()) : 0;
  }
  [[nodiscard]] bool keeps() const { return ports_.rows != nullptr; }

 private:
  using Days = std::map<Day, DayCounts>;

  // ---- the writer's thread
  void run();
  void write(std::span<const LookupLogEntry> batch);
  /// The entries of one partition, in one write.
  void write_day(Day day, std::span<const LookupLogEntry> entries);
  void collect(std::span<const LookupLogEntry> batch);
  [[nodiscard]] Day partition_of(Time time) const;
  [[nodiscard]] const DayKeys* keys_for_writing(Day day);
  void dropped(std::uint64_t LookupLogStats::* counter, std::size_t entries, std::string_view why);

  // ---- readers
  [[nodiscard]] Result<DayKeys, VaultError> keys_for_reading(Day day);
  [[nodiscard]] Days days_served(Time now) const;
  /// One day's part of a page: entries below the place `before`, newest first.
  struct OwnDay {
    std::vector<LookupLogEntry> entries;
    std::uint64_t before = 0;  ///< where to go on in the day; 0: it has no more
  };
  Result<OwnDay, RowError> own_of_day(const DayKeys& keys, std::span<const HeldHandle> handles, std::uint64_t before,
                                      std::size_t limit);
  [[nodiscard]] bool is_target(const LookupLogEntry& entry) const;
  [[nodiscard]] Day last_over(Time now) const;

  const LookupLogConfig config_;
  const Ports ports_;

  mutable std::mutex mutex_;  // guards everything down to stats_
  std::condition_variable work_, idle_;
  std::vector<LookupLogEntry> waiting_;
  std::uint64_t taken_ = 0, finished_ = 0;  ///< entries that append() took, and those that are written or dropped
  bool ending_ = false;
  std::optional<Time> trusted_;
  std::optional<Day> destroyed_;  ///< and all before it
  Days days_;
  LookupLogStats stats_;

  mutable std::mutex targets_mutex_;  // guards the two below; held while they are collected
  std::set<std::string, std::less<>> targets_;
  Collection* collection_ = nullptr;

  std::mutex writing_;  // held for each batch, and while days are destroyed; guards the two below
  std::optional<DayKeys> keys_;
  std::optional<std::string> failing_;  // why the last batch was dropped

  std::thread writer_;
};

}  // namespace opaline::records
