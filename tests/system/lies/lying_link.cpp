// In the place of src/server/device_link.cpp: opalined with this file is a server patched to lie (liar.hpp).
#include <unordered_map>

#include "server/device_link.hpp"
#include "server/public_edge.hpp"
#include "tests/system/lies/liar.hpp"

namespace opaline::server {
namespace {

/// What the relay takes for the connection.
struct LyingLink final : relay::Link {
  explicit LyingLink(DeviceLink& honest) : link(honest) {}
  void send(ByteView batch) override {
    for (const auto& each : liar.from_server(batch)) link.send(each);
  }
  void close(std::optional<wire::GoodbyeCode> code) override { link.close(code); }
  [[nodiscard]] std::size_t queued_bytes() const override { return link.queued_bytes(); }

  DeviceLink& link;
  lies::Liar liar;
};

std::unordered_map<const DeviceLink*, std::unique_ptr<LyingLink>> liars;  // the I/O thread's

}  // namespace

void DeviceLink::on_open(net::WebSocketConnection& connection) {
  connection_ = &connection;
  auto& link = *(liars[this] = std::make_unique<LyingLink>(*this));
  const auto binding = connection.channel_binding();
  id_ = edge_.node().open(link, binding ? std::optional(FixedView<wire::kBindingBytes>(*binding)) : std::nullopt);
  if (!id_) {
    connection.close(net::close_code::kTryAgainLater, "full or shutting down");
    return;
  }
  edge_.links_.emplace(*id_, this);
  edge_.touched();
}

void DeviceLink::on_message(ByteView message) {
  if (!id_) return;
  edge_.node().on_batch(*id_, liars[this]->liar.from_device(message));
  edge_.touched();
}

void DeviceLink::on_closed(const net::WebSocketClosed&) {
  if (id_) {
    edge_.links_.erase(*id_);
    edge_.node().on_closed(*std::exchange(id_, std::nullopt));
    edge_.touched();
  }
  liars.erase(this);
}

void DeviceLink::close(std::optional<wire::GoodbyeCode> code) {
  if (id_) edge_.links_.erase(*std::exchange(id_, std::nullopt));
  connection_->close(code ? net::close_code::kPolicyViolation : net::close_code::kNormal, {});
}

void DeviceLink::cut() {
  connection_->abort();
}

}  // namespace opaline::server
