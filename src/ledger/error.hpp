#pragma once
// What can go wrong in the ledger.
#include <cstdint>
#include <string_view>

namespace opaline::ledger {

enum class Error : std::uint8_t {
  unavailable,  ///< the store failed: nothing was appended, or a restart shows whether it was
  damaged,      ///< the rows do not fit each other: somebody or a disk changed them
  out_of_range  ///< no such leaf or size
};
[[nodiscard]] std::string_view name(Error error);

}  // namespace opaline::ledger
