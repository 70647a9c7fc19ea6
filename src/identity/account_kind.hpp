#pragma once
#include <cstdint>

namespace opaline::identity {

/// A persona is a person's account for one business.
enum class AccountKind : std::uint8_t { person = 1, business = 2, persona = 3 };

}  // namespace opaline::identity
