// The cases of a half-year, as numbers.
#include "records/canonical.hpp"
#include "records/cases.hpp"

namespace opaline::records {

namespace {

/// What only the events tell.
struct Told {
  std::optional<std::size_t> asked;  ///< handles, as the request arrived
  std::optional<bool> delayed;       ///< whether the person was to be told later than at once, as it was last decided
};

void read(const Event& event, Told& told) {
  const auto value = parse_canonical(event.text);
  const auto* object = value ? value->if_object() : nullptr;
  const auto kind = object ? text_of(*object, "event") : std::nullopt;
  if (kind == name(EventKind::opened)) {
    const auto* facts = object_of(*object, "facts");
    const auto* handles = facts ? array_of(*facts, "handles") : nullptr;
    if (handles != nullptr) told.asked = handles->size();
  } else if (kind == name(EventKind::noticed)) {
    const auto at = time_millis_from(text_of(*object, "at").value_or(""));
    const auto not_before = time_millis_from(text_of(*object, "not_before").value_or(""));
    told.delayed = at && not_before && *not_before > *at;
  }
}

}  // namespace

Result<Report, Error> Cases::report(const HalfYear& half_year) {
  if (stale_ && !load()) return fail(Error::unavailable);
  const auto now = std::chrono::floor<seconds>(ports_.clock.now());
  if (begin_of(half_year) > now) return fail(Error::invalid);
  Report out{.half_year = half_year, .as_of = now, .bands = false, .service_name = ports_.service_name, .lines = {}};
  for (const auto& [id, one] : cases_) {
    if (one.opened < begin_of(half_year) || one.opened >= end_of(half_year)) continue;
    auto& line = out.lines[{one.facts.jurisdiction.substr(0, 2), one.facts.instrument}];
    ++line.outcomes[static_cast<std::size_t>(outcome_of(one))];
    Told told;
    if (one.revision > 1 || one.notice_at) {
      OPALINE_TRY(const auto all, events(id));
      for (const auto& event : all) read(event, told);
    }
    line.identifiers += told.asked.value_or(one.facts.handles.size());
    if (told.delayed) ++(*told.delayed ? line.notices_delayed : line.notices_at_once);
  }
  return out;
}

}  // namespace opaline::records
