#pragma once
// The gateway's own admin socket, in its data directory: JSON over HTTP, as the service's (docs/operations.md,
// "Dead letters"). Root and the gateway's own user alone.
//   GET  /v1/admin/dead-letters           {"dead_letters": [{"business", "message", "time", "attempts", "reason",
//                                          "kept"}]}, oldest first of each business; never a text, never who wrote it
//   POST /v1/admin/dead-letters/retry     {"message": "<uuid>"} -> {"queued": 1}; {} -> all that were kept
//   POST /v1/admin/clock/confirm          after a jump: the clock is right (store::ExpiryGuard) -> {"confirmed": true}
#include <functional>

#include "gateway/business.hpp"
#include "net/http_server.hpp"

namespace opaline::gateway {

inline constexpr std::string_view kAdminSocketName = "admin.sock";

struct AdminParts {
  std::uint32_t own_user = 0;              ///< this process's
  std::vector<DeadLetterBox*> businesses;  ///< all that are served
  std::function<bool()> confirm_clock;     ///< false: the store did not take it
};
/// Answers one request.
void serve_admin(const net::HttpRequest& request, net::HttpResponder responder, const AdminParts& parts);

}  // namespace opaline::gateway
