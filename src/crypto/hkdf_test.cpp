#include "crypto/hkdf.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "crypto/internal/wycheproof.hpp"

namespace opaline::crypto {
namespace {

using namespace testing;

Bytes derive(ByteView salt, ByteView ikm, ByteView info, std::size_t size) {
  Bytes out(size);
  hkdf(salt, ikm, info, out);
  return out;
}

// RFC 5869 appendix A.1 to A.3.
TEST(Hkdf, Rfc5869) {
  const Bytes ikm(22, std::byte{0x0b});
  const Bytes salt = unhex("000102030405060708090a0b0c");
  const Bytes info = unhex("f0f1f2f3f4f5f6f7f8f9");
  Sha256Digest prk;
  hkdf_extract(salt, ikm, prk);
  EXPECT_EQ(to_hex(prk), "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5");
  Bytes okm(42);
  hkdf_expand(prk, info, okm);
  EXPECT_EQ(to_hex(okm), "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
  EXPECT_EQ(derive(salt, ikm, info, 42), okm);

  Bytes counting(256);
  for (std::size_t i = 0; i < counting.size(); ++i) counting[i] = static_cast<std::byte>(i);
  const ByteView all(counting);
  EXPECT_EQ(to_hex(derive(all.subspan(0x60, 80), all.first(80), all.subspan(0xb0, 80), 82)),
            "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09"
            "da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87");

  const std::string third = "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8";
  EXPECT_EQ(to_hex(derive({}, ikm, {}, 42)), third);
  EXPECT_EQ(to_hex(derive(Bytes(32), ikm, {}, 42)), third) << "an empty salt is 32 zero bytes";
}

TEST(Hkdf, Wycheproof) {
  OPALINE_VECTORS_OR_SKIP(file, "hkdf_sha256_test.json");
  const Tally tally = for_each_vector(file, [](const object&, const object& test, Tally& count) {
    const auto size = static_cast<std::size_t>(number_of(test, "size"));
    if (text_of(test, "result") == "valid") {
      EXPECT_EQ(derive(bytes_of(test, "salt"), bytes_of(test, "ikm"), bytes_of(test, "info"), size),
                bytes_of(test, "okm"));
      ++count.valid;
    } else {
      EXPECT_TRUE(has_flag(test, "SizeTooLarge"));
      EXPECT_GT(size, kMaxHkdfBytes);
      EXPECT_DEATH(derive({}, bytes_of(test, "ikm"), {}, size), "kMaxHkdfBytes");
      ++count.invalid;
    }
  });
  EXPECT_GE(tally.valid, 83);
  EXPECT_GE(tally.invalid, 3);
}

TEST(Hkdf, PiecesAndLengths) {
  EXPECT_TRUE(rc::check("pieces are their concatenation; a shorter output is the front of a longer one", [] {
    const auto text = *rc::gen::container<std::string>(rc::gen::arbitrary<char>());
    const auto cut = *rc::gen::inRange<std::size_t>(0, text.size() + 1);
    const auto size = *rc::gen::inRange<std::size_t>(0, 200);
    const ByteView whole = as_view(text);
    const Bytes expected = derive(whole, whole, whole, size);
    Bytes out(size);
    hkdf(whole, {whole.first(cut), whole.subspan(cut)}, {whole.first(cut), {}, whole.subspan(cut)}, out);
    RC_ASSERT(out == expected);
    RC_ASSERT(equal(ByteView(derive(whole, whole, whole, size + 50)).first(size), expected));
  }));
}

TEST(Hkdf, EveryInputCounts) {
  const Bytes base = derive(as_view("salt"), as_view("ikm"), as_view("info"), 32);
  EXPECT_NE(derive(as_view("salT"), as_view("ikm"), as_view("info"), 32), base);
  EXPECT_NE(derive(as_view("salt"), as_view("ikM"), as_view("info"), 32), base);
  EXPECT_NE(derive(as_view("salt"), as_view("ikm"), as_view("infO"), 32), base);
}

TEST(Hkdf, MayOverwriteItsKey) {
  auto chain = to_array<32>(sha256(as_view("chain key")));
  Sha256Digest expected;
  hkdf_expand(chain, as_view("next"), expected);
  hkdf_expand(chain, as_view("next"), chain);
  EXPECT_EQ(chain, expected);
}

}  // namespace
}  // namespace opaline::crypto
