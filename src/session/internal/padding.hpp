#pragma once
// Padmé (Nikitin et al., "Reducing Metadata Leakage from Encrypted Files and Communication with PURBs", section 4.2)
// with a floor: a length of L bits shows only its top log2(L) bits, for at most 12 % more bytes.
//
//   padded = plaintext || 0x80 || zeros, padded_size(plaintext.size() + 1) bytes in all
#include <bit>

#include "base/bytes.hpp"
#include "session/limits.hpp"

namespace opaline::session::internal {

/// The size to which `size` bytes (marker included) are padded.
[[nodiscard]] constexpr std::size_t padded_size(std::size_t size) {
  if (size <= kPaddingFloorBytes) return kPaddingFloorBytes;
  const auto exponent = static_cast<unsigned>(std::bit_width(size) - 1);    // E = floor(log2 L)
  const auto shown_bits = static_cast<unsigned>(std::bit_width(exponent));  // S = floor(log2 E) + 1
  const std::size_t mask = (std::size_t{1} << (exponent - shown_bits)) - 1;
  return (size + mask) & ~mask;
}

inline constexpr std::size_t kMaxPaddedBytes = padded_size(kMaxPlaintextBytes + 1);

/// Whether something was padded to this size.
[[nodiscard]] constexpr bool is_padded_size(std::size_t size) {
  return size >= kPaddingFloorBytes && size <= kMaxPaddedBytes && padded_size(size) == size;
}

/// The size of the plaintext in `padded`; nullopt if there is no marker, or the padding is not the one that belongs to
/// it. For authenticated bytes only: its time depends on the length.
[[nodiscard]] inline std::optional<std::size_t> unpadded_size(ByteView padded) {
  std::size_t size = padded.size();
  while (size > 0 && padded[size - 1] == std::byte{0}) --size;
  if (size == 0 || padded[size - 1] != std::byte{0x80} || padded_size(size) != padded.size()) return std::nullopt;
  return size - 1;
}

}  // namespace opaline::session::internal
