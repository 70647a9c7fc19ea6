#pragma once
// What one `opaline` process asks of another (agent.hpp), as JSON.
#include <optional>
#include <string>

#include "endpoint/endpoint_store.hpp"

namespace opaline::cli {

inline constexpr seconds kMaxAgentWait{600};

struct AgentSend {
  std::string to;
  std::string text;
  endpoint::MessageState until{};
  seconds wait{};           ///< 0 to kMaxAgentWait
  std::string upload = {};  ///< the id of an upload in the home, in place of a text; empty: none
  friend bool operator==(const AgentSend&, const AgentSend&) = default;
};

/// {"to","text","until","wait_seconds"}, and "upload" if there is one
[[nodiscard]] std::string send_request(const AgentSend& send);
/// nullopt: not such an object. Members that it does not know are skipped.
[[nodiscard]] std::optional<AgentSend> parse_send(ByteView body);
/// The "to" of a request to find an account; nullopt: not such an object.
[[nodiscard]] std::optional<std::string> parse_resolve(ByteView body);
/// "queued", "sent", "delivered", "read".
[[nodiscard]] std::optional<endpoint::MessageState> state_by_name(std::string_view name);

}  // namespace opaline::cli
