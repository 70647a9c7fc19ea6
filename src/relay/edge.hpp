#pragma once
// What the edge of the device connections asks of its surroundings: a transport for each connection, somebody who knows
// devices, somebody who answers calls.
#include <optional>

#include "base/ids.hpp"
#include "base/time.hpp"
#include "relay/relay.hpp"
#include "wire/frames.hpp"

namespace opaline::relay {

/// The transport of one connection: a WebSocket, or the simulator's pipe. Calls queue and return; they never call back.
class Link {
 public:
  virtual ~Link() = default;
  /// One binary message of whole frames, at most kMaxBatchBytes; copied before it returns. Leaves with the rest of the
  /// round's output.
  virtual void send(ByteView batch) = 0;
  /// Ends the connection once what was sent has gone out; nullopt: the device said goodbye. The edge never touches the
  /// link again.
  virtual void close(std::optional<wire::GoodbyeCode> code) = 0;
  /// Bytes sent and not yet taken by the system.
  [[nodiscard]] virtual std::size_t queued_bytes() const = 0;
};

/// A device's proof, owned: the answer comes later.
struct AuthRequest {
  AccountId account;
  DeviceNumber device{};
  wire::Binding binding{};  ///< none: only for devices enrolled as web
  Bytes message;            ///< wire::auth_message; signed under wire::kAuthLabel
  Bytes signature;          ///< kAuthSignatureBytes, hybrid
};

/// A device that has shown who it is.
struct Authenticated {
  AccountId account;
  DeviceNumber device{};
  MailboxId mailbox;
};

/// Knows devices (the identity service). Answers exactly once through RelayNode::on_auth_result, at once or later, on
/// the node's thread. The connection may be gone by then.
class Authenticator {
 public:
  virtual ~Authenticator() = default;
  virtual void authenticate(ConnectionId connection, AuthRequest request) = 0;
};

/// Answers calls (the identity service). Answers exactly once through RelayNode::on_reply, at once or later, on the
/// node's thread. `body` is borrowed for the call. The connection may be gone by the time of the answer.
class CallHandler {
 public:
  virtual ~CallHandler() = default;
  virtual void call(ConnectionId connection, const AccountId& account, DeviceNumber device, std::uint32_t call,
                    std::uint16_t method, ByteView body) = 0;
};

/// Limits of one connection beyond those of wire/limits.hpp.
struct EdgeLimits {
  /// From the opening to READY.
  std::chrono::milliseconds auth_deadline{10'000};
  /// Output that a device has not read: beyond it GOODBYE too_slow. Pushes are bounded by
  /// Limits::unacknowledged_bytes; the rest is for replies and notices.
  std::size_t max_queued_bytes = 3 << 20;
  /// Connections of one node.
  std::size_t max_connections = 20'000;
};

/// What an operator may want to count; no identifiers.
struct EdgeCounters {
  std::uint64_t opened = 0, authenticated = 0, calls = 0, notices = 0, too_large = 0;
  std::uint64_t refresh = 0, refused = 0;  ///< submissions that the edge answered so
  std::uint64_t bytes_in = 0, bytes_out = 0, batches_in = 0, batches_out = 0;
  /// Connections that ended by us, by GoodbyeCode (index; 0: the device or its transport ended it).
  std::uint64_t closed[10] = {};
  std::size_t connections = 0, ready = 0;
};

}  // namespace opaline::relay
