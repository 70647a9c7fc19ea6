#include "crypto/aes_ctr.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "base/random.hpp"
#include "crypto/internal/wycheproof.hpp"

namespace opaline::crypto {
namespace {

using namespace testing;

// NIST SP 800-38A appendix F.5.5 and F.5.6.
TEST(Aes256Ctr, Sp80038a) {
  const auto key = unhex_array<32>("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4");
  const auto counter = unhex_array<16>("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff");
  const std::string plaintext =
      "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17"
      "ad2b417be66c3710";
  const std::string ciphertext =
      "601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c52b0930daa23de94ce87017ba2d84988ddfc9c58db67aada6"
      "13c2dd08457941a6";
  Bytes bytes = unhex(plaintext);
  Aes256Ctr(key, FixedView<16>(counter)).apply(bytes, bytes);
  EXPECT_EQ(to_hex(bytes), ciphertext);
  Aes256Ctr(key, FixedView<16>(counter)).apply(bytes, bytes);
  EXPECT_EQ(to_hex(bytes), plaintext);
}

Bytes key_stream(FixedView<32> key, std::size_t size) {
  Bytes out(size);
  Aes256Ctr(key).apply(out, out);
  return out;
}

TEST(Aes256Ctr, CountsTheWholeBlockBigEndian) {
  SeededRandom random(1);
  const auto key = random.bytes<32>();
  ByteArray<16> all_ones;
  all_ones.fill(std::byte{0xff});
  Bytes wrapped(48);
  Aes256Ctr(key, FixedView<16>(all_ones)).apply(wrapped, wrapped);
  EXPECT_TRUE(equal(ByteView(wrapped).subspan(16), key_stream(key, 32)));
}

TEST(Aes256Ctr, StepsAndOffsetsGiveTheSameStream) {
  EXPECT_TRUE(rc::check("any steps, any beginning", [](std::uint64_t seed) {
    SeededRandom random(seed);
    const auto key = random.bytes<32>();
    const Bytes whole = key_stream(key, 500);
    const std::size_t offset = random.below(500);
    Aes256Ctr stream(key, offset);
    for (std::size_t at = offset; at < whole.size();) {
      const std::size_t step = random.below(whole.size() - at) + 1;
      Bytes part(step);
      stream.apply(part, part);
      RC_ASSERT(equal(part, ByteView(whole).subspan(at, step)));
      at += step;
    }
  }));
}

TEST(Aes256Ctr, FarOffsets) {
  SeededRandom random(4);
  const auto key = random.bytes<32>();
  const std::uint64_t offset = std::uint64_t{5} << 40;
  ByteArray<16> block{};
  for (std::size_t i = 0; i < 8; ++i) block[15 - i] = static_cast<std::byte>(offset / 16 >> (8 * i) & 255);
  Bytes expected(40);
  Aes256Ctr(key, FixedView<16>(block)).apply(expected, expected);
  Bytes out(33);
  Aes256Ctr(key, offset + 7).apply(out, out);
  EXPECT_TRUE(equal(out, ByteView(expected).subspan(7)));
}

}  // namespace
}  // namespace opaline::crypto
