// After a key was used and its Secret is gone, no copy of it is left in the process: not in OpenSSL's contexts, not in
// freed memory, not on the stack.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <functional>

#include "crypto/aead.hpp"
#include "crypto/aes_ctr.hpp"
#include "crypto/argon2.hpp"
#include "crypto/hkdf.hpp"
#include "crypto/mlkem.hpp"
#include "crypto/random.hpp"
#include "crypto/sign.hpp"
#include "crypto/x25519.hpp"
#include "support/sanitized.hpp"

namespace opaline::crypto {
namespace {

/// A secret that is never in memory as itself, but while `reveal` is at work.
struct Masked {
  ByteArray<32> value{};
  static constexpr std::byte kMask{0x5a};
};

Masked make_masked() {
  SystemRandom random;
  Masked out;
  random.fill(out.value);  // the masked bytes are random, so the secret is
  return out;
}

void unmask(const Masked& masked, std::span<std::byte> out) {
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = masked.value[i % 32] ^ Masked::kMask;
}

struct Region {
  const std::byte* begin;
  const std::byte* end;
  std::string name;
};

std::vector<Region> writable_memory() {
  std::vector<Region> out;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    std::uintptr_t begin = 0;
    std::uintptr_t end = 0;
    char mode[5] = {};
    if (std::sscanf(line.c_str(), "%lx-%lx %4s", &begin, &end, mode) != 3 || std::string_view(mode, 2) != "rw")
      continue;
    out.push_back({reinterpret_cast<const std::byte*>(begin), reinterpret_cast<const std::byte*>(end),
                   line.size() > 73 ? line.substr(73) : "anonymous"});
  }
  return out;
}

/// Places where the first 16 bytes of the secret stand in memory (an expanded AES key begins with them too).
std::vector<std::string> places_of(const Masked& masked, std::byte disguise) {
  std::vector<std::string> out;
  constexpr std::size_t kNeedle = 16;
  const std::byte mask = Masked::kMask ^ disguise;
  for (const Region& region : writable_memory()) {
    const auto first = std::to_integer<int>(masked.value[0] ^ mask);
    for (const std::byte* at = region.begin; at + kNeedle <= region.end; ++at) {
      at = static_cast<const std::byte*>(std::memchr(at, first, static_cast<std::size_t>(region.end - at)));
      if (at == nullptr || at + kNeedle > region.end) break;
      std::size_t same = 1;
      while (same < kNeedle && (at[same] ^ mask) == masked.value[same]) ++same;
      if (same == kNeedle) out.push_back(region.name);
    }
  }
  return out;
}

/// As it is, and as HMAC's padded keys (RFC 2104 section 2).
__attribute__((noinline)) std::vector<std::string> places_of(const Masked& masked) {
  std::vector<std::string> out = places_of(masked, std::byte{0});
  for (const std::byte pad : {std::byte{0x36}, std::byte{0x5c}}) {
    for (std::string& place : places_of(masked, pad)) out.push_back(place + ", padded for HMAC");
  }
  return out;
}

/// Calls `run` 64 KiB further down the stack, where the search that follows overwrites nothing of what it left.
__attribute__((noinline)) void deep_down(const std::function<void()>& run) {
  char distance[64 * 1024];
  asm volatile("" : : "r"(distance) : "memory");  // the compiler would see through it
  run();
  asm volatile("" : : "r"(distance) : "memory");
}

class Hygiene : public ::testing::Test {
 protected:
  /// What is left may depend on the value (a field element left unreduced is equal to its bytes half of the time).
  static constexpr int kRepeats = 8;
  void SetUp() override {
    if (testing::kSanitized) GTEST_SKIP() << "a sanitizer's allocator keeps and maps memory in its own way";
  }
  /// Runs `use` with a fresh secret of 32 (or 64) bytes, in a stack frame of its own.
  template <std::size_t N>
  void expect_no_trace(const std::function<void(FixedView<N>)>& use) {
    for (int i = 0; i < kRepeats; ++i) expect_no_trace_once(use);
  }
  template <std::size_t N>
  void expect_no_trace_once(const std::function<void(FixedView<N>)>& use) {
    const Masked masked = make_masked();
    deep_down([&] {
      Secret<struct HygieneTag, N> secret;
      unmask(masked, secret.fill());
      EXPECT_FALSE(places_of(masked).empty()) << "the search finds what is there";
      use(secret.reveal());
    });
    const auto places = places_of(masked);
    EXPECT_TRUE(places.empty()) << places.size() << " copies, the first in " << places.front();
  }
  /// The same for a secret that `make` makes.
  void expect_no_trace_of_output(const std::function<void(std::span<std::byte, 32>)>& make) {
    for (int i = 0; i < kRepeats; ++i) {
      Masked masked;
      deep_down([&] {
        Secret<struct HygieneOutTag, 32> secret;
        make(secret.fill());
        for (std::size_t j = 0; j < 32; ++j) masked.value[j] = secret.reveal()[j] ^ Masked::kMask;
      });
      const auto places = places_of(masked);
      EXPECT_TRUE(places.empty()) << places.size() << " copies, the first in " << places.front();
    }
  }
};

TEST_F(Hygiene, Gcm) {
  expect_no_trace<32>([](FixedView<32> key) {
    const ByteArray<12> nonce{};
    Bytes sealed;
    aes256gcm_seal(key, nonce, {}, as_view("text"), sealed);
    EXPECT_TRUE(aes256gcm_open(key, nonce, {}, sealed).has_value());
    EXPECT_FALSE(aes256gcm_open(key, nonce, as_view("x"), sealed).has_value());
  });
}

TEST_F(Hygiene, GcmPlaintext) {
  expect_no_trace<32>([](FixedView<32> plaintext) {
    const ByteArray<12> nonce{};
    const ByteArray<32> key{};
    Bytes sealed;
    aes256gcm_seal(key, nonce, {}, plaintext, sealed);
    EXPECT_TRUE(aes256gcm_open(key, nonce, {}, sealed).has_value());
  });
}

TEST_F(Hygiene, GcmSiv) {
  expect_no_trace<32>([](FixedView<32> key) {
    const ByteArray<12> nonce{};
    Bytes sealed;
    aes256gcmsiv_seal(key, nonce, {}, as_view("text"), sealed);
    EXPECT_TRUE(aes256gcmsiv_open(key, nonce, {}, sealed).has_value());
  });
}

TEST_F(Hygiene, Ctr) {
  expect_no_trace<32>([](FixedView<32> key) {
    Bytes data(100);
    Aes256Ctr(key, 5).apply(data, data);
  });
}

TEST_F(Hygiene, HmacAndHkdf) {
  Secret<struct HygieneKdfTag, 64> out;
  expect_no_trace<32>([](FixedView<32> key) { const HmacSha256Key ready(key); });
  expect_no_trace<32>([](FixedView<32> key) { static_cast<void>(hmac_sha256(key, as_view("text"))); });
  expect_no_trace<32>([](FixedView<32> key) { static_cast<void>(hmac_sha256(as_view("key"), key)); });
  expect_no_trace<32>([&](FixedView<32> key) { hkdf(key, as_view("ikm"), as_view("info"), out.fill()); });
  expect_no_trace<32>([&](FixedView<32> key) { hkdf(as_view("salt"), key, as_view("info"), out.fill()); });
  expect_no_trace<32>([&](FixedView<32> key) { hkdf_expand(key, as_view("info"), out.fill()); });
}

TEST_F(Hygiene, Hashes) {
  expect_no_trace<32>([](FixedView<32> text) { static_cast<void>(sha256(text)); });
  expect_no_trace<32>([](FixedView<32> text) { static_cast<void>(sha512(text)); });
}

TEST_F(Hygiene, HkdfOutput) {
  const Masked salt = make_masked();
  expect_no_trace_of_output(
      [&](std::span<std::byte, 32> out) { hkdf(salt.value, as_view("ikm"), as_view("info"), out); });
}

TEST_F(Hygiene, X25519) {
  expect_no_trace<32>([](FixedView<32> bytes) {
    const X25519PrivateKey key(bytes);
    static_cast<void>(x25519_agree(key, x25519_public_of(key)));
  });
}

TEST_F(Hygiene, X25519SharedSecret) {
  SystemRandom random;
  expect_no_trace_of_output([&](std::span<std::byte, 32> out) {
    const X25519KeyPair ours = x25519_generate(random);
    const auto shared = x25519_agree(ours.private_key, x25519_generate(random).public_key);
    std::ranges::copy(shared->reveal(), out.begin());
  });
}

TEST_F(Hygiene, MlKem768SharedSecret) {
  SystemRandom random;
  const MlKem768Decapsulator ours(mlkem768_generate(random));
  const auto encapsulator = MlKem768Encapsulator::from(ours.encapsulation_key());
  expect_no_trace_of_output([&](std::span<std::byte, 32> out) {
    const auto made = encapsulator->encapsulate(random);
    std::ranges::copy(ours.decapsulate(made.ciphertext).reveal(), out.begin());
  });
}

TEST_F(Hygiene, MlKem768) {
  expect_no_trace<64>([](FixedView<64> seed) {
    SystemRandom random;
    const MlKem768Decapsulator ours{MlKem768PrivateKey(seed)};
    const auto made = MlKem768Encapsulator::from(ours.encapsulation_key())->encapsulate(random);
    static_cast<void>(ours.decapsulate(made.ciphertext));
  });
}

TEST_F(Hygiene, Ed25519) {
  expect_no_trace<32>([](FixedView<32> seed) {
    const Ed25519Signer signer{Ed25519PrivateKey(seed)};
    static_cast<void>(signer.sign(as_view("text")));
  });
}

TEST_F(Hygiene, MlDsa65) {
  expect_no_trace<32>([](FixedView<32> seed) {
    SystemRandom random;
    const MlDsa65Signer signer{MlDsa65PrivateKey(seed)};
    static_cast<void>(signer.sign({}, as_view("text"), random));
  });
}

TEST_F(Hygiene, HybridKey) {
  expect_no_trace<64>([](FixedView<64> seeds) {
    SystemRandom random;
    const HybridSigner signer{HybridPrivateKey(seeds)};
    static_cast<void>(signer.sign("label", as_view("text"), random));
  });
}

TEST_F(Hygiene, Argon2Password) {
  expect_no_trace<32>([](FixedView<32> password) {
    ByteArray<32> out;
    const ByteArray<16> salt{};
    EXPECT_TRUE(argon2id({.password = password, .salt = salt}, {.memory_kib = 64, .passes = 1, .lanes = 1}, out));
  });
}

}  // namespace
}  // namespace opaline::crypto
