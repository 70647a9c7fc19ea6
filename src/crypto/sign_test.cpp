#include "crypto/sign.hpp"

#include <gtest/gtest.h>
#include <openssl/err.h>

#include <thread>

#include "crypto/hash.hpp"
#include "crypto/internal/wycheproof.hpp"

namespace opaline::crypto {
namespace {

using namespace testing;

/// Repeats one 32-byte value: zeros make ML-DSA deterministic (FIPS 204 section 3.4), others are a vector's `rnd`.
class ConstantRandom final : public RandomSource {
 public:
  explicit ConstantRandom(ByteArray<32> value = {}) : value_(value) {}
  void fill(std::span<std::byte> out) override {
    ASSERT_EQ(out.size(), value_.size());
    std::memcpy(out.data(), value_.data(), out.size());
  }

 private:
  ByteArray<32> value_;
};

Ed25519PrivateKey ed25519_seed(std::string_view hex) {
  return Ed25519PrivateKey(unhex_array<32>(hex));
}

struct Rfc8032Case {
  const char* seed;
  const char* public_key;
  const char* message;
  const char* signature;
};
// RFC 8032 section 7.1: TEST 1, TEST 2, TEST 3, TEST SHA(abc).
constexpr Rfc8032Case kRfc8032[] = {
    {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
     "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe246"
     "55141438e7a100b"},
    {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
     "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb"
     "00d291612bb0c00"},
    {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
     "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc"
     "027beceea1ec40a"},
    {"833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
     "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
     "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e"
     "2a9ac94fa54ca49f",
     "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad"
     "9bef1177331a704"},
};

TEST(Ed25519, Rfc8032) {
  for (const Rfc8032Case& c : kRfc8032) {
    const Ed25519Signer signer(ed25519_seed(c.seed));
    EXPECT_EQ(signer.public_key().hex(), c.public_key);
    const Ed25519Signature signature = signer.sign(unhex(c.message));
    EXPECT_EQ(signature.hex(), c.signature);
    EXPECT_TRUE(Ed25519Verifier::from(signer.public_key())->verify(unhex(c.message), signature));
  }
}

TEST(Ed25519, EveryDamageIsFound) {
  const Ed25519Signer signer(ed25519_seed(kRfc8032[0].seed));
  const auto verifier = Ed25519Verifier::from(signer.public_key());
  Bytes message = to_bytes("a message of some length");
  const Ed25519Signature signature = signer.sign(message);
  for (std::size_t bit = 0; bit < 8 * Ed25519Signature::kSize; ++bit) {
    auto bytes = signature.array();
    bytes[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
    ASSERT_FALSE(verifier->verify(message, Ed25519Signature(bytes))) << bit;
  }
  for (std::byte& b : message) {
    b ^= std::byte{1};
    ASSERT_FALSE(verifier->verify(message, signature));
    b ^= std::byte{1};
  }
  EXPECT_FALSE(verifier->verify(ByteView(message).first(message.size() - 1), signature));
  EXPECT_FALSE(verifier->verify(message, Ed25519Signature()));
  EXPECT_TRUE(verifier->verify(message, signature));
  for (std::size_t bit = 0; bit < 8 * Ed25519PublicKey::kSize; ++bit) {
    auto bytes = signer.public_key().array();
    bytes[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
    const auto other = Ed25519Verifier::from(Ed25519PublicKey(bytes));
    ASSERT_FALSE(other.has_value() && other->verify(message, signature)) << bit;
  }
  EXPECT_EQ(ERR_peek_error(), 0U);
}

TEST(Ed25519, SmallOrderAndUnreducedKeysAreRefused) {
  const std::string f(58, 'f');
  for (const std::string& y : {std::string("01") + std::string(62, '0'), std::string(64, '0'), "ec" + f + "ff7f",
                               std::string("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
                               std::string("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
                               "ed" + f + "ff7f", "ee" + f + "ff7f", "ff" + f + "ff7f"}) {
    for (const std::byte sign : {std::byte{0}, std::byte{0x80}}) {
      auto bytes = unhex_array<32>(y);
      bytes[31] |= sign;
      const auto refused = Ed25519Verifier::from(Ed25519PublicKey(bytes));
      ASSERT_FALSE(refused.has_value()) << y;
      EXPECT_EQ(refused.error(), Error::bad_key);
    }
  }
  // The same with y one less than the first unreduced value plus one bit elsewhere: an ordinary, if unlikely, key.
  EXPECT_TRUE(Ed25519Verifier::from(Ed25519PublicKey(unhex_array<32>("eb" + f + "ff7f"))).has_value());
}

TEST(Ed25519, Wycheproof) {
  OPALINE_VECTORS_OR_SKIP(file, "ed25519_test.json");
  const Tally tally = for_each_vector(file, [](const object& group, const object& test, Tally& count) {
    const bool valid = text_of(test, "result") == "valid";
    const auto signature = Ed25519Signature::from(bytes_of(test, "sig"));
    if (!signature) {
      EXPECT_FALSE(valid);
      ++count.refused;
      return;
    }
    const auto key = Ed25519PublicKey::from(bytes_of(group.at("publicKey").as_object(), "pk"));
    ASSERT_TRUE(key.has_value());
    const auto verifier = Ed25519Verifier::from(*key);
    EXPECT_EQ(verifier.has_value() && verifier->verify(bytes_of(test, "msg"), *signature), valid);
    ++(valid ? count.valid : count.invalid);
  });
  EXPECT_GE(tally.valid, 88);
  EXPECT_GE(tally.invalid, 51);
  EXPECT_GE(tally.refused, 12);
}

// C2SP/wycheproof mldsa_65_sign_seed_test.json, tcId 1, 3, 4 and 109, with SHA-256 standing for the long values.
TEST(MlDsa65, KnownAnswers) {
  const MlDsa65Signer signer(
      MlDsa65PrivateKey(unhex_array<32>("2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a")));
  EXPECT_EQ(to_hex(sha256(signer.public_key().view())),
            "b7acce2ddb11f8cc1aa46e2bafac6eacfa2b732ef192bd636ad8d3a56d649c66");
  const auto digest = [&](ByteView context, ByteArray<32> rnd) {
    ConstantRandom random(rnd);
    return to_hex(sha256(signer.sign(context, as_view("Hello world"), random).view()));
  };
  EXPECT_EQ(digest({}, {}), "39fbbb0d97a52c79844213b325af823a7f16a174e00a5b3daeb3e6e6d1c89681");
  EXPECT_EQ(digest(as_view("Context"), {}), "c32dd9c1fdb53c049ebb75d98604d27593e32f5da2b1201c9289692de6ebea2e");
  EXPECT_EQ(digest(Bytes(255, std::byte{'A'}), {}), "e016b21537310a1eddd2f5093c21dfe5626919c8103b6e520163d2072c9e7685");
  EXPECT_EQ(digest({}, unhex_array<32>("60879ebd4f33a5d8e6238983cca4b03abfafa716d836f2ab3f500cde36b3b1e3")),
            "efa771a2cdd3df8c9867722c9d40bd43e297bc324d8e31919661e493b1ab4007");
}

TEST(MlDsa65, WycheproofSigning) {
  OPALINE_VECTORS_OR_SKIP(file, "mldsa_65_sign_seed_test.json");
  const Tally tally = for_each_vector(file, [](const object& group, const object& test, Tally& count) {
    const Bytes seed = bytes_of(group, "privateSeed");
    const Bytes context = bytes_of(test, "ctx");
    if (seed.size() != MlDsa65PrivateKey::kSize || context.size() > kMaxMlDsaContextBytes) {
      EXPECT_EQ(text_of(test, "result"), "invalid");
      ++count.refused;
      return;
    }
    if (!test.contains("msg")) {  // signs a given mu: an interface that we do not have
      ++count.elsewhere;
      return;
    }
    ASSERT_EQ(text_of(test, "result"), "valid");
    const MlDsa65Signer signer(MlDsa65PrivateKey(ByteView(seed).first<32>()));
    ConstantRandom random(test.contains("rnd") ? to_array<32>(bytes_of(test, "rnd")) : ByteArray<32>{});
    const MlDsa65Signature signature = signer.sign(context, bytes_of(test, "msg"), random);
    EXPECT_EQ(signer.public_key().hex(), text_of(group, "publicKey"));
    EXPECT_EQ(signature.hex(), text_of(test, "sig"));
    ++count.valid;
  });
  EXPECT_GE(tally.valid, 84);
}

TEST(MlDsa65, WycheproofVerification) {
  OPALINE_VECTORS_OR_SKIP(file, "mldsa_65_verify_test.json");
  const Tally tally = for_each_vector(file, [](const object& group, const object& test, Tally& count) {
    const bool valid = text_of(test, "result") == "valid";
    const auto key = MlDsa65PublicKey::from(bytes_of(group, "publicKey"));
    const auto signature = MlDsa65Signature::from(bytes_of(test, "sig"));
    if (!key || !signature) {
      EXPECT_FALSE(valid);
      ++count.refused;
      return;
    }
    const auto verifier = MlDsa65Verifier::from(*key);
    EXPECT_EQ(verifier.has_value() && verifier->verify(bytes_of(test, "ctx"), bytes_of(test, "msg"), *signature),
              valid);
    ++(valid ? count.valid : count.invalid);
  });
  EXPECT_GE(tally.valid, 79);
  EXPECT_GE(tally.invalid, 120);
}

TEST(MlDsa65, EveryDamageIsFound) {
  SeededRandom random(1);
  const MlDsa65Signer signer(MlDsa65PrivateKey(random.bytes<32>()));
  const auto verifier = MlDsa65Verifier::from(signer.public_key());
  const MlDsa65Signature signature = signer.sign(as_view("context"), as_view("message"), random);
  EXPECT_TRUE(verifier->verify(as_view("context"), as_view("message"), signature));
  EXPECT_FALSE(verifier->verify(as_view("contexT"), as_view("message"), signature));
  EXPECT_FALSE(verifier->verify({}, as_view("message"), signature));
  EXPECT_FALSE(verifier->verify(as_view("context"), as_view("messagE"), signature));
  EXPECT_FALSE(verifier->verify(as_view("contextm"), as_view("essage"), signature));
  EXPECT_FALSE(verifier->verify(Bytes(256), as_view("message"), signature));
  for (std::size_t i = 0; i < MlDsa65Signature::kSize; ++i) {
    auto bytes = signature.array();
    bytes[i] ^= static_cast<std::byte>(1 << i % 8);
    ASSERT_FALSE(verifier->verify(as_view("context"), as_view("message"), MlDsa65Signature(bytes))) << i;
  }
  EXPECT_EQ(ERR_peek_error(), 0U);
}

TEST(MlDsa65, IsHedged) {
  SeededRandom random(2);
  const MlDsa65Signer signer(MlDsa65PrivateKey(random.bytes<32>()));
  EXPECT_NE(signer.sign({}, as_view("m"), random), signer.sign({}, as_view("m"), random));
}

class Hybrid : public ::testing::Test {
 protected:
  SeededRandom random_{3};
  HybridPrivateKey seeds_ = hybrid_generate(random_);
  HybridSigner signer_{seeds_};
  HybridPublicKey public_key_ = signer_.public_key();
  HybridSignature signature_ = signer_.sign("opaline/1 test", as_view("message"), random_);
};

TEST_F(Hybrid, Verifies) {
  const auto verifier = HybridVerifier::from(public_key_);
  ASSERT_TRUE(verifier.has_value());
  EXPECT_TRUE(verifier->verify("opaline/1 test", as_view("message"), signature_));
  EXPECT_EQ(HybridSigner(seeds_).public_key(), public_key_);
}

// The bytes that the header promises, put together by hand.
TEST_F(Hybrid, IsWhatTheHeaderSays) {
  const auto ed25519 = Ed25519Verifier::from(Ed25519PublicKey(public_key_.view().first<32>()));
  const auto mldsa65 = MlDsa65Verifier::from(MlDsa65PublicKey(public_key_.view().last<1952>()));
  const Ed25519Signature first(signature_.view().first<64>());
  const MlDsa65Signature second(signature_.view().last<3309>());
  EXPECT_TRUE(ed25519->verify(as_view("\x0eopaline/1 testmessage"), first));
  EXPECT_TRUE(mldsa65->verify(as_view("opaline/1 test"), as_view("message"), second));
  EXPECT_EQ(Ed25519Signer(Ed25519PrivateKey(seeds_.reveal().first<32>())).public_key().hex(),
            to_hex(public_key_.view().first<32>()));
  EXPECT_EQ(MlDsa65Signer(MlDsa65PrivateKey(seeds_.reveal().last<32>())).public_key().hex(),
            to_hex(public_key_.view().last<1952>()));
}

TEST_F(Hybrid, LabelAndMessageAreBound) {
  const auto verifier = HybridVerifier::from(public_key_);
  EXPECT_FALSE(verifier->verify("opaline/1 tesT", as_view("message"), signature_));
  EXPECT_FALSE(verifier->verify("opaline/1 testm", as_view("essage"), signature_));
  EXPECT_FALSE(verifier->verify("opaline/1 tes", as_view("tmessage"), signature_));
  EXPECT_FALSE(verifier->verify("opaline/1 test", as_view("Message"), signature_));
  EXPECT_FALSE(verifier->verify("opaline/1 test", {}, signature_));
}

TEST_F(Hybrid, BothHalvesMustBeGood) {
  const auto verifier = HybridVerifier::from(public_key_);
  const HybridSigner stranger(hybrid_generate(random_));
  const HybridSignature theirs = stranger.sign("opaline/1 test", as_view("message"), random_);
  EXPECT_FALSE(verifier->verify("opaline/1 test", as_view("message"), theirs));
  auto mixed = signature_.array();
  std::memcpy(mixed.data(), theirs.array().data(), 64);
  EXPECT_FALSE(verifier->verify("opaline/1 test", as_view("message"), HybridSignature(mixed)))
      << "as from one who has broken ML-DSA alone";
  mixed = signature_.array();
  std::memcpy(mixed.data() + 64, theirs.array().data() + 64, 3309);
  EXPECT_FALSE(verifier->verify("opaline/1 test", as_view("message"), HybridSignature(mixed)))
      << "as from one who has broken Ed25519 alone";
  EXPECT_FALSE(HybridVerifier::from(stranger.public_key())->verify("opaline/1 test", as_view("message"), signature_));
  for (std::size_t i = 0; i < HybridSignature::kSize; ++i) {
    auto bytes = signature_.array();
    bytes[i] ^= static_cast<std::byte>(1 << i % 8);
    ASSERT_FALSE(verifier->verify("opaline/1 test", as_view("message"), HybridSignature(bytes))) << i;
  }
}

TEST_F(Hybrid, BadKeysAreRefused) {
  auto bytes = public_key_.array();
  std::memset(bytes.data(), 0, 32);
  EXPECT_FALSE(HybridVerifier::from(HybridPublicKey(bytes)).has_value());
}

TEST_F(Hybrid, LabelsAreOurOwn) {
  EXPECT_DEATH(static_cast<void>(signer_.sign("", {}, random_)), "label");
  EXPECT_DEATH(static_cast<void>(signer_.sign(std::string(256, 'l'), {}, random_)), "label");
  EXPECT_TRUE(HybridVerifier::from(public_key_)
                  ->verify(std::string(255, 'l'), {}, signer_.sign(std::string(255, 'l'), {}, random_)));
}

TEST_F(Hybrid, OneObjectServesManyThreads) {
  const auto verifier = HybridVerifier::from(public_key_);
  std::vector<std::thread> threads;
  std::array<int, 4> good{};
  for (std::size_t t = 0; t < good.size(); ++t) {
    threads.emplace_back([&, t] {
      SeededRandom random(t);
      for (int i = 0; i < 5; ++i) {
        const auto message = random.bytes<20>();
        const auto signature = signer_.sign("threads", message, random);
        good[t] += verifier->verify("threads", message, signature) && !verifier->verify("other", message, signature);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, (std::array{5, 5, 5, 5}));
}

}  // namespace
}  // namespace opaline::crypto
