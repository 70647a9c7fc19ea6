#include "net/http_server.hpp"

#include <algorithm>
#include <cerrno>
#include <map>

#include "net/internal/http_connection.hpp"
#include "net/internal/socket.hpp"

namespace opaline::net {
namespace internal {
namespace {

constexpr int kAcceptsPerRound = 64;
constexpr milliseconds kAcceptPause{100};
/// Each turn of the sweep looks at one part of the connections, so that many idle ones never delay a busy one by much.
constexpr std::size_t kSweepParts = 8;

/// What counts as one source: an IPv4 address or an IPv6 /64, the smallest block that one customer gets.
using SourceKey = ByteArray<16>;
SourceKey source_key(const Peer& peer) {
  SourceKey out = peer.ip;
  const bool is_v4 = out[10] == std::byte{0xff} && out[11] == std::byte{0xff} &&
                     std::ranges::all_of(out.begin(), out.begin() + 10, [](std::byte b) { return b == std::byte{0}; });
  if (!is_v4) std::fill(out.begin() + 8, out.end(), std::byte{0});
  return out;
}

class Server final : public HttpServer, public Watcher, public HttpConnectionHost, public WebSocketHost {
 public:
  Server(EventLoop& loop, HttpServerOptions options, HttpHandler handler, Listener listener)
      : core_(loop.core()),
        options_(std::move(options)),
        handler_(std::move(handler)),
        websocket_limits_(std::make_shared<const WebSocketLimits>(options_.websocket)),
        listener_(std::move(listener.fd)),
        port_(listener.port),
        accept_timer_(loop),
        sweep_timer_(loop),
        shutdown_timer_(loop) {}
  ~Server() override;
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  [[nodiscard]] bool start() { return watching_ = core_.watch(listener_.get(), EPOLLIN, *this); }
  [[nodiscard]] std::uint16_t port() const override { return port_; }
  [[nodiscard]] const HttpServerCounters& counters() const override;
  void shutdown(std::chrono::nanoseconds deadline, Task done) override;

  void on_ready(std::uint32_t) override;

  [[nodiscard]] const HttpServerOptions& options() const override { return options_; }
  [[nodiscard]] HttpServerCounters& counters() override { return counters_; }
  [[nodiscard]] bool shutting_down() const override { return shutting_down_; }
  void handle(HttpRequest request, HttpResponder responder) override {
    handler_(std::move(request), std::move(responder));
  }
  [[nodiscard]] bool on_body_buffers(std::size_t before, std::size_t now) override;
  void on_connection_gone(HttpConnection& connection) override { remove(connection.slot); }
  void on_upgrade(HttpConnection& connection, std::unique_ptr<Stream> stream, std::unique_ptr<WebSocketHandler> handler,
                  std::optional<WebSocketLimits> limits) override;

  void on_session_gone(WebSocketSession& session) override { remove(session.slot); }
  void on_session_closed(CloseCause cause) override;
  [[nodiscard]] bool on_session_buffers(std::size_t before, std::size_t now) override { return account(before, now); }

 private:
  struct Slot {
    std::unique_ptr<HttpConnection> http;  // or
    std::unique_ptr<WebSocketSession> websocket;
    [[nodiscard]] const Peer& peer() const { return http ? http->peer() : websocket->peer(); }
  };
  void accepted(UniqueFd fd, Peer peer);
  [[nodiscard]] bool admit(const Peer& peer);
  void release(const Peer& peer);
  [[nodiscard]] bool is_limited(const Peer& peer) const {
    return !peer.credentials && (options_.limit_loopback || !peer.is_loopback());
  }
  void pause_accepting();
  void stop_listening();
  void remove(std::size_t slot);
  [[nodiscard]] bool account(std::size_t before, std::size_t now);
  void sweep();
  [[nodiscard]] std::chrono::nanoseconds sweep_period() const;
  void cut_all();
  void finish_shutdown();

  LoopCore& core_;
  HttpServerOptions options_;
  HttpHandler handler_;
  std::shared_ptr<const WebSocketLimits> websocket_limits_;
  UniqueFd listener_;
  std::uint16_t port_;
  bool watching_ = false;
  bool shutting_down_ = false;
  std::vector<Slot> slots_;
  std::map<SourceKey, std::size_t> sources_;
  std::size_t sweep_at_ = 0;
  std::size_t body_bytes_ = 0;
  mutable HttpServerCounters counters_;
  StreamCounters stream_counters_;
  Timer accept_timer_;
  Timer sweep_timer_;
  Timer shutdown_timer_;
  Task shutdown_done_;
};

Server::~Server() {
  stop_listening();
  shutdown_done_ = nullptr;
  cut_all();
}

const HttpServerCounters& Server::counters() const {
  counters_.bytes_in = stream_counters_.bytes_in;
  counters_.bytes_out = stream_counters_.bytes_out;
  return counters_;
}

// ---- accepting

void Server::on_ready(std::uint32_t) {
  for (int i = 0; i < kAcceptsPerRound && listener_; ++i) {
    SocketAddress from;
    from.size = sizeof from.storage;
    UniqueFd fd(::accept4(listener_.get(), from.get(), &from.size, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (fd) {
      Peer peer = peer_of(from);
      if (!options_.address.unix_path.empty()) read_credentials(fd.get(), peer);
      accepted(std::move(fd), peer);
      continue;
    }
    if (errno == EAGAIN) return;
    // Other errors belong to a connection that went away while it waited.
    if (error_from_errno(errno) == NetError::resources_exhausted) return pause_accepting();
  }
}

/// Without this a full table of descriptors would make the loop spin on a listener that stays readable.
void Server::pause_accepting() {
  counters_.accept_backoffs += 1;
  if (std::exchange(watching_, false)) core_.unwatch(listener_.get(), *this);
  accept_timer_.arm(kAcceptPause, [this] {
    watching_ = core_.watch(listener_.get(), EPOLLIN, *this);
    if (!watching_) pause_accepting();
  });
}

bool Server::admit(const Peer& peer) {
  if (slots_.size() >= options_.max_connections) {
    counters_.refused_full += 1;
    return false;
  }
  if (!is_limited(peer)) return true;
  std::size_t& count = sources_[source_key(peer)];
  if (count >= options_.max_connections_per_source) {
    counters_.refused_source += 1;
    return false;
  }
  ++count;
  return true;
}

void Server::release(const Peer& peer) {
  if (!is_limited(peer)) return;
  const auto found = sources_.find(source_key(peer));
  if (found != sources_.end() && --found->second == 0) sources_.erase(found);
}

void Server::accepted(UniqueFd fd, Peer peer) {
  if (!admit(peer)) return;
  auto connection = std::make_unique<HttpConnection>(core_, *this, peer);
  SSL_CTX* tls = options_.tls == nullptr ? nullptr : options_.tls->native();
  auto stream = Stream::accept(core_, std::move(fd), tls, *connection, stream_counters_);
  if (!stream) {
    release(peer);
    counters_.accept_backoffs += 1;
    return;
  }
  counters_.accepted += 1;
  counters_.open_connections += 1;
  connection->attach(std::move(stream));
  connection->slot = slots_.size();
  slots_.push_back({.http = std::move(connection), .websocket = nullptr});
  if (!sweep_timer_.armed()) sweep_timer_.arm(sweep_period(), [this] { sweep(); });
}

// ---- connections

void Server::on_upgrade(HttpConnection& connection, std::unique_ptr<Stream> stream,
                        std::unique_ptr<WebSocketHandler> handler, std::optional<WebSocketLimits> limits) {
  Slot& slot = slots_[connection.slot];
  slot.websocket = std::make_unique<WebSocketSession>(
      WebSocketSession::Setup{.core = core_,
                              .stream = std::move(stream),
                              .peer = connection.peer(),
                              .role = WebSocketRole::server,
                              .limits = limits ? std::make_shared<const WebSocketLimits>(*limits) : websocket_limits_,
                              .handler = std::move(handler),
                              .host = *this});
  slot.websocket->slot = connection.slot;
  core_.dispose(std::move(slot.http));
  counters_.websockets_opened += 1;
  counters_.open_websockets += 1;
  slot.websocket->open();
}

void Server::on_session_closed(CloseCause cause) {
  counters_.open_websockets -= 1;
  switch (cause) {
    case CloseCause::violation:
      counters_.websocket_violations += 1;
      return;
    case CloseCause::slow_consumer:
      counters_.slow_consumers += 1;
      return;
    case CloseCause::silent:
      counters_.timeouts += 1;
      return;
    case CloseCause::by_peer:
    case CloseCause::by_us:
    case CloseCause::lost:
      return;
  }
}

void Server::remove(std::size_t index) {
  release(slots_[index].peer());
  core_.dispose(std::move(slots_[index].http));
  core_.dispose(std::move(slots_[index].websocket));
  if (index + 1 != slots_.size()) {
    slots_[index] = std::move(slots_.back());
    if (slots_[index].http) slots_[index].http->slot = index;
    if (slots_[index].websocket) slots_[index].websocket->slot = index;
  }
  slots_.pop_back();
  counters_.open_connections -= 1;
  if (shutting_down_ && slots_.empty()) finish_shutdown();
}

bool Server::on_body_buffers(std::size_t before, std::size_t now) {
  body_bytes_ = body_bytes_ - before + now;
  const bool fits = now <= before || body_bytes_ <= options_.max_buffered_body_bytes;
  return account(before, now) && fits;
}

bool Server::account(std::size_t before, std::size_t now) {
  counters_.buffered_bytes = counters_.buffered_bytes - before + now;
  return now <= before || counters_.buffered_bytes <= options_.max_buffered_bytes;
}

std::chrono::nanoseconds Server::sweep_period() const {
  const WebSocketLimits& ws = options_.websocket;
  const auto shortest =
      std::min({options_.handshake_within, options_.header_within, options_.body_within, options_.idle_within,
                ws.pong_within, ws.message_within, ws.write_progress_within, ws.close_within});
  return std::clamp<std::chrono::nanoseconds>(shortest / 4, milliseconds(8), seconds(1)) / kSweepParts;
}

void Server::sweep() {
  const std::size_t count = (slots_.size() + kSweepParts - 1) / kSweepParts;
  for (std::size_t i = 0; i < count && !slots_.empty(); ++i) {
    if (sweep_at_ >= slots_.size()) sweep_at_ = 0;
    // Backwards through the slots: a removed one is filled from the end, which this turn has seen.
    Slot& slot = slots_[slots_.size() - 1 - sweep_at_++];
    if (slot.http) {
      slot.http->sweep(core_.now());
    } else {
      slot.websocket->sweep(core_.now());
    }
  }
  if (!slots_.empty()) sweep_timer_.arm(sweep_period(), [this] { sweep(); });
}

// ---- the end

void Server::stop_listening() {
  accept_timer_.cancel();
  if (!listener_) return;
  if (watching_) core_.unwatch(listener_.get(), *this);
  listener_.reset();
  if (!options_.address.unix_path.empty()) ::unlink(options_.address.unix_path.c_str());
}

void Server::shutdown(std::chrono::nanoseconds deadline, Task done) {
  OPALINE_ASSERT(!shutting_down_);
  shutting_down_ = true;
  shutdown_done_ = std::move(done);
  stop_listening();
  for (Slot& slot : slots_) {
    if (slot.http) {
      slot.http->begin_shutdown();
    } else {
      slot.websocket->close(close_code::kGoingAway, "shutting down");
    }
  }
  shutdown_timer_.arm(slots_.empty() ? deadline.zero() : deadline, [this] {
    cut_all();
    finish_shutdown();
  });
}

void Server::cut_all() {
  while (!slots_.empty()) {
    Slot slot = std::move(slots_.back());
    slots_.pop_back();
    counters_.open_connections -= 1;
    release(slot.peer());
    if (slot.http) slot.http->cut();
    if (slot.websocket) slot.websocket->cut();
    core_.dispose(std::move(slot.http));
    core_.dispose(std::move(slot.websocket));
  }
}

void Server::finish_shutdown() {
  shutdown_timer_.cancel();
  if (Task done = std::exchange(shutdown_done_, nullptr)) core_.post(std::move(done));
}

}  // namespace
}  // namespace internal

Result<std::unique_ptr<HttpServer>, NetError> HttpServer::start(EventLoop& loop, HttpServerOptions options,
                                                                HttpHandler handler) {
  const bool is_unix = !options.address.unix_path.empty();
  if (options.tls == nullptr && !is_unix) {
    const auto address = internal::ip_address(options.address.ip, 0);
    if (!address) return fail(NetError::address_invalid);
    if (!internal::peer_of(*address).is_loopback()) return fail(NetError::plain_needs_loopback);
  }
  OPALINE_TRY(internal::Listener listener, internal::listen_on(options.address));
  auto out = std::make_unique<internal::Server>(loop, std::move(options), std::move(handler), std::move(listener));
  if (!out->start()) return fail(NetError::resources_exhausted);
  return out;
}

}  // namespace opaline::net
