#include "apps/opaline/agent_request.hpp"

#include <boost/json.hpp>

namespace opaline::cli {

using endpoint::MessageState;

namespace {

/// What one can wait for, by the names of docs/cli.md.
constexpr std::pair<std::string_view, MessageState> kStates[] = {{"queued", MessageState::queued},
                                                                 {"sent", MessageState::sent},
                                                                 {"delivered", MessageState::delivered},
                                                                 {"read", MessageState::read}};

std::string_view name_of(MessageState wanted) {
  for (const auto& [name, state] : kStates)
    if (state == wanted) return name;
  return {};
}

}  // namespace

std::string send_request(const AgentSend& send) {
  boost::json::object out{
      {"to", send.to}, {"text", send.text}, {"until", name_of(send.until)}, {"wait_seconds", send.wait.count()}};
  if (!send.upload.empty()) out["upload"] = send.upload;
  return boost::json::serialize(out);
}

std::optional<AgentSend> parse_send(ByteView body) {
  boost::system::error_code error;
  const auto value = boost::json::parse(boost::json::string_view(as_text(body)), error);
  if (error || !value.is_object()) return std::nullopt;
  const auto text = [&](const char* key) -> std::optional<std::string> {
    const auto* found = value.as_object().if_contains(key);
    if (found == nullptr || !found->is_string()) return std::nullopt;
    return std::string(found->as_string());
  };
  const auto to = text("to"), message = text("text"), until = text("until");
  const auto* wait = value.as_object().if_contains("wait_seconds");
  if (!to || !message || !until || wait == nullptr || !wait->is_int64()) return std::nullopt;
  const auto state = state_by_name(*until);
  if (!state || wait->as_int64() < 0 || wait->as_int64() > kMaxAgentWait.count()) return std::nullopt;
  return AgentSend{*to, *message, *state, seconds(wait->as_int64()), text("upload").value_or("")};
}

std::optional<std::string> parse_resolve(ByteView body) {
  boost::system::error_code error;
  const auto value = boost::json::parse(boost::json::string_view(as_text(body)), error);
  const auto* to = !error && value.is_object() ? value.as_object().if_contains("to") : nullptr;
  if (to == nullptr || !to->is_string()) return std::nullopt;
  return std::string(to->as_string());
}

std::optional<MessageState> state_by_name(std::string_view wanted) {
  for (const auto& [name, state] : kStates)
    if (name == wanted) return state;
  return std::nullopt;
}

}  // namespace opaline::cli
