#pragma once
// A request to the administration API, and what its parts share to answer one.
#include <boost/json.hpp>

#include "net/http_server.hpp"
#include "operators/operators.hpp"

namespace opaline::server::internal {

struct AdminCall {
  operators::Principal actor;
  bool local = false;  ///< through the admin socket: root or the service's own user
  net::HttpRequest request;
  net::HttpResponder responder;
  std::uint64_t* refused = nullptr;  ///< counts; outlives the call

  void answer(unsigned status, const boost::json::value& body);
  /// `error` is for programs, `message` for people.
  void refuse(unsigned status, std::string_view error, std::string_view message);
  /// With the status and, for those that need no explanation, the message that belong to the error.
  void refuse(operators::Error error, std::string_view message);
  /// Whether it came through the admin socket. False: it was refused, and that is recorded.
  [[nodiscard]] bool only_local(operators::Operators& operators, operators::Action action);
};

/// application/json, not to be cached.
[[nodiscard]] net::HttpResponse json_response(unsigned status, const boost::json::value& body);
/// The body as an object that has no other fields than `known`; an empty body is an empty object. nullopt: it is not.
[[nodiscard]] std::optional<boost::json::object> body_object(const Bytes& body,
                                                             std::initializer_list<std::string_view> known);
/// nullopt: not there, or no string.
[[nodiscard]] std::optional<std::string> text_field(const boost::json::object& object, std::string_view name);

}  // namespace opaline::server::internal
