#pragma once
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <string>

#include "base/time.hpp"

namespace opaline::server::internal {

/// "2026-01-31T12:00:00Z" (RFC 3339), to the second.
[[nodiscard]] inline std::string rfc3339(Time time) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", std::chrono::floor<seconds>(time));
}

}  // namespace opaline::server::internal
