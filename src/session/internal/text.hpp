#pragma once
// Text that a peer gave and a person will see on one line: names of devices, handles.
#include "base/bytes.hpp"

namespace opaline::session::internal {

/// What would move the cursor, begin a line, or turn the direction of what stands around it (UAX #9 section 2).
[[nodiscard]] constexpr bool is_control(std::uint32_t c) {
  return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x61c || c == 0x200e || c == 0x200f ||
         (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

/// UTF-8 (RFC 3629: no surrogates, no overlong forms, nothing over U+10FFFF) without control characters. Empty is.
[[nodiscard]] inline bool is_line(ByteView text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = std::to_integer<std::uint32_t>(text[i]);
    if (lead >= 0x80 && (lead < 0xc2 || lead > 0xf4)) return false;
    const std::size_t size = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (size > text.size() - i) return false;
    constexpr std::uint32_t kLeadBits[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    std::uint32_t c = lead & kLeadBits[size];
    for (std::size_t k = 1; k < size; ++k) {
      const auto next = std::to_integer<std::uint32_t>(text[i + k]);
      if ((next & 0xc0) != 0x80) return false;
      c = c << 6 | (next & 0x3f);
    }
    constexpr std::uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
    if (c < kLeast[size] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000) || is_control(c)) return false;
    i += size;
  }
  return true;
}

}  // namespace opaline::session::internal
