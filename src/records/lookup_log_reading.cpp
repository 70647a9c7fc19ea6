// Who asked whom, and one's own: readers on any thread, each with the keys of the days that are left.
#include <algorithm>

#include "records/internal/lookup_log_impl.hpp"

namespace opaline::records {
namespace {

constexpr std::size_t kMaxOwnSeeks = 64;  // of a page: milliseconds, while the directory waits

internal::Side side_of(LookupSide side) {
  return side == LookupSide::by_handle ? internal::Side::source : internal::Side::looked_up;
}

}  // namespace

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

}  // namespace opaline::records
