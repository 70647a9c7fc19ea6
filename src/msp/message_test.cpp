#include "msp/message.hpp"

#include "msp/base64.hpp"
#include "msp/msp_test_support.hpp"

namespace opaline::msp {
namespace {

using namespace testing;

const std::string kChecksum = to_base64(Bytes(kChecksumBytes, std::byte{0xa5}));
const std::string kHexKey = "00" + std::string(64, 'c');
std::string attachment(std::string_view size = "\"12\"", std::string_view more = {}) {
  return R"({"name":"a.png","mimeType":"image/png","size":)" + std::string(size) + R"(,"signature-base64":")" +
         kChecksum + R"(","url":"https://s.example/b/1","owner":"o-1","key":")" + kHexKey + "\"" + std::string(more) +
         "}";
}
std::string text_with(std::string_view body, std::string_view attachments) {
  return body_of("text", R"("body":)" + in_quotes(body) + R"(,"attachments":[)" + std::string(attachments) + "]");
}
const std::string kText = body_of("text", R"("body":"Hello","locale":"en_US","group":"sales","intent":"order")");

TEST(Message, Text) {
  const auto message = parse(kText);
  ASSERT_TRUE(message.has_value());
  EXPECT_EQ(std::get<TextMessage>(message->content).body, "Hello");
  EXPECT_EQ(message->locale, "en_US");
  EXPECT_EQ(message->group, "sales");
  EXPECT_EQ(message->intent, "order");
  EXPECT_EQ(to_text(message->headers.id), kMessageId);
}

TEST(Message, NullIsAsAbsent) {
  EXPECT_TRUE(parse(body_of("text", R"("body":"Hello","group":null,"intent":null,"locale":null,"attachments":null,
                                       "interactiveData":null)"))
                  .has_value());
  expect_problem(parse(body_of("text", R"("body":null)")), 400, Error::missing, "/body");
}

TEST(Message, UnknownMembersArePassedOver) {
  EXPECT_TRUE(parse(body_of("text", R"("body":"Hello","future":{"body":[1,2,3]})")).has_value());
}

TEST(Message, HeadersAndBodyAgree) {
  expect_problem(parse(without(kText, "/id")), 400, Error::missing, "/id");
  expect_problem(parse(changed(kText, "/id", "\"6b1d2c3e-9f80-4a1b-8c7d-112233445567\"")), 400, Error::mismatch, "/id");
  expect_problem(parse(changed(kText, "/id", "17")), 400, Error::mismatch, "/id");
  EXPECT_TRUE(parse(changed(kText, "/id", "\"6B1D2C3E-9F80-4A1B-8C7D-112233445566\"")).has_value());
  expect_problem(parse(changed(kText, "/sourceId", in_quotes(kMessageId))), 400, Error::mismatch, "/sourceId");
  expect_problem(parse(changed(kText, "/destinationId", "\"urn:mbid:else\"")), 400, Error::mismatch, "/destinationId");
  EXPECT_TRUE(parse(without(without(kText, "/sourceId"), "/destinationId")).has_value());
}

TEST(Message, HasVersionOneAndAType) {
  for (const std::string_view one : {"1", "1.0", "\"1\""}) EXPECT_TRUE(parse(changed(kText, "/v", one)).has_value());
  expect_problem(parse(without(kText, "/v")), 400, Error::missing, "/v");
  for (const std::string_view other : {"2", "0", "-1"}) {
    expect_problem(parse(changed(kText, "/v", other)), 400, Error::unsupported, "/v");
  }
  expect_problem(parse(changed(kText, "/v", "[1]")), 400, Error::malformed, "/v");
  expect_problem(parse(without(kText, "/type")), 400, Error::missing, "/type");
  for (const std::string_view other : {"\"close\"", "\"Text\"", "\"payment\"", "1"}) {
    expect_problem(parse(changed(kText, "/type", other)), 400, Error::unsupported, "/type");
  }
}

TEST(Message, TextIsBoundedInCharacters) {
  const auto of = [](std::string_view one, std::size_t count) {
    std::string out;
    for (std::size_t i = 0; i < count; ++i) out += one;
    return parse(body_of("text", R"("body":)" + in_quotes(out)));
  };
  EXPECT_TRUE(of("x", kMaxTextCharacters).has_value());
  EXPECT_TRUE(of("😀", kMaxTextCharacters).has_value());
  expect_problem(of("x", kMaxTextCharacters + 1), 400, Error::oversized, "/body");
  expect_problem(of("é", kMaxTextCharacters + 1), 400, Error::oversized, "/body");
  expect_problem(of("", 1), 400, Error::missing, "/body");
  expect_problem(parse(body_of("text", R"("body":{"text":"x"})")), 400, Error::malformed, "/body");
}

TEST(Message, TypingIsTwoTypes) {
  EXPECT_TRUE(std::get<Typing>(parse(body_of("typing_start", ""))->content).active);
  EXPECT_FALSE(std::get<Typing>(parse(body_of("typing_end", ""))->content).active);
}

TEST(Message, AttachmentsInTheDialectsOfConnectors) {
  const std::string older = R"({"name":"a.png","mime-type":"image/png","file-size":"12","mmcs-signature-hex":")" +
                            to_hex(Bytes(kChecksumBytes, std::byte{0xa5})) +
                            R"(","mmcs-url":"https://s.example/b/1","mmcs-owner":"o-1","decryption-key":")" + kHexKey +
                            "\"}";
  for (const std::string& one : {attachment("\"12\""), attachment("12"), attachment("12.0"), older}) {
    const auto message = parse(text_with("See \xef\xbf\xbc here", one));
    ASSERT_TRUE(message.has_value()) << one;
    const auto& text = std::get<TextMessage>(message->content);
    ASSERT_EQ(text.attachments.size(), 1U);
    EXPECT_EQ(text.attachments[0].size_bytes, 12U);
    EXPECT_EQ(text.attachments[0].name, "a.png");
    EXPECT_EQ(text.attachments[0].mime_type, "image/png");
    EXPECT_EQ(text.attachments[0].url, "https://s.example/b/1");
    EXPECT_EQ(text.attachments[0].signature[0], std::byte{0xa5});
    EXPECT_EQ(text.attachments[0].key.reveal()[0], std::byte{0xcc});
    EXPECT_EQ(text.body, "See \xef\xbf\xbc here");
  }
  const std::string body = text_with("\xef\xbf\xbc", attachment());
  const std::string at = "/attachments/0/";
  for (const std::string& hex : {std::string(64, 'A').replace(0, 64, to_hex(Bytes(32, std::byte{0xa5}))),
                                 std::string("A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5")}) {
    EXPECT_TRUE(parse(changed(body, at + "signature", in_quotes(hex))).has_value());
    EXPECT_TRUE(parse(without(changed(body, at + "signature", in_quotes(hex)), at + "signature-base64")).has_value());
  }
  EXPECT_TRUE(parse(changed(body, at + "signature", in_quotes(kChecksum))).has_value());  // base64 under both names
  EXPECT_TRUE(parse(changed(body, at + "key", "\"00" + std::string(64, 'F') + "\"")).has_value());
}

TEST(Message, AttachmentsDamaged) {
  const std::string body = text_with("\xef\xbf\xbc", attachment());
  const std::string at = "/attachments/0/";
  for (const std::string field : {"size", "url", "owner", "key"}) {
    expect_problem(parse(without(body, at + field)), 400, Error::missing, at + field);
    expect_problem(parse(changed(body, at + field, "[]")), 400, Error::malformed, at + field);
  }
  expect_problem(parse(without(body, at + "signature-base64")), 400, Error::missing, at + "signature-base64");
  const std::pair<std::string, std::string> wrong[] = {{"size", "0"},
                                                       {"size", "104857601"},
                                                       {"size", "-1"},
                                                       {"size", "\"twelve\""},
                                                       {"size", "1e30"},
                                                       {"key", in_quotes(std::string(66, 'c'))},
                                                       {"key", in_quotes(std::string(64, 'c'))},
                                                       {"key", in_quotes("00" + std::string(63, 'c') + "g")},
                                                       {"key", in_quotes("00" + std::string(66, 'c'))},
                                                       {"signature-base64", "\"AAAA\""},
                                                       {"signature-base64", in_quotes(to_hex(Bytes(32)))},
                                                       {"signature", "\"zz\""},
                                                       {"url", "\"https://s.example/a b\""},
                                                       {"mimeType", "\"image/\\npng\""}};
  for (const auto& [field, value] : wrong) {
    const auto message = parse(changed(body, at + field, value));
    ASSERT_FALSE(message.has_value()) << field << value;
    EXPECT_EQ(message.error().pointer, at + field);
    EXPECT_EQ(message.error().status, 400U);
  }
  expect_problem(parse(changed(body, at + "signature", in_quotes(to_hex(Bytes(32))))), 400, Error::mismatch,
                 at + "signature");
  std::string many = attachment();
  for (std::size_t i = 1; i < kMaxAttachments; ++i) many += "," + attachment();
  EXPECT_TRUE(parse(text_with("", many)).has_value());
  expect_problem(parse(text_with("", many + "," + attachment())), 400, Error::oversized, "/attachments");
}

TEST(Message, FileNamesAreNobodysPath) {
  const auto named = [](std::string_view name) {
    Attachment one;
    one.name = Text(name);
    return std::string(file_name(one).view());
  };
  EXPECT_EQ(named("caf\xc3\xa9 1.png"), "caf\xc3\xa9 1.png");
  EXPECT_EQ(named("../../etc/passwd"), ".._.._etc_passwd");
  EXPECT_EQ(named("a\\b\nc\x1b\x7f"), "a_b_c__");
  EXPECT_EQ(named("gpj.\xe2\x80\xae"
                  "exe"),
            "gpj._exe");
  for (const std::string_view nothing : {"", ".", ".."}) EXPECT_EQ(named(nothing), "attachment");
  std::string wide;
  for (int i = 0; i < 200; ++i) wide += "\xe2\x82\xac";
  EXPECT_EQ(named(wide).size(), 198U);  // no half character
}

TEST(Message, PlaceholdersAreCompletedNeverDropped) {
  const auto body = [](std::string_view text, std::string_view attachments) {
    auto message = parse(text_with(text, attachments));
    EXPECT_TRUE(message.has_value());
    return std::string(std::get<TextMessage>(message->content).body.view());
  };
  const std::string two = attachment() + "," + attachment();
  EXPECT_EQ(body("a", attachment()), "a\xef\xbf\xbc");
  EXPECT_EQ(body("", attachment()), "\xef\xbf\xbc");
  EXPECT_EQ(body("\xef\xbf\xbc"
                 "a",
                 two),
            "\xef\xbf\xbc"
            "a\xef\xbf\xbc");
  expect_problem(parse(text_with("\xef\xbf\xbc\xef\xbf\xbc", attachment())), 400, Error::mismatch, "/body");
  expect_problem(parse(text_with("lost: \xef\xbf\xbc", "")), 400, Error::mismatch, "/body");
}

TEST(Message, RichLink) {
  const std::string link =
      body_of("richLink", R"("richLinkData":{"url":"https://shop.example/p","title":"A thing","assets":{
                 "image":{"data":"iVBORw0KGgo=","mimeType":"image/png"},
                 "video":{"url":"https://shop.example/v.mp4","mimeType":"video/mp4"}}})");
  const auto message = parse(link);
  ASSERT_TRUE(message.has_value());
  const auto& rich = std::get<RichLink>(message->content);
  EXPECT_EQ(rich.url, "https://shop.example/p");
  EXPECT_EQ(rich.image.size(), 8U);
  EXPECT_EQ(rich.video_type, "video/mp4");
  const std::string at = "/richLinkData";
  EXPECT_TRUE(parse(without(link, at + "/assets/video")).has_value());
  for (const std::string field :
       {"", "/url", "/title", "/assets/image/data", "/assets/image/mimeType", "/assets/image"}) {
    expect_problem(parse(without(link, at + field)), 400, Error::missing, at + field);
  }
  expect_problem(parse(without(link, at + "/assets")), 400, Error::missing, at + "/assets/image");
  for (const std::string_view url :
       {"\"javascript:alert(1)\"", "\"ftp://x\"", "\"https://\"", "\"https://a b\"", "\"https://a\xe2\x80\xae/x\""}) {
    expect_problem(parse(changed(link, at + "/url", url)), 400, Error::malformed, at + "/url");
  }
  const auto image = [&](std::size_t size) {
    return parse(changed(link, at + "/assets/image/data", in_quotes(to_base64(Bytes(size)))));
  };
  EXPECT_TRUE(image(kMaxRichImageBytes).has_value());
  expect_problem(image(kMaxRichImageBytes + 1), 400, Error::oversized, at + "/assets/image/data");
  EXPECT_TRUE(parse(changed(link, at + "/assets/image/data", "\"iVBO\\nRw0KGgo=\\r\\n\"")).has_value());
  expect_problem(parse(changed(link, at + "/assets/image/data", "\"\\n\"")), 400, Error::malformed,
                 at + "/assets/image/data");
  expect_problem(parse(changed(link, at + "/assets/image/data", "\"%%%%\"")), 400, Error::malformed,
                 at + "/assets/image/data");
}

TEST(Message, ARichLinkIsWrittenAsItIsRead) {
  for (const std::string_view video : {"", R"(,"video":{"mimeType":"video/mp4","url":"https://shop.example/v.mp4"})"}) {
    const std::string written = R"({"assets":{"image":{"data":"iVBORw0KGgo=","mimeType":"image/png"})" +
                                std::string(video) + R"(},"title":"\"A\" thing","url":"https://shop.example/p"})";
    const auto link = parse_rich_link(as_view(written));
    ASSERT_TRUE(link.has_value()) << to_json(link.error());
    EXPECT_EQ(link->title, "\"A\" thing");
    EXPECT_EQ(as_text(write_rich_link(*link)), written);
  }
  expect_problem(parse_rich_link(as_view(R"({"url":"https://shop.example/p","title":"x"})")), 400, Error::missing,
                 "/assets/image");
  expect_problem(parse_rich_link(as_view("[]")), 400, Error::malformed, "");
}

TEST(Message, DataRef) {
  const std::string message =
      body_of("interactive", R"("interactiveDataRef":{"bid":)" + in_quotes(kBid) +
                                 R"(,"owner":"o","url":"https://s.example/b/2","size":20000,"signature-base64":")" +
                                 kChecksum + R"(","title":"Pick","dataRefSig":"AQID"})");
  const auto parsed = parse(message);
  ASSERT_TRUE(parsed.has_value());
  const auto& ref = std::get<DataRef>(parsed->content);
  EXPECT_EQ(ref.size_bytes, 20000U);
  EXPECT_EQ(ref.title, "Pick");
  EXPECT_EQ(ref.service_signature.size(), 3U);
  EXPECT_FALSE(ref.key.has_value());
  // What the service answers with can be sent again.
  const auto answer = write_data_ref_answer(ref);
  const auto again = json::serialize(json::parse(as_text(answer)).at("dataRef"));
  const auto back = parse_data_ref(as_view(again));
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(as_text(write_data_ref(*back)), again);
  for (const std::string field : {"bid", "owner", "url", "size"}) {
    expect_problem(parse(without(message, "/interactiveDataRef/" + field)), 400, Error::missing,
                   "/interactiveDataRef/" + field);
  }
  expect_problem(parse(changed(message, "/interactiveDataRef/key", "\"00ff\"")), 400, Error::malformed,
                 "/interactiveDataRef/key");
  expect_problem(parse(changed(message, "/interactiveData", kQuickReply)), 400, Error::malformed,
                 "/interactiveDataRef");
  expect_problem(parse(body_of("interactive", "")), 400, Error::missing, "/interactiveData");
}

TEST(Message, InteractiveIsSealedWithItsId) {
  const auto message = parse(body_of("interactive", "\"interactiveData\":" + kListPicker));
  ASSERT_TRUE(message.has_value());
  const auto& interactive = std::get<Interactive>(message->content);
  EXPECT_EQ(interactive.session_identifier, kMessageId);
  const auto direct = parse_data(kListPicker);
  ASSERT_TRUE(direct.has_value());
  EXPECT_EQ(as_text(direct->json), as_text(interactive.json));
}

TEST(Message, AuthenticateTakesNothingElse) {
  const auto headers = message_headers();
  const auto at = [&](const std::string& data) {
    return parse_authenticate(headers, as_view(body_of("interactive", "\"interactiveData\":" + data)));
  };
  EXPECT_TRUE(at(kAuthentication).has_value());
  expect_problem(at(kQuickReply), 400, Error::missing, "/interactiveData/data/authenticate");
  expect_problem(parse_authenticate(headers, as_view(kText)), 400, Error::missing,
                 "/interactiveData/data/authenticate");
}

TEST(Message, IsBoundedAndAnObject) {
  expect_problem(parse(std::string(kMaxBodyBytes + 1, ' ')), 413, Error::oversized, "");
  for (const std::string_view body : {"[]", "\"text\"", "1", "null", "true"}) {
    const auto message = parse(body);
    ASSERT_FALSE(message.has_value()) << body;
    EXPECT_EQ(message.error().status, 400U);
  }
  expect_problem(parse(""), 400, Error::malformed, "");
}

// What is taken can be read again, also where its canonical form is longer than what came.
TEST(Message, AtTheLimitsIsStillReadable) {
  std::string numbers;
  for (int i = 0; i < 15'000; ++i) numbers += std::string(i ? "," : "") + "1e5";
  std::string body =
      body_of("interactive", "\"interactiveData\":" +
                                 data_of(R"("more":[)" + numbers + R"(],"pad":"PAD",)" + R"("quick-reply":{"items":[
                                 {"identifier":"1","title":"1"},{"identifier":"2","title":"2"}]})"));
  body.replace(body.find("PAD"), 3, std::string(kMaxBodyBytes - body.size() + 3, 'x'));
  ASSERT_EQ(body.size(), kMaxBodyBytes);
  const auto message = parse(body);
  ASSERT_TRUE(message.has_value()) << to_json(message.error());
  const auto& interactive = std::get<Interactive>(message->content);
  EXPECT_GT(interactive.json.size(), kMaxBodyBytes);
  EXPECT_TRUE(parse_interactive(interactive.json, Uuid{}).has_value());
}

// Wherever a value of another kind stands, the answer is a message or a 400 that points there or above, and says
// nothing of it.
TEST(Message, DamagedAnywhere) {
  const std::string bodies[] = {text_with("\xef\xbf\xbc", attachment()),
                                body_of("interactive", "\"interactiveData\":" + kListPicker),
                                body_of("interactive", "\"interactiveData\":" + kTimePicker),
                                body_of("interactive", "\"interactiveData\":" + kQuickReply),
                                body_of("interactive", "\"interactiveData\":" + kForm),
                                body_of("interactive", "\"interactiveData\":" + kAuthentication),
                                body_of("interactive", "\"interactiveData\":" + kCustomApp)};
  std::size_t refused = 0, taken = 0;
  for (const std::string& body : bodies) {
    ASSERT_TRUE(parse(body).has_value()) << body;
    std::vector<std::string> pointers;
    const auto walk = [&](const auto& self, const json::value& value, const std::string& at) -> void {
      if (!at.empty()) pointers.push_back(at);
      if (const auto* object = value.if_object()) {
        for (const auto& member : *object) self(self, member.value(), at + "/" + std::string(member.key()));
      } else if (const auto* array = value.if_array()) {
        for (std::size_t i = 0; i < array->size(); ++i) self(self, (*array)[i], at + "/" + std::to_string(i));
      }
    };
    walk(walk, json::parse(body), "");
    for (const std::string& pointer : pointers) {
      for (const std::string_view value : {"\"hunter2\"", "-17", "1.5", "[]", "{}", "[[1]]", "true", ""}) {
        const auto message = parse(changed(body, pointer, value));
        ++(message ? taken : refused);
        if (message) continue;
        EXPECT_EQ(message.error().status, 400U);
        EXPECT_EQ(to_json(message.error()).find("hunter2"), std::string::npos);
        EXPECT_EQ(message.error().pointer.find("?"), std::string::npos) << message.error().pointer;
      }
    }
  }
  EXPECT_GT(refused, 500U);
  EXPECT_GT(taken, 50U);  // labels and the like
}

}  // namespace
}  // namespace opaline::msp
