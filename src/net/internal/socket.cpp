#include "net/internal/socket.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

namespace opaline::net::internal {
namespace {

constexpr int kBacklog = 4096;

UniqueFd open_socket(int family) {
  return UniqueFd(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

/// True if nobody answers at a Unix socket's path any more.
bool is_stale(const SocketAddress& address) {
  const UniqueFd probe = open_socket(AF_UNIX);
  if (!probe) return false;
  return ::connect(probe.get(), address.get(), address.size) != 0 && errno == ECONNREFUSED;
}

Result<Listener, NetError> listen_on_unix(const ListenAddress& where) {
  const auto address = unix_address(where.unix_path);
  if (!address) return fail(NetError::address_invalid);
  struct stat status{};
  if (::lstat(where.unix_path.c_str(), &status) == 0) {
    if (!S_ISSOCK(status.st_mode)) return fail(NetError::address_invalid);  // never remove what is not a socket
    if (!is_stale(*address)) return fail(NetError::address_in_use);
    ::unlink(where.unix_path.c_str());
  }
  Listener out{.fd = open_socket(AF_UNIX), .port = 0};
  if (!out.fd) return fail(error_from_errno(errno));
  // Nobody can connect between bind and listen, so the mode is right before the first peer.
  if (::bind(out.fd.get(), address->get(), address->size) != 0) return fail(error_from_errno(errno));
  if (::chmod(where.unix_path.c_str(), where.unix_mode) != 0) return fail(error_from_errno(errno));
  if (::listen(out.fd.get(), kBacklog) != 0) return fail(error_from_errno(errno));
  return out;
}

std::uint16_t bound_port(int fd) {
  SocketAddress bound;
  bound.size = sizeof bound.storage;
  if (::getsockname(fd, bound.get(), &bound.size) != 0) return 0;
  return peer_of(bound).port;
}

}  // namespace

std::optional<SocketAddress> ip_address(std::string_view text, std::uint16_t port) {
  const std::string terminated(text);
  SocketAddress out;
  sockaddr_in v4{};
  if (::inet_pton(AF_INET, terminated.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    std::memcpy(&out.storage, &v4, sizeof v4);
    out.size = sizeof v4;
    return out;
  }
  sockaddr_in6 v6{};
  if (::inet_pton(AF_INET6, terminated.c_str(), &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    std::memcpy(&out.storage, &v6, sizeof v6);
    out.size = sizeof v6;
    return out;
  }
  return std::nullopt;
}

std::optional<SocketAddress> unix_address(std::string_view path) {
  sockaddr_un address{};
  if (path.empty() || path.size() >= sizeof address.sun_path || path.find('\0') != std::string_view::npos) {
    return std::nullopt;
  }
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  SocketAddress out;
  std::memcpy(&out.storage, &address, sizeof address);
  out.size = sizeof address;
  return out;
}

Peer peer_of(const SocketAddress& address) {
  Peer out;
  if (address.family() == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, &address.storage, sizeof v4);
    out.ip[10] = out.ip[11] = std::byte{0xff};
    std::memcpy(&out.ip[12], &v4.sin_addr, 4);
    out.port = ntohs(v4.sin_port);
  } else if (address.family() == AF_INET6) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, &address.storage, sizeof v6);
    std::memcpy(out.ip.data(), &v6.sin6_addr, 16);
    out.port = ntohs(v6.sin6_port);
  }
  return out;
}

Result<Listener, NetError> listen_on(const ListenAddress& where) {
  if (!where.unix_path.empty()) return listen_on_unix(where);
  const auto address = ip_address(where.ip, where.port);
  if (!address) return fail(NetError::address_invalid);
  Listener out{.fd = open_socket(address->family()), .port = 0};
  if (!out.fd) return fail(error_from_errno(errno));
  const int on = 1;
  ::setsockopt(out.fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(out.fd.get(), address->get(), address->size) != 0) return fail(error_from_errno(errno));
  if (::listen(out.fd.get(), kBacklog) != 0) return fail(error_from_errno(errno));
  out.port = bound_port(out.fd.get());
  return out;
}

void read_credentials(int fd, Peer& peer) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return;
  peer.credentials = PeerCredentials{.user = credentials.uid, .group = credentials.gid, .process = credentials.pid};
}

void set_no_delay(int fd) {
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);  // fails on a Unix socket, which needs it not
}

NetError error_from_errno(int number) {
  switch (number) {
    case EADDRINUSE:
      return NetError::address_in_use;
    case EACCES:
    case EPERM:
    case EROFS:
      return NetError::permission_denied;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
      return NetError::resources_exhausted;
    case EADDRNOTAVAIL:
    case ENOENT:
    case ENOTDIR:
    case EINVAL:
      return NetError::address_invalid;
    case ECONNRESET:
    case EPIPE:
      return NetError::closed;
    default:
      return NetError::connect_failed;
  }
}

}  // namespace opaline::net::internal
