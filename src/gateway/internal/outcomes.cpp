#include "gateway/internal/outcomes.hpp"

#include "base/codec.hpp"
#include "gateway/tables.hpp"

namespace opaline::gateway::internal {

using endpoint::StoreError;

namespace {

constexpr std::size_t kRowsAtOnce = 1'024;

Bytes value_of(Outcome outcome) {
  Bytes out;
  Writer(out).u8(static_cast<std::uint8_t>(outcome));
  return out;
}

}  // namespace

std::uint32_t Outcomes::today() const {
  return number(day_of(clock_.now()));
}

Bytes Outcomes::place(std::uint32_t day, ByteView id) const {
  Bytes out;
  Writer(out).u32(day);
  const auto mac = key_.mac({ByteView(out), business_.view(), id});
  append(out, ByteView(mac).first(16));
  return out;
}

Result<std::optional<Outcomes::Stored>, StoreError> Outcomes::stored(ByteView id) {
  for (std::uint32_t back = 0; back <= kOutcomeDays && back <= today(); ++back) {
    Bytes key = place(today() - back, id);
    auto value = rows_.get(tables::kOutcomes, key);
    if (!value) return fail(error_of(value.error()));
    if (*value) return Stored{std::move(key), std::move(**value)};
  }
  return std::optional<Stored>();
}

void Outcomes::add(Changes& changes, ByteView id, Outcome outcome) {
  changes.put(tables::kOutcomes, place(today(), id), value_of(outcome));
}

Result<void, StoreError> Outcomes::set(Changes& changes, ByteView id, Outcome outcome) {
  OPALINE_TRY(const auto row, stored(id));
  changes.put(tables::kOutcomes, row ? row->place : place(today(), id), value_of(outcome));
  return {};
}

Result<std::optional<Outcome>, StoreError> Outcomes::find(ByteView id) {
  OPALINE_TRY(const auto row, stored(id));
  if (!row) return std::optional<Outcome>();
  const std::uint8_t raw = row->value.size() == 1 ? std::to_integer<std::uint8_t>(row->value[0]) : 0;
  if (raw < 1 || raw > static_cast<std::uint8_t>(Outcome::read)) return fail(StoreError::failed);
  return Outcome(raw);
}

void Outcomes::drop_old(Changes& changes) {
  // In the order of their days.
  for (Bytes after;;) {
    const auto rows = rows_.scan(tables::kOutcomes, {}, after, kRowsAtOnce);
    if (!rows || rows->empty()) return;
    for (const auto& row : *rows) {
      if (Reader(row.key).u32() + kOutcomeDays >= today()) return;
      changes.erase(tables::kOutcomes, row.key);
    }
    after = rows->back().key;
  }
}

}  // namespace opaline::gateway::internal
