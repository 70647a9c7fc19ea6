// What the devices of one person tell each other comes by different ways, and in any order: they agree all the same.
// Each of these was found by a storm (storm_devices_test.cpp).
#include <algorithm>

#include "endpoint/testing/rogue.hpp"
#include "endpoint/testing/two_people.hpp"

namespace opaline::endpoint {
namespace {

using testing::Device;
using testing::Rogue;
using testing::Texts;
using testing::World;

class SyncOrderTest : public testing::TwoPeople {
 protected:
  SyncOrderTest() : TwoPeople(31) {}
};

TEST_F(SyncOrderTest, AReceiptThatIsFasterThanTheCopyOfItsTextIsKept) {
  Device& tablet = world.link_live(anna, "tablet");
  say(anna, ben, "hello");
  world.full_for = tablet.mailbox;
  world.full_of = anna.address.account;
  const MessageId delivered = say(anna, ben, "one");
  const MessageId read = say(anna, ben, "two");
  ben.endpoint->mark_read(anna.address.account, std::span(&read, 1));
  world.round(ben);
  ASSERT_TRUE(world.settle());
  ASSERT_EQ(tablet.store.history().outgoing.size(), 1u);
  world.full_for = {};
  ASSERT_TRUE(world.pass(std::chrono::hours(1)));
  EXPECT_EQ(tablet.state_of(delivered), MessageState::delivered);
  EXPECT_EQ(tablet.state_of(read), MessageState::read);
}

TEST_F(SyncOrderTest, StatesOfTextsThatThereAreNotFillNoStore) {
  world.link(anna, "tablet");
  world.connect(anna);
  Device& carl = world.add("carl");
  for (Device* const other : {&ben, &carl}) {
    other->endpoint->refresh_peer(anna.address.account);
    anna.endpoint->refresh_peer(other->address.account);
    world.round(anna);
    world.round(*other);
  }
  ASSERT_TRUE(world.settle());
  const auto rows = [&](const Device& of, internal::SeenKind kind) {
    const auto& all = anna.store.contents().rows;
    return static_cast<std::size_t>(std::ranges::count_if(all, [&](const auto& row) {
      const auto& [table, key] = row.first;
      return table == Table::seen && key.front() == static_cast<std::byte>(kind) &&
             equal(ByteView(key).subspan(1, AccountId::kSize), of.address.account.view());
    }));
  };
  const auto known = [&](const Device& of, const MessageId& id) {
    Bytes key{static_cast<std::byte>(internal::SeenKind::is_read)};
    append(key, internal::message_key(of.address.account, id));
    return anna.store.contents().rows.contains({Table::seen, key});
  };
  wire::Receipt receipt{.kind = wire::ReceiptKind::read, .count = wire::kMaxReceiptIds};
  const auto fill = [&] {
    for (MessageId& id : receipt.ids) id = world.random.id<MessageId>();
  };
  Rogue friendly(world, carl, anna);
  fill();
  friendly.say(receipt);
  const MessageId of_carl = receipt.ids[0];
  Rogue liar(world, ben, anna);
  std::vector<MessageId> said;
  for (std::size_t i = 0; i < 3 * kMaxEarlyStates; i += receipt.count) {
    fill();
    liar.say(receipt);
    said.push_back(receipt.ids[0]);
    world.clock.advance(seconds(1));
  }
  EXPECT_LE(rows(ben, internal::SeenKind::is_read), kMaxEarlyStates);
  EXPECT_GE(rows(ben, internal::SeenKind::is_read), kMaxEarlyStates / 2);
  std::size_t expiring = 0;
  for (const auto& [key, value] : anna.store.contents().rows)
    if (key.first == Table::seen_expiry) expiring += key.second.size() + value.size();
  EXPECT_LE(expiring, kMaxEarlyStates * 64) << "what says when they go is bounded as they are";
  EXPECT_FALSE(known(ben, said.front())) << "the oldest go";
  EXPECT_TRUE(known(ben, said.back()));
  EXPECT_EQ(rows(carl, internal::SeenKind::is_read), receipt.count);
  EXPECT_TRUE(known(carl, of_carl)) << "nobody else's";
  // What is forgotten by and by is forgotten whole.
  world.clock.advance(kSeenFor + std::chrono::days(2));
  ASSERT_TRUE(world.pass(std::chrono::hours(2), std::chrono::minutes(10)));
  EXPECT_EQ(rows(ben, internal::SeenKind::is_read), 0u);
}

TEST_F(SyncOrderTest, StatesOfTextsThatCameAsHistoryRiseToo) {
  const MessageId read = say(anna, ben, "before the tablet");
  world.cut(ben);
  const MessageId later = say(anna, ben, "not delivered yet");
  Device& tablet = world.link_live(anna, "tablet", true);
  ASSERT_EQ(tablet.state_of(later), MessageState::sent);
  ASSERT_EQ(tablet.state_of(read), MessageState::delivered);
  world.connect(ben);
  ben.endpoint->mark_read(anna.address.account, std::span(&read, 1));
  world.round(ben);
  ASSERT_TRUE(world.pass(std::chrono::minutes(10)));
  EXPECT_EQ(tablet.state_of(read), MessageState::read);
  EXPECT_EQ(tablet.state_of(later), MessageState::delivered);
  // Another's word does not raise them.
  Device& carl = world.add("carl");
  world.connect(carl);
  carl.endpoint->refresh_peer(anna.address.account);
  tablet.endpoint->refresh_peer(carl.address.account);
  world.round(carl);
  world.round(tablet);
  ASSERT_TRUE(world.settle());
  wire::Receipt receipt{.kind = wire::ReceiptKind::read, .count = 1};
  receipt.ids[0] = later;
  Rogue(world, carl, tablet).say(receipt);
  EXPECT_EQ(tablet.state_of(later), MessageState::delivered);
}

TEST_F(SyncOrderTest, TheNewsThatATextIsSentMayOvertakeItsCopy) {
  Device& tablet = world.link_live(anna, "tablet");
  ben.endpoint->set_receipts(false);
  world.round(ben);
  say(anna, ben, "hello");
  bool once = true;
  world.damage = [&](const Device& to, Bytes& ciphertext) {
    if (&to == &tablet && std::exchange(once, false)) ciphertext.back() ^= std::byte{1};
  };
  const MessageId id = say(anna, ben, "its copy is damaged");
  ASSERT_TRUE(world.pass(std::chrono::minutes(10)));
  ASSERT_FALSE(once);
  EXPECT_EQ(tablet.state_of(id), MessageState::sent);
  EXPECT_EQ(tablet.notices(NoticeKind::session_healed), 1u);
}

TEST_F(SyncOrderTest, ReceiptsFollowToADeviceThatTheirAuthorDidNotKnowOf) {
  say(ben, anna, "hello");
  world.notices = false;
  Device& tablet = world.link_live(anna, "tablet");
  const MessageId id = say(anna, ben, "one");
  ASSERT_TRUE(world.pass(std::chrono::minutes(5)));
  EXPECT_EQ(anna.state_of(id), MessageState::delivered);
  EXPECT_EQ(tablet.state_of(id), MessageState::delivered);
}

TEST_F(SyncOrderTest, ATextThatIsAcceptedInTheRoundInWhichANewListComesFollowsIt) {
  say(ben, anna, "hello");
  world.notices = false;
  Device& tablet = world.link_live(anna, "tablet");
  world.clock.advance(std::chrono::minutes(1));
  world.send(ben, anna, "by the old list");
  world.serve(ben, 100);
  world.deliver(anna, 100);
  world.round(anna);
  world.serve(anna, 100);
  // The answer, and anna's list, in one round of Ben's.
  ASSERT_GE(ben.to_device.size(), 2u);
  world.deliver(ben, 100);
  world.round(ben);
  ASSERT_TRUE(world.pass(std::chrono::minutes(5)));
  EXPECT_EQ(tablet.texts(), Texts{"by the old list"});
}

TEST_F(SyncOrderTest, WhatIsWrittenBeforeTheServiceHasAnsweredIsForTheFirstOtherDeviceToo) {
  say(anna, ben, "long before");
  Device& tablet = world.start_link(anna, "tablet");
  world.cut(anna, 100);  // the service has the list; its answer is lost
  world.send(anna, ben, "written offline");
  world.crash(anna);
  world.connect(anna);
  ASSERT_TRUE(world.settle());
  world.finish_link(tablet);
  world.connect(tablet);
  ASSERT_TRUE(world.pass(std::chrono::minutes(5)));
  ASSERT_EQ(tablet.store.history().outgoing.size(), 1u);
  EXPECT_EQ(to_string(tablet.store.history().outgoing.front().message.body.text), "written offline");
  EXPECT_EQ(tablet.store.history().outgoing.front().state, MessageState::delivered);
}

TEST_F(SyncOrderTest, WhatIsWrittenWhileAListIsRefusedWaitsForNobody) {
  world.refuse_lists = true;
  world.start_link(anna, "tablet");
  world.send(anna, ben, "alone after all");
  ASSERT_TRUE(world.pass(std::chrono::minutes(5)));
  EXPECT_EQ(anna.endpoint->waiting(), 0u);
  EXPECT_EQ(ben.texts(), Texts{"alone after all"});
}

TEST_F(SyncOrderTest, TheLastWordOnABlockCountsAlsoWhereItSeemedSaid) {
  Device& tablet = world.link_live(anna, "tablet");
  say(ben, anna, "hello");
  world.cut(tablet);
  anna.endpoint->set_blocked(ben.address.account, true);
  world.round(anna);
  ASSERT_TRUE(world.settle());
  world.clock.advance(std::chrono::minutes(1));
  tablet.endpoint->set_blocked(ben.address.account, false);  // the tablet knows of no block yet
  world.round(tablet);
  world.connect(tablet);
  ASSERT_TRUE(world.settle());
  for (Device* device : {&anna, &tablet})
    EXPECT_FALSE(device->endpoint->peer_status(ben.address.account)->blocked) << device->name;
}

TEST_F(SyncOrderTest, TwoWordsOfOneMomentAreTakenAlike) {
  Device& tablet = world.link_live(anna, "tablet");
  say(ben, anna, "hello");
  for (const bool first : {true, false}) {
    world.clock.advance(std::chrono::minutes(1));
    anna.endpoint->set_blocked(ben.address.account, first);
    tablet.endpoint->set_blocked(ben.address.account, !first);
    world.round(anna);
    world.round(tablet);
    ASSERT_TRUE(world.settle());
    for (Device* device : {&anna, &tablet})
      EXPECT_TRUE(device->endpoint->peer_status(ben.address.account)->blocked) << device->name << " " << first;
  }
}

TEST_F(SyncOrderTest, WhatWasReadElsewhereStaysReadWhenAPageOfHistoryWasFaster) {
  Device& tablet = world.link_live(anna, "tablet");
  say(ben, anna, "hello");
  world.full_for = tablet.mailbox;
  world.full_of = ben.address.account;
  const MessageId id = say(ben, anna, "comes late by itself");
  anna.endpoint->mark_read(ben.address.account, std::span(&id, 1));
  world.round(anna);
  world.clock.advance(std::chrono::minutes(11));  // it was given the contacts when it was linked
  tablet.endpoint->ask_history(testing::kStart);
  world.round(tablet);
  ASSERT_TRUE(world.settle());
  ASSERT_EQ(tablet.texts().back(), "comes late by itself") << "by the page";
  world.full_for = {};
  ASSERT_TRUE(world.pass(std::chrono::hours(1)));
  const auto& incoming = tablet.store.history().incoming;
  EXPECT_TRUE(std::ranges::find(incoming, id, &IncomingMessage::id)->read);
}

TEST_F(SyncOrderTest, ASecondLossSoonAfterTheFirstIsMadeUpForToo) {
  Device& tablet = world.link_live(anna, "tablet");
  say(ben, anna, "hello");
  const auto lose_some = [&](std::string_view text) {
    world.clock.advance(std::chrono::hours(1));
    bool lost = false;
    // The relay says that it took it, and drops it: the next message shows that something is missing.
    world.on_submit = [&](const Device& from, const EnvelopeId&) -> std::optional<wire::SubmitStatus> {
      if (&from == &ben && !lost) return lost = true, wire::SubmitStatus::accepted;
      return std::nullopt;
    };
    say(ben, anna, text);
    world.on_submit = nullptr;
    ASSERT_TRUE(lost);
    say(ben, anna, std::string("after ") + std::string(text));
  };
  lose_some("one");
  lose_some("two");
  ASSERT_TRUE(world.pass(std::chrono::hours(14), std::chrono::minutes(10)));
  // Each of Ben's texts reached one of the two devices at least; now both have all.
  Texts phone = anna.texts(), other = tablet.texts();
  std::ranges::sort(phone);
  std::ranges::sort(other);
  EXPECT_EQ(phone.size(), 5u);
  EXPECT_EQ(other.size(), 5u);
}

}  // namespace
}  // namespace opaline::endpoint
