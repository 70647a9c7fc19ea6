#include "msp/opening_hours.hpp"

#include <gtest/gtest.h>

namespace opaline::msp {
namespace {

/// In UTC.
Time at(int year, unsigned month, unsigned day, int hour, int minute = 0, int second = 0) {
  using namespace std::chrono;
  return sys_days(year_month_day(std::chrono::year(year), std::chrono::month(month), std::chrono::day(day))) +
         hours(hour) + minutes(minute) + seconds(second);
}
OpeningHours table(std::string_view zone, const std::vector<std::string>& open) {
  return OpeningHours::parse(zone, open).value();
}

TEST(OpeningHours, AWeekInThePlacesOwnTime) {
  const auto shop = table("Europe/Berlin", {"Mon-Fri 09:00-17:30", "Sat 10:00-14:00"});
  // Monday 12 January 2026; Berlin is UTC+1.
  EXPECT_FALSE(shop.open_at(at(2026, 1, 12, 7, 59, 59)));
  EXPECT_TRUE(shop.open_at(at(2026, 1, 12, 8)));
  EXPECT_TRUE(shop.open_at(at(2026, 1, 16, 16, 29, 59)));
  EXPECT_FALSE(shop.open_at(at(2026, 1, 16, 16, 30)));
  EXPECT_FALSE(shop.open_at(at(2026, 1, 17, 8, 59)));
  EXPECT_TRUE(shop.open_at(at(2026, 1, 17, 9)));
  EXPECT_FALSE(shop.open_at(at(2026, 1, 18, 10))) << "Sunday";
  EXPECT_FALSE(table("Europe/Berlin", {}).open_at(at(2026, 1, 12, 10)));
}

TEST(OpeningHours, SummerTimeBeginsAndEndsAndTheDoorOpensAtTheSameTime) {
  const auto berlin = table("Europe/Berlin", {"Mon-Sun 09:00-17:00"});
  for (const auto& [day, month, opens] : {std::tuple{28U, 3U, 8}, {29U, 3U, 7}, {24U, 10U, 7}, {25U, 10U, 8}}) {
    EXPECT_FALSE(berlin.open_at(at(2026, month, day, opens - 1, 59))) << day << "." << month;
    EXPECT_TRUE(berlin.open_at(at(2026, month, day, opens))) << day << "." << month;
    EXPECT_TRUE(berlin.open_at(at(2026, month, day, opens + 7, 59))) << day << "." << month;
    EXPECT_FALSE(berlin.open_at(at(2026, month, day, opens + 8))) << day << "." << month;
  }
  // 2:00 to 3:00 does not exist on 29 March, and comes twice on 25 October.
  const auto night = table("Europe/Berlin", {"Sun 02:00-03:00"});
  for (int minute = 0; minute < 180; ++minute)
    EXPECT_FALSE(night.open_at(at(2026, 3, 29, 0) + std::chrono::minutes(minute))) << minute;
  EXPECT_FALSE(night.open_at(at(2026, 10, 24, 23, 59)));
  EXPECT_TRUE(night.open_at(at(2026, 10, 25, 0)));
  EXPECT_TRUE(night.open_at(at(2026, 10, 25, 1, 59)));
  EXPECT_FALSE(night.open_at(at(2026, 10, 25, 2)));
  // Half an hour, on the other half of the earth.
  const auto island = table("Australia/Lord_Howe", {"Mon 09:00-09:30"});
  EXPECT_TRUE(island.open_at(at(2026, 7, 5, 22, 30)));
  EXPECT_FALSE(island.open_at(at(2026, 1, 4, 22, 30)));
  EXPECT_TRUE(island.open_at(at(2026, 1, 4, 22)));
}

TEST(OpeningHours, DaysGoRoundAndEndAtMidnight) {
  const auto bar = table("UTC", {"Fri-Sat 20:00-24:00", "Sat-Sun 00:00-02:00", "Sun-Mon 12:00-13:00"});
  EXPECT_TRUE(bar.open_at(at(2026, 1, 16, 23, 59)));
  EXPECT_TRUE(bar.open_at(at(2026, 1, 17, 1)));
  EXPECT_FALSE(bar.open_at(at(2026, 1, 17, 2)));
  EXPECT_TRUE(bar.open_at(at(2026, 1, 18, 0)));
  EXPECT_TRUE(bar.open_at(at(2026, 1, 19, 12)));
  EXPECT_FALSE(bar.open_at(at(2026, 1, 19, 0)));
  const auto weekend = table("UTC", {"Sat-Mon 10:00-11:00"});
  EXPECT_TRUE(weekend.open_at(at(2026, 1, 18, 10)));
  EXPECT_FALSE(weekend.open_at(at(2026, 1, 20, 10)));
}

TEST(OpeningHours, WhatIsNoTableIsRefused) {
  for (const char* zone : {"", "Europe/Berlino", "../../etc/passwd", "/etc/localtime", "Mars/Base"})
    EXPECT_FALSE(OpeningHours::parse(zone, {})) << zone;
  for (const char* line : {"", "Mon", "Mon ", "Mon 9:00-17:00", "Mon 09:00", "Mon 09:00-08:00", "Mon 09:00-09:00",
                           "Mon 09:00-24:01", "Mon 09:60-10:00", "mon 09:00-10:00", "Mon- 09:00-10:00",
                           "Mon-Fry 09:00-10:00", "Mon  09:00-10:00", "Mon 09:00-10:00 ", "Mon 09.00-10.00"})
    EXPECT_FALSE(OpeningHours::parse("UTC", std::vector<std::string>{line})) << line;
  EXPECT_TRUE(OpeningHours::parse("UTC", std::vector<std::string>(kMaxOpeningLines, "Mon 09:00-10:00")));
  EXPECT_FALSE(OpeningHours::parse("UTC", std::vector<std::string>(kMaxOpeningLines + 1, "Mon 09:00-10:00")));
}

}  // namespace
}  // namespace opaline::msp
