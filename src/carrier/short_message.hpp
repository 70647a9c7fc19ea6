#pragma once
// A text as the carriers see it: which alphabet it needs, and how many messages it costs.
#include <optional>
#include <string_view>

#include "base/secret.hpp"

namespace opaline::carrier {

enum class Alphabet : std::uint8_t {
  gsm7,  ///< 3GPP TS 23.038 section 6.2.1, with its extension table
  ucs2,  ///< UTF-16 big-endian: anything else
};

/// More than that is refused: it would be ten times the price of one.
inline constexpr std::size_t kMaxParts = 10;

struct Shape {
  Alphabet alphabet{};
  /// What is sent and paid for: 160 septets or 70 units of UTF-16 in one, 153 or 67 in each of several (TS 23.040
  /// section 9.2.3.24.1).
  std::size_t parts = 0;
  friend bool operator==(const Shape&, const Shape&) = default;
};

/// nullopt: no UTF-8, empty, or more than kMaxParts.
[[nodiscard]] std::optional<Shape> shape_of(ByteView utf8);

/// UTF-16 big-endian of a text that is UTF-8 (asserted).
[[nodiscard]] SecretBytes to_utf16(ByteView utf8);
/// UTF-8 of UTF-16 big-endian (RFC 2781); half a pair becomes U+FFFD, for a telephone may have cut it. nullopt: an odd
/// number of bytes.
[[nodiscard]] std::optional<SecretBytes> from_utf16(ByteView utf16);

}  // namespace opaline::carrier
