// Linking at the client, against a service that loses answers, tampers, and lies; over real sockets.
#include "base/back_off.hpp"
#include "client/linking_test_support.hpp"

namespace opaline::client {
namespace {

using namespace client::testing;

class LinkExchangeTest : public ::testing::Test {
 protected:
  LinkExchange side(int number) {
    return {LinkExchangeId(), {}, [this, number](ByteView request) -> Result<Bytes, Failure> {
              if (lose_request > 0 && --lose_request == 0) return fail(kLost);
              ++requests;
              Bytes answer = exchange_.turn(number, request);
              if (lose_answer > 0 && --lose_answer == 0) return fail(kLost);
              if (std::exchange(nonsense, false)) return to_bytes("\xff\xff\xff");
              return answer;
            }};
  }
  FakeExchange exchange_;
  int lose_request = 0, lose_answer = 0, requests = 0;
  bool nonsense = false;
};

TEST_F(LinkExchangeTest, MessagesComeOnceAndInOrderWhateverIsLost) {
  const std::vector<Bytes> three{to_bytes("a"), to_bytes("b"), to_bytes("c")};
  for (int at = 1; at <= 3; ++at) {
    for (const bool answer : {false, true}) {
      exchange_ = {};
      LinkExchange from = side(0), to = side(1);
      (answer ? lose_answer : lose_request) = at;
      const auto first = from.turn(three);
      EXPECT_FALSE(first);
      EXPECT_TRUE(from.turn());
      EXPECT_EQ(exchange_.said[0], three) << at << answer;
      lose_answer = 1;
      EXPECT_FALSE(to.turn());
      const auto came = to.turn();
      ASSERT_TRUE(came);
      EXPECT_EQ(came->messages, three);
      EXPECT_TRUE(to.turn()->messages.empty()) << "again";
    }
  }
}

TEST_F(LinkExchangeTest, NonsenseIsNoAnswer) {
  LinkExchange from = side(0), to = side(1);
  nonsense = true;
  const auto first = from.turn({to_bytes("a")});
  ASSERT_FALSE(first);
  EXPECT_EQ(first.error().error, ClientError::protocol);
  EXPECT_TRUE(from.turn({to_bytes("b")}, true));
  EXPECT_EQ(exchange_.said[0], (std::vector{to_bytes("a"), to_bytes("b")}));
  const auto came = to.turn();
  ASSERT_TRUE(came);
  EXPECT_TRUE(came->ended);
  EXPECT_EQ(came->messages.size(), 2U);
}

TEST(BackOff, DoublesUpToItsLimitAndBeginsAgain) {
  BackOff wait(500ms, 3s);
  for (const auto expected : {500ms, 1000ms, 2000ms, 3000ms, 3000ms}) EXPECT_EQ(wait.next(), expected);
  wait.reset();
  SeededRandom random(1);
  for (const auto whole : {500ms, 1000ms, 2000ms, 3000ms}) {
    const auto next = wait.next(random);
    EXPECT_GE(next, whole / 2);
    EXPECT_LE(next, whole);
  }
}

TEST_F(LinkingTest, BothSidesComeThrough) {
  const Outcome done = link();
  EXPECT_TRUE(done.linked) << done.message;
  EXPECT_TRUE(is_device());
  EXPECT_TRUE(unfinished()) << "until its caller has done the rest";
  ASSERT_TRUE(NewDeviceLinking::finish(*store_, random_));
  EXPECT_FALSE(unfinished());
}

TEST_F(LinkingTest, NoChangedMessageLinksAnything) {
  ASSERT_TRUE(link().linked);
  const std::size_t counts[] = {exchange_.said[1].size(), exchange_.said[0].size()};
  enum class Way { flip, cut, twice, empty };
  for (int to : {0, 1}) {
    for (std::size_t at = 0; at < counts[to]; ++at) {
      for (const Way way : {Way::flip, Way::cut, Way::twice, Way::empty}) {
        new_home();
        exchange_.tamper = [&, seen = std::size_t{0}](int side, std::vector<Bytes>& messages) mutable {
          if (side != to) return;
          for (std::size_t i = 0; i < messages.size(); ++i, ++seen) {
            if (seen != at) continue;
            Bytes& bytes = messages[i];
            if (way == Way::flip) bytes[bytes.size() / 2] ^= std::byte{1};
            if (way == Way::cut) bytes.pop_back();
            if (way == Way::empty) bytes.clear();
            if (way == Way::twice) messages.insert(messages.begin() + static_cast<std::ptrdiff_t>(i), Bytes(bytes));
            ++i;
          }
        };
        const Outcome done = link();
        const std::string where = std::to_string(to) + " " + std::to_string(at) + " " + std::to_string(int(way));
        // What comes a second time after the last message is not looked at any more.
        const bool too_late = way == Way::twice && at + 1 == counts[to];
        EXPECT_EQ(done.linked, too_late && to == 0) << where;
        if (!too_late) EXPECT_EQ(done.error, ClientError::link_failed) << where << done.message;
        EXPECT_EQ(is_device(), done.linked) << where;
      }
    }
  }
}

TEST_F(LinkingTest, MessagesOfAnotherExchangeAreRefused) {
  ASSERT_TRUE(link().linked);
  const auto earlier = exchange_.said[1];
  new_home();
  exchange_.tamper = [&earlier](int side, std::vector<Bytes>& messages) {
    if (side == 0 && !messages.empty()) messages = earlier;
  };
  const Outcome done = link();
  EXPECT_EQ(done.error, ClientError::link_failed) << done.message;
  EXPECT_FALSE(is_device());
}

TEST_F(LinkingTest, NothingToResume) {
  EXPECT_EQ(*resume(), NewDeviceLinking::Before::nothing);
  EXPECT_TRUE(log_.empty()) << "nobody is asked";
}

TEST_F(LinkingTest, AnAttemptThatShowedNoKeysIsEndedAndForgotten) {
  ASSERT_FALSE(link([](const auto& news) { return std::holds_alternative<LinkDigits>(news); }).linked);
  EXPECT_TRUE(unfinished());
  EXPECT_EQ(*resume(), NewDeviceLinking::Before::nothing);
  EXPECT_TRUE(exchange_.ended[0]) << "the other side need not wait";
  EXPECT_FALSE(unfinished());
  EXPECT_EQ(waits_, 0);
}

TEST_F(LinkingTest, ADamagedAttemptIsForgotten) {
  ASSERT_FALSE(link([](const auto& news) { return std::holds_alternative<LinkDigits>(news); }).linked);
  const Progress progress(*store_, random_);
  const SecretBytes whole = **progress.get("link");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    ASSERT_TRUE(progress.put("link", ByteView(whole).first(size)));
    EXPECT_EQ(*resume(), NewDeviceLinking::Before::nothing);
    EXPECT_FALSE(unfinished());
  }
}

TEST_F(LinkingTest, WhoShowedKeysIsLinkedIfTheServiceKnowsIt) {
  ASSERT_FALSE(link([](const auto& news) { return std::holds_alternative<Welcome>(news); }).linked);
  const auto unknown = resume();
  ASSERT_FALSE(unknown) << "the service does not answer: not known";
  EXPECT_TRUE(unfinished());
  EXPECT_FALSE(is_device());
  known_ = true;
  EXPECT_EQ(*resume(), NewDeviceLinking::Before::linked);
  EXPECT_TRUE(is_device());
}

TEST_F(LinkingTest, WhoShowedKeysWaitsUntilNobodyCanAgreeAnyMore) {
  ASSERT_FALSE(link([](const auto& news) { return std::holds_alternative<Welcome>(news); }).linked);
  known_ = false;
  stop_after_ = 3;
  const auto stopped = resume();
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().error, ClientError::timed_out);
  EXPECT_TRUE(unfinished()) << "Ctrl-C: it may still be agreed to";
  stop_after_ = 1000;
  EXPECT_EQ(*resume(), NewDeviceLinking::Before::nothing);
  EXPECT_EQ(waits_, 2) << "said once each time";
  EXPECT_LE(pauses_, 3 + 12) << "ten minutes and some";
  EXPECT_FALSE(unfinished());
  EXPECT_FALSE(is_device());
}

TEST_F(LinkingTest, WhoShowedKeysNeedNotWaitForAnExchangeThatIsGone) {
  ASSERT_FALSE(link([](const auto& news) { return std::holds_alternative<Welcome>(news); }).linked);
  known_ = false;
  exchange_.forgotten = true;
  EXPECT_EQ(*resume(), NewDeviceLinking::Before::nothing);
  EXPECT_EQ(pauses_, 0);
}

}  // namespace
}  // namespace opaline::client
