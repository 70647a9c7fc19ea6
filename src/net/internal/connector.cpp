#include "net/internal/connector.hpp"

#include <netdb.h>

#include <algorithm>
#include <cerrno>
#include <thread>

namespace opaline::net::internal {
namespace {

/// How long one address is waited for while there are others.
constexpr seconds kPerAddress{4};
constexpr std::size_t kMaxAddresses = 8;

std::vector<SocketAddress> look_up(const std::string& host, std::uint16_t port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* found = nullptr;
  std::vector<SocketAddress> out;
  if (::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) return out;
  for (const addrinfo* at = found; at != nullptr && out.size() < kMaxAddresses; at = at->ai_next) {
    SocketAddress address;
    if (at->ai_addrlen > sizeof address.storage) continue;
    std::memcpy(&address.storage, at->ai_addr, at->ai_addrlen);
    address.size = at->ai_addrlen;
    out.push_back(address);
  }
  ::freeaddrinfo(found);
  return out;
}

}  // namespace

/// Shared with the thread that looks up; outlives the connector if that gives up first.
struct Connector::Lookup {
  std::mutex mutex;
  EventLoop* loop = nullptr;  // empty once the connector is gone
  Connector* connector = nullptr;
};

Connector::Connector(EventLoop& loop, Done done) : loop_(loop), done_(std::move(done)), timer_(loop) {}

Connector::~Connector() {
  abandon_attempt();
  if (!lookup_) return;
  const std::lock_guard lock(lookup_->mutex);
  lookup_->loop = nullptr;
  lookup_->connector = nullptr;
}

void Connector::finish(Result<UniqueFd, NetError> result) {
  timer_.cancel();
  auto done = std::exchange(done_, nullptr);
  if (done) done(std::move(result));  // may destroy this
}

void Connector::finish_later(Result<UniqueFd, NetError> result) {
  timer_.arm(std::chrono::nanoseconds(0), [this, kept = std::move(result)]() mutable { finish(std::move(kept)); });
}

void Connector::connect_unix(const std::string& path) {
  const auto address = unix_address(path);
  if (!address) return finish_later(fail(NetError::address_invalid));
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  // A Unix socket connects at once or not at all (EAGAIN: the listener's queue is full).
  if (!fd || ::connect(fd.get(), address->get(), address->size) != 0) {
    const NetError error = errno == ENOENT ? NetError::connect_failed : error_from_errno(errno);
    return finish_later(fail(error));
  }
  finish_later(std::move(fd));
}

void Connector::connect_tcp(const std::string& host, std::uint16_t port, Reach reach) {
  reach_ = reach;
  if (const auto literal = ip_address(host, port)) {
    addresses_ = {*literal};
    timer_.arm(std::chrono::nanoseconds(0), [this] { resolved(std::move(addresses_)); });
    return;
  }
  if (host == "localhost") {  // RFC 6761 section 6.3: never asked of a server
    addresses_ = {*ip_address("127.0.0.1", port), *ip_address("::1", port)};
    timer_.arm(std::chrono::nanoseconds(0), [this] { resolved(std::move(addresses_)); });
    return;
  }
  resolve(host, port);
}

void Connector::resolve(const std::string& host, std::uint16_t port) {
  lookup_ = std::make_shared<Lookup>();
  lookup_->loop = &loop_;
  lookup_->connector = this;
  std::thread([lookup = lookup_, host, port] {
    auto found = look_up(host, port);
    const std::lock_guard lock(lookup->mutex);
    if (lookup->loop == nullptr) return;
    lookup->loop->post([lookup, found = std::move(found)]() mutable {
      if (lookup->connector != nullptr) lookup->connector->resolved(std::move(found));
    });
  }).detach();
}

void Connector::resolved(std::vector<SocketAddress> addresses) {
  if (addresses.empty()) return finish(fail(NetError::name_not_found));
  const auto is_loopback = [](const SocketAddress& a) { return peer_of(a).is_loopback(); };
  if (reach_ == Reach::loopback && !std::ranges::all_of(addresses, is_loopback))
    return finish(fail(NetError::plain_needs_loopback));
  const auto is_public = [](const SocketAddress& a) { return peer_of(a).is_public(); };
  if (reach_ == Reach::public_only && !std::ranges::all_of(addresses, is_public))
    return finish(fail(NetError::address_not_public));
  addresses_ = std::move(addresses);
  next_ = 0;
  try_next();
}

void Connector::try_next() {
  abandon_attempt();
  while (next_ < addresses_.size()) {
    if (try_address(addresses_[next_++])) return;
  }
  finish(fail(NetError::connect_failed));
}

/// True if an attempt is under way.
bool Connector::try_address(const SocketAddress& address) {
  fd_ = UniqueFd(::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd_) return false;
  if (::connect(fd_.get(), address.get(), address.size) != 0 && errno != EINPROGRESS) return false;
  // Connected at once or later: either way the socket becomes writable.
  watching_ = loop_.core().watch(fd_.get(), EPOLLOUT, *this);
  if (watching_ && next_ < addresses_.size()) timer_.arm(kPerAddress, [this] { try_next(); });
  return watching_;
}

void Connector::abandon_attempt() {
  timer_.cancel();
  if (std::exchange(watching_, false)) loop_.core().unwatch(fd_.get(), *this);
  fd_.reset();
}

void Connector::on_ready(std::uint32_t) {
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0) return try_next();
  loop_.core().unwatch(fd_.get(), *this);
  watching_ = false;
  finish(std::move(fd_));
}

}  // namespace opaline::net::internal
