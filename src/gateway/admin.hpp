#pragma once
// The gateway's own admin socket, in its data directory: JSON over HTTP, as the service's (docs/operations.md,
// "Dead letters"). Root and the gateway's own user alone.
//   GET  /v1/admin/dead-letters           {"dead_letters": [{"business", "message", "time", "attempts", "reason",
//                                          "kept"}]}, oldest first of each business; never a text, never who wrote it
//   POST /v1/admin/dead-letters/retry     {"message": "<uuid>"} -> {"queued": 1}; {} -> all that were kept
#include "gateway/business.hpp"
#include "net/http_server.hpp"

namespace opaline::gateway {

inline constexpr std::string_view kAdminSocketName = "admin.sock";

/// Answers one request. `own_user`: this process's; `businesses`: all that are served.
void serve_admin(const net::HttpRequest& request, net::HttpResponder responder, std::uint32_t own_user,
                 const std::vector<DeadLetterBox*>& businesses);

}  // namespace opaline::gateway
