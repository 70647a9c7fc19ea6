#pragma once
// Non-blocking, close-on-exec sockets.
#include <sys/socket.h>

#include "net/address.hpp"
#include "net/internal/unique_fd.hpp"

namespace opaline::net::internal {

/// A socket address as the system calls want it.
struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  [[nodiscard]] sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
  [[nodiscard]] int family() const { return storage.ss_family; }
};

/// A literal IPv4 or IPv6 address; nullopt for anything else (names are not looked up).
[[nodiscard]] std::optional<SocketAddress> ip_address(std::string_view text, std::uint16_t port);
/// nullopt if the path is empty or too long for the kernel.
[[nodiscard]] std::optional<SocketAddress> unix_address(std::string_view path);
[[nodiscard]] Peer peer_of(const SocketAddress& address);

struct Listener {
  UniqueFd fd;
  std::uint16_t port = 0;
};
[[nodiscard]] Result<Listener, NetError> listen_on(const ListenAddress& address);

/// Fills in the credentials of a Unix socket's other end.
void read_credentials(int fd, Peer& peer);
void set_no_delay(int fd);

/// What `errno` means to the callers of this room.
[[nodiscard]] NetError error_from_errno(int number);

}  // namespace opaline::net::internal
