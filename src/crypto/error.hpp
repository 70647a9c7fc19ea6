#pragma once
// The errors of this room. What only ever says yes or no (a signature, a tag) answers with a bool or an optional
// instead, so that there is no reason to leak.
#include <cstdint>

#include "base/result.hpp"

namespace opaline::crypto {

enum class Error : std::uint8_t {
  bad_key,         ///< a key that a peer gave is malformed, or would give everybody the same secret
  bad_parameters,  ///< costs read from a file are outside of the stated limits
  out_of_memory,   ///< a password hash's memory was not to be had
};

}  // namespace opaline::crypto
