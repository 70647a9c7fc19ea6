#pragma once
// How many short messages may be paid for in a day: toll fraud pays whoever owns expensive numbers, with our money.
// Kept on disk, so that a restart gives nothing back.
#include <string>

#include "base/result.hpp"
#include "base/time.hpp"
#include "sms/error.hpp"
#include "store/held_field.hpp"
#include "store/sealed_rows.hpp"

namespace opaline::sms {

/// key: u32 day || u8 scope || what it counts
inline constexpr std::string_view kBudgetsTable = "sms_budgets";
inline constexpr auto kHeldFields = std::to_array<store::HeldField>({
    {kBudgetsTable, "day and country calling code", "whose budget it is", "until the next day's first message"},
    {kBudgetsTable, "count", "how many short messages were paid for: not to whom, nor by whom", "as long as the row"},
});

struct BudgetLimits {
  std::uint32_t per_day = 1'000;        ///< all together, in parts
  std::uint32_t per_country_day = 200;  ///< to one country calling code, in parts
};

/// One thread. Everything must outlive it.
class Budgets {
 public:
  Budgets(store::SealedRows& rows, const Clock& clock, BudgetLimits limits)
      : rows_(rows), clock_(clock), limits_(limits) {}

  /// Charges `parts` messages to a country calling code (49), on disk when it returns. over_budget: nothing was
  /// charged; unavailable: nothing is known to be charged.
  [[nodiscard]] Result<void, Error> charge(std::uint32_t country, std::size_t parts);
  /// When a new day's budgets begin, from now.
  [[nodiscard]] seconds until_tomorrow() const;

 private:
  [[nodiscard]] Result<std::uint32_t, Error> read(const store::SealedKey& key);

  store::SealedRows& rows_;
  const Clock& clock_;
  const BudgetLimits limits_;
};

}  // namespace opaline::sms
