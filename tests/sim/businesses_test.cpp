// Deployments with businesses: promises 1, 7 and 10 hold between people and businesses' software while conversations
// are opened and closed, and the network, the gateways' machines, the node and the devices do what they like. Seeds as
// in sim_test.cpp.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/sim/market.hpp"
#include "tests/sim/seeds.hpp"

namespace opaline::sim {
namespace {

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
      market.say(dice.below(market.shops.size()), dice);
      break;
    default:
      market.write(pair);
  }
}

TEST(Businesses, WhatIsSentReachesTheSoftwareAndWhatIsAcceptedThePerson) {
  Market::Tally all;
  for_seeds(10, [&all](std::uint64_t seed) {
    SeededRandom dice(seed * 7919);
    const auto some = [&](std::uint64_t most) { return dice.below(3) == 0 ? 0 : dice.below(most); };
    World world(seed, 1 + dice.below(2),
                {.cuts = some(50),
                 .offline = some(30),
                 .device_crashes = some(30),
                 .node_crashes = some(15),
                 .failed_commits = some(20),
                 .disk_faults = some(20)});
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

}  // namespace
}  // namespace opaline::sim
