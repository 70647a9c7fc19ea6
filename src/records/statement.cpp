// statement.html: what the entries are, what they do not show, what is not in them. Whoever changes a sentence here
// must be able to name the code that makes it true (docs/records.md lists them).
#include <algorithm>

#include "records/canonical.hpp"
#include "records/internal/page.hpp"
#include "records/production.hpp"

namespace opaline::records {
namespace {

using internal::Page;

constexpr std::string_view kHead = R"(<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Statement on the entries of a lookup log</title>
<style>
body { font: 11pt/1.45 serif; max-width: 42em; margin: 2em auto; padding: 0 1em; color: #000; background: #fff; }
h1 { font-size: 1.5em; } h2 { font-size: 1.15em; margin-top: 1.6em; break-after: avoid; }
table { border-collapse: collapse; width: 100%; } tr { break-inside: avoid; }
th, td { border: 1px solid #888; padding: .25em .5em; text-align: left; vertical-align: top; font-weight: normal; overflow-wrap: anywhere; }
th { width: 34%; background: #f2f2f2; } td.n { text-align: right; }
code { font-size: .85em; overflow-wrap: anywhere; }
@media print { body { margin: 0; max-width: none; } }
</style>
</head>
<body>
)";

std::string_view words(Instrument instrument) {
  switch (instrument) {
    case Instrument::subpoena:
      return "subpoena";
    case Instrument::court_order:
      return "court order";
    case Instrument::warrant:
      return "warrant";
    case Instrument::pen_register:
      return "pen register (collection of future entries)";
    case Instrument::preservation:
      return "request to preserve";
    case Instrument::emergency:
      return "emergency request";
  }
  return "";
}

std::string days(std::chrono::days count) {
  return std::to_string(count.count()) + (count.count() == 1 ? " day" : " days");
}

void write_request(Page& page, const ProductionInput& in) {
  page.html("<h2>1. The request</h2>\n<table>\n");
  page.row("Service", in.service_name).row("Case of the service", to_text(in.id));
  page.row("Requesting authority", in.facts.authority).row("Kind of request", words(in.facts.instrument));
  page.row("Reference of the authority", in.facts.reference).row("Jurisdiction", in.facts.jurisdiction);
  page.row("Served on", to_text(in.facts.served)).row("To be answered by", to_text(in.facts.due));
  page.row("Period searched", "from " + to_text(in.from) + " until before " + to_text(in.to));
  if (in.facts.opens) page.row("Opens the preserved extract of case", to_text(*in.facts.opens));
  page.row("Made on", to_text(in.made)).html("</table>\n");
  if (in.revision > 1) {
    page.html("<p>The request was narrowed before it was answered: this is its version ");
    page.text(std::to_string(in.revision)).html(".</p>\n");
  }
  if (in.facts.instrument == Instrument::preservation) {
    page.html(
        "<p>This extract was made to be kept. It is handed out only if a later request that allows it, approved "
        "by two officers as well, opens it.</p>\n");
  }
  if (in.facts.instrument == Instrument::pen_register) {
    page.html(
        "<p>This is one day of a collection that began when two officers had approved it. Entries from before "
        "are not in it.</p>\n");
  }
}

void write_counts(Page& page, const ProductionInput& in) {
  page.html(
      "<h2>2. What was found</h2>\n<table>\n<tr><th>Phone number or e-mail address</th>"
      "<th>requests made by it</th><th>requests made about it</th></tr>\n");
  const auto counts = count(in.facts.handles, in.rows);
  for (const auto& one : counts) {
    page.html("<tr><td>").text(one.handle).html("</td><td class=\"n\">").text(std::to_string(one.by));
    page.html("</td><td class=\"n\">").text(std::to_string(one.of)).html("</td></tr>\n");
  }
  page.html("</table>\n<p>The files <code>lookups.csv</code> and <code>lookups.json</code> hold the same ");
  page.text(std::to_string(in.rows.size()));
  page.html(
      " lines. A request that one of these addresses made about another of them is listed under each. In "
      "<code>lookups.csv</code>, a cell that begins with one of the characters = + - @ (every phone number does) "
      "has an apostrophe before it, so that spreadsheet programs do not take it for a formula; "
      "<code>lookups.json</code> has it without.</p>\n");
}

constexpr std::string_view kWhatTheyAre = R"(<h2>3. What an entry is</h2>
<p>Before an app can write to a phone number or e-mail address, it may ask this service whether that address can be reached here.
This question is called a lookup. The service writes five things down about a lookup, and each line of the files has them:</p>
<ul>
<li>when the lookup was answered, by the service's clock, in Coordinated Universal Time (UTC);</li>
<li>an address of the account that asked: the account may have several, and the log names one of them;</li>
<li>the internet address (IP address) from which the question reached the service;</li>
<li>the phone number or e-mail address that was asked about;</li>
<li>on how many devices it could be reached then; 0 means that it could not be reached here.</li>
</ul>
<p>The two columns before them say for which address of the request a line was found, and whether that address asked
(&ldquo;by&rdquo;) or was asked about (&ldquo;of&rdquo;).</p>
<h2>4. What an entry does not show</h2>
<ul>
<li><b>It does not show that any communication took place.</b> An app can ask without anything being sent, before or after.</li>
<li><b>It is not one for each message or call.</b> Devices remember the answer for some time and renew it without a lookup:
many messages can follow one lookup, or none, and messages can be sent without a lookup in this period.</li>
<li>It does not name the app or program that asked, nor which of the account's devices did.</li>
<li>It does not name the person. Whoever used a device of the account may have caused the lookup, and an app may ask by itself.</li>
<li>The internet address is the one that the service saw. It can belong to a network, a proxy or a relay that many people use.</li>
<li>That there is no entry does not show that two people had no contact.</li>
</ul>
)";

void write_gaps(Page& page, const ProductionInput& in) {
  page.html("<h2>5. What may be missing</h2>\n<ul>\n");
  if (in.retention.count() == 0) {
    page.point(
        "This service keeps no lookup log. Nothing is written down but for a collection that two officers approved.");
  } else {
    page.html("<li>When this was made, the service kept entries for at most ").text(days(in.retention));
    page.html(
        ". What was older had been destroyed; nobody, the service included, can bring it back. If the period "
        "above begins earlier, there is nothing from its beginning.</li>\n");
  }
  if (in.gaps.damaged > 0) {
    page.html("<li><b>").text(std::to_string(in.gaps.damaged));
    page.html(
        " entries of those that were searched could not be read or included</b>, and are not in the files.</li>\n");
  }
  if (!in.gaps.unreadable_days.empty()) {
    page.html("<li><b>Nothing could be read of what the log has of these days:</b>");
    for (const auto day : in.gaps.unreadable_days) page.html(" ").text(to_text(day));
    page.html(".</li>\n");
  }
  page.point(
      "Entries are written a moment after the lookup was answered. If the service ended unexpectedly in between, or "
      "was overloaded, entries of that moment are missing.");
  page.point(
      "Where the account that asked has several addresses, a search for one that the log did not name finds nothing.");
  page.html("</ul>\n");
}

constexpr std::string_view kWhatElse = R"(<h2>6. What is not in these files</h2>
<ul>
<li>The content of messages between people: this service cannot read it, and keeps no history of messages.</li>
<li>Messages to a business are readable where the business's part of the service runs, while they wait there or pass. If this
service runs it for the business, they are readable by this service for that time. Nothing of them is kept after they were delivered.</li>
<li>From its directory the service could also say, as of now: which phone numbers and e-mail addresses an account has, its devices,
the few dates that the directory has, with which businesses the account has a conversation open or closed, and which account
stands behind the number by which a business knows a person. None of that is in these files. The service's documents list
every field that it holds.</li>
<li>Who sent messages to whom, and when: the service does not write that down.</li>
</ul>
)";

void write_check(Page& page, const ProductionInput& in) {
  page.html(
      "<h2>7. How this can be checked</h2>\n<p>Two officers of the service approved the request, each with an "
      "electronic "
      "signature over the request and the numbers of entries as they then were:</p>\n<table>\n");
  for (const auto& one : in.approvals) {
    page.html("<tr><th>").text(one.officer).html("</th><td>").text(to_text(one.at)).html("<br><code>");
    page.text(sha256_hex(one.key.view())).html("</code></td></tr>\n");
  }
  page.html(
      "</table>\n<p>The file <code>manifest.json</code> has these signatures, the fingerprints of the other files, the "
      "service's own signature, and the proof that the step was entered in the service's ledger. The program "
      "<code>opaline-records verify</code> checks all of it without a connection. It needs to be told the fingerprint "
      "of the "
      "service's key, from another source than these files; according to them it is</p>\n<p><code>");
  page.text(in.service).html("</code></p>\n</body>\n</html>\n");
}

}  // namespace

SecretBytes statement_of(const ProductionInput& input) {
  Page page;
  page.html(kHead).html("<h1>Statement on the entries of a lookup log</h1>\n");
  write_request(page, input);
  write_counts(page, input);
  page.html(kWhatTheyAre);
  write_gaps(page, input);
  page.html(kWhatElse);
  write_check(page, input);
  return page.take();
}

}  // namespace opaline::records
