#pragma once
// One HTTP/1.1 connection of a server: requests in line, each answered once, until one of them becomes a WebSocket.
#include "net/http_server.hpp"
#include "net/internal/http_parser.hpp"
#include "net/internal/stream.hpp"
#include "net/internal/websocket_session.hpp"

namespace opaline::net::internal {

class HttpConnection;

/// What a connection needs of its server.
class HttpConnectionHost {
 public:
  [[nodiscard]] virtual const HttpServerOptions& options() const = 0;
  [[nodiscard]] virtual HttpServerCounters& counters() = 0;
  [[nodiscard]] virtual bool shutting_down() const = 0;
  virtual void handle(HttpRequest request, HttpResponder responder) = 0;
  /// The connection's unfinished body has grown or shrunk. False: there is no room for it.
  [[nodiscard]] virtual bool on_body_buffers(std::size_t before, std::size_t now) = 0;
  /// The transport has ended: dispose of the connection.
  virtual void on_connection_gone(HttpConnection& connection) = 0;
  /// The stream goes on as a WebSocket; then dispose of the connection.
  virtual void on_upgrade(HttpConnection& connection, std::unique_ptr<Stream> stream,
                          std::unique_ptr<WebSocketHandler> handler, std::optional<WebSocketLimits> limits) = 0;

 protected:
  ~HttpConnectionHost() = default;
};

class HttpConnection final : public StreamOwner, public Disposable {
 public:
  std::size_t slot = 0;  // the host's

  HttpConnection(LoopCore& core, HttpConnectionHost& host, Peer peer);
  ~HttpConnection() override;
  HttpConnection(const HttpConnection&) = delete;
  HttpConnection& operator=(const HttpConnection&) = delete;

  void attach(std::unique_ptr<Stream> stream) { stream_ = std::move(stream); }
  void sweep(Instant now);
  void begin_shutdown();
  /// Closes the socket; the host is not called.
  void cut();
  [[nodiscard]] const Peer& peer() const { return peer_; }

  // For HttpResponder.
  void respond(HttpResponse response);
  bool upgrade(std::unique_ptr<WebSocketHandler> handler, std::optional<WebSocketLimits> limits);
  [[nodiscard]] bool awaits_response() const { return state_ == State::handling; }
  [[nodiscard]] std::optional<ChannelBinding> channel_binding() const { return stream_->channel_binding(); }

  void on_stream_open() override;
  std::size_t on_stream_data(std::span<std::byte> data) override;
  void on_stream_output() override;
  void on_stream_end(StreamEnd end) override;

 private:
  enum class State : std::uint8_t { opening, idle, head, body, handling, lingering, gone };
  void enter(State state);
  [[nodiscard]] bool take(std::span<std::byte>& data);
  [[nodiscard]] bool take_head();
  void take_request();
  void refuse(unsigned status);
  void refuse(HttpParseError error);
  void account_for_body();
  void resume_reading();
  void drop_request();
  void forget_responder();
  [[nodiscard]] std::chrono::nanoseconds time_allowed() const;

  LoopCore& core_;
  HttpConnectionHost& host_;
  std::unique_ptr<Stream> stream_;
  std::unique_ptr<RequestParser> parser_;    // only while a request comes in
  std::shared_ptr<HttpConnection*> link_;    // to the responder, while a request is being handled
  std::vector<std::shared_ptr<void>> held_;  // of answers that are not all with the kernel yet
  Instant since_;
  std::size_t buffered_ = 0;
  std::string websocket_key_;
  Peer peer_;
  State state_ = State::opening;
  bool keep_alive_ = true;
  bool to_head_request_ = false;
};

}  // namespace opaline::net::internal
