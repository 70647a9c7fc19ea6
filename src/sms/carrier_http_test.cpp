// Who may say what to the two listeners of the role `sms`.
#include "sms/carrier_http.hpp"

#include "sms/metrics.hpp"
#include "sms/sms_test_world.hpp"

namespace opaline::sms {
namespace {

using namespace testing;

class DoorTest : public SmsTest {
 protected:
  /// As a gateway writes it; `change` spoils it.
  unsigned webhook(const std::function<void(net::HttpRequest&)>& change = [](net::HttpRequest&) {}) {
    const auto written = msp::write_webhook(
        {.id = message(1),
         .source = std::string(kAnna),
         .destination = *msp::parse_uuid(kBusiness),
         .group = {},
         .intent = {},
         .locale = {},
         .content = msp::InboundText{.body = msp::Text("+4915112345678\nHello Ben"), .attachments = {}}},
        {.capabilities = {}, .device_agent = "linux"});
    net::HttpRequest request{.method = "POST", .target = "/message"};
    for (const auto& header : written->headers) request.headers.push_back({header.name, header.value});
    request.headers.push_back({"Authorization", "Bearer " + token(msp::TokenUse::call_of_service, kMsp, kSecret)});
    request.body = to_bytes(ByteView(written->body));
    change(request);
    const auto door = WebhookDoor::create(
        {.business = *msp::parse_uuid(kBusiness), .msp_id = std::string(kMsp), .msp_secret = std::string(kSecret)},
        clock_, *bridge_);
    return door->handle(request).status;
  }
  std::string token(msp::TokenUse use, std::string_view msp_id, std::string_view secret) {
    return msp::make_token(use, msp_id, clock_.now(), *msp::TokenKey::from_secret(secret));
  }
  static void set(net::HttpRequest& request, std::string_view name, std::string value) {
    std::erase_if(request.headers, [&](const net::HttpHeader& header) { return header.name == name; });
    if (!value.empty()) request.headers.push_back({std::string(name), std::move(value)});
  }
};

TEST_F(DoorTest, AWebhookOfTheGatewayIsTaken) {
  EXPECT_EQ(webhook(), 200U);
  until([&] { return bridge_->counters().handed == 1; });
  EXPECT_EQ(to_kannel.size(), 1U);
  EXPECT_EQ(webhook([](auto& request) { request.target = "/some/where/message?x"; }), 200U);
  EXPECT_EQ(bridge_->counters().texts, 1U);
}

TEST_F(DoorTest, WhoIsNotTheGatewayIsRefused) {
  constexpr std::string_view kOther = "zMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMw=";
  EXPECT_EQ(webhook([](auto& request) { set(request, "Authorization", ""); }), 401U);
  const std::string wrong[] = {token(msp::TokenUse::call_of_service, kMsp, kOther),
                               token(msp::TokenUse::call_of_service, "msp-2", kSecret),
                               token(msp::TokenUse::call_of_msp, kMsp, kSecret), "x"};
  for (const std::string& each : wrong)
    EXPECT_EQ(webhook([&](auto& request) { set(request, "Authorization", "Bearer " + each); }), 403U) << each;
  EXPECT_EQ(webhook([](auto& request) { request.target = "/other"; }), 404U);
  EXPECT_EQ(webhook([](auto& request) { request.method = "GET"; }), 405U);
  EXPECT_EQ(webhook([](auto& request) { request.body.pop_back(); }), 400U);
  EXPECT_EQ(webhook([](auto& request) { set(request, "id", "1"); }), 400U);
  EXPECT_EQ(bridge_->counters().texts, 0U);
}

TEST_F(DoorTest, AStoreThatFailsAsksForTheWebhookAgain) {
  rows_.unreadable = true;
  EXPECT_EQ(webhook(), 503U);
}

TEST_F(DoorTest, KannelsListenerKnowsTwoPathsAndASecret) {
  ASSERT_TRUE(write(1, "+4915112345678\nHello"));
  until([&] { return bridge_->counters().handed == 1; });
  const std::string good = "/" + std::string(kKannelSecret);
  for (const std::string& bad :
       {std::string("/report?id=") + hex(1) + "&bits=1", "/0123456789abcdeF/report?id=" + hex(1) + "&bits=1",
        good + "/report?id=" + hex(1), good + "/report?id=" + hex(1) + "&bits=x", good + "/report?id=1&bits=1",
        good + "/report?bits=1", good + "/other", good, std::string("/")})
    EXPECT_EQ(kannel_says("GET", bad), 404U) << bad;
  EXPECT_EQ(kannel_says("POST", good + "/report?id=" + hex(1) + "&bits=1"), 404U);
  EXPECT_EQ(kannel_says("POST", "/0123456789abcdeX/reply", {{"X-Kannel-From", "+4915112345678"}}, to_bytes("Hello")),
            404U);
  settle();
  EXPECT_TRUE(told.empty());
  EXPECT_EQ(report(7, 1), 200U) << "of a text that nobody knows: nothing to be said again";
}

TEST_F(DoorTest, SecretsForKannel) {
  EXPECT_TRUE(is_kannel_secret("0123456789abcdef-_AZ"));
  for (const std::string_view bad :
       {"", "0123456789abcde", "0123456789abcdef/", "0123456789abcdef%41", "0123456789abcdef "})
    EXPECT_FALSE(is_kannel_secret(bad)) << bad;
}

TEST_F(DoorTest, Metrics) {
  EXPECT_EQ(webhook(), 200U);
  until([&] { return bridge_->counters().handed == 1; });
  const auto page = serve_metrics({.method = "GET", .target = "/metrics"}, bridge_->counters(), bridge_->untold());
  EXPECT_THAT(std::string(as_text(page.body)), ::testing::HasSubstr("\nopaline_sms_texts_total 1\n"));
  EXPECT_THAT(std::string(as_text(page.body)), ::testing::HasSubstr("\nopaline_sms_fates_total{fate=\"handed\"} 1\n"));
  EXPECT_THAT(std::string(as_text(page.body)), ::testing::Not(::testing::HasSubstr("4915")));
}

}  // namespace
}  // namespace opaline::sms
