#include <charconv>

#include "msp/internal/interactive.hpp"

namespace opaline::msp::internal {
namespace {

/// Takes exactly `digits` digits from the front.
bool take_number(std::string_view& text, std::size_t digits, int& out) {
  if (text.size() < digits) return false;
  for (const char c : text.substr(0, digits)) {
    if (c < '0' || c > '9') return false;
  }
  std::from_chars(text.data(), text.data() + digits, out);
  text.remove_prefix(digits);
  return true;
}
bool take(std::string_view& text, char c) {
  if (!text.starts_with(c)) return false;
  text.remove_prefix(1);
  return true;
}

std::optional<std::chrono::sys_days> take_date(std::string_view& text) {
  int year = 0, month = 0, day = 0;
  if (!take_number(text, 4, year) || !take(text, '-') || !take_number(text, 2, month) || !take(text, '-') ||
      !take_number(text, 2, day)) {
    return std::nullopt;
  }
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok()) return std::nullopt;
  return std::chrono::sys_days(date);
}

/// Z, +hhmm or +hh:mm to the end.
std::optional<std::chrono::minutes> take_offset(std::string_view text) {
  if (text == "Z" || text == "z") return std::chrono::minutes(0);
  const bool west = text.starts_with('-');
  int hours = 0, minutes = 0;
  if (!west && !text.starts_with('+')) return std::nullopt;
  text.remove_prefix(1);
  if (!take_number(text, 2, hours)) return std::nullopt;
  take(text, ':');
  if (!take_number(text, 2, minutes) || !text.empty() || hours > 14 || minutes > 59) return std::nullopt;
  return std::chrono::minutes(west ? -(hours * 60 + minutes) : hours * 60 + minutes);
}

}  // namespace

std::optional<Time> parse_start_time(std::string_view text) {
  const auto date = take_date(text);
  int hours = 0, minutes = 0, whole_seconds = 0;
  if (!date || !take(text, 'T') || !take_number(text, 2, hours) || !take(text, ':') || !take_number(text, 2, minutes)) {
    return std::nullopt;
  }
  if (take(text, ':')) {
    if (!take_number(text, 2, whole_seconds)) return std::nullopt;
    if (take(text, '.')) {
      int digit = 0;
      if (!take_number(text, 1, digit)) return std::nullopt;
      while (take_number(text, 1, digit)) continue;
    }
  }
  const auto offset = take_offset(text);
  if (!offset || hours > 23 || minutes > 59 || whole_seconds > 59) return std::nullopt;
  const Time out = *date + std::chrono::hours(hours) + std::chrono::minutes(minutes) + seconds(whole_seconds) - *offset;
  if (out < Time{}) return std::nullopt;
  return out;
}

bool is_date(std::string_view text) {
  return take_date(text).has_value() && text.empty();
}

}  // namespace opaline::msp::internal
