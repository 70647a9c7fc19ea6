#include "crypto/mlkem.hpp"

#include <gtest/gtest.h>
#include <openssl/err.h>

#include <thread>

#include "crypto/hash.hpp"
#include "crypto/internal/wycheproof.hpp"

namespace opaline::crypto {
namespace {

using namespace testing;

/// Gives the bytes of a test vector, once.
class FixedRandom final : public RandomSource {
 public:
  explicit FixedRandom(Bytes bytes) : bytes_(std::move(bytes)) {}
  void fill(std::span<std::byte> out) override {
    ASSERT_LE(out.size(), bytes_.size() - used_);
    std::memcpy(out.data(), bytes_.data() + used_, out.size());
    used_ += out.size();
  }
  [[nodiscard]] bool used_up() const { return used_ == bytes_.size(); }

 private:
  Bytes bytes_;
  std::size_t used_ = 0;
};

MlKem768PrivateKey seed_of(ByteView bytes) {
  return MlKem768PrivateKey(bytes.first<64>());
}

TEST(MlKem768, AgreesAndTellsKeysApart) {
  SeededRandom random(1);
  const MlKem768Decapsulator ours(mlkem768_generate(random));
  const MlKem768Decapsulator other(mlkem768_generate(random));
  const auto to_us = MlKem768Encapsulator::from(ours.encapsulation_key());
  ASSERT_TRUE(to_us.has_value());
  const MlKem768Encapsulation first = to_us->encapsulate(random);
  const MlKem768Encapsulation second = to_us->encapsulate(random);
  EXPECT_TRUE(equal(ours.decapsulate(first.ciphertext).reveal(), first.shared_secret.reveal()));
  EXPECT_TRUE(equal(ours.decapsulate(second.ciphertext).reveal(), second.shared_secret.reveal()));
  EXPECT_FALSE(equal(first.shared_secret.reveal(), second.shared_secret.reveal()));
  EXPECT_NE(first.ciphertext, second.ciphertext);
  EXPECT_FALSE(equal(other.decapsulate(first.ciphertext).reveal(), first.shared_secret.reveal()));
}

TEST(MlKem768, TheSeedIsTheKey) {
  SeededRandom random(2);
  const MlKem768PrivateKey seed = mlkem768_generate(random);
  const MlKem768Decapsulator first(seed);
  const MlKem768Decapsulator again(seed);
  EXPECT_EQ(first.encapsulation_key(), again.encapsulation_key());
  const auto made = MlKem768Encapsulator::from(first.encapsulation_key())->encapsulate(random);
  EXPECT_TRUE(equal(again.decapsulate(made.ciphertext).reveal(), made.shared_secret.reveal()));
}

// FIPS 203 algorithm 18: a damaged ciphertext gives another secret, the same each time (implicit rejection).
TEST(MlKem768, DamageGivesAnotherSecret) {
  SeededRandom random(3);
  const MlKem768Decapsulator ours(mlkem768_generate(random));
  const auto made = MlKem768Encapsulator::from(ours.encapsulation_key())->encapsulate(random);
  for (std::size_t i = 0; i < MlKem768Ciphertext::kSize; ++i) {
    auto bytes = made.ciphertext.array();
    bytes[i] ^= static_cast<std::byte>(1 << i % 8);
    const MlKem768SharedSecret got = ours.decapsulate(MlKem768Ciphertext(bytes));
    ASSERT_FALSE(equal(got.reveal(), made.shared_secret.reveal())) << i;
    ASSERT_TRUE(equal(got.reveal(), ours.decapsulate(MlKem768Ciphertext(bytes)).reveal())) << i;
  }
}

// FIPS 203 section 7.2, the modulus check: each of the 768 coefficients in turn is q or more.
TEST(MlKem768, UnreducedKeysAreRefused) {
  SeededRandom random(4);
  const MlKem768EncapsulationKey good = MlKem768Decapsulator(mlkem768_generate(random)).encapsulation_key();
  constexpr unsigned kQ = 3329;
  for (std::size_t i = 0; i < 768; ++i) {
    for (const unsigned value : {kQ, 4095U}) {
      auto bytes = good.array();
      std::byte* const pair = bytes.data() + i / 2 * 3;  // two 12-bit coefficients in three bytes, little-endian
      if (i % 2 == 0) {
        pair[0] = static_cast<std::byte>(value & 255);
        pair[1] = (pair[1] & std::byte{0xf0}) | static_cast<std::byte>(value >> 8);
      } else {
        pair[1] = (pair[1] & std::byte{0x0f}) | static_cast<std::byte>((value & 15) << 4);
        pair[2] = static_cast<std::byte>(value >> 4);
      }
      const auto refused = MlKem768Encapsulator::from(MlKem768EncapsulationKey(bytes));
      ASSERT_FALSE(refused.has_value()) << i;
      ASSERT_EQ(refused.error(), Error::bad_key);
    }
  }
  EXPECT_EQ(ERR_peek_error(), 0U);
  EXPECT_TRUE(MlKem768Encapsulator::from(good).has_value());
}

// C2SP/wycheproof mlkem_768_encaps_test.json, tcId 15, and mlkem_768_test.json for the same key ("official round 3
// seeds 1"), with SHA-256 standing for the long values.
TEST(MlKem768, KnownAnswer) {
  FixedRandom random(
      unhex("d60b93492a1d8c1c7ba6fc0b733137f3406cee8110a93f170e7a78658af326d9"
            "003271531cf27285b8721ed5cb46853043b346a66cba6cf765f1b0eaa40bf672"
            "cde797df8ce67231f6c5d15811843e01eb2ab84c7490931240822adbddd72046"));
  const MlKem768Decapsulator ours(mlkem768_generate(random));
  const MlKem768EncapsulationKey key = ours.encapsulation_key();
  EXPECT_EQ(to_hex(sha256(key.view())), "858915faa304fb5beed7d653189707b34a27504dd254ffb12ad47392a0c1ad4a");
  const MlKem768Encapsulation made = MlKem768Encapsulator::from(key)->encapsulate(random);
  EXPECT_TRUE(random.used_up());
  EXPECT_EQ(to_hex(sha256(made.ciphertext.view())), "22ddb185d097bbf15e84e745d02ec3cc2fe03e35cecca7066db063673c10a683");
  EXPECT_EQ(to_hex(made.shared_secret.reveal()), "5f0c5d9f39d3e724b5a2bd54e69e360f72ffab5d4d6cc5e572fecba80acd4796");
  EXPECT_TRUE(equal(ours.decapsulate(made.ciphertext).reveal(), made.shared_secret.reveal()));
}

TEST(MlKem768, WycheproofKeysAndDecapsulation) {
  OPALINE_VECTORS_OR_SKIP(file, "mlkem_768_test.json");
  const Tally tally = for_each_vector(file, [](const object&, const object& test, Tally& count) {
    const Bytes seed = bytes_of(test, "seed");
    const Bytes c = bytes_of(test, "c");
    const auto ciphertext = MlKem768Ciphertext::from(c);
    if (seed.size() != MlKem768PrivateKey::kSize || !ciphertext) {
      EXPECT_EQ(text_of(test, "result"), "invalid");
      ++count.refused;
      return;
    }
    ASSERT_EQ(text_of(test, "result"), "valid");
    const MlKem768Decapsulator ours(seed_of(seed));
    EXPECT_EQ(ours.encapsulation_key().hex(), text_of(test, "ek"));
    EXPECT_EQ(to_hex(ours.decapsulate(*ciphertext).reveal()), text_of(test, "K"));
    ++count.valid;
  });
  EXPECT_GE(tally.valid, 153);
  EXPECT_GE(tally.refused, 40);
}

TEST(MlKem768, WycheproofEncapsulation) {
  OPALINE_VECTORS_OR_SKIP(file, "mlkem_768_encaps_test.json");
  const Tally tally = for_each_vector(file, [](const object&, const object& test, Tally& count) {
    const auto key = MlKem768EncapsulationKey::from(bytes_of(test, "ek"));
    const bool valid = text_of(test, "result") == "valid";
    if (!key) {
      EXPECT_FALSE(valid);
      ++count.refused;
      return;
    }
    const auto encapsulator = MlKem768Encapsulator::from(*key);
    ASSERT_EQ(encapsulator.has_value(), valid);
    ++(valid ? count.valid : count.invalid);
    if (!valid) return;
    FixedRandom random(bytes_of(test, "m"));
    const MlKem768Encapsulation made = encapsulator->encapsulate(random);
    EXPECT_EQ(made.ciphertext.hex(), text_of(test, "c"));
    EXPECT_EQ(to_hex(made.shared_secret.reveal()), text_of(test, "K"));
  });
  EXPECT_GE(tally.valid, 133);
  EXPECT_GE(tally.invalid, 112);
}

TEST(MlKem768, OneObjectServesManyThreads) {
  SeededRandom seeds(5);
  const MlKem768Decapsulator ours(mlkem768_generate(seeds));
  const auto encapsulator = MlKem768Encapsulator::from(ours.encapsulation_key());
  std::vector<std::thread> threads;
  std::array<int, 4> good{};
  for (std::size_t t = 0; t < good.size(); ++t) {
    threads.emplace_back([&, t] {
      SeededRandom random(t);
      for (int i = 0; i < 50; ++i) {
        const auto made = encapsulator->encapsulate(random);
        good[t] += equal(ours.decapsulate(made.ciphertext).reveal(), made.shared_secret.reveal()) ? 1 : 0;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, (std::array{50, 50, 50, 50}));
}

}  // namespace
}  // namespace opaline::crypto
