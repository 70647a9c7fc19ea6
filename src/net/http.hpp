#pragma once
// HTTP/1.1 messages as values (RFC 9110, RFC 9112).
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/address.hpp"
#include "net/tls.hpp"

namespace opaline::net {

struct HttpHeader {
  std::string name{};
  std::string value{};
  friend bool operator==(const HttpHeader&, const HttpHeader&) = default;
};
using HttpHeaders = std::vector<HttpHeader>;
/// The value of the first header of that name, compared without case; nullopt if there is none.
[[nodiscard]] std::optional<std::string_view> find_header(const HttpHeaders& headers, std::string_view name);

struct HttpRequest {
  std::string method{};   ///< as sent, e.g. "POST"
  std::string target{};   ///< origin form, begins with '/': path and query, not decoded
  HttpHeaders headers{};  ///< in order; values without surrounding blanks
  Bytes body{};
  Peer peer{};
  bool is_websocket_upgrade = false;  ///< a valid RFC 6455 section 4.2.1 request: `HttpResponder::upgrade` will work

  [[nodiscard]] std::optional<std::string_view> header(std::string_view name) const {
    return find_header(headers, name);
  }
  /// The target up to '?', not decoded.
  [[nodiscard]] std::string_view path() const;
  /// What follows '?', not decoded; empty if there is none.
  [[nodiscard]] std::string_view query() const;
};

struct HttpResponse {
  unsigned status = 200;
  /// Without Content-Length, Connection, Transfer-Encoding and Date: the room writes those. A name or value with a
  /// control character is left out (no response splitting).
  HttpHeaders headers{};
  Bytes body{};
  /// Server only: kept until the kernel has taken the whole of this answer, or the connection is gone. Its destructor
  /// tells whoever counts what waits for slow peers.
  std::shared_ptr<void> held{};

  [[nodiscard]] std::optional<std::string_view> header(std::string_view name) const {
    return find_header(headers, name);
  }
};

/// A response with a text body and its content type.
[[nodiscard]] HttpResponse text_response(unsigned status, std::string_view content_type, std::string_view body);
/// The standard's phrase for a status code; "Unknown" for one that it does not name.
[[nodiscard]] std::string_view reason_phrase(unsigned status);

}  // namespace opaline::net
