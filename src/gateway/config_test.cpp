#include "gateway/config.hpp"

#include <gmock/gmock.h>

#include "msp/base64.hpp"

namespace opaline::gateway {
namespace {

using ::testing::HasSubstr;

const msp::Uuid kId = *msp::parse_uuid("0f6a1b2c-3d4e-5f60-8192-a3b4c5d6e7f8");

std::string settings(std::string_view webhook) {
  return R"({"msp":{"id":"msp-1","secret":")" + msp::to_base64(Bytes(32, std::byte{'k'})) + R"("},"webhook":")" +
         std::string(webhook) + "\"}";
}

TEST(Config, ABusinessIsItsNameItsSettingsAndWhereItsWebhookIs) {
  const auto business = parse_business(kId, "Shop", settings("https://shop.example:8443/opaline/"));
  ASSERT_TRUE(business.has_value()) << business.error();
  EXPECT_EQ(business->id, kId);
  EXPECT_EQ(business->name, "Shop");
  EXPECT_EQ(business->msp_id, "msp-1");
  EXPECT_EQ(business->webhook.authority(), "shop.example:8443");
  EXPECT_EQ(business->webhook.target, "/opaline") << "/message is appended";
}

TEST(Config, WhatIsNoUrlIsRefused) {
  for (const std::string_view url : {"https://", "https://user@shop.example/", "https://shop.example/#x",
                                     "https://shop.example:0/", "https://shop example/", "https://[::1/"}) {
    const auto business = parse_business(kId, "Shop", settings(url));
    ASSERT_FALSE(business.has_value()) << url;
    EXPECT_THAT(business.error(), HasSubstr("webhook")) << url;
  }
}

}  // namespace
}  // namespace opaline::gateway
