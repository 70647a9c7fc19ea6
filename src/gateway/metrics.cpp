#include "gateway/metrics.hpp"

#include "net/metrics_page.hpp"

namespace opaline::gateway {
namespace {

constexpr std::string_view kPlain = "text/plain; charset=utf-8";

}  // namespace

std::string render_metrics(const MetricsSnapshot& s) {
  net::MetricsPage page("opaline_gateway_");
  const Counters& c = s.counters;
  page.gauge("businesses", "Businesses that are served.", s.businesses);
  page.gauge("businesses_connected", "Of these connected to the service.", s.connected);
  page.gauge("people", "People who have written.", c.people);
  page.gauge("waiting", "Messages that wait for a webhook.", c.waiting);
  page.gauge("dead_letters", "Dead letters that there are.", s.dead_letters);
  page.counter("received_total", "Messages of people.", c.received);
  page.counter("dropped_total", "Messages of devices that did not say who they are.", c.dropped);
  page.counters("webhooks_total", "Answers to webhooks: taken, not now, and refused for good.", "outcome",
                {{"taken", c.webhooks}, {"failed", c.webhook_failures}, {"dead_letter", c.dead_letters}});
  page.counters(
      "sent_total", "Messages of businesses, by what became of them; repeated ones were sent before.", "outcome",
      {{"accepted", c.sent}, {"repeated", c.repeated}, {"closed", c.refused_closed}, {"unknown", c.refused_unknown}});
  page.counter("api_requests_total", "Requests to the MSP API.", s.api.requests);
  page.counter("api_bad_requests_total", "HTTP requests unparsable or over a limit.", s.api.bad_requests);
  page.counter("api_handshakes_failed_total", "TLS handshakes that failed.", s.api.handshakes_failed);
  page.gauge("api_connections", "Open connections to the MSP API.", s.api.open_connections);
  page.gauge("api_buffered_bytes", "Unfinished requests: uploads.", s.api.buffered_bytes);
  return page.text();
}

void add(Counters& sum, const Counters& more) {
  sum.received += more.received;
  sum.webhooks += more.webhooks;
  sum.webhook_failures += more.webhook_failures;
  sum.dead_letters += more.dead_letters;
  sum.dropped += more.dropped;
  sum.sent += more.sent;
  sum.repeated += more.repeated;
  sum.refused_closed += more.refused_closed;
  sum.refused_unknown += more.refused_unknown;
  sum.waiting += more.waiting;
  sum.people += more.people;
}

net::HttpResponse serve_metrics(const net::HttpRequest& request, const MetricsSnapshot& snapshot) {
  const auto path = request.path();
  if (path == "/metrics") return net::text_response(200, net::kMetricsContentType, render_metrics(snapshot));
  if (path == "/healthz") return net::text_response(200, kPlain, "ok\n");
  if (path != "/readyz") return net::text_response(404, kPlain, "/metrics, /healthz, /readyz\n");
  const bool ready = snapshot.connected == snapshot.businesses;
  return net::text_response(ready ? 200 : 503, kPlain, ready ? "ready\n" : "not ready\n");
}

}  // namespace opaline::gateway
