#pragma once
// What the gateway itself writes to people: a business's text out of hours, and that a message was refused.
#include <chrono>

#include "base/random.hpp"
#include "endpoint/endpoint.hpp"

namespace opaline::gateway {

/// A person who writes again within it gets no second one.
inline constexpr std::chrono::hours kAwayAgain{24};

/// Ids of such messages are recognised, so that the business never hears of what it did not write.
[[nodiscard]] MessageId make_own_id(RandomSource& random);
[[nodiscard]] bool is_own_id(const MessageId& id);
/// The part that says that nobody wrote it; `answers`: the person's message that it is about.
[[nodiscard]] SecretBytes automatic_part(const std::optional<MessageId>& answers = {});

/// To the person whose message became a dead letter.
inline constexpr std::string_view kRefusedText = "Not delivered: the business's system did not take this message.";

}  // namespace opaline::gateway
