// The pairs of session_bench (encrypt and decrypt of 256 bytes) through other people's libraries.
#include <benchmark/benchmark.h>

#include "peers/olm_session.hpp"
#include "peers/omemo_session.hpp"

namespace opaline::bench {
namespace {

/// The direction changes after every `state.range(0)` messages, or never if that is 0.
template <class Pair>
void pairs(benchmark::State& state) {
  Pair pair;
  const Bytes text(256, std::byte{'x'});
  if (!pair.pass(true, text) || !pair.pass(false, text)) state.SkipWithError("not opened");
  bool from_one = true;
  std::int64_t sent = 0;
  for (auto _ : state) {
    if (!pair.pass(from_one, text)) state.SkipWithError("not opened");
    if (state.range(0) != 0 && ++sent % state.range(0) == 0) from_one = !from_one;
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(pairs<OmemoPair>)->Name("libomemo-c")->ArgName("turn")->Arg(10)->Arg(0);
BENCHMARK(pairs<OlmPair>)->Name("libolm")->ArgName("turn")->Arg(10)->Arg(0);

}  // namespace
}  // namespace opaline::bench

BENCHMARK_MAIN();
