#include "sms/metrics.hpp"

#include "net/metrics_page.hpp"

namespace opaline::sms {

std::string render_metrics(const Bridge::Counters& c, std::size_t untold) {
  net::MetricsPage page("opaline_sms_");
  page.counter("texts_total", "Texts of people for numbers, each once.", c.texts);
  page.counters("fates_total", "What became of them, as far as it is known; handed: Kannel took them.", "fate",
                {{"handed", c.handed},
                 {"delivered", c.delivered},
                 {"failed", c.failed},
                 {"unknown", c.unknown},
                 {"over_budget", c.over_budget}});
  page.counters("replies_total", "Short messages that came; dropped: nobody here wrote to that number within 7 days.",
                "outcome", {{"given", c.replies}, {"dropped", c.replies_dropped}, {"unreadable", c.unreadable}});
  page.gauge("untold", "Reports that the gateway has not taken yet.", untold);
  return page.text();
}

net::HttpResponse serve_metrics(const net::HttpRequest& request, const Bridge::Counters& counters, std::size_t untold) {
  constexpr std::string_view kPlain = "text/plain; charset=utf-8";
  if (request.path() == "/metrics")
    return net::text_response(200, net::kMetricsContentType, render_metrics(counters, untold));
  if (request.path() == "/healthz") return net::text_response(200, kPlain, "ok\n");
  return net::text_response(404, kPlain, "/metrics, /healthz\n");
}

}  // namespace opaline::sms
