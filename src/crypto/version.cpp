#include "crypto/version.hpp"

#include <openssl/crypto.h>

namespace opaline::crypto {

std::string_view openssl_version() {
  return OpenSSL_version(OPENSSL_VERSION);
}
std::uint64_t openssl_version_number() {
  return OpenSSL_version_num();
}

}  // namespace opaline::crypto
