#include "carrier/line.hpp"

#include <gtest/gtest.h>

#include "base/bytes.hpp"

namespace opaline::carrier {
namespace {

const MessageId kId = *MessageId::from_hex("6b1d2c3e9f804a1b8c7d112233445566");
constexpr std::string_view kIdText = "6b1d2c3e9f804a1b8c7d112233445566";

SecretBytes secret(std::string_view text) {
  return to_secret_bytes(as_view(text));
}
std::string text_of(const SecretBytes& bytes) {
  return to_string(bytes);
}

TEST(CarrierLine, NumbersAreE164AndNothingElse) {
  for (const std::string_view good : {"+4915112345678", "+1234567", "+123456789012345"}) EXPECT_TRUE(is_number(good));
  for (const std::string_view bad : {"", "+", "4915112345678", "+0915112345678", "+123456", "+1234567890123456",
                                     "+49 15112345678", "+4915112345678 ", "+49151a2345678", "++4915112345678"})
    EXPECT_FALSE(is_number(bad)) << bad;
}

TEST(CarrierLine, ATextForANumber) {
  const ToCarrier message{.number = "+4915112345678", .text = secret("Hello\nBen")};
  const SecretBytes line = write(message);
  EXPECT_EQ(text_of(line), "+4915112345678\nHello\nBen");
  EXPECT_EQ(parse_to_carrier(line), message);
  for (const std::string_view bad : {"", "Hello", "+4915112345678", "+4915112345678\n", "+4915112345678 \nHello",
                                     "+4915112345678\r\nHello", " +4915112345678\nHello", "\n+4915112345678\nHello",
                                     "+4915112345678 reply\nHello", "4915112345678\nHello", "+4915112345678\n\xff"})
    EXPECT_FALSE(parse_to_carrier(as_view(bad))) << bad;
  EXPECT_FALSE(parse_to_carrier(as_view(std::string_view("+4915112345678\nA\0B", 18))));
}

TEST(CarrierLine, AReply) {
  const FromCarrier message = Reply{.number = "+4915112345678", .text = secret("Yes\n\n+49151 delivered")};
  const SecretBytes line = write(message);
  EXPECT_EQ(text_of(line), "+4915112345678 reply\nYes\n\n+49151 delivered");
  EXPECT_EQ(parse_from_carrier(line), message);
  EXPECT_EQ(parse_from_carrier(as_view("+4915112345678 reply\n")),
            FromCarrier(Reply{.number = "+4915112345678", .text = {}}));
  EXPECT_FALSE(parse_from_carrier(as_view("+4915112345678 reply")));
  EXPECT_FALSE(parse_from_carrier(as_view("+4915112345678  reply\nYes")));
  EXPECT_FALSE(parse_from_carrier(as_view("+4915112345678 REPLY\nYes")));
}

TEST(CarrierLine, Reports) {
  for (const Fate fate : {Fate::delivered, Fate::failed, Fate::unknown, Fate::too_long}) {
    const FromCarrier message = Report{.number = "+4915112345678", .fate = fate, .message = kId, .later = {}};
    const SecretBytes line = write(message);
    EXPECT_EQ(text_of(line), "+4915112345678 " + std::string(name(fate)) + " " + std::string(kIdText));
    EXPECT_EQ(parse_from_carrier(line), message);
  }
  const FromCarrier message =
      Report{.number = "+4915112345678", .fate = Fate::over_budget, .message = kId, .later = seconds(3600)};
  const SecretBytes line = write(message);
  EXPECT_EQ(text_of(line), "+4915112345678 over_budget " + std::string(kIdText) + " later=3600");
  EXPECT_EQ(parse_from_carrier(line), message);
}

TEST(CarrierLine, WhatIsNearlyAReportIsNone) {
  const std::string good = "+4915112345678 delivered " + std::string(kIdText);
  ASSERT_TRUE(parse_from_carrier(as_view(good)));
  for (const std::string& bad :
       {good + " ", good + "\n", " " + good, good.substr(0, good.size() - 1), good + "0", good + " later=1",
        std::string("+4915112345678 delivered"), std::string("+4915112345678 delivered "),
        std::string("+4915112345678 arrived ") + std::string(kIdText),
        std::string("+4915112345678 delivered 6B1D2C3E9F804A1B8C7D112233445566")})
    EXPECT_FALSE(parse_from_carrier(as_view(bad))) << bad;
  const std::string budget = "+4915112345678 over_budget " + std::string(kIdText);
  ASSERT_TRUE(parse_from_carrier(as_view(budget + " later=1")));
  for (const std::string_view bad : {"", " ", " later=", " later=0", " later=01", " later=-1", " later=86401",
                                     " later=1 ", " later=1s", " Later=1", "  later=1"})
    EXPECT_FALSE(parse_from_carrier(as_view(budget + std::string(bad)))) << bad;
}

TEST(CarrierLine, TheLinkForOtherPrograms) {
  EXPECT_EQ(text_of(sms_link("+4915112345678", as_view("Hello Ben & co?"))),
            "sms:+4915112345678?body=Hello%20Ben%20%26%20co%3F");
  EXPECT_EQ(text_of(sms_link("+4915112345678", as_view("\xc3\xa4\n"))), "sms:+4915112345678?body=%C3%A4%0A");
  EXPECT_EQ(text_of(sms_link("+4915112345678", {})), "sms:+4915112345678");
}

}  // namespace
}  // namespace opaline::carrier
