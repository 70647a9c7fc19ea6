// What must not count twice, and when that is forgotten.
#include "base/codec.hpp"
#include "endpoint/testing/two_people.hpp"

namespace opaline::endpoint {
namespace {

using testing::Texts;
using testing::World;

class SeenTest : public testing::TwoPeople {
 protected:
  SeenTest() : testing::TwoPeople(23) {}
  std::size_t seen() const { return ben.store.rows(Table::seen); }
  std::size_t groups() const { return ben.store.rows(Table::seen_expiry); }
  Texts many(int count) {
    Texts sent;
    for (int i = 0; i < count; ++i) {
      sent.push_back(std::to_string(i));
      world.send(anna, ben, sent.back());
      if (i % 100 == 99) EXPECT_TRUE(world.settle(200'000));
    }
    EXPECT_TRUE(world.settle(200'000));
    return sent;
  }
};

TEST_F(SeenTest, WhatOneRoundRemembersIsOneRowForItsDay) {
  say(anna, ben, "first");
  world.cut(ben);
  Texts sent = {"first"};
  for (int i = 0; i < 40; ++i) {
    sent.push_back(std::to_string(i));
    world.send(anna, ben, sent.back());
  }
  ASSERT_TRUE(world.settle());
  world.connect(ben);
  const std::size_t seen_before = seen(), groups_before = groups();
  world.serve(ben, 100);
  world.deliver(ben, 1'000);  // all in one round
  world.round(ben);
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(ben.texts(), sent);
  EXPECT_EQ(seen() - seen_before, 80U) << "envelopes and messages";
  EXPECT_LE(groups() - groups_before, 3U);
}

TEST_F(SeenTest, AManyOfOneDayIsForgottenInSeconds) {
  many(1'500);
  ASSERT_GE(seen(), 3'000U);
  world.cut(ben);
  world.clock.advance(std::chrono::days(64));
  const auto tick = [&] {
    world.clock.advance(seconds(1));
    ben.endpoint->tick();
    world.round(ben);
  };
  tick();
  EXPECT_GT(seen(), 1'000U) << "not all in one round";
  for (int i = 0; i < 4; ++i) tick();
  EXPECT_EQ(seen(), 0U);
  EXPECT_EQ(groups(), 0U);
}

TEST_F(SeenTest, WhoIsNeverIdleForgetsToo) {
  many(1'500);
  world.clock.advance(std::chrono::days(64));
  ben.endpoint->tick();
  world.round(ben);
  ASSERT_TRUE(world.settle()) << "its prekeys are renewed";
  ASSERT_GT(seen(), 1'000U) << "not all in one round";
  for (int i = 0; i < 60; ++i) {  // inputs come faster than any wait ends: it must not begin anew with each
    world.clock.advance(milliseconds(200));
    const auto next = ben.endpoint->next_deadline();
    ASSERT_TRUE(next);
    if (*next <= world.clock.now()) ben.endpoint->tick();
    world.round(ben);
  }
  EXPECT_EQ(seen(), 0U);
}

TEST_F(SeenTest, WhatAnEarlierVersionRememberedIsForgottenToo) {
  const auto row = [&](std::uint8_t kind, Time until, bool remembered_longer) {
    const auto id = world.random.bytes<16>();
    Bytes key, expiry, value;
    Writer(key).u8(kind).bytes(id);
    Writer(expiry).u32(number(day_of(until)) + 1).bytes(key);  // its day and its key, one row for each
    Writer(value).u64(static_cast<std::uint64_t>(unix_millis(until + std::chrono::days(remembered_longer ? 9 : 0))));
    Batch batch;
    batch.rows.push_back({Table::seen, key, to_secret_bytes(value)});
    batch.rows.push_back({Table::seen_expiry, expiry, to_secret_bytes(ByteArray<1>{std::byte{1}})});
    EXPECT_TRUE(ben.store.commit(std::move(batch)));
  };
  const std::size_t seen_before = seen(), groups_before = groups();
  for (std::uint8_t kind = 1; kind <= 12; ++kind) row(kind, world.clock.now() + std::chrono::days(2), false);
  row(2, world.clock.now() + std::chrono::days(2), true);
  ASSERT_TRUE(world.pass(std::chrono::days(2), std::chrono::hours(12)));
  EXPECT_EQ(seen() - seen_before, 13U);
  ASSERT_TRUE(world.pass(std::chrono::days(2), std::chrono::hours(12)));
  EXPECT_EQ(seen() - seen_before, 1U) << "the one that was remembered anew, for longer";
  EXPECT_EQ(groups(), groups_before);
}

}  // namespace
}  // namespace opaline::endpoint
