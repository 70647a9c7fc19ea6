#include "records/internal/lookup_rows.hpp"

#include <gtest/gtest.h>

#include "base/random.hpp"

namespace opaline::records::internal {
namespace {

using identity::LookupLogEntry;

store::DayKey key_of(std::uint64_t seed) {
  SeededRandom random(seed);
  return store::DayKey(random.bytes<32>());
}

LookupLogEntry some_entry() {
  LookupLogEntry out{.time = from_unix_millis(1'800'000'000'123),
                     .source_handle = "+4915112345678",
                     .source = {},
                     .looked_up_handle = "ada@example.org",
                     .capable_devices = 3};
  out.source.ip.back() = std::byte{7};
  return out;
}

bool same(const LookupLogEntry& a, const LookupLogEntry& b) {
  return a.time == b.time && a.source_handle == b.source_handle && a.source == b.source &&
         a.looked_up_handle == b.looked_up_handle && a.capable_devices == b.capable_devices;
}

TEST(LookupRows, AnEntryComesBackAndIsPadded) {
  for (const std::string& handle : {std::string("+1"), std::string(254, 'a')}) {
    auto entry = some_entry();
    entry.source_handle = handle;
    const auto bytes = encode(entry);
    EXPECT_EQ(bytes.size() % 32, 0U);
    const auto back = decode_entry(bytes);
    ASSERT_TRUE(back.has_value());
    EXPECT_TRUE(same(*back, entry));
  }
}

TEST(LookupRows, OnlyWhatEncodeGivesIsDecoded) {
  const auto bytes = encode(some_entry());
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(decode_entry(ByteView(bytes).first(size)).has_value()) << size;
  auto longer = bytes;
  longer.resize(longer.size() + 32);
  EXPECT_FALSE(decode_entry(longer).has_value()) << "a block more than it needs";
  auto stained = bytes;
  stained.back() = std::byte{1};
  EXPECT_FALSE(decode_entry(stained).has_value()) << "padding that is not zero";
}

TEST(LookupRows, ARowOpensUnderItsKeyAndPlaceAlone) {
  const DayKeys keys(Day(20'000), key_of(1));
  const auto entry = some_entry();
  const auto at = keys.row_key(Side::source, entry.source_handle, 5);
  const auto value = keys.seal(at, entry);
  const auto back = keys.open(at, value);
  ASSERT_TRUE(back.has_value());
  EXPECT_TRUE(same(*back, entry));
  EXPECT_FALSE(DayKeys(Day(20'000), key_of(2)).open(at, value).has_value());
  EXPECT_FALSE(keys.open(keys.row_key(Side::source, entry.source_handle, 6), value).has_value());
  EXPECT_FALSE(keys.open(keys.row_key(Side::looked_up, entry.source_handle, 5), value).has_value());
  for (std::size_t bit = 0; bit < value.size() * 8; ++bit) {
    Bytes damaged = value;
    damaged[bit / 8] ^= static_cast<std::byte>(1U << bit % 8);
    EXPECT_FALSE(keys.open(at, damaged).has_value()) << bit;
  }
  for (std::size_t size = 0; size < value.size(); ++size)
    EXPECT_FALSE(keys.open(at, ByteView(value).first(size)).has_value()) << size;
}

TEST(LookupRows, AHandleIsAnotherNameEachDay) {
  const DayKeys monday(Day(20'000), key_of(1));
  const DayKeys tuesday(Day(20'001), key_of(2));
  const auto name = [](const DayKeys& keys) {
    return to_bytes(ByteView(keys.prefix(Side::source, "+49151")).subspan(5));
  };
  EXPECT_EQ(name(monday).size(), 16U);
  EXPECT_EQ(name(monday), name(DayKeys(Day(20'000), key_of(1))));
  EXPECT_NE(name(monday), name(tuesday));
}

TEST(LookupRows, CountsComeBackAndAreBoundToTheirDay) {
  const DayKeys keys(Day(20'000), key_of(1));
  const DayCounts counts{.next = 9, .entries = 8, .bytes = 1000, .first = from_unix_millis(77)};
  const auto value = keys.seal(counts);
  EXPECT_EQ(keys.open_counts(value), counts);
  EXPECT_FALSE(DayKeys(Day(20'001), key_of(1)).open_counts(value).has_value());
  for (std::size_t bit = 0; bit < value.size() * 8; ++bit) {
    Bytes damaged = value;
    damaged[bit / 8] ^= static_cast<std::byte>(1U << bit % 8);
    EXPECT_FALSE(keys.open_counts(damaged).has_value()) << bit;
  }
}

TEST(LookupRows, DayRowsAreInTheOrderOfDays) {
  EXPECT_LT(day_prefix(Day(255)), day_prefix(Day(256)));
  EXPECT_EQ(day_of_row(day_prefix(Day(20'000))), Day(20'000));
  EXPECT_FALSE(day_of_row(to_bytes("abc")).has_value());
  EXPECT_FALSE(day_of_row(to_bytes("abcde")).has_value());
}

}  // namespace
}  // namespace opaline::records::internal
