// What each primitive costs through this room's own interface. Run the release build alone on the machine:
//   crypto_bench --benchmark_repetitions=5 --benchmark_report_aggregates_only=true
#include <benchmark/benchmark.h>

#include "crypto/aead.hpp"
#include "crypto/aes_ctr.hpp"
#include "crypto/argon2.hpp"
#include "crypto/hkdf.hpp"
#include "crypto/mlkem.hpp"
#include "crypto/random.hpp"
#include "crypto/sign.hpp"
#include "crypto/version.hpp"
#include "crypto/x25519.hpp"

namespace opaline::crypto {
namespace {

using benchmark::DoNotOptimize;
using benchmark::State;

SystemRandom& random_source() {
  static SystemRandom source;
  return source;
}
Bytes message_of(std::size_t size) {
  Bytes out(size);
  random_source().fill(out);
  return out;
}

void count_bytes(State& state, std::size_t size) {
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations()) * static_cast<std::int64_t>(size));
}

void BM_sha256(State& state) {
  const Bytes data = message_of(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) DoNotOptimize(sha256(data));
  count_bytes(state, data.size());
}
BENCHMARK(BM_sha256)->Arg(32)->Arg(256)->Arg(65536);

void BM_hmac_sha256(State& state) {
  const auto key = random_source().bytes<32>();
  const auto data = random_source().bytes<1>();
  for (auto _ : state) DoNotOptimize(hmac_sha256(key, data));
}
BENCHMARK(BM_hmac_sha256);

void BM_hmac_sha256_ready_key(State& state) {
  const HmacSha256Key key(random_source().bytes<32>());
  const auto data = random_source().bytes<32>();
  for (auto _ : state) DoNotOptimize(key.mac(data));
}
BENCHMARK(BM_hmac_sha256_ready_key);

void BM_hkdf(State& state) {
  const auto salt = random_source().bytes<32>();
  const auto ikm = random_source().bytes<32>();
  Bytes out(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) {
    hkdf(salt, ikm, as_view("opaline/1 a label"), out);
    benchmark::ClobberMemory();
  }
}
BENCHMARK(BM_hkdf)->Arg(32)->Arg(64)->Arg(96);

void BM_hkdf_expand(State& state) {
  const auto prk = random_source().bytes<32>();
  Bytes out(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) {
    hkdf_expand(prk, as_view("opaline/1 a label"), out);
    benchmark::ClobberMemory();
  }
}
BENCHMARK(BM_hkdf_expand)->Arg(32)->Arg(44)->Arg(64);

void BM_aes256gcm_seal(State& state) {
  const auto key = random_source().bytes<32>();
  const auto nonce = random_source().bytes<12>();
  const auto aad = random_source().bytes<64>();
  const Bytes data = message_of(static_cast<std::size_t>(state.range(0)));
  Bytes out(data.size() + kAeadTagBytes);
  for (auto _ : state) {
    aes256gcm_seal_into(key, nonce, aad, data, out);
    benchmark::ClobberMemory();
  }
  count_bytes(state, data.size());
}
BENCHMARK(BM_aes256gcm_seal)->Arg(256)->Arg(1024)->Arg(65536);

void BM_aes256gcm_open(State& state) {
  const auto key = random_source().bytes<32>();
  const auto nonce = random_source().bytes<12>();
  const auto aad = random_source().bytes<64>();
  Bytes sealed;
  aes256gcm_seal(key, nonce, aad, message_of(static_cast<std::size_t>(state.range(0))), sealed);
  Bytes out(sealed.size() - kAeadTagBytes);
  for (auto _ : state) {
    DoNotOptimize(aes256gcm_open_into(key, nonce, aad, sealed, out));
    benchmark::ClobberMemory();
  }
  count_bytes(state, out.size());
}
BENCHMARK(BM_aes256gcm_open)->Arg(256)->Arg(1024)->Arg(65536);

void BM_aes256gcmsiv_seal(State& state) {
  const auto key = random_source().bytes<32>();
  const auto nonce = random_source().bytes<12>();
  const Bytes data = message_of(static_cast<std::size_t>(state.range(0)));
  Bytes out(data.size() + kAeadTagBytes);
  for (auto _ : state) {
    aes256gcmsiv_seal_into(key, nonce, {}, data, out);
    benchmark::ClobberMemory();
  }
  count_bytes(state, data.size());
}
BENCHMARK(BM_aes256gcmsiv_seal)->Arg(32)->Arg(256);

void BM_aes256ctr(State& state) {
  Aes256Ctr stream(random_source().bytes<32>());
  Bytes data = message_of(65536);
  for (auto _ : state) {
    stream.apply(data, data);
    benchmark::ClobberMemory();
  }
  count_bytes(state, data.size());
}
BENCHMARK(BM_aes256ctr);

void BM_x25519_generate(State& state) {
  for (auto _ : state) DoNotOptimize(x25519_generate(random_source()));
}
BENCHMARK(BM_x25519_generate);

void BM_x25519_agree(State& state) {
  const X25519KeyPair ours = x25519_generate(random_source());
  const X25519KeyPair theirs = x25519_generate(random_source());
  for (auto _ : state) DoNotOptimize(x25519_agree(ours.private_key, theirs.public_key));
}
BENCHMARK(BM_x25519_agree);

void BM_mlkem768_decode_private(State& state) {
  const MlKem768PrivateKey seed = mlkem768_generate(random_source());
  for (auto _ : state) DoNotOptimize(MlKem768Decapsulator(seed));
}
BENCHMARK(BM_mlkem768_decode_private);

void BM_mlkem768_decode_public(State& state) {
  const auto key = MlKem768Decapsulator(mlkem768_generate(random_source())).encapsulation_key();
  for (auto _ : state) DoNotOptimize(MlKem768Encapsulator::from(key));
}
BENCHMARK(BM_mlkem768_decode_public);

void BM_mlkem768_encapsulate(State& state) {
  const auto key = MlKem768Decapsulator(mlkem768_generate(random_source())).encapsulation_key();
  const auto encapsulator = MlKem768Encapsulator::from(key);
  for (auto _ : state) DoNotOptimize(encapsulator->encapsulate(random_source()));
}
BENCHMARK(BM_mlkem768_encapsulate);

void BM_mlkem768_decapsulate(State& state) {
  const MlKem768Decapsulator decapsulator(mlkem768_generate(random_source()));
  const auto made = MlKem768Encapsulator::from(decapsulator.encapsulation_key())->encapsulate(random_source());
  for (auto _ : state) DoNotOptimize(decapsulator.decapsulate(made.ciphertext));
}
BENCHMARK(BM_mlkem768_decapsulate);

void BM_ed25519_sign(State& state) {
  const Ed25519Signer signer(Ed25519PrivateKey(random_source().bytes<32>()));
  const Bytes message = message_of(64);
  for (auto _ : state) DoNotOptimize(signer.sign(message));
}
BENCHMARK(BM_ed25519_sign);

void BM_ed25519_verify(State& state) {
  const Ed25519Signer signer(Ed25519PrivateKey(random_source().bytes<32>()));
  const auto verifier = Ed25519Verifier::from(signer.public_key());
  const Bytes message = message_of(64);
  const auto signature = signer.sign(message);
  for (auto _ : state) DoNotOptimize(verifier->verify(message, signature));
}
BENCHMARK(BM_ed25519_verify);

void BM_mldsa65_sign(State& state) {
  const MlDsa65Signer signer(MlDsa65PrivateKey(random_source().bytes<32>()));
  const Bytes message = message_of(64);
  for (auto _ : state) DoNotOptimize(signer.sign(as_view("bench"), message, random_source()));
}
BENCHMARK(BM_mldsa65_sign);

void BM_mldsa65_verify(State& state) {
  const MlDsa65Signer signer(MlDsa65PrivateKey(random_source().bytes<32>()));
  const auto verifier = MlDsa65Verifier::from(signer.public_key());
  const Bytes message = message_of(64);
  const auto signature = signer.sign(as_view("bench"), message, random_source());
  for (auto _ : state) DoNotOptimize(verifier->verify(as_view("bench"), message, signature));
}
BENCHMARK(BM_mldsa65_verify);

void BM_hybrid_decode_private(State& state) {
  const HybridPrivateKey seeds = hybrid_generate(random_source());
  for (auto _ : state) DoNotOptimize(HybridSigner(seeds));
}
BENCHMARK(BM_hybrid_decode_private);

void BM_hybrid_decode_public(State& state) {
  const auto key = HybridSigner(hybrid_generate(random_source())).public_key();
  for (auto _ : state) DoNotOptimize(HybridVerifier::from(key));
}
BENCHMARK(BM_hybrid_decode_public);

void BM_hybrid_verify(State& state) {
  const HybridSigner signer(hybrid_generate(random_source()));
  const auto verifier = HybridVerifier::from(signer.public_key());
  const Bytes message = message_of(64);
  const auto signature = signer.sign("bench", message, random_source());
  for (auto _ : state) DoNotOptimize(verifier->verify("bench", message, signature));
}
BENCHMARK(BM_hybrid_verify);

void BM_argon2id_default_cost(State& state) {
  const auto salt = random_source().bytes<16>();
  ByteArray<32> out;
  for (auto _ : state) {
    DoNotOptimize(argon2id({.password = as_view("correct horse"), .salt = salt}, Argon2Cost{}, out));
  }
}
BENCHMARK(BM_argon2id_default_cost)->Unit(benchmark::kMillisecond);

void BM_random(State& state) {
  Bytes out(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) {
    random_source().fill(out);
    benchmark::ClobberMemory();
  }
}
BENCHMARK(BM_random)->Arg(16)->Arg(32)->Arg(64);

}  // namespace
}  // namespace opaline::crypto

int main(int argc, char** argv) {
  benchmark::AddCustomContext("openssl", std::string(opaline::crypto::openssl_version()));
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
