#include "sms/texts.hpp"

#include <gtest/gtest.h>

namespace opaline::sms {
namespace {

TextRow row() {
  TextRow out;
  out.state = TextRow::State::handed;
  out.tell = carrier::Fate::over_budget;
  out.later = seconds(77);
  out.since = from_unix_millis(1'767'225'600'000);
  out.person = "urn:mbid:AQAA";
  out.number = "+4915112345678";
  return out;
}

TEST(TextRows, AreReadAsTheyWereWritten) {
  EXPECT_EQ(decode_text_row(encode(row())), row());
  TextRow plain;
  plain.state = TextRow::State::ended;
  EXPECT_EQ(decode_text_row(encode(plain)), plain);
}

TEST(TextRows, DamageIsFound) {
  const Bytes good = encode(row());
  for (std::size_t size = 0; size < good.size(); ++size) EXPECT_FALSE(decode_text_row(ByteView(good).first(size)));
  Bytes longer = good;
  longer.push_back(std::byte{0});
  EXPECT_FALSE(decode_text_row(longer));
  for (const std::size_t at : {std::size_t{0}, std::size_t{1}, std::size_t{2}}) {
    Bytes bad = good;
    bad[at] = std::byte{9};
    EXPECT_FALSE(decode_text_row(bad)) << at;
  }
  Bytes number = good;
  number.back() = std::byte{'x'};
  EXPECT_FALSE(decode_text_row(number));
}

}  // namespace
}  // namespace opaline::sms
