#include "sms/short_message.hpp"

#include <gmock/gmock.h>

namespace opaline::sms {
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

}  // namespace
}  // namespace opaline::sms
