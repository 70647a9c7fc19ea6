#pragma once
// The errors of this room (docs/protocol.md, section Errors).
#include <cstdint>

#include "base/result.hpp"

namespace opaline::credentials {

enum class Error : std::uint8_t {
  too_large,            ///< longer than the limit that stands for it
  malformed,            ///< the structure is not as docs/protocol.md says, or bytes are left over
  unsupported_version,  ///< a version that this code does not speak
  bad_signature,        ///< not signed by the key that it should be, or not under the signed root
  wrong_device,         ///< made by another (account, device) than the one given
};

}  // namespace opaline::credentials
