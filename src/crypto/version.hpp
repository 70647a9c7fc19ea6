#pragma once
#include <cstdint>
#include <string_view>

namespace opaline::crypto {

/// The OpenSSL that the process runs with (not the one it was compiled with), such as "OpenSSL 3.5.7 9 Jun 2026".
[[nodiscard]] std::string_view openssl_version();
/// The same as a number: 0xMNN00PP0 (major, minor, patch), as OpenSSL_version_num.
[[nodiscard]] std::uint64_t openssl_version_number();

}  // namespace opaline::crypto
