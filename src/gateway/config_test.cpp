#include "gateway/config.hpp"

#include <gmock/gmock.h>

#include <boost/json.hpp>

#include "msp/base64.hpp"

namespace opaline::gateway {
namespace {

namespace json = boost::json;
using ::testing::HasSubstr;

const msp::Uuid kId = *msp::parse_uuid("0f6a1b2c-3d4e-5f60-8192-a3b4c5d6e7f8");
const std::string kSecret = msp::to_base64(Bytes(32, std::byte{'k'}));

json::object settings() {
  return {{"webhook", "https://shop.example:8443/opaline/"}, {"msp", {{"id", "msp-1"}, {"secret", kSecret}}}};
}
Result<BusinessConfig, std::string> parse(const json::object& settings) {
  return parse_business(kId, "Shop", json::serialize(settings));
}
Result<BusinessConfig, std::string> with(std::string_view name, const json::value& value) {
  json::object changed = settings();
  if (value.is_null()) {
    changed.erase(name);
  } else {
    changed[name] = value;
  }
  return parse(changed);
}

TEST(Config, WhatIsLeftOutHasItsDefault) {
  const auto business = parse(settings());
  ASSERT_TRUE(business.has_value()) << business.error();
  EXPECT_EQ(business->id, kId);
  EXPECT_EQ(business->name, "Shop");
  EXPECT_EQ(business->webhook.authority(), "shop.example:8443");
  EXPECT_EQ(business->webhook.target, "/opaline") << "/message is appended";
  EXPECT_EQ(business->msp_id, "msp-1");
  EXPECT_EQ(business->msp_secret, kSecret);
  EXPECT_TRUE(business->gzip);
  EXPECT_FALSE(business->max_token_age.has_value());
  EXPECT_EQ(msp::write_capabilities(business->capabilities), "LIST,TIME,FORM,QUICK,AUTH2");
  EXPECT_EQ(business->away_text, "");
  EXPECT_FALSE(business->status_webhooks || business->signed_webhooks || business->allow_private_webhooks);
}

TEST(Config, EverythingCanBeSaid) {
  json::object all = settings();
  all["gzip"] = false;
  all["max_token_age_seconds"] = 3600;
  all["capabilities"] = {"quick", "LIST"};
  all["away_text"] = "Back on Monday.\nThank you.";
  for (const std::string_view on : {"status_webhooks", "signed_webhooks", "allow_private_webhooks"}) all[on] = true;
  all["webhook"] = "http://127.0.0.1:8080";
  const auto business = parse(all);
  ASSERT_TRUE(business.has_value()) << business.error();
  EXPECT_FALSE(business->gzip);
  EXPECT_EQ(business->max_token_age, seconds(3600));
  EXPECT_EQ(msp::write_capabilities(business->capabilities), "LIST,QUICK");
  EXPECT_EQ(business->away_text, "Back on Monday.\nThank you.");
  EXPECT_TRUE(business->status_webhooks && business->signed_webhooks && business->allow_private_webhooks);
  EXPECT_FALSE(business->webhook.tls);
  EXPECT_EQ(business->webhook.target, "");
  EXPECT_FALSE(with("max_token_age_seconds", 0)->max_token_age.has_value()) << "0: none";
  EXPECT_EQ(with("capabilities", json::array())->capabilities, msp::Capabilities{});
}

TEST(Config, WhatIsWrongIsNamed) {
  const auto expect_bad = [](std::string_view name, const json::value& value) {
    const auto business = with(name, value);
    ASSERT_FALSE(business.has_value()) << name << " " << value;
    EXPECT_THAT(business.error(), HasSubstr(std::string(name))) << value;
  };
  for (const json::value& url : std::initializer_list<json::value>{
           nullptr, "", "shop.example", "ftp://shop.example", "wss://shop.example/x", "http://shop.example/x",
           "https://user@shop.example/", "https://shop.example/?a=b", "https://shop.example/#x", 7}) {
    expect_bad("webhook", url);
  }
  for (const json::value& msp : std::initializer_list<json::value>{nullptr,
                                                                   "x",
                                                                   {{"id", "a"}},
                                                                   {{"secret", kSecret}},
                                                                   {{"id", ""}, {"secret", kSecret}},
                                                                   {{"id", "a\nb"}, {"secret", kSecret}},
                                                                   {{"id", std::string(129, 'a')}, {"secret", kSecret}},
                                                                   {{"id", "a"}, {"secret", "c2hvcnQ="}},
                                                                   {{"id", "a"}, {"secret", kSecret.substr(0, 43)}},
                                                                   {{"id", "a"}, {"secret", kSecret}, {"more", 1}}}) {
    expect_bad("msp", msp);
  }
  for (const std::string_view name : {"gzip", "status_webhooks", "signed_webhooks", "allow_private_webhooks"}) {
    expect_bad(name, "true");
    expect_bad(name, 1);
  }
  for (const json::value& age : std::initializer_list<json::value>{-1, 0.5, "60", 1e300}) {
    expect_bad("max_token_age_seconds", age);
  }
  for (const json::value& list :
       std::initializer_list<json::value>{"LIST", {"AUTH"}, {"LIST", "auth"}, {"LIST,TIME"}, {"PAY"}, {""}, {1}}) {
    expect_bad("capabilities", list);
  }
  expect_bad("away_text", json::value(std::string(1001, 'a')));
  expect_bad("away_text", "\xe2\x80\xae reversed");
  expect_bad("away_text", 1);
  EXPECT_FALSE(with("web_hook", "x").has_value()) << "misspelt";
}

TEST(Config, TheSecretIsNeverInTheSentence) {
  const auto business = with("msp", {{"id", "a"}, {"secret", "hunter2hunter2"}});
  ASSERT_FALSE(business.has_value());
  EXPECT_THAT(business.error(), ::testing::Not(HasSubstr("hunter2")));
}

TEST(Config, NamesAndFormsThatAreNone) {
  for (const std::string_view name : {"", "\xff", "a\x01",
                                      "\xe2\x80\xae"
                                      "x"}) {
    EXPECT_FALSE(parse_business(kId, name, json::serialize(settings())).has_value()) << name;
  }
  EXPECT_FALSE(parse_business(kId, std::string(129, 'a'), json::serialize(settings())).has_value());
  for (const std::string_view text : {"", "[]", "null", "{", "{}x", "{}"}) {
    EXPECT_FALSE(parse_business(kId, "Shop", text).has_value()) << text;
  }
  EXPECT_FALSE(parse_business(kId, "Shop", "{\"webhook\":\"" + std::string(70'000, 'a') + "\"}").has_value());
}

}  // namespace
}  // namespace opaline::gateway
