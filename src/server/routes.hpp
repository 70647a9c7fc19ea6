#pragma once
// Every route of a node's HTTP listeners. What matches none of them is answered as not there, whatever code there may
// be for it; tests/system/routes_test.py reads this file and walks them all, with every kind of credential.
#include <algorithm>
#include <array>
#include <span>
#include <string_view>

namespace opaline::server {

struct Route {
  std::string_view method;
  std::string_view path;  ///< a segment "*" is any one that is not empty
};

/// GET goes for HEAD, too.
inline constexpr auto kPublicRoutes = std::to_array<Route>({
    {"GET", "/v1/device"},
    {"POST", "/v1/registration/start"},
    {"POST", "/v1/registration/check"},
    {"POST", "/v1/registration/complete"},
    {"POST", "/v1/link/open"},
    {"POST", "/v1/link/turn"},
    {"POST", "/v1/recovery/start"},
    {"POST", "/v1/recovery/open"},
    {"POST", "/v1/recovery/complete"},
    {"PUT", "/v1/blobs/*"},
    {"GET", "/v1/blobs/*"},
    {"DELETE", "/v1/blobs/*"},
    {"GET", "/v1/blobs/*/offset"},
    {"POST", "/v1/blobs/*/release"},
    {"POST", "/v1/blobs/*/releases"},
    {"GET", "/v1/ledger"},
    {"GET", "/v1/ledger/heads"},
    {"GET", "/v1/ledger/consistency"},
    {"GET", "/healthz"},
    {"GET", "/readyz"},
});

/// Of the operator listener and of the admin socket.
inline constexpr auto kOperatorRoutes = std::to_array<Route>({
    {"GET", "/v1/admin/status"},
    {"GET", "/v1/admin/operators"},
    {"POST", "/v1/admin/operators"},
    {"POST", "/v1/admin/operators/*/tokens"},
    {"POST", "/v1/admin/operators/*/revoke"},
    {"GET", "/v1/admin/audit"},
    {"GET", "/v1/admin/audit/verify"},
    {"POST", "/v1/admin/reload"},
    {"POST", "/v1/admin/clock/confirm"},
    {"POST", "/v1/admin/backup/checkpoint"},
    {"GET", "/v1/admin/businesses"},
    {"POST", "/v1/admin/businesses"},
    {"GET", "/v1/admin/businesses/*"},
    {"POST", "/v1/admin/businesses/*"},
    {"POST", "/v1/admin/businesses/*/rotate-secret"},
    {"POST", "/v1/admin/businesses/*/enrol"},
    {"POST", "/v1/admin/businesses/*/remove"},
    {"GET", "/v1/admin/gateway"},
    {"POST", "/v1/admin/gateway/enrol"},
    {"GET", "/v1/records/service"},
    {"GET", "/v1/records/officers"},
    {"POST", "/v1/records/key"},
    {"GET", "/v1/records/cases"},
    {"POST", "/v1/records/cases"},
    {"GET", "/v1/records/cases/*"},
    {"GET", "/v1/records/cases/*/preview"},
    {"POST", "/v1/records/cases/*/approve"},
    {"POST", "/v1/records/cases/*/narrow"},
    {"POST", "/v1/records/cases/*/refuse"},
    {"POST", "/v1/records/cases/*/close"},
    {"POST", "/v1/records/cases/*/renew"},
    {"POST", "/v1/records/cases/*/end"},
    {"POST", "/v1/records/cases/*/answer"},
    {"POST", "/v1/records/cases/*/notify"},
    {"GET", "/v1/records/cases/*/productions/*"},
    {"GET", "/v1/records/cases/*/productions/*/pieces/*"},
    {"GET", "/v1/records/report"},
    {"GET", "/v1/records/ledger/verify"},
});

inline constexpr auto kMetricsRoutes = std::to_array<Route>({
    {"GET", "/metrics"},
    {"GET", "/healthz"},
    {"GET", "/readyz"},
});

/// Whether the path (without its query) is one of a pattern.
[[nodiscard]] constexpr bool fits(std::string_view pattern, std::string_view path) {
  for (;;) {
    const auto wanted = pattern.substr(0, pattern.find('/')), given = path.substr(0, path.find('/'));
    if (wanted == "*" ? given.empty() : wanted != given) return false;
    const bool more = wanted.size() < pattern.size();
    if (more != (given.size() < path.size())) return false;
    if (!more) return true;
    pattern.remove_prefix(wanted.size() + 1);
    path.remove_prefix(given.size() + 1);
  }
}

/// Whether there is such a path, whatever the method.
[[nodiscard]] constexpr bool is_path(std::span<const Route> routes, std::string_view path) {
  return std::ranges::any_of(routes, [&](const Route& route) { return fits(route.path, path); });
}
[[nodiscard]] constexpr bool is_route(std::span<const Route> routes, std::string_view method, std::string_view path) {
  return std::ranges::any_of(routes,
                             [&](const Route& route) { return route.method == method && fits(route.path, path); });
}

}  // namespace opaline::server
