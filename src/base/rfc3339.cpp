#include "base/rfc3339.hpp"

namespace opaline {
namespace {

std::string padded(std::int64_t number, std::size_t size) {
  auto out = std::to_string(number);
  if (out.size() < size) out.insert(0, size - out.size(), '0');
  return out;
}

}  // namespace

std::string rfc3339_date(std::chrono::sys_days date) {
  const std::chrono::year_month_day day(date);
  return padded(int{day.year()}, 4) + "-" + padded(unsigned{day.month()}, 2) + "-" + padded(unsigned{day.day()}, 2);
}

std::string rfc3339(Time time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::hh_mm_ss clock(std::chrono::floor<seconds>(time - day));
  return rfc3339_date(day) + "T" + padded(clock.hours().count(), 2) + ":" + padded(clock.minutes().count(), 2) + ":" +
         padded(clock.seconds().count(), 2) + "Z";
}

std::string rfc3339_millis(Time time) {
  auto out = rfc3339(time);
  out.pop_back();
  return out + "." + padded((time - std::chrono::floor<seconds>(time)).count(), 3) + "Z";
}

}  // namespace opaline
