// A service that was set back (restored from a copy, or a lie): it has an older list of an account than its devices.
#include <algorithm>

#include "endpoint/testing/two_people.hpp"

namespace opaline::endpoint {
namespace {

using testing::Device;
using testing::Texts;

class SetBackTest : public testing::TwoPeople {
 protected:
  auto& account() { return world.accounts[anna.address.account]; }
  void remove(Device& primary, const Device& removed) {
    ASSERT_TRUE(primary.endpoint->remove_device(removed.address.device).has_value());
    world.round(primary);
    ASSERT_TRUE(world.settle());
  }
  /// The service is what it was; its connections ended meanwhile.
  void set_back(const testing::World::Account& before, std::initializer_list<Device*> connected) {
    for (Device* device : connected) world.cut(*device);
    account() = before;
    for (auto& [id, mailbox] : world.mailboxes) mailbox.gone = false;
    for (Device* device : connected) world.connect(*device);
    EXPECT_TRUE(world.pass(std::chrono::minutes(2), seconds(5)));
  }
  static bool forgotten(Device& at, const Device& which) {
    const auto devices = at.endpoint->own_devices();
    return std::ranges::any_of(devices,
                               [&](const OwnDevice& d) { return d.number == which.address.device && d.forgotten; });
  }
};

TEST_F(SetBackTest, ItIsGivenTheListsThatItHasLost) {
  Device& tablet = world.link_live(anna, "tablet");
  Device& laptop = world.link_live(anna, "laptop");
  say(ben, anna, "hello");
  const auto before = account();
  remove(anna, laptop);
  remove(anna, tablet);
  const auto after = account().lists;
  ASSERT_EQ(after.size(), 5u);
  say(ben, anna, "to the phone alone");
  // Anna has one device now; she asks all the same.
  set_back(before, {&anna, &ben});
  EXPECT_EQ(account().lists, after);
  EXPECT_TRUE(world.mailboxes[tablet.mailbox].gone && world.mailboxes[laptop.mailbox].gone);
  EXPECT_EQ(anna.notices(NoticeKind::own_list_forged), 1u) << "it is said";
  EXPECT_FALSE(anna.endpoint->list_change_pending());
  Device& watch = world.link_live(anna, "watch");
  say(ben, anna, "to both");
  ASSERT_TRUE(world.pass(std::chrono::minutes(5)));
  EXPECT_EQ(watch.texts(), Texts{"to both"});
  EXPECT_EQ(ben.notices(NoticeKind::list_forked), 0u);
}

TEST_F(SetBackTest, AChangeThatItRefusesIsTakenOnceItIsWhereThePrimaryIs) {
  Device& tablet = world.link_live(anna, "tablet");
  Device& laptop = world.link_live(anna, "laptop");
  const auto before = account();
  remove(anna, laptop);
  account() = before;  // unnoticed: the connections stand
  for (auto& [id, mailbox] : world.mailboxes) mailbox.gone = false;
  remove(anna, tablet);
  EXPECT_EQ(anna.count_events<DeviceChangeRefused>(), 0u);
  EXPECT_FALSE(anna.endpoint->list_change_pending());
  EXPECT_EQ(anna.endpoint->own_devices().size(), 1u);
  EXPECT_EQ(account().lists.size(), 5u);
  EXPECT_EQ(account().lists.back(), anna.endpoint->own_list()->bytes());
}

TEST_F(SetBackTest, ADeviceThatItLostIsNamedAndRemovedAndLinkedAgain) {
  Device& tablet = world.link_live(anna, "tablet");
  const auto before = account();
  Device& laptop = world.link_live(anna, "laptop");
  say(ben, anna, "for all three");
  world.cut(laptop);
  set_back(before, {&anna, &ben, &tablet});
  EXPECT_EQ(account().lists.size(), 2u) << "it knows nothing of the laptop";
  EXPECT_TRUE(forgotten(anna, laptop) && forgotten(tablet, laptop));
  EXPECT_FALSE(forgotten(anna, tablet));
  world.crash(anna);
  EXPECT_TRUE(forgotten(anna, laptop)) << "also without a connection";
  world.connect(anna);
  ASSERT_TRUE(world.settle());
  // No other change is taken.
  ASSERT_TRUE(anna.endpoint->remove_device(tablet.address.device).has_value());
  world.round(anna);
  ASSERT_TRUE(world.pass(std::chrono::minutes(1), seconds(5)));
  EXPECT_EQ(anna.count_events<DeviceChangeRefused>(), 1u);
  EXPECT_FALSE(anna.endpoint->list_change_pending());
  remove(anna, laptop);
  ASSERT_TRUE(world.pass(std::chrono::minutes(2), seconds(5)));
  EXPECT_EQ(account().lists.size(), 4u);
  EXPECT_EQ(account().lists.back(), anna.endpoint->own_list()->bytes());
  EXPECT_FALSE(forgotten(anna, laptop));
  EXPECT_EQ(tablet.own_list_number(), ListNumber{4});
  Device& again = world.link_live(anna, "laptop, again");
  say(ben, anna, "for all three again");
  ASSERT_TRUE(world.pass(std::chrono::minutes(5)));
  EXPECT_EQ(again.texts(), Texts{"for all three again"});
  EXPECT_EQ(ben.notices(NoticeKind::list_forked), 0u);
}

TEST_F(SetBackTest, OnlyWhoHasTheAccountKeyOffersAndAServiceThatGoesOnLyingIsLeftAlone) {
  Device& tablet = world.link_live(anna, "tablet");
  Device& laptop = world.link_live(anna, "laptop");
  const auto before = account();
  remove(anna, laptop);
  world.cut(anna);
  set_back(before, {&tablet});
  EXPECT_EQ(account().lists.size(), 3u);
  world.refuse_lists = true;
  world.lookups.clear();
  world.connect(anna);
  ASSERT_TRUE(world.pass(std::chrono::hours(2)));
  EXPECT_EQ(account().lists.size(), 3u);
  EXPECT_LT(world.lookups[anna.address.account], 20u) << "no storm";
  world.refuse_lists = false;
  world.connect(anna);
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(account().lists.size(), 4u);
}

/// The mailboxes are lost: no backup has them.
class LostMailTest : public testing::TwoPeople {
 protected:
  void lose(Device& device) { world.mailboxes[device.mailbox].waiting.clear(); }
  std::uint64_t resends() const { return anna.endpoint->counters().resends; }
};

TEST_F(LostMailTest, ItsAuthorGivesItAgainWithTheNextMessage) {
  say(anna, ben, "hello");
  say(ben, anna, "hi");
  for (const bool receipts : {true, false}) {
    ben.endpoint->set_receipts(receipts);
    world.round(ben);
    say(anna, ben, "before");
    say(ben, anna, "seen");  // Anna begins another chain
    const std::size_t had = ben.texts().size();
    world.cut(ben);
    const MessageId lost = say(anna, ben, "lost");
    say(anna, ben, "lost, too");
    EXPECT_EQ(anna.state_of(lost), MessageState::sent);
    lose(ben);
    say(anna, ben, "after");
    const std::uint64_t before = resends();
    world.connect(ben);
    ASSERT_TRUE(world.pass(std::chrono::minutes(1), seconds(5)));
    const Texts all = ben.texts();
    EXPECT_EQ(Texts(all.begin() + static_cast<std::ptrdiff_t>(had), all.end()), (Texts{"after", "lost", "lost, too"}));
    EXPECT_EQ(resends(), before + 2) << "nothing else";
    if (receipts) EXPECT_EQ(anna.state_of(lost), MessageState::delivered);
  }
  EXPECT_EQ(ben.notices(NoticeKind::session_healed), 0u) << "the session is as good as before";
  EXPECT_EQ(anna.endpoint->counters().sessions_opened + ben.endpoint->counters().sessions_opened, 1u);
}

TEST_F(LostMailTest, AlsoTheFirstOfAllAndWhatALinkedDeviceWasSent) {
  Device& tablet = world.link_live(ben, "tablet");
  world.cut(tablet);
  world.cut(ben);
  say(anna, ben, "the first");
  lose(ben);
  lose(tablet);
  say(anna, ben, "the second");
  world.connect(tablet);
  world.connect(ben);
  ASSERT_TRUE(world.pass(std::chrono::minutes(1), seconds(5)));
  for (Device* device : {&ben, &tablet}) {
    Texts all = device->texts();
    std::ranges::sort(all);
    EXPECT_EQ(all, (Texts{"the first", "the second"}));
  }
}

TEST_F(LostMailTest, NobodyIsAskedWhereNothingMayBeSaidAndNothingIsGivenTwiceTooOften) {
  say(anna, ben, "hello");
  say(ben, anna, "hi");
  ben.endpoint->set_blocked(anna.address.account, true);
  world.round(ben);
  world.cut(ben);
  say(anna, ben, "lost");
  lose(ben);
  say(anna, ben, "after");
  world.connect(ben);
  ASSERT_TRUE(world.pass(std::chrono::minutes(1), seconds(5)));
  EXPECT_EQ(resends(), 0u) << "who is blocked is told nothing";
  ben.endpoint->set_blocked(anna.address.account, false);
  world.round(ben);
  // Whatever is sent again is lost again.
  for (int i = 0; i < 5; ++i) {
    world.cut(ben);
    say(anna, ben, "lost, too");
    lose(ben);
    say(anna, ben, "after it");
    world.connect(ben);
    world.cut(anna);
    world.round(ben);
    ASSERT_TRUE(world.settle());
    world.cut(ben);
    world.connect(anna);
    ASSERT_TRUE(world.settle());
    lose(ben);
  }
  EXPECT_LE(resends(), 2u * 6u);
}

TEST_F(LostMailTest, ARelayThatLosesEveryOtherEnvelopeMakesNoLoop) {
  say(anna, ben, "hello");
  say(ben, anna, "hi");
  std::uint64_t number = 0;
  const auto thin = [&] {
    for (auto& [id, mailbox] : world.mailboxes)
      std::erase_if(mailbox.waiting, [&](const auto&) { return number++ % 2 == 0; });
  };
  const std::uint64_t before = world.envelopes;
  for (int i = 0; i < 4; ++i) world.send(anna, ben, "x");
  // By turns: what one has said waits, and half of it is lost, before the other comes.
  for (int i = 0; i < 200; ++i) {
    Device& device = i % 2 == 0 ? anna : ben;
    Device& other = i % 2 == 0 ? ben : anna;
    if (other.connected) world.cut(other);
    if (!device.connected) world.connect(device);
    ASSERT_TRUE(world.settle());
    thin();
  }
  const std::uint64_t most = 4 + 4 + 2 * (4 + 4) + 3 * 2 * kMaxGapsPerWindow;  // texts, receipts, both twice, questions
  EXPECT_LE(world.envelopes - before, most);
}

}  // namespace
}  // namespace opaline::endpoint
