#pragma once
#include <cstdint>
#include <string_view>

#include "base/result.hpp"

namespace opaline::operators {

enum class Error : std::uint8_t {
  forbidden,    ///< the role does not allow it; recorded in the audit trail
  invalid,      ///< a name, lifetime or text is outside of its limits
  exists,       ///< there is, or was, an operator of that name
  not_found,    ///< no operator of that name
  revoked,      ///< the operator was revoked: for good
  too_many,     ///< operators, or valid tokens of one operator
  unavailable,  ///< the store did not take the change; nothing was changed, or (disk failure) it shows after a restart
};

/// A stable lower-case name, as spelled above.
[[nodiscard]] std::string_view name(Error error);

}  // namespace opaline::operators
