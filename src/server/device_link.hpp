#pragma once
// One device connection: a WebSocket on one side, the relay's Link on the other.
#include "net/websocket.hpp"
#include "relay/edge.hpp"

namespace opaline::server {

class PublicEdge;

/// Owned by its WebSocket; I/O thread.
class DeviceLink final : public net::WebSocketHandler, public relay::Link {
 public:
  DeviceLink(PublicEdge& edge, const net::Peer& peer) : edge_(edge), peer_(peer) {}

  // ---- the WebSocket's side
  void on_open(net::WebSocketConnection& connection) override;
  void on_message(ByteView message) override;
  void on_closed(const net::WebSocketClosed& closed) override;

  // ---- the relay's side
  void send(ByteView batch) override { connection_->send(batch); }
  void close(std::optional<wire::GoodbyeCode> code) override;
  [[nodiscard]] std::size_t queued_bytes() const override { return connection_->queued_bytes(); }

  /// Ends the connection without a word.
  void cut();
  [[nodiscard]] const net::Peer& peer() const { return peer_; }

 private:
  PublicEdge& edge_;
  const net::Peer peer_;
  net::WebSocketConnection* connection_ = nullptr;  // from on_open to on_closed
  std::optional<relay::ConnectionId> id_;           // while the relay knows this link
};

}  // namespace opaline::server
