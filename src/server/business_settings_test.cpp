#include "server/business_settings.hpp"

#include <gmock/gmock.h>

#include <boost/json.hpp>

#include "msp/base64.hpp"

namespace opaline::server {
namespace {

namespace json = boost::json;
using testing::HasSubstr;

json::object object(std::string_view text) {
  return json::parse(text).as_object();
}

class BusinessSettings : public testing::Test {
 protected:
  json::object make(std::string_view changes, GatewayKind kind = GatewayKind::hosted) {
    auto out = change_settings({}, object(changes), kind, random_);
    EXPECT_TRUE(out) << out.error();
    return out.value_or(json::object{});
  }
  std::string problem(std::string_view changes, GatewayKind kind = GatewayKind::hosted) {
    const auto out = change_settings({}, object(changes), kind, random_);
    return out ? "" : out.error();
  }
  SeededRandom random_{1};
};

constexpr const char* kHook = R"({"webhook": "https://shop.example.org/hook"})";

TEST_F(BusinessSettings, WhatIsNotSaidHasItsDefault) {
  auto made = make(kHook);
  const std::string secret(made.at("msp").as_object().at("secret").as_string());
  EXPECT_EQ(msp::from_base64(secret)->size(), 32u);
  EXPECT_THAT(std::string(made.at("msp").as_object().at("id").as_string()), testing::StartsWith("msp-"));
  made["msp"].as_object()["id"] = "x";
  made["msp"].as_object()["secret"] = "y";
  EXPECT_EQ(made, object(R"({"webhook": "https://shop.example.org/hook", "msp": {"id": "x", "secret": "y"},
      "gzip": true, "max_token_age_seconds": 0, "capabilities": ["LIST", "TIME", "FORM", "QUICK", "AUTH2"],
      "away_text": "", "hours": null, "status_webhooks": false, "signed_webhooks": false, "allow_private_webhooks": false})"));
  EXPECT_NE(make(kHook).at("msp"), make(kHook).at("msp")) << "each its own";
}

TEST_F(BusinessSettings, AChangeLeavesTheRest) {
  const auto before = make(kHook);
  auto after =
      change_settings(before, object(R"({"gzip": false, "msp": {"id": "other"}})"), GatewayKind::hosted, random_);
  ASSERT_TRUE(after);
  EXPECT_EQ(after->at("msp").at("secret"), before.at("msp").at("secret"));
  EXPECT_EQ(after->at("msp").at("id"), "other");
  EXPECT_EQ(after->at("gzip"), false);
  EXPECT_EQ(after->at("webhook"), before.at("webhook"));
}

TEST_F(BusinessSettings, AnOwnGatewaysSecretsAreNotTaken) {
  const auto made = make("{}", GatewayKind::own);
  EXPECT_FALSE(made.contains("msp"));
  EXPECT_FALSE(made.contains("webhook"));
  EXPECT_THAT(problem(kHook, GatewayKind::own), HasSubstr("own configuration"));
  EXPECT_THAT(problem(R"({"msp": {"id": "x"}})", GatewayKind::own), HasSubstr("own configuration"));
}

TEST_F(BusinessSettings, WhatIsWrongIsSaidAndNoSecretQuoted) {
  const auto wrong = [&](std::string_view changes, std::string_view said) {
    auto all = object(kHook);
    for (const auto& field : object(changes)) all[field.key()] = field.value();
    const std::string problem_text = problem(json::serialize(all));
    EXPECT_THAT(problem_text, HasSubstr(std::string(said))) << changes;
  };
  EXPECT_THAT(problem("{}"), HasSubstr("webhook"));
  wrong(R"({"webhook": "https://shop example/"})", "webhook");
  wrong(R"({"hook": 7})", "'hook'");
  wrong(R"({"msp": 7})", "msp");
  wrong(R"({"msp": {"id": ""}})", "msp.id");
  wrong(R"({"msp": {"key": "x"}})", "msp");
  wrong(R"({"capabilities": ["AUTH"]})", "AUTH2");
  for (const auto& [secret, size] : {std::pair("c2hvcnQ=", 5), std::pair("not base64!", 0)}) {
    const std::string said =
        problem(json::serialize(json::value{{"webhook", "https://shop.example.org/"}, {"msp", {{"secret", secret}}}}));
    EXPECT_THAT(said, HasSubstr("msp.secret")) << size;
    EXPECT_THAT(said, testing::Not(HasSubstr(secret)));
  }
  EXPECT_EQ(problem(R"({"webhook": "http://127.0.0.1:8000/hook", "allow_private_webhooks": true})"), "");
}

}  // namespace
}  // namespace opaline::server
