#include "base/bytes.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "base/random.hpp"

namespace opaline {
namespace {

TEST(Hex, RoundTripsAndRefusesWhatIsNotHex) {
  EXPECT_EQ(to_hex(ByteArray<3>{std::byte{0}, std::byte{0xab}, std::byte{0x7f}}), "00ab7f");
  EXPECT_EQ(from_hex("00AB7f"), from_hex("00ab7f"));
  EXPECT_FALSE(from_hex("0"));
  EXPECT_FALSE(from_hex("0g"));
  EXPECT_EQ(from_hex("")->size(), 0U);
}

TEST(Base64Url, Rfc4648Vectors) {
  // RFC 4648 section 10, without padding.
  const std::pair<std::string_view, std::string_view> vectors[] = {
      {"", ""},           {"f", "Zg"},          {"fo", "Zm8"},         {"foo", "Zm9v"},
      {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, coded] : vectors) {
    EXPECT_EQ(to_base64url(as_view(plain)), coded);
    EXPECT_EQ(to_string(*from_base64url(coded)), plain);
  }
}

TEST(Base64Url, RefusesEverySecondSpelling) {
  EXPECT_FALSE(from_base64url("Zg=="));
  EXPECT_FALSE(from_base64url("Zh"));  // stray bits
  EXPECT_FALSE(from_base64url("Z"));
  EXPECT_FALSE(from_base64url("Zm9+"));
}

TEST(Base64Url, RoundTripsAnything) {
  EXPECT_TRUE(rc::check([](const std::vector<std::uint8_t>& raw) {
    const ByteView view = std::as_bytes(std::span(raw));
    RC_ASSERT(equal(*from_base64url(to_base64url(view)), view));
    RC_ASSERT(equal(*from_hex(to_hex(view)), view));
  }));
}

TEST(Random, BelowStaysBelowAndReachesAll) {
  SeededRandom random(1);
  bool seen[7] = {};
  for (int i = 0; i < 1000; ++i) {
    const auto value = random.below(7);
    ASSERT_LT(value, 7U);
    seen[value] = true;
  }
  for (const bool s : seen) EXPECT_TRUE(s);
}

}  // namespace
}  // namespace opaline
