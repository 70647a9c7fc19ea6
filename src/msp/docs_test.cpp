// docs/openapi.json and docs/business-api.md say what the code does: every example goes through it, every limit is its.
#include <fstream>

#include "msp/jwt.hpp"
#include "msp/msp_test_support.hpp"
#include "msp/payload.hpp"
#include "msp/webhook.hpp"

namespace opaline::msp {
namespace {

using namespace testing;

std::string file(std::string_view name) {
  std::ifstream in(OPALINE_SOURCE_DIR "/docs/" + std::string(name));
  return {std::istreambuf_iterator<char>(in), {}};
}
const json::value& document() {
  static const json::value out = json::parse(file("openapi.json"));
  return out;
}
const json::object& examples(std::string_view pointer) {
  return document()
      .at_pointer(std::string(pointer) + "/post/requestBody/content/application~1json/examples")
      .as_object();
}

TEST(OpenApi, ExamplesOfMessagesAreTaken) {
  const auto headers = message_headers();
  std::size_t count = 0;
  for (const auto& example : examples("/paths/~1v1~1message")) {
    const auto message = parse_message(headers, as_view(json::serialize(example.value().at("value"))));
    EXPECT_TRUE(message.has_value()) << example.key() << to_json(message.error());
    ++count;
  }
  EXPECT_EQ(count, 12U);
  for (const auto& example : examples("/paths/~1v1~1authenticate")) {
    EXPECT_TRUE(parse_authenticate(headers, as_view(json::serialize(example.value().at("value")))).has_value());
  }
  for (const auto& example : examples("/paths/~1v1~1encodePayload")) {
    EXPECT_TRUE(encode_payload(as_view(json::serialize(example.value().at("value"))), Uuid{}).has_value());
  }
  for (const auto& example : examples("/paths/~1v1~1constructPayload")) {
    EXPECT_TRUE(parse_construct(as_view(json::serialize(example.value().at("value")))).has_value());
  }
}

Inbound inbound(decltype(Inbound::content) content) {
  return {.id = *parse_uuid(kMessageId),
          .source = std::string(kPersonId),
          .destination = *parse_uuid(kBusinessId),
          .group = {},
          .intent = {},
          .locale = Text("en_US"),
          .content = std::move(content)};
}

TEST(OpenApi, ExamplesOfWebhooksAreWhatIsWritten) {
  const auto& all = examples("/webhooks/message");
  EXPECT_EQ(all.size(), 5U);
  const auto expect_written = [&](std::string_view name, const Inbound& message) {
    const auto webhook = write_webhook(message, {.capabilities = {}, .device_agent = {}, .gzip = false});
    ASSERT_TRUE(webhook.has_value());
    EXPECT_EQ(json::parse(as_text(webhook->body)), all.at(name).at("value")) << name;
  };
  Inbound text = inbound(InboundText{.body = Text("Hello"), .attachments = {}});
  text.group = Text("sales");
  text.intent = Text("order");
  expect_written("text", text);
  InboundText with{.body = Text("See \xef\xbf\xbc"), .attachments = {}};
  with.attachments.emplace_back();
  Attachment& one = with.attachments.back();
  one.name = Text("a.png");
  one.mime_type = Text("image/png");
  one.size_bytes = 12;
  one.signature.fill(std::byte{0xab});
  one.url = "https://service.example/b/1";
  one.owner = "o-1";
  std::ranges::fill(one.key.fill(), std::byte{0xcd});
  expect_written("attachment", inbound(std::move(with)));
  expect_written("typing_start", inbound(Typing{true}));
  expect_written("close", inbound(Closed{}));
  Inbound status = inbound(Status{.message = *parse_uuid("7c2e3d4f-a091-4b2c-9d8e-223344556677"), .read = true});
  status.locale = {};
  expect_written("status", status);
}

TEST(OpenApi, LimitsAreTheCodes) {
  const auto number = [](std::string_view pointer) {
    return document().at_pointer("/components/schemas" + std::string(pointer)).to_number<std::size_t>();
  };
  EXPECT_EQ(number("/Message/properties/body/maxLength"), kMaxTextCharacters);
  EXPECT_EQ(number("/Message/properties/attachments/maxItems"), kMaxAttachments);
  EXPECT_EQ(number("/Message/properties/group/maxLength"), kMaxTagCharacters);
  EXPECT_EQ(number("/Message/properties/locale/maxLength"), kMaxLocaleBytes);
  EXPECT_EQ(number("/Attachment/properties/size/anyOf/0/maximum"), kMaxAttachmentBytes);
  EXPECT_EQ(number("/Attachment/properties/name/maxLength"), kMaxFileNameBytes);
  EXPECT_EQ(number("/Attachment/properties/url/maxLength"), kMaxUrlBytes);
  EXPECT_EQ(number("/ListPicker/properties/sections/maxItems"), kMaxSections);
  EXPECT_EQ(number("/ListPicker/properties/sections/items/properties/items/maxItems"), kMaxSectionItems);
  EXPECT_EQ(number("/TimePicker/properties/timeslots/maxItems"), kMaxTimeSlots);
  EXPECT_EQ(number("/QuickReply/properties/items/minItems"), kMinQuickReplies);
  EXPECT_EQ(number("/QuickReply/properties/items/maxItems"), kMaxQuickReplies);
  EXPECT_EQ(number("/Form/properties/data/properties/pages/maxItems"), kMaxFormPages);
  EXPECT_EQ(number("/Form/properties/data/properties/pages/items/properties/items/maxItems"), kMaxFormItems);
  EXPECT_EQ(number("/Authentication/properties/oauth2/properties/scope/maxItems"), kMaxScopes);
  EXPECT_EQ(number("/InteractiveData/properties/URL/maxLength"), kMaxCustomUrlBytes);
  EXPECT_EQ(number("/InteractiveData/properties/data/properties/images/maxItems"), kMaxImages);
  EXPECT_EQ(number("/Bubble/properties/title/maxLength"), kMaxLabelCharacters);
  EXPECT_EQ(number("/Bubble/properties/imageIdentifier/maxLength"), kMaxIdentifierCharacters);
  EXPECT_EQ(number("/OpaqueId/maxLength"), kMaxOpaqueIdBytes);
}

/// What a missing member is answered with is on the list of errors, in the page and in the document.
TEST(OpenApi, ErrorsHaveTheirForm) {
  const auto& schema = document().at_pointer("/components/schemas/Error");
  const auto error = json::parse(to_json(parse(body_of("text", "")).error()));
  for (const auto& member : error.as_object()) {
    EXPECT_TRUE(schema.at("properties").as_object().contains(member.key())) << member.key();
  }
  const auto& names = schema.at_pointer("/properties/error/enum").as_array();
  EXPECT_EQ(std::ranges::count(names, error.at("error")), 1);
}

TEST(BusinessApi, ExamplesOfErrorsAreOurs) {
  const std::string page = file("business-api.md");
  const auto expect_line = [&](const Problem& problem) {
    std::string line = to_json(problem);
    for (std::size_t at = 0; (at = line.find("\",\"", at)) != line.npos; at += 4) line.replace(at, 3, "\", \"");
    for (std::size_t at = 0; (at = line.find("\":", at)) != line.npos; at += 3) line.replace(at, 2, "\": ");
    EXPECT_NE(page.find(line), page.npos) << line;
  };
  const auto missing = parse_data(without(kListPicker, "/data/requestIdentifier"));
  expect_line(missing.error());
  const std::vector<HeaderField> headers{{"id", "17"}};
  expect_line(parse_message_headers(headers).error());
}

}  // namespace
}  // namespace opaline::msp
