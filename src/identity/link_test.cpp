// Link exchanges: how a new device and a device of an account find each other and take turns.
#include <gtest/gtest.h>

#include <set>

#include "identity/link_test_world.hpp"

namespace opaline::identity {
namespace {

using testing::LinkTest;
using testing::messages;
using testing::Person;
using testing::Sent;
using testing::status;
using testing::text;

class Link : public LinkTest {};

// ---------------------------------------------------------------- the course of it

TEST_F(Link, MessagesGoBothWaysInOrder) {
  opened = *open({"hello"});
  EXPECT_EQ(opened.exchange().size(), 16u);
  EXPECT_EQ(opened.secret().size(), 32u);
  EXPECT_EQ(opened.number().size(), 9u);
  EXPECT_EQ(opened.valid_seconds(), 600u);
  EXPECT_FALSE(fresh({.sent = 1})->joined());
  world.clock.advance(seconds(100));
  const auto joined = join(ada, {}, opened.number());
  ASSERT_TRUE(joined);
  EXPECT_EQ(joined->exchange(), opened.exchange());
  EXPECT_EQ(joined->mailbox().size(), 16u);
  EXPECT_EQ(joined->valid_seconds(), 500u);
  ASSERT_EQ(joined->messages_size(), 1);
  EXPECT_EQ(joined->messages(0), "hello");
  EXPECT_TRUE(fresh({.sent = 1})->joined());
  EXPECT_EQ(messages(turn(ada, {.received = 1, .send = {"a", "b"}})), Sent());
  EXPECT_EQ(messages(fresh({.sent = 1})), (Sent{"a", "b"}));
  EXPECT_EQ(messages(fresh({.received = 1, .sent = 1, .send = {"c"}})), Sent{"b"});
  EXPECT_EQ(messages(turn(ada, {.received = 1, .sent = 2})), Sent{"c"});
  EXPECT_EQ(messages(turn(ada, {.received = 2, .sent = 2})), Sent());
}

TEST_F(Link, ARepeatedTurnChangesNothing) {
  meet({"hello"});
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(messages(turn(ada, {.received = 1, .send = {"a"}})), i == 0 ? Sent() : Sent{"b"});
    EXPECT_EQ(messages(fresh({.sent = 1, .send = {"b"}})), Sent{"a"});
  }
  EXPECT_EQ(messages(turn(ada, {.received = 1, .send = {"a", "c"}})), Sent{"b"}) << "the known one, and one more";
  EXPECT_EQ(messages(fresh({.sent = 1})), (Sent{"a", "c"}));
}

TEST_F(Link, OtherBytesInThePlaceOfAMessageAreRefused) {
  meet();
  ASSERT_TRUE(turn(ada, {.send = {"a", "b"}}));
  EXPECT_EQ(status(turn(ada, {.send = {"a", "x"}})), calls::CALL_STATUS_CONFLICT);
  EXPECT_EQ(status(turn(ada, {.send = {"a", "x", "c"}})), calls::CALL_STATUS_CONFLICT);
  EXPECT_EQ(status(turn(ada, {.sent = 1, .send = {"a"}})), calls::CALL_STATUS_CONFLICT);
  EXPECT_EQ(messages(fresh({})), (Sent{"a", "b"}));
}

TEST_F(Link, CountsThatCannotBeAreRefused) {
  meet({"hello"});
  EXPECT_EQ(status(turn(ada, {.received = 2, .send = {"x"}})), calls::CALL_STATUS_BAD_REQUEST);
  EXPECT_EQ(status(turn(ada, {.sent = 1, .send = {"x"}})), calls::CALL_STATUS_BAD_REQUEST);
  EXPECT_EQ(status(turn(ada, {.received = 0xffff'ffff})), calls::CALL_STATUS_BAD_REQUEST);
  EXPECT_EQ(status(turn(ada, {.sent = 0xffff'ffff, .send = {"x"}})), calls::CALL_STATUS_BAD_REQUEST);
  EXPECT_EQ(messages(fresh({.sent = 1})), Sent());
}

TEST_F(Link, IsForgottenOnceBothEnded) {
  meet({"hello"});
  ASSERT_TRUE(turn(ada, {.received = 1, .send = {"bye"}, .end = true}));
  const auto last = fresh({.sent = 1});
  EXPECT_EQ(messages(last), Sent{"bye"});
  EXPECT_TRUE(last->ended());
  EXPECT_EQ(world.service->counters().link_exchanges, 1u);
  EXPECT_TRUE(fresh({.received = 1, .sent = 1, .end = true})->ended());
  EXPECT_EQ(status(fresh({.received = 1, .sent = 1})), calls::CALL_STATUS_NOT_FOUND);
  EXPECT_EQ(status(turn(ada, {.received = 1, .sent = 1})), calls::CALL_STATUS_NOT_FOUND);
  EXPECT_EQ(world.service->counters().link_exchanges, 0u);
  EXPECT_EQ(world.service->counters().link_bytes, 0u);
}

TEST_F(Link, TheOtherSideStillGetsWhatWasSent) {
  meet();
  ASSERT_TRUE(fresh({.end = true}));
  EXPECT_TRUE(turn(ada, {.send = {"late"}, .end = true})->ended());
  EXPECT_EQ(messages(fresh({})), Sent{"late"});
  EXPECT_EQ(world.service->counters().link_exchanges, 0u);
}

TEST_F(Link, NothingMayBeSentAfterTheEnd) {
  meet();
  ASSERT_TRUE(turn(ada, {.send = {"a"}, .end = true}));
  EXPECT_TRUE(turn(ada, {.send = {"a"}, .end = true})) << "a repetition";
  EXPECT_EQ(status(turn(ada, {.sent = 1, .send = {"b"}})), calls::CALL_STATUS_CONFLICT);
  EXPECT_EQ(messages(fresh({})), Sent{"a"});
}

TEST_F(Link, ANewDeviceThatGivesUpLeavesNothing) {
  opened = *open({"hello"});
  ASSERT_TRUE(fresh({.sent = 1, .end = true}));
  EXPECT_EQ(status(join(ada, {}, opened.number())), calls::CALL_STATUS_NOT_FOUND);
  EXPECT_EQ(world.service->counters().link_bytes, 0u);
}

TEST_F(Link, LastsTenMinutesHoweverBusy) {
  meet({"hello"});
  world.clock.advance(std::chrono::minutes(10) - seconds(1));
  EXPECT_TRUE(fresh({.sent = 1, .send = {"b"}}));
  EXPECT_TRUE(turn(ada, {}));
  world.clock.advance(seconds(1));
  EXPECT_EQ(status(fresh({.sent = 2})), calls::CALL_STATUS_NOT_FOUND);
  EXPECT_EQ(status(turn(ada, {})), calls::CALL_STATUS_NOT_FOUND);
  EXPECT_EQ(status(join(ada, opened.exchange())), calls::CALL_STATUS_NOT_FOUND);
  world.service->tick();
  EXPECT_EQ(world.service->counters().link_exchanges, 0u);
  EXPECT_EQ(world.service->counters().link_bytes, 0u);
}

TEST_F(Link, ARestartForgetsIt) {
  meet();
  world.restart();
  EXPECT_EQ(status(fresh({})), calls::CALL_STATUS_NOT_FOUND);
  EXPECT_EQ(status(turn(ada, {})), calls::CALL_STATUS_NOT_FOUND);
}

// ---------------------------------------------------------------- whose it is

TEST_F(Link, TheFirstThatJoinsHasIt) {
  meet({"hello"});
  EXPECT_EQ(status(join(bob, opened.exchange())), calls::CALL_STATUS_NOT_FOUND);
  EXPECT_EQ(status(join(bob, {}, opened.number())), calls::CALL_STATUS_NOT_FOUND);
  EXPECT_EQ(status(turn(bob, {.send = {"x"}})), calls::CALL_STATUS_NOT_FOUND);
  EXPECT_EQ(status(turn(bob, {.end = true})), calls::CALL_STATUS_NOT_FOUND);
  const auto again = join(ada, {}, opened.number());
  ASSERT_TRUE(again) << "after a lost answer";
  EXPECT_EQ(again->messages(0), "hello");
  EXPECT_EQ(messages(fresh({.sent = 1})), Sent());
}

TEST_F(Link, AnotherDeviceOfTheAccountHasItNot) {
  Person laptop(9);
  ASSERT_TRUE(world.link(ada, laptop));
  meet();
  EXPECT_EQ(status(join(laptop, opened.exchange())), calls::CALL_STATUS_NOT_FOUND);
  EXPECT_EQ(status(turn(laptop, {.send = {"x"}})), calls::CALL_STATUS_NOT_FOUND);
}

TEST_F(Link, BeforeAnybodyJoinsNobodyOfAnAccountHasATurn) {
  opened = *open();
  EXPECT_EQ(status(turn(ada, {.send = {"x"}})), calls::CALL_STATUS_NOT_FOUND);
  EXPECT_FALSE(fresh({})->joined());
}

TEST_F(Link, AllThatIsNotFoundIsAnsweredAlike) {
  meet();
  std::set<std::string> answers;
  const auto note = [&](const auto& answer) {
    ASSERT_FALSE(answer);
    answers.insert(answer.error().to_message().SerializeAsString() + std::to_string(answer.error().status));
  };
  note(join(bob, opened.exchange()));             // somebody else's
  note(join(bob, {}, opened.number()));           //
  note(join(bob, text(bob.random.bytes<16>())));  // never was
  note(join(bob, {}, opened.number() == "123456789" ? "987654321" : "123456789"));
  note(turn(bob, {}));
  world.clock.advance(std::chrono::minutes(10));
  note(join(bob, opened.exchange()));  // over
  note(join(ada, {}, opened.number()));
  note(fresh({}));
  EXPECT_EQ(answers.size(), 1u);
}

TEST_F(Link, TheSecretIsNeeded) {
  meet();
  auto request = turn_request(opened.exchange(), {.send = {"x"}});
  for (std::size_t at = 0; at < 32; ++at) {
    std::string bad = opened.secret();
    bad[at] = static_cast<char>(bad[at] ^ 1);
    request.set_secret(bad);
    EXPECT_EQ(status(world.service->new_device_turn(request)), calls::CALL_STATUS_NOT_FOUND) << at;
  }
  const auto other = open();
  for (const std::string& bad :
       {std::string(), opened.secret().substr(1), opened.secret() + "x", other->secret(), opened.exchange()}) {
    request.set_secret(bad);
    EXPECT_EQ(status(world.service->new_device_turn(request)), calls::CALL_STATUS_NOT_FOUND);
  }
  for (const std::string& bad : {std::string(), opened.exchange().substr(1), std::string(100'000, 'x')}) {
    request.set_exchange(bad);
    request.set_secret(opened.secret());
    EXPECT_EQ(status(world.service->new_device_turn(request)), calls::CALL_STATUS_NOT_FOUND);
  }
  EXPECT_EQ(messages(turn(ada, {})), Sent());
}

TEST_F(Link, AnAccountThatIsGoneHasNoTurn) {
  meet({"hello"});
  ASSERT_TRUE(world.service->remove_account(ada.account));
  EXPECT_EQ(status(turn(ada, {})), calls::CALL_STATUS_NOT_FOUND);
  EXPECT_EQ(status(join(ada, opened.exchange())), calls::CALL_STATUS_NOT_FOUND);
}

TEST_F(Link, NumbersMayBeTypedWithBlanks) {
  opened = *open();
  const std::string& n = opened.number();
  for (const std::string& bad : {std::string(), std::string("12345678"), std::string("1234567890"), n.substr(1) + "x",
                                 std::string("-12345678"), std::string(100, ' ')}) {
    EXPECT_EQ(status(join(ada, {}, bad)), calls::CALL_STATUS_BAD_REQUEST) << bad;
  }
  EXPECT_EQ(status(join(ada, "short")), calls::CALL_STATUS_BAD_REQUEST);
  EXPECT_EQ(status(join(ada, opened.exchange(), n)), calls::CALL_STATUS_BAD_REQUEST) << "one of them";
  EXPECT_TRUE(join(ada, {}, " " + n.substr(0, 3) + " " + n.substr(3, 3) + "  " + n.substr(6) + " "));
}

TEST_F(Link, EachHasAnIdSecretMailboxAndNumberOfItsOwn) {
  std::set<std::string> seen;
  for (std::uint8_t i = 0; i < 40; ++i) {
    const auto reply = open({}, static_cast<std::uint8_t>(100 + i));
    for (const auto& value : {reply->exchange(), reply->secret(), reply->number()}) {
      EXPECT_TRUE(seen.insert(value).second);
    }
  }
}

}  // namespace
}  // namespace opaline::identity
