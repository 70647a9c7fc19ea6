#include "records/lookup_log.hpp"

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>

#include "base/codec.hpp"
#include "base/fault_point.hpp"
#include "records/internal/lookup_rows.hpp"
#include "store/expiry_guard.hpp"

namespace opaline::records {

using identity::HeldHandle;
using identity::LookupLogEntry;
using identity::OwnLookupsError;
using internal::DayCounts;
using internal::DayKeys;
using store::RowError;
using store::VaultError;

namespace {

constexpr std::size_t kMaxBatch = 4096;    // entries in one synced write: about a megabyte
constexpr std::size_t kRowsOfAScan = 512;  // rows in memory while reading
constexpr std::size_t kMaxOwnSeeks = 64;   // of a page: milliseconds, while the directory waits

internal::Side side_of(LookupSide side) {
  return side == LookupSide::by_handle ? internal::Side::source : internal::Side::looked_up;
}

milliseconds apart(Time a, Time b) {
  return a > b ? a - b : b - a;
}

}  // namespace

std::vector<std::string> lookup_tables() {
  return {std::string(internal::kLookups), std::string(internal::kLookupDays)};
}

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
  bool busy_ = false, ending_ = false;
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

LookupLog::Impl::~Impl() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  work_.notify_one();
  if (writer_.joinable()) writer_.join();
}

Result<void, RowError> LookupLog::Impl::load() {
  if (!keeps()) return {};
  Bytes after;
  for (;;) {
    OPALINE_TRY(const auto rows, ports_.rows->scan(internal::kLookupDays, {}, after, kRowsOfAScan));
    for (const auto& [key, value] : rows) {
      const auto day = internal::day_of_row(key);
      if (!day) return fail(RowError::failed);
      after = key;
      const auto keys = keys_for_reading(*day);
      if (!keys && keys.error() == VaultError::destroyed) destroyed_ = *day;  // its rows are still to be removed
      const auto counts = keys ? keys->open_counts(value) : std::nullopt;
      if (!counts && destroyed_ != *day)
        ports_.log.event(LogLevel::warning, "lookup_log.unreadable_day", {{"day", number(*day)}});
      days_.emplace(*day, counts.value_or(DayCounts{}));
    }
    if (rows.size() < kRowsOfAScan) return {};
  }
}

// ---------------------------------------------------------------- what comes in

void LookupLog::Impl::append(std::span<const LookupLogEntry> entries) {
  const std::lock_guard lock(mutex_);
  if (!keeps() && !stats_.collecting) return;
  if (waiting_.size() + entries.size() > config_.max_waiting) {
    stats_.dropped_queue += entries.size();
    return;
  }
  waiting_.insert(waiting_.end(), entries.begin(), entries.end());
  work_.notify_one();
}

void LookupLog::Impl::flush() {
  std::unique_lock lock(mutex_);
  idle_.wait(lock, [this] { return waiting_.empty() && !busy_; });
}

void LookupLog::Impl::set_targets(std::set<std::string, std::less<>> handles, Collection* into) {
  const std::lock_guard collecting(targets_mutex_);
  targets_ = std::move(handles);
  collection_ = into;
  const std::lock_guard lock(mutex_);
  stats_.collecting = !targets_.empty();
  if (stats_.collecting && !writer_.joinable()) start();
}

bool LookupLog::Impl::is_target(const LookupLogEntry& entry) const {
  return targets_.contains(entry.source_handle) || targets_.contains(entry.looked_up_handle);
}

void LookupLog::Impl::collect(std::span<const LookupLogEntry> batch) {
  const std::lock_guard collecting(targets_mutex_);
  if (targets_.empty()) return;
  std::vector<LookupLogEntry> out;
  std::ranges::copy_if(batch, std::back_inserter(out), [this](const auto& entry) { return is_target(entry); });
  if (out.empty()) return;
  collection_->collect(out);
  const std::lock_guard lock(mutex_);
  stats_.collected += out.size();
}

// ---------------------------------------------------------------- the writer's thread

void LookupLog::Impl::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    work_.wait(lock, [this] { return !waiting_.empty() || ending_; });
    if (waiting_.empty()) return;
    const auto batch = std::exchange(waiting_, {});
    busy_ = true;
    lock.unlock();
    for (std::size_t at = 0; at < batch.size(); at += kMaxBatch) {
      const auto some = std::span(batch).subspan(at, std::min(kMaxBatch, batch.size() - at));
      if (keeps()) write(some);
      collect(some);
    }
    lock.lock();
    busy_ = false;
    idle_.notify_all();
  }
}

Day LookupLog::Impl::partition_of(Time time) const {
  const std::lock_guard lock(mutex_);
  return day_of(trusted_ && apart(*trusted_, time) > store::kMaxClockStep ? *trusted_ : time);
}

void LookupLog::Impl::write(std::span<const LookupLogEntry> batch) {
  const std::lock_guard one_at_a_time(writing_);
  for (std::size_t at = 0; at < batch.size();) {
    const Day day = partition_of(batch[at].time);
    std::size_t end = at + 1;
    while (end < batch.size() && partition_of(batch[end].time) == day) ++end;
    write_day(day, batch.subspan(at, end - at));
    at = end;
  }
}

const DayKeys* LookupLog::Impl::keys_for_writing(Day day) {
  if (keys_ && keys_->day() == day) return &*keys_;
  const auto key = ports_.vault->day_key(day);
  if (!key) return nullptr;
  return &keys_.emplace(day, *key);
}

void LookupLog::Impl::dropped(std::uint64_t LookupLogStats::* counter, std::size_t entries, std::string_view why) {
  {
    const std::lock_guard lock(mutex_);
    stats_.*counter += entries;
  }
  if (failing_ != why) ports_.log.event(LogLevel::error, "lookup_log.dropping", {{"why", why}});
  failing_ = why;
}

void LookupLog::Impl::write_day(Day day, std::span<const LookupLogEntry> entries) {
  const DayKeys* keys = keys_for_writing(day);
  if (keys == nullptr) return dropped(&LookupLogStats::dropped_vault, entries.size(), "vault");
  DayCounts counts;
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = days_.find(day); found != days_.end()) counts = found->second;
  }
  if (counts.entries == 0) counts.first = entries.front().time;
  std::vector<store::RowChange> changes;
  changes.reserve(2 * entries.size() + 1);
  for (const LookupLogEntry& entry : entries) {
    for (const auto side : {internal::Side::source, internal::Side::looked_up}) {
      const auto& handle = side == internal::Side::source ? entry.source_handle : entry.looked_up_handle;
      Bytes key = keys->row_key(side, handle, counts.next);
      Bytes value = keys->seal(key, entry);
      counts.bytes += key.size() + value.size();
      changes.push_back({.table = internal::kLookups, .key = std::move(key), .value = std::move(value)});
    }
    counts.first = std::min(counts.first, entry.time);
    ++counts.next;
    ++counts.entries;
  }
  changes.push_back({.table = internal::kLookupDays, .key = internal::day_prefix(day), .value = keys->seal(counts)});
  fault_point("records.before_lookups");
  const auto written = ports_.rows->write(std::move(changes));
  if (!written) {
    if (written.error() == RowError::unknown) {  // they may be there after a restart: never their sequences again
      const std::lock_guard lock(mutex_);
      days_[day].next = counts.next;
    }
    return dropped(&LookupLogStats::dropped_disk, entries.size(),
                   written.error() == RowError::full ? "disk full" : "disk");
  }
  if (std::exchange(failing_, std::nullopt)) ports_.log.event(LogLevel::info, "lookup_log.writes_again");
  const std::lock_guard lock(mutex_);
  days_[day] = counts;
  stats_.written += entries.size();
}

// ---------------------------------------------------------------- expiry

/// The key of day D goes as day D + retention begins: the first entry of D is exactly as old as may be then.
Day LookupLog::Impl::last_over(Time now) const {
  const auto today = number(day_of(now));
  const auto kept = static_cast<std::uint32_t>(config_.retention.count());
  return static_cast<Day>(today > kept ? today - kept : 0);
}

void LookupLog::Impl::trust_clock(Time last) {
  const std::lock_guard lock(mutex_);
  trusted_ = last;
}

bool LookupLog::Impl::expire(Time now) {
  trust_clock(now);
  if (!keeps()) return true;
  const Day last = last_over(now);
  {
    const std::lock_guard no_writes(writing_);
    if (!ports_.vault->destroy_through(last)) return false;
    if (keys_ && keys_->day() <= last) keys_.reset();
  }
  const std::lock_guard lock(mutex_);
  destroyed_ = std::max(destroyed_.value_or(last), last);
  return true;
}

bool LookupLog::Impl::remove_expired() {
  if (!keeps()) return true;
  fault_point("records.after_lookup_keys");
  Day last{};
  {
    const std::lock_guard lock(mutex_);
    if (!destroyed_ || days_.empty() || days_.begin()->first > *destroyed_) return true;
    last = *destroyed_;
  }
  const Bytes end = internal::day_prefix(static_cast<Day>(number(last) + 1));
  // The row of a day goes last: as long as it is there, a later call removes what this one left.
  if (!ports_.rows->erase_range(internal::kLookups, {}, end)) return false;
  if (!ports_.rows->erase_range(internal::kLookupDays, {}, end)) return false;
  const std::lock_guard lock(mutex_);
  days_.erase(days_.begin(), days_.upper_bound(last));
  return true;
}

// ---------------------------------------------------------------- reading

Result<DayKeys, VaultError> LookupLog::Impl::keys_for_reading(Day day) {
  OPALINE_TRY(const auto key, ports_.vault->existing_day_key(day));
  return DayKeys(day, key);
}

LookupLog::Impl::Days LookupLog::Impl::days_served(Time now) const {
  const Day over = last_over(now);
  const std::lock_guard lock(mutex_);
  return {days_.upper_bound(std::max(over, destroyed_.value_or(over))), days_.end()};
}

Result<LookupFindings, RowError> LookupLog::Impl::find(const LookupQuery& query, const Visitor& visit) {
  LookupFindings out;
  if (!keeps()) return out;
  const Time now = ports_.clock.now();
  const Time from = std::max(query.from, now - config_.retention);
  for (const auto& [day, counts] : days_served(now)) {  // all of them: what a wrong clock logged lies in another day
    const auto keys = keys_for_reading(day);
    if (!keys) {
      if (keys.error() != VaultError::destroyed) out.unreadable_days.push_back(day);
      continue;
    }
    const Bytes prefix = keys->prefix(side_of(query.side), query.handle.text());
    Bytes after;
    for (bool more = true; more;) {
      OPALINE_TRY(const auto rows, ports_.rows->scan(internal::kLookups, prefix, after, kRowsOfAScan));
      more = rows.size() == kRowsOfAScan;
      for (const auto& [key, value] : rows) {
        after = key;
        const auto entry = keys->open(key, value);
        if (!entry) {
          ++out.damaged;
          continue;
        }
        if (entry->time < from || entry->time >= query.to) continue;
        ++out.entries;
        if (visit && !visit(*entry)) return out;
      }
    }
  }
  return out;
}

Result<LookupLog::Impl::OwnDay, RowError> LookupLog::Impl::own_of_day(const DayKeys& keys,
                                                                      std::span<const HeldHandle> handles,
                                                                      std::uint64_t before, std::size_t limit) {
  const Time oldest = ports_.clock.now() - config_.retention;
  // What was read of each handle reaches down to some sequence: only above the highest of these nothing is missing.
  std::uint64_t complete = 0;
  std::map<std::uint64_t, LookupLogEntry, std::greater<>> found;
  for (const HeldHandle& held : handles) {
    Bytes end = keys.row_key(internal::Side::source, held.handle, before);
    OPALINE_TRY(const auto rows, ports_.rows->scan_back(internal::kLookups,
                                                        keys.prefix(internal::Side::source, held.handle), end, limit));
    if (rows.size() == limit) complete = std::max(complete, internal::sequence_of(rows.back().first));
    for (const auto& [key, value] : rows) {
      auto entry = keys.open(key, value);
      if (!entry || entry->time <= held.since || entry->time < oldest) continue;
      found.emplace(internal::sequence_of(key), std::move(*entry));
    }
  }
  OwnDay out;
  std::uint64_t last = before;
  for (auto& [sequence, entry] : found) {
    if (sequence < complete) break;
    if (out.entries.size() == limit) {
      out.before = last;
      return out;
    }
    out.entries.push_back(std::move(entry));
    last = sequence;
  }
  out.before = complete;
  return out;
}

Result<identity::OwnLookups, OwnLookupsError> LookupLog::Impl::own(std::span<const HeldHandle> handles, ByteView after,
                                                                   std::size_t limit) {
  identity::OwnLookups out;
  if (!keeps() || handles.empty() || limit == 0) return out;
  auto days = days_served(ports_.clock.now());
  std::uint64_t before = UINT64_MAX;
  if (!after.empty()) {
    const auto day = internal::day_of_place(after);
    if (!day) return fail(OwnLookupsError::not_a_place);
    const auto keys = keys_for_reading(*day);
    if (!keys && keys.error() == VaultError::destroyed) return out;  // that was the oldest day, and has gone since
    const auto place = keys ? keys->open_place(after) : std::nullopt;
    if (!place) return fail(keys ? OwnLookupsError::not_a_place : OwnLookupsError::failed);
    before = *place;
    days.erase(days.upper_bound(*day), days.end());
  }
  std::size_t seeks = 0;
  for (auto day = days.rbegin(); day != days.rend(); ++day, before = UINT64_MAX) {
    const auto keys = keys_for_reading(day->first);
    if (!keys) continue;
    const std::size_t room = limit - out.entries.size();
    if (room == 0 || seeks + handles.size() > kMaxOwnSeeks) {
      out.next = keys->seal_place(before);
      return out;
    }
    seeks += handles.size();
    auto part = own_of_day(*keys, handles, before, room);
    if (!part) return fail(OwnLookupsError::failed);
    std::ranges::move(part->entries, std::back_inserter(out.entries));
    if (part->before > 0) {
      out.next = keys->seal_place(part->before);
      return out;
    }
  }
  return out;
}

LookupLogStats LookupLog::Impl::stats() const {
  const std::lock_guard lock(mutex_);
  LookupLogStats out = stats_;
  out.waiting = waiting_.size();
  for (const auto& [day, counts] : days_) {
    if (counts.entries == 0 || (destroyed_ && day <= *destroyed_)) continue;
    out.entries += counts.entries;
    out.bytes += counts.bytes;
    out.oldest = out.oldest ? std::min(*out.oldest, counts.first) : counts.first;
  }
  return out;
}

// ---------------------------------------------------------------- LookupLog

Result<std::unique_ptr<LookupLog>, RowError> LookupLog::open(const LookupLogConfig& config, const Ports& ports) {
  OPALINE_ASSERT((ports.rows == nullptr) == (ports.vault == nullptr) && config.retention.count() >= 1);
  auto impl = std::make_unique<Impl>(config, ports);
  OPALINE_CHECK(impl->load());
  if (impl->keeps()) impl->start();
  return std::unique_ptr<LookupLog>(new LookupLog(std::move(impl)));
}

LookupLog::LookupLog(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
LookupLog::~LookupLog() = default;

void LookupLog::append(std::span<const LookupLogEntry> entries) {
  impl_->append(entries);
}
Result<identity::OwnLookups, OwnLookupsError> LookupLog::own(std::span<const HeldHandle> handles, ByteView after,
                                                             std::size_t limit) {
  return impl_->own(handles, after, limit);
}
std::uint32_t LookupLog::days() const {
  return impl_->days();
}
void LookupLog::flush() {
  impl_->flush();
}
void LookupLog::set_targets(std::set<std::string, std::less<>> handles, Collection& into) {
  impl_->set_targets(std::move(handles), &into);
}
void LookupLog::clear_targets() {
  impl_->set_targets({}, nullptr);
}
void LookupLog::trust_clock(Time last) {
  impl_->trust_clock(last);
}
bool LookupLog::expire(Time now) {
  return impl_->expire(now);
}
bool LookupLog::remove_expired() {
  return impl_->remove_expired();
}
Result<LookupFindings, RowError> LookupLog::find(const LookupQuery& query, const Visitor& visit) {
  return impl_->find(query, visit);
}
Result<LookupFindings, RowError> LookupLog::count(const LookupQuery& query) {
  return impl_->find(query, {});
}
LookupLogStats LookupLog::stats() const {
  return impl_->stats();
}

}  // namespace opaline::records
