// Several devices of one person: what is sent, read, deleted and decided on one is known to the others.
#include <algorithm>
#include <ranges>

#include "endpoint/testing/two_people.hpp"

namespace opaline::endpoint {
namespace {

using testing::Device;
using testing::Texts;

class DevicesTest : public testing::TwoPeople {};

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

TEST_F(DevicesTest, WhoIsBlockedIsKnownAlsoOfStrangers) {
  Device& tablet = world.link_live(anna, "tablet");
  say(anna, ben, "hello");
  const auto stranger = world.random.id<AccountId>();
  EXPECT_TRUE(anna.endpoint->blocked()->empty());
  anna.endpoint->set_blocked(ben.address.account, true);
  anna.endpoint->set_blocked(stranger, true);
  std::vector<AccountId> both{ben.address.account, stranger};
  std::ranges::sort(both);
  EXPECT_EQ(*anna.endpoint->blocked(), both) << "before the round";
  world.round(anna);
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(*tablet.endpoint->blocked(), both);
  world.crash(anna);
  EXPECT_EQ(*anna.endpoint->blocked(), both);
  anna.endpoint->set_blocked(ben.address.account, false);
  EXPECT_EQ(*anna.endpoint->blocked(), std::vector{stranger});
  anna.store.fail_reads = true;
  EXPECT_EQ(anna.endpoint->blocked().error(), Error::store_failed);
  anna.store.fail_reads = false;
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

TEST_F(DevicesTest, WhoIsNewIsGivenReceiptsOnAllDevicesAtOnce) {
  Device& tablet = world.link_live(anna, "tablet");
  const Time before = world.clock.now();
  const MessageId id = say(anna, ben, "hello");
  EXPECT_EQ(tablet.state_of(id), MessageState::delivered);
  EXPECT_LT(world.clock.now() - before, std::chrono::seconds(1)) << "that the list came alone delays no bundle";
}

TEST_F(DevicesTest, ADirectoryThatShowsTwoDevicesDifferentKeysIsFound) {
  Device& tablet = world.link_live(anna, "tablet");
  ben.endpoint->set_receipts(false);  // the tablet is to hear nothing of him
  say(anna, ben, "hello");            // the phone meets ben
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
  ben.endpoint->set_receipts(false);  // the tablet is to hear nothing of him
  say(anna, ben, "hello");            // the phone meets ben, and the person compares
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

TEST_F(DevicesTest, ARestoredHomeAmongManyDevicesHearsFromAllOfThemAgain) {
  std::vector<Device*> sisters, friends{&ben};
  for (int i = 1; i < 10; ++i) sisters.push_back(&world.link_live(anna, "anna " + std::to_string(i)));
  for (int i = 1; i < 6; ++i) world.connect(*friends.emplace_back(&world.add("friend " + std::to_string(i))));
  const auto talk = [&](std::string_view text) {
    for (Device* const other : friends) {
      say(anna, *other, text);
      say(*other, anna, text);
    }
  };
  talk("one");
  const auto copy = anna.store.backup();
  for (Device* const sister : sisters) sister->endpoint->set_device_name("renamed");
  for (int i = 0; i < 3; ++i) talk("forgotten");
  for (Device* const sister : sisters) world.round(*sister);
  ASSERT_TRUE(world.settle());
  world.cut(anna);
  for (Device* const other : friends) say(*other, anna, "by " + other->name);
  for (Device* const sister : sisters) {
    sister->endpoint->set_device_name("of " + sister->name);
    world.round(*sister);
    ASSERT_TRUE(world.settle());
    world.cut(*sister);  // it gives no history; its mailbox takes what it is asked
  }
  world.restore(anna, copy);
  world.connect(anna);
  ASSERT_TRUE(world.pass(std::chrono::minutes(10)));
  for (Device* const sister : sisters) world.connect(*sister);
  ASSERT_TRUE(world.pass(std::chrono::minutes(30)));
  const Texts came = anna.texts();
  for (const Device* other : friends) EXPECT_EQ(std::ranges::count(came, "by " + other->name), 1) << other->name;
  for (const OwnDevice& device : anna.endpoint->own_devices())
    if (!device.this_device)
      EXPECT_EQ(device.name, "of anna " + std::to_string(static_cast<std::uint32_t>(device.number) - 1));
}

}  // namespace
}  // namespace opaline::endpoint
