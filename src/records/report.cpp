#include "records/report.hpp"

#include <algorithm>

#include "records/canonical.hpp"
#include "records/cases.hpp"
#include "records/internal/csv.hpp"

namespace opaline::records {

namespace json = boost::json;

namespace {

constexpr std::size_t kMaxLines = 26 * 26 * 6;
constexpr std::uint64_t kMaxNumber = std::uint64_t{1} << 40;
constexpr std::string_view kOutcomeNames[] = {"in_full", "in_part", "nothing_found", "kept_back",
                                              "refused", "closed",  "open"};
static_assert(std::size(kOutcomeNames) == kOutcomes);

bool is_country(std::string_view text) {
  return text.size() == 2 && std::ranges::all_of(text, [](char c) { return c >= 'A' && c <= 'Z'; });
}

std::optional<ReportNumbers> numbers_from(const json::object& line) {
  ReportNumbers out;
  const auto read = [&](std::string_view field, std::uint64_t& into) {
    const auto number = number_of(line, field);
    if (number) into = *number;
    return number && *number <= kMaxNumber;
  };
  for (std::size_t i = 0; i < kOutcomes; ++i) {
    if (!read(kOutcomeNames[i], out.outcomes[i])) return std::nullopt;
  }
  if (!read("identifiers", out.identifiers) || !read("notices_at_once", out.notices_at_once) ||
      !read("notices_delayed", out.notices_delayed))
    return std::nullopt;
  return out;
}

}  // namespace

// ---------------------------------------------------------------- half-years

std::string to_text(const HalfYear& half_year) {
  return std::to_string(half_year.year) + "H" + std::to_string(half_year.half);
}

std::optional<HalfYear> half_year_from(std::string_view text) {
  if (text.size() != 6 || text[4] != 'H' || (text[5] != '1' && text[5] != '2')) return std::nullopt;
  HalfYear out{0, text[5] == '1' ? 1U : 2U};
  for (const char c : text.substr(0, 4)) {
    if (c < '0' || c > '9') return std::nullopt;
    out.year = out.year * 10 + static_cast<std::uint32_t>(c - '0');
  }
  if (out.year < 1970) return std::nullopt;
  return out;
}

Time begin_of(const HalfYear& half_year) {
  const auto month = std::chrono::month(half_year.half == 1 ? 1 : 7);
  return Time(std::chrono::sys_days(std::chrono::year(static_cast<int>(half_year.year)) / month / 1));
}
Time end_of(const HalfYear& half_year) {
  return half_year.half == 1 ? begin_of({half_year.year, 2}) : begin_of({half_year.year + 1, 1});
}

// ---------------------------------------------------------------- what became of a request

std::string_view name(Outcome outcome) {
  return kOutcomeNames[static_cast<std::size_t>(outcome)];
}

Outcome outcome_of(const Case& one) {
  if (one.was_refused) return Outcome::refused;
  if (one.productions.empty()) return one.state == State::closed ? Outcome::closed : Outcome::open;
  if (one.state == State::collecting) return Outcome::open;
  if (one.facts.instrument == Instrument::preservation && !one.opened_by) return Outcome::kept_back;
  const bool any = std::ranges::any_of(one.productions, [](const Produced& made) { return made.rows > 0; });
  if (!any) return Outcome::nothing;
  return one.revision > 1 || one.ended ? Outcome::in_part : Outcome::in_full;
}

// ---------------------------------------------------------------- between service and officer

json::object to_json(const Report& report) {
  json::array lines;
  for (const auto& [key, numbers] : report.lines) {
    json::object line{{"country", key.first},
                      {"identifiers", numbers.identifiers},
                      {"instrument", name(key.second)},
                      {"notices_at_once", numbers.notices_at_once},
                      {"notices_delayed", numbers.notices_delayed}};
    for (std::size_t i = 0; i < kOutcomes; ++i) line[kOutcomeNames[i]] = numbers.outcomes[i];
    lines.push_back(std::move(line));
  }
  return {{"as_of", to_text(report.as_of)}, {"bands", report.bands},       {"complete", report.complete()},
          {"lines", std::move(lines)},      {"name", report.service_name}, {"period", to_text(report.half_year)}};
}

std::optional<Report> report_from(const json::object& object) {
  const auto period = text_of(object, "period"), as_of = text_of(object, "as_of"), service = text_of(object, "name");
  const auto half_year = period ? half_year_from(*period) : std::nullopt;
  const auto time = as_of ? time_from(*as_of) : std::nullopt;
  const auto* bands = object.if_contains("bands");
  const auto* lines = array_of(object, "lines");
  if (!half_year || !time || !service || !is_line(*service) || bands == nullptr || !bands->is_bool() ||
      lines == nullptr || lines->size() > kMaxLines)
    return std::nullopt;
  Report out{
      .half_year = *half_year, .as_of = *time, .bands = bands->get_bool(), .service_name = *service, .lines = {}};
  for (const auto& value : *lines) {
    const auto* line = value.if_object();
    const auto country = line ? text_of(*line, "country") : std::nullopt;
    const auto instrument = line ? instrument_from(text_of(*line, "instrument").value_or("")) : std::nullopt;
    const auto numbers = line ? numbers_from(*line) : std::nullopt;
    if (!country || !is_country(*country) || !instrument || !numbers) return std::nullopt;
    if (!out.lines.emplace(std::pair{*country, *instrument}, *numbers).second) return std::nullopt;
  }
  return out;
}

// ---------------------------------------------------------------- what is shown

Span shown(std::uint64_t number, bool bands) {
  if (!bands || number == 0) return {number, number};
  if (number < 10) return {1, 9};
  for (std::uint64_t unit = 10;; unit *= 10) {  // 10, 25 (from 100 on), 50
    if (number >= unit * 10) continue;
    if (unit == 10) return number < 50 ? Span{10, 49} : Span{50, 99};
    if (number < unit * 5 / 2) return {unit, unit * 5 / 2 - 1};
    return number < unit * 5 ? Span{unit * 5 / 2, unit * 5 - 1} : Span{unit * 5, unit * 10 - 1};
  }
}

std::string to_text(const Span& span) {
  if (span.low == span.high) return std::to_string(span.low);
  return std::to_string(span.low) + " to " + std::to_string(span.high);  // "1-9" is the first of September to some
}

internal::ReportLine& internal::ReportLine::operator+=(const ReportLine& other) {
  for (std::size_t i = 0; i < kOutcomes; ++i) outcomes[i] += other.outcomes[i];
  requests += other.requests;
  identifiers += other.identifiers;
  notices_at_once += other.notices_at_once;
  notices_delayed += other.notices_delayed;
  return *this;
}

internal::ReportLine internal::shown(const ReportNumbers& numbers, bool bands) {
  ReportLine out;
  for (std::size_t i = 0; i < kOutcomes; ++i) {
    out.outcomes[i] = records::shown(numbers.outcomes[i], bands);
    out.requests += out.outcomes[i];
  }
  out.identifiers = records::shown(numbers.identifiers, bands);
  out.notices_at_once = records::shown(numbers.notices_at_once, bands);
  out.notices_delayed = records::shown(numbers.notices_delayed, bands);
  return out;
}

namespace {

SecretBytes table_of(const Report& report) {
  SecretBytes out;
  internal::append(out, "period,complete,country,category,requests,identifiers");
  for (const auto outcome : kOutcomeNames) {
    internal::append(out, ",");
    internal::append(out, outcome);
  }
  internal::append(out, ",notices_at_once,notices_delayed\r\n");
  for (const auto& [key, numbers] : report.lines) {
    const auto line = internal::shown(numbers, report.bands);
    internal::add_cell(out, to_text(report.half_year), ',');
    internal::add_cell(out, report.complete() ? "yes" : "no", ',');
    internal::add_cell(out, key.first, ',');
    internal::add_cell(out, name(key.second), ',');
    internal::add_cell(out, to_text(line.requests), ',');
    internal::add_cell(out, to_text(line.identifiers), ',');
    for (const auto& outcome : line.outcomes) internal::add_cell(out, to_text(outcome), ',');
    internal::add_cell(out, to_text(line.notices_at_once), ',');
    internal::add_cell(out, to_text(line.notices_delayed), '\n');
  }
  return out;
}

}  // namespace

std::vector<File> files_of(const Report& report) {
  std::vector<File> out;
  out.push_back({std::string(kReportPageName), internal::report_page(report)});
  out.push_back({std::string(kReportTableName), table_of(report)});
  return out;
}

}  // namespace opaline::records
