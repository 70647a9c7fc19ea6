#pragma once
// How many short messages may be paid for in a day: toll fraud pays whoever owns expensive numbers, with our money.
// Kept on disk, so that a restart gives nothing back.
#include <string>

#include "base/result.hpp"
#include "base/time.hpp"
#include "sms/error.hpp"
#include "sms/tables.hpp"
#include "store/sealed_rows.hpp"

namespace opaline::sms {

struct BudgetLimits {
  std::uint32_t per_day = 1'000;        ///< all together, in parts
  std::uint32_t per_country_day = 200;  ///< to one country calling code, in parts
  std::uint32_t per_person_day = 50;    ///< of one opaque id, in parts
};

/// One thread. Everything must outlive it.
class Budgets {
 public:
  Budgets(store::SealedRows& rows, const Clock& clock, BudgetLimits limits)
      : rows_(rows), clock_(clock), limits_(limits) {}

  /// Charges `parts` messages to a country calling code (49) and, if it is not empty, to an opaque id; on disk when it
  /// returns. over_budget: nothing was charged; unavailable: nothing is known to be charged.
  [[nodiscard]] Result<void, Error> charge(std::uint32_t country, std::size_t parts, std::string_view person = {});
  /// When a new day's budgets begin, from now.
  [[nodiscard]] seconds until_tomorrow() const;

 private:
  [[nodiscard]] Result<std::uint32_t, Error> read(const store::SealedKey& key);
  [[nodiscard]] Result<void, Error> forget_before(Day today, store::SealedRows::Batch& batch);

  store::SealedRows& rows_;
  const Clock& clock_;
  const BudgetLimits limits_;
};

}  // namespace opaline::sms
