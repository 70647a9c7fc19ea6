// Device lists that cannot be followed step by step: the service keeps kListsKept of them. A gap hides no fork.
#include <algorithm>

#include "endpoint/testing/two_people.hpp"

namespace opaline::endpoint {
namespace {

using testing::Device;
using testing::Texts;

class FarListsTest : public testing::TwoPeople {
 protected:
  void SetUp() override {
    TwoPeople::SetUp();
    say(anna, ben, "hello");
    say(ben, anna, "hi");
  }
  std::vector<Bytes>& lists() { return world.accounts[anna.address.account].lists; }
  void change_lists(std::size_t times) {
    for (std::size_t i = 0; i < times; i += 2) world.unlink(anna, world.link(anna, "for a moment"));
    world.connect(anna);
    ASSERT_TRUE(world.settle());
  }
  void ask(Device& device) {
    device.endpoint->refresh_peer(anna.address.account);
    world.round(device);
    ASSERT_TRUE(world.pass(std::chrono::minutes(1), seconds(20)));
  }
  ListNumber pinned_at(Device& device) { return device.endpoint->peer_status(anna.address.account)->list_number; }
};

TEST_F(FarListsTest, WhoMissedMoreListsThanTheServiceKeepsGoesOnAndIsTold) {
  world.cut(ben);
  change_lists(kListsKept + 2);
  Device& tablet = world.link_live(anna, "tablet");
  world.connect(ben);
  const MessageId id = say(ben, anna, "a long time ago");
  say(anna, ben, "indeed");
  ASSERT_TRUE(world.pass(std::chrono::hours(1)));
  EXPECT_EQ(anna.texts().back(), "a long time ago");
  EXPECT_EQ(tablet.texts(), Texts{"a long time ago"});
  EXPECT_EQ(ben.texts().back(), "indeed");
  EXPECT_EQ(ben.state_of(id), MessageState::delivered);
  EXPECT_EQ(pinned_at(ben), anna.own_list_number());
  EXPECT_EQ(ben.notices(NoticeKind::list_gap), 1u);
  EXPECT_EQ(ben.notices(NoticeKind::list_forked) + ben.notices(NoticeKind::list_rolled_back), 0u);
}

TEST_F(FarListsTest, TheLastStepThatCanBeFollowedIs) {
  world.cut(ben);
  change_lists(kListsKept);
  world.link(anna, "one more");  // kListsKept lie between
  world.connect(anna);
  world.connect(ben);
  ask(ben);
  EXPECT_EQ(pinned_at(ben), anna.own_list_number());
  EXPECT_EQ(ben.notices(NoticeKind::list_gap), 0u);
}

TEST_F(FarListsTest, ListsThatTheServiceMustHaveAreDemanded) {
  world.cut(ben);
  change_lists(kListsKept);
  world.link(anna, "one more");
  world.connect(anna);
  world.falsify = [&](DevicesReply& reply, const AccountId& about) {
    if (about == anna.address.account) reply.history.clear();
  };
  world.connect(ben);
  ask(ben);
  EXPECT_EQ(pinned_at(ben), ListNumber{1});
  EXPECT_EQ(ben.notices(NoticeKind::list_gap), 0u);
}

TEST_F(FarListsTest, OnesOwnListIsFollowedTheSameWay) {
  Device& tablet = world.link_live(anna, "tablet");
  world.cut(tablet);
  change_lists(kListsKept + 2);
  world.connect(tablet);
  ASSERT_TRUE(world.pass(std::chrono::hours(1)));
  EXPECT_EQ(tablet.own_list_number(), anna.own_list_number());
  EXPECT_EQ(tablet.notices(NoticeKind::list_gap), 1u);
  EXPECT_EQ(tablet.count_events<OwnListForged>(), 0u);
  say(tablet, ben, "still there");
  ASSERT_TRUE(world.pass(std::chrono::hours(1)));
  EXPECT_EQ(ben.texts().back(), "still there");
}

TEST_F(FarListsTest, AForkShowsInTheListsInBetween) {
  const auto copy = anna.store.backup();
  const auto before = world.accounts[anna.address.account];
  world.link(anna, "tablet");
  ask(ben);
  ASSERT_EQ(pinned_at(ben), ListNumber{2});
  world.accounts[anna.address.account] = before;
  world.restore(anna, copy);
  world.unlink(anna, world.link(anna, "laptop"));
  world.link(anna, "watch");
  world.connect(anna);
  ask(ben);
  EXPECT_EQ(pinned_at(ben), ListNumber{2});
  EXPECT_EQ(ben.notices(NoticeKind::list_forked), 1u);
}

TEST_F(FarListsTest, AForkShowsInTheDevicesBeyondAGap) {
  const auto copy = anna.store.backup();
  const auto before = world.accounts[anna.address.account];
  world.link(anna, "tablet");
  ask(ben);
  world.accounts[anna.address.account] = before;
  world.restore(anna, copy);
  world.link(anna, "laptop");  // number 2, as the tablet that Ben knows
  change_lists(kListsKept + 4);
  ask(ben);
  EXPECT_EQ(pinned_at(ben), ListNumber{2});
  EXPECT_EQ(ben.notices(NoticeKind::list_forked), 1u);
  EXPECT_EQ(ben.notices(NoticeKind::list_gap), 0u);
}

TEST_F(FarListsTest, ManyTextsFollowAListThatCameLate) {
  const Bytes old = lists().back();
  world.falsify = [&](DevicesReply& reply, const AccountId& about) {
    if (about != anna.address.account) return;
    reply.signed_list = old;
    reply.history.clear();
  };
  world.clock.advance(seconds(1));
  Device& tablet = world.link(anna, "tablet");
  world.cut(anna);  // nobody tells Ben
  std::vector<std::string> said;
  for (std::size_t i = 0; i < kMaxResendTail + 44; ++i) world.send(ben, anna, said.emplace_back(std::to_string(i)));
  ASSERT_TRUE(world.settle());
  world.falsify = nullptr;
  world.connect(tablet);
  ask(ben);
  ASSERT_TRUE(world.pass(std::chrono::hours(1)));
  EXPECT_EQ(tablet.texts(), said);
}

}  // namespace
}  // namespace opaline::endpoint
