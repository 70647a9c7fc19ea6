#pragma once
// Opens a WebSocket from the client's side (RFC 6455 section 4.1).
#include <functional>
#include <memory>

#include "base/random.hpp"
#include "net/event_loop.hpp"
#include "net/http.hpp"
#include "net/websocket.hpp"

namespace opaline::net {

struct WebSocketClientOptions {
  Url url{};
  /// Needed if `url.tls`; must outlive the client. Without TLS only loopback is reached.
  const TlsClientContext* tls = nullptr;
  HttpHeaders headers{};                                               ///< added to the upgrade request
  std::chrono::nanoseconds connect_within = std::chrono::seconds(20);  ///< name, TCP, TLS and upgrade together
  WebSocketLimits limits{};
};

struct WebSocketConnectFailure {
  NetError error = NetError::connect_failed;
  unsigned status = 0;  ///< with upgrade_refused: the server's HTTP status
};

/// One attempt and the connection that comes of it. Loop thread only.
class WebSocketClient {
 public:
  /// Starts at once. Then exactly one of: `handler->on_open`, or `on_failure` (in a later round; `handler` is destroyed
  /// uncalled). Errors: url_invalid, plain_needs_loopback, name_not_found, connect_failed, timed_out, closed,
  /// tls_failed, certificate_rejected, protocol_violation, upgrade_refused. `random` makes nonce and mask keys (RFC
  /// 6455 section 10.3) and must outlive the client.
  WebSocketClient(EventLoop& loop, RandomSource& random, WebSocketClientOptions options,
                  std::unique_ptr<WebSocketHandler> handler, std::function<void(WebSocketConnectFailure)> on_failure);
  /// Cuts the attempt or the connection; nothing is called any more. The handler is destroyed at the end of this round,
  /// so that a client may be destroyed from inside its handler's functions.
  ~WebSocketClient();
  WebSocketClient(const WebSocketClient&) = delete;
  WebSocketClient& operator=(const WebSocketClient&) = delete;

 private:
  class Impl;
  EventLoop& loop_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace opaline::net
