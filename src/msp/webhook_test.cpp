#include "msp/webhook.hpp"

#include "msp/base64.hpp"
#include "msp/gzip.hpp"
#include "msp/msp_test_support.hpp"

namespace opaline::msp {
namespace {

using namespace testing;

Inbound inbound(decltype(Inbound::content) content) {
  return {.id = *parse_uuid(kMessageId),
          .source = std::string(kPersonId),
          .destination = *parse_uuid(kBusinessId),
          .group = {},
          .intent = {},
          .locale = Text("en_US"),
          .content = std::move(content)};
}
const WebhookOptions kPlain{
    .capabilities = parse_capabilities("LIST,TIME,QUICK,FORM,AUTH2"), .device_agent = "terminal", .gzip = false};
json::value sent(const Inbound& message) {
  const auto webhook = write_webhook(message, kPlain);
  EXPECT_TRUE(webhook.has_value());
  return webhook ? json::parse(as_text(webhook->body)) : json::value();
}
std::string header(const Webhook& webhook, std::string_view name) {
  for (const auto& one : webhook.headers) {
    if (one.name == name) return one.value;
  }
  return "(none)";
}
Attachment attachment() {
  Attachment out{.name = Text("a.png"),
                 .mime_type = Text("image/png"),
                 .size_bytes = 12,
                 .signature = {},
                 .url = "https://s.example/b/1",
                 .owner = "o-1",
                 .key = {}};
  out.signature.fill(std::byte{0xab});
  std::ranges::fill(out.key.fill(), std::byte{0xcd});
  return out;
}
InboundText text_with(std::string_view body, std::size_t attachments) {
  InboundText out{.body = Text(body), .attachments = {}};
  for (std::size_t i = 0; i < attachments; ++i) out.attachments.push_back(attachment());
  return out;
}
void expect_error(const Inbound& message, Error error) {
  const auto webhook = write_webhook(message, kPlain);
  ASSERT_FALSE(webhook.has_value());
  EXPECT_EQ(name(webhook.error()), name(error));
}

TEST(Webhook, TextIsExactlyThis) {
  Inbound message = inbound(text_with("Hello", 0));
  message.group = Text("sales");
  message.intent = Text("order");
  const auto webhook = write_webhook(message, kPlain);
  ASSERT_TRUE(webhook.has_value());
  EXPECT_EQ(as_text(webhook->body),
            R"({"v":1,"id":"6b1d2c3e-9f80-4a1b-8c7d-112233445566","sourceId":"urn:mbid:AQAAY2xhdWRl-bm90aGluZw_",)"
            R"("destinationId":"0f6a1b2c-3d4e-5f60-8192-a3b4c5d6e7f8","type":"text","body":"Hello",)"
            R"("group":"sales","intent":"order","locale":"en_US"})");
  EXPECT_EQ(header(*webhook, "id"), kMessageId);
  EXPECT_EQ(header(*webhook, "source-id"), kPersonId);
  EXPECT_EQ(header(*webhook, "destination-id"), kBusinessId);
  EXPECT_EQ(header(*webhook, "capability-list"), "LIST,TIME,FORM,QUICK,AUTH2");
  EXPECT_EQ(header(*webhook, "device-agent"), "terminal");
  EXPECT_EQ(header(*webhook, "Content-Type"), "application/json");
  EXPECT_EQ(header(*webhook, "Content-Encoding"), "(none)");
}

TEST(Webhook, IsGzipWhereWanted) {
  auto options = kPlain;
  options.gzip = true;
  const Inbound message = inbound(text_with("Hello", 0));
  const auto webhook = write_webhook(message, options);
  ASSERT_TRUE(webhook.has_value());
  EXPECT_EQ(header(*webhook, "Content-Encoding"), "gzip");
  EXPECT_TRUE(equal(*gunzip(webhook->body, 10'000), write_webhook(message, kPlain)->body));
}

TEST(Webhook, AttachmentsAreStrict) {
  const auto body = sent(inbound(text_with("See \xef\xbf\xbc", 1)));
  const auto& one = body.at("attachments").at(0);
  EXPECT_TRUE(one.at("size").is_int64());
  EXPECT_EQ(one.at("size").as_int64(), 12);
  std::string hex;
  for (int i = 0; i < 32; ++i) hex += "AB";
  EXPECT_EQ(one.at("signature").as_string(), hex);
  EXPECT_EQ(one.at("signature-base64").as_string(), to_base64(Bytes(32, std::byte{0xab})));
  hex = "00";
  for (int i = 0; i < 32; ++i) hex += "CD";
  EXPECT_EQ(one.at("key").as_string(), hex);
  EXPECT_EQ(one.at("name").as_string(), "a.png");
  EXPECT_EQ(one.at("mimeType").as_string(), "image/png");
  EXPECT_EQ(one.at("url").as_string(), "https://s.example/b/1");
  EXPECT_EQ(one.at("owner").as_string(), "o-1");
}

TEST(Webhook, PlaceholdersAreAsManyAsAttachments) {
  EXPECT_EQ(sent(inbound(text_with("", 1))).at("body").as_string(), "\xef\xbf\xbc");
  EXPECT_EQ(sent(inbound(text_with("a\xef\xbf\xbc"
                                   "b\xef\xbf\xbc",
                                   1)))
                .at("body")
                .as_string(),
            "a\xef\xbf\xbc"
            "b");
  EXPECT_EQ(sent(inbound(text_with("a\xef\xbf\xbc", 0))).at("body").as_string(), "a");
  expect_error(inbound(text_with("", 0)), Error::missing);
}

TEST(Webhook, TypingAndClose) {
  EXPECT_EQ(sent(inbound(Typing{true})).at("type").as_string(), "typing_start");
  EXPECT_EQ(sent(inbound(Typing{false})).at("type").as_string(), "typing_end");
  const auto close = sent(inbound(Closed{}));
  EXPECT_EQ(close.at("type").as_string(), "close");
  EXPECT_FALSE(close.as_object().contains("body"));
}

TEST(Webhook, Replies) {
  const auto question = parse_data(kQuickReply);
  auto reply = make_reply(*question, QuickChoice{0});
  const auto body = sent(inbound(InboundReply{std::move(reply->body), std::move(reply->json)}));
  EXPECT_EQ(body.at("type").as_string(), "interactive");
  EXPECT_EQ(body.at("body").as_string(), "Yes");
  EXPECT_EQ(body.at("interactiveData").at("data").at("quick-reply").at("selectedIndex").as_int64(), 0);
  expect_error(inbound(InboundReply{{}, to_secret_bytes(as_view(R"({"bid":"x"})"))}), Error::missing);
  expect_error(inbound(InboundReply{{}, to_secret_bytes(as_view(R"(}{)"))}), Error::malformed);
}

TEST(Webhook, LargeReplies) {
  DataRef ref{.bid = std::string(kBid),
              .owner = "o",
              .url = "https://s.example/b/2",
              .title = Text("Form"),
              .size_bytes = 20'000,
              .signature = {},
              .service_signature = {},
              .key = AttachmentKey{}};
  const auto body = sent(inbound(std::move(ref)));
  EXPECT_EQ(body.at("interactiveDataRef").at("size").as_int64(), 20'000);
  EXPECT_EQ(body.at("interactiveDataRef").at("key").as_string(), std::string(66, '0'));
  EXPECT_EQ(body.at("interactiveDataRef").at("signature").as_string(), std::string(64, '0'));
  DataRef without_key{.bid = std::string(kBid),
                      .owner = "o",
                      .url = "u",
                      .title = {},
                      .size_bytes = 1,
                      .signature = {},
                      .service_signature = {},
                      .key = {}};
  expect_error(inbound(std::move(without_key)), Error::missing);
}

TEST(Webhook, DoesNotPassOnWhatADeviceBroke) {
  expect_error(inbound(text_with(std::string(kMaxTextCharacters + 1, 'x'), 0)), Error::oversized);
  expect_error(inbound(text_with("\xff", 0)), Error::malformed);
  expect_error(inbound(text_with(std::string_view("\0", 1), 0)), Error::malformed);
  expect_error(inbound(text_with("", kMaxAttachments + 1)), Error::oversized);
  InboundText bad = text_with("", 1);
  bad.attachments[0].size_bytes = 0;
  expect_error(inbound(std::move(bad)), Error::oversized);
  InboundText spaced = text_with("", 1);
  spaced.attachments[0].url = "a b";
  expect_error(inbound(std::move(spaced)), Error::malformed);
  Inbound nobody = inbound(Closed{});
  nobody.source = "anna@example.org";
  expect_error(nobody, Error::malformed);
  Inbound locale = inbound(Closed{});
  locale.locale = Text(std::string(kMaxLocaleBytes + 1, 'e'));
  expect_error(locale, Error::oversized);
}

// What a person's attachment becomes can come back from a connector that forwards it.
TEST(Webhook, DescriptorsGoThereAndBack) {
  const auto body = sent(inbound(text_with("\xef\xbf\xbc", 1)));
  const std::string forwarded =
      body_of("text", R"("body":"\uFFFC","attachments":)" + json::serialize(body.at("attachments")));
  const auto message = parse(forwarded);
  ASSERT_TRUE(message.has_value());
  const auto& one = std::get<TextMessage>(message->content).attachments.at(0);
  const Attachment original = attachment();
  EXPECT_EQ(one.signature, original.signature);
  EXPECT_TRUE(equal(one.key.reveal(), original.key.reveal()));
  EXPECT_EQ(one.size_bytes, original.size_bytes);
  EXPECT_EQ(one.url, original.url);
}

TEST(WebhookSigner, IsWhatStandardWebhooksLibrariesVerify) {
  // Made with Python's hmac and hashlib: docs/business-api.md, "Signed webhooks".
  const WebhookSigner signer(*TokenKey::from_secret(to_base64(Bytes(32, std::byte{0x2a}))));
  const auto headers =
      signer.sign("6b1d2c3e-9f80-4a1b-8c7d-112233445566", from_unix_millis(1'780'000'000'999), as_view(R"({"v":1})"));
  ASSERT_EQ(headers.size(), 3U);
  EXPECT_EQ(headers[0].name + ": " + headers[0].value, "webhook-id: 6b1d2c3e-9f80-4a1b-8c7d-112233445566");
  EXPECT_EQ(headers[1].name + ": " + headers[1].value, "webhook-timestamp: 1780000000");
  EXPECT_EQ(headers[2].name + ": " + headers[2].value,
            "webhook-signature: v1,xBuSsPg5Vm/GOwrJSZPEa4Ka8ZzTFV61oswxwMEpkuM=");
}

}  // namespace
}  // namespace opaline::msp
