#include "crypto/x25519.hpp"

#include <gtest/gtest.h>
#include <openssl/err.h>

#include "crypto/internal/wycheproof.hpp"

namespace opaline::crypto {
namespace {

using namespace testing;

X25519PrivateKey private_key(std::string_view hex) {
  return X25519PrivateKey(unhex_array<32>(hex));
}
X25519PublicKey public_key(std::string_view hex) {
  return X25519PublicKey(unhex_array<32>(hex));
}

std::string agreed(const X25519PrivateKey& ours, const X25519PublicKey& theirs) {
  const auto secret = x25519_agree(ours, theirs);
  return secret ? to_hex(secret->reveal()) : "refused";
}

// RFC 7748 section 5.2, the two single vectors and the first two counts of the iterated one.
TEST(X25519, Rfc7748Function) {
  EXPECT_EQ(agreed(private_key("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4"),
                   public_key("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c")),
            "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552");
  EXPECT_EQ(agreed(private_key("4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d"),
                   public_key("e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493")),
            "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957");

  std::string k = "09" + std::string(62, '0');
  std::string u = k;
  for (int count = 1; count <= 1000; ++count) {
    std::string next = agreed(private_key(k), public_key(u));
    u = std::exchange(k, std::move(next));
    if (count == 1) EXPECT_EQ(k, "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079");
  }
  EXPECT_EQ(k, "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51");
}

// RFC 7748 section 6.1.
TEST(X25519, Rfc7748Agreement) {
  const auto alice = private_key("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
  const auto bob = private_key("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");
  EXPECT_EQ(x25519_public_of(alice).hex(), "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
  EXPECT_EQ(x25519_public_of(bob).hex(), "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
  EXPECT_EQ(agreed(alice, x25519_public_of(bob)), "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
  EXPECT_EQ(agreed(bob, x25519_public_of(alice)), "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
}

TEST(X25519, Wycheproof) {
  OPALINE_VECTORS_OR_SKIP(file, "x25519_test.json");
  const Tally tally = for_each_vector(file, [](const object&, const object& test, Tally& count) {
    const std::string got = agreed(private_key(text_of(test, "private")), public_key(text_of(test, "public")));
    // "acceptable" are keys on the twist, not reduced and so on, which RFC 7748 computes with; all-zero results it
    // refuses.
    if (has_flag(test, "ZeroSharedSecret")) {
      EXPECT_EQ(text_of(test, "shared"), std::string(64, '0'));
      EXPECT_EQ(got, "refused");
      EXPECT_EQ(ERR_peek_error(), 0U);
      ++count.invalid;
    } else {
      EXPECT_EQ(got, text_of(test, "shared"));
      ++count.valid;
    }
  });
  EXPECT_GE(tally.valid + tally.invalid, 518);
  EXPECT_GE(tally.invalid, 31);
}

// RFC 7748 section 6.1: the points of small order, in all their encodings with the top bit clear.
TEST(X25519, SmallOrderIsRefused) {
  SeededRandom random(7);
  for (const char* hex : {"0000000000000000000000000000000000000000000000000000000000000000",
                          "0100000000000000000000000000000000000000000000000000000000000000",
                          "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
                          "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
                          "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
                          "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
                          "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"}) {
    for (int i = 0; i < 4; ++i) {
      const auto refused = x25519_agree(x25519_generate(random).private_key, public_key(hex));
      ASSERT_FALSE(refused.has_value()) << hex;
      EXPECT_EQ(refused.error(), Error::bad_key);
    }
  }
}

TEST(X25519, GeneratedKeysAgreeAndOthersDoNot) {
  SeededRandom random(8);
  for (int i = 0; i < 20; ++i) {
    const X25519KeyPair a = x25519_generate(random);
    const X25519KeyPair b = x25519_generate(random);
    const X25519KeyPair c = x25519_generate(random);
    EXPECT_EQ(a.public_key, x25519_public_of(a.private_key));
    EXPECT_EQ(agreed(a.private_key, b.public_key), agreed(b.private_key, a.public_key));
    EXPECT_NE(agreed(a.private_key, b.public_key), agreed(c.private_key, b.public_key));
  }
}

TEST(X25519, GenerationTakesItsBytesFromTheSource) {
  SeededRandom first(9);
  SeededRandom second(9);
  EXPECT_EQ(x25519_generate(first).public_key, x25519_generate(second).public_key);
  EXPECT_NE(x25519_generate(first).public_key, X25519PublicKey());
}

}  // namespace
}  // namespace opaline::crypto
