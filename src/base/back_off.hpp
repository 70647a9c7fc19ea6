#pragma once
// How long to wait before something that failed is tried again.
#include <algorithm>
#include <chrono>

#include "base/random.hpp"

namespace opaline {

/// `first`, then twice as long each time, up to `last`.
class BackOff {
 public:
  using milliseconds = std::chrono::milliseconds;
  constexpr BackOff(milliseconds first, milliseconds last) : first_(first), last_(last) {}
  /// It went well: the next wait is `first` again.
  void reset() { wait_ = milliseconds(0); }
  [[nodiscard]] milliseconds next() { return wait_ = wait_.count() == 0 ? first_ : std::min(wait_ * 2, last_); }
  /// Between half and the whole of it, so that a restarted server is not met by everybody at once.
  [[nodiscard]] milliseconds next(RandomSource& random) {
    const milliseconds whole = next();
    return whole / 2 + milliseconds(random.below(static_cast<std::uint64_t>(whole.count() / 2 + 1)));
  }

 private:
  milliseconds first_, last_, wait_{0};
};

}  // namespace opaline
