#pragma once
#include <ctime>

#include "base/bytes.hpp"

namespace opaline::bench {

/// CLOCK_MONOTONIC in nanoseconds: the same in all processes of the machine.
using Nanos = std::uint64_t;
[[nodiscard]] inline Nanos now_ns() {
  timespec t{};
  ::clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<Nanos>(t.tv_sec) * 1'000'000'000U + static_cast<Nanos>(t.tv_nsec);
}
[[nodiscard]] inline Nanos to_ns(double seconds) {
  return static_cast<Nanos>(seconds * 1e9);
}

}  // namespace opaline::bench
