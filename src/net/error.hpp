#pragma once
// The errors of this room. Each is one on which a caller acts differently.
#include <cstdint>
#include <string_view>

#include "base/result.hpp"

namespace opaline::net {

enum class NetError : std::uint8_t {
  url_invalid,             ///< not scheme://host[:port][/path], or a scheme that the call does not take
  address_invalid,         ///< not a literal IP address or a usable path
  address_in_use,          ///< somebody listens there already
  permission_denied,       ///< the system does not let us bind, read or write there
  plain_needs_loopback,    ///< plaintext was asked for on an address that is not loopback
  address_not_public,      ///< public addresses alone are wanted, and the name has another
  name_not_found,          ///< the host name has no address, or the resolver did not answer
  connect_failed,          ///< refused or unreachable on every address
  timed_out,               ///< the caller's deadline passed; whether the peer acted is unknown
  closed,                  ///< the peer or the network ended the connection early; whether the peer acted is unknown
  tls_failed,              ///< no common version or group, or a damaged handshake
  certificate_rejected,    ///< the peer's certificate is not from a trusted authority, expired, or for another name
  certificate_unreadable,  ///< a certificate file is missing or is no PEM chain
  key_unreadable,          ///< a private key file is missing or is no PEM key
  key_mismatch,            ///< certificate and private key do not belong together
  protocol_violation,      ///< the peer did not speak HTTP or WebSocket as the RFCs say
  too_large,               ///< the peer's answer is over the caller's limit
  upgrade_refused,         ///< the server answered something else than 101; see the status
  resources_exhausted,     ///< out of file descriptors, memory or queue places
  file_unwritable,         ///< a file could not be written completely
  canceled,                ///< the caller or a shutdown ended it
};

/// A stable lower-case name for logs and metrics, as spelled above.
[[nodiscard]] std::string_view name(NetError error);

}  // namespace opaline::net
