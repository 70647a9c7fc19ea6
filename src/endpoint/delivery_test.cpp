// What the relay may answer, cuts, crashes and a store that fails: in order, once, and nothing lost.
#include <gtest/gtest.h>

#include "endpoint/testing/world.hpp"

namespace opaline::endpoint {
namespace {

using testing::Device;
using testing::World;
using wire::SubmitStatus;
using Texts = std::vector<std::string>;

class DeliveryTest : public ::testing::Test {
 protected:
  void SetUp() override {
    world.connect(anna);
    world.connect(ben);
  }
  Texts send_many(int count) {
    Texts sent;
    for (int i = 0; i < count; ++i) {
      sent.push_back("message " + std::to_string(i));
      world.send(anna, ben, sent.back());
    }
    return sent;
  }
  World world{2};
  Device& anna = world.add("anna");
  Device& ben = world.add("ben");
};

TEST_F(DeliveryTest, EveryStatusEndsInOrderAndOnce) {
  for (const SubmitStatus status :
       {SubmitStatus::full, SubmitStatus::refresh, SubmitStatus::refused, SubmitStatus::retry}) {
    World w(7);
    Device& a = w.add("a");
    Device& b = w.add("b");
    w.connect(a);
    w.connect(b);
    std::size_t submits = 0;
    w.on_submit = [&](const Device& from, const EnvelopeId&) -> std::optional<SubmitStatus> {
      if (&from == &a && ++submits % 7 == 3) return status;
      return std::nullopt;
    };
    Texts sent;
    for (int i = 0; i < 20; ++i) {
      sent.push_back(std::to_string(i));
      w.send(a, b, sent.back());
    }
    ASSERT_TRUE(w.pass(std::chrono::hours(6)));
    EXPECT_EQ(b.texts(), sent) << static_cast<int>(status);
    EXPECT_EQ(a.endpoint->waiting(), 0u);
    // What was encrypted was submitted again, not encrypted again.
    EXPECT_EQ(a.endpoint->counters().encrypted, 20u);
    EXPECT_GT(a.endpoint->counters().submitted, 20u);
  }
}

TEST_F(DeliveryTest, NothingOvertakesWhatTheRelayHeldBack) {
  // The relay's answers come one by one, and the person goes on writing in between.
  send_many(1);
  ASSERT_TRUE(world.settle());
  std::size_t submits = 0;
  world.on_submit = [&](const Device& from, const EnvelopeId&) -> std::optional<SubmitStatus> {
    return &from == &anna && ++submits == 2 ? std::optional(SubmitStatus::refresh) : std::nullopt;
  };
  Texts wanted{"message 0"};
  for (int i = 0; i < 5; ++i) {
    wanted.push_back("before " + std::to_string(i));
    world.send(anna, ben, wanted.back());
  }
  world.serve(anna, 100);
  for (int i = 0; i < 30; ++i) {
    world.deliver(anna, 1);
    wanted.push_back("between " + std::to_string(i));
    world.send(anna, ben, wanted.back());
    world.serve(anna, 1);
  }
  ASSERT_TRUE(world.pass(std::chrono::minutes(5)));
  EXPECT_EQ(ben.texts(), wanted);
  for (const IncomingMessage& message : ben.store.history().incoming) EXPECT_FALSE(message.late);
}

TEST_F(DeliveryTest, AFullMailboxIsSaidAndTriedAgain) {
  world.cut(ben);
  world.mailbox_limit = 3;
  send_many(5);
  ASSERT_TRUE(world.settle());
  const auto& out = anna.store.history().outgoing;
  EXPECT_EQ(out[2].state, MessageState::sent);
  EXPECT_EQ(out[3].state, MessageState::queued);
  EXPECT_EQ(out[3].reason, Reason::mailbox_full);
  const std::uint64_t before = world.envelopes;
  ASSERT_TRUE(world.pass(std::chrono::hours(12)));
  EXPECT_LT(world.envelopes - before, 40u);  // with growing pauses
  world.connect(ben);
  ASSERT_TRUE(world.pass(std::chrono::hours(6)));
  EXPECT_EQ(ben.texts().size(), 5u);
  EXPECT_EQ(ben.count_events<MessagesMissed>(), 1u);
  EXPECT_EQ(out[4].state, MessageState::delivered);
}

TEST_F(DeliveryTest, WhatNeverGoesOutFailsAfterItsTime) {
  world.directory_out = true;
  const MessageId id = world.send(anna, ben, "too late");
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(anna.state_of(id), MessageState::queued);
  EXPECT_EQ(anna.reason_of(id), Reason::directory_unavailable);
  ASSERT_TRUE(world.pass(std::chrono::days(31), std::chrono::hours(2)));
  EXPECT_EQ(anna.state_of(id), MessageState::failed);
  EXPECT_EQ(anna.reason_of(id), Reason::expired);
  world.directory_out = false;
  ASSERT_TRUE(world.pass(std::chrono::hours(6)));
  EXPECT_TRUE(ben.texts().empty());
  EXPECT_EQ(anna.store.rows(Table::outbox) + anna.store.rows(Table::message_index), 0u);
}

TEST_F(DeliveryTest, ResultsOfACutConnectionAreAskedAgainWithTheSameBytes) {
  send_many(1);
  ASSERT_TRUE(world.settle());
  send_many(10);
  EXPECT_FALSE(anna.to_server.empty());
  world.cut(anna, 6);  // some reached the relay; no answer came back
  EXPECT_EQ(anna.endpoint->waiting(), 10u);
  world.connect(anna);
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(ben.texts().size(), 11u);
  EXPECT_GT(ben.endpoint->counters().duplicates, 0u);
  EXPECT_EQ(anna.endpoint->counters().encrypted, 11u);
  EXPECT_EQ(ben.endpoint->counters().undecryptable + ben.endpoint->counters().orphans, 0u);
}

TEST_F(DeliveryTest, ACrashBeforeTheCommitForgetsAndAfterItKeeps) {
  ASSERT_TRUE(anna.endpoint->send_text(ben.address.account, "never said").has_value());
  world.crash(anna);  // no commit_round
  EXPECT_EQ(anna.endpoint->waiting(), 0u);
  EXPECT_TRUE(anna.store.history().outgoing.empty());
  world.connect(anna);
  world.send(anna, ben, "said");
  anna.to_server.clear();
  world.crash(anna);
  EXPECT_EQ(anna.endpoint->waiting(), 1u);
  world.connect(anna);
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(ben.texts(), Texts{"said"});
}

TEST_F(DeliveryTest, NothingIsAcknowledgedBeforeItIsCommitted) {
  send_many(3);
  world.serve(anna, 100);
  world.deliver(anna, 100);
  world.round(anna);
  world.serve(anna, 100);
  world.deliver(ben, 100);
  // Ben has all of it in memory and dies.
  world.crash(ben);
  EXPECT_TRUE(ben.store.history().incoming.empty());
  EXPECT_EQ(world.mailboxes[ben.mailbox].waiting.size(), 3u);
  world.connect(ben);
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(ben.texts().size(), 3u);
}

TEST_F(DeliveryTest, ACommitThatFailsLetsNothingOut) {
  for (const bool applied : {false, true}) {
    for (const StoreError error : {StoreError::full, StoreError::failed}) {
      anna.store.failure = error;
      anna.store.apply_failed = applied;
      anna.store.fail_commits = 1;
      ASSERT_TRUE(anna.endpoint->send_text(ben.address.account, "perhaps").has_value());
      const auto round = anna.endpoint->commit_round();
      ASSERT_FALSE(round);
      EXPECT_EQ(round.error(), error == StoreError::full ? Error::store_full : Error::store_failed);
      EXPECT_EQ(anna.endpoint->waiting(), anna.store.history().outgoing.size());
      world.cut(anna);
      anna.store.apply_failed = false;
    }
  }
  world.connect(anna);
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(ben.texts(), (Texts{"perhaps", "perhaps"}));
}

TEST_F(DeliveryTest, AStoreThatCannotReadStopsTheRoundAndRecovers) {
  send_many(1);
  ASSERT_TRUE(world.settle());
  world.send(ben, anna, "while the disk is away");
  world.serve(ben, 100);
  anna.store.fail_reads = true;
  world.deliver(anna, 100);
  EXPECT_FALSE(anna.endpoint->commit_round());
  EXPECT_FALSE(anna.endpoint->commit_round());
  EXPECT_FALSE(anna.endpoint->send_text(ben.address.account, "x"));
  EXPECT_EQ(anna.endpoint->peer_status(ben.address.account).error(), Error::store_failed);
  anna.store.fail_reads = false;
  world.cut(anna);
  world.connect(anna);
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(anna.texts(), Texts{"while the disk is away"});
}

TEST_F(DeliveryTest, AFailedCommitOfWhatCameIsTakenAgain) {
  for (const bool applied : {false, true}) {
    world.send(anna, ben, applied ? "applied" : "not applied");
    world.serve(anna, 100);
    world.deliver(anna, 100);
    world.round(anna);
    world.serve(anna, 100);
    ben.store.fail_commits = 1;
    ben.store.apply_failed = applied;
    world.deliver(ben, 100);
    world.round(ben);
    EXPECT_FALSE(ben.connected);
    world.connect(ben);
    ASSERT_TRUE(world.settle());
  }
  EXPECT_EQ(ben.texts(), (Texts{"not applied", "applied"}));
}

TEST_F(DeliveryTest, CorruptRowsAreFoundAndNeverGuessed) {
  send_many(3);
  ASSERT_TRUE(world.settle());
  world.cut(anna);
  send_many(2);
  const auto good = anna.store.backup();
  std::size_t refused = 0, tried = 0;
  for (const auto& [key, value] : good.rows) {
    if (value.size() < 2) continue;
    auto bad = good;
    SecretBytes& row = bad.rows[key];
    ++tried;
    switch (tried % 3) {
      case 0:
        row.pop_back();
        break;
      case 1:
        row.push_back(std::byte{0});
        break;
      default:
        row[0] ^= std::byte{0x80};
    }
    anna.store.restore(std::move(bad));
    auto loaded = Endpoint::load(anna.store, world.random, world.clock);
    if (!loaded) {
      ++refused;
      continue;
    }
    // Rows that are read later end the round in which they are.
    (*loaded)->connected({world.clock.now(), 100, 1 << 20, anna.mailbox});
    static_cast<void>((*loaded)->peer_status(ben.address.account));
    (*loaded)->tick();
    if (!(*loaded)->commit_round()) ++refused;
  }
  EXPECT_GT(tried, 10u);
  EXPECT_GT(refused, 5u);
  anna.store.restore(good);
}

TEST_F(DeliveryTest, ATextThatThePersonDeletedDoesNotGoOut) {
  world.cut(anna);
  const MessageId id = world.send(anna, ben, "regretted");
  world.send(anna, ben, "kept");
  world.crash(anna);
  anna.store.deleted.insert(id);
  world.connect(anna);
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(ben.texts(), Texts{"kept"});
  EXPECT_EQ(anna.reason_of(id), Reason::text_missing);
}

TEST_F(DeliveryTest, CreditIsNeverExceeded) {
  world.cut(anna);
  const Texts sent = send_many(60);
  anna.connected = true;
  anna.endpoint->connected({world.clock.now(), 3, 40'000, anna.mailbox});
  world.round(anna);
  std::size_t in_flight = 0, most = 0;
  for (int i = 0; i < 1000 && anna.endpoint->waiting() > 0; ++i) {
    in_flight = 0;
    for (const Action& action : anna.to_server)
      if (std::holds_alternative<SubmitEnvelope>(action)) ++in_flight;
    most = std::max(most, in_flight);
    world.serve(anna, 1);
    world.deliver(anna, 1);
    world.round(anna);
  }
  EXPECT_LE(most, 3u);
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(ben.texts(), sent);
}

TEST_F(DeliveryTest, ManyPeersShareTheRoutes) {
  // More peers than routes: a device's route goes to another when nothing is under way on it.
  World w(3);
  Device& a = w.add("a");
  w.connect(a);
  std::vector<Device*> peers;
  for (int i = 0; i < 5; ++i) peers.push_back(&w.add(std::to_string(i)));
  for (int round = 0; round < 3; ++round)
    for (Device* peer : peers) w.send(a, *peer, std::to_string(round));
  for (Device* peer : peers) w.connect(*peer);
  ASSERT_TRUE(w.settle());
  for (Device* peer : peers) EXPECT_EQ(peer->texts(), (Texts{"0", "1", "2"}));
}

TEST_F(DeliveryTest, RecordsGoWhenTheirTimeIsOver) {
  send_many(5);
  ASSERT_TRUE(world.settle());
  EXPECT_GT(anna.store.rows(Table::sent), 0u);
  ASSERT_TRUE(world.pass(std::chrono::days(32), std::chrono::hours(12)));
  EXPECT_EQ(anna.store.rows(Table::sent) + anna.store.rows(Table::envelope_index) +
                anna.store.rows(Table::message_index) + anna.store.rows(Table::envelope),
            0u);
  EXPECT_GT(ben.store.rows(Table::seen), 0u);
  ASSERT_TRUE(world.pass(std::chrono::days(33), std::chrono::hours(12)));
  EXPECT_EQ(ben.store.rows(Table::seen) + ben.store.rows(Table::seen_expiry), 0u);
}

}  // namespace
}  // namespace opaline::endpoint
