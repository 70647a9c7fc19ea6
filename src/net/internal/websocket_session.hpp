#pragma once
// One open WebSocket over a stream, at either end.
#include "base/random.hpp"
#include "net/internal/stream.hpp"
#include "net/websocket.hpp"
#include "net/websocket_codec.hpp"

namespace opaline::net::internal {

class WebSocketSession;

/// Who keeps the session: the server or a client.
class WebSocketHost {
 public:
  /// The transport has ended and `on_closed` was called: dispose of the session.
  virtual void on_session_gone(WebSocketSession& session) = 0;
  /// The handler was told why; the transport may linger.
  virtual void on_session_closed(CloseCause cause) = 0;
  /// The session's unfinished message has grown or shrunk. False: there is no room for it.
  [[nodiscard]] virtual bool on_session_buffers(std::size_t before, std::size_t now) = 0;

 protected:
  ~WebSocketHost() = default;
};

class WebSocketSession final : public WebSocketConnection, public StreamOwner, public Flushable, public Disposable {
 public:
  std::size_t slot = 0;  // the host's

  struct Setup {
    LoopCore& core;
    std::unique_ptr<Stream> stream;
    Peer peer;
    WebSocketRole role;
    std::shared_ptr<const WebSocketLimits> limits;
    std::unique_ptr<WebSocketHandler> handler;
    WebSocketHost& host;
    RandomSource* random = nullptr;  // a client's mask keys
  };
  /// Becomes the stream's owner. Call `open` next.
  explicit WebSocketSession(Setup setup);
  ~WebSocketSession() override;
  WebSocketSession(const WebSocketSession&) = delete;
  WebSocketSession& operator=(const WebSocketSession&) = delete;

  void open();
  /// Deadlines and keep-alive; to be called now and then.
  void sweep(Instant now);
  /// Ends it now, telling the handler; the host is not called.
  void cut();
  /// Ends it now and tells nobody. The handler is destroyed, unless it is on the stack: then it goes with the session.
  void drop();

  void send(ByteView message) override { send({message}); }
  void send(std::initializer_list<ByteView> parts) override;
  [[nodiscard]] std::size_t queued_bytes() const override { return stream_->queued_bytes(); }
  void close(std::uint16_t code, std::string_view reason) override;
  void abort() override;
  [[nodiscard]] std::optional<ChannelBinding> channel_binding() const override { return stream_->channel_binding(); }
  [[nodiscard]] const Peer& peer() const override { return peer_; }

  void on_stream_open() override {}
  std::size_t on_stream_data(std::span<std::byte> data) override;
  void on_stream_output() override;
  void on_stream_end(StreamEnd end) override;
  void flush() override;

 private:
  enum class State : std::uint8_t {
    open,
    closing,    // our close frame is on its way, the peer's has not come
    lingering,  // both said goodbye; the handler knows
    doomed,     // to be cut at the end of the round
    gone,
  };
  [[nodiscard]] bool take_event(const WebSocketEvent& event);
  void take_close(const WebSocketEvent& event);
  void account_for_buffers();
  void fail_with(std::uint16_t code);
  void start_close(CloseCause cause, std::uint16_t code, std::string_view reason);
  void doom(CloseCause cause);
  void tell_closed(CloseCause cause, std::uint16_t code, std::string_view reason);
  /// Runs one of the handler's functions.
  template <class Call>
  void with_handler(Call call);
  void leave();
  void release_buffers();
  void send_control(WebSocketOpcode opcode, ByteView payload);
  void sweep_open(Instant now);
  [[nodiscard]] std::optional<ByteArray<4>> mask();

  LoopCore& core_;
  std::unique_ptr<Stream> stream_;
  std::unique_ptr<WebSocketHandler> handler_;  // empty once told that it is closed
  WebSocketHost& host_;
  RandomSource* random_;
  std::shared_ptr<const WebSocketLimits> limits_;
  WebSocketDecoder decoder_;
  Instant last_input_;
  Instant since_;  // open: when the unfinished message began; later: when closing began
  std::size_t buffered_ = 0;
  Peer peer_;
  std::uint16_t close_code_ = close_code::kAbnormal;
  State state_ = State::open;
  CloseCause close_cause_ = CloseCause::lost;
  bool ping_sent_ = false;
  bool above_ = false;
  bool in_handler_ = false;
};

}  // namespace opaline::net::internal
