// Deployments with businesses: promises 1, 7 and 10 hold between people and businesses' software while conversations
// are opened and closed, and the network, the gateways' machines, the node and the devices do what they like. Seeds as
// in sim_test.cpp.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/sim/market.hpp"
#include "tests/sim/seeds.hpp"

namespace opaline::sim {
namespace {

Weather rough(SeededRandom& dice) {
  const auto some = [&](std::uint64_t most) { return dice.below(3) == 0 ? 0 : dice.below(most); };
  return {.cuts = some(50),
          .offline = some(30),
          .device_crashes = some(30),
          .node_crashes = some(15),
          .failed_commits = some(20),
          .disk_faults = some(20)};
}

void somebody_acts(Market& market, SeededRandom& dice) {
  const std::size_t pair = dice.below(market.pairs.size());
  switch (dice.below(9)) {
    case 0:
    case 1:
      market.pairs[pair]->persona.close();
      break;
    case 2:
    case 3:
    case 4:
      market.say_to_somebody(dice.below(market.shops.size()), dice);
      break;
    default:
      market.write(pair);
  }
}

TEST(Businesses, WhatIsSentReachesTheSoftwareAndWhatIsAcceptedThePerson) {
  Market::Tally all;
  for_seeds(8, [&all](std::uint64_t seed) {
    SeededRandom dice(seed * 7919);
    World world(seed, 1 + dice.below(2), rough(dice));
    Market market(world, 1 + dice.below(2));
    const std::uint64_t acts = 10 + dice.below(20);
    for (std::uint64_t done = 0; done < acts;) {
      world.step();
      if (dice.below(4) == 0) market.go_on(dice);
      if (dice.below(10) != 0) continue;
      somebody_acts(market, dice);
      ++done;
    }
    market.settle();
    market.check();
    all += market.tally();
  });
  fmt::print(
      "{} came to businesses, {} more than once; {} accepted of them, {} refused to those who had closed; {} "
      "closings\n",
      all.heard, all.again, all.accepted, all.refused, all.closings);
}

TEST(Businesses, AfterAClosingNothingArrivesUntilThePersonWritesAgain) {
  Market::Tally all;
  for_seeds(3, [&all](std::uint64_t seed) {
    SeededRandom dice(seed * 7919);
    World world(seed, 1, rough(dice));
    Market market(world, 1);
    Persona& persona = market.pairs[0]->persona;
    const auto go_on_until = [&](const auto& done) {
      for (int i = 0; i < 20'000 && !done(); ++i) {
        world.step();
        if (dice.below(4) == 0) market.go_on(dice);
      }
      return done();
    };
    for (int again = 0; again < 2; ++again) {
      const std::size_t heard = market.shops[0]->heard.size();
      market.write(0);
      // Its disk may have failed: then nothing was written, and it writes again.
      ASSERT_TRUE(go_on_until([&] {
        if (persona.is_open() && dice.below(500) == 0) market.write(0);
        return persona.is_open() && market.shops[0]->heard.size() > heard;
      }));
      if (dice.below(2) == 0) market.say(0);
      persona.close();
      ASSERT_TRUE(go_on_until([&] { return persona.is_closed() && !world.node().has_orders(); }));
      const std::size_t said = market.shops[0]->said.size();
      for (std::uint64_t i = 0; i < 1 + dice.below(4); ++i) {
        market.say(0);
        for (std::uint64_t steps = dice.below(30); steps > 0; --steps) world.step();
      }
      if (again == 1 || dice.below(2) == 0)
        ASSERT_TRUE(go_on_until([&] {
          market.shops[0]->try_again();
          return std::ranges::all_of(market.shops[0]->said, [](const auto& one) { return one.told.has_value(); });
        }));
      EXPECT_GT(market.shops[0]->said.size(), said);
    }
    market.settle();
    market.check();
    all += market.tally();
  });
  fmt::print("{} accepted, {} refused to those who had closed; {} closings\n", all.accepted, all.refused, all.closings);
}

}  // namespace
}  // namespace opaline::sim
