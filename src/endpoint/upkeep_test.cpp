// Prekeys: renewed, refilled, wiped; and a peer that was away for so long that it has none.
#include <gtest/gtest.h>

#include "endpoint/internal/records.hpp"
#include "endpoint/testing/world.hpp"

namespace opaline::endpoint {
namespace {

using testing::Device;
using testing::World;
using Texts = std::vector<std::string>;

class UpkeepTest : public ::testing::Test {
 protected:
  World::Offer& offer_of(const Device& device) {
    return world.accounts[device.address.account].offers[device.address.device];
  }
  World world{6};
  Device& anna = world.add("anna");
  Device& ben = world.add("ben");
};

TEST_F(UpkeepTest, ASetIsRenewedBeforeItRunsOut) {
  world.connect(ben);
  for (int day = 0; day < 60; ++day) {
    ASSERT_TRUE(world.pass(std::chrono::days(1), std::chrono::hours(3)));
    EXPECT_GT(offer_of(ben).until, world.clock.now() + std::chrono::hours(12));
  }
  EXPECT_GE(ben.endpoint->counters().prekey_sets, 9u);
  EXPECT_LE(ben.endpoint->counters().prekey_sets, 11u);
  // Private halves live for 40 days.
  EXPECT_LE(ben.store.rows(Table::prekey_set), 8u);
  EXPECT_LE(ben.store.rows(Table::one_time), 8u * session::kDefaultOneTimePrekeys);
}

TEST_F(UpkeepTest, NothingIsMadeWhileOffline) {
  ASSERT_TRUE(world.pass(std::chrono::days(20), std::chrono::hours(6)));
  EXPECT_EQ(ben.endpoint->counters().prekey_sets, 0u);
  world.connect(ben);
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(ben.endpoint->counters().prekey_sets, 1u);
  EXPECT_GT(offer_of(ben).until, world.clock.now());
}

TEST_F(UpkeepTest, ADirectoryThatWasRestoredWithoutPrekeysIsGivenSomeAtOnce) {
  world.connect(ben);  // who has just registered
  ASSERT_TRUE(world.settle());
  world.cut(ben);
  offer_of(ben) = {};
  world.connect(ben);
  ASSERT_TRUE(world.settle());
  EXPECT_GT(offer_of(ben).until, world.clock.now());
  EXPECT_EQ(offer_of(ben).one_time.size(), session::kDefaultOneTimePrekeys);
  // One that says so again and again does not fill the store.
  for (int i = 0; i < 20; ++i) {
    world.cut(ben);
    offer_of(ben) = {};
    world.connect(ben);
    ASSERT_TRUE(world.pass(std::chrono::minutes(2)));
  }
  EXPECT_EQ(ben.store.rows(Table::prekey_set), 4u);
  world.cut(ben);
  world.clock.advance(std::chrono::days(1));
  world.connect(ben);
  ASSERT_TRUE(world.settle());
  EXPECT_GT(offer_of(ben).until, world.clock.now()) << "another day";
}

TEST_F(UpkeepTest, AFewOneTimePrekeysLeftBringNewOnes) {
  world.connect(ben);
  ASSERT_TRUE(world.pass(std::chrono::hours(7)));
  while (offer_of(ben).one_time.size() > 10) offer_of(ben).one_time.pop_front();
  ben.endpoint->on_prekeys_low(10);
  world.round(ben);
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(offer_of(ben).one_time.size(), session::kDefaultOneTimePrekeys);
  // Who drains them again at once waits.
  offer_of(ben).one_time.clear();
  for (int i = 0; i < 100; ++i) ben.endpoint->on_prekeys_low(0);
  world.round(ben);
  ASSERT_TRUE(world.settle());
  EXPECT_TRUE(offer_of(ben).one_time.empty());
  // Without one-time prekeys sessions are opened all the same.
  world.connect(anna);
  world.send(anna, ben, "hello");
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(ben.texts(), Texts{"hello"});
}

TEST_F(UpkeepTest, AUsedOneTimePrekeyIsGone) {
  world.connect(anna);
  world.connect(ben);
  const std::size_t before = ben.store.rows(Table::one_time);
  world.send(anna, ben, "hello");
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(ben.store.rows(Table::one_time), before - 1);
}

TEST_F(UpkeepTest, AnUploadThatFailsIsRepeatedWithTheSameSet) {
  world.connect(ben);
  ASSERT_TRUE(world.pass(std::chrono::days(5), std::chrono::hours(3)));
  world.directory_out = true;
  ASSERT_TRUE(world.pass(std::chrono::days(2), std::chrono::hours(3)));
  EXPECT_EQ(ben.endpoint->counters().prekey_sets, 1u);
  world.crash(ben);
  world.directory_out = false;
  world.connect(ben);
  ASSERT_TRUE(world.pass(std::chrono::hours(5)));
  EXPECT_EQ(ben.endpoint->counters().prekey_sets, 0u);  // of this run: it was the one made before
  EXPECT_GT(offer_of(ben).until, world.clock.now() + std::chrono::days(4));
}

TEST_F(UpkeepTest, APeerWhosePrekeysRanOutIsWrittenToWhenItComesBack) {
  world.clock.advance(std::chrono::days(10));
  world.connect(anna);
  const MessageId id = world.send(anna, ben, "long time no see");
  ASSERT_TRUE(world.pass(std::chrono::days(1), std::chrono::minutes(10)));
  EXPECT_EQ(anna.state_of(id), MessageState::queued);
  EXPECT_EQ(anna.reason_of(id), Reason::no_prekeys);
  EXPECT_LT(world.lookups[ben.address.account], 30u);
  world.connect(ben);
  ASSERT_TRUE(world.pass(std::chrono::hours(6)));
  EXPECT_EQ(ben.texts(), Texts{"long time no see"});
}

TEST_F(UpkeepTest, AnUnansweredSessionIsReplacedAfterAWeek) {
  world.connect(anna);
  world.send(anna, ben, "one");
  ASSERT_TRUE(world.settle());
  world.connect(ben);
  ben.endpoint->set_receipts(false);
  ASSERT_TRUE(world.pass(std::chrono::days(8), std::chrono::hours(6)));
  world.send(anna, ben, "two");
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(anna.endpoint->counters().sessions_opened, 2u);
  EXPECT_EQ(ben.texts(), (Texts{"one", "two"}));
}

TEST_F(UpkeepTest, WhatAnUnansweredSessionSentOpensAfterThirtyDaysAtTheRelay) {
  const Time offered = offer_of(ben).until - session::kPrekeyOffered;
  const auto day = [&](int number) {
    world.clock.advance(offered + std::chrono::days(number) - std::chrono::hours(1) - world.clock.now());
  };
  day(7);
  world.connect(anna);
  world.send(anna, ben, "one");
  ASSERT_TRUE(world.settle());
  day(10);
  const MessageId last = world.send(anna, ben, "two");
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(anna.state_of(last), MessageState::sent);
  EXPECT_EQ(anna.endpoint->counters().sessions_opened, 1u);
  day(11);
  const MessageId later = world.send(anna, ben, "three");
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(anna.reason_of(later), Reason::no_prekeys) << "sent now, it could not be opened at the end of its 30 days";
  world.cut(anna);
  day(40);
  world.connect(ben);
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(ben.texts(), (Texts{"one", "two"}));
  EXPECT_EQ(ben.endpoint->counters().undecryptable, 0u);
}

TEST_F(UpkeepTest, ADirectoryThatOffersAnotherSetGetsOurs) {
  world.connect(ben);
  ASSERT_TRUE(world.pass(std::chrono::hours(1)));
  const auto old = ben.store.backup();
  ASSERT_TRUE(world.pass(std::chrono::days(7), std::chrono::hours(6)));
  world.restore(ben, old);
  world.connect(ben);
  ASSERT_TRUE(world.settle());
  world.connect(anna);
  world.send(anna, ben, "hello");
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(ben.texts(), Texts{"hello"});
}

TEST_F(UpkeepTest, SetNumbersRiseEvenIfStateWasSetBack) {
  const auto id_of = [&](const Device& device) {
    return credentials::parse_prekey_set(offer_of(device).signed_set)->id;
  };
  world.connect(ben);
  const auto old = ben.store.backup();
  ASSERT_TRUE(world.pass(std::chrono::days(7), std::chrono::hours(6)));
  const auto first = id_of(ben);
  world.restore(ben, old);
  world.clock.advance(std::chrono::hours(1));
  world.connect(ben);
  ASSERT_TRUE(world.settle());
  EXPECT_GT(id_of(ben), first);
}

TEST_F(UpkeepTest, KeysForLateMessagesGoFromSilentSessionsToo) {
  world.connect(anna);
  for (const char* const text : {"late", "in time"}) {
    world.send(anna, ben, text);
    ASSERT_TRUE(world.settle());
  }
  auto& mailbox = world.mailboxes[ben.mailbox];
  const World::Envelope late = mailbox.waiting.front();
  mailbox.waiting.pop_front();
  world.cut(anna);  // who could give it again
  world.connect(ben);
  ASSERT_TRUE(world.settle());
  ASSERT_EQ(ben.texts(), Texts{"in time"});
  const auto undecryptable_after = [&](std::chrono::days days, bool reload) {
    const auto contents = ben.store.backup();
    if (reload) {
      world.crash(ben);
      world.connect(ben);
    }
    EXPECT_TRUE(world.pass(days, std::chrono::hours(6)));
    world.cut(ben);
    mailbox.waiting = {late};
    world.connect(ben);
    EXPECT_TRUE(world.settle());
    const auto undecryptable = ben.endpoint->counters().undecryptable;
    world.clock.jump(-days);
    world.restore(ben, contents);
    world.connect(ben);
    return undecryptable;
  };
  EXPECT_EQ(undecryptable_after(session::kSkippedKeyLife, true), 0u);
  for (const bool reload : {false, true})
    EXPECT_EQ(undecryptable_after(session::kSkippedKeyLife + std::chrono::days(2), reload), 1u);
}

TEST_F(UpkeepTest, ClockJumpsDoNotHarm) {
  world.connect(anna);
  world.connect(ben);
  world.send(anna, ben, "one");
  ASSERT_TRUE(world.settle());
  // While a back-off runs.
  world.on_submit = [](const Device&, const EnvelopeId&) { return std::optional(wire::SubmitStatus::full); };
  world.send(anna, ben, "two");
  ASSERT_TRUE(world.settle());
  world.clock.jump(-std::chrono::days(400));
  world.on_submit = nullptr;
  ASSERT_TRUE(world.pass(std::chrono::hours(2)));
  world.clock.jump(std::chrono::days(400));
  world.send(ben, anna, "three");
  ASSERT_TRUE(world.pass(std::chrono::hours(2)));
  EXPECT_EQ(ben.texts(), (Texts{"one", "two"}));
  EXPECT_EQ(anna.texts(), Texts{"three"});
  for (const auto& message : ben.store.history().incoming) EXPECT_FALSE(message.late);
}

TEST(RecordsTest, RowsComeBackAsTheyWereAndNothingElseDoes) {
  using namespace internal;
  SeededRandom random(1);
  MessageRecord record;
  record.sequence = 7;
  record.id = random.id<MessageId>();
  record.peer = random.id<AccountId>();
  record.kind = ContentKind::receipt;
  record.sent_at = record.queued_at = testing::kStart;
  record.list_number = ListNumber{3};
  record.body = Bytes(17);
  for (int i = 0; i < 3; ++i) {
    Delivery& delivery = record.deliveries.emplace_back();
    delivery.device = DeviceNumber{static_cast<std::uint32_t>(i)};
    delivery.state = DeliveryState::committed;
    delivery.resends = 1;
    delivery.envelopes.assign(static_cast<std::size_t>(i), random.id<EnvelopeId>());
  }
  const SecretBytes row = encode(record);
  MessageRecord back;
  ASSERT_TRUE(decode(row, back));
  EXPECT_TRUE(equal(encode(back), row));
  for (std::size_t cut = 0; cut < row.size(); ++cut) {
    MessageRecord out;
    EXPECT_FALSE(decode(ByteView(row).first(cut), out)) << cut;
  }
  SecretBytes longer = row;
  longer.push_back(std::byte{0});
  EXPECT_FALSE(decode(longer, back));
  // A count beyond what is there allocates nothing.
  for (std::size_t i = 0; i < row.size(); ++i) {
    SecretBytes bad = row;
    bad[i] = std::byte{0xff};
    MessageRecord out;
    static_cast<void>(decode(bad, out));
    EXPECT_LE(out.deliveries.size(), row.size());
  }
}

}  // namespace
}  // namespace opaline::endpoint
