// One rule of relay.hpp at a time: limits, faults of the store, time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "relay/relay.hpp"
#include "relay/test_support/machine.hpp"

namespace opaline::relay::testing {
namespace {

using ::testing::IsEmpty;
using wire::SubmitStatus;
using namespace std::chrono_literals;
using Ids = std::vector<EnvelopeId>;

Limits small() {
  Limits out;
  out.mailbox_envelopes = 8;
  out.mailbox_bytes = 4000;
  out.sender_share = 4;
  return out;
}

class RelayLimitsTest : public ::testing::Test {
 protected:
  Machine m{small()};
  MailboxId box = m.random.id<MailboxId>();
};

TEST_F(RelayLimitsTest, OneSenderFillsItsShareByNumber) {
  for (int i = 0; i < 3; ++i) m.submit(1, box);
  m.settle();
  EXPECT_EQ(m.status(1, 2), SubmitStatus::accepted);
  EXPECT_EQ(m.status(1, 3), SubmitStatus::full);
  m.submit(2, box);
  m.settle();
  EXPECT_EQ(m.status(2, 1), SubmitStatus::accepted);
}

TEST_F(RelayLimitsTest, OneSenderFillsItsShareByBytes) {
  m.submit(1, box, 1000);
  m.submit(1, box, 1);
  m.settle();
  EXPECT_EQ(m.status(1, 1), SubmitStatus::accepted);
  EXPECT_EQ(m.status(1, 2), SubmitStatus::full);
}

TEST_F(RelayLimitsTest, TheShareCountsTheAccountNotTheConnection) {
  m.accounts[2] = m.account_of(1);
  m.submit(1, box);
  m.submit(1, box);
  m.submit(2, box);
  m.settle();
  EXPECT_EQ(m.status(2, 1), SubmitStatus::full);
}

TEST_F(RelayLimitsTest, TheMailboxItselfIsFull) {
  for (std::uint64_t sender = 1; sender <= 5; ++sender) {
    m.submit(sender, box);
    m.submit(sender, box);
  }
  m.settle();
  EXPECT_EQ(m.status(4, 2), SubmitStatus::accepted);
  EXPECT_EQ(m.status(5, 1), SubmitStatus::full);
  EXPECT_EQ(m.status(5, 2), SubmitStatus::held_back);
  EXPECT_EQ(m.on_disk(box).size(), 8u);
}

TEST_F(RelayLimitsTest, AfterFullEverythingIsHeldBackUntilClear) {
  m.read(101, box);
  m.settle();
  const auto first = m.submit(1, box);
  m.submit(1, box);
  m.submit(1, box);  // over the share
  EXPECT_EQ(m.status(1, 3), SubmitStatus::full);
  EXPECT_TRUE(m.ack(101, 2));  // there is room again
  m.submit(1, box);
  EXPECT_EQ(m.status(1, 4), SubmitStatus::held_back);
  m.submit_as(1, box, m.random.id<EnvelopeId>(), 10, wire::EnvelopeClass::ephemeral);
  EXPECT_EQ(m.status(1, 5), SubmitStatus::held_back);
  const auto other = m.random.id<MailboxId>();
  m.submit(1, other);  // another mailbox is not concerned
  m.relay->clear(ConnectionId(1), box);
  const auto next = m.submit(1, box);
  ASSERT_EQ(m.outputs.pushes.size(), 3u);
  EXPECT_EQ(m.outputs.pushes[0].id, first);
  EXPECT_FALSE(m.outputs.pushes[0].gap);
  EXPECT_EQ(m.outputs.pushes[2].id, next);
  EXPECT_TRUE(m.outputs.pushes[2].gap);
  EXPECT_TRUE(m.ack(101, 3));
  m.submit(1, box);
  EXPECT_FALSE(m.outputs.pushes[3].gap);
}

TEST_F(RelayLimitsTest, TheGapMarkIsStoredAndSurvivesADisconnect) {
  for (int i = 0; i < 3; ++i) m.submit(1, box);
  m.settle();
  const auto marked = m.submit(2, box);
  m.settle();
  m.crash();
  m.read(101, box);
  m.settle();
  ASSERT_EQ(m.outputs.pushes.size(), 3u);
  EXPECT_FALSE(m.outputs.pushes[1].gap);
  EXPECT_EQ(m.outputs.pushes[2].id, marked);
  EXPECT_TRUE(m.outputs.pushes[2].gap);
}

TEST_F(RelayLimitsTest, AnEnvelopeThatWasThereBeforeTheRefusalHasNoGapMark) {
  for (int i = 0; i < 3; ++i) m.submit(1, box);  // all while the mailbox is being loaded
  m.settle();
  m.read(101, box);
  m.settle();
  m.submit(2, box);
  ASSERT_EQ(m.outputs.pushes.size(), 3u);
  EXPECT_FALSE(m.outputs.pushes[0].gap);
  EXPECT_TRUE(m.outputs.pushes[2].gap);
}

TEST_F(RelayLimitsTest, TheShareIsRememberedWhileTheMailboxIsNotLoaded) {
  m.submit(1, box);
  m.submit(1, box);
  m.submit(1, box);
  m.settle();
  m.pass(31s);
  EXPECT_EQ(m.relay->counters().mailboxes_in_ram, 0u);
  m.relay->clear(ConnectionId(1), box);
  m.submit(1, box);
  m.settle();
  EXPECT_EQ(m.status(1, 4), SubmitStatus::full);
  const auto next = m.submit(2, box);
  m.settle();
  m.read(101, box);
  m.settle();
  EXPECT_EQ(m.outputs.pushes.back().id, next);
  EXPECT_TRUE(m.outputs.pushes.back().gap);
  // Emptied, the mailbox owes nobody anything.
  EXPECT_TRUE(m.ack(101, 3));
  m.relay->clear(ConnectionId(1), box);
  m.submit(1, box);
  m.submit(1, box);
  EXPECT_EQ(m.outputs.pushes.size(), 5u);
}

TEST_F(RelayLimitsTest, AFullDiskRefusesAndHoldsBackWhatWasBehind) {
  m.disk.faults.full = true;
  m.submit(1, box);
  m.settle();
  EXPECT_EQ(m.status(1, 1), SubmitStatus::full);
  m.disk.faults.full = false;
  m.relay->clear(ConnectionId(1), box);
  const auto marked = m.submit(1, box);
  m.settle();
  m.read(101, box);
  m.settle();
  ASSERT_EQ(m.outputs.pushes.size(), 1u);
  EXPECT_EQ(m.outputs.pushes[0].id, marked);
  EXPECT_TRUE(m.outputs.pushes[0].gap);
}

TEST_F(RelayLimitsTest, WhatFollowedARefusedAppendIsHeldBackWithIt) {
  m.submit(9, box);
  m.settle();
  m.disk.faults.full = true;
  m.submit(1, box);
  m.relay->flush();
  m.submit(1, box);  // waits behind the append
  m.submit(2, box);
  m.relay->flush();
  while (!m.status(1, 1)) ASSERT_TRUE(m.store->step());
  EXPECT_EQ(m.status(1, 1), SubmitStatus::full);
  EXPECT_EQ(m.status(1, 2), SubmitStatus::held_back);
  EXPECT_EQ(m.status(2, 1), std::nullopt);  // somebody else's
}

TEST_F(RelayLimitsTest, UnknownIsRepeatedWithTheSamePlaceAndId) {
  m.submit(9, box);
  m.settle();
  m.disk.faults.unknown_stored = 1000;
  const auto id = m.submit(1, box);
  m.settle();
  EXPECT_EQ(m.status(1, 1), std::nullopt);
  m.disk.faults.unknown_stored = 0;
  m.pass(50ms);
  m.settle();
  EXPECT_EQ(m.status(1, 1), SubmitStatus::accepted);
  EXPECT_EQ(m.on_disk(box).size(), 2u);
  EXPECT_EQ(m.on_disk(box)[1], id);
  EXPECT_EQ(m.relay->counters().store_unknown, 1u);
}

TEST_F(RelayLimitsTest, WhatIsStillToBeRepeatedIsNotServedFromTheStore) {
  const auto stored = m.submit(9, box);
  m.settle();
  m.disk.faults.unknown_stored = 1000;
  const Ids unsure{m.submit(1, box), m.submit(2, box)};  // there, but the node does not know it
  m.settle();
  m.disk.faults.unknown_stored = 0;
  m.read(101, box);
  m.settle();
  EXPECT_EQ(m.pushed_ids(), Ids{stored});
  EXPECT_TRUE(m.ack(101, static_cast<std::uint32_t>(m.outputs.pushes.size())));
  m.settle();
  m.pass(50ms);
  m.settle();
  EXPECT_EQ(m.pushed_ids(), (Ids{stored, unsure[0], unsure[1]}));
  EXPECT_EQ(m.status(1, 1), SubmitStatus::accepted);
  EXPECT_TRUE(m.ack(101, 3));
  m.settle();
  EXPECT_THAT(m.on_disk(box), IsEmpty()) << "repeated after its removal";
}

TEST_F(RelayLimitsTest, UnknownForTooLongIsAnsweredRetry) {
  m.submit(9, box);
  m.settle();
  m.disk.faults.unknown_lost = 1000;
  const auto id = m.submit(1, box);
  m.settle();
  m.submit(1, box);
  for (int i = 0; i < 10; ++i) {
    m.pass(4s);
    m.settle();
  }
  EXPECT_EQ(m.status(1, 1), SubmitStatus::retry);
  EXPECT_EQ(m.status(1, 2), SubmitStatus::held_back);
  m.disk.faults = {};
  m.relay->clear(ConnectionId(1), box);
  m.submit_as(1, box, id);
  m.settle();
  EXPECT_EQ(m.status(1, 3), SubmitStatus::accepted);
}

TEST_F(RelayLimitsTest, AnUnreadableMailboxIsAnsweredRetryAndReadLater) {
  m.submit(1, box);
  m.settle();
  m.crash();
  m.disk.faults.read_failed = 1000;
  m.submit(2, box);
  m.read(101, box);
  for (int i = 0; i < 10; ++i) {
    m.settle();
    m.pass(4s);
  }
  EXPECT_EQ(m.status(2, 1), SubmitStatus::retry);
  EXPECT_THAT(m.pushed_ids(), IsEmpty());
  m.disk.faults = {};
  m.pass(4s);
  m.settle();
  EXPECT_EQ(m.outputs.pushes.size(), 1u);
}

TEST_F(RelayLimitsTest, AFormerOwnerAcceptsNothing) {
  m.submit(1, box);
  m.settle();
  ASSERT_TRUE(m.store->acquire_all().has_value());
  m.submit(2, box);
  m.settle();
  EXPECT_EQ(m.status(2, 1), SubmitStatus::retry);
  m.submit(3, box);
  m.settle();
  EXPECT_EQ(m.status(3, 1), SubmitStatus::retry);
  EXPECT_EQ(m.on_disk(box).size(), 1u);
}

TEST_F(RelayLimitsTest, RamIsBounded) {
  Limits limits;
  limits.max_ram_bytes = 40'000;
  Machine tight(limits);
  tight.read(101, box);
  tight.settle();
  for (int i = 0; i < 60; ++i) tight.submit(static_cast<std::uint64_t>(i % 9) + 1, box, 800);
  EXPECT_LE(tight.relay->counters().ram_bytes, limits.max_ram_bytes + 2000);
  EXPECT_GT(tight.relay->counters().retry, 0u);
  // Over three quarters: what is there goes to the store although the reader is there.
  tight.settle();
  EXPECT_EQ(tight.relay->counters().envelopes_in_ram, 0u);
  EXPECT_GT(tight.on_disk(box).size(), 20u);
}

TEST_F(RelayLimitsTest, NothingIsServedAfterTheRetention) {
  const auto old = m.submit(1, box);
  m.settle();
  m.pass(std::chrono::days(29));
  m.settle();
  m.read(101, box);
  m.settle();
  EXPECT_EQ(m.pushed_ids(), Ids{old});
  m.relay->detach(ConnectionId(101));
  m.pass(std::chrono::days(1));
  const auto fresh = m.submit(2, box);
  m.settle();
  m.outputs.pushes.clear();
  m.read(102, box);
  m.settle();
  ASSERT_EQ(m.pushed_ids(), Ids{fresh});
  EXPECT_TRUE(m.outputs.pushes[0].gap);
  EXPECT_EQ(m.relay->counters().expired, 1u);
}

TEST_F(RelayLimitsTest, WhatHasExpiredIsNotServedByANewProcessEither) {
  m.submit(1, box);
  m.settle();
  m.clock.advance(std::chrono::days(30));
  m.crash();
  m.read(101, box);
  m.settle();
  EXPECT_THAT(m.pushed_ids(), IsEmpty());
  EXPECT_EQ(m.outputs.drains[ConnectionId(101)], 1);
  m.submit(2, box);
  EXPECT_TRUE(m.outputs.pushes.at(0).gap);
}

TEST_F(RelayLimitsTest, ExpiredEnvelopesFreeTheirRoom) {
  for (std::uint64_t sender = 1; sender <= 4; ++sender) {
    m.submit(sender, box);
    m.submit(sender, box);
  }
  m.settle();
  m.submit(5, box);
  EXPECT_EQ(m.status(5, 1), SubmitStatus::full);
  m.clock.advance(std::chrono::days(30));
  m.submit(6, box);
  m.settle();
  EXPECT_EQ(m.status(6, 1), SubmitStatus::accepted);
}

TEST_F(RelayLimitsTest, AnUntrustedClockExpiresNothing) {
  const auto id = m.submit(1, box);
  m.settle();
  m.relay->trust_clock(false);
  m.clock.jump(std::chrono::days(400));
  m.read(101, box);
  m.settle();
  EXPECT_EQ(m.pushed_ids(), Ids{id});
}

TEST_F(RelayLimitsTest, AClockThatGoesBackLosesNothing) {
  const auto first = m.submit(1, box);
  m.settle();
  m.clock.jump(-std::chrono::days(3));
  const auto second = m.submit(2, box);
  m.settle();
  m.crash();
  m.read(101, box);
  m.settle();
  EXPECT_EQ(m.pushed_ids(), (Ids{first, second}));
  EXPECT_TRUE(m.ack(101, 2));
  m.settle();
  EXPECT_THAT(m.on_disk(box), IsEmpty());
}

TEST_F(RelayLimitsTest, IdleMailboxesCostNoRam) {
  Limits limits;
  limits.idle_mailboxes = 10;
  Machine many(limits);
  for (int i = 0; i < 100; ++i) {
    many.submit(1, many.random.id<MailboxId>());
    many.settle();
  }
  many.relay->tick();
  EXPECT_LE(many.relay->counters().mailboxes_in_ram, 10u);
  EXPECT_EQ(many.relay->counters().accepted_stored, 100u);
}

TEST_F(RelayLimitsTest, PlacesAreNeverUsedAgain) {
  // Emptied and forgotten in between: a removal that is still under way must not meet a newer envelope.
  m.submit(1, box);
  m.settle();
  m.read(101, box);
  m.settle();
  EXPECT_TRUE(m.ack(101, 1));
  m.relay->detach(ConnectionId(101));
  m.settle();
  m.pass(31s);
  ASSERT_EQ(m.relay->counters().mailboxes_in_ram, 0u);
  m.submit(1, box);
  m.settle();
  EXPECT_EQ(m.disk.copy().mailboxes.at(box).begin()->first, store::Sequence(2));
}

TEST_F(RelayLimitsTest, NextDeadlineTellsWhenToTick) {
  EXPECT_EQ(m.relay->next_deadline(), std::nullopt);
  m.read(101, box);
  m.settle();
  const Instant begin = m.clock.monotonic();
  m.submit(1, box);
  EXPECT_EQ(m.relay->next_deadline(), begin + 10s);
  EXPECT_TRUE(m.ack(101, 1));
  EXPECT_EQ(m.relay->next_deadline(), std::nullopt);
}

}  // namespace
}  // namespace opaline::relay::testing
