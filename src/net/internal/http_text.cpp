#include "net/internal/http_text.hpp"

#include <algorithm>
#include <array>
#include <boost/beast/core/detail/base64.hpp>
#include <boost/beast/websocket/detail/hybi13.hpp>

namespace opaline::net::internal {
namespace {

namespace base64 = boost::beast::detail::base64;

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

std::string_view trim(std::string_view text) {
  const auto is_blank = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

/// base64 of exactly 16 bytes, canonical.
bool is_websocket_key(std::string_view key) {
  if (key.size() != base64::encoded_size(16)) return false;
  std::array<std::byte, 32> raw{};
  const auto [written, read] = base64::decode(raw.data(), key.data(), key.size());
  if (written != 16) return false;
  return websocket_key(FixedView<16>(raw.data(), 16)) == key;
}

void append_number(Bytes& out, std::size_t value, std::size_t width = 1) {
  std::string text = std::to_string(value);
  if (text.size() < width) text.insert(0, width - text.size(), '0');
  append_text(out, text);
}

}  // namespace

bool equal_nocase(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) { return lower(x) == lower(y); });
}

bool list_contains(const HttpHeaders& headers, std::string_view name, std::string_view token) {
  for (const HttpHeader& header : headers) {
    if (!equal_nocase(header.name, name)) continue;
    std::string_view rest = header.value;
    for (;;) {
      const std::size_t comma = rest.find(',');
      if (equal_nocase(trim(rest.substr(0, comma)), token)) return true;
      if (comma == std::string_view::npos) break;
      rest.remove_prefix(comma + 1);
    }
  }
  return false;
}

std::size_t count_headers(const HttpHeaders& headers, std::string_view name) {
  return static_cast<std::size_t>(
      std::ranges::count_if(headers, [&](const HttpHeader& h) { return equal_nocase(h.name, name); }));
}

bool is_token(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z') ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  });
}

bool is_header_value(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return (c >= ' ' && c < 127) || c == '\t'; });
}

bool is_target(std::string_view text) {
  return text.starts_with('/') && std::ranges::all_of(text, [](char c) { return c > ' ' && c < 127 && c != '#'; });
}

void append_text(Bytes& out, std::string_view text) {
  append(out, as_view(text));
}

void append_headers(Bytes& out, const HttpHeaders& headers, std::initializer_list<std::string_view> without) {
  for (const HttpHeader& header : headers) {
    if (!is_token(header.name) || !is_header_value(header.value)) continue;
    if (std::ranges::any_of(without, [&](std::string_view name) { return equal_nocase(name, header.name); })) continue;
    append_text(out, header.name);
    append_text(out, ": ");
    append_text(out, header.value);
    append_text(out, "\r\n");
  }
}

void append_date(Bytes& out, Time now) {
  static constexpr std::array<std::string_view, 7> kDays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr std::array<std::string_view, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto day = std::chrono::floor<std::chrono::days>(now);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss time(std::chrono::floor<seconds>(now - day));
  append_text(out, "Date: ");
  append_text(out, kDays[std::chrono::weekday(day).c_encoding()]);
  append_text(out, ", ");
  append_number(out, static_cast<unsigned>(date.day()), 2);
  append_text(out, " ");
  append_text(out, kMonths[static_cast<unsigned>(date.month()) - 1]);
  append_text(out, " ");
  append_number(out, static_cast<std::size_t>(static_cast<int>(date.year())), 4);
  append_text(out, " ");
  append_number(out, static_cast<std::size_t>(time.hours().count()), 2);
  append_text(out, ":");
  append_number(out, static_cast<std::size_t>(time.minutes().count()), 2);
  append_text(out, ":");
  append_number(out, static_cast<std::size_t>(time.seconds().count()), 2);
  append_text(out, " GMT\r\n");
}

void append_response(Bytes& out, const HttpResponse& response, ResponseFraming framing, Time now) {
  append_text(out, "HTTP/1.1 ");
  append_number(out, response.status, 3);
  append_text(out, " ");
  append_text(out, reason_phrase(response.status));
  append_text(out, "\r\n");
  append_date(out, now);
  append_headers(out, response.headers, {"Content-Length", "Connection", "Transfer-Encoding", "Date"});
  const bool has_body = response.status != 204 && response.status != 304;  // RFC 9112 section 6.3
  if (has_body) {
    append_text(out, "Content-Length: ");
    append_number(out, response.body.size());
    append_text(out, "\r\n");
  }
  append_text(out, framing.keep_alive ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n");
  if (has_body && !framing.to_head_request) append(out, response.body);
}

void append_request(Bytes& out, std::string_view method, std::string_view target, std::string_view authority,
                    const HttpHeaders& headers, ByteView body) {
  append_text(out, method);
  append_text(out, " ");
  append_text(out, target);
  append_text(out, " HTTP/1.1\r\nHost: ");
  append_text(out, authority);
  append_text(out, "\r\n");
  append_headers(out, headers, {"Host", "Content-Length", "Transfer-Encoding"});
  if (!body.empty() || method == "POST" || method == "PUT" || method == "PATCH") {
    append_text(out, "Content-Length: ");
    append_number(out, body.size());
    append_text(out, "\r\n");
  }
  append_text(out, "\r\n");
  append(out, body);
}

bool is_websocket_upgrade(const HttpHeaders& headers) {
  if (!list_contains(headers, "Connection", "upgrade") || !list_contains(headers, "Upgrade", "websocket")) return false;
  if (count_headers(headers, "Sec-WebSocket-Key") != 1 || count_headers(headers, "Sec-WebSocket-Version") != 1)
    return false;
  return find_header(headers, "Sec-WebSocket-Version") == "13" &&
         is_websocket_key(*find_header(headers, "Sec-WebSocket-Key"));
}

std::string websocket_accept(std::string_view key) {
  // Callers give a checked key: Beast asserts a bounded size.
  boost::beast::websocket::detail::sec_ws_accept_type accept;
  boost::beast::websocket::detail::make_sec_ws_accept(accept, {key.data(), key.size()});
  return std::string(accept.data(), accept.size());
}

std::string websocket_key(FixedView<16> nonce) {
  std::string out(base64::encoded_size(nonce.size()), '\0');
  out.resize(base64::encode(out.data(), nonce.data(), nonce.size()));
  return out;
}

}  // namespace opaline::net::internal
