#include "msp/connector.hpp"

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
          .locale = {},
          .content = std::move(content)};
}
InboundText text_of(std::string_view body) {
  return {.body = Text(body), .attachments = {}};
}
Webhook sent(const Inbound& message, bool gzip) {
  return write_webhook(message, {.capabilities = {}, .device_agent = "linux", .gzip = gzip}).value();
}
Result<FromPerson, Problem> read(const Webhook& webhook) {
  std::vector<HeaderField> fields;
  for (const auto& header : webhook.headers) fields.push_back({header.name, header.value});
  return read_webhook(fields, webhook.body);
}

TEST(Connector, ReadsWhatAGatewayWrites) {
  for (const bool gzip : {false, true}) {
    const auto got = read(sent(inbound(text_of("+4915112345678\nHello")), gzip));
    ASSERT_TRUE(got);
    EXPECT_EQ(to_text(got->id), kMessageId);
    EXPECT_EQ(got->person, kPersonId);
    EXPECT_EQ(to_text(got->business), kBusinessId);
    ASSERT_TRUE(std::holds_alternative<PersonText>(got->content));
    EXPECT_EQ(std::get<PersonText>(got->content).body, "+4915112345678\nHello");
    EXPECT_EQ(std::get<PersonText>(got->content).attachments, 0U);
  }
  EXPECT_TRUE(std::holds_alternative<Closed>(read(sent(inbound(Closed{}), true))->content));
  EXPECT_TRUE(std::holds_alternative<OtherContent>(read(sent(inbound(Typing{true}), true))->content));
}

TEST(Connector, WhatDoesNotAgreeIsRefused) {
  const Webhook good = sent(inbound(text_of("Hello")), false);
  ASSERT_TRUE(read(good));
  for (const std::size_t header : {std::size_t{1}, std::size_t{2}, std::size_t{3}}) {
    Webhook bad = good;
    bad.headers[header].value = header == 2 ? "urn:mbid:AAAA" : "00000000-0000-4000-8000-000000000000";
    EXPECT_EQ(read(bad).error().error, Error::mismatch) << good.headers[header].name;
    bad.headers[header].value = "x";
    EXPECT_EQ(read(bad).error().error, Error::malformed);
    bad.headers.erase(bad.headers.begin() + static_cast<std::ptrdiff_t>(header));
    EXPECT_FALSE(read(bad));
  }
  Webhook cut = sent(inbound(text_of("Hello")), true);
  cut.body.pop_back();
  EXPECT_EQ(read(cut).error().status, 400U);
  Webhook other = good;
  other.headers.push_back({"Content-Encoding", "br"});
  EXPECT_EQ(read(other).error().error, Error::unsupported);
  const auto changed = [&](std::string_view from, std::string_view to) {
    Webhook out = good;
    std::string text = to_string(out.body);
    text.replace(text.find(from), from.size(), to);
    out.body = to_secret_bytes(as_view(text));
    return read(out);
  };
  EXPECT_FALSE(changed("\"v\":1", "\"v\":2"));
  EXPECT_FALSE(changed("\"type\":\"text\"", "\"type\":\"\""));
  EXPECT_FALSE(changed("\"body\":\"Hello\"", "\"body\":7"));
  EXPECT_TRUE(changed("\"type\":\"text\"", "\"type\":\"later\""));
}

TEST(Connector, WritesWhatAGatewayTakes) {
  const auto written = write_text(*parse_uuid(kMessageId), *parse_uuid(kBusinessId), kPersonId, "Hello \"Ben\"\n");
  std::vector<HeaderField> fields;
  for (const auto& header : written.headers) fields.push_back({header.name, header.value});
  const auto got = parse_message(fields, written.body);
  ASSERT_TRUE(got);
  EXPECT_EQ(to_text(got->headers.id), kMessageId);
  EXPECT_EQ(got->headers.destination, kPersonId);
  EXPECT_EQ(std::get<TextMessage>(got->content).body, "Hello \"Ben\"\n");
}

}  // namespace
}  // namespace opaline::msp
