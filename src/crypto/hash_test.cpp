#include "crypto/hash.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "crypto/compare.hpp"
#include "crypto/internal/wycheproof.hpp"

namespace opaline::crypto {
namespace {

using namespace testing;

// FIPS 180-4, the examples that NIST publishes beside it.
TEST(Sha256, StandardExamples) {
  EXPECT_EQ(to_hex(sha256(as_view(""))), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(to_hex(sha256({})), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(to_hex(sha256(as_view("abc"))), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(to_hex(sha256(as_view("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"))),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(to_hex(sha256(Bytes(1'000'000, std::byte{'a'}))),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha512, StandardExamples) {
  EXPECT_EQ(to_hex(sha512(as_view("abc"))),
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
            "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f");
  EXPECT_EQ(to_hex(sha512({as_view("a"), as_view(""), as_view("bc")})), to_hex(sha512(as_view("abc"))));
}

TEST(Sha256, HowItIsCutUpDoesNotMatter) {
  EXPECT_TRUE(rc::check("pieces and increments hash as their concatenation",
                        [](const std::vector<std::vector<std::uint8_t>>& raw) {
                          Bytes whole;
                          std::vector<ByteView> views;
                          Sha256 incremental;
                          for (const auto& piece : raw) {
                            views.push_back(std::as_bytes(std::span(piece)));
                            append(whole, views.back());
                            incremental.update(views.back());
                          }
                          const Sha256Digest expected = sha256(whole);
                          RC_ASSERT(sha256(std::span<const ByteView>(views)) == expected);
                          RC_ASSERT(incremental.finish() == expected);
                          RC_ASSERT(Pieces(std::span<const ByteView>(views)).size() == whole.size());
                        }));
}

TEST(Sha256, ACopyGoesOnByItselfAndFinishStartsAgain) {
  Sha256 first;
  first.update(as_view("a"));
  Sha256 second = first;
  second.update(as_view("bc"));
  EXPECT_EQ(second.finish(), sha256(as_view("abc")));
  EXPECT_EQ(first.finish(), sha256(as_view("a")));
  EXPECT_EQ(first.update(as_view("abc")).finish(), sha256(as_view("abc")));
}

struct HmacCase {
  Bytes key;
  Bytes data;
  std::string mac;
};

// RFC 4231 section 4, all seven cases (case 5 is of a truncated MAC).
std::vector<HmacCase> rfc4231() {
  const auto repeat = [](int value, std::size_t count) { return Bytes(count, static_cast<std::byte>(value)); };
  return {
      {repeat(0x0b, 20), to_bytes("Hi There"), "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
      {to_bytes("Jefe"), to_bytes("what do ya want for nothing?"),
       "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
      {repeat(0xaa, 20), repeat(0xdd, 50), "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
      {unhex("0102030405060708090a0b0c0d0e0f10111213141516171819"), repeat(0xcd, 50),
       "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
      {repeat(0x0c, 20), to_bytes("Test With Truncation"), "a3b6167473100ee06e0c796c2955552b"},
      {repeat(0xaa, 131), to_bytes("Test Using Larger Than Block-Size Key - Hash Key First"),
       "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
      {repeat(0xaa, 131),
       to_bytes("This is a test using a larger than block-size key and a larger than block-size data. The key needs to "
                "be hashed before being used by the HMAC algorithm."),
       "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"},
  };
}

TEST(HmacSha256, Rfc4231) {
  for (const HmacCase& c : rfc4231()) {
    EXPECT_EQ(to_hex(hmac_sha256(c.key, c.data)).substr(0, c.mac.size()), c.mac);
    const HmacSha256Key key(c.key);
    for (int again = 0; again < 2; ++again) {
      EXPECT_EQ(to_hex(key.mac(c.data)).substr(0, c.mac.size()), c.mac);
    }
    HmacSha256 incremental(key);
    for (int again = 0; again < 2; ++again) {
      for (const std::byte& b : c.data) incremental.update(ByteView(&b, 1));
      Sha256Digest out;
      incremental.finish_into(out);
      EXPECT_EQ(to_hex(out).substr(0, c.mac.size()), c.mac);
    }
  }
}

TEST(HmacSha256, MayOverwriteItsOwnInputs) {
  auto key = to_array<32>(sha256(as_view("key")));
  const Sha256Digest expected = hmac_sha256(key, {key, as_view("x")});
  hmac_sha256_into(key, {key, as_view("x")}, key);
  EXPECT_EQ(key, expected);
}

TEST(HmacSha256, Wycheproof) {
  OPALINE_VECTORS_OR_SKIP(file, "hmac_sha256_test.json");
  const Tally tally = for_each_vector(file, [](const object& group, const object& test, Tally& count) {
    const std::size_t tag_bytes = static_cast<std::size_t>(number_of(group, "tagSize")) / 8;
    const Sha256Digest mac = hmac_sha256(bytes_of(test, "key"), bytes_of(test, "msg"));
    const bool valid = text_of(test, "result") == "valid";
    EXPECT_EQ(constant_time_equal(ByteView(mac).first(tag_bytes), bytes_of(test, "tag")), valid);
    ++(valid ? count.valid : count.invalid);
  });
  EXPECT_GT(tally.valid, 0);
  EXPECT_GT(tally.invalid, 0);
}

TEST(ConstantTimeEqual, ComparesLengthsAndEveryBit) {
  const auto a = sha256(as_view("a"));
  EXPECT_TRUE(constant_time_equal({}, {}));
  EXPECT_TRUE(constant_time_equal(a, a));
  EXPECT_FALSE(constant_time_equal(a, ByteView(a).first(31)));
  EXPECT_FALSE(constant_time_equal(a, {}));
  for (std::size_t bit = 0; bit < 256; ++bit) {
    auto b = a;
    b[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
    EXPECT_FALSE(constant_time_equal(a, b));
  }
}

}  // namespace
}  // namespace opaline::crypto
