// Whole deployments on one thread, thousands of seeds: the promises 1, 2, 4, 10 and 11 of docs/promises.md hold
// whatever the network, the disks, the clock and the power supply do. A failure prints its seed; OPALINE_SIM_SEED=n
// runs that one alone, OPALINE_SIM_SEEDS=n says how many.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <set>

#include "tests/sim/seeds.hpp"
#include "tests/sim/world.hpp"

namespace opaline::sim {
namespace {

using namespace std::chrono_literals;
using endpoint::MessageState;

std::string text_of(const endpoint::IncomingMessage& message) {
  return to_string(message.body.text);
}

/// Promise 10 (and the end of promise 1): what each wrote to each other arrived once, and in order.
void expect_all_delivered(World& world) {
  for (std::size_t from = 0; from < world.size(); ++from) {
    Device& sender = world.device(from);
    for (std::size_t to = 0; to < world.size(); ++to) {
      Device& receiver = world.device(to);
      std::vector<std::string> wrote, got;
      std::set<std::string> unique;
      for (const auto& [id, text] : sender.written[receiver.endpoint().address().account]) wrote.push_back(text);
      bool late = false;
      for (const auto& message : receiver.store.contents().history.incoming) {
        if (message.sender.account != sender.endpoint().address().account) continue;
        EXPECT_TRUE(unique.insert(text_of(message)).second) << text_of(message) << " came twice";
        late = late || message.late;
        got.push_back(text_of(message));
      }
      if (late) {  // what healing brings again is marked, and only has to be there
        std::ranges::sort(wrote);
        std::ranges::sort(got);
      }
      EXPECT_EQ(got, wrote) << "from " << sender.name << " to " << receiver.name;
    }
  }
}

/// Promise 1, from the sender's side: nobody's history says less than `delivered` in the end.
void expect_all_reported(World& world) {
  for (std::size_t i = 0; i < world.size(); ++i) {
    for (const auto& outgoing : world.device(i).store.contents().history.outgoing)
      EXPECT_GE(outgoing.state, MessageState::delivered) << world.device(i).name;
  }
}

TEST(Simulation, NothingIsLostDoubledOrReorderedWhateverTheWeather) {
  for_seeds(80, [](std::uint64_t seed) {
    SeededRandom dice(seed * 7919);
    const auto some = [&](std::uint64_t most) { return dice.below(3) == 0 ? 0 : dice.below(most); };
    World world(seed, 2 + dice.below(2),
                {.cuts = some(60),
                 .offline = some(40),
                 .device_crashes = some(30),
                 .node_crashes = some(20),
                 .failed_commits = some(20),
                 .disk_faults = some(30),
                 .clock_jumps = some(10)});
    const std::uint64_t messages = 4 + dice.below(12);
    for (std::uint64_t sent = 0; sent < messages;) {
      world.step();
      if (dice.below(12) != 0) continue;
      const std::size_t from = dice.below(world.size());
      world.write(from, (from + 1 + dice.below(world.size() - 1)) % world.size());
      ++sent;
    }
    world.settle();
    expect_all_delivered(world);
    expect_all_reported(world);
    EXPECT_EQ(world.node().envelopes_on_disk(), 0U) << "delivered means gone";
  });
}

TEST(Simulation, WhatWasSentSurvivesTheNodesPowerCut) {
  // Promise 1 alone: the sender hears `sent`, the machine loses power in that instant, the recipient comes back later.
  for_seeds(5, [](std::uint64_t seed) {
    World world(seed, 2, {});
    world.drain();
    world.write(0, 1);
    world.settle();  // a session exists
    world.disconnect(world.device(1));
    world.write(0, 1);
    const auto sent = [&] {
      return world.device(0).store.contents().history.outgoing.back().state >= MessageState::sent;
    };
    for (int i = 0; i < 5000 && !sent(); ++i) {
      world.drain();
      world.advance(100ms);
      if (world.device(1).pipe()) world.disconnect(world.device(1));
    }
    ASSERT_TRUE(sent());
    world.node().crash();
    for (std::size_t i = 0; i < 2; ++i) world.device(i).detach();
    world.node().start();
    world.settle();
    expect_all_delivered(world);
  });
}

TEST(Simulation, OnlineMeansThatNoDiskSeesIt) {
  // Promise 2: both are online all the time and acknowledge in time.
  for_seeds(5, [](std::uint64_t seed) {
    World world(seed, 2, {});
    world.drain();
    for (int i = 0; i < 10; ++i) {
      world.write(i % 2, (i + 1) % 2);
      world.drain();
      EXPECT_EQ(world.node().envelopes_on_disk(), 0U);
      world.advance(50ms);
      world.drain();
    }
    world.settle();
    expect_all_delivered(world);
    EXPECT_EQ(world.node().counters().accepted_stored, 0U);
    EXPECT_GT(world.node().counters().accepted_online, 10U);
  });
}

TEST(Simulation, AfterThirtyDaysItIsGoneForEver) {
  // Promise 4, with a copy of the disk that is brought back afterwards.
  for_seeds(5, [](std::uint64_t seed) {
    World world(seed, 2, {});
    world.drain();
    world.write(0, 1);
    world.settle();
    world.disconnect(world.device(1));
    world.write(0, 1);
    world.drain();
    world.advance(15s);
    world.drain();
    ASSERT_GT(world.node().envelopes_on_disk(), 0U);
    const auto copy = world.node().mailbox_disk.copy();
    for (int day = 0; day < 32; ++day) {
      world.advance(std::chrono::days(1));
      world.node().expire(std::chrono::days(30));
      for (int i = 0; i < 200 && world.node().step(1); ++i) {
      }
    }
    EXPECT_EQ(world.node().envelopes_on_disk(), 0U);
    world.device(0).detach();
    world.node().crash();
    world.node().mailbox_disk.restore(copy);
    world.node().start();
    world.node().expire(std::chrono::days(30));
    const std::size_t before = world.device(1).store.contents().history.incoming.size();
    world.connect(world.device(1));
    for (int i = 0; i < 50; ++i) {
      world.drain();
      world.advance(1s);
    }
    EXPECT_EQ(world.device(1).store.contents().history.incoming.size(), before) << "an expired message was served";
  });
}

TEST(Simulation, TheServerNeverSeesAText) {
  // Promise 11: all bytes that reach the server, and all that lie on its disks, are searched for what was written.
  for_seeds(5, [](std::uint64_t seed) {
    World world(seed, 3, {});
    world.record_bytes = true;
    for (int i = 0; i < 6; ++i) {
      world.write(i % 3, (i + 1) % 3);
      world.drain();
      if (i == 2) world.disconnect(world.device(1));
    }
    world.advance(15s);
    world.drain();
    std::string all = to_string(world.seen_by_server);
    for (const auto& [id, mailbox] : world.node().mailbox_disk.copy().mailboxes)
      for (const auto& [sequence, envelope] : mailbox) all += to_string(envelope.ciphertext);
    for (const auto& [row, value] : world.node().row_disk.copy().rows) all += to_string(row.second) + to_string(value);
    EXPECT_GT(all.size(), 20'000U);
    EXPECT_EQ(all.find("marker"), std::string::npos);
    EXPECT_EQ(all.find("@example.org"), std::string::npos) << "a handle lies open";
    world.settle();
    expect_all_delivered(world);
  });
}

TEST(Simulation, TheSameSeedIsTheSameWorld) {
  const auto run = [](std::uint64_t seed) {
    World world(seed, 2, {.cuts = 20, .offline = 10, .device_crashes = 10, .node_crashes = 5});
    for (int i = 0; i < 400; ++i) {
      world.step();
      if (i % 40 == 0) world.write(0, 1);
    }
    return world.random.u64();  // one more number shows whether everything drew alike before
  };
  EXPECT_EQ(run(5), run(5));
  EXPECT_NE(run(5), run(6));
}

}  // namespace
}  // namespace opaline::sim
