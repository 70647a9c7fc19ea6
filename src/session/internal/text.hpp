#pragma once
// Text that a peer gave and a person will see on one line: names of devices, handles.
#include "base/utf8.hpp"

namespace opaline::session::internal {

/// UTF-8 without control characters and without U+FEFF, which is seen nowhere. Empty is.
[[nodiscard]] inline bool is_line(ByteView text) {
  return every_code_point(text, [](char32_t c) { return !is_control(c) && c != 0xfeff; });
}

}  // namespace opaline::session::internal
