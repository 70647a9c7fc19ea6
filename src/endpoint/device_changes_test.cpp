// Devices are added, removed, hidden and replaced: who changes the list, and how everybody follows it.
#include <algorithm>

#include "endpoint/testing/two_people.hpp"

namespace opaline::endpoint {
namespace {

using testing::Device;
using testing::Texts;

class DeviceChangesTest : public testing::TwoPeople {};

TEST_F(DeviceChangesTest, ADeviceThatIsBehindIsNotAlarmedByWhoKnowsANewerList) {
  Device& tablet = world.link_live(anna, "tablet");
  world.cut(tablet);
  world.notices = false;
  world.link_live(anna, "laptop");
  world.connect(tablet);
  say(ben, anna, "by list number 3");
  ASSERT_TRUE(world.pass(std::chrono::minutes(5)));
  EXPECT_EQ(tablet.texts(), Texts{"by list number 3"});
  EXPECT_EQ(tablet.own_list_number(), ListNumber{3});
  EXPECT_EQ(tablet.count_events<OwnListForged>() + anna.count_events<OwnListForged>(), 0u);
}

TEST_F(DeviceChangesTest, ARemovedDeviceHearsAndSaysNothingMore) {
  Device& tablet = world.link_live(anna, "tablet");
  Device& laptop = world.link_live(anna, "laptop");
  say(tablet, ben, "still here");
  ASSERT_TRUE(anna.endpoint->remove_device(tablet.address.device).has_value());
  world.round(anna);
  ASSERT_TRUE(world.settle());
  EXPECT_FALSE(tablet.connected) << "its connection ends at once";
  EXPECT_EQ(anna.endpoint->own_devices().size(), 2u);
  EXPECT_EQ(laptop.endpoint->own_devices().size(), 2u);
  EXPECT_EQ(laptop.notices(NoticeKind::own_device_removed), 1u);
  say(ben, anna, "who hears this?");
  ASSERT_TRUE(world.pass(std::chrono::minutes(5)));
  EXPECT_EQ(laptop.texts(), Texts{"who hears this?"});
  EXPECT_EQ(anna.texts(), Texts{"who hears this?"});
  EXPECT_EQ(ben.endpoint->peer_status(anna.address.account)->devices, 2u) << "contacts follow";
  // A server that goes on serving it helps nobody: its sessions are over, its word is dropped.
  world.mailboxes[tablet.mailbox].gone = false;
  world.connect(tablet);
  world.send(tablet, ben, "I am still anna");
  ASSERT_TRUE(world.pass(std::chrono::hours(1)));
  EXPECT_EQ(ben.texts(), Texts{"still here"});
  say(ben, anna, "and this?");
  EXPECT_TRUE(tablet.texts().empty());
  EXPECT_EQ(tablet.count_events<ThisDeviceRemoved>(), 1u);
}

TEST_F(DeviceChangesTest, ASenderWithAnOldListIsToldAndAddsWhatIsMissingOnce) {
  say(ben, anna, "hello");
  world.notices = false;
  Device& tablet = world.link_live(anna, "tablet");
  Device& laptop = world.link_live(anna, "laptop");
  world.clock.advance(std::chrono::minutes(1));
  // Ben goes by list 1; nobody but Anna's devices tells him.
  const MessageId id = say(ben, anna, "for all");
  ASSERT_TRUE(world.pass(std::chrono::minutes(5)));
  for (const Device* device : {&tablet, &laptop}) EXPECT_EQ(device->texts(), Texts{"for all"}) << device->name;
  EXPECT_EQ(anna.texts(), (Texts{"hello", "for all"}));
  EXPECT_EQ(ben.state_of(id), MessageState::delivered);
  EXPECT_EQ(ben.endpoint->peer_status(anna.address.account)->devices, 3u);
  EXPECT_EQ(tablet.endpoint->counters().duplicates + laptop.endpoint->counters().duplicates, 0u);
}

TEST_F(DeviceChangesTest, AnOwnDeviceThatIsHiddenIsFoundThroughTheOthers) {
  Device& tablet = world.link_live(anna, "tablet");
  world.notices = false;
  const Bytes second = world.accounts[anna.address.account].lists.back();
  bool hide = true;
  world.falsify = [&](DevicesReply& reply, const AccountId& about) {
    if (hide && about == anna.address.account) {
      reply.signed_list = second;
      reply.history.clear();
    }
  };
  Device& laptop = world.link_live(anna, "laptop");
  say(laptop, ben, "from the laptop");
  ASSERT_TRUE(world.pass(std::chrono::minutes(30)));
  EXPECT_EQ(tablet.count_events<OwnListForged>(), 1u) << "once for each list";
}

TEST_F(DeviceChangesTest, AListThatTheServiceRefusesChangesNothing) {
  world.refuse_lists = true;
  Device& tablet = world.start_link(anna, "tablet");
  EXPECT_TRUE(anna.endpoint->list_change_pending());
  EXPECT_EQ(anna.endpoint->remove_device(DeviceNumber{2}).error(), Error::list_busy);
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(anna.count_events<DeviceChangeRefused>(), 1u);
  EXPECT_FALSE(anna.endpoint->list_change_pending());
  EXPECT_EQ(anna.endpoint->own_devices().size(), 1u);
  EXPECT_EQ(Endpoint::confirm_linked(tablet.store, world.accounts[anna.address.account].lists.back(), false).error(),
            Error::bad_device);
  world.refuse_lists = false;
  Device& again = world.link_live(anna, "tablet, again");
  EXPECT_EQ(again.endpoint->own_devices().size(), 2u);
}

TEST_F(DeviceChangesTest, AChangeOfTheListOutlivesTheProgramAndCountsOnce) {
  // Before the service has heard of it; after it has, before the answer is here; with both answers lost.
  for (const std::size_t served : {0u, 1u}) {
    Device& device = world.start_link(anna, "device " + std::to_string(served));
    world.cut(anna, served);
    world.crash(anna);
    EXPECT_TRUE(anna.endpoint->list_change_pending());
    world.connect(anna);
    ASSERT_TRUE(world.settle());
    EXPECT_FALSE(anna.endpoint->list_change_pending());
    // The new device died too, and does not know whether it is one.
    world.finish_link(device, false, false);
    world.connect(device);
    ASSERT_TRUE(world.settle());
    EXPECT_EQ(device.endpoint->own_devices().size(), anna.endpoint->own_devices().size());
  }
  EXPECT_EQ(anna.endpoint->own_devices().size(), 3u);
  EXPECT_EQ(world.accounts[anna.address.account].lists.size(), 3u);
}

TEST_F(DeviceChangesTest, OnlyThePrimaryDeviceChangesTheList) {
  Device& tablet = world.link_live(anna, "tablet");
  EXPECT_TRUE(*anna.endpoint->is_primary());
  EXPECT_FALSE(*tablet.endpoint->is_primary());
  EXPECT_EQ(tablet.endpoint->remove_device(DeviceNumber{1}).error(), Error::not_primary);
  EXPECT_EQ(tablet.endpoint->account_key().error(), Error::not_primary);
  EXPECT_EQ(anna.endpoint->remove_device(DeviceNumber{1}).error(), Error::this_device);
  EXPECT_EQ(anna.endpoint->remove_device(DeviceNumber{7}).error(), Error::unknown_device);
  session::DeviceList next = session::next_device_list(*anna.endpoint->own_list(), world.clock.now());
  next.devices.back().keys = next.devices.front().keys;
  EXPECT_EQ(anna.endpoint->add_device(next, {}, {}).error(), Error::bad_device) << "keys never change";
}

TEST_F(DeviceChangesTest, ALongAbsenceIsBridgedListByList) {
  say(anna, ben, "hello");
  world.cut(ben);
  world.history_at_once = 1;
  std::vector<Device*> devices;
  for (int i = 0; i < 6; ++i) devices.push_back(&world.link_live(anna, "device " + std::to_string(i)));
  ASSERT_TRUE(anna.endpoint->remove_device(devices[2]->address.device).has_value());
  world.round(anna);
  ASSERT_TRUE(world.settle());
  world.connect(ben);
  say(anna, ben, "I have many devices now");
  ASSERT_TRUE(world.pass(std::chrono::minutes(30)));
  EXPECT_EQ(ben.endpoint->peer_status(anna.address.account)->devices, 6u);
  EXPECT_EQ(ben.notices(NoticeKind::list_forked) + ben.notices(NoticeKind::list_rolled_back), 0u);
}

TEST_F(DeviceChangesTest, ListsInBetweenAreFetchedAlsoWhereBundlesLeaveThemNoRoom) {
  // Ben knows the list and has no session: he needs bundles.
  ben.endpoint->refresh_peer(anna.address.account);
  world.round(ben);
  ASSERT_TRUE(world.settle());
  world.cut(ben);
  world.notices = false;
  world.link_live(anna, "tablet");
  world.link_live(anna, "laptop");
  world.link_live(anna, "watch");
  world.history_at_once = 1;
  world.falsify = [](DevicesReply& reply, const AccountId&) {
    const bool bundles = std::ranges::any_of(reply.devices, [](const auto& d) { return !d.bundle.empty(); });
    if (bundles) reply.history.clear();
  };
  world.connect(ben);
  const MessageId id = say(ben, anna, "hello");
  ASSERT_TRUE(world.pass(std::chrono::minutes(1), seconds(5)));
  EXPECT_EQ(ben.state_of(id), MessageState::delivered);
  EXPECT_EQ(anna.texts(), Texts{"hello"});
  EXPECT_EQ(ben.endpoint->peer_status(anna.address.account)->devices, 4u);
}

TEST_F(DeviceChangesTest, ANewPrimaryDeviceFromARecoveryFile) {
  Device& tablet = world.link_live(anna, "tablet");
  say(anna, ben, "hello");
  const session::AccountKey key = std::move(*anna.endpoint->account_key());
  world.cut(anna);  // lost
  Device& phone = *world.devices.emplace_back(std::make_unique<Device>(world.clock));
  phone.name = "new phone";
  const auto list = *tablet.endpoint->own_list();
  const Enrolment enrolment{anna.address.account, list.list().next_device, world.random.id<MailboxId>()};
  const auto other = session::AccountKey::generate(world.random);
  EXPECT_EQ(
      Endpoint::create_recovered(phone.store, world.random, world.clock, enrolment, list, other, {DeviceNumber{1}})
          .error(),
      Error::bad_device);
  const auto made =
      Endpoint::create_recovered(phone.store, world.random, world.clock, enrolment, list, key, {DeviceNumber{1}});
  ASSERT_TRUE(made.has_value());
  world.take_recovery(phone, *made);
  world.connect(phone);
  ASSERT_TRUE(world.settle());
  EXPECT_TRUE(*phone.endpoint->is_primary());
  EXPECT_EQ(tablet.endpoint->own_devices().size(), 2u);
  say(phone, ben, "a new phone");
  ASSERT_TRUE(world.pass(std::chrono::minutes(30)));
  EXPECT_EQ(ben.texts(), (Texts{"hello", "a new phone"}));
  EXPECT_EQ(ben.notices(NoticeKind::identity_changed), 0u) << "the account key is the same";
  EXPECT_EQ(written(tablet), (Texts{"hello", "a new phone"}));
  Device& laptop = world.link_live(phone, "laptop");
  EXPECT_EQ(laptop.endpoint->own_devices().size(), 3u);
}

TEST_F(DeviceChangesTest, ALinkedDeviceBecomesThePrimaryOne) {
  Device& tablet = world.link_live(anna, "tablet");
  const session::AccountKey key = std::move(*anna.endpoint->account_key());
  const auto other = session::AccountKey::generate(world.random);
  EXPECT_EQ(tablet.endpoint->become_primary(other, DeviceNumber{1}).error(), Error::bad_device);
  EXPECT_EQ(tablet.endpoint->become_primary(key, tablet.address.device).error(), Error::this_device);
  ASSERT_TRUE(tablet.endpoint->become_primary(key, DeviceNumber{1}).has_value());
  world.round(tablet);
  ASSERT_TRUE(world.settle());
  EXPECT_TRUE(*tablet.endpoint->is_primary());
  EXPECT_EQ(tablet.endpoint->own_devices().size(), 1u);
  EXPECT_FALSE(anna.connected);
  Device& laptop = world.link_live(tablet, "laptop");
  EXPECT_EQ(laptop.endpoint->own_devices().size(), 2u);
}

}  // namespace
}  // namespace opaline::endpoint
