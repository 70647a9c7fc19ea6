#include "msp/settings.hpp"

#include <gmock/gmock.h>

#include <boost/json.hpp>

#include "msp/base64.hpp"

namespace opaline::msp {
namespace {

namespace json = boost::json;
using ::testing::HasSubstr;
using ::testing::Not;

const std::string kSecret = to_base64(Bytes(32, std::byte{'k'}));

json::object settings() {
  return {{"webhook", "https://shop.example:8443/opaline/"}, {"msp", {{"id", "msp-1"}, {"secret", kSecret}}}};
}
Result<Settings, std::string> parse(const json::object& object, SettingsOf whose = SettingsOf::gateway) {
  return parse_settings(json::serialize(object), whose, [](std::string_view url) { return url != "https://no"; });
}
/// One member changed, or with null taken away.
Result<Settings, std::string> with(std::string_view name, const json::value& value) {
  json::object changed = settings();
  if (value.is_null()) {
    changed.erase(name);
  } else {
    changed[name] = value;
  }
  return parse(changed);
}

TEST(Settings, WhatIsLeftOutHasItsDefault) {
  const auto business = parse(settings());
  ASSERT_TRUE(business.has_value()) << business.error();
  EXPECT_EQ(business->webhook_url, "https://shop.example:8443/opaline/");
  EXPECT_EQ(business->msp_id, "msp-1");
  EXPECT_EQ(business->msp_secret, kSecret);
  EXPECT_TRUE(business->gzip);
  EXPECT_FALSE(business->max_token_age.has_value());
  EXPECT_EQ(write_capabilities(business->capabilities), "LIST,TIME,FORM,QUICK,AUTH2");
  EXPECT_EQ(business->away_text, "");
  EXPECT_FALSE(business->status_webhooks || business->signed_webhooks || business->allow_private_webhooks);
}

TEST(Settings, EverythingCanBeSaidUpToItsBound) {
  json::object all = settings();
  all["gzip"] = false;
  all["max_token_age_seconds"] = 31'622'400;
  all["capabilities"] = {"QUICK", "LIST"};
  all["away_text"] = "Back on Monday.\nThank you." + std::string(2'022, '.');
  for (const std::string_view on : {"status_webhooks", "signed_webhooks", "allow_private_webhooks"}) all[on] = true;
  all["webhook"] = "http://127.0.0.1:8080/" + std::string(2'048 - 22, 'x');
  all["msp"] = {{"id", std::string(128, 'a')}, {"secret", to_base64(Bytes(256))}};
  const auto business = parse(all);
  ASSERT_TRUE(business.has_value()) << business.error();
  EXPECT_FALSE(business->gzip);
  EXPECT_EQ(business->max_token_age, std::chrono::days(366));
  EXPECT_EQ(write_capabilities(business->capabilities), "LIST,QUICK");
  EXPECT_EQ(business->away_text.size(), 2'048U);
  EXPECT_TRUE(business->status_webhooks && business->signed_webhooks && business->allow_private_webhooks);
  EXPECT_EQ(business->webhook_url.size(), 2'048U);
  const auto hours = with("hours", {{"zone", "Europe/Berlin"}, {"open", {"Mon-Fri 09:00-17:30"}}});
  ASSERT_TRUE(hours.has_value()) << hours.error();
  EXPECT_FALSE(hours->hours->open_at(from_unix_millis(0))) << "Thursday, 1:00 in Berlin";
  all["hours"] = nullptr;
  EXPECT_FALSE(parse(all)->hours.has_value());
  EXPECT_FALSE(with("max_token_age_seconds", 0)->max_token_age.has_value()) << "0: none";
  EXPECT_EQ(with("capabilities", json::array())->capabilities, Capabilities{});
}

TEST(Settings, WhatIsWrongIsNamed) {
  const auto expect_bad = [](std::string_view name, const json::value& value) {
    const auto business = with(name, value);
    ASSERT_FALSE(business.has_value()) << name << " " << value;
    EXPECT_THAT(business.error(), HasSubstr(std::string(name))) << value;
  };
  for (const json::value& url :
       std::initializer_list<json::value>{nullptr, "", "shop.example", "ftp://shop.example", "wss://shop.example/x",
                                          "http://shop.example/x", "https://shop.example/?a=b", "https://no", 7,
                                          json::value("https://shop.example/" + std::string(2'028, 'x'))}) {
    expect_bad("webhook", url);
  }
  for (const json::value& msp : std::initializer_list<json::value>{nullptr,
                                                                   "x",
                                                                   {{"id", "a"}},
                                                                   {{"secret", kSecret}},
                                                                   {{"id", ""}, {"secret", kSecret}},
                                                                   {{"id", "a b"}, {"secret", kSecret}},
                                                                   {{"id", "\xc3\xa4"}, {"secret", kSecret}},
                                                                   {{"id", std::string(129, 'a')}, {"secret", kSecret}},
                                                                   {{"id", "a"}, {"secret", to_base64(Bytes(31))}},
                                                                   {{"id", "a"}, {"secret", to_base64(Bytes(257))}},
                                                                   {{"id", "a"}, {"secret", kSecret.substr(0, 43)}},
                                                                   {{"id", "a"}, {"secret", kSecret}, {"more", 1}}}) {
    expect_bad("msp", msp);
  }
  for (const std::string_view name : {"gzip", "status_webhooks", "signed_webhooks", "allow_private_webhooks"}) {
    expect_bad(name, "true");
    expect_bad(name, 1);
  }
  for (const json::value& age : std::initializer_list<json::value>{-1, 0.5, "60", 1e300, 31'622'401}) {
    expect_bad("max_token_age_seconds", age);
  }
  for (const json::value& list : std::initializer_list<json::value>{
           "LIST", {"AUTH"}, {"list"}, {"LIST,TIME"}, {"PAY"}, {""}, {1}, {"LIST", "LIST"}}) {
    expect_bad("capabilities", list);
  }
  expect_bad("away_text", json::value(std::string(2'049, 'a')));
  expect_bad("away_text", "\xe2\x80\xae reversed");
  expect_bad("away_text", 1);
  for (const json::value& hours :
       std::initializer_list<json::value>{"Mon-Fri",
                                          json::object{},
                                          {{"zone", "UTC"}},
                                          {{"zone", "Nowhere"}, {"open", json::array()}},
                                          {{"zone", "UTC"}, {"open", {"Mon 09:00"}}},
                                          {{"zone", "UTC"}, {"open", {1}}},
                                          {{"zone", "UTC"}, {"open", "Mon"}},
                                          {{"zone", "UTC"}, {"open", json::array()}, {"closed", json::array()}}}) {
    expect_bad("hours", hours);
  }
  expect_bad("web_hook", "x");
  EXPECT_THAT(with("web\nhook", "x").error(), HasSubstr("'?'"));
}

TEST(Settings, TheServiceNeverHasWhatAnOwnGatewayKeeps) {
  EXPECT_TRUE(parse({{"gzip", false}}, SettingsOf::service).has_value());
  for (const std::string_view name : {"webhook", "msp"}) {
    const auto refused = parse({{name, settings().at(name)}}, SettingsOf::service);
    ASSERT_FALSE(refused.has_value()) << name;
    EXPECT_THAT(refused.error(), HasSubstr("own configuration"));
  }
  EXPECT_FALSE(parse({{"capabilities", {"AUTH"}}}, SettingsOf::service).has_value());
}

TEST(Settings, TheSecretIsNeverInTheSentence) {
  const auto business = with("msp", {{"id", "a"}, {"secret", "hunter2hunter2"}});
  ASSERT_FALSE(business.has_value());
  EXPECT_THAT(business.error(), Not(HasSubstr("hunter2")));
}

TEST(Settings, FormsThatAreNone) {
  for (const std::string& text : {std::string(), std::string("[]"), std::string("null"), std::string("{"),
                                  std::string("{}x"), "{\"webhook\":\"" + std::string(70'000, 'a') + "\"}"}) {
    EXPECT_FALSE(parse_settings(text, SettingsOf::gateway, [](std::string_view) { return true; }).has_value()) << text;
  }
}

}  // namespace
}  // namespace opaline::msp
