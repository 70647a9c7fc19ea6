#include "sms/metrics.hpp"

namespace opaline::sms {
namespace {

void family(std::string& out, std::string_view name, std::string_view help, std::string_view type) {
  for (const std::string_view part :
       {std::string_view("# HELP opaline_sms_"), name, std::string_view(" "), help,
        std::string_view("\n# TYPE opaline_sms_"), name, std::string_view(" "), type, std::string_view("\n")})
    out += part;
}
void value(std::string& out, std::string_view name, std::string_view label, std::uint64_t number) {
  out += "opaline_sms_";
  out += name;
  out += label;
  out += ' ' + std::to_string(number) + '\n';
}

}  // namespace

std::string render_metrics(const Bridge::Counters& c, std::size_t untold) {
  std::string out;
  family(out, "texts_total", "Texts of people for numbers, each once.", "counter");
  value(out, "texts_total", {}, c.texts);
  family(out, "fates_total", "What became of them, as far as it is known; handed: Kannel took them.", "counter");
  value(out, "fates_total", R"({fate="handed"})", c.handed);
  value(out, "fates_total", R"({fate="delivered"})", c.delivered);
  value(out, "fates_total", R"({fate="failed"})", c.failed);
  value(out, "fates_total", R"({fate="unknown"})", c.unknown);
  value(out, "fates_total", R"({fate="over_budget"})", c.over_budget);
  family(out, "replies_total", "Short messages that came; dropped: nobody here wrote to that number within 7 days.",
         "counter");
  value(out, "replies_total", R"({outcome="given"})", c.replies);
  value(out, "replies_total", R"({outcome="dropped"})", c.replies_dropped);
  value(out, "replies_total", R"({outcome="unreadable"})", c.unreadable);
  family(out, "untold", "Reports that the gateway has not taken yet.", "gauge");
  value(out, "untold", {}, untold);
  return out;
}

net::HttpResponse serve_metrics(const net::HttpRequest& request, const Bridge::Counters& counters, std::size_t untold) {
  constexpr std::string_view kPlain = "text/plain; charset=utf-8";
  if (request.path() == "/metrics")
    return net::text_response(200, "text/plain; version=0.0.4; charset=utf-8", render_metrics(counters, untold));
  if (request.path() == "/healthz") return net::text_response(200, kPlain, "ok\n");
  return net::text_response(404, kPlain, "/metrics, /healthz\n");
}

}  // namespace opaline::sms
