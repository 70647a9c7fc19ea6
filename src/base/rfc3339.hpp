#pragma once
// Times as text (RFC 3339, section 5.6), UTC, of the years 1970 to 9999. The one writer of all rooms.
#include <string>

#include "base/time.hpp"

namespace opaline {

/// "2026-11-22T20:15:03Z": to the second, rounded down.
[[nodiscard]] std::string rfc3339(Time time);
/// "2026-11-22T20:15:03.123Z".
[[nodiscard]] std::string rfc3339_millis(Time time);
/// "2026-11-22".
[[nodiscard]] std::string rfc3339_date(std::chrono::sys_days date);

}  // namespace opaline
