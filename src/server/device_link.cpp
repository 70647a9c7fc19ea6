#include "server/device_link.hpp"

#include "server/public_edge.hpp"

namespace opaline::server {
namespace {

/// The GOODBYE frame has said why; this is for proxies and logs.
std::uint16_t close_code_of(std::optional<wire::GoodbyeCode> code) {
  if (!code) return net::close_code::kNormal;
  switch (*code) {
    case wire::GoodbyeCode::shutting_down:
    case wire::GoodbyeCode::replaced:
      return net::close_code::kGoingAway;
    case wire::GoodbyeCode::protocol_error:
    case wire::GoodbyeCode::credit_exceeded:
    case wire::GoodbyeCode::unsupported_version:
      return net::close_code::kProtocolError;
    case wire::GoodbyeCode::auth_failed:
    case wire::GoodbyeCode::removed:
    case wire::GoodbyeCode::too_slow:
    case wire::GoodbyeCode::too_many:
      return net::close_code::kPolicyViolation;
  }
  return net::close_code::kInternalError;
}

}  // namespace

void DeviceLink::on_open(net::WebSocketConnection& connection) {
  connection_ = &connection;
  const auto binding = connection.channel_binding();
  id_ = edge_.node().open(*this, binding ? std::optional(FixedView<wire::kBindingBytes>(*binding)) : std::nullopt);
  if (!id_) {
    connection.close(net::close_code::kTryAgainLater, "full or shutting down");
    return;
  }
  edge_.links_.emplace(*id_, this);
  edge_.touched();
}

void DeviceLink::on_message(ByteView message) {
  if (!id_) return;
  edge_.node().on_batch(*id_, message);
  edge_.touched();
}

void DeviceLink::on_closed(const net::WebSocketClosed&) {
  if (!id_) return;
  edge_.links_.erase(*id_);
  edge_.node().on_closed(*std::exchange(id_, std::nullopt));
  edge_.touched();
}

void DeviceLink::close(std::optional<wire::GoodbyeCode> code) {
  if (id_) edge_.links_.erase(*std::exchange(id_, std::nullopt));
  connection_->close(close_code_of(code), {});
}

void DeviceLink::cut() {
  connection_->abort();
}

}  // namespace opaline::server
