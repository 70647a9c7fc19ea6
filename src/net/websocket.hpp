#pragma once
// A WebSocket connection (RFC 6455) as an application sees it, at either end: whole binary messages, no extensions.
//
// Ownership: the room owns the connection, the connection owns its handler. The connection is valid from `on_open`
// until `on_closed` returns; both are then destroyed. All calls are on the loop's thread, and none of the handler's
// functions is called from inside a call to the connection.
#include <memory>
#include <optional>

#include "net/address.hpp"
#include "net/tls.hpp"

namespace opaline::net {

/// RFC 6455 section 7.4.1. 1005 and 1006 never travel: "no code given" and "no close frame came".
namespace close_code {
inline constexpr std::uint16_t kNormal = 1000;
inline constexpr std::uint16_t kGoingAway = 1001;
inline constexpr std::uint16_t kProtocolError = 1002;
inline constexpr std::uint16_t kUnsupportedData = 1003;
inline constexpr std::uint16_t kNoCode = 1005;
inline constexpr std::uint16_t kAbnormal = 1006;
inline constexpr std::uint16_t kInvalidPayload = 1007;
inline constexpr std::uint16_t kPolicyViolation = 1008;
inline constexpr std::uint16_t kTooBig = 1009;
inline constexpr std::uint16_t kInternalError = 1011;
inline constexpr std::uint16_t kTryAgainLater = 1013;
}  // namespace close_code

/// Why a connection ended.
enum class CloseCause : std::uint8_t {
  by_peer,        ///< the peer sent a close frame
  by_us,          ///< `close` was called, or the server shuts down
  lost,           ///< the transport ended without a close frame
  violation,      ///< the peer broke the protocol or a size limit; `code` is what we told it
  slow_consumer,  ///< it did not read what we sent: the outbound queue went over its limit or stood still too long
  silent,         ///< nothing came, not even an answer to a ping
};
[[nodiscard]] std::string_view name(CloseCause cause);

struct WebSocketClosed {
  CloseCause cause = CloseCause::lost;
  std::uint16_t code = close_code::kAbnormal;  ///< the peer's code if it closed, else ours
  std::string_view reason{};  ///< the peer's text, valid UTF-8, at most 123 bytes; valid during the call
};

struct WebSocketLimits {
  /// A longer message is answered with 1009. 64 KiB of frames and some slack.
  std::size_t max_message_bytes = 68 * 1024;
  /// A connection whose unsent output would go over this is cut as `slow_consumer`.
  std::size_t max_queued_bytes = 4 * 1024 * 1024;
  /// `on_drained` is called when the queue falls below this after having been above.
  std::size_t drained_below_bytes = 64 * 1024;
  /// After this long without input a ping is sent (0: never).
  std::chrono::nanoseconds ping_after = std::chrono::seconds(45);
  /// After this long without input since the ping the peer counts as `silent`.
  std::chrono::nanoseconds pong_within = std::chrono::seconds(20);
  /// A message whose first byte has come must be complete within this, else `violation` with 1008.
  std::chrono::nanoseconds message_within = std::chrono::seconds(60);
  /// Output that makes no progress for this long ends the connection as `slow_consumer`.
  std::chrono::nanoseconds write_progress_within = std::chrono::seconds(30);
  /// How long we wait for the peer's answer to our close frame.
  std::chrono::nanoseconds close_within = std::chrono::seconds(5);
};

class WebSocketConnection {
 public:
  virtual ~WebSocketConnection() = default;

  /// Queues one binary message; it leaves at the end of this round, together with the rest. Copies `message`. Does
  /// nothing once the connection is closing. `message.size()` must be within the peer's limit, which both ends know by
  /// protocol.
  virtual void send(ByteView message) = 0;
  /// The same, gathered from parts.
  virtual void send(std::initializer_list<ByteView> parts) = 0;
  /// Bytes that were queued and not yet taken by the kernel, TLS and framing included where known.
  [[nodiscard]] virtual std::size_t queued_bytes() const = 0;
  /// Starts the closing handshake; what was queued goes out first. `on_closed` follows in a later round. Codes
  /// 1000-1014 but 1004-1006, and 3000-4999; `reason` is cut at 123 bytes. A second call does nothing.
  virtual void close(std::uint16_t code, std::string_view reason) = 0;
  /// Ends the transport at once; `on_closed` (`by_us`) follows in a later round.
  virtual void abort() = 0;

  /// nullopt on a connection without TLS 1.3.
  [[nodiscard]] virtual std::optional<ChannelBinding> channel_binding() const = 0;
  [[nodiscard]] virtual const Peer& peer() const = 0;
};

class WebSocketHandler {
 public:
  virtual ~WebSocketHandler() = default;
  /// The upgrade is done. `connection` stays valid until `on_closed` returns.
  virtual void on_open(WebSocketConnection& connection) = 0;
  /// One whole binary message; the view is valid during the call.
  virtual void on_message(ByteView message) = 0;
  /// The outbound queue fell below `drained_below_bytes` after having been above.
  virtual void on_drained() {}
  /// Called exactly once after `on_open`, and last.
  virtual void on_closed(const WebSocketClosed& closed) = 0;
};

}  // namespace opaline::net
