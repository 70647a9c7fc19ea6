#pragma once
// HTTP's text forms: tokens, lists, heads to send, and the WebSocket handshake's headers.
#include "base/time.hpp"
#include "net/http.hpp"

namespace opaline::net::internal {

[[nodiscard]] bool equal_nocase(std::string_view a, std::string_view b);
/// True if one of the headers of that name has `token` in its comma-separated list (RFC 9110 section 5.6.1).
[[nodiscard]] bool list_contains(const HttpHeaders& headers, std::string_view name, std::string_view token);
[[nodiscard]] std::size_t count_headers(const HttpHeaders& headers, std::string_view name);
/// RFC 9110 section 5.6.2.
[[nodiscard]] bool is_token(std::string_view text);
/// Visible ASCII and blanks: what we are willing to send as a header's value.
[[nodiscard]] bool is_header_value(std::string_view text);
/// Origin form with visible ASCII alone: what we are willing to receive and send as a target.
[[nodiscard]] bool is_target(std::string_view text);

void append_text(Bytes& out, std::string_view text);
/// Leaves out what is no token or value, and the names in `without`.
void append_headers(Bytes& out, const HttpHeaders& headers, std::initializer_list<std::string_view> without);
/// The Date header (RFC 9110 section 5.6.7).
void append_date(Bytes& out, Time now);

struct ResponseFraming {
  bool keep_alive = true;
  bool to_head_request = false;
};
void append_response(Bytes& out, const HttpResponse& response, ResponseFraming framing, Time now);
void append_request(Bytes& out, std::string_view method, std::string_view target, std::string_view authority,
                    const HttpHeaders& headers, ByteView body);

/// RFC 6455 section 4.2.1, all but the method and version of HTTP.
[[nodiscard]] bool is_websocket_upgrade(const HttpHeaders& headers);
/// Section 4.2.2: base64(SHA-1(key + GUID)).
[[nodiscard]] std::string websocket_accept(std::string_view key);
/// Section 4.1: base64 of 16 random bytes.
[[nodiscard]] std::string websocket_key(FixedView<16> nonce);

}  // namespace opaline::net::internal
