#include "base/utf8.hpp"

#include <gtest/gtest.h>

namespace opaline {
namespace {

/// Written here once more, from the table of RFC 3629 section 3.
std::string encode(char32_t c) {
  std::string out;
  const auto put = [&](char32_t byte) { out += static_cast<char>(static_cast<unsigned char>(byte)); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xc0 | c >> 6);
    put(0x80 | (c & 0x3f));
  } else if (c < 0x10000) {
    put(0xe0 | c >> 12);
    put(0x80 | (c >> 6 & 0x3f));
    put(0x80 | (c & 0x3f));
  } else {
    put(0xf0 | c >> 18);
    put(0x80 | (c >> 12 & 0x3f));
    put(0x80 | (c >> 6 & 0x3f));
    put(0x80 | (c & 0x3f));
  }
  return out;
}

TEST(Utf8, EveryCodePointIsReadAsItWasWritten) {
  for (char32_t c = 0; c <= 0x10ffff; ++c) {
    const std::string text = encode(c) + "x";
    const auto read = first_code_point(as_view(text));
    if (c >= 0xd800 && c <= 0xdfff) {
      ASSERT_FALSE(read) << "surrogate " << std::uint32_t{c};
      continue;
    }
    ASSERT_TRUE(read) << std::uint32_t{c};
    ASSERT_EQ(read->value, c);
    ASSERT_EQ(read->bytes, text.size() - 1);
    for (std::size_t cut = 1; cut < read->bytes; ++cut)
      ASSERT_FALSE(first_code_point(as_view(text).first(cut))) << std::uint32_t{c} << " cut to " << cut;
  }
}

TEST(Utf8, EveryTwoBytesAreWhatTheTableSays) {
  for (unsigned a = 0; a < 256; ++a) {
    for (unsigned b = 0; b < 256; ++b) {
      const ByteArray<2> text{static_cast<std::byte>(a), static_cast<std::byte>(b)};
      const bool two = a >= 0xc2 && a <= 0xdf && b >= 0x80 && b <= 0xbf;
      ASSERT_EQ(is_utf8(text), (a < 0x80 && b < 0x80) || two) << a << " " << b;
    }
  }
}

TEST(Utf8, WhatIsNotUtf8IsRefused) {
  for (const std::string_view good : {"", "a", "Grüße", "\xc2\x80", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xef\xbf\xbf",
                                      "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"})
    EXPECT_TRUE(is_utf8(as_view(good))) << to_hex(as_view(good));
  EXPECT_TRUE(is_utf8(as_view(std::string_view("\0", 1))));
  for (const std::string_view bad : {"\x80", "\xc0\x80", "\xc1\xbf", "\xc2", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xe1\x80",
                                     "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "a\xc2"})
    EXPECT_FALSE(is_utf8(as_view(bad))) << to_hex(as_view(bad));
}

TEST(Utf8, ControlsAreFound) {
  for (const char32_t c :
       {U'\0', U'\n', U'\x1b', U'\x7f', U'\x9b', U'\x061c', U'\x200e', U'\x2028', U'\x202e', U'\x2066'})
    EXPECT_TRUE(is_control(c)) << std::uint32_t{c};
  for (const char32_t c : {U' ', U'~', U'\xa0', U'\x200d', U'\x2030', U'\x1f6a2'})
    EXPECT_FALSE(is_control(c)) << std::uint32_t{c};
  EXPECT_FALSE(every_code_point(as_view("a\nb"), [](char32_t c) { return !is_control(c); }));
  EXPECT_TRUE(every_code_point(as_view("a b"), [](char32_t c) { return !is_control(c); }));
}

}  // namespace
}  // namespace opaline
