#pragma once
// Argon2id (RFC 9106, version 0x13): keys from passphrases. Thread-safe; uses the calling thread alone, whatever
// `lanes` is.
#include "base/secret.hpp"
#include "crypto/error.hpp"

namespace opaline::crypto {

/// What an attacker pays for each guess. Stored beside the salt, so it is input when read back.
struct Argon2Cost {
  std::uint32_t memory_kib = 64 * 1024;  ///< at least 8 x lanes, at most kMaxArgon2MemoryKib
  std::uint32_t passes = 3;              ///< 1 to kMaxArgon2Passes
  std::uint32_t lanes = 4;               ///< 1 to kMaxArgon2Lanes
  friend bool operator==(const Argon2Cost&, const Argon2Cost&) = default;
};  // the defaults are the second recommended option of RFC 9106 section 4
inline constexpr std::uint32_t kMaxArgon2MemoryKib = 1024 * 1024;  // a file cannot make us take more than 1 GiB
inline constexpr std::uint32_t kMaxArgon2Passes = 64;
inline constexpr std::uint32_t kMaxArgon2Lanes = 64;
inline constexpr std::size_t kMinArgon2SaltBytes = 8;  // RFC 9106 section 3.1 recommends 16
inline constexpr std::size_t kMaxArgon2SaltBytes = 64;

struct Argon2Input {
  ByteView password;
  ByteView salt;                  ///< kMinArgon2SaltBytes to kMaxArgon2SaltBytes
  ByteView secret = {};           ///< K of RFC 9106 section 3.1; empty: none
  ByteView associated_data = {};  ///< X of RFC 9106 section 3.1; empty: none
};

/// Fills `out`. bad_parameters: a cost or the salt's length is outside of its limits. out_of_memory: memory_kib was not
/// to be had. On an error `out` is all zero.
[[nodiscard]] Result<void, Error> argon2id(const Argon2Input& input, const Argon2Cost& cost,
                                           std::span<std::byte, 32> out);

}  // namespace opaline::crypto
