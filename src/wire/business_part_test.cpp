#include "wire/business_part.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "support/source_file.hpp"
#include "wire/contents_test_support.hpp"

namespace opaline::wire {
namespace {

using namespace testing;
using namespace std::string_literals;
using namespace std::string_view_literals;

SecretBytes encoded(const BusinessPart& part) {
  SecretBytes out;
  EXPECT_TRUE(encode(out, part));
  return out;
}
second::BusinessPart parse_second(ByteView bytes) {
  second::BusinessPart out;
  EXPECT_TRUE(out.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())));
  return out;
}
second::BusinessPart to_second(const BusinessPart& part) {
  second::BusinessPart out;
  out.set_kind(static_cast<second::BusinessPart::Kind>(part.kind));
  out.set_json(to_string(part.json));
  out.set_in_file(part.in_file);
  if (part.answers) out.set_answers(to_string(part.answers->view()));
  out.set_opaque_id(to_string(part.opaque_id));
  out.set_intent(to_string(part.intent));
  out.set_group(to_string(part.group));
  out.set_locale(to_string(part.locale));
  out.set_device_agent(to_string(part.device_agent));
  out.set_capabilities(part.capabilities);
  out.set_shared(to_string(part.shared));
  out.set_automatic(part.automatic);
  return out;
}

class BusinessParts : public ::testing::Test {
 protected:
  /// The answer to this part, the same in both directions.
  std::optional<ContentError> refusal(const BusinessPart& part) {
    SecretBytes out = to_secret_bytes(as_view("before"));
    const auto sent = encode(out, part);
    const std::string theirs = to_second(part).SerializeAsString();
    const auto received = decode_business_part(as_view(theirs));
    EXPECT_EQ(sent.has_value(), received.has_value());
    if (sent) return std::nullopt;
    EXPECT_EQ(as_text(out), "before");
    EXPECT_EQ(sent.error(), received.error());
    return sent.error();
  }
  BusinessPart from_person() {
    return {.answers = bodies_.message(),
            .opaque_id = bodies_.bytes(kOpaqueIdBytes),
            .intent = as_view("Frage zur Größe"),
            .group = as_view("shoes"),
            .locale = as_view("de_AT"),
            .device_agent = as_view("linux"),
            .capabilities = 63,
            .shared = as_view("name,phone")};
  }
  BusinessPart from_business() {
    return {.kind = PartKind::interactive, .json = as_view(R"({"version":"1.0"})"), .automatic = true};
  }
  Bodies bodies_{31};
};

TEST_F(BusinessParts, AreReadAlikeByBothImplementations) {
  BusinessPart rich = from_business();
  rich.kind = PartKind::rich_link;
  BusinessPart file = from_person();
  file.in_file = true;
  for (const BusinessPart& part :
       {BusinessPart{}, from_person(), from_business(), rich, file, BusinessPart{.kind = PartKind::close},
        BusinessPart{.kind = PartKind::interactive, .in_file = true}}) {
    const SecretBytes out = encoded(part);
    EXPECT_EQ(to_second(part).SerializeAsString(), as_text(out));
    EXPECT_EQ(parse_second(out).SerializeAsString(), as_text(out));
    const auto back = decode_business_part(out);
    ASSERT_TRUE(back);
    EXPECT_EQ(back->kind, part.kind);
    EXPECT_EQ(back->in_file, part.in_file);
    EXPECT_EQ(back->answers, part.answers);
    EXPECT_EQ(back->capabilities, part.capabilities);
    EXPECT_EQ(back->automatic, part.automatic);
    for (const auto field : {&BusinessPart::json, &BusinessPart::opaque_id, &BusinessPart::intent, &BusinessPart::group,
                             &BusinessPart::locale, &BusinessPart::device_agent, &BusinessPart::shared})
      EXPECT_TRUE(equal((*back).*field, part.*field));
  }
  EXPECT_TRUE(encoded(BusinessPart{}).empty()) << "words and nothing else need no part";
}

TEST_F(BusinessParts, LimitsHoldBothWays) {
  const auto with = [&](auto change) {
    BusinessPart part = from_business();
    change(part);
    return refusal(part);
  };
  EXPECT_EQ(with([](BusinessPart&) {}), std::nullopt);
  EXPECT_EQ(with([&](BusinessPart& p) { p.json = bodies_.text(kMaxPartJsonBytes); }), std::nullopt);
  EXPECT_EQ(with([&](BusinessPart& p) { p.json = bodies_.text(kMaxPartJsonBytes + 1); }), ContentError::oversized);
  EXPECT_EQ(with([](BusinessPart& p) { p.json = as_view("\"\xc0\xaf\""); }), ContentError::bad_utf8);
  for (const auto tag : {&BusinessPart::intent, &BusinessPart::group}) {
    const auto tagged = [&](ByteView text) { return with([&](BusinessPart& p) { p.*tag = text; }); };
    std::string foxes;
    for (std::size_t i = 0; i < kMaxTagCharacters; ++i) foxes += "🦊";
    EXPECT_EQ(foxes.size(), kMaxTagBytes);
    EXPECT_EQ(tagged(as_view(foxes)), std::nullopt);
    EXPECT_EQ(tagged(as_view(foxes + "x")), ContentError::oversized);
    EXPECT_EQ(tagged(bodies_.text(kMaxTagCharacters)), std::nullopt);
    EXPECT_EQ(tagged(bodies_.text(kMaxTagCharacters + 1)), ContentError::oversized);
    EXPECT_EQ(tagged(as_view("\xed\xa0\x80")), ContentError::bad_utf8);
  }
  const std::pair<ByteView BusinessPart::*, std::size_t> ascii[] = {{&BusinessPart::locale, kMaxLocaleBytes},
                                                                    {&BusinessPart::device_agent, kMaxDeviceAgentBytes},
                                                                    {&BusinessPart::shared, kMaxSharedBytes}};
  for (const auto& [field, limit] : ascii) {
    const auto holding = [&, f = field](ByteView text) { return with([&](BusinessPart& p) { p.*f = text; }); };
    EXPECT_EQ(holding(bodies_.text(limit)), std::nullopt);
    EXPECT_EQ(holding(bodies_.text(limit + 1)), ContentError::oversized);
    for (const std::string_view bad : {"a\nb"sv, "\0"sv, "\x7f"sv, "ü"sv})
      EXPECT_EQ(holding(as_view(bad)), ContentError::malformed) << to_hex(as_view(bad));
  }
  for (const std::size_t size : {1, 36, 38})
    EXPECT_EQ(with([&](BusinessPart& p) { p.opaque_id = bodies_.bytes(size); }), ContentError::malformed);
  EXPECT_EQ(with([](BusinessPart& p) { p.answers = MessageId{}; }), ContentError::malformed);
}

TEST_F(BusinessParts, AllOfItTogetherHasALimitToo) {
  std::string foxes;
  for (std::size_t i = 0; i < kMaxTagCharacters; ++i) foxes += "🦊";
  BusinessPart part = from_business();
  part.intent = as_view(foxes);
  part.json = bodies_.text(kMaxPartJsonBytes - 300);
  EXPECT_EQ(refusal(part), std::nullopt);
  part.group = as_view(foxes);
  EXPECT_EQ(refusal(part), ContentError::oversized);
}

TEST_F(BusinessParts, JsonIsWhereTheKindSays) {
  const ByteView json = as_view("{}");
  for (const PartKind kind : {PartKind::interactive, PartKind::rich_link}) {
    EXPECT_EQ(refusal({.kind = kind, .json = json}), std::nullopt);
    EXPECT_EQ(refusal({.kind = kind, .in_file = true}), std::nullopt);
    EXPECT_EQ(refusal({.kind = kind}), ContentError::malformed);
    EXPECT_EQ(refusal({.kind = kind, .json = json, .in_file = true}), ContentError::malformed);
  }
  EXPECT_EQ(refusal({.json = json}), ContentError::malformed);
  EXPECT_EQ(refusal({.in_file = true}), std::nullopt);
  EXPECT_EQ(refusal({.kind = PartKind::close}), std::nullopt);
  EXPECT_EQ(refusal({.kind = PartKind::close, .json = json}), ContentError::malformed);
  EXPECT_EQ(refusal({.kind = PartKind::close, .in_file = true}), ContentError::malformed);
}

TEST_F(BusinessParts, AKindFromTheFutureIsUnknownAndNotSent) {
  second::BusinessPart theirs = to_second(from_person());
  for (const int kind : {4, 255, 256, 1 << 20}) {
    theirs.set_kind(static_cast<second::BusinessPart::Kind>(kind));
    theirs.set_json("{}");
    theirs.set_in_file(true);
    const std::string bytes = theirs.SerializeAsString();
    const auto part = decode_business_part(as_view(bytes));
    ASSERT_TRUE(part) << kind;
    EXPECT_EQ(part->kind, PartKind::unknown);
    EXPECT_EQ(as_text(part->group), "shoes");
    SecretBytes out;
    EXPECT_EQ(encode(out, *part).error(), ContentError::malformed);
  }
  theirs.set_locale("\x01");
  EXPECT_FALSE(decode_business_part(as_view(theirs.SerializeAsString()))) << "limits hold all the same";
}

TEST_F(BusinessParts, FieldsFromTheFutureAreSkipped) {
  const std::string bytes = to_second(from_person()).SerializeAsString() + "\xfa\x01\x02hi"s;
  ASSERT_TRUE(decode_business_part(as_view(bytes)));
  EXPECT_EQ(as_text(decode_business_part(as_view(bytes))->locale), "de_AT");
  EXPECT_FALSE(decode_business_part(as_view("\x2a\x7f"sv))) << "a length beyond the end";
  EXPECT_FALSE(decode_business_part(as_view("\x28\x07"sv))) << "a number where the opaque id should be";
}

TEST_F(BusinessParts, HostileBytesEndInAnErrorOrMeanTheSameToBoth) {
  const auto agree = [](ByteView bytes) {
    const auto part = decode_business_part(bytes);
    if (!part || part->kind == PartKind::unknown) return;
    const SecretBytes again = encoded(*part);
    second::BusinessPart theirs;
    if (!theirs.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return;
    theirs.DiscardUnknownFields();
    EXPECT_EQ(theirs.SerializeAsString(), as_text(again));
  };
  EXPECT_TRUE(rc::check([&](const std::vector<std::uint8_t>& raw) { agree(std::as_bytes(std::span(raw))); }));
  for (const BusinessPart& part : {from_person(), from_business()}) {
    const SecretBytes whole = encoded(part);
    for (std::size_t size = 0; size < whole.size(); ++size) agree(ByteView(whole).first(size));
    for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
      SecretBytes damaged = whole;
      damaged[bit / 8] ^= static_cast<std::byte>(1U << bit % 8);
      agree(damaged);
    }
  }
}

TEST_F(BusinessParts, TheirLimitsAreOnThePage) {
  const std::string page = opaline::testing::source_file("docs/protocol.md");
  const std::size_t begin = page.find("### Between a person and a business");
  ASSERT_NE(begin, std::string::npos);
  const std::string section = page.substr(begin, page.find("\n### ", begin + 1) - begin);
  const auto with_commas = [](std::size_t n) {
    std::string out = std::to_string(n);
    if (out.size() > 3) out.insert(out.size() - 3, ",");
    return out;
  };
  for (const std::size_t limit :
       {kMaxPartBytes, kMaxTextAndPartBytes, kMaxPartJsonBytes, kMaxTagBytes, kMaxTagCharacters, kMaxLocaleBytes,
        kMaxDeviceAgentBytes, kMaxSharedBytes, kOpaqueIdBytes})
    EXPECT_NE(section.find(with_commas(limit) + " "), std::string::npos) << limit;
  const auto* fields = second::BusinessPart::descriptor();
  for (int i = 0; i < fields->field_count(); ++i)
    EXPECT_NE(section.find("`" + std::string(fields->field(i)->name()) + "`"), std::string::npos)
        << fields->field(i)->name();
}

TEST_F(BusinessParts, StandBesideTheWordsOrAlone) {
  const ByteView part = bodies_.bytes(kMaxPartBytes);
  const auto refused = [&](const Text& text) -> std::optional<ContentError> {
    SecretBytes out;
    const auto sent = encode(out, bodies_.content(text));
    second::Content theirs;
    theirs.set_message_id(std::string(16, 'm'));
    theirs.mutable_text()->set_text(to_string(text.utf8));
    theirs.mutable_text()->set_part(to_string(text.part));
    const std::string bytes = theirs.SerializeAsString();
    const auto received = decode_content(as_view(bytes));
    EXPECT_EQ(sent.has_value(), received.has_value());
    if (received) {
      EXPECT_TRUE(equal(std::get<Text>(received->body).part, text.part));
      return std::nullopt;
    }
    EXPECT_EQ(sent.error(), received.error());
    return received.error();
  };
  EXPECT_EQ(refused({.utf8 = {}, .sender_handle = {}, .part = part}), std::nullopt);
  EXPECT_EQ(refused({.utf8 = {}, .sender_handle = {}, .part = bodies_.bytes(1)}), std::nullopt);
  EXPECT_EQ(refused({.utf8 = {}, .sender_handle = {}, .part = bodies_.bytes(kMaxPartBytes + 1)}),
            ContentError::oversized);
  const std::size_t words = kMaxTextAndPartBytes - kMaxPartBytes;
  EXPECT_EQ(refused({.utf8 = bodies_.text(words), .sender_handle = {}, .part = part}), std::nullopt);
  EXPECT_EQ(refused({.utf8 = bodies_.text(words + 1), .sender_handle = {}, .part = part}), ContentError::oversized);
}

}  // namespace
}  // namespace opaline::wire
