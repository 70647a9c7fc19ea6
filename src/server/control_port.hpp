#pragma once
// What the I/O thread asks of the control thread: everything that knows people. Jobs are values, so that nothing is
// shared; answers come back as calls of PublicEdge on the I/O thread.
#include <string>

#include "identity/ports.hpp"
#include "net/http.hpp"
#include "relay/edge.hpp"

namespace opaline::server {

/// One waiting HTTP request of the public listener; chosen by the edge, never reused.
enum class RequestId : std::uint64_t {};

struct AuthJob {
  relay::ConnectionId connection{};
  relay::AuthRequest request;
  identity::SourceAddress source;
};
struct CallJob {
  relay::ConnectionId connection{};
  AccountId account;
  DeviceNumber device{};
  identity::SourceAddress source;
  std::uint32_t call = 0;
  std::uint16_t method = 0;
  Bytes body;
};
/// A step of a device that is not one yet: registering, being linked, or recovering an account.
struct RegistrationJob {
  RequestId request{};
  identity::SourceAddress source;
  std::string path;  ///< what follows /v1/: registration/<step>, link/<step>, recovery/<step>
  Bytes body;
};
/// A question about the ledger.
struct LedgerJob {
  RequestId request{};
  net::HttpRequest http;
};

/// Each call queues and returns; false: the queue is full, and no answer will come. Thread-safe.
class ControlPort {
 public:
  virtual ~ControlPort() = default;
  [[nodiscard]] virtual bool authenticate(AuthJob job) = 0;
  [[nodiscard]] virtual bool call(CallJob job) = 0;
  [[nodiscard]] virtual bool registration(RegistrationJob job) = 0;
  [[nodiscard]] virtual bool ledger(LedgerJob job) = 0;
};

}  // namespace opaline::server
