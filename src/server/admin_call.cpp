#include "server/internal/admin_call.hpp"

#include <algorithm>

namespace opaline::server::internal {

namespace json = boost::json;
using operators::Error;

namespace {

unsigned http_status(Error error) {
  switch (error) {
    case Error::forbidden:
      return 403;
    case Error::invalid:
      return 400;
    case Error::exists:
    case Error::revoked:
    case Error::too_many:
      return 409;
    case Error::not_found:
      return 404;
    case Error::unavailable:
      return 503;
  }
  return 500;
}

}  // namespace

net::HttpResponse json_response(unsigned status, const json::value& body) {
  auto response = net::text_response(status, "application/json", json::serialize(body) + "\n");
  response.headers.push_back({"Cache-Control", "no-store"});
  return response;
}

std::optional<json::object> body_object(const Bytes& body, std::initializer_list<std::string_view> known) {
  if (body.empty()) return json::object{};
  boost::system::error_code error;
  auto value = json::parse({reinterpret_cast<const char*>(body.data()), body.size()}, error);
  if (error || !value.is_object()) return std::nullopt;
  for (const auto& field : value.get_object()) {
    if (std::ranges::find(known, std::string_view(field.key())) == known.end()) return std::nullopt;
  }
  return std::move(value.get_object());
}

std::optional<std::string> text_field(const json::object& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  if (!value || !value->is_string()) return std::nullopt;
  return std::string(value->get_string());
}

void AdminCall::answer(unsigned status, const json::value& body) {
  responder.respond(json_response(status, body));
}

void AdminCall::refuse(unsigned status, std::string_view error, std::string_view message) {
  if (refused != nullptr) ++*refused;
  auto response = json_response(status, {{"error", error}, {"message", message}});
  if (status == 401) response.headers.push_back({"WWW-Authenticate", "Bearer"});
  responder.respond(std::move(response));
}

bool AdminCall::only_local(operators::Operators& operators, operators::Action action) {
  if (local) return true;
  std::ignore = operators.record(actor, action, {}, operators::Outcome::denied);
  refuse(403, "forbidden", "only through the admin socket");
  return false;
}

void AdminCall::refuse(Error error, std::string_view message) {
  if (error == Error::forbidden) {
    message = "this operator's role does not allow it";
  } else if (error == Error::unavailable) {
    message = "the store did not take it; see the log";
  }
  refuse(http_status(error), operators::name(error), message);
}

}  // namespace opaline::server::internal
