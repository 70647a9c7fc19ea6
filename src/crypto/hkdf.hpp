#pragma once
// HKDF with SHA-256 (RFC 5869), written as its HMACs: OpenSSL's EVP_KDF costs four times as much for one block.
// Thread-safe, no allocation; outputs go where the caller says, as a rule into `Secret::fill()`.
#include "crypto/hash.hpp"

namespace opaline::crypto {

inline constexpr std::size_t kMaxHkdfBytes = 255 * kSha256Bytes;  // RFC 5869 section 2.3: the block counter is one byte

/// RFC 5869 section 2.2. An empty salt is 32 zero bytes. `prk` may overlap the inputs.
void hkdf_extract(ByteView salt, const Pieces& ikm, std::span<std::byte, kSha256Bytes> prk);
/// RFC 5869 section 2.3. `out` is at most kMaxHkdfBytes long (asserted: lengths are ours, not input) and may not
/// overlap `info`; it may overlap `prk`.
void hkdf_expand(FixedView<kSha256Bytes> prk, const Pieces& info, std::span<std::byte> out);
/// Both steps. `out` may not overlap `info`.
void hkdf(ByteView salt, const Pieces& ikm, const Pieces& info, std::span<std::byte> out);

}  // namespace opaline::crypto
