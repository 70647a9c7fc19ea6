#pragma once
// Latencies in logarithmic buckets of 1/64 of an octave: at most 1.6 % wrong, constant size.
#include <bit>
#include <vector>

#include "load/clock.hpp"

namespace opaline::bench {

class Histogram {
 public:
  void add(Nanos value) {
    ++counts_[bucket(value)];
    ++total_;
    if (value > max_) max_ = value;
  }
  [[nodiscard]] std::uint64_t total() const { return total_; }
  [[nodiscard]] Nanos max() const { return max_; }
  /// The value below which `share` (0 to 1) of all lie; 0 if there are none.
  [[nodiscard]] Nanos quantile(double share) const {
    const auto wanted = static_cast<std::uint64_t>(share * static_cast<double>(total_));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      seen += counts_[i];
      if (seen > wanted) return middle(i);
    }
    return max_;
  }

 private:
  static constexpr unsigned kSubBits = 6;
  static constexpr std::uint64_t kSub = 1U << kSubBits;

  static std::size_t bucket(Nanos value) {
    if (value < kSub) return value;
    const auto shift = static_cast<unsigned>(std::bit_width(value)) - kSubBits - 1;
    return (static_cast<std::size_t>(shift) + 1) * kSub + ((value >> shift) - kSub);
  }
  static Nanos middle(std::size_t index) {
    if (index < kSub) return index;
    const std::size_t shift = index / kSub - 1;
    return ((kSub + index % kSub) << shift) + ((std::uint64_t{1} << shift) >> 1);
  }

  std::vector<std::uint64_t> counts_ = std::vector<std::uint64_t>((64 - kSubBits + 1) * kSub);
  std::uint64_t total_ = 0;
  Nanos max_ = 0;
};

}  // namespace opaline::bench
