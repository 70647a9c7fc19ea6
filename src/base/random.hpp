#pragma once
// Randomness is an input. Programs pass crypto::SystemRandom; tests and the simulator a seeded source.
#include "base/bytes.hpp"

namespace opaline {

class RandomSource {
 public:
  virtual ~RandomSource() = default;
  /// Fills `out` with independent uniform bytes. Never fails: a system that cannot give randomness ends the program.
  virtual void fill(std::span<std::byte> out) = 0;

  template <std::size_t N>
  [[nodiscard]] ByteArray<N> bytes() {
    ByteArray<N> out{};
    fill(out);
    return out;
  }
  template <class Id>
  [[nodiscard]] Id id() {
    return Id(bytes<Id::kSize>());
  }
  [[nodiscard]] std::uint64_t u64() {
    std::uint64_t out = 0;
    fill(std::as_writable_bytes(std::span(&out, 1)));
    return out;
  }
  /// Uniform in [0, bound), bound > 0, without modulo bias.
  [[nodiscard]] std::uint64_t below(std::uint64_t bound) {
    const std::uint64_t limit = UINT64_MAX - UINT64_MAX % bound;
    for (;;) {
      const std::uint64_t value = u64();
      if (value < limit) return value % bound;
    }
  }
};

/// A reproducible stream for tests (SplitMix64). Never for keys.
class SeededRandom final : public RandomSource {
 public:
  explicit SeededRandom(std::uint64_t seed) : state_(seed) {}
  void fill(std::span<std::byte> out) override {
    for (std::size_t i = 0; i < out.size(); i += 8) {
      std::uint64_t z = (state_ += 0x9e3779b97f4a7c15);
      z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
      z = (z ^ z >> 27) * 0x94d049bb133111eb;
      z ^= z >> 31;
      std::memcpy(out.data() + i, &z, out.size() - i < 8 ? out.size() - i : 8);
    }
  }

 private:
  std::uint64_t state_;
};

}  // namespace opaline
