#pragma once
// What messages carry: random bytes that both ends can recompute, so that a receiver notices damage.
#include "base/random.hpp"

namespace opaline::bench {

class Payloads {
 public:
  explicit Payloads(std::size_t size, std::uint64_t seed = 1) : size_(size), pool_(kPoolBytes + size) {
    SeededRandom(seed).fill(pool_);
  }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] ByteView of(std::size_t pair, std::uint64_t number) const {
    return ByteView(pool_).subspan((number * 131 + pair * 4099) % kPoolBytes, size_);
  }

 private:
  static constexpr std::size_t kPoolBytes = 64 * 1024;
  std::size_t size_;
  Bytes pool_;
};

}  // namespace opaline::bench
