#include "server/ledger_page.hpp"

#include <fmt/format.h>

#include <boost/json.hpp>

#include "base/html.hpp"
#include "base/rfc3339.hpp"
#include "msp/base64.hpp"
#include "server/internal/admin_call.hpp"
#include "server/internal/query.hpp"

namespace opaline::server {
namespace {

namespace json = boost::json;
using internal::number;
using internal::parameter;

constexpr std::string_view kPlain = "text/plain; charset=utf-8";

net::HttpResponse problem(unsigned status, std::string_view error, std::string_view message) {
  return internal::json_response(status, json::object{{"error", error}, {"message", message}});
}
net::HttpResponse failed() {
  return problem(503, "unavailable", "the ledger cannot be read at the moment");
}

constexpr std::string_view kPage = R"(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Ledger of {0}</title>
<style>body{{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222;background:#fff}}
table{{border-collapse:collapse;width:100%}}td,th{{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #ddd}}
code{{font-size:.8rem;word-break:break-all}}</style></head><body>
<h1>Ledger of {0}</h1>
<p>Every step of every legal request to this service is recorded here as a hash, before it has any effect. A line says how many
steps there are, and a fingerprint of all of them in their order. It tells nothing about any case. Whoever keeps a line can
find out later whether a recorded step was changed or removed.</p>
<p><strong>Collections of future lookups that are on now: {1}.</strong></p>
<p>Signing key: <code>{2}</code></p>
<p>With signatures, for programs: <a href="/v1/ledger/heads">/v1/ledger/heads</a></p>
<table><thead><tr><th>Steps</th><th>Signed (UTC)</th><th>Fingerprint</th></tr></thead><tbody>
{3}</tbody></table>
</body></html>
)";

}  // namespace

net::HttpResponse LedgerPage::serve(const net::HttpRequest& request) {
  if (request.method != "GET" && request.method != "HEAD") {
    auto refused = net::text_response(405, kPlain, "use GET\n");
    refused.headers.push_back({"Allow", "GET, HEAD"});
    return refused;
  }
  const auto path = request.path();
  if (path == kLedgerPath) return page();
  if (path == "/v1/ledger/heads") return heads(request.query());
  if (path == "/v1/ledger/consistency") return consistency(request.query());
  return net::text_response(404, kPlain, "not found\n");
}

net::HttpResponse LedgerPage::page() {
  const auto size = ledger_.size();
  auto newest = ledger_.heads(size > kMaxHeads ? size - kMaxHeads : 0, kMaxHeads);
  if (!newest) return failed();
  std::string lines;
  for (auto head = newest->rbegin(); head != newest->rend(); ++head) {
    lines += fmt::format("<tr><td>{}</td><td>{}</td><td><code>{}</code></td></tr>\n", head->head.size,
                         rfc3339(head->head.time), to_hex(head->head.root));
  }
  auto response = net::text_response(200, "text/html; charset=utf-8",
                                     fmt::format(fmt::runtime(kPage), escape_html(facts_.service), facts_.collections(),
                                                 ledger::fingerprint(ledger_.public_key()), lines));
  response.headers.push_back({"Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'"});
  response.headers.push_back({"Cache-Control", "no-store"});
  return response;
}

net::HttpResponse LedgerPage::heads(std::string_view query) {
  const auto size = ledger_.size();
  const auto given = parameter(query, "after");
  const auto after = given ? number(*given) : std::optional(size > kMaxHeads ? size - kMaxHeads : 0);
  if (!after) return problem(400, "invalid", "after is the size of a head: a whole number");
  const auto found = ledger_.heads(*after, kMaxHeads);
  if (!found) return failed();
  json::array list;
  for (const auto& one : *found) {
    list.push_back(json::object{{"size", one.head.size},
                                {"root", to_hex(one.head.root)},
                                {"time_ms", unix_millis(one.head.time)},
                                {"signature", msp::to_base64(one.signature.view())}});
  }
  return internal::json_response(200, json::object{{"service", facts_.service},
                                                   {"key", msp::to_base64(ledger_.public_key().view())},
                                                   {"fingerprint", ledger::fingerprint(ledger_.public_key())},
                                                   {"collections", facts_.collections()},
                                                   {"size", size},
                                                   {"heads", std::move(list)}});
}

net::HttpResponse LedgerPage::consistency(std::string_view query) {
  const auto first = number(parameter(query, "first").value_or(""));
  const auto second = number(parameter(query, "second").value_or(""));
  if (!first || !second) return problem(400, "invalid", "first and second are the sizes of two heads: whole numbers");
  const auto proof = ledger_.consistency(*first, *second);
  if (!proof && proof.error() == ledger::Error::out_of_range) {
    return problem(400, "invalid", "first is 1 or more, not greater than second, and second not than the newest size");
  }
  if (!proof) return failed();
  json::array hashes;
  for (const auto& hash : *proof) hashes.emplace_back(to_hex(hash));
  return internal::json_response(200,
                                 json::object{{"first", *first}, {"second", *second}, {"proof", std::move(hashes)}});
}

}  // namespace opaline::server
