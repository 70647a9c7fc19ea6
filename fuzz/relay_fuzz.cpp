// Batches of a device that says anything, before and after it has shown who it is: others are served as before.
#include "base/codec.hpp"
#include "fuzz/targets.hpp"
#include "relay/test_support/world.hpp"

namespace opaline::fuzz {
namespace {

using opaline::relay::testing::PipeLink;
using opaline::relay::testing::World;

opaline::relay::NodeConfig config() {
  opaline::relay::NodeConfig out;
  out.server_name = "relay.test";
  return out;
}

/// u16-prefixed batches; what is left over is one more.
template <class Take>
void each_batch(ByteView input, Take take) {
  Reader in(input);
  for (int i = 0; i < 8 && !in.finished(); ++i) {
    const ByteView batch = in.bytes16();
    if (in.failed()) break;
    take(batch);
  }
  take(input);
}

/// Device 0 writes to 1; device 2 is the one that says anything.
void hostile(ByteView input, bool authenticated) {
  PipeLink stranger;
  World w(7, config(), 3);
  for (auto& device : w.devices) {
    for (auto& to : w.devices) device->peers.push_back({.mailbox = to->mailbox, .outbox = {}});
  }
  w.devices[2]->deaf = true;
  w.start();
  w.connect(0);
  w.connect(1);
  if (authenticated) w.connect(2);
  w.settle();
  w.devices[1]->give_credit(1000, 1'000'000);
  w.settle();
  const auto id = authenticated ? w.connections[2].id : w.node->open(stranger, std::nullopt);
  PipeLink& link = authenticated ? *w.connections[2].link : stranger;
  OPALINE_ASSERT(id.has_value());
  each_batch(input, [&](ByteView batch) {
    if (link.closed) return;
    w.node->on_batch(*id, batch);
    w.end_round();
    OPALINE_ASSERT(link.queued < 4 << 20);
    link.batches.clear();
    link.queued = 0;
  });
  w.devices[0]->write(1, w.random.id<EnvelopeId>(), 50);
  w.devices[0]->send_some(10);
  w.settle();
  auto& to = *w.devices[1];
  // What device 2 may have sent to device 1 is there too.
  OPALINE_ASSERT(!to.received.empty() && to.connected);
  to.acknowledge(to.pushes);
  w.settle();
  OPALINE_ASSERT(w.devices[0]->peers[1].outbox.empty());
  if (!link.closed) w.node->on_closed(*id);
  w.settle();
}

}  // namespace

void relay(ByteView input) {
  const auto [what, rest] = choose(input, 4);
  hostile(rest, what != 0);
}

}  // namespace opaline::fuzz
