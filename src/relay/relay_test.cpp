// One rule of relay.hpp at a time: delivery, order, answers.
#include "relay/relay.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "relay/test_support/machine.hpp"

namespace opaline::relay::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using wire::SubmitStatus;
using namespace std::chrono_literals;
using Ids = std::vector<EnvelopeId>;

class RelayTest : public ::testing::Test {
 protected:
  Machine m;
  MailboxId box = m.random.id<MailboxId>();
};

TEST_F(RelayTest, OnlineIsPushedAndAnsweredByTheAcknowledgementAlone) {
  m.read(101, box);
  m.settle();
  const auto id = m.submit(1, box);
  m.settle();
  EXPECT_EQ(m.pushed_ids(), Ids{id});
  EXPECT_EQ(m.status(1, 1), std::nullopt);
  EXPECT_TRUE(m.ack(101, 1));
  EXPECT_EQ(m.status(1, 1), SubmitStatus::accepted);
  m.settle();
  EXPECT_EQ(m.disk.copy().mailboxes.size(), 0u);
  EXPECT_EQ(m.relay->counters().accepted_online, 1u);
  EXPECT_EQ(m.relay->counters().envelopes_in_ram, 0u);
}

TEST_F(RelayTest, OfflineIsAnsweredOnceItIsDurable) {
  const auto id = m.submit(1, box);
  m.relay->flush();
  EXPECT_EQ(m.status(1, 1), std::nullopt);
  m.settle();
  EXPECT_EQ(m.status(1, 1), SubmitStatus::accepted);
  m.crash();
  EXPECT_EQ(m.on_disk(box), Ids{id});
}

TEST_F(RelayTest, OnlyWhatIsOverdueIsStored) {
  m.read(101, box);
  m.settle();
  const auto first = m.submit(1, box);
  m.pass(6s);
  m.submit(1, box);
  m.pass(4s);
  m.settle();
  EXPECT_EQ(m.on_disk(box), Ids{first});
  EXPECT_EQ(m.status(1, 1), SubmitStatus::accepted);
  EXPECT_EQ(m.status(1, 2), std::nullopt);
  EXPECT_TRUE(m.ack(101, 2));  // the second in time: it never touches the disk
  EXPECT_EQ(m.status(1, 2), SubmitStatus::accepted);
  m.settle();
  EXPECT_THAT(m.on_disk(box), IsEmpty());
  EXPECT_EQ(m.relay->counters().accepted_stored, 1u);
  EXPECT_EQ(m.relay->counters().deadline_spills, 1u);
  EXPECT_EQ(m.outputs.pushes.size(), 2u);
}

TEST_F(RelayTest, AnOverdueReaderWithoutCreditIsNotWaitedFor) {
  m.read(101, box, 1);
  m.settle();
  m.submit(1, box);
  m.pass(10s);
  m.settle();
  m.submit(1, box);
  m.settle();
  EXPECT_EQ(m.status(1, 2), SubmitStatus::accepted);
  EXPECT_EQ(m.on_disk(box).size(), 2u);
  EXPECT_EQ(m.outputs.pushes.size(), 1u);
  EXPECT_TRUE(m.ack(101, 1));
  m.relay->add_credit(ConnectionId(101), 9, 0);
  m.settle();
  EXPECT_EQ(m.outputs.pushes.size(), 2u);
}

TEST_F(RelayTest, WhatAnOverdueReaderStillHasTimeForIsNotStoredWithTheRest) {
  m.read(101, box, 2);
  m.settle();
  const auto first = m.submit(1, box);
  m.pass(9s);
  m.submit(1, box);
  m.pass(1s);
  m.settle();
  m.submit(1, box);  // no credit for it, but the second may still be acknowledged in time
  m.settle();
  EXPECT_EQ(m.on_disk(box), Ids{first});
  EXPECT_TRUE(m.ack(101, 2));
  EXPECT_EQ(m.status(1, 2), SubmitStatus::accepted);
  m.settle();
  EXPECT_EQ(m.status(1, 3), SubmitStatus::accepted);
  EXPECT_EQ(m.relay->counters().accepted_online, 1u);
}

TEST_F(RelayTest, AnOverdueReaderWithCreditStillHasTheDeadlineForEachEnvelope) {
  m.read(101, box);
  m.settle();
  m.submit(1, box);
  m.pass(10s);
  m.settle();
  m.submit(1, box);
  m.settle();
  EXPECT_EQ(m.status(1, 2), std::nullopt);
  EXPECT_EQ(m.outputs.pushes.size(), 2u);
  EXPECT_EQ(m.on_disk(box).size(), 1u);
  EXPECT_TRUE(m.ack(101, 2));
  EXPECT_EQ(m.status(1, 2), SubmitStatus::accepted);
  m.settle();
  EXPECT_THAT(m.on_disk(box), IsEmpty());
}

TEST_F(RelayTest, WhatADisconnectedReaderDidNotAcknowledgeIsStoredInOrder) {
  m.read(101, box);
  m.settle();
  m.submit(1, box);
  const auto second = m.submit(2, box);
  const auto third = m.submit(1, box);
  EXPECT_TRUE(m.ack(101, 1));
  m.relay->detach(ConnectionId(101));
  EXPECT_EQ(m.status(2, 1), std::nullopt);
  m.settle();
  EXPECT_EQ(m.on_disk(box), (Ids{second, third}));
  EXPECT_EQ(m.status(2, 1), SubmitStatus::accepted);
  EXPECT_EQ(m.status(1, 2), SubmitStatus::accepted);
}

TEST_F(RelayTest, AReaderWithoutCreditCountsAsOffline) {
  m.read(101, box, 0);
  m.settle();
  const auto id = m.submit(1, box);
  m.settle();
  EXPECT_EQ(m.status(1, 1), SubmitStatus::accepted);
  EXPECT_EQ(m.on_disk(box), Ids{id});
  m.relay->add_credit(ConnectionId(101), 1, 99);  // not enough bytes
  m.settle();
  EXPECT_THAT(m.pushed_ids(), IsEmpty());
  m.relay->add_credit(ConnectionId(101), 0, 1);
  m.settle();
  EXPECT_EQ(m.pushed_ids(), Ids{id});
}

TEST_F(RelayTest, CreditThatIsUsedUpByWhatIsUnderWayIsWaitedFor) {
  m.read(101, box, 1);
  m.settle();
  const auto first = m.submit(1, box);
  const auto second = m.submit(1, box);
  m.settle();
  EXPECT_EQ(m.pushed_ids(), Ids{first});
  EXPECT_TRUE(m.ack(101, 1));
  m.relay->add_credit(ConnectionId(101), 1, 0);
  m.settle();
  EXPECT_EQ(m.pushed_ids(), (Ids{first, second}));
  EXPECT_TRUE(m.ack(101, 2));
  EXPECT_THAT(m.on_disk(box), IsEmpty());
  EXPECT_EQ(m.relay->counters().accepted_online, 2u);
}

TEST_F(RelayTest, CreditThatStaysAwayAfterTheAcknowledgementMeansOffline) {
  m.read(101, box, 1);
  m.settle();
  m.submit(1, box);
  const auto second = m.submit(1, box);
  m.settle();
  EXPECT_TRUE(m.ack(101, 1));
  m.settle();
  EXPECT_EQ(m.on_disk(box), Ids{second});
  EXPECT_EQ(m.status(1, 2), SubmitStatus::accepted);
}

TEST_F(RelayTest, AcknowledgedWhileItIsBeingStoredIsRemovedFromTheStore) {
  m.read(101, box);
  m.settle();
  m.submit(1, box);
  m.pass(10s);  // the append is at the store
  EXPECT_TRUE(m.ack(101, 1));
  EXPECT_EQ(m.status(1, 1), SubmitStatus::accepted);
  m.settle();
  EXPECT_THAT(m.on_disk(box), IsEmpty());
  EXPECT_EQ(m.relay->counters().accepted_stored, 0u);
}

TEST_F(RelayTest, DrainsInOrderAndRemovesExactlyWhatIsAcknowledged) {
  Ids ids;
  for (int i = 0; i < 5; ++i) ids.push_back(m.submit(1, box));
  m.settle();
  m.read(101, box, 3);
  m.settle();
  EXPECT_EQ(m.pushed_ids(), Ids(ids.begin(), ids.begin() + 3));
  EXPECT_EQ(m.outputs.drains[ConnectionId(101)], 0);
  EXPECT_TRUE(m.ack(101, 2));
  m.settle();
  EXPECT_EQ(m.on_disk(box), Ids(ids.begin() + 2, ids.end()));
  m.relay->detach(ConnectionId(101));
  m.settle();
  m.read(102, box);
  m.settle();
  EXPECT_EQ(m.pushed_ids(), (Ids{ids[0], ids[1], ids[2], ids[2], ids[3], ids[4]}));
  EXPECT_TRUE(m.ack(102, 3));
  EXPECT_EQ(m.outputs.drains[ConnectionId(102)], 1);
  m.settle();
  EXPECT_THAT(m.on_disk(box), IsEmpty());
}

TEST_F(RelayTest, AnEmptyMailboxIsDrainedAtOnce) {
  m.read(101, box, 0);
  m.settle();
  EXPECT_EQ(m.outputs.drains[ConnectionId(101)], 1);
}

TEST_F(RelayTest, DrainedWaitsForWhatWasStillBeingStored) {
  m.read(101, box);
  m.settle();
  m.submit(1, box);
  m.relay->detach(ConnectionId(101));
  m.read(102, box);
  EXPECT_EQ(m.outputs.drains[ConnectionId(102)], 0);
  m.settle();
  EXPECT_EQ(m.outputs.drains[ConnectionId(102)], 0);
  EXPECT_TRUE(m.ack(102, 1));
  EXPECT_EQ(m.outputs.drains[ConnectionId(102)], 1);
}

TEST_F(RelayTest, NewEnvelopesGoBehindWhatIsStoredAndStayInRam) {
  const auto stored = m.submit(1, box);
  m.settle();
  m.read(101, box);
  const auto fresh = m.submit(2, box);  // before the backlog was even read
  m.settle();
  EXPECT_EQ(m.pushed_ids(), (Ids{stored, fresh}));
  EXPECT_EQ(m.on_disk(box), Ids{stored});
  EXPECT_TRUE(m.ack(101, 2));
  m.settle();
  EXPECT_THAT(m.on_disk(box), IsEmpty());
}

TEST_F(RelayTest, OneAcknowledgementCoversSeveralSubscriptions) {
  const auto other = m.random.id<MailboxId>();
  m.read(101, box);
  m.read(101, other, 0, 1);
  m.settle();
  m.submit(1, box);
  m.submit(1, other);
  m.submit(1, other);
  m.submit(1, box);
  ASSERT_EQ(m.outputs.pushes.size(), 4u);
  EXPECT_EQ(m.outputs.pushes[1].subscription, 1);
  EXPECT_TRUE(m.ack(101, 3));
  EXPECT_EQ(m.status(1, 3), SubmitStatus::accepted);
  EXPECT_EQ(m.status(1, 4), std::nullopt);
  m.relay->detach(ConnectionId(101));
  m.settle();
  EXPECT_EQ(m.on_disk(box).size(), 1u);
  EXPECT_THAT(m.on_disk(other), IsEmpty());
}

TEST_F(RelayTest, AcknowledgementsOfWhatWasNeverPushedChangeNothing) {
  m.read(101, box);
  m.settle();
  m.submit(1, box);
  m.submit(1, box);
  EXPECT_FALSE(m.ack(101, 3));
  EXPECT_FALSE(m.ack(101, UINT32_MAX));
  EXPECT_FALSE(m.ack(102, 1));  // no reader
  EXPECT_EQ(m.status(1, 1), std::nullopt);
  EXPECT_TRUE(m.ack(101, 2));
  EXPECT_TRUE(m.ack(101, 2));   // nothing new
  EXPECT_FALSE(m.ack(101, 1));  // back
}

TEST_F(RelayTest, RepetitionsOfWhatIsInFlightAreAnsweredWithTheFirst) {
  m.read(101, box);
  m.settle();
  const auto id = m.submit(1, box);
  m.accounts[2] = m.account_of(1);  // the same account on another connection
  m.submit_as(2, box, id);
  m.submit_as(2, box, id);
  EXPECT_EQ(m.outputs.pushes.size(), 1u);
  EXPECT_TRUE(m.ack(101, 1));
  EXPECT_EQ(m.status(1, 1), SubmitStatus::accepted);
  EXPECT_EQ(m.status(2, 1), SubmitStatus::accepted);
  EXPECT_EQ(m.status(2, 2), SubmitStatus::accepted);
}

TEST_F(RelayTest, AnotherAccountsEnvelopeWithTheSameIdIsAnotherEnvelope) {
  m.read(101, box);
  m.settle();
  const auto id = m.submit(1, box);
  m.submit_as(2, box, id);
  EXPECT_EQ(m.outputs.pushes.size(), 2u);
}

TEST_F(RelayTest, EphemeralIsPushedOrDroppedAndAlwaysAccepted) {
  const auto typing = [this] {
    const auto id = m.random.id<EnvelopeId>();
    m.submit_as(1, box, id, 50, wire::EnvelopeClass::ephemeral);
    return id;
  };
  typing();  // nobody there
  m.settle();
  EXPECT_EQ(m.status(1, 1), SubmitStatus::accepted);
  EXPECT_EQ(m.relay->counters().mailboxes_in_ram, 0u);
  m.read(101, box, 2);
  m.settle();
  const auto seen = typing();
  EXPECT_EQ(m.status(1, 2), SubmitStatus::accepted);
  EXPECT_EQ(m.pushed_ids(), Ids{seen});
  m.submit(2, box);
  typing();  // no credit left
  EXPECT_EQ(m.status(1, 3), SubmitStatus::accepted);
  EXPECT_EQ(m.outputs.pushes.size(), 2u);
  m.relay->detach(ConnectionId(101));  // acknowledged nothing
  m.settle();
  EXPECT_EQ(m.on_disk(box).size(), 1u);  // the normal one alone
}

TEST_F(RelayTest, AGoneMailboxAnswersGoneAndHoldsNothing) {
  m.submit(1, box);
  m.settle();
  m.submit(2, box);
  m.relay->flush();  // being stored
  m.relay->destroy(box);
  EXPECT_EQ(m.status(2, 1), SubmitStatus::gone);
  m.submit(3, box);
  EXPECT_EQ(m.status(3, 1), SubmitStatus::gone);
  m.settle();
  EXPECT_THAT(m.on_disk(box), IsEmpty());
  m.read(101, box);
  m.settle();
  EXPECT_THAT(m.pushed_ids(), IsEmpty());
}

TEST_F(RelayTest, DestroyingTakesFromAReaderWhatItHasNotAcknowledged) {
  m.submit(1, box);
  m.settle();
  m.read(101, box);
  m.settle();
  m.submit(1, box);
  ASSERT_EQ(m.outputs.pushes.size(), 2u);
  m.relay->destroy(box);
  EXPECT_EQ(m.status(1, 2), SubmitStatus::gone);
  EXPECT_TRUE(m.ack(101, 2));
  m.settle();
  EXPECT_THAT(m.on_disk(box), IsEmpty());
  EXPECT_EQ(m.relay->counters().envelopes_in_ram, 0u);
}

TEST_F(RelayTest, AnotherReaderOfTheMailboxTakesItOver) {
  m.read(101, box);
  m.settle();
  const auto id = m.submit(1, box);
  m.read(102, box);
  m.settle();
  EXPECT_EQ(m.pushed_ids(), (Ids{id, id}));
  EXPECT_FALSE(m.ack(101, 1));
  EXPECT_TRUE(m.ack(102, 1));
}

TEST_F(RelayTest, PushesAreBoundedWhateverTheCredit) {
  Limits limits;
  limits.unacknowledged_envelopes = 2;
  Machine few(limits);
  few.read(101, box);
  few.settle();
  for (int i = 0; i < 5; ++i) few.submit(1, box);
  few.settle();
  EXPECT_EQ(few.outputs.pushes.size(), 2u);
  EXPECT_TRUE(few.ack(101, 1));
  few.settle();
  EXPECT_EQ(few.outputs.pushes.size(), 3u);
  EXPECT_THAT(few.on_disk(box), IsEmpty());
}

TEST_F(RelayTest, ShuttingDownStoresEverythingAndTakesNothingNew) {
  m.read(101, box);
  m.settle();
  const auto id = m.submit(1, box);
  bool done = false;
  m.relay->shut_down([&done] { done = true; });
  m.submit(2, box);
  EXPECT_EQ(m.status(2, 1), SubmitStatus::retry);
  EXPECT_FALSE(done);
  m.settle();
  EXPECT_TRUE(done);
  EXPECT_EQ(m.status(1, 1), SubmitStatus::accepted);
  EXPECT_EQ(m.on_disk(box), Ids{id});
}

TEST_F(RelayTest, ShuttingDownWithNothingToDoIsDoneAtOnce) {
  bool done = false;
  m.relay->shut_down([&done] { done = true; });
  EXPECT_TRUE(done);
}

TEST_F(RelayTest, CompletionsAfterTheEndDoNothing) {
  m.submit(1, box);
  m.relay->flush();
  m.relay.reset();
  m.store->run();
  EXPECT_EQ(m.status(1, 1), std::nullopt);
}

}  // namespace
}  // namespace opaline::relay::testing
