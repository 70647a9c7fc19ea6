#pragma once
// What the operator of a gateway can watch, in Prometheus's text format (docs/operations.md, "Metrics"). Sums over all
// businesses; never an identifier.
#include "gateway/business.hpp"
#include "net/http_server.hpp"

namespace opaline::gateway {

struct MetricsSnapshot {
  Counters counters{};         ///< of all businesses together, those that are gone included
  std::size_t businesses = 0;  ///< that are served
  std::size_t connected = 0;   ///< of them at the service
  std::size_t dead_letters = 0;
  net::HttpServerCounters api{};
};

[[nodiscard]] std::string render_metrics(const MetricsSnapshot& snapshot);

/// Adds up what only rises; `waiting` and `people` are added, too.
void add(Counters& sum, const Counters& more);

/// Answers /metrics, /healthz and /readyz: ready while every business is connected to the service.
[[nodiscard]] net::HttpResponse serve_metrics(const net::HttpRequest& request, const MetricsSnapshot& snapshot);

}  // namespace opaline::gateway
