#include "crypto/compare.hpp"

#include <openssl/crypto.h>

namespace opaline::crypto {

bool constant_time_equal(ByteView a, ByteView b) {
  return a.size() == b.size() && (a.empty() || CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0);
}

}  // namespace opaline::crypto
