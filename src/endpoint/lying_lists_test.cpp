// A directory that lies about the lists of people with several devices: each lie is found, or changes nothing. What it
// cannot do is sign; forks come from an account key that was used twice (a primary device restored from a copy, or one
// that was stolen).
#include <gtest/gtest.h>

#include <algorithm>

#include "endpoint/testing/world.hpp"

namespace opaline::endpoint {
namespace {

using testing::Device;
using testing::World;
using Texts = std::vector<std::string>;

class LyingListsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (Device* device : {&anna, &ben, &cora}) world.connect(*device);
    say(ben, anna, "hello");
    say(cora, anna, "hello");
    say(anna, ben, "hi");
    say(anna, cora, "hi");
  }
  MessageId say(Device& from, const Device& to, std::string_view text) {
    const MessageId id = world.send(from, to, text);
    EXPECT_TRUE(world.settle());
    return id;
  }
  std::vector<Bytes>& lists() { return world.accounts[anna.address.account].lists; }
  void ask(Device& device) {
    device.endpoint->refresh_peer(anna.address.account);
    world.round(device);
    ASSERT_TRUE(world.settle());
  }
  /// From now on the directory shows this one list of Anna's, to this device or to all.
  void show(Bytes list, const Device* to = nullptr) {
    world.falsify = [this, to, list = std::move(list)](DevicesReply& reply, const AccountId& about) {
      if (about != anna.address.account || (to != nullptr && to != world.asking)) return;
      reply.signed_list = list;
      reply.history.clear();
    };
  }
  static std::size_t alarms(const Device& device) {
    return device.notices(NoticeKind::list_forked) + device.notices(NoticeKind::list_rolled_back) +
           device.notices(NoticeKind::identity_changed);
  }
  std::size_t devices_known_to(Device& device) { return device.endpoint->peer_status(anna.address.account)->devices; }
  /// Anna's phone is restored from a copy and links another device: two lists with one number.
  Device& fork() {
    const auto copy = anna.store.backup();
    const auto before = world.accounts[anna.address.account];
    world.link_live(anna, "tablet");
    first_branch = lists().back();
    world.accounts[anna.address.account] = before;
    world.restore(anna, copy);
    world.connect(anna);
    return world.link_live(anna, "laptop");
  }

  World world{12};
  Device& anna = world.add("anna");
  Device& ben = world.add("ben");
  Device& cora = world.add("cora");
  Bytes first_branch;
};

TEST_F(LyingListsTest, ADeviceOfItsOwnIsNotBelievedUnsignedAndAnAlarmUnderAnotherKey) {
  Device& mallory = world.add("mallory");
  world.connect(mallory);
  // In the answer, but in no list.
  world.falsify = [&](DevicesReply& reply, const AccountId& about) {
    if (about != anna.address.account) return;
    DevicesReply::Device extra = reply.devices.front();
    extra.device = DeviceNumber{7};
    extra.mailbox = mallory.mailbox;
    reply.devices.push_back(extra);
    reply.devices.front().mailbox = mallory.mailbox;
  };
  ask(ben);
  say(ben, anna, "one");
  EXPECT_EQ(anna.texts().back(), "one");
  EXPECT_EQ(mallory.endpoint->counters().received, 0u);
  EXPECT_EQ(alarms(ben), 0u);
  // In the list, with the signature of before.
  Bytes changed = lists().back();
  changed[changed.size() / 2] ^= std::byte{1};
  show(changed);
  world.clock.advance(std::chrono::minutes(1));
  ask(ben);
  EXPECT_EQ(devices_known_to(ben), 1u);
  ASSERT_EQ(ben.notices(NoticeKind::list_unsigned), 1u) << "the person hears that the directory shows such a list";
  EXPECT_EQ(ben.store.history().notices.back().peer, anna.address.account);
  EXPECT_EQ(alarms(ben), 0u) << "which says nothing of anna";
  for (int i = 0; i < 3; ++i) {
    world.clock.advance(std::chrono::hours(7));
    if (i == 1) world.crash(ben);
    world.connect(ben);
    ask(ben);
  }
  EXPECT_EQ(ben.notices(NoticeKind::list_unsigned), 1u) << "once a day";
  world.clock.advance(std::chrono::hours(4));
  ask(ben);
  EXPECT_EQ(ben.notices(NoticeKind::list_unsigned), 2u);
  // In a list that another key has signed.
  world.falsify = nullptr;
  const auto truth = world.accounts[anna.address.account];
  Device& impostor = world.impostor(anna, "impostor");
  world.connect(impostor);
  ASSERT_TRUE(world.pass(std::chrono::minutes(10)));
  ask(ben);
  EXPECT_EQ(ben.notices(NoticeKind::identity_changed), 1u);
  say(ben, anna, "two");
  EXPECT_TRUE(impostor.texts().empty());
  EXPECT_EQ(impostor.endpoint->counters().received, 0u);
  world.accounts[anna.address.account] = truth;
  ASSERT_TRUE(world.pass(std::chrono::hours(1)));
  ask(ben);
  ASSERT_TRUE(world.pass(std::chrono::minutes(5)));
  EXPECT_EQ(anna.texts().back(), "two") << "with the truth it goes on";
}

TEST_F(LyingListsTest, AListThatIsWithheldIsShownByTheDevicesAndNothingIsCalledSentMeanwhile) {
  show(lists().back(), &ben);
  Device& tablet = world.link_live(anna, "tablet");
  // Ben writes by the old list; the phone has the new one and tells him. The directory keeps the tablet's prekeys back.
  const MessageId id = say(ben, anna, "for all of you");
  ASSERT_TRUE(world.pass(std::chrono::minutes(5)));
  EXPECT_EQ(anna.texts().back(), "for all of you");
  EXPECT_EQ(devices_known_to(ben), 2u);
  EXPECT_EQ(ben.notices(NoticeKind::list_rolled_back), 1u);
  EXPECT_TRUE(tablet.texts().empty());
  EXPECT_EQ(ben.endpoint->waiting(), 1u) << "it is not done with";
  world.falsify = nullptr;
  ASSERT_TRUE(world.pass(std::chrono::hours(9), std::chrono::minutes(30)));
  EXPECT_EQ(tablet.texts(), Texts{"for all of you"});
  EXPECT_EQ(ben.state_of(id), MessageState::delivered);
}

TEST_F(LyingListsTest, ADeviceThatIsHiddenFromAContactWhoKnowsItsSessionIsAnAlarm) {
  show(lists().back(), &ben);
  world.link_live(anna, "tablet");
  // The phone speaks by list 2, the directory goes on showing list 1.
  say(anna, ben, "I have a tablet");
  ASSERT_TRUE(world.pass(std::chrono::minutes(10)));
  EXPECT_EQ(ben.notices(NoticeKind::list_rolled_back), 1u);
  EXPECT_EQ(devices_known_to(ben), 2u) << "the phone was asked, and has it";
}

TEST_F(LyingListsTest, TwoListsOfOneNumberShowWithinSessions) {
  const auto copy = anna.store.backup();
  const auto before = world.accounts[anna.address.account];
  world.link_live(anna, "tablet");
  first_branch = lists().back();
  ask(ben);
  world.accounts[anna.address.account] = before;
  world.restore(anna, copy);
  world.connect(anna);
  world.link_live(anna, "laptop");
  show(first_branch, &ben);
  const auto opened = anna.endpoint->counters().sessions_opened + anna.endpoint->counters().sessions_accepted;
  const auto with_ben = ben.endpoint->counters().sessions_accepted;
  for (const std::string_view text : {"in the session", "and another"}) {
    say(anna, ben, text);
    ASSERT_TRUE(world.pass(std::chrono::minutes(2)));
    EXPECT_EQ(ben.texts().back(), text);
  }
  EXPECT_EQ(ben.notices(NoticeKind::list_forked), 1u);
  for (const std::string_view text : {"an answer", "and another"}) {
    say(ben, anna, text);
    ASSERT_TRUE(world.pass(std::chrono::minutes(2)));
  }
  EXPECT_EQ(anna.notices(NoticeKind::own_list_forged), 1u);
  EXPECT_EQ(ben.notices(NoticeKind::list_forked), 1u);
  EXPECT_EQ(cora.notices(NoticeKind::list_forked), 0u) << "who was shown nothing of it sees nothing";
  EXPECT_EQ(ben.endpoint->counters().sessions_accepted, with_ben) << "no handshake said so";
  EXPECT_EQ(anna.endpoint->counters().sessions_opened + anna.endpoint->counters().sessions_accepted, opened);
}

TEST_F(LyingListsTest, OldListsAreAnAlarmOnceAndARemovedDeviceIsServedNothing) {
  Device& tablet = world.link_live(anna, "tablet");
  Device& laptop = world.link_live(anna, "laptop");
  say(ben, anna, "to three devices");
  ASSERT_TRUE(world.pass(std::chrono::minutes(5)));
  ASSERT_EQ(laptop.texts(), Texts{"to three devices"});
  const Bytes with_tablet = lists().back();
  ASSERT_TRUE(anna.endpoint->remove_device(tablet.address.device));
  world.round(anna);
  ASSERT_TRUE(world.settle());
  world.mailboxes[tablet.mailbox].gone = false;  // and it is let in further
  show(with_tablet);
  world.connect(tablet);
  // Ben has not heard yet. From the first answer on he has.
  say(ben, anna, "before I knew");
  ASSERT_TRUE(world.pass(std::chrono::minutes(10)));
  EXPECT_EQ(devices_known_to(ben), 2u);
  const auto heard = tablet.texts();
  for (int i = 0; i < 3; ++i) {
    say(ben, anna, "after");
    ask(ben);
    ASSERT_TRUE(world.pass(std::chrono::hours(1), std::chrono::minutes(10)));
  }
  EXPECT_EQ(tablet.texts(), heard);
  EXPECT_EQ(laptop.texts().back(), "after");
  EXPECT_EQ(ben.notices(NoticeKind::list_rolled_back), 1u) << "each list once";
  world.send(tablet, ben, "still me");
  ASSERT_TRUE(world.pass(std::chrono::hours(1), std::chrono::minutes(10)));
  EXPECT_EQ(std::ranges::count(ben.texts(), "still me"), 0);
  // Its own view of the account does not come back either.
  EXPECT_GE(anna.count_events<OwnListForged>() + laptop.count_events<OwnListForged>(), 1u);
}

TEST_F(LyingListsTest, ListsInTheWrongOrderAreNotTaken) {
  world.cut(ben);
  for (int i = 0; i < 4; ++i) world.link_live(anna, "device " + std::to_string(i));
  world.falsify = [&](DevicesReply& reply, const AccountId& about) {
    if (about == anna.address.account) std::ranges::reverse(reply.history);
  };
  world.connect(ben);
  ask(ben);
  EXPECT_EQ(devices_known_to(ben), 1u) << "none follows the one that he has";
  world.falsify = [&](DevicesReply& reply, const AccountId& about) {
    if (about == anna.address.account && reply.history.size() > 1) reply.history[0] = reply.history[1];
  };
  ASSERT_TRUE(world.pass(std::chrono::hours(1)));
  ask(ben);
  EXPECT_EQ(devices_known_to(ben), 1u) << "nor with one left out";
  say(ben, anna, "still there?");
  EXPECT_EQ(anna.texts().back(), "still there?");
  world.falsify = nullptr;
  ASSERT_TRUE(world.pass(std::chrono::hours(9), std::chrono::minutes(30)));
  ask(ben);
  EXPECT_EQ(devices_known_to(ben), 5u);
  EXPECT_EQ(alarms(ben), 0u);
}

TEST_F(LyingListsTest, TwoContactsWhoSeeDifferentListsFindItByAnyMessage) {
  fork();
  show(first_branch, &ben);  // cora is shown the other one, by which anna goes
  ask(ben);
  ask(cora);
  EXPECT_EQ(alarms(ben) + alarms(cora), 0u) << "neither can know alone";
  // A handshake names the list: the laptop is new to ben.
  Device& laptop = *world.devices.back();
  say(laptop, ben, "from the laptop");
  ASSERT_TRUE(world.pass(std::chrono::minutes(10)));
  const std::size_t by_claim = ben.notices(NoticeKind::list_forked);
  // And a newer list that follows the other branch does not follow his.
  world.link_live(anna, "third");
  say(ben, anna, "what do you see?");
  say(anna, ben, "three devices");
  ASSERT_TRUE(world.pass(std::chrono::hours(2), std::chrono::minutes(5)));
  EXPECT_GE(ben.notices(NoticeKind::list_forked) + ben.notices(NoticeKind::list_rolled_back), 1u) << by_claim;
  EXPECT_EQ(alarms(cora), 0u);
}

TEST_F(LyingListsTest, AContactWithAnotherListOfOursIsFoundHere) {
  fork();
  show(first_branch, &ben);
  ask(ben);
  // A fresh session of Ben's names the list that he was shown.
  world.restore(ben, [&] {
    auto contents = ben.store.backup();
    std::erase_if(contents.rows, [](const auto& row) {
      const Table table = row.first.first;
      return table == Table::session || table == Table::session_tag || table == Table::peer_device;
    });
    return contents;
  }());
  world.connect(ben);
  say(ben, anna, "hello again");
  ASSERT_TRUE(world.pass(std::chrono::minutes(10)));
  EXPECT_EQ(anna.count_events<OwnListForged>(), 1u);
}

TEST_F(LyingListsTest, NoticesThatNeverComeDelayNothingForLong) {
  world.notices = false;
  Device& tablet = world.link_live(anna, "tablet");
  Device& laptop = world.link_live(anna, "laptop");
  // The tablet was never told of the laptop; the first word of another own device tells it.
  anna.endpoint->set_device_name("phone");
  world.round(anna);
  ASSERT_TRUE(world.pass(std::chrono::minutes(5)));
  EXPECT_EQ(tablet.endpoint->own_devices().size(), 3u);
  say(tablet, ben, "one");
  ASSERT_TRUE(world.pass(std::chrono::minutes(5)));
  EXPECT_EQ(laptop.store.history().outgoing.size(), 1u);
  say(ben, anna, "two");
  ASSERT_TRUE(world.pass(std::chrono::minutes(5)));
  EXPECT_EQ(laptop.texts().back(), "two");
  EXPECT_EQ(alarms(ben), 0u);
}

}  // namespace
}  // namespace opaline::endpoint
