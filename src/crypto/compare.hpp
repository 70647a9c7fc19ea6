#pragma once
#include "base/bytes.hpp"

namespace opaline::crypto {

/// Takes the same time for all contents of one length; the lengths themselves are not hidden.
[[nodiscard]] bool constant_time_equal(ByteView a, ByteView b);

}  // namespace opaline::crypto
