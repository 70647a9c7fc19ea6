#include "sms/budgets.hpp"

#include "base/codec.hpp"
#include "crypto/hash.hpp"

namespace opaline::sms {
namespace {

constexpr std::uint8_t kAll = 0;
constexpr std::uint8_t kCountry = 1;
constexpr std::uint8_t kPerson = 2;
constexpr std::size_t kPage = 1000;

store::SealedKey key_of(Day day, std::uint8_t scope, std::uint32_t what) {
  Bytes key;
  Writer(key).u32(number(day)).u8(scope).u32(what);
  return store::clear(key);
}
/// An opaque id is long and random: its hash gives nothing away that the id itself would not.
store::SealedKey key_of(Day day, std::string_view person) {
  Bytes key;
  Writer(key).u32(number(day)).u8(kPerson).bytes(ByteView(crypto::sha256(as_view(person))).first(16));
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

/// What other days counted goes. A day that is yet to come stays: a clock that is set back and forth gives no budget
/// twice.
Result<void, Error> Budgets::forget_before(Day today, store::SealedRows::Batch& batch) {
  Bytes after;
  for (;;) {
    const auto page = rows_.scan(kBudgetsTable, {}, after, kPage);
    if (!page) return fail(Error::unavailable);
    for (const auto& row : *page) {
      Reader in(row.key);
      if (in.u32() >= number(today)) return {};  // in the order of days
      batch.erase(kBudgetsTable, store::clear(row.key));
    }
    if (page->size() < kPage) return {};
    after = page->back().key;
  }
}

Result<void, Error> Budgets::charge(std::uint32_t country, std::size_t parts, std::string_view person) {
  const Day today = day_of(clock_.now());
  const auto more = static_cast<std::uint32_t>(parts);
  struct Charged {
    store::SealedKey key;
    std::uint32_t limit, before = 0;
  };
  std::vector<Charged> charged = {{key_of(today, kAll, 0), limits_.per_day},
                                  {key_of(today, kCountry, country), limits_.per_country_day}};
  if (!person.empty()) charged.push_back({key_of(today, person), limits_.per_person_day});
  for (Charged& one : charged) {
    OPALINE_TRY(one.before, read(one.key));
    if (one.limit < more || one.before > one.limit - more) return fail(Error::over_budget);
  }
  auto batch = rows_.batch();
  if (charged[0].before == 0) OPALINE_CHECK(forget_before(today, batch));  // the first of the day
  for (const Charged& one : charged) batch.put(kBudgetsTable, one.key, count_of(one.before + more));
  if (!rows_.write(std::move(batch))) return fail(Error::unavailable);
  return {};
}

seconds Budgets::until_tomorrow() const {
  const Time now = clock_.now();
  return std::chrono::ceil<seconds>(std::chrono::floor<std::chrono::days>(now) + std::chrono::days(1) - now);
}

}  // namespace opaline::sms
