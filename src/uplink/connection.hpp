#pragma once
// One connection of a device to its service: frames in, frames out, calls matched with their replies
// (docs/device-api.md). A client's devices and a business's gateway use it alike.
#include <functional>
#include <map>
#include <memory>

#include "endpoint/frames.hpp"
#include "net/http.hpp"
#include "net/tls.hpp"
#include "net/websocket_client.hpp"
#include "wire/frames.hpp"

namespace opaline::uplink {

/// The status of a REPLY and its body.
struct CallResult {
  std::uint16_t status = 0;
  Bytes body;
};
using CallDone = std::function<void(const CallResult&)>;

/// Why a connection is no more.
struct Ended {
  enum class Cause : std::uint8_t {
    lost,           ///< the transport ended without a word; `text`: what it said, or empty
    not_connected,  ///< it never came to be: `error`
    goodbye,        ///< the service ended it: `code`, `text`
    protocol,       ///< the service sent what makes no sense
    version,        ///< it speaks no version that we do
    other_name,     ///< it calls itself `text`, not what it was asked for as
  };
  Cause cause{};
  net::NetError error{};
  wire::GoodbyeCode code{};
  std::string text = {};
};

/// What the connection tells its owner. Called from the loop; the connection may be destroyed after on_ended returned,
/// not inside of any call.
class ConnectionOwner {
 public:
  virtual ~ConnectionOwner() = default;
  virtual void on_ready(const wire::Ready& ready) = 0;
  /// A frame after READY: PUSH, RESULT, CREDIT, DRAINED, NOTICE.
  virtual void on_frame(const wire::Frame& frame) = 0;
  /// All frames of one message were given.
  virtual void on_batch_end() = 0;
  virtual void on_ended(const Ended& why) = 0;
};

class Connection {
 public:
  /// Connects at once, to /v1/device of `service`. `device` signs AUTH. All arguments must outlive the connection.
  Connection(net::EventLoop& loop, RandomSource& random, const net::Url& service, const net::TlsClientContext& tls,
             endpoint::Endpoint& device, ConnectionOwner& owner);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  [[nodiscard]] bool ready() const;
  /// True if no call waits for its answer.
  [[nodiscard]] bool idle() const { return calls_.empty(); }
  /// Queues a frame; it leaves with others when the current round of the loop ends.
  template <class Frame>
  void send(const Frame& frame) {
    wire::encode(out_, frame);
    flush_if_large();
  }
  /// The same for an action's frames (endpoint/frames.hpp).
  void send(const endpoint::Action& action);
  /// `done` is called once; with UNAVAILABLE and no body if the connection ends first. False if kMaxOpenCalls are
  /// waiting.
  bool call(std::uint16_t method, ByteView body, CallDone done);
  /// Sends what `send` collected.
  void flush();
  /// Says GOODBYE and closes; on_ended follows.
  void close();

 private:
  class Handler;
  void flush_if_large();
  void on_message(ByteView batch);
  void on_closed(const net::WebSocketClosed& closed);
  void on_connect_failed(const net::WebSocketConnectFailure& failure);
  [[nodiscard]] bool take(const wire::Frame& frame);
  [[nodiscard]] bool authenticate(const wire::Hello& hello);
  void end(const Ended& why);

  const net::Url& service_;
  endpoint::Endpoint& device_;
  ConnectionOwner& owner_;
  enum class State : std::uint8_t { connecting, hello, auth, ready, ended } state_ = State::connecting;
  net::WebSocketConnection* socket_ = nullptr;
  Bytes out_;
  std::map<std::uint32_t, CallDone> calls_;
  std::uint32_t next_call_ = 1;
  std::optional<Ended> ended_;  ///< why it is about to end
  std::unique_ptr<net::WebSocketClient> client_;
};

}  // namespace opaline::uplink
