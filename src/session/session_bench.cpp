// Speed of sessions: encrypt + decrypt of 256 bytes in both patterns of docs/DESIGN's table, and the set-up beside the
// sum of its primitives.
#include <benchmark/benchmark.h>

#include "crypto/random.hpp"
#include "session/testing.hpp"

namespace opaline::session {
namespace {

using testing::kStart;
using testing::TestDevice;

/// Pairs of encrypt and decrypt; the direction changes after every `state.range(0)` messages, or never if that is 0.
void pairs(benchmark::State& state) {
  TestDevice a(1);
  TestDevice b(2);
  crypto::SystemRandom random;
  auto [one, other] = testing::open_pair(a, b);
  const Bytes text(256, std::byte{'x'});
  Session* from = &one;
  Session* to = &other;
  std::int64_t sent = 0;
  for (auto _ : state) {
    const auto message = from->encrypt(text, {}, kStart, random);
    const auto opened = to->decrypt(*message, {}, kStart);
    if (!opened) state.SkipWithError("not opened");
    if (state.range(0) != 0 && ++sent % state.range(0) == 0) std::swap(from, to);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(pairs)->ArgName("turn")->Arg(10)->Arg(0)->Arg(1);

void serialise(benchmark::State& state) {
  TestDevice a(1);
  TestDevice b(2);
  const auto pair = testing::open_pair(a, b);
  for (auto _ : state) benchmark::DoNotOptimize(pair.initiator.serialise());
}
BENCHMARK(serialise);

/// Checking a bundle: list signature not included, it is pinned.
void bundle(benchmark::State& state) {
  const TestDevice b(2);
  for (auto _ : state) benchmark::DoNotOptimize(b.bundle());
}
BENCHMARK(bundle);

/// From a checked bundle to the first ciphertext.
void initiate(benchmark::State& state) {
  TestDevice a(1);
  const TestDevice b(2);
  const VerifiedBundle peer = b.bundle();
  crypto::SystemRandom random;
  for (auto _ : state) {
    Session session = std::move(*start_session(a.local(), peer, kStart, random));
    benchmark::DoNotOptimize(session.encrypt(as_view("hello"), {}, kStart, random));
  }
}
BENCHMARK(initiate);

/// The primitives of `initiate`: 2 key pairs, 5 agreements, an encapsulation, a signature.
void initiate_primitives(benchmark::State& state) {
  TestDevice a(1);
  const TestDevice b(2);
  const VerifiedBundle peer = b.bundle();
  crypto::SystemRandom random;
  for (auto _ : state) {
    const auto ephemeral = crypto::x25519_generate(random);
    benchmark::DoNotOptimize(crypto::x25519_generate(random));
    for (int i = 0; i < 5; ++i) {
      benchmark::DoNotOptimize(crypto::x25519_agree(ephemeral.private_key, peer.keys().agreement));
    }
    const auto encapsulator = crypto::MlKem768Encapsulator::from(peer.set().kem_prekey);
    benchmark::DoNotOptimize(encapsulator->encapsulate(random));
    benchmark::DoNotOptimize(a.identity.signer().sign("label", peer.set_hash().view(), random));
  }
}
BENCHMARK(initiate_primitives);

/// From the first ciphertext to its plaintext.
void accept(benchmark::State& state) {
  TestDevice a(1);
  TestDevice b(2);
  Session session = std::move(*start_session(a.local(), b.bundle(), kStart, a.random));
  const Bytes hello = *session.encrypt(as_view("hello"), {}, kStart, a.random);
  for (auto _ : state) benchmark::DoNotOptimize(accept_session(b.local(), b.prekeys, hello, {}, kStart));
}
BENCHMARK(accept);

/// The primitives of `accept`: 5 agreements, the one-time key's public half, a decapsulation, a verification.
void accept_primitives(benchmark::State& state) {
  TestDevice a(1);
  TestDevice b(2);
  const VerifiedBundle peer = b.bundle();
  const PrekeySecrets& set = *b.prekeys.find_set(PrekeySetId{1});
  crypto::SystemRandom random;
  const auto kem = crypto::MlKem768Encapsulator::from(peer.set().kem_prekey)->encapsulate(random);
  const auto signature = a.identity.signer().sign("label", peer.set_hash().view(), random);
  for (auto _ : state) {
    benchmark::DoNotOptimize(crypto::x25519_public_of(set.signed_prekey()));
    for (int i = 0; i < 5; ++i) {
      benchmark::DoNotOptimize(crypto::x25519_agree(set.signed_prekey(), peer.keys().agreement));
    }
    benchmark::DoNotOptimize(set.kem().decapsulate(kem.ciphertext));
    const auto verifier = crypto::HybridVerifier::from(a.identity.public_keys().signing);
    benchmark::DoNotOptimize(verifier->verify("label", peer.set_hash().view(), signature));
  }
}
BENCHMARK(accept_primitives);

}  // namespace
}  // namespace opaline::session

BENCHMARK_MAIN();
