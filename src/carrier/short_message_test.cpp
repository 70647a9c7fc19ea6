#include "carrier/short_message.hpp"

#include <gmock/gmock.h>

namespace opaline::carrier {
namespace {

std::string times(std::size_t count, std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < count; ++i) out += text;
  return out;
}
std::optional<Shape> shape(const std::string& text) {
  return shape_of(as_view(text));
}

TEST(ShortMessage, CountsSeptetsAsTheCarriersDo) {
  EXPECT_EQ(shape("a"), (Shape{Alphabet::gsm7, 1}));
  EXPECT_EQ(shape(times(160, "a")), (Shape{Alphabet::gsm7, 1}));
  EXPECT_EQ(shape(times(161, "a")), (Shape{Alphabet::gsm7, 2}));
  EXPECT_EQ(shape(times(306, "ä")), (Shape{Alphabet::gsm7, 2}));
  EXPECT_EQ(shape(times(307, "ä")), (Shape{Alphabet::gsm7, 3}));
  EXPECT_EQ(shape(times(80, "€")), (Shape{Alphabet::gsm7, 1}));
  EXPECT_EQ(shape(times(81, "€")), (Shape{Alphabet::gsm7, 2}));
  // 76 of them fill 152 septets: the 153rd stays empty, for an escape is not torn from its character.
  EXPECT_EQ(shape(times(152, "€")), (Shape{Alphabet::gsm7, 2}));
  EXPECT_EQ(shape(times(153, "€")), (Shape{Alphabet::gsm7, 3}));
}

TEST(ShortMessage, OneForeignLetterMakesAllOfItUcs2) {
  EXPECT_EQ(shape(times(69, "a") + "ж"), (Shape{Alphabet::ucs2, 1}));
  EXPECT_EQ(shape(times(70, "a") + "ж"), (Shape{Alphabet::ucs2, 2}));
  EXPECT_EQ(shape(times(35, "😀")), (Shape{Alphabet::ucs2, 1}));
  EXPECT_EQ(shape(times(36, "😀")), (Shape{Alphabet::ucs2, 2}));
  EXPECT_EQ(shape(times(66, "😀")), (Shape{Alphabet::ucs2, 2}));
  EXPECT_EQ(shape(times(67, "😀")), (Shape{Alphabet::ucs2, 3}));
  EXPECT_EQ(shape("`"), (Shape{Alphabet::ucs2, 1}));
}

TEST(ShortMessage, WhatCannotBeSentIsRefused) {
  EXPECT_EQ(shape(""), std::nullopt);
  EXPECT_EQ(shape("\xff"), std::nullopt);
  EXPECT_TRUE(shape(times(1530, "a")));
  EXPECT_EQ(shape(times(1531, "a")), std::nullopt);
  EXPECT_TRUE(shape(times(670, "ж")));
  EXPECT_EQ(shape(times(671, "ж")), std::nullopt);
}

TEST(ShortMessage, Utf16HasPairsForWhatIsBeyondTheFirstPlane) {
  EXPECT_EQ(to_hex(to_utf16(as_view("aж😀"))), "00610436d83dde00");
}

TEST(ShortMessage, Utf16AndBack) {
  const std::string text = "a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80";  // a, a umlaut, euro, a face
  const SecretBytes utf16 = to_utf16(as_view(text));
  EXPECT_EQ(to_hex(utf16), "006100e420acd83dde00");
  EXPECT_EQ(to_string(*from_utf16(utf16)), text);
  EXPECT_FALSE(from_utf16(ByteView(utf16).first(3)));
  // Half a pair, in front of something, behind something, and alone.
  for (const std::string_view hex : {"d83d0061", "de000061", "d83dd83dde00"})
    EXPECT_EQ(to_string(*from_utf16(*from_hex(hex))).substr(0, 3), "\xef\xbf\xbd") << hex;
  EXPECT_EQ(to_string(*from_utf16(*from_hex("d83d"))), "\xef\xbf\xbd");
  EXPECT_TRUE(from_utf16({})->empty());
}

}  // namespace
}  // namespace opaline::carrier
