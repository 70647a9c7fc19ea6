// Fan-out: one text to ten devices of the recipient and nine of one's own, beside the encryptions alone that it takes.
#include <benchmark/benchmark.h>

#include "crypto/random.hpp"
#include "endpoint/testing/world.hpp"
#include "session/testing.hpp"

namespace opaline::endpoint {
namespace {

using testing::Device;
using testing::World;

/// Texts from the person's call to `sent` by every device, with the rounds' commits to memory and a relay of a few
/// lines. `devices` on each side; the sessions are established, the receivers away.
void fan_out(benchmark::State& state) {
  const auto devices = static_cast<std::size_t>(state.range(0));
  World world(1);
  Device& anna = world.add("anna");
  Device& ben = world.add("ben");
  world.connect(anna);
  world.connect(ben);
  for (std::size_t i = 1; i < devices; ++i) {
    world.link_live(anna, "anna");
    world.link_live(ben, "ben");
  }
  for (int i = 0; i < 2; ++i) {
    world.send(anna, ben, "hello");
    world.send(ben, anna, "hi");
    OPALINE_ASSERT(world.pass(std::chrono::minutes(5)));
  }
  for (const auto& device : world.devices)
    if (device.get() != &anna) world.cut(*device);
  world.clock.advance(std::chrono::minutes(1));
  OPALINE_ASSERT(world.settle());
  const std::string text(200, 'x');
  const std::uint64_t before = world.envelopes;
  MessageId last;
  for (auto _ : state) {
    last = world.send(anna, ben, text);
    world.serve(anna, 1'000);
    world.deliver(anna, 1'000);
    world.round(anna);
    world.serve(anna, 1'000);  // what the others are told of `sent`
    world.deliver(anna, 1'000);
    world.round(anna);
    for (auto& [id, mailbox] : world.mailboxes) mailbox.waiting.clear();
  }
  if (anna.state_of(last) != MessageState::sent) state.SkipWithError("not sent");
  state.SetItemsProcessed(state.iterations());
  state.counters["envelopes"] = static_cast<double>(world.envelopes - before) /
                                static_cast<double>(std::max<std::int64_t>(state.iterations(), 1));
}
BENCHMARK(fan_out)->Arg(1)->Arg(10)->Unit(benchmark::kMicrosecond);

/// As many encryptions of such a text, each in a session of its own, and nothing else.
void encryptions(benchmark::State& state) {
  const auto count = static_cast<std::size_t>(state.range(0));
  session::testing::TestDevice a(1, 64);
  std::vector<session::Session> sessions;
  for (std::size_t i = 0; i < count; ++i) {
    session::testing::TestDevice b(100 + i);
    sessions.push_back(session::testing::open_pair(a, b).initiator);
  }
  crypto::SystemRandom random;
  const Bytes text(250, std::byte{'x'});
  const auto id = random.bytes<16>();
  for (auto _ : state)
    for (session::Session& each : sessions)
      benchmark::DoNotOptimize(each.encrypt(text, id, session::testing::kStart, random));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(encryptions)->Arg(1)->Arg(19)->Arg(28)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace opaline::endpoint

BENCHMARK_MAIN();
