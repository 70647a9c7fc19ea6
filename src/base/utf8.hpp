#pragma once
// UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF. The one decoder of all rooms.
#include <optional>

#include "base/bytes.hpp"

namespace opaline {

struct CodePoint {
  char32_t value = 0;
  std::size_t bytes = 0;  ///< 1 to 4
};
/// The one at the front of `text`; nullopt: none is there.
[[nodiscard]] std::optional<CodePoint> first_code_point(ByteView text);

/// Valid from end to end. Empty is.
[[nodiscard]] bool is_utf8(ByteView text);

/// What moves the cursor, begins a line, or turns the direction of what stands around it, and so makes "exe.jpg" of
/// "gpj.exe": category Cc, line and paragraph separators, and property Bidi_Control (UAX #9 section 2).
[[nodiscard]] constexpr bool is_control(char32_t c) {
  return c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0x061c || c == 0x200e || c == 0x200f ||
         (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

/// True if `text` is UTF-8 and `allowed` is true of each code point.
template <class Allowed>
[[nodiscard]] bool every_code_point(ByteView text, Allowed allowed) {
  while (!text.empty()) {
    const auto c = first_code_point(text);
    if (!c || !allowed(c->value)) return false;
    text = text.subspan(c->bytes);
  }
  return true;
}

}  // namespace opaline
