#include "msp/opening_hours.hpp"

#include <date/tz.h>

#include <algorithm>
#include <optional>

namespace opaline::msp {
namespace {

constexpr std::size_t kMaxZoneBytes = 64;
constexpr std::string_view kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::uint16_t kMinutesOfDay = 24 * 60;

std::optional<std::size_t> day(std::string_view text) {
  const auto found = std::ranges::find(kDays, text);
  if (found == std::end(kDays)) return std::nullopt;
  return static_cast<std::size_t>(found - std::begin(kDays));
}

/// "09:30", up to "24:00".
std::optional<std::uint16_t> minute(std::string_view text) {
  constexpr std::string_view kForm = "00:00";
  if (text.size() != kForm.size()) return std::nullopt;
  for (std::size_t i = 0; i < kForm.size(); ++i)
    if (kForm[i] == ':' ? text[i] != ':' : text[i] < '0' || text[i] > '9') return std::nullopt;
  const int hours = (text[0] - '0') * 10 + text[1] - '0', minutes = (text[3] - '0') * 10 + text[4] - '0';
  if (minutes > 59 || hours * 60 + minutes > kMinutesOfDay) return std::nullopt;
  return static_cast<std::uint16_t>(hours * 60 + minutes);
}

/// The library reads its files when they are first needed, and throws what is wrong with them.
std::optional<date::local_seconds> local(const std::string& zone, Time moment) {
  try {
    return date::locate_zone(zone)->to_local(std::chrono::floor<std::chrono::seconds>(moment));
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

}  // namespace

Result<OpeningHours, std::string> OpeningHours::parse(std::string_view zone, std::span<const std::string> open) {
  OpeningHours out;
  out.zone_ = zone;
  if (zone.empty() || zone.size() > kMaxZoneBytes || !local(out.zone_, Time()))
    return fail(std::string("must name a time zone that this machine knows, as Europe/Berlin"));
  if (open.size() > kMaxOpeningLines) return fail(std::string("has at most 28 lines"));
  for (const std::string_view line : open) {
    const auto bad = fail(std::string("has lines as \"Mon-Fri 09:00-17:30\" or \"Sat 10:00-24:00\""));
    const auto space = line.find(' ');
    if (space == line.npos) return bad;
    const auto days = line.substr(0, space), times = line.substr(space + 1);
    const auto to = times.find('-');
    if (to == times.npos) return bad;
    const auto first = day(days.substr(0, 3));
    const auto last = days.size() == 3                     ? first
                      : days.size() == 7 && days[3] == '-' ? day(days.substr(4))
                                                           : std::nullopt;
    const auto from = minute(times.substr(0, to)), until = minute(times.substr(to + 1));
    if (!first || !last || !from || !until || *from >= *until) return bad;
    for (std::size_t at = *first;; at = (at + 1) % 7) {
      out.days_[at].push_back({*from, *until});
      if (at == *last) break;
    }
  }
  return out;
}

bool OpeningHours::open_at(Time moment) const {
  const auto there = local(zone_, moment);
  if (!there) return true;  // the machine has lost its time zones: nobody is told to wait for a morning
  const auto midnight = date::floor<date::days>(*there);
  const auto now = std::chrono::duration_cast<std::chrono::minutes>(*there - midnight).count();
  const auto& today = days_[date::weekday(midnight).c_encoding()];
  return std::ranges::any_of(today, [now](const Span& one) { return one.from <= now && now < one.to; });
}

}  // namespace opaline::msp
