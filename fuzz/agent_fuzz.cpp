// What another process may ask of a running `opaline` on its socket.
#include "apps/opaline/agent_request.hpp"
#include "fuzz/targets.hpp"

namespace opaline::fuzz {

void agent(ByteView input) {
  const auto send = cli::parse_send(input);
  if (!send) return;
  OPALINE_ASSERT(send->wait.count() >= 0 && send->wait <= cli::kMaxAgentWait);
  const auto again = cli::parse_send(as_view(cli::send_request(*send)));
  OPALINE_ASSERT(again && *again == *send);
}

}  // namespace opaline::fuzz
