// report.html: for readers without technical knowledge, printable, without scripts or anything from outside. Whoever
// changes a sentence here must be able to name the code that makes it true.
#include <algorithm>
#include <tuple>
#include <vector>

#include "records/canonical.hpp"
#include "records/country.hpp"
#include "records/internal/page.hpp"
#include "records/report.hpp"

namespace opaline::records {
namespace {

using internal::Page;
using internal::ReportLine;

constexpr std::size_t kBars = 12;  // countries in the plot; the rest is one more bar

constexpr std::string_view kHead = R"(<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Transparency report</title>
<style>
body { font: 11pt/1.45 serif; max-width: 50em; margin: 2em auto; padding: 0 1em; color: #000; background: #fff; }
h1 { font-size: 1.6em; margin-bottom: .2em; } h2 { font-size: 1.2em; margin-top: 1.8em; break-after: avoid; }
.sub { font-size: 1.1em; margin-top: 0; } .note { border: 2px solid #555; padding: .5em .8em; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: .85em; } tr { break-inside: avoid; }
th, td { border: 1px solid #888; padding: .25em .4em; text-align: left; vertical-align: top; font-weight: normal; }
thead th, tfoot th, tfoot td { background: #eee; } td.n { text-align: right; } tfoot th, tfoot td { font-weight: bold; }
svg { display: block; width: 100%; height: auto; break-inside: avoid; } svg text { font: 14px sans-serif; fill: #000; }
dt { font-weight: bold; } dd { margin: 0 0 .4em 1.5em; }
@media print { body { margin: 0; max-width: none; } .scroll { overflow: visible; } @page { size: A4; margin: 15mm; } }
</style>
</head>
<body>
)";

struct Words {
  std::string_view heading, meaning;
};
/// In the order of Outcome.
constexpr Words kOutcomeWords[] = {
    {"Given in full", "Entries were taken out of the log for the request, as it was asked."},
    {"Given in part",
     "The same, but for less than was asked: the request was narrowed first, or a collection was ended early."},
    {"Nothing found", "The log was searched, and had no entry."},
    {"Sealed only",
     "Entries were sealed so that they are not lost, and given to nobody: no court order has opened them."},
    {"Refused", "The service refused the request."},
    {"Closed otherwise", "The request ended without an answer from the log, for example because it was withdrawn."},
    {"Still open", "Not decided when this report was made, or a collection was still going on."},
};
static_assert(std::size(kOutcomeWords) == kOutcomes);

constexpr Instrument kInstruments[] = {Instrument::subpoena,     Instrument::court_order,  Instrument::warrant,
                                       Instrument::pen_register, Instrument::preservation, Instrument::emergency};

std::string months(const HalfYear& half_year) {
  return (half_year.half == 1 ? "January to June " : "July to December ") + std::to_string(half_year.year);
}

/// "23 November 2026".
std::string date_of(Time time) {
  constexpr std::string_view kMonths[] = {"January", "February", "March",     "April",   "May",      "June",
                                          "July",    "August",   "September", "October", "November", "December"};
  const std::chrono::year_month_day date(std::chrono::floor<std::chrono::days>(time));
  return std::to_string(unsigned{date.day()}) + " " + std::string(kMonths[unsigned{date.month()} - 1]) + " " +
         std::to_string(int{date.year()});
}

std::string country_of(std::string_view code) {
  const auto name = country_name(code);
  return name == code ? std::string(code) : std::string(name) + " (" + std::string(code) + ")";
}

struct Totals {
  ReportLine all;
  std::map<Instrument, ReportLine> by_instrument;
  std::map<std::string, ReportLine> by_country;
};

Totals totals_of(const Report& report) {
  Totals out;
  for (const auto& [key, numbers] : report.lines) {
    const auto line = internal::shown(numbers, report.bands);
    out.all += line;
    out.by_country[key.first] += line;
    out.by_instrument[key.second] += line;
  }
  return out;
}

// ---------------------------------------------------------------- plots

struct Bar {
  std::string label;
  Span value;
};

/// One bar for each. A band is drawn dark up to its lowest number, and light up to its highest.
void plot(Page& page, std::string_view what, const std::vector<Bar>& bars) {
  constexpr int kLine = 26, kLabels = 250, kRoom = 380;
  std::uint64_t most = 1;
  for (const auto& bar : bars) most = std::max(most, bar.value.high);
  const auto width = [&](std::uint64_t value) {
    return std::to_string(value * kRoom / most + (value > 0 && value * kRoom < most ? 1 : 0));
  };
  page.html("<svg viewBox=\"0 0 760 ").html(std::to_string(static_cast<int>(bars.size()) * kLine + 6));
  page.html("\" role=\"img\" aria-label=\"").text(what).html("\">\n");
  int y = 3;
  for (const auto& bar : bars) {
    const auto top = std::to_string(y), base = std::to_string(y + 15);
    page.html("<text x=\"242\" y=\"").html(base).html("\" text-anchor=\"end\">").text(bar.label).html("</text>");
    page.html("<rect x=\"250\" y=\"").html(top).html("\" height=\"20\" fill=\"#a9c4de\" width=\"");
    page.html(width(bar.value.high)).html("\"/><rect x=\"250\" y=\"").html(top);
    page.html("\" height=\"20\" fill=\"#1f4e79\" width=\"").html(width(bar.value.low)).html("\"/><text x=\"");
    page.html(std::to_string(kLabels + 8 + std::stoi(width(bar.value.high)))).html("\" y=\"").html(base);
    page.html("\">").text(to_text(bar.value)).html("</text>\n");
    y += kLine;
  }
  page.html("</svg>\n");
}

void plots(Page& page, const Report& report, const Totals& totals) {
  std::vector<Bar> bars;
  for (std::size_t i = 0; i < kOutcomes; ++i)
    bars.push_back({std::string(kOutcomeWords[i].heading), totals.all.outcomes[i]});
  page.html("<h2>What became of the requests</h2>\n");
  plot(page, "Requests by what became of them", bars);
  if (report.bands) {
    page.html(
        "<p>The dark part of a bar is the lowest number that it can be, the light part reaches to the highest.</p>\n");
  }
  bars.clear();
  for (const auto kind : kInstruments) {
    const auto found = totals.by_instrument.find(kind);
    bars.push_back(
        {std::string(internal::title(kind)), found == totals.by_instrument.end() ? Span{} : found->second.requests});
  }
  page.html("<h2>What kind of requests they were</h2>\n");
  plot(page, "Requests by kind", bars);
  bars.clear();
  for (const auto& [code, line] : totals.by_country) bars.push_back({country_of(code), line.requests});
  std::ranges::sort(bars, [](const Bar& a, const Bar& b) {
    return std::tuple(b.value.high, b.value.low, std::string_view(a.label)) <
           std::tuple(a.value.high, a.value.low, std::string_view(b.label));
  });
  if (bars.size() > kBars + 1) {
    Bar rest{std::to_string(bars.size() - kBars) + " other countries", {}};
    for (auto bar = bars.begin() + kBars; bar != bars.end(); ++bar) rest.value += bar->value;
    bars.resize(kBars);
    bars.push_back(std::move(rest));
  }
  page.html("<h2>Where they came from</h2>\n");
  plot(page, "Requests by country", bars);
}

// ---------------------------------------------------------------- words and tables

std::string things(const Span& span, std::string_view one, std::string_view many) {
  return to_text(span) + " " + std::string(span.high == 1 ? one : many);
}

void beginning(Page& page, const Report& report, const Totals& totals) {
  page.html("<h1>Transparency report</h1>\n<p class=\"sub\">").text(report.service_name).html(", ");
  page.text(months(report.half_year)).html("</p>\n");
  if (!report.complete()) {
    page.html(
        "<p class=\"note\"><b>This report is not complete: the half-year is not over.</b> It counts what came until ");
    page.text(date_of(report.as_of)).html(".</p>\n");
  }
  page.html(
      "<p>Courts, police and other authorities can require this service to hand out entries of its lookup log. Such an "
      "entry says that somebody asked this service whether a phone number or e-mail address can be reached here, and "
      "when. It does not say that a message was sent. The content of messages between people is not in the log, and "
      "this service cannot read it.</p>\n<p>This report says how many such requests came in this half-year, and what "
      "became of them.</p>\n");
  if (report.lines.empty()) {
    page.html("<p><b>No request came.</b></p>\n");
    return;
  }
  const auto& all = totals.all;
  page.html("<p><b>").text(things(all.requests, "request came. It asked", "requests came. They asked"));
  page.html(" about ").text(
      things(all.identifiers, "phone number or e-mail address", "phone numbers or e-mail addresses"));
  page.html(".</b> Where one of these was asked about in two requests, it counts twice.</p>\n");
}

void cells(Page& page, const ReportLine& line) {
  const auto cell = [&](const Span& span) { page.html("<td class=\"n\">").text(to_text(span)).html("</td>"); };
  cell(line.requests);
  cell(line.identifiers);
  for (const auto& outcome : line.outcomes) cell(outcome);
  page.html("</tr>\n");
}

void table(Page& page, const Report& report, const Totals& totals) {
  page.html(
      "<h2>All numbers</h2>\n<div class=\"scroll\"><table>\n<thead><tr><th>Country</th><th>Kind of request</th>"
      "<th>Requests</th><th>Numbers and addresses asked about</th>");
  for (const auto& [heading, meaning] : kOutcomeWords) page.html("<th>").html(heading).html("</th>");
  page.html("</tr></thead>\n<tbody>\n");
  for (const auto& [key, numbers] : report.lines) {
    page.html("<tr><th>").text(country_of(key.first)).html("</th><th>").html(internal::title(key.second));
    page.html("</th>");
    cells(page, internal::shown(numbers, report.bands));
  }
  page.html("</tbody>\n<tfoot><tr><th colspan=\"2\">All together</th>");
  cells(page, totals.all);
  page.html("</tfoot></table></div>\n<h2>What the words mean</h2>\n<dl>\n");
  for (const auto& [heading, meaning] : kOutcomeWords)
    page.html("<dt>").html(heading).html("</dt><dd>").html(meaning).html("</dd>\n");
  page.html(
      "<dt>Emergency requests</dt><dd>An authority says that somebody's life or body is in danger. They need the "
      "signatures of two officers of the service as all others do.</dd>\n<dt>Requests to preserve</dt><dd>Entries are "
      "sealed at once, so that they are not lost before a court has decided. They are destroyed if no order opens them "
      "in time.</dd>\n<dt>Collections of future entries</dt><dd>What is often called a pen register: entries are "
      "collected as they come, for 60 days at most.</dd>\n</dl>\n");
}

void notices(Page& page, const Totals& totals) {
  page.html("<h2>Telling the people concerned</h2>\n<p>");
  page.text(things(totals.all.notices_at_once, "request", "requests"));
  page.html(": the person was to be told at once. ");
  page.text(things(totals.all.notices_delayed, "request", "requests"));
  page.html(": the person was to be told later, after a delay. For all others the service recorded no notice.</p>\n");
}

void how_made(Page& page, const Report& report) {
  page.html(
      "<h2>How the numbers are made</h2>\n<ul>\n<li>A request counts in the half-year in which the service recorded "
      "it, and in one line: that of its country and kind. What became of it is as it stood on ");
  page.text(date_of(report.as_of));
  page.html(
      "; of requests that were open then, a later report of the same half-year can say more.</li>\n<li>The country is "
      "the one whose authority asked, as the service's officers recorded it.</li>\n<li>\"Given\" means that two "
      "officers of the service signed for it and the entries were taken out of the log for the authority. Entries that "
      "had expired before, because the service keeps them for a short time only, are not missing from \"in "
      "full\".</li>\n<li>Every recorded request is in the service's ledger, whose fingerprints are public: a request "
      "that was removed from the record later would be found out.</li>\n");
  if (report.bands) {
    page.html(
        "<li><b>Numbers are given as bands</b> (0, 1 to 9, 10 to 49, 50 to 99, 100 to 249, and so on), so that no "
        "single request can be recognised. Every sum, in the table, the text and the plots, is made of the bands "
        "themselves: from the sum of their lowest numbers to the sum of their highest. The exact numbers are in no "
        "sum, so that nothing can be computed back from one.</li>\n");
  }
  page.html("</ul>\n</body>\n</html>\n");
}

}  // namespace

std::string_view internal::title(Instrument instrument) {
  switch (instrument) {
    case Instrument::subpoena:
      return "Subpoenas";
    case Instrument::court_order:
      return "Court orders";
    case Instrument::warrant:
      return "Warrants";
    case Instrument::pen_register:
      return "Collections of future entries";
    case Instrument::preservation:
      return "Requests to preserve";
    case Instrument::emergency:
      return "Emergency requests";
  }
  return "";
}

SecretBytes internal::report_page(const Report& report) {
  const auto totals = totals_of(report);
  Page page;
  page.html(kHead);
  beginning(page, report, totals);
  if (!report.lines.empty()) {
    plots(page, report, totals);
    table(page, report, totals);
    notices(page, totals);
  }
  how_made(page, report);
  return page.take();
}

}  // namespace opaline::records
