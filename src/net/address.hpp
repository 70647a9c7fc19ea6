#pragma once
// Addresses and URLs as small values.
#include <optional>
#include <string>

#include "base/bytes.hpp"
#include "net/error.hpp"

namespace opaline::net {

/// Who is at the other end of a Unix socket, as the kernel said when it connected (SO_PEERCRED).
struct PeerCredentials {
  std::uint32_t user = 0;
  std::uint32_t group = 0;
  std::int32_t process = 0;
  friend bool operator==(const PeerCredentials&, const PeerCredentials&) = default;
};

/// The other end of a connection.
struct Peer {
  ByteArray<16> ip{};      ///< IPv6, or IPv4 mapped into it (RFC 4291 section 2.5.5.2); zero for a Unix socket
  std::uint16_t port = 0;  ///< host order
  std::optional<PeerCredentials> credentials{};  ///< set on Unix sockets alone

  /// "192.0.2.1", "2001:db8::1", or "unix".
  [[nodiscard]] std::string ip_text() const;
  [[nodiscard]] bool is_loopback() const;
  /// An address that is routed in the public internet: none of RFC 6890's special ones (private, shared, link-local,
  /// loopback, documentation, multicast, ...), and none of IPv6's that hold an IPv4 address.
  [[nodiscard]] bool is_public() const;
  friend bool operator==(const Peer&, const Peer&) = default;
};

/// Where to listen: a literal IP address with a port (0: the kernel chooses), or a Unix socket.
struct ListenAddress {
  std::string ip{};  ///< "127.0.0.1", "::", ...; empty for a Unix socket
  std::uint16_t port = 0;
  std::string unix_path{};         ///< a stale socket file there is replaced, a live one is `address_in_use`
  std::uint32_t unix_mode = 0600;  ///< permissions of the socket file

  /// "127.0.0.1:8443", "[::1]:8443" or "unix:/run/opaline/admin.sock".
  [[nodiscard]] static Result<ListenAddress, NetError> parse(std::string_view text);
};

/// scheme://host[:port][/path[?query]] with scheme https, http, wss or ws; no user part, no fragment.
struct Url {
  bool tls = true;
  std::string host{};      ///< lower case, without the brackets of an IPv6 literal
  std::uint16_t port = 0;  ///< filled in: 443 or 80 unless given
  std::string target{};    ///< path and query, begins with '/'

  [[nodiscard]] static Result<Url, NetError> parse(std::string_view text);
  /// host, or host:port where it is not the scheme's own: the Host header (RFC 9110 section 7.2).
  [[nodiscard]] std::string authority() const;
};

}  // namespace opaline::net
