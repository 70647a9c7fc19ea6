// Bad input changes nothing (promise 12): whatever bytes a device sends, the node neither crashes nor grows, others are
// served, and what was accepted before is delivered.
#include <gtest/gtest.h>

#include "relay/test_support/world.hpp"

namespace opaline::relay::testing {
namespace {

NodeConfig config() {
  NodeConfig out;
  out.server_name = "relay.test";
  return out;
}

/// Two honest devices (0 writes to 1) and one that is not (2).
class HostileTest : public ::testing::Test {
 protected:
  HostileTest() {
    for (auto& device : w.devices) {
      for (auto& to : w.devices) device->peers.push_back({.mailbox = to->mailbox, .outbox = {}});
    }
    w.devices[2]->deaf = true;
    w.start();
    w.connect(0);
    w.connect(1);
    w.settle();
    w.devices[1]->give_credit(1'000'000, 1'000'000'000);
    w.settle();
  }
  /// The honest pair still works.
  void expect_service() {
    const std::size_t before = w.devices[1]->received.size();
    w.devices[0]->write(1, w.random.id<EnvelopeId>(), 50);
    w.devices[0]->send_some(10);
    w.settle();
    ASSERT_EQ(w.devices[1]->received.size(), before + 1);
    w.devices[1]->acknowledge(w.devices[1]->pushes);
    w.settle();
    ASSERT_TRUE(w.devices[0]->peers[1].outbox.empty());
  }
  void reconnect_hostile() {
    w.cut(2);
    w.connect(2);
    w.settle();
    ASSERT_TRUE(w.devices[2]->ready);
  }
  void attack(ByteView batch) {
    const auto id = w.connections[2].id;
    if (!id || w.connections[2].link->closed) {
      reconnect_hostile();
      w.node->on_batch(*w.connections[2].id, batch);
    } else {
      w.node->on_batch(*id, batch);
    }
    w.end_round();
    w.connections[2].link->batches.clear();  // it does not listen
    w.connections[2].link->queued = 0;
  }
  /// A batch of valid frames of all kinds that a device may send, with odd numbers in them.
  Bytes plausible() {
    Bytes out;
    const Bytes text(1 + w.random.below(3000));
    for (std::uint64_t n = w.random.below(6) + 1; n > 0; --n) {
      const auto number = static_cast<std::uint32_t>(w.random.below(4) == 0 ? w.random.u64() : w.random.below(5));
      const auto route = static_cast<std::uint16_t>(number);
      switch (w.random.below(8)) {
        case 0:
          wire::encode(out,
                       wire::Submit{route, wire::EnvelopeClass(w.random.below(2)), w.random.id<EnvelopeId>(), text});
          break;
        case 1:
          wire::encode(out, wire::Ack{number});
          break;
        case 2:
          wire::encode(out, wire::Credit{number, number});
          break;
        case 3:
          wire::encode(out, wire::Clear{route});
          break;
        case 4:
          wire::encode(out, wire::Call{number, 7, text});
          break;
        case 5: {
          const MailboxId& to = w.devices[w.random.below(3)]->mailbox;
          wire::encode(out, wire::Route{route, to,
                                        wire::make_send_token(w.token_key, w.devices[2]->account, to,
                                                              w.clock.now() + std::chrono::days(7))});
          break;
        }
        case 6:
          wire::encode(out, wire::Goodbye{});
          break;
        case 7:
          wire::encode(out, wire::Drained{});
          break;
      }
    }
    return out;
  }

  World w{99, config(), 3};
};

TEST_F(HostileTest, RandomBytes) {
  for (int i = 0; i < 3000; ++i) {
    Bytes bytes(w.random.below(200));
    w.random.fill(bytes);
    attack(bytes);
  }
  expect_service();
}

TEST_F(HostileTest, RandomBytesBeforeAuthentication) {
  for (int i = 0; i < 3000; ++i) {
    PipeLink link;
    const auto id = w.node->open(link, std::nullopt);
    ASSERT_TRUE(id.has_value());
    Bytes bytes(1 + w.random.below(200));
    w.random.fill(bytes);
    if (w.random.below(2) == 0) bytes[0] = std::byte{0x02};  // AUTH
    w.node->on_batch(*id, bytes);
    w.end_round();
    EXPECT_TRUE(link.closed);
  }
  EXPECT_EQ(w.node->edge_counters().connections, 2u);
  expect_service();
}

TEST_F(HostileTest, GiantAndEmptyBatches) {
  attack(Bytes{});
  attack(Bytes(wire::kMaxBatchBytes + 1));
  attack(Bytes(10'000'000, std::byte{0x30}));
  Bytes claims;
  Writer(claims).u8(0x11).u24(0xffffff).u64(0);
  attack(claims);
  EXPECT_EQ(w.node->edge_counters().closed[static_cast<std::size_t>(wire::GoodbyeCode::protocol_error)], 4u);
  expect_service();
}

TEST_F(HostileTest, ValidFramesTruncatedFlippedAndShuffled) {
  for (int i = 0; i < 6000; ++i) {
    Bytes batch = plausible();
    switch (w.random.below(4)) {
      case 0:
        break;
      case 1:
        batch.resize(w.random.below(batch.size()));
        break;
      case 2:
        batch[w.random.below(batch.size())] ^= std::byte(1 << w.random.below(8));
        break;
      case 3:
        std::swap(batch[w.random.below(batch.size())], batch[w.random.below(batch.size())]);
        break;
    }
    attack(batch);
    if (i % 100 == 0) w.settle();
    if (i % 500 == 0) expect_service();
  }
  w.cut(2);
  w.settle();
  expect_service();
  EXPECT_EQ(w.node->counters().envelopes_in_ram, 0u);
}

TEST_F(HostileTest, OneThatAcknowledgesNothingHoldsNobodyUp) {
  reconnect_hostile();
  w.devices[2]->give_credit(UINT32_MAX, UINT32_MAX);
  w.settle();
  for (int i = 0; i < 100; ++i) w.devices[0]->write(2, w.random.id<EnvelopeId>(), 100);
  w.devices[0]->send_some(1000);
  w.settle();
  EXPECT_EQ(w.devices[0]->peers[2].outbox.size(), 100u);
  expect_service();
  w.clock.advance(std::chrono::seconds(10));
  w.node->tick();
  w.settle();
  EXPECT_EQ(w.devices[0]->peers[2].outbox.size(), 0u);
  EXPECT_EQ(w.node->counters().accepted_stored, 100u);
}

TEST_F(HostileTest, RoutesCostBoundedMemory) {
  reconnect_hostile();
  for (int round = 0; round < 20; ++round) {
    for (std::uint16_t route = 0; route < wire::kMaxRoutes; ++route) {
      Bytes batch;
      wire::encode(batch, wire::Route{route, w.random.id<MailboxId>(), {}});
      wire::encode(batch, wire::Clear{route});
      attack(batch);
    }
  }
  EXPECT_EQ(w.node->counters().mailboxes_in_ram, 3u);  // a forged route loads nothing
  expect_service();
}

}  // namespace
}  // namespace opaline::relay::testing
