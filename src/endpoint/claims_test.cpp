// What a handshake claims of both lists, and how long one may be answered at all.
#include <gtest/gtest.h>

#include <algorithm>

#include "endpoint/internal/core.hpp"
#include "endpoint/testing/rogue.hpp"

namespace opaline::endpoint {
namespace {

using testing::Device;
using testing::Rogue;
using testing::World;
using Texts = std::vector<std::string>;

class ClaimsTest : public ::testing::Test {
 protected:
  void SetUp() override { world.connect(anna); }
  void pin(Device& at, const Device& whose) {
    at.endpoint->refresh_peer(whose.address.account);
    world.round(at);
    ASSERT_TRUE(world.settle());
  }
  /// Gives `owner` a second device twice over: `pinned_at` has the one list number 2, the owner goes by the other.
  void fork(Device& owner, Device& pinned_at) {
    const auto before = owner.store.backup();
    world.link(owner, "tablet");
    auto& lists = world.accounts[owner.address.account].lists;
    const std::vector<Bytes> shown = lists;
    pin(pinned_at, owner);
    lists.pop_back();
    world.restore(owner, before);
    world.link(owner, "other tablet");
    world.falsify = [shown, account = owner.address.account](DevicesReply& reply, const AccountId& about) {
      if (about != account) return;
      reply.signed_list = shown.back();
      reply.history = {shown.front()};
    };
  }
  /// Anna has asked for Ben's list, and the answer is long under way.
  std::deque<testing::ToDevice> late_answer() {
    world.clock.advance(seconds(10));
    anna.endpoint->refresh_peer(ben.address.account);
    world.round(anna);
    world.serve(anna, anna.to_server.size());
    EXPECT_FALSE(anna.to_device.empty());
    return std::exchange(anna.to_device, {});
  }
  /// Ben gets a first message of anna that used no one-time prekey, so that no prekey's absence refuses it a second
  /// time.
  World::Envelope first_message() {
    world.accounts[ben.address.account].offers[ben.address.device].one_time.clear();
    world.send(anna, ben, "pay me 100");
    EXPECT_TRUE(world.settle());
    return world.mailboxes[ben.mailbox].waiting.front();
  }
  /// The relay brings this again under the same id, as it must: another id does not open it. Ben has forgotten that id,
  /// and his sessions: what is left to refuse it is the handshake's hash.
  void replay(const World::Envelope& envelope) {
    auto contents = ben.store.backup();
    std::erase_if(contents.rows, [](const auto& row) {
      const auto& [table, key] = row.first;
      const bool envelope_id =
          table == Table::seen && key.front() == static_cast<std::byte>(internal::SeenKind::envelope);
      return table == Table::session || table == Table::session_tag || envelope_id;
    });
    world.restore(ben, std::move(contents));
    world.mailboxes[ben.mailbox].waiting.push_back(envelope);
    world.connect(ben);
    ASSERT_TRUE(world.settle());
  }
  World world{8};
  Device& anna = world.add("anna");
  Device& ben = world.add("ben");
};

TEST_F(ClaimsTest, AnotherListOfTheSameNumberIsAnAlarmOnce) {
  fork(ben, anna);
  world.connect(ben);
  world.send(ben, anna, "which list do you have?");
  ASSERT_TRUE(world.pass(std::chrono::minutes(10)));
  EXPECT_EQ(anna.notices(NoticeKind::list_forked), 1u);
  EXPECT_TRUE(anna.texts().empty());
  EXPECT_EQ(anna.store.rows(Table::parked), 0u);
  world.send(ben, anna, "and now?");
  ASSERT_TRUE(world.pass(std::chrono::minutes(10)));
  EXPECT_EQ(anna.notices(NoticeKind::list_forked), 1u);
}

TEST_F(ClaimsTest, OnlyTheDeviceItselfCanRaiseThatAlarm) {
  pin(anna, ben);
  const auto truth = world.accounts[ben.address.account];
  Device& mallory = world.impostor(ben, "mallory");  // her list number 1 is another than ben's
  world.accounts[ben.address.account] = truth;
  world.connect(mallory);
  world.send(mallory, anna, "it is me, ben");
  ASSERT_TRUE(world.pass(std::chrono::hours(1)));
  EXPECT_GT(anna.endpoint->counters().unconfirmed, 0u);
  EXPECT_EQ(anna.notices(NoticeKind::list_forked), 0u);
}

TEST_F(ClaimsTest, AForgedViewOfOurOwnListIsSaid) {
  world.connect(ben);
  pin(ben, anna);
  world.send(ben, anna, "one");
  ASSERT_TRUE(world.pass(std::chrono::minutes(1)));
  EXPECT_EQ(anna.texts(), Texts{"one"});
  EXPECT_EQ(anna.count_events<OwnListForged>(), 0u);

  // Another list with the number of ours.
  Device& carl = world.add("carl");
  world.connect(carl);
  fork(anna, carl);
  world.connect(anna);
  world.send(carl, anna, "two");
  ASSERT_TRUE(world.pass(std::chrono::minutes(1)));
  EXPECT_EQ(anna.texts().back(), "two");
  EXPECT_EQ(anna.count_events<OwnListForged>(), 1u);

  // One with a number that we have not come to.
  const auto before = anna.store.backup();
  const Bytes mine = anna.endpoint->own_list()->bytes();
  world.falsify = nullptr;
  world.link(anna, "third");
  Device& dora = world.add("dora");
  world.connect(dora);
  pin(dora, anna);
  world.cut(anna);
  world.send(dora, anna, "three");
  ASSERT_TRUE(world.pass(std::chrono::minutes(1)));
  world.falsify = [&](DevicesReply& reply, const AccountId& about) {
    if (about == anna.address.account) reply.signed_list = mine;
  };
  world.restore(anna, before);
  world.connect(anna);
  ASSERT_TRUE(world.pass(std::chrono::minutes(1)));
  EXPECT_EQ(anna.texts().back(), "three");
  EXPECT_EQ(anna.count_events<OwnListForged>(), 2u);
}

TEST_F(ClaimsTest, WhoSaysThatOurListIsForgedIsNamedAndSaysItSeldom) {
  world.link(anna, "tablet");
  const auto liar = [&](Device& as, int times) {
    for (int i = 0; i < times; ++i) {
      Bytes view = world.accounts[anna.address.account].lists.back();
      constexpr std::size_t kCreated = 1 + AccountId::kSize + crypto::HybridPublicKey::kSize + 4 + 32;
      world.random.fill(std::span(view).subspan(kCreated + 4, 4));
      Rogue(world, as, anna, view).say(wire::SessionHello{});
    }
  };
  pin(anna, ben);
  liar(ben, 5);
  ASSERT_EQ(anna.count_events<OwnListForged>(), 1u);
  const auto said =
      std::ranges::find_if(anna.events, [](const Event& e) { return std::holds_alternative<OwnListForged>(e); });
  EXPECT_EQ(std::get<OwnListForged>(*said).claimed_by, ben.address.account);
  ASSERT_EQ(anna.notices(NoticeKind::own_list_forged), 1u) << "it stays in the history";
  EXPECT_EQ(anna.store.history().notices.back().peer, ben.address.account) << "in the conversation with who says so";
  world.crash(anna);  // each `opaline receive` is a run of its own
  liar(ben, 5);
  EXPECT_EQ(anna.notices(NoticeKind::own_list_forged), 1u);
  std::vector<Device*> others;
  for (std::size_t i = 0; i < 2 * kMaxForgedClaims; ++i) {
    Device& other = world.add("other");
    pin(anna, other);
    liar(other, 1);
  }
  EXPECT_EQ(anna.count_events<OwnListForged>(), kMaxForgedClaims);
  world.clock.advance(kForgedClaimWindow);
  liar(ben, 2);
  EXPECT_EQ(anna.count_events<OwnListForged>(), kMaxForgedClaims + 1);
  EXPECT_EQ(anna.notices(NoticeKind::own_list_forged), kMaxForgedClaims + 1);
  world.clock.advance(kForgedClaimWindow);
  anna.endpoint->set_blocked(ben.address.account, true);
  world.round(anna);
  liar(ben, 2);
  EXPECT_EQ(anna.notices(NoticeKind::own_list_forged), kMaxForgedClaims + 1) << "who is blocked says nothing";
}

TEST_F(ClaimsTest, WrongHashesInMessagesSayLittleAndNothingOfOthers) {
  Device& carl = world.add("carl");
  pin(anna, ben);
  pin(anna, carl);
  Rogue rogue(world, ben, anna);
  rogue.say(wire::SessionHello{});  // of before: it says nothing of hashes
  EXPECT_TRUE(anna.store.history().notices.empty());
  for (std::uint64_t i = 0; i < 5; ++i) {
    rogue.list_check = 100 + i;
    rogue.own_list_check = 200 + i;
    rogue.say(wire::SessionHello{});
    if (i == 2) world.crash(anna);
  }
  EXPECT_EQ(anna.notices(NoticeKind::list_forked), 1u);
  EXPECT_EQ(anna.notices(NoticeKind::own_list_forged), 1u);
  for (const AddNotice& notice : anna.store.history().notices) EXPECT_EQ(notice.peer, ben.address.account);
  EXPECT_EQ(anna.own_list_number(), ListNumber{1});
  EXPECT_EQ(anna.endpoint->peer_status(ben.address.account)->list_number, ListNumber{1});
}

TEST_F(ClaimsTest, AnAnswerFromBeforeAClaimDoesNotSpeakAgainstIt) {
  world.connect(ben);
  Device& tablet = world.link(anna, "tablet");
  world.connect(anna);
  world.connect(tablet);
  ASSERT_TRUE(world.settle());
  // The tablet asks for its own list, and the answer is long under way.
  world.notices = false;
  tablet.endpoint->check_own_list();
  world.round(tablet);
  world.serve(tablet, tablet.to_server.size());
  ASSERT_FALSE(tablet.to_device.empty());
  const auto late = std::exchange(tablet.to_device, {});
  world.link(anna, "laptop");
  pin(ben, anna);
  world.send(ben, anna, "by list number 3");
  ASSERT_TRUE(world.pass(seconds(10), seconds(5)));
  ASSERT_EQ(tablet.texts(), Texts{"by list number 3"});
  tablet.to_device.insert(tablet.to_device.end(), late.begin(), late.end());
  ASSERT_TRUE(world.pass(std::chrono::minutes(5)));
  EXPECT_EQ(tablet.count_events<OwnListForged>(), 0u);
  EXPECT_EQ(tablet.own_list_number(), ListNumber{3});
}

TEST_F(ClaimsTest, NorAgainstWhatAContactSaysOfItsOwnList) {
  world.connect(ben);
  world.send(anna, ben, "hello");
  ASSERT_TRUE(world.settle());
  world.send(ben, anna, "hi");
  ASSERT_TRUE(world.settle());
  world.notices = false;
  anna.endpoint->set_receipts(false);  // else Ben's phone shows its list in answer to one
  const auto late = late_answer();
  world.link(ben, "tablet");
  world.connect(ben);
  world.send(ben, anna, "by list number 2");
  ASSERT_TRUE(world.settle());
  ASSERT_EQ(anna.texts().back(), "by list number 2");
  anna.to_device.insert(anna.to_device.end(), late.begin(), late.end());
  ASSERT_TRUE(world.pass(std::chrono::minutes(5)));
  EXPECT_EQ(anna.notices(NoticeKind::list_rolled_back), 0u);
  EXPECT_EQ(anna.endpoint->peer_status(ben.address.account)->list_number, ListNumber{2});
}

TEST_F(ClaimsTest, NorDoesItDropTheFirstMessageOfADeviceThatCameLater) {
  world.connect(ben);
  pin(anna, ben);
  const auto late = late_answer();
  Device& tablet = world.link(ben, "tablet");
  world.connect(tablet);
  world.send(tablet, anna, "from a new device");
  ASSERT_TRUE(world.settle());
  EXPECT_TRUE(anna.texts().empty());
  anna.to_device.insert(anna.to_device.end(), late.begin(), late.end());
  ASSERT_TRUE(world.pass(std::chrono::minutes(5)));
  EXPECT_EQ(anna.texts(), Texts{"from a new device"});
}

TEST_F(ClaimsTest, AHandshakeIsAnsweredOnceEvenWithoutOneTimePrekeyAndSession) {
  const World::Envelope first = first_message();
  world.connect(ben);
  ASSERT_TRUE(world.settle());
  ASSERT_EQ(ben.texts().size(), 1u);
  ASSERT_EQ(ben.endpoint->counters().sessions_accepted, 1u);
  ASSERT_TRUE(world.pass(std::chrono::days(30), std::chrono::hours(6)));
  replay(first);
  EXPECT_EQ(ben.endpoint->counters().sessions_accepted, 0u);
  EXPECT_EQ(ben.endpoint->counters().orphans, 1u);
}

TEST_F(ClaimsTest, AClockThatWasBehindForgetsNoHandshake) {
  const World::Envelope first = first_message();
  world.clock.jump(-std::chrono::days(100));
  world.connect(ben);
  ASSERT_TRUE(world.settle());
  ASSERT_EQ(ben.endpoint->counters().sessions_accepted, 1u);
  world.clock.jump(std::chrono::days(100));
  ASSERT_TRUE(world.pass(std::chrono::minutes(30)));  // what is over is forgotten
  replay(first);
  EXPECT_EQ(ben.endpoint->counters().sessions_accepted, 0u);
}

TEST_F(ClaimsTest, PrekeysPastTheirLifeAnswerNothingEvenBeforeTheyAreWiped) {
  static_cast<void>(first_message());
  world.cut(anna);
  const auto accepts_after = [&](milliseconds time) {
    const auto contents = ben.store.backup();
    const auto waiting = world.mailboxes[ben.mailbox].waiting;
    world.clock.advance(time);
    world.connect(ben);
    EXPECT_TRUE(world.settle());  // no tick: nothing is wiped yet
    const auto accepted = ben.endpoint->counters().sessions_accepted;
    world.clock.jump(-time);
    world.restore(ben, contents);
    world.mailboxes[ben.mailbox].waiting = waiting;
    return accepted;
  };
  EXPECT_EQ(accepts_after(session::kPrekeyLife - std::chrono::milliseconds(1)), 1u);
  EXPECT_EQ(accepts_after(session::kPrekeyLife), 0u);
}

}  // namespace
}  // namespace opaline::endpoint
