// Link exchanges: how many, how large, how often.
#include <gtest/gtest.h>

#include "identity/link_test_world.hpp"

namespace opaline::identity {
namespace {

using testing::ipv4;
using testing::LinkTest;
using testing::messages;
using testing::Sent;
using testing::status;
using testing::text;

class LinkLimits : public LinkTest {};

TEST_F(LinkLimits, EightMessagesEachWay) {
  meet(Sent(2, "x"));
  EXPECT_EQ(status(fresh({.sent = 2, .send = Sent(7, "x")})), calls::CALL_STATUS_BAD_REQUEST);
  EXPECT_TRUE(fresh({.sent = 2, .send = Sent(6, "x")}));
  EXPECT_EQ(status(fresh({.sent = 8, .send = {"x"}})), calls::CALL_STATUS_BAD_REQUEST);
  EXPECT_TRUE(turn(ada, {.send = Sent(8, "y")}));
  EXPECT_EQ(status(turn(ada, {.send = Sent(9, "y")})), calls::CALL_STATUS_BAD_REQUEST);
  EXPECT_EQ(messages(turn(ada, {})), Sent(8, "x"));
  EXPECT_EQ(status(open(Sent(9, "x"))), calls::CALL_STATUS_BAD_REQUEST);
}

TEST_F(LinkLimits, MessagesHaveOneByteToTheLimit) {
  for (const std::string& bad : {std::string(), std::string(49'153, 'x')}) {
    EXPECT_EQ(status(open({bad})), calls::CALL_STATUS_BAD_REQUEST);
  }
  meet({std::string(49'152, 'x')});
  for (const std::string& bad : {std::string(), std::string(49'153, 'x')}) {
    EXPECT_EQ(status(turn(ada, {.send = {"y", bad}})), calls::CALL_STATUS_BAD_REQUEST);
  }
  EXPECT_EQ(messages(fresh({.sent = 1})), Sent()) << "nothing of a refused turn stays";
}

TEST_F(LinkLimits, AnswersFitAFrameAndSayWhenTheyAreNotAll) {
  const std::string large(49'152, 'x'), half(20'000, 'y');
  meet({half, half, half});
  ASSERT_TRUE(fresh({.sent = 3, .send = {large, large}, .end = true}));
  std::uint32_t received = 0;
  for (const std::size_t expected : {2u, 1u, 1u, 1u}) {
    const auto reply = turn(ada, {.received = received});
    ASSERT_EQ(messages(reply).size(), expected) << received;
    EXPECT_LE(reply->ByteSizeLong(), 65'526u);
    received += static_cast<std::uint32_t>(expected);
    EXPECT_EQ(reply->ended(), received == 5) << "ended comes with the last";
  }
}

TEST_F(LinkLimits, JoinsAreLimitedPerAccountAndFailedOnesCount) {
  opened = *open();
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(status(join(ada, text(ada.random.bytes<16>()))), calls::CALL_STATUS_NOT_FOUND);
  }
  const auto refused = join(ada, opened.exchange());
  ASSERT_EQ(status(refused), calls::CALL_STATUS_QUOTA);
  EXPECT_EQ(refused.error().retry_after, seconds(180));
  EXPECT_EQ(world.service->counters().link_joins_refused, 20u);
  EXPECT_TRUE(join(bob, opened.exchange()));
  world.clock.advance(seconds(180));
  EXPECT_EQ(status(join(ada, opened.exchange())), calls::CALL_STATUS_NOT_FOUND);
}

TEST_F(LinkLimits, OpensAreLimitedPerSource) {
  for (int i = 0; i < 30; ++i) ASSERT_TRUE(open({}, 60));
  EXPECT_EQ(status(open({}, 60)), calls::CALL_STATUS_QUOTA);
  EXPECT_TRUE(open({}, 61));
  world.clock.advance(std::chrono::minutes(2));
  EXPECT_TRUE(open({}, 60));
}

TEST_F(LinkLimits, OpensAreLimitedPerIpv6Site) {
  SourceAddress site{};
  site.ip[0] = std::byte{0x20};
  std::size_t given = 0;
  for (std::uint8_t network = 0; network < 10; ++network) {
    site.ip[7] = std::byte{network};  // of the same /48
    for (std::uint8_t i = 0; i < 31; ++i) {
      site.ip[15] = std::byte{i};
      given += world.service->link_open(site, {}).has_value() ? 1 : 0;
    }
  }
  EXPECT_EQ(given, 240u);
}

class ManyLinks : public LinkTest {
 protected:
  ManyLinks()
      : LinkTest([] {
          Config config;
          config.link_opens_per_source.capacity = config.calls_per_account.capacity = config.link_joins.capacity =
              1'000'000;
          return config;
        }()) {}
};

TEST_F(ManyLinks, ThereAreOnlySoMany) {
  for (std::size_t i = 0; i < kMaxLinkExchanges; ++i) ASSERT_TRUE(open());
  EXPECT_EQ(status(open()), calls::CALL_STATUS_UNAVAILABLE);
  world.clock.advance(std::chrono::minutes(10));
  EXPECT_TRUE(open()) << "what is over makes room, without waiting for a tick";
}

TEST_F(ManyLinks, StrangersMessagesLeaveRoomForThoseWhoAreLinking) {
  const Sent large(8, std::string(kMaxLinkMessageBytes, 'x'));
  meet();
  const std::size_t half = kMaxLinkBytes / 2 / (8 * kMaxLinkMessageBytes);
  for (std::size_t i = 0; i < half; ++i) ASSERT_TRUE(open(large));
  EXPECT_EQ(status(open(large)), calls::CALL_STATUS_UNAVAILABLE);
  EXPECT_TRUE(fresh({.send = large})) << "the joined one goes on";
  EXPECT_TRUE(turn(ada, {.send = large}));
  EXPECT_LE(world.service->counters().link_bytes, kMaxLinkBytes);
  world.clock.advance(std::chrono::minutes(10));
  world.service->tick();
  EXPECT_EQ(world.service->counters().link_bytes, 0u);
}

TEST_F(ManyLinks, JoinedOnesAreBoundedToo) {
  const Sent large(8, std::string(kMaxLinkMessageBytes, 'x'));
  const std::size_t all = kMaxLinkBytes / (8 * kMaxLinkMessageBytes);
  for (std::size_t i = 0; i < all; ++i) {
    meet();
    ASSERT_TRUE(fresh({.send = large})) << i;
  }
  meet();
  EXPECT_EQ(status(fresh({.send = large})), calls::CALL_STATUS_UNAVAILABLE);
  EXPECT_EQ(messages(turn(ada, {})), Sent()) << "nothing of it stays";
}

TEST_F(LinkLimits, BooksAreKeptWhateverHappens) {
  SeededRandom random(5);
  std::vector<calls::LinkOpenReply> live;
  for (int i = 0; i < 3'000; ++i) {
    world.clock.advance(seconds(random.below(30)));
    if (live.empty() || random.below(4) == 0) {
      if (auto more = open(Sent(random.below(3), "first"), static_cast<std::uint8_t>(random.below(256))))
        live.push_back(*more);
      continue;
    }
    opened = live[random.below(live.size())];
    const Turn any{.received = static_cast<std::uint32_t>(random.below(3)),
                   .sent = static_cast<std::uint32_t>(random.below(3)),
                   .send = Sent(random.below(3), random.below(2) == 0 ? "first" : "other"),
                   .end = random.below(5) == 0};
    switch (random.below(4)) {
      case 0:
        (void)join(random.below(2) == 0 ? ada : bob, opened.exchange());
        break;
      case 1:
        (void)turn(random.below(2) == 0 ? ada : bob, any);
        break;
      default:
        (void)fresh(any);
    }
    if (random.below(50) == 0) world.service->tick();
  }
  world.clock.advance(std::chrono::minutes(10));
  world.service->tick();
  EXPECT_EQ(world.service->counters().link_exchanges, 0u);
  EXPECT_EQ(world.service->counters().link_bytes, 0u);
}

}  // namespace
}  // namespace opaline::identity
