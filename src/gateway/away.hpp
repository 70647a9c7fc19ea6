#pragma once
// The text that a business has sent by itself while it is away.
#include <chrono>

#include "base/random.hpp"
#include "endpoint/endpoint.hpp"

namespace opaline::gateway {

/// A person who writes again within it gets no second one.
inline constexpr std::chrono::hours kAwayAgain{24};

/// Ids of such messages are recognised, so that the business never hears of what it did not write.
[[nodiscard]] MessageId make_away_id(RandomSource& random);
[[nodiscard]] bool is_away_id(const MessageId& id);
/// The part that says that nobody wrote it.
[[nodiscard]] SecretBytes away_part();

}  // namespace opaline::gateway
