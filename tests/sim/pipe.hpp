#pragma once
// The network between a simulated device and the simulated node: one connection, batches in order in each direction,
// delivered when the world says so, and forgotten when the line is cut.
#include <deque>

#include "relay/relay_node.hpp"

namespace opaline::sim {

struct Pipe final : relay::Link {
  std::deque<Bytes> to_device, to_node;
  std::optional<relay::ConnectionId> id;  ///< set once the node has opened it
  ByteArray<wire::kBindingBytes> binding{};
  bool closed_by_node = false;  ///< what is in to_device still arrives
  bool cut = false;

  void send(ByteView batch) override {
    if (!cut) to_device.push_back(to_bytes(batch));
    bytes_seen += batch.size();
  }
  void close(std::optional<wire::GoodbyeCode>) override { closed_by_node = true; }
  [[nodiscard]] std::size_t queued_bytes() const override {
    std::size_t total = 0;
    for (const Bytes& batch : to_device) total += batch.size();
    return total;
  }
  std::size_t bytes_seen = 0;
};

}  // namespace opaline::sim
