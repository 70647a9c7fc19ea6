#include "identity/internal/quotas.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

namespace opaline::identity::internal {
namespace {

constexpr Instant kNow{std::chrono::hours(5)};

BucketKey key(std::uint64_t n) {
  ByteArray<16> bytes{};
  for (std::size_t i = 0; i < 8; ++i) bytes[i] = static_cast<std::byte>(n >> (8 * i));
  return BucketKey(bytes);
}

TEST(Buckets, GiveTheirCapacityAtOnceAndThenEvenly) {
  Buckets buckets({.capacity = 4, .refill = seconds(40)}, 10);
  for (int i = 0; i < 4; ++i) EXPECT_FALSE(buckets.take(key(1), 1, kNow));
  EXPECT_EQ(buckets.take(key(1), 1, kNow), seconds(10));
  EXPECT_EQ(buckets.take(key(1), 2, kNow), seconds(20));
  EXPECT_FALSE(buckets.take(key(1), 1, kNow + seconds(10)));
  EXPECT_EQ(buckets.take(key(1), 1, kNow + seconds(11)), seconds(9));
  EXPECT_FALSE(buckets.take(key(2), 4, kNow)) << "each key has its own";
}

TEST(Buckets, RefusalsCostNothing) {
  Buckets buckets({.capacity = 2, .refill = seconds(20)}, 10);
  EXPECT_FALSE(buckets.take(key(1), 2, kNow));
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(buckets.take(key(1), 1, kNow + seconds(9)));
  EXPECT_FALSE(buckets.take(key(1), 1, kNow + seconds(10)));
}

TEST(Buckets, ACostAboveTheCapacityIsNeverMet) {
  Buckets buckets({.capacity = 2, .refill = seconds(20)}, 10);
  EXPECT_TRUE(buckets.take(key(1), 3, kNow));
  EXPECT_TRUE(buckets.take(key(1), 0xffffffff, kNow));
  EXPECT_EQ(buckets.size(), 0u);
}

TEST(Buckets, WithoutCapacityGiveNothing) {
  Buckets buckets({.capacity = 0, .refill = seconds(20)}, 10);
  EXPECT_EQ(buckets.take(key(1), 1, kNow), seconds(20));
  EXPECT_FALSE(buckets.take(key(1), 0, kNow));
}

TEST(Buckets, NeverGiveMoreThanTheyHold) {
  EXPECT_TRUE(rc::check("in any span of time at most capacity + what flowed in", [] {
    const auto capacity = *rc::gen::inRange<std::uint32_t>(1, 20);
    const auto refill = *rc::gen::inRange<std::int64_t>(1, 100);
    Buckets buckets({.capacity = capacity, .refill = seconds(refill)}, 10);
    const auto steps = *rc::gen::container<std::vector<std::pair<std::uint32_t, std::int64_t>>>(
        rc::gen::pair(rc::gen::inRange<std::uint32_t>(0, 5), rc::gen::inRange<std::int64_t>(0, 3000)));
    Instant now = kNow;
    double given = 0;
    for (const auto& [cost, wait_ms] : steps) {
      now += milliseconds(wait_ms);
      if (!buckets.take(key(1), cost, now)) given += cost;
      const double flowed = std::chrono::duration<double>(now - kNow).count() * capacity / static_cast<double>(refill);
      RC_ASSERT(given <= capacity + flowed + 1e-6);
    }
  }));
}

TEST(Buckets, AreBoundedAndTidied) {
  Buckets buckets({.capacity = 1, .refill = seconds(100)}, 64);
  for (std::uint64_t i = 0; i < 1000; ++i) EXPECT_FALSE(buckets.take(key(i), 1, kNow));
  EXPECT_LE(buckets.size(), 64u);
  buckets.tidy(kNow + seconds(99));
  EXPECT_EQ(buckets.size(), 64u);
  buckets.tidy(kNow + seconds(100));
  EXPECT_EQ(buckets.size(), 0u);
}

TEST(DailyKey, ChangesWithTheDay) {
  SeededRandom random(1);
  DailyKey daily(random);
  EXPECT_TRUE(daily.turn(Day{5}));
  EXPECT_FALSE(daily.turn(Day{5}));
  const BucketKey first = daily.key("k", as_view("a"));
  EXPECT_EQ(daily.key("k", as_view("a")), first);
  EXPECT_NE(daily.key("l", as_view("a")), first);
  EXPECT_NE(daily.key("k", as_view("b")), first);
  EXPECT_NE(daily.key("k", as_view("ab"), as_view("c")), daily.key("k", as_view("a"), as_view("bc")))
      << "borders count";
  EXPECT_TRUE(daily.turn(Day{6}));
  EXPECT_NE(daily.key("k", as_view("a")), first);
  EXPECT_TRUE(daily.turn(Day{5}));
  EXPECT_NE(daily.key("k", as_view("a")), first) << "a key of a day that comes back is another one";
}

}  // namespace
}  // namespace opaline::identity::internal
