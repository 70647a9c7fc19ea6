#pragma once
#include "base/random.hpp"

namespace opaline::crypto {

/// The operating system's randomness through OpenSSL's per-thread DRBG (reseeded after fork). Thread-safe and without
/// state: any number of these may exist. Ends the program if no randomness is to be had.
class SystemRandom final : public RandomSource {
 public:
  void fill(std::span<std::byte> out) override;
};

}  // namespace opaline::crypto
