#include "msp/payload.hpp"

#include "msp/gzip.hpp"
#include "msp/msp_test_support.hpp"
#include "msp/reply.hpp"

namespace opaline::msp {
namespace {

using namespace testing;

TEST(Payload, OfAReplyOpensToDataAtTopLevel) {
  const auto question = parse_data(kListPicker);
  const auto reply = make_reply(*question, ListChoice{{{0, 0}}});
  const SecretBytes packed = pack_payload(reply->json);
  ASSERT_TRUE(is_gzip(packed));
  for (const ByteView raw : {ByteView(packed), ByteView(reply->json)}) {  // as connectors send it: gzip, or opened
    const auto opened = decode_payload(raw);
    ASSERT_TRUE(opened.has_value()) << to_json(opened.error());
    const auto value = json::parse(as_text(*opened));
    EXPECT_EQ(value.at("data").at("replyMessage").at("title").as_string(), "Chosen");
    EXPECT_TRUE(value.at("data").as_object().contains("listPicker"));
  }
}

TEST(Payload, OfAQuestionOpensToo) {
  for (const std::string& data : {kListPicker, kTimePicker, kQuickReply, kForm, kAuthentication}) {
    const auto opened = decode_payload(pack_payload(parse_data(data)->json));
    ASSERT_TRUE(opened.has_value()) << to_json(opened.error());
    EXPECT_EQ(as_text(*opened), as_text(parse_data(data)->json));
  }
}

TEST(Payload, Damaged) {
  const SecretBytes packed = pack_payload(parse_data(kListPicker)->json);
  expect_problem(decode_payload(ByteView(packed).first(packed.size() - 1)), 400, Error::malformed, "");
  SecretBytes twice = packed;
  twice.insert(twice.end(), packed.begin(), packed.end());
  expect_problem(decode_payload(twice), 400, Error::malformed, "");
  expect_problem(decode_payload(gzip(SecretBytes(kMaxPayloadBytes + 1, std::byte{' '}))), 413, Error::oversized, "");
  expect_problem(decode_payload(SecretBytes(kMaxPayloadBytes + 1, std::byte{'{'})), 413, Error::oversized, "");
  expect_problem(decode_payload({}), 400, Error::malformed, "");
  expect_problem(decode_payload(as_view("\x12\x34")), 400, Error::malformed, "");  // decrypted with another key
  expect_problem(decode_payload(as_view(without(kListPicker, "/data/listPicker/sections"))), 400, Error::missing,
                 "/data/listPicker/sections");
}

TEST(Payload, EncodedIsWhatDecodeTakes) {
  const std::string body = R"({"v":1,"type":"interactive","interactiveData":)" + kForm + "}";
  const auto packed = encode_payload(as_view(body), *parse_uuid(kMessageId));
  ASSERT_TRUE(packed.has_value());
  const auto opened = decode_payload(*packed);
  ASSERT_TRUE(opened.has_value());
  EXPECT_EQ(as_text(*opened), as_text(parse_data(kForm)->json));
  const auto encode = [](const std::string& text) { return encode_payload(as_view(text), Uuid{}); };
  expect_problem(encode(changed(body, "/type", "\"text\"")), 400, Error::unsupported, "/type");
  expect_problem(encode(without(body, "/type")), 400, Error::missing, "/type");
  expect_problem(encode(changed(body, "/v", "2")), 400, Error::unsupported, "/v");
  expect_problem(encode(without(body, "/interactiveData")), 400, Error::missing, "/interactiveData");
  expect_problem(encode(changed(body, "/interactiveData/data/payment", "{}")), 400, Error::unsupported,
                 "/interactiveData/data/payment");
}

TEST(Payload, ConstructIsChecked) {
  const std::string body = R"({"type":"link","link":{"url":"https://shop.example/","storeRegion":"DE"},"version":1.0})";
  const auto construct = [](const std::string& text) { return parse_construct(as_view(text)); };
  EXPECT_EQ(construct(body)->url, "https://shop.example/");
  EXPECT_EQ(construct(body)->store_region, "DE");
  EXPECT_TRUE(construct(without(body, "/link/storeRegion")).has_value());
  expect_problem(construct(without(body, "/link/url")), 400, Error::missing, "/link/url");
  expect_problem(construct(without(body, "/link")), 400, Error::missing, "/link");
  expect_problem(construct(changed(body, "/link/url", "\"http://x\"")), 400, Error::malformed, "/link/url");
  expect_problem(construct(changed(body, "/type", "\"map\"")), 400, Error::unsupported, "/type");
  expect_problem(construct(changed(body, "/version", "2")), 400, Error::malformed, "/version");
}

}  // namespace
}  // namespace opaline::msp
