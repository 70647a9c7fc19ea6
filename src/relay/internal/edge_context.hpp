#pragma once
// What all connections of a node share.
#include <memory>
#include <vector>

#include "relay/edge.hpp"
#include "relay/relay_node.hpp"

namespace opaline::relay::internal {

/// What one connection collects in a round; it has none while it is idle.
struct Outbox {
  Bytes batch;
  std::vector<wire::ResultRange> results;
};

struct EdgeContext {
  const NodeConfig& config;
  Relay& relay;
  Authenticator& authenticator;
  CallHandler& calls;
  const Clock& clock;
  RandomSource& random;
  const Revocations& revocations;
  const std::vector<wire::SendTokenKey>& token_keys;
  EdgeCounters& counters;
  std::vector<ConnectionId> with_output;  ///< connections that have an outbox
  std::vector<std::unique_ptr<Outbox>> spare;

  [[nodiscard]] std::unique_ptr<Outbox> take_outbox() {
    if (spare.empty()) return std::make_unique<Outbox>();
    auto out = std::move(spare.back());
    spare.pop_back();
    return out;
  }
  void give_back(std::unique_ptr<Outbox> outbox) {
    constexpr std::size_t kSpare = 64;
    if (spare.size() >= kSpare) return;
    outbox->batch.clear();
    outbox->results.clear();
    spare.push_back(std::move(outbox));
  }
};

}  // namespace opaline::relay::internal
