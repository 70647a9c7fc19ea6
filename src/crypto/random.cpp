#include "crypto/random.hpp"

#include <openssl/rand.h>

#include "base/result.hpp"

namespace opaline::crypto {

void SystemRandom::fill(std::span<std::byte> out) {
  if (out.empty()) return;
  OPALINE_ASSERT(RAND_priv_bytes_ex(nullptr, reinterpret_cast<unsigned char*>(out.data()), out.size(), 0) == 1);
}

}  // namespace opaline::crypto
