#pragma once
// What the operator of the role `sms` can watch, in Prometheus's text format (docs/operations.md, "Metrics"). Never a
// number, nor an opaque id.
#include "net/http.hpp"
#include "sms/bridge.hpp"

namespace opaline::sms {

[[nodiscard]] std::string render_metrics(const Bridge::Counters& counters, std::size_t untold);
/// Answers /metrics and /healthz.
[[nodiscard]] net::HttpResponse serve_metrics(const net::HttpRequest& request, const Bridge::Counters& counters,
                                              std::size_t untold);

}  // namespace opaline::sms
