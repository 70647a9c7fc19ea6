#include "wire/contents.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "base/random.hpp"
#include "second/content.pb.h"

namespace opaline::wire {
namespace {

namespace second = opaline::content::v1;  // libprotobuf's reading of the same proto file

Content sample(SeededRandom& random) {
  Content c;
  c.message = random.id<MessageId>();
  c.list_number = ListNumber(3);
  c.own_list_number = ListNumber(9);
  c.list_check = 0x0102'0304'0506'0708;
  c.own_list_check = UINT64_MAX;
  c.sent_at = from_unix_millis(1'800'000'000'123);
  return c;
}

second::Content parse_second(ByteView bytes) {
  second::Content out;
  EXPECT_TRUE(out.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())));
  return out;
}

TEST(Contents, TextIsReadAlikeByBothImplementations) {
  SeededRandom random(1);
  Content c = sample(random);
  c.body = Text{as_view("Grüße, 世界 🦊"), as_view("anna@example.org")};
  SecretBytes out;
  ASSERT_TRUE(encode(out, c));
  const auto theirs = parse_second(out);
  EXPECT_EQ(theirs.text().text(), "Grüße, 世界 🦊");
  EXPECT_EQ(theirs.message_id(), to_string(c.message.view()));
  EXPECT_EQ(theirs.list_number(), 3U);
  EXPECT_EQ(theirs.list_check(), 0x0102'0304'0506'0708U);
  EXPECT_EQ(theirs.own_list_check(), UINT64_MAX);
  EXPECT_EQ(theirs.sent_at_ms(), 1'800'000'000'123U);
  const std::string bytes = theirs.SerializeAsString();  // what we decode borrows it
  const auto ours = decode_content(as_view(bytes));
  ASSERT_TRUE(ours);
  EXPECT_EQ(as_text(std::get<Text>(ours->body).utf8), "Grüße, 世界 🦊");
  EXPECT_EQ(as_text(std::get<Text>(ours->body).sender_handle), "anna@example.org");
  EXPECT_EQ(ours->list_check, c.list_check);
  EXPECT_EQ(ours->own_list_check, c.own_list_check);
  EXPECT_EQ(ours->message, c.message);
}

TEST(Contents, EveryBodyRoundTrips) {
  SeededRandom random(2);
  const Bytes list(1000, std::byte{7});
  Receipt receipt{.kind = ReceiptKind::read, .ids = {}, .count = kMaxReceiptIds};
  for (auto& id : receipt.ids) id = random.id<MessageId>();
  const decltype(Content::body) bodies[] = {
      UnknownBody{},   Text{as_view("a"), {}}, receipt,       Retry{random.id<EnvelopeId>(), from_unix_millis(5), 3},
      NewerList{list}, Typing{true},           Typing{false}, SessionHello{}};
  for (const auto& body : bodies) {
    Content c = sample(random);
    c.body = body;
    SecretBytes out;
    ASSERT_TRUE(encode(out, c));
    const auto back = decode_content(out);
    ASSERT_TRUE(back);
    ASSERT_EQ(back->body.index(), body.index());
    SecretBytes second_time;
    ASSERT_TRUE(encode(second_time, *back));
    EXPECT_TRUE(equal(out, second_time));
    EXPECT_EQ(parse_second(out).body_case() == second::Content::BODY_NOT_SET, body.index() == 0);
  }
}

TEST(Contents, LimitsAndUtf8AreCheckedBothWays) {
  SeededRandom random(3);
  Content c = sample(random);
  SecretBytes out;
  const Bytes longest(kMaxTextBytes, std::byte{'a'}), too_long(kMaxTextBytes + 1, std::byte{'a'});
  c.body = Text{longest, {}};
  EXPECT_TRUE(encode(out, c));
  c.body = Text{too_long, {}};
  EXPECT_EQ(encode(out, c).error(), ContentError::oversized);
  c.body = Text{as_view("\xc0\xaf"), {}};
  EXPECT_EQ(encode(out, c).error(), ContentError::bad_utf8);
  second::Content theirs;
  theirs.set_message_id(std::string(16, 'm'));
  theirs.mutable_text()->set_text("\xed\xa0\x80");
  EXPECT_EQ(decode_content(as_view(theirs.SerializeAsString())).error(), ContentError::bad_utf8);
  theirs.mutable_text()->set_text(std::string(kMaxTextBytes + 1, 'a'));
  EXPECT_EQ(decode_content(as_view(theirs.SerializeAsString())).error(), ContentError::oversized);
}

TEST(Contents, MalformedStructuresAreRefused) {
  second::Content theirs;
  theirs.mutable_typing();
  EXPECT_FALSE(decode_content(as_view(theirs.SerializeAsString()))) << "no message id";
  theirs.set_message_id("short");
  EXPECT_FALSE(decode_content(as_view(theirs.SerializeAsString())));
  theirs.set_message_id(std::string(16, 'm'));
  EXPECT_TRUE(decode_content(as_view(theirs.SerializeAsString())));
  // Two bodies in one message: libprotobuf would take the last, so we must not take either.
  second::Content other;
  other.mutable_hello();
  EXPECT_FALSE(decode_content(as_view(theirs.SerializeAsString() + other.SerializeAsString())));
  theirs.mutable_receipt()->set_kind(second::Receipt::DELIVERED);
  EXPECT_FALSE(decode_content(as_view(theirs.SerializeAsString()))) << "a receipt for nothing";
}

TEST(Contents, ABodyFromTheFutureIsUnknownAndNoError) {
  second::Content theirs;
  theirs.set_message_id(std::string(16, 'm'));
  std::string bytes = theirs.SerializeAsString();
  bytes += std::string("\xfa\x01\x02hi", 5);  // field 31, two bytes
  const auto content = decode_content(as_view(bytes));
  ASSERT_TRUE(content);
  EXPECT_TRUE(std::holds_alternative<UnknownBody>(content->body));
}

TEST(Contents, HostileBytesEndInAnErrorOrInSomethingThatEncodes) {
  EXPECT_TRUE(rc::check([](const std::vector<std::uint8_t>& raw) {
    const auto content = decode_content(std::as_bytes(std::span(raw)));
    if (content) {
      SecretBytes out;
      RC_ASSERT(encode(out, *content).has_value());
    }
  }));
  SeededRandom random(4);
  Content c = sample(random);
  c.list_check = c.own_list_check = 0;  // they would come after the body
  c.body = Text{as_view("hello"), {}};
  SecretBytes out;
  ASSERT_TRUE(encode(out, c));
  for (std::size_t size = 0; size < out.size(); ++size) {
    const auto cut = decode_content(ByteView(out).first(size));
    if (cut) EXPECT_FALSE(std::holds_alternative<Text>(cut->body));
  }
}

}  // namespace
}  // namespace opaline::wire
