// Base64, UUIDs, texts.
#include <gmock/gmock.h>
#include <rapidcheck.h>

#include "msp/base64.hpp"
#include "msp/text.hpp"
#include "msp/uuid.hpp"

namespace opaline::msp {
namespace {

TEST(Base64, HasTheVectorsOfRfc4648) {
  const std::pair<std::string_view, std::string_view> vectors[] = {{"", ""},
                                                                   {"f", "Zg=="},
                                                                   {"fo", "Zm8="},
                                                                   {"foo", "Zm9v"},
                                                                   {"foob", "Zm9vYg=="},
                                                                   {"fooba", "Zm9vYmE="},
                                                                   {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, text] : vectors) {
    EXPECT_EQ(to_base64(as_view(plain)), text);
    ASSERT_TRUE(from_base64(text).has_value()) << text;
    EXPECT_EQ(as_text(*from_base64(text)), plain);
    EXPECT_EQ(base64_size(text), plain.size());
  }
  EXPECT_EQ(to_base64(as_view("\xfb\xff\xbf")), "+/+/");
}

TEST(Base64, IsCanonical) {
  for (const std::string_view text : {"Zg", "Zg=", "Zg===", "Z===", "====", "Zh==", "Zm9=", "Zm8=Zm8=", "Zm 9",
                                      "Zm9v\n", "-_-_", "Zg=a", "=Zg=", "Zm9vYg==Zg=="}) {
    EXPECT_FALSE(from_base64(text).has_value()) << text;
    EXPECT_FALSE(base64_size(text).has_value()) << text;
  }
}

TEST(Base64, GoesThereAndBack) {
  EXPECT_TRUE(rc::check([](const std::vector<std::uint8_t>& data) {
    const ByteView bytes = std::as_bytes(std::span(data));
    const std::string text = to_base64(bytes);
    RC_ASSERT(base64_size(text) == data.size());
    RC_ASSERT(equal(*from_base64(text), bytes));
    SecretBytes appended;
    append_base64(appended, bytes);
    RC_ASSERT(as_text(appended) == text);
  }));
}

TEST(Uuid, HasOneForm) {
  const auto uuid = parse_uuid("6B1D2C3E-9f80-4a1b-8c7d-112233445566");
  ASSERT_TRUE(uuid.has_value());
  EXPECT_EQ(to_text(*uuid), "6b1d2c3e-9f80-4a1b-8c7d-112233445566");
  for (const std::string_view text :
       {"", "6b1d2c3e9f804a1b8c7d112233445566", "{6b1d2c3e-9f80-4a1b-8c7d-112233445566}",
        "6b1d2c3e-9f80-4a1b-8c7d-11223344556", "6b1d2c3e-9f80-4a1b-8c7d-1122334455667",
        "6b1d2c3e-9f80-4a1b-8c7d_112233445566", "6b1d2c3e-9f80-4a1b-8c7d-11223344556g",
        "6b1d2c3-e9f80-4a1b-8c7d-112233445566", "urn:biz:6b1d2c3e-9f80-4a1b-8c7d-112233445566"}) {
    EXPECT_FALSE(parse_uuid(text).has_value()) << text;
  }
}

TEST(Text, IsUtf8) {
  for (const std::string_view good :
       {"", "a", "é", "€", "😀", "\xef\xbf\xbd", "\xed\x9f\xbf", "\xee\x80\x80", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_TRUE(is_text(good)) << good;
  }
  for (const std::string_view bad :
       {std::string_view("\0", 1), std::string_view("\x80"), std::string_view("\xc1\xbf"),
        std::string_view("\xe0\x9f\xbf"), std::string_view("\xed\xa0\x80"), std::string_view("\xf0\x8f\xbf\xbf"),
        std::string_view("\xf4\x90\x80\x80"), std::string_view("\xf8\x88\x80\x80\x80"), std::string_view("\xe2\x82"),
        std::string_view("a\xc3")}) {
    EXPECT_FALSE(is_text(bad));
  }
  EXPECT_EQ(count_characters("aé€😀"), 4U);
}

TEST(Text, IsPlain) {
  EXPECT_TRUE(is_plain_text("Hello,\n\tworld: né 😀 👩‍👩‍👧 می‌خواهم"));
  for (const std::string_view bad :
       {"\x1b[2J", "\r", "\x7f", "\xc2\x9b", "\xe2\x80\xae", "\xe2\x81\xa6", "\xe2\x80\xa8", "\xe2\x80\x8b",
        "\xef\xbb\xbf", "\xef\xbf\xbc", "\xf3\xa0\x81\x81", "\xd8\x9c", "\xc2\xad"}) {
    EXPECT_FALSE(is_plain_text("a" + std::string(bad) + "b"));
  }
}

}  // namespace
}  // namespace opaline::msp
