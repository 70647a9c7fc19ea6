// What the memory drivers promise the simulator: crashes, faults, and the same from the same seed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "store/conformance/mailbox_harness.hpp"
#include "store/drivers/memory_mailbox_store.hpp"
#include "store/drivers/memory_row_store.hpp"

namespace opaline::store {
namespace {

using conformance::append_for;
using testing::Each;
using testing::ElementsAre;
using testing::SizeIs;

constexpr Day kDay{20000};

MailboxId mailbox(std::uint8_t number) {
  ByteArray<16> bytes{};
  bytes[0] = std::byte{number};
  return MailboxId(bytes);
}

struct World {
  explicit World(std::uint64_t seed) : random(seed) { boot(); }
  void boot() {
    store = std::make_unique<MemoryMailboxStore>(disk, vault);
    epoch = *store->acquire_all();
  }
  std::vector<AppendOutcome> append(std::uint64_t first, std::uint64_t last) {
    std::vector<Append> batch;
    for (auto sequence = first; sequence <= last; ++sequence)
      batch.push_back(append_for(mailbox(1), sequence, kDay, 10));
    std::vector<AppendOutcome> out;
    store->append(epoch, std::move(batch), [&](auto answer) { out = std::move(answer); });
    store->run();
    return out;
  }
  std::vector<std::uint64_t> held() {
    std::vector<std::uint64_t> out;
    store->read(epoch, mailbox(1), Sequence(1), 1 << 20, 1 << 30, [&](ReadOutcome, const auto& envelopes) {
      for (const auto& each : envelopes) out.push_back(static_cast<std::uint64_t>(each.sequence));
    });
    store->run();
    return out;
  }
  SeededRandom random;
  MemoryDisk disk{random};
  MemoryKeyVault vault{random};
  std::unique_ptr<MemoryMailboxStore> store;
  OwnerEpoch epoch{};
};

TEST(MemoryDrivers, ACrashForgetsWhatWasNotSyncedAndNothingElse) {
  bool some_lost = false;
  bool some_unsynced_kept = false;
  bool removal_forgotten = false;
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    World world(seed);
    std::set<std::uint64_t> promised;
    for (std::uint64_t sequence = 1; sequence <= 30; ++sequence) {
      world.store->append(world.epoch, {append_for(mailbox(1), sequence, kDay, 10)},
                          [&promised, sequence](const auto& answer) {
                            if (answer[0] == AppendOutcome::stored) promised.insert(sequence);
                          });
    }
    const std::uint64_t steps = world.random.below(30);
    for (std::uint64_t i = 0; i < steps; ++i) world.store->step();
    world.store.reset();
    world.disk.crash();
    world.boot();
    const auto held = world.held();
    for (const std::uint64_t sequence : promised) EXPECT_TRUE(std::ranges::count(held, sequence)) << "seed " << seed;
    some_lost = some_lost || held.size() < 30;
    some_unsynced_kept = some_unsynced_kept || held.size() > promised.size();
    ASSERT_THAT(world.append(100, 102), Each(AppendOutcome::stored));
    world.store->remove(world.epoch, {{mailbox(1), Sequence(102)}});
    world.store->run();
    EXPECT_THAT(world.held(), SizeIs(0));
    world.store.reset();
    world.disk.crash();
    world.boot();
    removal_forgotten = removal_forgotten || !world.held().empty();
  }
  EXPECT_TRUE(some_lost && some_unsynced_kept && removal_forgotten);
}

TEST(MemoryDrivers, TheSameSeedDoesTheSame) {
  const auto run = [](std::uint64_t seed) {
    World world(seed);
    world.disk.faults.unknown_stored = 200;
    world.disk.faults.unknown_lost = 200;
    std::vector<int> order;
    for (int i = 0; i < 40; ++i) {
      world.store->append(world.epoch, {append_for(mailbox(1), static_cast<std::uint64_t>(i) + 1, kDay, 10)},
                          [&order, i](const auto& answer) { order.push_back(i * 10 + static_cast<int>(answer[0])); });
    }
    world.store->run();
    return order;
  };
  EXPECT_EQ(run(1), run(1));
  EXPECT_NE(run(1), run(2));
}

TEST(MemoryDrivers, CompletionsComeInAnotherOrder) {
  World world(3);
  std::vector<int> order;
  for (int i = 0; i < 40; ++i) {
    world.store->append(world.epoch, {append_for(mailbox(1), static_cast<std::uint64_t>(i) + 1, kDay, 10)},
                        [&order, i](const auto&) { order.push_back(i); });
  }
  world.store->run();
  EXPECT_THAT(order, SizeIs(40));
  EXPECT_FALSE(std::ranges::is_sorted(order));
}

TEST(MemoryDrivers, UnknownIsResolvedByARetry) {
  bool was_there = false;
  bool was_lost = false;
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    World world(seed);
    world.disk.faults.unknown_stored = 500;
    world.disk.faults.unknown_lost = 500;
    std::vector<AppendOutcome> outcomes = world.append(1, 3);
    bool repeated = false;
    while (outcomes[0] == AppendOutcome::unknown) {
      repeated = true;
      outcomes = world.append(1, 3);
    }
    if (repeated) {
      was_there = was_there || outcomes[0] == AppendOutcome::duplicate;
      was_lost = was_lost || outcomes[0] == AppendOutcome::stored;
    }
    EXPECT_THAT(world.held(), ElementsAre(1, 2, 3));
  }
  EXPECT_TRUE(was_there && was_lost);
}

TEST(MemoryDrivers, FullFailedAndAFullQueue) {
  World world(4);
  world.disk.faults.full = true;
  EXPECT_THAT(world.append(1, 2), Each(AppendOutcome::full));
  world.disk.faults.full = false;
  world.disk.faults.failed = true;
  EXPECT_THAT(world.append(1, 2), Each(AppendOutcome::unknown));
  EXPECT_EQ(world.store->acquire_all(), std::nullopt);
  ReadOutcome outcome = ReadOutcome::ok;
  world.store->read(world.epoch, mailbox(1), Sequence(1), 1, 1,
                    [&](ReadOutcome answer, const auto&) { outcome = answer; });
  world.store->run();
  EXPECT_EQ(outcome, ReadOutcome::failed);
  world.disk.faults.failed = false;
  world.store->max_queue_items = 3;
  EXPECT_THAT(world.append(1, 4), Each(AppendOutcome::unknown));
  EXPECT_THAT(world.append(1, 3), Each(AppendOutcome::stored));
}

TEST(MemoryDrivers, DamageIsLeftOutAndMarked) {
  World world(5);
  ASSERT_THAT(world.append(1, 4), Each(AppendOutcome::stored));
  bool seen = false;
  world.disk.faults.damaged = 300;
  for (int i = 0; i < 50; ++i) {
    world.store->read(world.epoch, mailbox(1), Sequence(1), 10, 1000, [&](ReadOutcome, const auto& envelopes) {
      std::uint64_t expected = 1;
      for (const auto& each : envelopes) {
        const bool left_out = each.sequence != Sequence(expected);
        EXPECT_EQ(each.gap, left_out);
        seen = seen || left_out;
        expected = static_cast<std::uint64_t>(each.sequence) + 1;
      }
    });
    world.store->run();
  }
  EXPECT_TRUE(seen);
}

TEST(MemoryDrivers, AnotherNodeOnTheSameDiskFencesTheFirst) {
  World world(6);
  ASSERT_THAT(world.append(1, 1), Each(AppendOutcome::stored));
  MemoryMailboxStore other(world.disk, world.vault);
  const auto epoch = other.acquire_all();
  ASSERT_TRUE(epoch.has_value());
  EXPECT_THAT(world.append(2, 2), Each(AppendOutcome::fenced));
}

TEST(MemoryDrivers, AnOldCopyAfterExpiryOpensNothing) {
  World world(7);
  ASSERT_THAT(world.append(1, 3), Each(AppendOutcome::stored));
  const auto copy = world.disk.copy();
  bool destroyed = false;
  world.store->expire_through(kDay, [&](bool done) { destroyed = done; });
  world.store->run();
  EXPECT_TRUE(destroyed);
  world.store.reset();
  world.disk.restore(copy);
  world.boot();
  EXPECT_THAT(world.held(), SizeIs(0));
  EXPECT_EQ(world.vault.day_key(kDay).error(), VaultError::destroyed);
}

TEST(MemoryDrivers, RowsMayBeUnknown) {
  SeededRandom random(8);
  MemoryDisk disk(random);
  MemoryRowStore rows(disk, {"t"});
  disk.faults.unknown_stored = 1000;
  EXPECT_EQ(rows.write({{.table = "t", .key = to_bytes("a"), .value = to_bytes("1")}}).error(), RowError::unknown);
  EXPECT_EQ(*rows.get("t", as_view("a")), std::optional(to_bytes("1")));
  disk.faults.unknown_stored = 0;
  disk.faults.unknown_lost = 1000;
  EXPECT_EQ(rows.write({{.table = "t", .key = to_bytes("b"), .value = to_bytes("1")}}).error(), RowError::unknown);
  EXPECT_EQ(*rows.get("t", as_view("b")), std::nullopt);
}

}  // namespace
}  // namespace opaline::store
