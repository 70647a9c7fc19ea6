#pragma once
// An HTTP/1.1 and WebSocket listener on one loop: TLS, plain TCP on loopback (metrics), or a Unix socket with peer
// credentials.
#include <functional>
#include <memory>

#include "net/event_loop.hpp"
#include "net/http.hpp"
#include "net/websocket.hpp"

namespace opaline::net {

namespace internal {
class HttpConnection;
}

/// The one answer to one request. Move-only. Use it (or destroy it, which answers 500) on the loop's thread, during the
/// handler or later; a late answer to a connection that has gone does nothing.
class HttpResponder {
 public:
  HttpResponder(HttpResponder&&) noexcept = default;
  HttpResponder& operator=(HttpResponder&&) noexcept;
  ~HttpResponder();

  void respond(HttpResponse response);
  /// Answers 101 and hands the connection to `handler`: `on_open` is called before this returns, and its first messages
  /// follow. False if the request was no valid upgrade; then 400 or 426 was answered and `handler` destroyed uncalled.
  /// False too if the connection has gone. `limits` replaces the server's where given.
  bool upgrade(std::unique_ptr<WebSocketHandler> handler, std::optional<WebSocketLimits> limits = std::nullopt);
  /// True while an answer would reach somebody, as far as is known: while a request is being handled its connection is
  /// not read, so that of a peer that left only a reset is noticed.
  [[nodiscard]] bool alive() const;
  /// nullopt on a connection without TLS 1.3.
  [[nodiscard]] std::optional<ChannelBinding> channel_binding() const;

 private:
  friend class internal::HttpConnection;
  explicit HttpResponder(std::shared_ptr<internal::HttpConnection*> link) : link_(std::move(link)) {}
  std::shared_ptr<internal::HttpConnection*> link_;
};

using HttpHandler = std::function<void(HttpRequest request, HttpResponder responder)>;

struct HttpServerOptions {
  ListenAddress address{};
  /// nullptr: plaintext, allowed on loopback and Unix sockets alone. Must outlive the server.
  const TlsServerContext* tls = nullptr;
  std::size_t max_connections = 20'000;
  /// Connections from one IPv4 address or one IPv6 /64; loopback and Unix sockets are exempt unless `limit_loopback`.
  std::size_t max_connections_per_source = 64;
  bool limit_loopback = false;
  std::size_t max_header_bytes = 8 * 1024;
  std::size_t max_body_bytes = 256 * 1024;
  /// All connections' unfinished bodies and WebSocket messages together: over it, new ones are refused (503, 1013).
  std::size_t max_buffered_bytes = 256 * 1024 * 1024;
  /// Of these, unfinished bodies alone: so that uploads leave room for WebSocket messages.
  std::size_t max_buffered_body_bytes = 256 * 1024 * 1024;
  /// Another limit for one request's body, decided from its head (`body` is empty then); empty: `max_body_bytes` for
  /// all.
  std::function<std::size_t(const HttpRequest& head)> body_limit{};
  /// The answer to what is no request that a handler could see (400, 413, 431, 501, 505), or has no room (503); empty:
  /// a line of plain text.
  std::function<HttpResponse(unsigned status)> refusal{};
  std::chrono::nanoseconds handshake_within = std::chrono::seconds(10);  ///< TLS
  std::chrono::nanoseconds header_within =
      std::chrono::seconds(10);  ///< from the connection or the first byte to the whole head
  std::chrono::nanoseconds body_within = std::chrono::seconds(60);
  std::chrono::nanoseconds idle_within = std::chrono::seconds(60);  ///< between requests
  WebSocketLimits websocket{};
};

/// Counts since the start; gauges where so named.
struct HttpServerCounters {
  std::uint64_t accepted = 0;
  std::uint64_t refused_full = 0;     ///< over max_connections
  std::uint64_t refused_source = 0;   ///< over max_connections_per_source
  std::uint64_t accept_backoffs = 0;  ///< pauses because the process had no file descriptors left
  std::uint64_t handshakes_failed = 0;
  std::uint64_t timeouts = 0;
  std::uint64_t requests = 0;
  std::uint64_t bad_requests = 0;  ///< unparsable or over a limit
  std::uint64_t websockets_opened = 0;
  std::uint64_t websocket_violations = 0;
  std::uint64_t slow_consumers = 0;
  std::uint64_t bytes_in = 0;  ///< on the wire
  std::uint64_t bytes_out = 0;
  std::size_t open_connections = 0;  ///< gauge
  std::size_t open_websockets = 0;   ///< gauge
  std::size_t buffered_bytes = 0;    ///< gauge: unfinished bodies and messages
};

class HttpServer {
 public:
  /// Listens at once; connections are served once the loop runs. Errors: address_invalid, address_in_use,
  /// permission_denied, plain_needs_loopback, resources_exhausted.
  [[nodiscard]] static Result<std::unique_ptr<HttpServer>, NetError> start(EventLoop& loop, HttpServerOptions options,
                                                                           HttpHandler handler);
  /// Cuts what is left; handlers of open WebSockets get `on_closed` first. Not from inside a handler: post it.
  virtual ~HttpServer() = default;

  /// The port listened on (the kernel's choice if 0 was asked for); 0 on a Unix socket.
  [[nodiscard]] virtual std::uint16_t port() const = 0;
  [[nodiscard]] virtual const HttpServerCounters& counters() const = 0;
  /// The gate: stops listening, closes WebSockets with 1001 and idle connections at once, lets running requests answer,
  /// and calls `done` when all are gone or were cut at the deadline. Call once.
  virtual void shutdown(std::chrono::nanoseconds deadline, Task done) = 0;
};

}  // namespace opaline::net
