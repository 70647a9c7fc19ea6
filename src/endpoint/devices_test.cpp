// Several devices of one person: what is sent, read, deleted and decided on one is known to the others.
#include <gtest/gtest.h>

#include <algorithm>
#include <ranges>

#include "endpoint/testing/world.hpp"

namespace opaline::endpoint {
namespace {

using testing::Device;
using testing::World;
using Texts = std::vector<std::string>;

class DevicesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    world.connect(anna);
    world.connect(ben);
    ASSERT_TRUE(world.settle());
  }
  MessageId say(Device& from, const Device& to, std::string_view text) {
    const MessageId id = world.send(from, to, text);
    EXPECT_TRUE(world.settle());
    return id;
  }
  static Texts written(const Device& device) {
    Texts out;
    for (const auto& o : device.store.history().outgoing) out.push_back(to_string(o.message.body.text));
    return out;
  }
  static bool is_read(const Device& device, const MessageId& id) {
    for (const IncomingMessage& m : device.store.history().incoming)
      if (m.id == id) return m.read;
    return false;
  }
  World world{7};
  Device& anna = world.add("anna");
  Device& ben = world.add("ben");
};

TEST_F(DevicesTest, AMessageReachesAllDevicesOfBothSides) {
  Device& tablet = world.link_live(anna, "tablet");
  Device& ben2 = world.link_live(ben, "ben's laptop");
  const MessageId first = say(anna, ben, "from the phone");
  EXPECT_EQ(ben.texts(), Texts{"from the phone"});
  EXPECT_EQ(ben2.texts(), Texts{"from the phone"});
  EXPECT_EQ(written(tablet), Texts{"from the phone"});
  EXPECT_EQ(tablet.store.history().outgoing.front().message.device, DeviceNumber{1});
  const MessageId second = say(tablet, ben, "from the tablet");
  EXPECT_EQ(ben2.texts(), (Texts{"from the phone", "from the tablet"}));
  EXPECT_EQ(written(anna), (Texts{"from the phone", "from the tablet"}));
  // Receipts of Ben's devices are known on each of Anna's.
  for (const Device* device : {&anna, &tablet})
    for (const MessageId& id : {first, second}) EXPECT_EQ(device->state_of(id), MessageState::delivered);
  say(ben2, tablet, "an answer");
  EXPECT_EQ(anna.texts(), Texts{"an answer"});
  EXPECT_EQ(tablet.texts(), Texts{"an answer"});
  EXPECT_EQ(written(ben), Texts{"an answer"});
}

TEST_F(DevicesTest, SentIsTheRecipientsWordNotThatOfOnesOwnDevices) {
  Device& tablet = world.link_live(anna, "tablet");
  ben.endpoint->set_receipts(false);
  world.round(ben);
  say(anna, ben, "hello");
  world.full_for = ben.mailbox;
  const MessageId id = say(anna, ben, "only the tablet takes this");
  EXPECT_EQ(anna.state_of(id), MessageState::queued);
  EXPECT_EQ(tablet.state_of(id), MessageState::queued);
  EXPECT_EQ(written(tablet).back(), "only the tablet takes this");
  world.full_for = {};
  ASSERT_TRUE(world.pass(std::chrono::hours(1)));
  EXPECT_EQ(anna.state_of(id), MessageState::sent);
  EXPECT_EQ(tablet.state_of(id), MessageState::sent) << "the tablet was told";
}

TEST_F(DevicesTest, WhatIsReadOnOneDeviceIsReadOnAll) {
  Device& tablet = world.link_live(anna, "tablet");
  const MessageId first = say(ben, anna, "one");
  anna.endpoint->mark_read(ben.address.account, std::span(&first, 1));
  world.round(anna);
  ASSERT_TRUE(world.settle());
  EXPECT_TRUE(is_read(tablet, first));
  EXPECT_EQ(ben.state_of(first), MessageState::read);
}

TEST_F(DevicesTest, AReadMarkThatIsFasterThanItsMessageIsKept) {
  Device& tablet = world.link_live(anna, "tablet");
  say(ben, anna, "hello");
  world.full_for = tablet.mailbox;
  world.full_of = ben.address.account;
  const MessageId read = say(ben, anna, "arrives late at the tablet");
  const MessageId deleted = say(ben, anna, "deleted before it arrives");
  anna.endpoint->mark_read(ben.address.account, std::span(&read, 1));
  anna.endpoint->delete_messages(ben.address.account, std::span(&deleted, 1));
  world.round(anna);
  ASSERT_TRUE(world.settle());
  ASSERT_EQ(tablet.texts(), Texts{"hello"});
  world.full_for = {};
  ASSERT_TRUE(world.pass(std::chrono::hours(1)));
  ASSERT_EQ(tablet.texts(), (Texts{"hello", "arrives late at the tablet"}));
  EXPECT_TRUE(is_read(tablet, read));
}

TEST_F(DevicesTest, DeletionsReachAllDevicesInBothDirections) {
  Device& tablet = world.link_live(anna, "tablet");
  const MessageId in = say(ben, anna, "one");
  const MessageId out = say(tablet, ben, "two");
  say(ben, anna, "three");
  const MessageId ids[] = {in, out};
  anna.endpoint->delete_messages(ben.address.account, ids);
  world.round(anna);
  ASSERT_TRUE(world.settle());
  for (const Device* device : {&anna, &tablet}) {
    EXPECT_EQ(device->texts(), Texts{"three"}) << device->name;
    EXPECT_TRUE(written(*device).empty()) << device->name;
  }
  EXPECT_EQ(ben.texts(), Texts{"two"}) << "what others have is theirs";
  world.clock.advance(std::chrono::minutes(1));
  tablet.endpoint->delete_conversation(ben.address.account, world.clock.now());
  world.round(tablet);
  ASSERT_TRUE(world.settle());
  EXPECT_TRUE(anna.texts().empty() && tablet.texts().empty());
  world.clock.advance(std::chrono::minutes(1));
  say(ben, anna, "four");
  EXPECT_EQ(tablet.texts(), Texts{"four"}) << "the conversation goes on";
}

TEST_F(DevicesTest, BlockingIsSilentAndOnAllDevices) {
  Device& tablet = world.link_live(anna, "tablet");
  say(ben, anna, "hello");
  tablet.endpoint->set_blocked(ben.address.account, true);
  world.round(tablet);
  ASSERT_TRUE(world.settle());
  EXPECT_TRUE(anna.endpoint->peer_status(ben.address.account)->blocked);
  const MessageId unheard = say(ben, anna, "are you there?");
  EXPECT_EQ(anna.texts(), Texts{"hello"});
  EXPECT_EQ(tablet.texts(), Texts{"hello"});
  EXPECT_EQ(ben.state_of(unheard), MessageState::sent) << "nothing tells ben: no receipt, no failure";
  ben.endpoint->send_typing(anna.address.account, true);
  world.round(ben);
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(anna.count_events<TypingChanged>(), 0u);
  EXPECT_EQ(anna.endpoint->send_text(ben.address.account, "x").error(), Error::blocked);
  anna.endpoint->set_blocked(ben.address.account, false);
  world.round(anna);
  ASSERT_TRUE(world.settle());
  EXPECT_FALSE(tablet.endpoint->peer_status(ben.address.account)->blocked);
  say(ben, anna, "again");
  EXPECT_EQ(tablet.texts(), (Texts{"hello", "again"})) << "what was said while blocked stays unheard";
  EXPECT_EQ(ben.state_of(unheard), MessageState::sent);
}

TEST_F(DevicesTest, TheLaterWordAboutAContactCounts) {
  Device& tablet = world.link_live(anna, "tablet");
  say(ben, anna, "hello");
  world.cut(tablet);
  tablet.endpoint->set_blocked(ben.address.account, true);
  world.round(tablet);
  world.clock.advance(std::chrono::hours(1));
  ASSERT_TRUE(anna.endpoint->set_verified(ben.address.account, true).has_value());
  world.round(anna);
  ASSERT_TRUE(world.settle());
  world.connect(tablet);
  ASSERT_TRUE(world.settle());
  for (Device* device : {&anna, &tablet}) {
    const PeerStatus status = *device->endpoint->peer_status(ben.address.account);
    EXPECT_TRUE(status.verified) << device->name;
    EXPECT_FALSE(status.blocked) << device->name;
  }
}

TEST_F(DevicesTest, ANewDeviceLearnsContactsButNoHistory) {
  say(anna, ben, "before");
  anna.store.know({ben.address.account, "ben@example.org", world.clock.now()});
  ASSERT_TRUE(anna.endpoint->set_verified(ben.address.account, true).has_value());
  world.round(anna);
  Device& tablet = world.link_live(anna, "tablet");
  EXPECT_TRUE(tablet.texts().empty());
  EXPECT_TRUE(written(tablet).empty());
  ASSERT_EQ(tablet.store.history().contacts.size(), 1u);
  EXPECT_EQ(tablet.store.history().contacts.front().handle, "ben@example.org");
  EXPECT_EQ(tablet.count_events<HistoryArrived>(), 1u) << "it is told that there is none";
  say(tablet, ben, "after");
  const PeerStatus status = *tablet.endpoint->peer_status(ben.address.account);
  EXPECT_TRUE(status.verified) << "the key that was compared on the phone is the one that the tablet met";
}

TEST_F(DevicesTest, ANewDeviceGetsTheHistoryIfThePersonChooses) {
  for (int i = 0; i < 30; ++i) say(i % 2 == 0 ? anna : ben, i % 2 == 0 ? ben : anna, std::to_string(i));
  Device& tablet = world.link_live(anna, "tablet", true);
  EXPECT_EQ(tablet.texts(), anna.texts());
  EXPECT_EQ(written(tablet), written(anna));
  const auto last = std::ranges::find_if(std::views::reverse(tablet.events),
                                         [](const Event& e) { return std::holds_alternative<HistoryArrived>(e); });
  ASSERT_NE(last, std::views::reverse(tablet.events).end());
  EXPECT_EQ(std::get<HistoryArrived>(*last).part, 30u);
  EXPECT_EQ(std::get<HistoryArrived>(*last).parts, 30u);
  say(ben, anna, "and on");
  ASSERT_TRUE(world.pass(std::chrono::minutes(1)));
  EXPECT_EQ(tablet.texts().back(), "and on");
}

TEST_F(DevicesTest, ANewDeviceIsNotFooledAboutAContactThatAnotherHasMet) {
  say(anna, ben, "hello");
  Device& tablet = world.link_live(anna, "tablet");
  Device& mallory = world.impostor(ben, "mallory");
  world.connect(mallory);
  const MessageId id = say(tablet, ben, "a secret");
  ASSERT_TRUE(world.pass(std::chrono::hours(1)));
  EXPECT_TRUE(mallory.texts().empty());
  EXPECT_EQ(tablet.reason_of(id), Reason::identity_changed);
  EXPECT_EQ(tablet.notices(NoticeKind::identity_changed), 1u);
  EXPECT_TRUE(tablet.endpoint->peer_status(ben.address.account)->alarmed);
}

TEST_F(DevicesTest, ADirectoryThatShowsTwoDevicesDifferentKeysIsFound) {
  Device& tablet = world.link_live(anna, "tablet");
  say(anna, ben, "hello");  // the phone meets ben
  const auto truth = world.accounts[ben.address.account];
  world.cut(anna);
  Device& mallory = world.impostor(ben, "mallory");
  const auto lie = world.accounts[ben.address.account];
  world.connect(mallory);
  world.clock.advance(std::chrono::hours(1));
  world.cut(tablet);
  world.connect(tablet);
  // The tablet has heard of ben's key from nobody yet: it was told contacts before the phone met him.
  world.send(tablet, ben, "who are you?");
  ASSERT_TRUE(world.pass(std::chrono::minutes(5)));
  world.accounts[ben.address.account] = truth;
  world.connect(anna);
  anna.endpoint->share_contact(ben.address.account, "ben@example.org");
  world.round(anna);
  world.accounts[ben.address.account] = lie;
  ASSERT_TRUE(world.pass(std::chrono::minutes(5)));
  EXPECT_EQ(tablet.notices(NoticeKind::list_forked), 1u);
}

TEST_F(DevicesTest, AKeyThatAnotherDeviceMerelyMetIsNotAcceptedHere) {
  Device& tablet = world.link_live(anna, "tablet");
  say(anna, ben, "hello");  // the phone meets ben, and the person compares
  ASSERT_TRUE(anna.endpoint->set_verified(ben.address.account, true).has_value());
  world.cut(anna);  // its word is not to reach the tablet
  Device& mallory = world.impostor(ben, "mallory");
  world.connect(mallory);
  world.send(tablet, ben, "who are you?");
  ASSERT_TRUE(world.pass(std::chrono::minutes(5)));
  tablet.endpoint->share_contact(ben.address.account, "ben@example.org");
  world.round(tablet);
  ASSERT_TRUE(world.settle());
  world.cut(tablet);
  // The directory lies to the phone too, now that one of the person's own devices calls mallory ben.
  world.connect(anna);
  ASSERT_TRUE(world.pass(std::chrono::minutes(5)));
  world.connect(mallory);
  world.send(anna, ben, "for ben alone");
  ASSERT_TRUE(world.pass(std::chrono::hours(1)));
  EXPECT_TRUE(anna.endpoint->peer_status(ben.address.account)->alarmed);
  EXPECT_EQ(anna.notices(NoticeKind::identity_changed), 1u);
  EXPECT_EQ(mallory.texts(), Texts{"who are you?"});
  // Nor by what the person says of it there, but by accepting it.
  world.connect(tablet);
  tablet.endpoint->set_blocked(ben.address.account, true);
  tablet.endpoint->set_blocked(ben.address.account, false);
  world.round(tablet);
  ASSERT_TRUE(world.pass(std::chrono::hours(1)));
  EXPECT_TRUE(anna.endpoint->peer_status(ben.address.account)->alarmed);
  EXPECT_EQ(mallory.texts(), Texts{"who are you?"});
}

TEST_F(DevicesTest, ADeviceThatIsBehindIsNotAlarmedByWhoKnowsANewerList) {
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

TEST_F(DevicesTest, AnIdentityThatWasAcceptedOnOneDeviceIsAcceptedOnAll) {
  say(anna, ben, "hello");
  Device& tablet = world.link_live(anna, "tablet");
  say(tablet, ben, "hello from the tablet");
  Device& again = world.impostor(ben, "ben, registered again");
  world.connect(again);
  world.mailboxes[ben.mailbox].gone = true;
  say(anna, ben, "one");
  say(tablet, ben, "two");
  ASSERT_TRUE(world.pass(std::chrono::hours(1)));
  ASSERT_TRUE(anna.endpoint->peer_status(ben.address.account)->alarmed);
  ASSERT_TRUE(tablet.endpoint->peer_status(ben.address.account)->alarmed);
  ASSERT_TRUE(anna.endpoint->accept_changed_identity(ben.address.account).has_value());
  world.round(anna);
  ASSERT_TRUE(world.pass(std::chrono::hours(1)));
  EXPECT_FALSE(tablet.endpoint->peer_status(ben.address.account)->alarmed);
  Texts came = again.texts();
  std::ranges::sort(came);
  EXPECT_EQ(came, (Texts{"one", "two"}));
}

TEST_F(DevicesTest, ARemovedDeviceHearsAndSaysNothingMore) {
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

TEST_F(DevicesTest, ASenderWithAnOldListIsToldAndAddsWhatIsMissingOnce) {
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

TEST_F(DevicesTest, AnOwnDeviceThatIsHiddenIsFoundThroughTheOthers) {
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

TEST_F(DevicesTest, AListThatTheServiceRefusesChangesNothing) {
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

TEST_F(DevicesTest, AChangeOfTheListOutlivesTheProgramAndCountsOnce) {
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

TEST_F(DevicesTest, OnlyThePrimaryDeviceChangesTheList) {
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

TEST_F(DevicesTest, NamesAndLastSeenAreKnownToOnesOwnDevices) {
  Device& tablet = world.link_live(anna, "tablet");
  anna.endpoint->set_device_name("phone");
  world.round(anna);
  world.clock.advance(std::chrono::hours(5));
  ASSERT_TRUE(world.pass(std::chrono::minutes(2)));
  const auto seen_by_tablet = tablet.endpoint->own_devices();
  ASSERT_EQ(seen_by_tablet.size(), 2u);
  EXPECT_EQ(seen_by_tablet[0].name, "phone");
  EXPECT_TRUE(seen_by_tablet[0].primary);
  EXPECT_FALSE(seen_by_tablet[0].this_device);
  EXPECT_GT(seen_by_tablet[0].last_seen, testing::kStart);
  EXPECT_EQ(seen_by_tablet[1].name, "tablet");
  EXPECT_TRUE(seen_by_tablet[1].this_device);
  EXPECT_EQ(anna.endpoint->own_devices()[1].name, "tablet");
}

TEST_F(DevicesTest, ALongAbsenceIsBridgedListByList) {
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

TEST_F(DevicesTest, ListsInBetweenAreFetchedAlsoWhereBundlesLeaveThemNoRoom) {
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

TEST_F(DevicesTest, TenDevicesOnBothSides) {
  std::vector<Device*> annas{&anna}, bens{&ben};
  for (int i = 1; i < 10; ++i) annas.push_back(&world.link_live(anna, "anna " + std::to_string(i)));
  for (int i = 1; i < 10; ++i) bens.push_back(&world.link_live(ben, "ben " + std::to_string(i)));
  session::DeviceList next = session::next_device_list(*anna.endpoint->own_list(), world.clock.now());
  EXPECT_EQ(
      Endpoint::create_linked(annas[1]->store, world.random, world.clock, {}, *anna.endpoint->own_list(), "").error(),
      Error::bad_device);
  const MessageId id = say(*annas[4], ben, "to all of you");
  ASSERT_TRUE(world.pass(std::chrono::minutes(2)));
  for (const Device* device : bens) EXPECT_EQ(device->texts(), Texts{"to all of you"}) << device->name;
  for (const Device* device : annas) EXPECT_EQ(written(*device), Texts{"to all of you"}) << device->name;
  for (const Device* device : annas) EXPECT_EQ(device->state_of(id), MessageState::delivered) << device->name;
}

TEST_F(DevicesTest, WhatARestoredDeviceHasLostComesFromTheOthers) {
  Device& tablet = world.link_live(anna, "tablet");
  say(ben, anna, "one");
  const auto copy = tablet.store.backup();
  world.clock.advance(std::chrono::hours(3));
  say(ben, anna, "two");
  say(anna, ben, "three");
  say(ben, anna, "four");
  world.restore(tablet, copy);
  ASSERT_EQ(tablet.texts(), Texts{"one"});
  world.connect(tablet);
  say(ben, anna, "five");
  ASSERT_TRUE(world.pass(std::chrono::hours(1)));
  Texts came = tablet.texts();
  std::ranges::sort(came);
  Texts expected{"one", "two", "four", "five"};
  std::ranges::sort(expected);
  EXPECT_EQ(came, expected);
  EXPECT_EQ(written(tablet), Texts{"three"});
}

TEST_F(DevicesTest, ANewPrimaryDeviceFromARecoveryFile) {
  Device& tablet = world.link_live(anna, "tablet");
  say(anna, ben, "hello");
  const session::AccountKey key = std::move(*anna.endpoint->account_key());
  world.cut(anna);  // lost
  Device& phone = *world.devices.emplace_back(std::make_unique<Device>());
  phone.name = "new phone";
  const auto list = *tablet.endpoint->own_list();
  const Enrolment enrolment{anna.address.account, list.list().next_device, world.random.id<MailboxId>()};
  const auto other = session::AccountKey::generate(world.random);
  EXPECT_EQ(Endpoint::create_recovered(phone.store, world.random, world.clock, enrolment, list, other, DeviceNumber{1})
                .error(),
            Error::bad_device);
  const auto made =
      Endpoint::create_recovered(phone.store, world.random, world.clock, enrolment, list, key, DeviceNumber{1});
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

TEST_F(DevicesTest, ALinkedDeviceBecomesThePrimaryOne) {
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

TEST_F(DevicesTest, WhatIsTooMuchForOneDeviceComesAsHistoryAndTheOthersHearEverything) {
  Device& tablet = world.link_live(anna, "tablet");
  Device& laptop = world.link_live(anna, "laptop");
  world.cut(tablet);
  world.full_for = tablet.mailbox;
  const std::size_t texts = kMaxSyncPerDevice / 2 + 200;  // each is told twice: that it was written, and sent
  for (std::size_t i = 0; i < texts; ++i) {
    world.send(anna, ben, std::to_string(i));
    if (i % 50 == 0) ASSERT_TRUE(world.settle());
  }
  ASSERT_TRUE(world.pass(std::chrono::hours(1), std::chrono::minutes(10)));
  EXPECT_EQ(written(laptop).size(), texts);
  EXPECT_EQ(ben.texts().size(), texts);
  world.full_for = {};
  world.connect(tablet);
  ASSERT_TRUE(world.pass(std::chrono::hours(24), std::chrono::minutes(20)));
  Texts there = written(tablet), all = written(anna);
  std::ranges::sort(there);
  std::ranges::sort(all);
  EXPECT_EQ(there, all);
}

TEST_F(DevicesTest, ADeviceThatIsNeverSwitchedOnDoesNotStopTheOthers) {
  Device& tablet = world.link_live(anna, "tablet");
  say(anna, ben, "hello");
  world.cut(tablet);
  world.mailbox_limit = 20;
  for (int i = 0; i < 200; ++i) world.send(anna, ben, std::to_string(i));
  ASSERT_TRUE(world.pass(std::chrono::hours(12), std::chrono::minutes(10)));
  EXPECT_EQ(ben.texts().size(), 201u);
  for (const auto& o : anna.store.history().outgoing) EXPECT_EQ(o.state, MessageState::delivered);
  world.mailbox_limit = 10'000;
  world.connect(tablet);
  ASSERT_TRUE(world.pass(std::chrono::hours(24), std::chrono::minutes(10)));
  EXPECT_EQ(written(tablet).size(), 201u) << "the tablet catches up";
}

}  // namespace
}  // namespace opaline::endpoint
