#include "gateway/admin.hpp"

#include <boost/json.hpp>

#include "base/rfc3339.hpp"

namespace opaline::gateway {
namespace {

namespace json = boost::json;

constexpr std::string_view kPrefix = "/v1/admin/";
constexpr std::string_view kNotTaken = "the store did not take it; see the log";

void answer(net::HttpResponder& responder, unsigned status, const json::value& body) {
  responder.respond(net::text_response(status, "application/json", json::serialize(body) + "\n"));
}
void refuse(net::HttpResponder& responder, unsigned status, std::string_view error, std::string_view message) {
  answer(responder, status, {{"error", error}, {"message", message}});
}

json::array list(const std::vector<DeadLetterBox*>& businesses) {
  json::array out;
  for (const auto* business : businesses) {
    for (const DeadLetter& letter : business->dead_letters()) {
      out.push_back({{"business", msp::to_text(business->id())},
                     {"message", msp::to_text(msp::Uuid(letter.message))},
                     {"time", rfc3339(letter.at)},
                     {"attempts", letter.attempts},
                     {"reason", name(letter.refusal)},
                     {"kept", letter.kept}});
    }
  }
  return out;
}

void retry_all(net::HttpResponder& responder, const std::vector<DeadLetterBox*>& businesses) {
  std::size_t queued = 0;
  for (auto* const business : businesses) {
    for (const DeadLetter& letter : business->dead_letters()) {
      const auto done = business->retry(msp::Uuid(letter.message));
      if (!done) return refuse(responder, 503, "unavailable", kNotTaken);
      queued += *done == Store::Retry::queued ? 1 : 0;
    }
  }
  answer(responder, 200, {{"queued", queued}});
}

void retry(net::HttpResponder& responder, const std::vector<DeadLetterBox*>& businesses, const msp::Uuid& message) {
  for (auto* const business : businesses) {
    const auto done = business->retry(message);
    if (!done) return refuse(responder, 503, "unavailable", kNotTaken);
    if (*done == Store::Retry::queued) return answer(responder, 200, {{"queued", 1}});
    if (*done == Store::Retry::lost)
      return refuse(responder, 409, "lost", "its message is not there any more: nothing can be sent");
  }
  refuse(responder, 404, "not_found", "there is no dead letter of this id");
}

/// The body's one member; nullopt: it is not as it should be. Empty: it is not there.
std::optional<std::string> wanted_message(const Bytes& body) {
  if (body.empty()) return std::string();
  boost::system::error_code error;
  const auto value = json::parse(as_text(body), error);
  const auto* object = error ? nullptr : value.if_object();
  if (object == nullptr || object->size() > 1) return std::nullopt;
  if (object->empty()) return std::string();
  const auto* message = object->if_contains("message");
  if (message == nullptr || !message->is_string()) return std::nullopt;
  return std::string(message->get_string());
}

}  // namespace

void serve_admin(const net::HttpRequest& request, net::HttpResponder responder, const AdminParts& parts) {
  const auto& peer = request.peer.credentials;
  if (!peer || (peer->user != 0 && peer->user != parts.own_user))
    return refuse(responder, 403, "forbidden", "only root and the gateway's own user may use the admin socket");
  std::string_view path = request.path();
  if (path.starts_with(kPrefix)) path.remove_prefix(kPrefix.size());
  const bool post = request.method == "POST";
  if (path == "dead-letters" && request.method == "GET")
    return answer(responder, 200, {{"dead_letters", list(parts.businesses)}});
  if (path == "clock/confirm" && post) {
    if (!parts.confirm_clock()) return refuse(responder, 503, "unavailable", kNotTaken);
    return answer(responder, 200, {{"confirmed", true}});
  }
  if (path != "dead-letters/retry" || !post)
    return refuse(responder, 404, "not_found", "GET dead-letters, POST dead-letters/retry, POST clock/confirm");
  const auto message = wanted_message(request.body);
  if (message && message->empty()) return retry_all(responder, parts.businesses);
  const auto id = message ? msp::parse_uuid(*message) : std::nullopt;
  if (!id) return refuse(responder, 400, "invalid", R"(wanted: {} or {"message": "<uuid>"})");
  retry(responder, parts.businesses, *id);
}

}  // namespace opaline::gateway
