#include "net/address.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "net/internal/socket.hpp"

namespace opaline::net {
namespace {

constexpr std::size_t kMaxUrlBytes = 2048;
constexpr std::size_t kMaxHostBytes = 253;  // RFC 1035 section 2.3.4

bool is_mapped_v4(const ByteArray<16>& ip) {
  static constexpr ByteArray<12> kPrefix{std::byte{0}, std::byte{0}, std::byte{0},    std::byte{0},
                                         std::byte{0}, std::byte{0}, std::byte{0},    std::byte{0},
                                         std::byte{0}, std::byte{0}, std::byte{0xff}, std::byte{0xff}};
  return std::memcmp(ip.data(), kPrefix.data(), kPrefix.size()) == 0;
}

std::optional<std::uint16_t> parse_port(std::string_view text, std::uint16_t smallest) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size() || port < smallest) return std::nullopt;
  return port;
}

struct HostPort {
  std::string_view host;
  std::string_view port;  // empty if there was none
};

/// host, host:port, [v6] or [v6]:port.
std::optional<HostPort> split_host_port(std::string_view text) {
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view host = text.substr(1, end - 1);
    const std::string_view rest = text.substr(end + 1);
    if (host.find(':') == std::string_view::npos || !internal::ip_address(host, 0)) return std::nullopt;
    if (rest.empty()) return HostPort{.host = host, .port = {}};
    if (rest.front() != ':' || rest.size() == 1) return std::nullopt;
    return HostPort{.host = host, .port = rest.substr(1)};
  }
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) return HostPort{.host = text, .port = {}};
  if (colon + 1 == text.size()) return std::nullopt;
  return HostPort{.host = text.substr(0, colon), .port = text.substr(colon + 1)};
}

bool is_host_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
}

}  // namespace

std::string Peer::ip_text() const {
  if (credentials) return "unix";
  char text[INET6_ADDRSTRLEN] = {};
  const char* out = is_mapped_v4(ip) ? ::inet_ntop(AF_INET, &ip[12], text, sizeof text)
                                     : ::inet_ntop(AF_INET6, ip.data(), text, sizeof text);
  return out == nullptr ? std::string() : std::string(out);
}

bool Peer::is_loopback() const {
  if (is_mapped_v4(ip)) return ip[12] == std::byte{127};
  ByteArray<16> loopback{};
  loopback[15] = std::byte{1};
  return ip == loopback;
}

bool Peer::is_public() const {
  struct Block {
    std::uint32_t first;
    int bits;
  };
  // The IANA registry of special-purpose addresses (RFC 6890), with multicast and what is reserved.
  static constexpr Block kSpecial[] = {
      {0x00000000, 8},  {0x0a000000, 8},  {0x64400000, 10}, {0x7f000000, 8},  {0xa9fe0000, 16},
      {0xac100000, 12}, {0xc0000000, 24}, {0xc0000200, 24}, {0xc0586300, 24}, {0xc0a80000, 16},
      {0xc6120000, 15}, {0xc6336400, 24}, {0xcb007100, 24}, {0xe0000000, 3},
  };
  const auto word = [this](std::size_t at) {
    std::uint32_t out = 0;
    for (std::size_t i = 0; i < 4; ++i) out = out << 8 | std::to_integer<std::uint32_t>(ip[at + i]);
    return out;
  };
  const auto within = [](std::uint32_t address, const Block& block) {
    return (address ^ block.first) >> (32 - block.bits) == 0;
  };
  if (is_mapped_v4(ip))
    return std::ranges::none_of(kSpecial, [&](const Block& block) { return within(word(12), block); });
  const std::uint32_t front = word(0);
  const bool global = front >> 29 == 1;                              // 2000::/3
  const bool tunnel = front == 0x20010000 || front >> 16 == 0x2002;  // Teredo, 6to4
  const bool special = front >> 9 == 0x20010000 >> 9 || front == 0x20010db8 || front >> 12 == 0x3fff0000 >> 12;
  return global && !tunnel && !special;
}

Result<ListenAddress, NetError> ListenAddress::parse(std::string_view text) {
  ListenAddress out;
  if (text.starts_with("unix:")) {
    out.unix_path = text.substr(5);
    if (!internal::unix_address(out.unix_path)) return fail(NetError::address_invalid);
    return out;
  }
  const auto parts = split_host_port(text);
  if (!parts) return fail(NetError::address_invalid);
  const auto port = parse_port(parts->port, 0);
  if (!port || !internal::ip_address(parts->host, *port)) return fail(NetError::address_invalid);
  out.ip = parts->host;
  out.port = *port;
  return out;
}

Result<Url, NetError> Url::parse(std::string_view text) {
  const auto invalid = fail(NetError::url_invalid);
  if (text.size() > kMaxUrlBytes) return invalid;
  const bool printable = std::ranges::all_of(text, [](char c) { return c > ' ' && c < 127; });
  if (!printable || text.find_first_of("#@\\\"<>^`{|}") != std::string_view::npos) return invalid;
  Url out;
  const std::size_t scheme_end = text.find("://");
  if (scheme_end == std::string_view::npos) return invalid;
  const std::string_view scheme = text.substr(0, scheme_end);
  if (scheme != "https" && scheme != "wss" && scheme != "http" && scheme != "ws") return invalid;
  out.tls = scheme == "https" || scheme == "wss";
  const std::string_view rest = text.substr(scheme_end + 3);
  const std::size_t host_end = std::min(rest.find_first_of("/?"), rest.size());
  const auto parts = split_host_port(rest.substr(0, host_end));
  if (!parts || parts->host.empty() || parts->host.size() > kMaxHostBytes) return invalid;
  out.host = parts->host;
  std::ranges::transform(out.host, out.host.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
  const bool is_v6 = out.host.find(':') != std::string::npos;
  if (!is_v6 && !std::ranges::all_of(out.host, is_host_character)) return invalid;
  out.port = out.tls ? 443 : 80;
  if (!parts->port.empty()) {
    const auto port = parse_port(parts->port, 1);
    if (!port) return invalid;
    out.port = *port;
  }
  const std::string_view target = rest.substr(host_end);
  out.target = target.starts_with('/') ? std::string(target) : "/" + std::string(target);
  return out;
}

std::string Url::authority() const {
  std::string out = host.find(':') == std::string::npos ? host : "[" + host + "]";
  if (port != (tls ? 443 : 80)) out += ":" + std::to_string(port);
  return out;
}

}  // namespace opaline::net
