#include "msp/well_known.hpp"

#include <gtest/gtest.h>

namespace opaline::msp {
namespace {

const Uuid kShop = *parse_uuid("5f0c1d2e-3b4a-4c5d-8e6f-708192a3b4c5");
const std::string kUrn = "urn:biz:5f0c1d2e-3b4a-4c5d-8e6f-708192a3b4c5";
const std::string kFingerprint = "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

Result<GatewayFingerprint, Error> parse(const std::string& text) {
  return parse_well_known(as_view(text), kShop);
}

TEST(WellKnown, GivesTheFingerprintOfTheBusinessThatIsAskedFor) {
  const std::string others = R"("urn:biz:5f0c1d2e-3b4a-4c5d-8e6f-708192a3b4c6": "no")";
  const auto found =
      parse(R"({"gateways": {)" + others + R"(, ")" + kUrn + R"(": ")" + kFingerprint + R"("}, "later": [1]})");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->view()[0], std::byte{1});
  EXPECT_EQ(parse(R"({"gateways": {)" + others + "}}").error(), Error::missing);
  EXPECT_EQ(parse(R"({"gateways": {}})").error(), Error::missing);
}

TEST(WellKnown, WhatIsNoSuchDocumentIsRefused) {
  for (const std::string& bad :
       {std::string(), std::string("<html>"), std::string("[]"), std::string("{}"), std::string(R"({"gateways": []})"),
        R"({"gateways": {")" + kUrn + R"(": 7}})", R"({"gateways": {")" + kUrn + R"(": "AQAA"}})",
        R"({"gateways": {")" + kUrn + R"(": ")" + kFingerprint + R"(=="}})",
        R"({"gateways": {")" + kUrn + R"(": ")" + kFingerprint + R"(", ")" + kUrn + R"(": ")" + kFingerprint + R"("}})",
        R"({"gateways": )" + std::string(100, '[') + std::string(100, ']') + "}"})
    EXPECT_EQ(parse(bad).error(), Error::malformed) << bad;
  EXPECT_EQ(parse(std::string(kMaxWellKnownBytes + 1, ' ')).error(), Error::oversized);
}

}  // namespace
}  // namespace opaline::msp
