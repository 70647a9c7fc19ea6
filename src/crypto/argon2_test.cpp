#include "crypto/argon2.hpp"

#include <gtest/gtest.h>
#include <openssl/err.h>

#include "crypto/internal/wycheproof.hpp"

namespace opaline::crypto {
namespace {

using namespace testing;

std::string derive(const Argon2Input& input, const Argon2Cost& cost) {
  ByteArray<32> out;
  const auto result = argon2id(input, cost, out);
  return result ? to_hex(out) : "refused";
}

// RFC 9106 section 5.3.
TEST(Argon2id, Rfc9106) {
  const auto repeat = [](int value, std::size_t count) { return Bytes(count, static_cast<std::byte>(value)); };
  const Bytes password = repeat(1, 32);
  const Bytes salt = repeat(2, 16);
  const Bytes secret = repeat(3, 8);
  const Bytes associated = repeat(4, 12);
  EXPECT_EQ(derive({.password = password, .salt = salt, .secret = secret, .associated_data = associated},
                   {.memory_kib = 32, .passes = 3, .lanes = 4}),
            "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659");
}

TEST(Argon2id, EveryInputCounts) {
  const Bytes salt(16, std::byte{7});
  const Bytes other_salt(16, std::byte{8});
  const Argon2Cost cost{.memory_kib = 64, .passes = 1, .lanes = 1};
  const std::string base = derive({.password = as_view("p"), .salt = salt}, cost);
  EXPECT_EQ(derive({.password = as_view("p"), .salt = salt}, cost), base);
  EXPECT_NE(derive({.password = as_view("P"), .salt = salt}, cost), base);
  EXPECT_NE(derive({.password = {}, .salt = salt}, cost), base);
  EXPECT_NE(derive({.password = {}, .salt = salt}, cost), "refused");
  EXPECT_NE(derive({.password = as_view("p"), .salt = other_salt}, cost), base);
  EXPECT_NE(derive({.password = as_view("p"), .salt = salt, .secret = as_view("s")}, cost), base);
  EXPECT_NE(derive({.password = as_view("p"), .salt = salt, .associated_data = as_view("s")}, cost), base);
  EXPECT_NE(derive({.password = as_view("p"), .salt = salt}, {.memory_kib = 72, .passes = 1, .lanes = 1}), base);
  EXPECT_NE(derive({.password = as_view("p"), .salt = salt}, {.memory_kib = 64, .passes = 2, .lanes = 1}), base);
  EXPECT_NE(derive({.password = as_view("p"), .salt = salt}, {.memory_kib = 64, .passes = 1, .lanes = 2}), base);
}

TEST(Argon2id, CostsFromAFileAreBounded) {
  const Bytes salt(16, std::byte{7});
  const Argon2Cost good{.memory_kib = 64, .passes = 1, .lanes = 1};
  const auto refused = [](ByteView with_salt, const Argon2Cost& cost) {
    ByteArray<32> out;
    out.fill(std::byte{0xee});
    const auto result = argon2id({.password = as_view("p"), .salt = with_salt}, cost, out);
    return !result && result.error() == Error::bad_parameters && out == ByteArray<32>{};
  };
  EXPECT_FALSE(refused(salt, good));
  EXPECT_TRUE(refused(ByteView(salt).first(7), good));
  EXPECT_TRUE(refused({}, good));
  EXPECT_TRUE(refused(Bytes(65), good));
  EXPECT_TRUE(refused(salt, {.memory_kib = 0, .passes = 1, .lanes = 1}));
  EXPECT_TRUE(refused(salt, {.memory_kib = 31, .passes = 1, .lanes = 4}));
  EXPECT_TRUE(refused(salt, {.memory_kib = kMaxArgon2MemoryKib + 1, .passes = 1, .lanes = 1}));
  EXPECT_TRUE(refused(salt, {.memory_kib = UINT32_MAX, .passes = 1, .lanes = 1}));
  EXPECT_TRUE(refused(salt, {.memory_kib = 64, .passes = 0, .lanes = 1}));
  EXPECT_TRUE(refused(salt, {.memory_kib = 64, .passes = kMaxArgon2Passes + 1, .lanes = 1}));
  EXPECT_TRUE(refused(salt, {.memory_kib = 64, .passes = 1, .lanes = 0}));
  EXPECT_TRUE(refused(salt, {.memory_kib = kMaxArgon2MemoryKib, .passes = 1, .lanes = kMaxArgon2Lanes + 1}));
  EXPECT_TRUE(refused(salt, {.memory_kib = kMaxArgon2MemoryKib, .passes = 1, .lanes = UINT32_MAX}));
  EXPECT_EQ(ERR_peek_error(), 0U);
}

}  // namespace
}  // namespace opaline::crypto
