#pragma once
// The I/O thread's part of the node: the public listener (TLS 1.3), the device connections and the relay. Everything
// that waits for a disk or for identity is elsewhere.
//   GET  /v1/device                WebSocket upgrade: a device connection
//   POST /v1/registration/<step>, /v1/link/<step>, /v1/recovery/<step>
//                                  to the identity service, on the control thread
//   /v1/blobs/...                  attachments, on threads of their own (server/blob_desk.hpp)
//   GET  /healthz, /readyz         200 or 503
#include <atomic>
#include <functional>
#include <memory>
#include <unordered_map>

#include "net/http_server.hpp"
#include "relay/relay_node.hpp"
#include "server/config.hpp"
#include "server/control_port.hpp"

namespace opaline::server {

class BlobDesk;
class DeviceLink;

/// Copies of the counters; gauges as they were.
struct EdgeSnapshot {
  relay::Counters relay;
  relay::EdgeCounters edge;
  net::HttpServerCounters http;
  std::uint64_t jobs_refused = 0;
  std::size_t requests_waiting = 0;
};

/// All calls on the loop's thread, or before it runs. Destroy it after the loop has stopped.
class PublicEdge final : relay::Authenticator, relay::CallHandler {
 public:
  struct Options {
    net::ListenAddress address;
    TlsFiles tls;
    std::uint32_t max_connections = 0;
    std::uint32_t max_connections_per_source = 0;
    relay::NodeConfig node;
  };
  /// All outlive the edge. `ready` is what /readyz says; written elsewhere.
  struct Ports {
    net::EventLoop& loop;
    ControlPort& control;
    BlobDesk& blobs;
    store::MailboxStore& store;
    store::OwnerEpoch epoch;  ///< from store.acquire_all()
    const Clock& clock;
    RandomSource& random;
    const std::atomic<bool>& ready;
  };
  /// Listens. The error is a sentence: the certificate, the address, or the store.
  [[nodiscard]] static Result<std::unique_ptr<PublicEdge>, std::string> start(
      Options options, const Ports& ports, std::vector<wire::SendTokenKey> token_keys);
  ~PublicEdge() override;

  [[nodiscard]] std::uint16_t port() const { return server_->port(); }
  /// After any input to it call `touched`.
  [[nodiscard]] relay::RelayNode& node() { return *node_; }
  /// Ends this round of the relay together with the loop's round.
  void touched();

  // ---- answers of the control thread
  void on_auth(relay::ConnectionId connection, const std::optional<relay::Authenticated>& device);
  /// Nothing is known about the device because the store failed: it finds the connection closed and comes back.
  void cut(relay::ConnectionId connection);
  void on_reply(relay::ConnectionId connection, std::uint32_t call, std::uint16_t status, ByteView body);
  /// To a waiting HTTP request, whoever answers it; nothing happens if its connection has gone.
  void on_response(RequestId request, net::HttpResponse response);

  [[nodiscard]] Result<void, net::NetError> reload_certificates() { return tls_.reload(); }
  [[nodiscard]] EdgeSnapshot snapshot() const;

  /// What is in RAM goes to the store, devices get GOODBYE, running requests their answer; `done` at the latest a
  /// moment after `within`, with false if something had to be cut. A second call cuts at once.
  void shut_down(std::chrono::nanoseconds within, std::move_only_function<void(bool clean)> done);

 private:
  friend class DeviceLink;
  PublicEdge(Options options, const Ports& ports, net::TlsServerContext tls,
             std::vector<wire::SendTokenKey> token_keys);

  void serve(net::HttpRequest request, net::HttpResponder responder);
  void registration(net::HttpRequest request, net::HttpResponder responder);
  void blob(net::HttpRequest request, net::HttpResponder responder);
  void ledger(net::HttpRequest request, net::HttpResponder responder);
  void authenticate(relay::ConnectionId connection, relay::AuthRequest request) override;
  void call(relay::ConnectionId connection, const AccountId& account, DeviceNumber device, std::uint32_t call,
            std::uint16_t method, ByteView body) override;
  void arm_timer();
  void close_server(std::chrono::nanoseconds within);
  [[nodiscard]] identity::SourceAddress source_of(relay::ConnectionId connection) const;

  const Options options_;
  const Ports ports_;
  net::TlsServerContext tls_;
  std::unique_ptr<relay::RelayNode> node_;
  std::unordered_map<relay::ConnectionId, DeviceLink*> links_;
  std::unordered_map<std::uint64_t, net::HttpResponder> waiting_;
  std::uint64_t next_request_ = 1;
  std::uint64_t jobs_refused_ = 0;
  bool round_ends_ = false;
  net::Timer relay_timer_;
  Instant relay_timer_due_{};
  net::Timer shutdown_timer_;
  std::move_only_function<void(bool)> shutdown_done_;
  bool server_closing_ = false;
  bool cut_ = false;
  std::unique_ptr<net::HttpServer> server_;  // last: its end closes the links, which need the rest
};

}  // namespace opaline::server
