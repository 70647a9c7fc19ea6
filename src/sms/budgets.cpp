#include "sms/budgets.hpp"

#include "base/codec.hpp"

namespace opaline::sms {
namespace {

constexpr std::uint8_t kAll = 0;
constexpr std::uint8_t kCountry = 1;
constexpr std::size_t kPage = 1000;  // there are fewer than 1,000 country calling codes (ITU-T E.164 section 6.2.1)

store::SealedKey key_of(Day day, std::uint8_t scope, std::uint32_t what) {
  Bytes key;
  Writer(key).u32(number(day)).u8(scope).u32(what);
  return store::clear(key);
}
Bytes count_of(std::uint32_t count) {
  Bytes out;
  Writer(out).u32(count);
  return out;
}

}  // namespace

std::string_view name(Error error) {
  switch (error) {
    case Error::invalid:
      return "invalid";
    case Error::over_budget:
      return "over_budget";
    case Error::refused:
      return "refused";
    case Error::unavailable:
      return "unavailable";
    case Error::unknown:
      return "unknown";
  }
  return "unknown";
}

Result<std::uint32_t, Error> Budgets::read(const store::SealedKey& key) {
  const auto row = rows_.get(kBudgetsTable, key);
  if (!row) return fail(Error::unavailable);
  if (!*row) return 0;
  Reader in(**row);
  const auto count = in.u32();
  if (!in.finished()) return fail(Error::unavailable);
  return count;
}

Result<void, Error> Budgets::charge(std::uint32_t country, std::size_t parts) {
  const Day today = day_of(clock_.now());
  const auto all_key = key_of(today, kAll, 0);
  const auto country_key = key_of(today, kCountry, country);
  OPALINE_TRY(const auto all, read(all_key));
  OPALINE_TRY(const auto of_country, read(country_key));
  const auto more = static_cast<std::uint32_t>(parts);
  if (limits_.per_day < more || all > limits_.per_day - more || limits_.per_country_day < more ||
      of_country > limits_.per_country_day - more) {
    return fail(Error::over_budget);
  }
  auto batch = rows_.batch();
  if (all == 0) {  // the first of the day: what other days counted goes
    const auto old = rows_.scan(kBudgetsTable, {}, {}, kPage);
    if (!old) return fail(Error::unavailable);
    for (const auto& row : *old) {
      Reader in(row.key);
      // A day that is yet to come stays: a clock that is set back and forth gives no budget twice.
      if (in.u32() < number(today)) batch.erase(kBudgetsTable, store::clear(row.key));
    }
  }
  batch.put(kBudgetsTable, all_key, count_of(all + more));
  batch.put(kBudgetsTable, country_key, count_of(of_country + more));
  if (!rows_.write(std::move(batch))) return fail(Error::unavailable);
  return {};
}

seconds Budgets::until_tomorrow() const {
  const Time now = clock_.now();
  return std::chrono::ceil<seconds>(std::chrono::floor<std::chrono::days>(now) + std::chrono::days(1) - now);
}

}  // namespace opaline::sms
