#pragma once
// Every row that short messages leave: what, why, and for how long. docs/what-we-hold.md says the same; a test
// compares. Never a text. The service has the budgets of codes alone; the rest is the role `sms`'s, in a store and
// vault of its own.
#include <array>
#include <chrono>
#include <string_view>

#include "store/held_field.hpp"

namespace opaline::sms {

/// key: u32 day || u8 scope || what it counts
inline constexpr std::string_view kBudgetsTable = "sms_budgets";
/// key: message id
inline constexpr std::string_view kTextsTable = "sms_texts";
/// key: HMAC-SHA-256 of the number under the vault's key "sms-numbers"
inline constexpr std::string_view kNumbersTable = "sms_numbers";
inline constexpr std::string_view kSealCheckTable = "sms_seal_check";
/// Of the role `sms`.
inline constexpr std::array<std::string_view, 4> kTables = {kBudgetsTable, kTextsTable, kNumbersTable, kSealCheckTable};

/// How long a number's replies go to who wrote last, and a report is waited for.
inline constexpr std::chrono::days kReplyDays{7};
/// How long an id is known: a gateway tries a webhook for 30 days.
inline constexpr std::chrono::days kIdDays{31};

/// A field that is not here may not be stored.
inline constexpr auto kHeldFields = std::to_array<store::HeldField>({
    {kBudgetsTable, "day and country calling code", "whose budget it is", "until the next day's first message"},
    {kBudgetsTable, "count", "how many short messages were paid for: not to whom, nor by whom", "as long as the row"},
    {kBudgetsTable, "day and opaque id (as a hash), and count", "what one person may send in a day",
     "until the next day's first message"},
    {kTextsTable, "message id, state and time", "a text is handed to a carrier at most once", "31 days"},
    {kTextsTable, "opaque id and number", "the person is told what became of it",
     "until the person was told, at most 7 days"},
    {kNumbersTable, "number (as a keyed hash), opaque id and time", "a reply goes to who wrote to the number last",
     "7 days since that, or until the person closes the conversation"},
});

}  // namespace opaline::sms
