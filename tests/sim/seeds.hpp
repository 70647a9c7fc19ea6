#pragma once
// Seeds from the environment: OPALINE_SIM_SEED=n runs that one alone, OPALINE_SIM_SEEDS=n says how many.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>

namespace opaline::sim {

inline std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

/// Runs `scenario` for this test's share of the seeds. `share`: per cent of OPALINE_SIM_SEEDS (default 2,000).
inline void for_seeds(std::uint64_t share, const std::function<void(std::uint64_t)>& scenario) {
  if (const std::uint64_t only = from_environment("OPALINE_SIM_SEED", 0); only != 0) return scenario(only);
  const std::uint64_t seeds = std::max<std::uint64_t>(from_environment("OPALINE_SIM_SEEDS", 2000) * share / 100, 1);
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    SCOPED_TRACE(fmt::format("OPALINE_SIM_SEED={}", seed));
    scenario(seed);
    if (testing::Test::HasFailure()) return;
  }
  fmt::print("{} seeds\n", seeds);
}

}  // namespace opaline::sim
