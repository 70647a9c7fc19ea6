#pragma once
// What can be wrong with a legal request, or with what an officer asks for.
#include <cstdint>
#include <string_view>

#include "base/result.hpp"

namespace opaline::records {

enum class Error : std::uint8_t {
  invalid,        ///< a text, date, range or handle is outside of its limits
  not_found,      ///< no such case, production or officer
  not_possible,   ///< the case's state or instrument does not allow it
  no_key,         ///< the officer has registered no key
  exists,         ///< the officer has a key, or the key is another officer's
  bad_signature,  ///< not this officer's signature over exactly this
  same_officer,   ///< this officer has approved already: a second one must
  stale,          ///< there is a newer revision
  changed,        ///< the log holds other numbers now than those that were signed
  too_large,      ///< more entries than one production holds: narrow the case
  gone,           ///< it was destroyed, as it had to be
  unavailable,    ///< a store failed: nothing was changed, or a restart shows whether it was
};

/// A stable lower-case name, as spelled above.
[[nodiscard]] std::string_view name(Error error);

}  // namespace opaline::records
