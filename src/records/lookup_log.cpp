#include <algorithm>

#include "base/fault_point.hpp"
#include "records/internal/lookup_log_impl.hpp"
#include "store/expiry_guard.hpp"

namespace opaline::records {
namespace {

constexpr std::size_t kMaxBatch = 4096;  // entries in one synced write: about a megabyte

milliseconds apart(Time a, Time b) {
  return a > b ? a - b : b - a;
}

}  // namespace

std::vector<std::string> lookup_tables() {
  return {std::string(internal::kLookups), std::string(internal::kLookupDays)};
}

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
  taken_ += entries.size();
  work_.notify_one();
}

void LookupLog::Impl::flush() {
  std::unique_lock lock(mutex_);
  idle_.wait(lock, [this, all = taken_] { return finished_ >= all; });  // more may come all the time
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
    lock.unlock();
    for (std::size_t at = 0; at < batch.size(); at += kMaxBatch) {
      const auto some = std::span(batch).subspan(at, std::min(kMaxBatch, batch.size() - at));
      if (keeps()) write(some);
      collect(some);
    }
    lock.lock();
    finished_ += batch.size();
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
