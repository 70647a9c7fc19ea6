#pragma once
// The transparency report of a half-year: how many legal requests came, from where, and what became of them. Numbers
// alone: no authority, reference, officer or handle is in it (docs/records.md, "The transparency report").
#include <array>
#include <boost/json.hpp>
#include <map>

#include "records/case.hpp"
#include "records/sealed_bundle.hpp"

namespace opaline::records {

struct Case;

inline constexpr std::string_view kReportPageName = "report.html";
inline constexpr std::string_view kReportTableName = "report.csv";

/// January to June, or July to December, UTC.
struct HalfYear {
  std::uint32_t year = 0;
  std::uint32_t half = 1;  ///< 1 or 2
  friend auto operator<=>(const HalfYear&, const HalfYear&) = default;
};
/// "2026H2".
[[nodiscard]] std::string to_text(const HalfYear& half_year);
[[nodiscard]] std::optional<HalfYear> half_year_from(std::string_view text);
/// It has `begin_of` <= time < `end_of`.
[[nodiscard]] Time begin_of(const HalfYear& half_year);
[[nodiscard]] Time end_of(const HalfYear& half_year);

/// What became of a request: each has exactly one of these, as it stands when the report is made.
enum class Outcome : std::uint8_t {
  in_full,    ///< entries were taken out for it, as it was asked
  in_part,    ///< the same, after it was narrowed; or of a pen register that was ended early
  nothing,    ///< it was searched for, and the log had no entry
  kept_back,  ///< a preservation that no order has opened: sealed, handed to nobody
  refused,
  closed,  ///< without an answer from the log: withdrawn, for example
  open,    ///< not decided, or still collecting
};
inline constexpr std::size_t kOutcomes = 7;
[[nodiscard]] std::string_view name(Outcome outcome);
[[nodiscard]] Outcome outcome_of(const Case& one);

/// The requests of one country and instrument.
struct ReportNumbers {
  std::array<std::uint64_t, kOutcomes> outcomes{};
  std::uint64_t identifiers = 0;  ///< phone numbers and e-mail addresses that were asked about, per request
  std::uint64_t notices_at_once = 0, notices_delayed = 0;
  friend bool operator==(const ReportNumbers&, const ReportNumbers&) = default;
};

struct Report {
  HalfYear half_year;
  Time as_of;          ///< whole seconds; before the half-year's end: it is not complete
  bool bands = false;  ///< the service publishes no exact numbers
  std::string service_name;
  /// By ISO 3166-1 country (the part of the jurisdiction before the '-') and instrument.
  std::map<std::pair<std::string, Instrument>, ReportNumbers> lines;
  [[nodiscard]] bool complete() const { return as_of >= end_of(half_year); }
  friend bool operator==(const Report&, const Report&) = default;
};
[[nodiscard]] boost::json::object to_json(const Report& report);
/// Reads what a service answered: nothing that was not checked goes on into a file. nullopt: it is no report.
[[nodiscard]] std::optional<Report> report_from(const boost::json::object& object);

/// What is shown for a number: the number itself, or the band that it lies in. What is added up afterwards is made of
/// these alone, so that no total says more than its parts.
struct Span {
  std::uint64_t low = 0, high = 0;
  Span& operator+=(const Span& other) {
    low += other.low;
    high += other.high;
    return *this;
  }
  friend bool operator==(const Span&, const Span&) = default;
};
/// With `bands`: 0, 1 to 9, 10 to 49, 50 to 99, 100 to 249, 250 to 499, 500 to 999, and so on in these steps.
[[nodiscard]] Span shown(std::uint64_t number, bool bands);
/// "12"; "1 to 9".
[[nodiscard]] std::string to_text(const Span& span);

/// report.html and report.csv. The same report gives the same bytes.
[[nodiscard]] std::vector<File> files_of(const Report& report);

namespace internal {

/// As shown.
struct ReportLine {
  std::array<Span, kOutcomes> outcomes{};
  Span requests;  ///< the outcomes' sum
  Span identifiers, notices_at_once, notices_delayed;
  ReportLine& operator+=(const ReportLine& other);
};
[[nodiscard]] ReportLine shown(const ReportNumbers& numbers, bool bands);
[[nodiscard]] SecretBytes report_page(const Report& report);
/// For people: "Court orders".
[[nodiscard]] std::string_view title(Instrument instrument);

}  // namespace internal
}  // namespace opaline::records
