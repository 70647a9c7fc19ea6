// Deployments of people with up to ten devices each: promises 1, 10 and 11 hold for every device while devices are
// linked, taken off, away for weeks, set back; lists are under way while the network, the disks, the clock and the
// power supply do what they like. Seeds as in sim_test.cpp.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "endpoint/limits.hpp"
#include "identity/limits.hpp"
#include "tests/sim/people.hpp"
#include "tests/sim/seeds.hpp"

namespace opaline::sim {
namespace {

using namespace std::chrono_literals;
using endpoint::NoticeKind;

// What a device may demand is what the service keeps.
static_assert(endpoint::kListsKept == identity::kMaxListHistory);

std::size_t notices(const Device& device, NoticeKind kind) {
  return static_cast<std::size_t>(
      std::ranges::count(device.store.contents().history.notices, kind, &endpoint::AddNotice::kind));
}

/// Days with everybody's timers, in which what is over 30 days old goes.
void pass_days(World& world, int days) {
  for (int day = 0; day < days; ++day) {
    for (int part = 0; part < 4; ++part) {
      world.advance(6h);
      world.drain();
    }
    world.node().expire(std::chrono::days(30));
    world.drain();
  }
}

/// One thing that somebody does.
void somebody_acts(World& world, People& people, SeededRandom& dice) {
  const std::size_t person = dice.below(people.all.size());
  switch (dice.below(10)) {
    case 0:
      people.start_link(person);
      break;
    case 1:
      if (dice.below(2) == 0) people.unlink_one(person, dice);
      break;
    case 2:
      people.read_all(people.any_of(person, dice));
      break;
    default:
      people.write(people.any_of(person, dice), (person + 1 + dice.below(people.all.size() - 1)) % people.all.size());
  }
  if (dice.below(2) == 0) people.finish_links(dice.below(2) == 0);
  world.drain();
}

TEST(People, EveryDeviceHasEveryTextWhateverTheWeather) {
  for_seeds(6, [](std::uint64_t seed) {
    SeededRandom dice(seed * 7919);
    const auto some = [&](std::uint64_t most) { return dice.below(3) == 0 ? 0 : dice.below(most); };
    World world(seed, 2 + dice.below(2),
                {.cuts = some(40),
                 .offline = some(30),
                 .device_crashes = some(20),
                 .node_crashes = some(15),
                 .failed_commits = some(15),
                 .disk_faults = some(20)});
    People people(world);
    for (std::size_t i = 0; i < people.all.size(); ++i)
      for (std::size_t more = dice.below(3); more > 0; --more)
        people.start_link(i), world.drain(), people.finish_links(false);
    const std::uint64_t acts = 10 + dice.below(15);
    for (std::uint64_t done = 0; done < acts;) {
      world.step();
      if (dice.below(12) != 0) continue;
      somebody_acts(world, people, dice);
      ++done;
    }
    people.settle();
    people.check();
  });
}

TEST(People, TenDevicesOnBothSidesAndThePowerFails) {
  for_seeds(1, [](std::uint64_t seed) {
    if (seed > 5) return;
    SeededRandom dice(seed);
    World world(seed, 2, {});
    People people(world);
    world.drain();
    for (int i = 1; i < 10; ++i) people.link(0), people.link(1);
    EXPECT_FALSE(world.start_link(0)) << "ten are enough";
    for (std::size_t i = 0; i < 4; ++i) people.write(people.any_of(i % 2, dice), (i + 1) % 2);
    for (std::size_t i = 0; i < 30; ++i) (void)world.node().step(dice.u64());
    world.crash_node();
    people.write(people.any_of(0, dice), 1);
    people.settle();
    people.check();
    EXPECT_EQ(people.live_of(people.all[0]).size(), 10U);
  });
}

TEST(People, AListThatWasTakenSurvivesThePowerCutAndOneThatWasNotIsForgotten) {
  for_seeds(2, [](std::uint64_t seed) {
    World world(seed, 2, {});
    People people(world);
    world.drain();
    people.write(1, 0);
    world.drain();
    people.start_link(0);
    // The power fails at any point between the primary device's word and the answer.
    for (std::uint64_t i = 0; i < seed % 12; ++i) world.step();
    world.crash_node();
    people.settle();
    EXPECT_FALSE(world.device(0).endpoint().list_change_pending());
    const std::size_t before = people.live_of(people.all[0]).size();
    EXPECT_LE(before, 2U);
    people.link(0);  // and it goes on
    EXPECT_EQ(people.live_of(people.all[0]).size(), before + 1);
    people.write(1, 0);
    people.settle();
    people.check();
  });
}

TEST(People, ADeviceThatWasAwayForWeeksCatchesUp) {
  for_seeds(1, [](std::uint64_t seed) {
    if (seed > 4) return;
    World world(seed, 2, {});
    People people(world);
    world.drain();
    const std::size_t tablet = people.link(0);
    people.write(1, 0);
    people.settle();
    world.disconnect(world.device(tablet));
    world.keep_offline(tablet);
    for (int week = 0; week < 7; ++week) {
      people.write(1, 0);
      people.write(0, 1);
      world.drain();
      pass_days(world, 7);
    }
    people.settle();
    for (int i = 0; i < 20; ++i) world.advance(1min), world.drain();
    EXPECT_EQ(people.came_to(tablet), people.came_to(0)) << "what had expired came from the phone";
    const auto arrived = std::ranges::count_if(world.device(tablet).events, [](const endpoint::Event& event) {
      const auto* part = std::get_if<endpoint::HistoryArrived>(&event);
      return part != nullptr && part->parts > 1;
    });
    EXPECT_GT(arrived, 0) << "and it was needed";
    EXPECT_EQ(world.device(tablet).store.contents().history.outgoing.size(),
              world.device(0).store.contents().history.outgoing.size());
    people.write(1, 0);
    people.settle();
    EXPECT_EQ(people.came_to(tablet), people.came_to(0));
    EXPECT_LE(notices(world.device(tablet), NoticeKind::session_healed) +
                  notices(world.device(tablet), NoticeKind::messages_expired),
              1U)
        << "one line at most";
  });
}

TEST(People, AWeekOfTypingMarksThatNobodySawCostsNothing) {
  World world(11, 2, {});
  People people(world);
  world.drain();
  const std::size_t tablet = people.link(0);
  for (int i = 0; i < 2; ++i) people.write(1, 0), people.settle(), people.write(tablet, 1), people.settle();
  world.disconnect(world.device(tablet));
  world.keep_offline(tablet);
  for (int day = 0; day < 7; ++day) {
    for (int i = 0; i < 700; ++i) {
      world.device(1).endpoint().send_typing(people.all[0].account, i % 2 == 0);
      world.round(world.device(1));
      world.drain();
    }
    world.advance(24h);
    world.drain();
  }
  people.write(1, 0);
  people.settle();
  people.check();
  for (std::size_t i = 0; i < world.size(); ++i) {
    EXPECT_EQ(notices(world.device(i), NoticeKind::session_healed), 0U) << world.device(i).name;
    EXPECT_EQ(world.device(i).endpoint().counters().undecryptable, 0U) << world.device(i).name;
  }
}

TEST(People, SessionsThatAllOpenAtOnce) {
  for_seeds(2, [](std::uint64_t seed) {
    SeededRandom dice(seed);
    World world(seed, 2, {});
    People people(world);
    world.drain();
    for (int i = 0; i < 2; ++i) people.link(0), people.link(1);
    // Nobody has a session with anybody of the other account; all write before anything moves.
    for (int i = 0; i < 2; ++i)
      for (const std::size_t person : {0U, 1U})
        for (const std::size_t device : people.live_of(people.all[person])) people.write(device, 1 - person);
    people.settle();
    people.check();
    for (std::size_t i = 0; i < world.size(); ++i)
      EXPECT_EQ(notices(world.device(i), NoticeKind::session_healed), 0U) << world.device(i).name;
  });
}

TEST(People, TakenOffAndLinkedAgain) {
  for_seeds(2, [](std::uint64_t seed) {
    SeededRandom dice(seed);
    World world(seed, 2, {});
    People people(world);
    world.drain();
    for (int again = 0; again < 3; ++again) {
      const std::size_t tablet = people.link(0, again == 2);
      people.write(tablet, 1);
      people.write(1, 0);
      people.settle();
      people.check();
      if (again == 2) break;
      ASSERT_TRUE(world.device(0).endpoint().remove_device(world.device(tablet).endpoint().address().device));
      world.round(world.device(0));
      people.write(1, 0);
      people.settle();
      EXPECT_TRUE(world.device(tablet).removed);
      EXPECT_FALSE(people.is_live(tablet));
    }
    for (int i = 0; i < 20; ++i) world.advance(1min), world.drain();
    EXPECT_EQ(people.came_to(people.all[0].devices.back()), people.came_to(0)) << "the history came too";
  });
}

TEST(People, AHomeThatIsRestoredFromACopy) {
  for_seeds(2, [](std::uint64_t seed) {
    SeededRandom dice(seed);
    World world(seed, 2, {});
    People people(world);
    world.drain();
    const std::size_t tablet = people.link(0);
    for (int i = 0; i < 3; ++i) people.write(1, 0), people.write(tablet, 1), people.settle();
    const auto copy = world.device(tablet).store.backup();
    world.advance(3h);
    for (std::uint64_t i = 0; i < 3 + seed % 4; ++i) people.write(1, 0), people.write(0, 1), people.settle();
    world.disconnect(world.device(tablet));
    world.device(tablet).crash();
    world.device(tablet).store.restore(copy);
    world.device(tablet).load();
    people.write(1, 0);
    people.write(tablet, 1);
    people.settle();
    for (int i = 0; i < 60; ++i) world.advance(1min), world.drain();
    people.settle();
    EXPECT_EQ(people.came_to(tablet), people.came_to(0));
    people.check(true);
    for (std::size_t i = 0; i < world.size(); ++i)
      EXPECT_LE(notices(world.device(i), NoticeKind::session_healed), 1U) << world.device(i).name;
  });
}

TEST(People, TheServerSeesNeitherHistoryNorSync) {
  for_seeds(1, [](std::uint64_t seed) {
    if (seed > 5) return;
    SeededRandom dice(seed);
    World world(seed, 2, {});
    world.record_bytes = true;
    People people(world);
    world.drain();
    world.device(0).endpoint().set_device_name("marker of a name");
    world.device(0).store.know({people.all[1].account, "marker of a handle", world.clock.now()});
    const std::size_t tablet = people.link(0);
    for (int i = 0; i < 3; ++i) people.write(1, 0), people.write(tablet, 1), people.settle();
    people.read_all(tablet);
    const std::size_t laptop = people.link(0, true);
    people.settle();
    for (int i = 0; i < 10; ++i) world.advance(1min), world.drain();
    EXPECT_EQ(people.came_to(laptop), people.came_to(0));
    world.keep_offline(laptop);
    world.disconnect(world.device(laptop));
    people.write(1, 0);
    world.device(0).endpoint().share_contact(people.all[1].account, "marker of a handle");
    world.round(world.device(0));
    for (int i = 0; i < 20; ++i) world.advance(1s), world.drain();
    std::string seen = to_string(world.seen_by_server);
    for (const auto& [id, mailbox] : world.node().mailbox_disk.copy().mailboxes)
      for (const auto& [sequence, envelope] : mailbox) seen += to_string(envelope.ciphertext);
    for (const auto& [row, value] : world.node().row_disk.copy().rows) seen += to_string(row.second) + to_string(value);
    EXPECT_GT(seen.size(), 50'000U);
    EXPECT_EQ(seen.find("marker"), std::string::npos);
  });
}

}  // namespace
}  // namespace opaline::sim
