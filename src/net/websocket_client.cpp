#include "net/websocket_client.hpp"

#include <algorithm>

#include "net/internal/connector.hpp"
#include "net/internal/http_parser.hpp"
#include "net/internal/http_text.hpp"
#include "net/internal/stream.hpp"
#include "net/internal/websocket_session.hpp"

namespace opaline::net {
namespace {

constexpr std::size_t kMaxResponseHead = 8 * 1024;

NetError error_of(internal::StreamEnd end) {
  switch (end) {
    case internal::StreamEnd::clean:
    case internal::StreamEnd::cut:
      return NetError::closed;
    case internal::StreamEnd::tls_failed:
      return NetError::tls_failed;
    case internal::StreamEnd::certificate_rejected:
      return NetError::certificate_rejected;
  }
  return NetError::closed;
}

}  // namespace

/// Disposed of at the end of the round, so that a client may be destroyed from inside its handler.
class WebSocketClient::Impl final : public internal::StreamOwner,
                                    public internal::WebSocketHost,
                                    public internal::Disposable {
 public:
  Impl(EventLoop& loop, RandomSource& random, WebSocketClientOptions options, std::unique_ptr<WebSocketHandler> handler,
       std::function<void(WebSocketConnectFailure)> on_failure)
      : loop_(loop),
        random_(random),
        options_(std::move(options)),
        handler_(std::move(handler)),
        on_failure_(std::move(on_failure)),
        timer_(loop) {}
  ~Impl() override { loop_.core().dispose(std::move(stream_)); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  void start();
  void drop();

  void on_stream_open() override;
  std::size_t on_stream_data(std::span<std::byte> data) override;
  void on_stream_output() override {}
  void on_stream_end(internal::StreamEnd end) override { fail_with({.error = error_of(end)}); }

  void on_session_gone(internal::WebSocketSession&) override { timer_.cancel(); }
  void on_session_closed(CloseCause) override {}
  [[nodiscard]] bool on_session_buffers(std::size_t, std::size_t) override { return true; }

 private:
  void connected(Result<internal::UniqueFd, NetError> result);
  [[nodiscard]] bool is_accepted() const;
  void become_session();
  void sweep();
  [[nodiscard]] std::chrono::nanoseconds sweep_period() const;
  void fail_with(WebSocketConnectFailure failure);

  EventLoop& loop_;
  RandomSource& random_;
  WebSocketClientOptions options_;
  std::unique_ptr<WebSocketHandler> handler_;  // until the session has it
  std::function<void(WebSocketConnectFailure)> on_failure_;
  Timer timer_;  // the deadline of the attempt; then the session's sweep
  std::unique_ptr<internal::Connector> connector_;
  std::unique_ptr<internal::Stream> stream_;  // until the session has it
  internal::StreamCounters counters_;
  internal::ResponseParser parser_{kMaxResponseHead};
  std::string key_;
  std::unique_ptr<internal::WebSocketSession> session_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

void WebSocketClient::Impl::start() {
  if (options_.url.tls && options_.tls == nullptr) return fail_with({.error = NetError::url_invalid});
  if (options_.url.host.empty() || !internal::is_target(options_.url.target)) {
    return fail_with({.error = NetError::url_invalid});
  }
  timer_.arm(options_.connect_within, [this] { fail_with({.error = NetError::timed_out}); });
  connector_ = std::make_unique<internal::Connector>(
      loop_, [this](Result<internal::UniqueFd, NetError> result) { connected(std::move(result)); });
  connector_->connect_tcp(options_.url.host, options_.url.port,
                          options_.url.tls ? internal::Reach::anywhere : internal::Reach::loopback);
}

void WebSocketClient::Impl::connected(Result<internal::UniqueFd, NetError> result) {
  if (!result) return fail_with({.error = result.error()});
  SSL_CTX* tls = options_.url.tls ? options_.tls->native() : nullptr;
  stream_ = internal::Stream::connect(loop_.core(), std::move(*result), tls, options_.url.host, *this, counters_);
  if (!stream_) fail_with({.error = NetError::resources_exhausted});
}

void WebSocketClient::Impl::on_stream_open() {
  key_ = internal::websocket_key(random_.bytes<16>());
  HttpHeaders headers = options_.headers;
  headers.push_back({.name = "Upgrade", .value = "websocket"});
  headers.push_back({.name = "Connection", .value = "Upgrade"});
  headers.push_back({.name = "Sec-WebSocket-Key", .value = key_});
  headers.push_back({.name = "Sec-WebSocket-Version", .value = "13"});
  internal::append_request(stream_->output(), "GET", options_.url.target, options_.url.authority(), headers, {});
  stream_->wrote();
}

std::size_t WebSocketClient::Impl::on_stream_data(std::span<std::byte> data) {
  const auto used = parser_.feed(data);
  if (!used) {
    fail_with({.error = NetError::protocol_violation});
    return 0;
  }
  if (!parser_.head_done()) return *used;
  if (parser_.status != 101) {
    fail_with({.error = NetError::upgrade_refused, .status = parser_.status});
  } else if (!is_accepted()) {
    fail_with({.error = NetError::protocol_violation});
  } else {
    become_session();
  }
  return *used;
}

/// RFC 6455 section 4.1, the client's list after the request.
bool WebSocketClient::Impl::is_accepted() const {
  const HttpHeaders& headers = parser_.headers;
  return internal::list_contains(headers, "Upgrade", "websocket") &&
         internal::list_contains(headers, "Connection", "upgrade") &&
         internal::count_headers(headers, "Sec-WebSocket-Accept") == 1 &&
         find_header(headers, "Sec-WebSocket-Accept") == internal::websocket_accept(key_) &&
         internal::count_headers(headers, "Sec-WebSocket-Extensions") == 0 &&
         internal::count_headers(headers, "Sec-WebSocket-Protocol") == 0;
}

void WebSocketClient::Impl::become_session() {
  Peer peer;  // whom we reached is in the URL
  peer.port = options_.url.port;
  session_ = std::make_unique<internal::WebSocketSession>(
      internal::WebSocketSession::Setup{.core = loop_.core(),
                                        .stream = std::move(stream_),
                                        .peer = peer,
                                        .role = WebSocketRole::client,
                                        .limits = std::make_shared<const WebSocketLimits>(options_.limits),
                                        .handler = std::move(handler_),
                                        .host = *this,
                                        .random = &random_});
  on_failure_ = nullptr;
  timer_.arm(sweep_period(), [this] { sweep(); });
  session_->open();
}

std::chrono::nanoseconds WebSocketClient::Impl::sweep_period() const {
  const WebSocketLimits& ws = options_.limits;
  const auto shortest = std::min({ws.pong_within, ws.message_within, ws.write_progress_within, ws.close_within});
  return std::clamp<std::chrono::nanoseconds>(shortest / 4, milliseconds(8), seconds(1));
}

void WebSocketClient::Impl::sweep() {
  timer_.arm(sweep_period(), [this] { sweep(); });
  session_->sweep(loop_.now());
}

void WebSocketClient::Impl::fail_with(WebSocketConnectFailure failure) {
  timer_.cancel();
  if (stream_) stream_->close();
  auto tell = std::exchange(on_failure_, nullptr);
  if (!tell) return;
  loop_.post([tell = std::move(tell), alive = std::weak_ptr(alive_), failure] {
    if (!alive.expired()) tell(failure);
  });
}

void WebSocketClient::Impl::drop() {
  alive_.reset();
  on_failure_ = nullptr;
  timer_.cancel();
  connector_.reset();
  if (stream_) stream_->close();
  if (session_) session_->drop();
  handler_.reset();
}

WebSocketClient::WebSocketClient(EventLoop& loop, RandomSource& random, WebSocketClientOptions options,
                                 std::unique_ptr<WebSocketHandler> handler,
                                 std::function<void(WebSocketConnectFailure)> on_failure)
    : loop_(loop),
      impl_(std::make_unique<Impl>(loop, random, std::move(options), std::move(handler), std::move(on_failure))) {
  impl_->start();
}

WebSocketClient::~WebSocketClient() {
  impl_->drop();
  loop_.core().dispose(std::move(impl_));
}

}  // namespace opaline::net
