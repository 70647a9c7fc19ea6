#include "crypto/aes_ctr.hpp"
#include "crypto/hash.hpp"
#include "gateway/gateway_test_support.hpp"
#include "msp/gzip.hpp"
#include "wire/business_part.hpp"

namespace opaline::gateway {
namespace {

using namespace testing;

std::string data_of(std::string_view kind) {
  return R"("interactiveData":{"bid":")" + std::string(kBid) +
         R"(","data":{"version":"1.0","requestIdentifier":"r-1",)" + std::string(kind) +
         R"(},"receivedMessage":{"title":"Question"}})";
}
/// Larger than what stands in an envelope, if `image_bytes` are.
std::string list_picker(std::size_t image_bytes) {
  return data_of(
      R"("listPicker":{"sections":[{"title":"Fruit","items":[{"identifier":"1","title":"Apple"}]}]},"images":[
                    {"identifier":"0","data":")" +
      msp::to_base64(Bytes(image_bytes, std::byte{7})) + R"("}])");
}
json::value json_of(const net::HttpResponse& answer) {
  return json::parse(as_text(answer.body));
}
std::string text_at(const json::value& object, std::string_view name) {
  return std::string(object.at(name).as_string());
}

// ---------------------------------------------------------------- messages

TEST_F(ApiTest, AMessageGoesOnItsWay) {
  const auto answer = message(text_of("Hello"), {{"auto-reply", "true"}});
  EXPECT_EQ(answer.status, 200U);
  EXPECT_TRUE(answer.body.empty());
  ASSERT_EQ(mine_.sent.size(), 1U);
  EXPECT_EQ(as_text(mine_.sent[0].text), "Hello");
  EXPECT_EQ(mine_.sent[0].to, person_);
  EXPECT_EQ(msp::to_text(mine_.sent[0].id), kId);
  EXPECT_TRUE(wire::decode_business_part(mine_.sent[0].part)->automatic);
  // The same id again: the same answer, and nothing is sent.
  EXPECT_EQ(message(text_of("Hello")).status, 200U);
  EXPECT_EQ(mine_.sent.size(), 1U);
}

TEST_F(ApiTest, PathsAsConnectorsWriteThem) {
  for (const std::string_view path :
       {"/v1/message/", "//v1/message", "/v1//message", "/v1/message?x=1", "/v1/message/?"}) {
    mine_.outcomes.clear();
    EXPECT_EQ(post(std::string(path), text_of("x"), message_headers()).status, 200U) << path;
  }
  for (const std::string_view path :
       {"/", "/v1", "/message", "/v1/messageX", "/v2/message", "/v1/message/x", "/V1/message", "/v1/%6dessage",
        "/v1/../v1/message", "/v1/upload/x", "/v1/download"}) {
    expect_error(post(std::string(path), text_of("x"), message_headers()), 404, "unknown", std::string(path));
  }
}

TEST_F(ApiTest, EveryOutcomeHasItsStatus) {
  const auto status = [&](Outcome outcome, unsigned code, std::string_view error) {
    mine_.outcomes.clear();
    mine_.people[person_] = outcome;
    const auto answer = message(text_of("x"));
    if (code == 200) {
      EXPECT_EQ(answer.status, 200U);
    } else {
      expect_error(answer, code, error);
    }
    return answer;
  };
  for (const Outcome good : {Outcome::accepted, Outcome::delivered, Outcome::read}) status(good, 200, "");
  EXPECT_EQ(status(Outcome::pending, 503, "unavailable").header("Retry-After"), "1");
  status(Outcome::unknown, 404, "unknown");
  status(Outcome::closed, 410, "closed");
  status(Outcome::expired, 500, "internal");
  expect_error(post("/v1/message", text_of("x"),
                    headers({{"id", std::string(kId)}, {"destination-id", "urn:mbid:AQAAY2xhdWRl"}})),
               404, "unknown");
}

TEST_F(ApiTest, Typing) {
  EXPECT_EQ(message(body_of("typing_start")).status, 200U);
  EXPECT_EQ(message(body_of("typing_end")).status, 200U);
  EXPECT_EQ(mine_.typed, (std::vector<bool>{true, false}));
  EXPECT_TRUE(mine_.sent.empty());
  mine_.people[person_] = Outcome::closed;
  expect_error(message(body_of("typing_start")), 410, "closed");
}

TEST_F(ApiTest, Authenticate) {
  const std::string request = body_of("interactive", data_of(R"("authenticate":{"oauth2":{"responseType":"code",
      "scope":["email"],"state":"s","redirectURI":"https://shop.example/back"}})"));
  EXPECT_EQ(post("/v1/authenticate", request, message_headers()).status, 200U);
  ASSERT_EQ(mine_.sent.size(), 1U);
  EXPECT_EQ(wire::decode_business_part(mine_.sent[0].part)->kind, wire::PartKind::interactive);
  expect_error(post("/v1/authenticate", text_of("x"), message_headers()), 400, "missing");
  mine_.outcomes.clear();
  EXPECT_EQ(message(request).status, 200U) << "and by the other path";
}

TEST_F(ApiTest, WhatTheOperatorHasNotSwitchedOn) {
  mine_.config_.capabilities = msp::parse_capabilities("LIST");
  EXPECT_EQ(message(body_of("interactive", list_picker(10))).status, 200U);
  expect_error(message(body_of("interactive", data_of(R"("quick-reply":{"items":[{"identifier":"y","title":"Yes"},
                                                        {"identifier":"n","title":"No"}]})"))),
               403, "forbidden");
  EXPECT_EQ(mine_.sent.size(), 1U);
}

TEST_F(ApiTest, GzipIsTaken) {
  const std::string text = text_of("squeezed");
  const auto packed = msp::gzip(as_view(text));
  for (const std::string_view encoding : {"gzip", "GZIP", "x-gzip"}) {
    mine_.outcomes.clear();
    EXPECT_EQ(ask("POST", "/v1/message", message_headers({{"Content-Encoding", std::string(encoding)}}),
                  to_bytes(ByteView(packed)))
                  .status,
              200U)
        << encoding;
  }
  EXPECT_EQ(as_text(mine_.sent.back().text), "squeezed");
  mine_.outcomes.clear();
  EXPECT_EQ(message(text, {{"Content-Encoding", "identity"}}).status, 200U);
}

// ---------------------------------------------------------------- large ones

TEST_F(ApiTest, ALargePickerTravelsInAFile) {
  const std::string request = body_of("interactive", list_picker(20'000));
  const auto answer = message(request);
  ASSERT_EQ(answer.status, 200U) << as_text(answer.body);
  const auto ref = json_of(answer).at("dataRef");
  ASSERT_EQ(mine_.sent.size(), 1U);
  const auto& file = mine_.sent[0].attachments.at(0);
  EXPECT_TRUE(wire::decode_business_part(mine_.sent[0].part)->in_file);
  EXPECT_EQ(text_at(ref, "owner"), kBusiness);
  EXPECT_EQ(text_at(ref, "title"), "Question");
  EXPECT_EQ(text_at(ref, "bid"), kBid);
  EXPECT_EQ(text_at(ref, "signature-base64"), msp::to_base64(file.sha256));
  EXPECT_FALSE(ref.as_object().contains("key"));
  EXPECT_EQ(answer.header("Content-Type"), "application/json");

  // As a connector reads it: preDownload, GET, decrypt, decodePayload, whether it opens the gzip or not.
  const auto url = ask("GET", "/v1/preDownload",
                       headers({{"MMCS-Url", text_at(ref, "url")},
                                {"MMCS-Signature", text_at(ref, "signature-base64")},
                                {"MMCS-Owner", text_at(ref, "owner")}}));
  ASSERT_EQ(url.status, 200U) << as_text(url.body);
  const auto got = ask("GET", target_of(text_at(json_of(url), "download-url")), {});
  ASSERT_EQ(got.status, 200U);
  EXPECT_EQ(got.body.size(), ref.at("size").to_number<std::size_t>());
  Bytes plain(got.body.size());
  crypto::Aes256Ctr(ByteView(file.key).first<32>()).apply(got.body, plain);
  const auto decode = [&](ByteView bytes) {
    return ask("POST", "/v1/decodePayload", headers({{"bid", std::string(kBid)}, {"Content-Type", "text/whatever"}}),
               to_bytes(bytes));
  };
  const auto decoded = decode(plain);
  ASSERT_EQ(decoded.status, 200U) << as_text(decoded.body);
  EXPECT_TRUE(json_of(decoded).at("data").as_object().contains("listPicker"));
  const auto opened = msp::gunzip(plain, 1 << 20);
  ASSERT_TRUE(opened.has_value());
  EXPECT_EQ(decode(*opened).body, decoded.body);

  // A retry uploads nothing that is sent, and still has its answer.
  mine_.creates = 0;
  const auto again = message(request);
  EXPECT_EQ(again.status, 200U);
  EXPECT_TRUE(json_of(again).as_object().contains("dataRef"));
  EXPECT_EQ(mine_.sent.size(), 1U);
  mine_.outcomes.begin()->second = Outcome::pending;
  mine_.creates = 0;
  expect_error(message(request), 503, "unavailable");
  EXPECT_EQ(mine_.creates, 0U) << "whoever polls fills no disk";
}

TEST_F(ApiTest, ADataRefCanBeSentAgain) {
  const auto answer = message(body_of("interactive", list_picker(20'000)));
  const auto ref = json_of(answer).at("dataRef");
  const auto first_key = to_bytes(ByteView(mine_.sent.at(0).attachments.at(0).key));
  mine_.outcomes.clear();
  const auto resend = [&](const json::value& what, net::HttpHeaders more = {}) {
    return message(body_of("interactive", "\"interactiveDataRef\":" + json::serialize(what)), std::move(more));
  };
  const auto again = resend(ref, {{"include-data-ref", "true"}});
  ASSERT_EQ(again.status, 200U) << as_text(again.body);
  EXPECT_EQ(json_of(again).at("dataRef"), ref);
  ASSERT_EQ(mine_.sent.size(), 2U);
  EXPECT_TRUE(equal(mine_.sent[1].attachments.at(0).key, first_key));
  mine_.outcomes.clear();
  EXPECT_TRUE(resend(ref).body.empty());
  // Of another business, or changed, its key is not to be had.
  auto changed = ref;
  changed.as_object()["dataRefSig"] = msp::to_base64(Bytes(49, std::byte{1}));
  mine_.outcomes.clear();
  expect_error(resend(changed), 400, "missing");
  theirs_.people[person_] = Outcome::accepted;
  expect_error(post("/v1/message", body_of("interactive", "\"interactiveDataRef\":" + json::serialize(ref)),
                    {{"Authorization", "Bearer " + token(theirs_.config())},
                     {"source-id", std::string(kOtherBusiness)},
                     {"id", std::string(kId)},
                     {"destination-id", person_.text()}}),
               400, "missing");
  EXPECT_EQ(mine_.sent.size(), 3U);
}

TEST_F(ApiTest, ADataRefOfASmallOneIsGivenOnRequest) {
  const auto answer = message(body_of("interactive", list_picker(10)), {{"include-data-ref", "true"}});
  ASSERT_EQ(answer.status, 200U);
  EXPECT_TRUE(json_of(answer).at("dataRef").as_object().contains("dataRefSig"));
  ASSERT_EQ(mine_.sent.size(), 1U);
  EXPECT_TRUE(mine_.sent[0].attachments.empty()) << "it stands in the envelope";
  mine_.outcomes.clear();
  const auto text = message(text_of("x"), {{"include-data-ref", "true"}});
  EXPECT_EQ(text.status, 200U);
  EXPECT_TRUE(text.body.empty()) << "nothing to refer to";
}

TEST_F(ApiTest, LongTextsAndRichLinks) {
  std::string euros;
  for (int i = 0; i < 10'000; ++i) euros += "\xe2\x82\xac";
  EXPECT_EQ(message(text_of(euros)).status, 200U);
  EXPECT_EQ(mine_.sent.at(0).attachments.at(0).size_bytes, 30'000U);
  mine_.outcomes.clear();
  const auto link = message(body_of("richLink", R"("richLinkData":{"url":"https://a.example","title":"A","assets":{
      "image":{"data":")" + msp::to_base64(Bytes(150'000)) +
                                                    R"(","mimeType":"image/png"}}})"));
  EXPECT_EQ(link.status, 200U) << as_text(link.body);
  EXPECT_TRUE(link.body.empty());
  EXPECT_EQ(mine_.sent.at(1).attachments.at(0).type, "application/json");
}

TEST_F(ApiTest, WhereThereIsNoRoomForFiles) {
  const std::string large = body_of("interactive", list_picker(20'000));
  const auto expect = [&](wire::v1::CallStatus status, unsigned code, std::string_view error,
                          std::optional<std::string_view> after) {
    mine_.create_status = status;
    for (const auto& answer : {message(large), ask("GET", "/v1/preUpload", headers({{"size", "10"}}))}) {
      expect_error(answer, code, error);
      EXPECT_EQ(answer.header("Retry-After"), after);
    }
  };
  expect(wire::v1::CALL_STATUS_QUOTA, 429, "quota", "77");
  expect(wire::v1::CALL_STATUS_UNAVAILABLE, 503, "unavailable", "77");
  expect(wire::v1::CALL_STATUS_FORBIDDEN, 403, "forbidden", std::nullopt);
  expect(wire::v1::CALL_STATUS_BAD_REQUEST, 500, "internal", std::nullopt);
  EXPECT_TRUE(mine_.sent.empty());
  EXPECT_TRUE(mine_.outcomes.empty()) << "the id is still free";
}

// ---------------------------------------------------------------- attachments

TEST_F(ApiTest, AnAttachmentBothWaysInEveryDialect) {
  const Bytes ciphertext(70'001, std::byte{0x5c});
  for (const std::string_view dialect : {"", "MMCS-"}) {
    const std::string d(dialect);
    const auto place = ask("GET", "/v1/preUpload", headers({{d + (d.empty() ? "size" : "Size"), "70001"}}));
    ASSERT_EQ(place.status, 200U) << as_text(place.body);
    const std::string url = text_at(json_of(place), "mmcs-url");
    EXPECT_EQ(text_at(json_of(place), "mmcs-owner"), kBusiness);
    const auto stored = ask("POST", target_of(text_at(json_of(place), "upload-url")), {}, ciphertext);
    ASSERT_EQ(stored.status, 200U) << as_text(stored.body);
    const auto file = json_of(stored).at("singleFile");
    EXPECT_EQ(text_at(file, "fileChecksum"), msp::to_base64(crypto::sha256({ciphertext})));
    EXPECT_EQ(file.at("size"), 70'001);
    EXPECT_FALSE(text_at(file, "receipt").empty());

    const auto where = ask("GET", "/v1/preDownload",
                           headers({{d + "url", url},
                                    {d + "owner", std::string(kBusiness)},
                                    {d + "signature", text_at(file, "fileChecksum")}}));
    ASSERT_EQ(where.status, 200U) << as_text(where.body);
    for (int twice = 0; twice < 2; ++twice) {
      const auto got = ask("GET", target_of(text_at(json_of(where), "download-url")), {});
      EXPECT_EQ(got.status, 200U);
      EXPECT_EQ(got.body, ciphertext);
      EXPECT_EQ(got.header("Content-Type"), "application/octet-stream");
    }
    mine_.outcomes.clear();
    EXPECT_EQ(message(body_of("text", R"("attachments":[{"size":"70001","key":"00)" + std::string(64, 'a') +
                                          R"(","owner":"x","url":")" + url + R"(","signature-base64":")" +
                                          text_at(file, "fileChecksum") + "\"}]"))
                  .status,
              200U);
    EXPECT_EQ(url_of(mine_.sent.back().attachments.at(0).blob, service_url_), url);
  }
}

TEST_F(ApiTest, UploadsThatAreNotAsAnnounced) {
  const auto place = ask("GET", "/v1/preUpload", headers({{"size", "100000"}}));
  const std::string target = target_of(text_at(json_of(place), "upload-url"));
  const auto put = [&](std::size_t size, std::byte with = {}) { return ask("POST", target, {}, Bytes(size, with)); };
  expect_error(put(99'999), 400, "mismatch");
  EXPECT_EQ(put(100'001).status, 413U);
  expect_error(put(0), 400, "mismatch");
  EXPECT_EQ(put(100'000).status, 200U);
  EXPECT_EQ(put(100'000).status, 200U) << "a retry";
  expect_error(put(100'000, std::byte{1}), 400, "mismatch");
  expect_error(ask("POST", target + "A", {}, Bytes(10)), 404, "unknown");
  EXPECT_EQ(ask("POST", target + "A", {}, Bytes(100'000)).status, 413U) << "a stranger's is not even read";
  expect_error(ask("POST", "/v1/upload/x/y", {}, Bytes(10)), 404, "unknown");
}

TEST_F(ApiTest, DownloadsThatAreNot) {
  expect_error(ask("GET", "/v1/download/" + to_base64url(Bytes(32)), {}), 404, "unknown");
  expect_error(ask("GET", "/v1/download/x", {}), 404, "unknown");
  const auto begun = ask("GET", "/v1/preUpload", headers({{"size", "10"}}));
  const std::string url = text_at(json_of(begun), "mmcs-url");
  const std::string name = url.substr(url.rfind('/') + 1);
  expect_error(ask("GET", "/v1/download/" + name, {}), 404, "unknown");
  for (const std::string& other : {std::string("https://elsewhere.example/x"), url + "x", std::string("x")}) {
    expect_error(ask("GET", "/v1/preDownload",
                     headers({{"url", other}, {"owner", "o"}, {"signature", msp::to_base64(Bytes(32))}})),
                 404, "unknown");
  }
  service_.stop();
  expect_error(ask("GET", "/v1/download/" + name, {}), 503, "unavailable");
}

// ---------------------------------------------------------------- payloads and status

TEST_F(ApiTest, PayloadsThereAndBack) {
  const auto with = net::HttpHeaders{{"Authorization", "Bearer " + token(mine_.config())}};
  const auto packed = post("/v1/encodePayload", R"({"v":1,"type":"interactive",)" + list_picker(10) + "}", with);
  ASSERT_EQ(packed.status, 200U) << as_text(packed.body) << " without source-id";
  EXPECT_EQ(packed.header("Content-Type"), "application/octet-stream");
  EXPECT_TRUE(msp::is_gzip(packed.body));
  const auto decode = [&](const Bytes& bytes, net::HttpHeaders more) {
    more.push_back({"bid", std::string(kBid)});
    return ask("POST", "/v1/decodePayload", headers(std::move(more)), bytes);
  };
  const auto plain = decode(packed.body, {});
  ASSERT_EQ(plain.status, 200U);
  EXPECT_EQ(plain.header("Content-Type"), "application/json");
  EXPECT_EQ(json_of(plain).at("bid"), json::value(kBid));
  EXPECT_EQ(decode(packed.body, {{"Content-Encoding", "gzip"}}).body, plain.body) << "some say so, too";
  EXPECT_EQ(decode(plain.body, {}).body, plain.body);
  expect_error(ask("POST", "/v1/decodePayload", headers(), packed.body), 400, "missing");
  expect_error(decode(to_bytes("no payload"), {}), 400, "malformed");
}

TEST_F(ApiTest, ConstructPayloadIsRefusedWithAReason) {
  expect_error(
      post("/v1/constructPayload", R"({"type":"link","link":{"url":"https://a.example"},"version":1.0})", headers()),
      400, "unsupported");
  expect_error(post("/v1/constructPayload", R"({"type":"link","link":{},"version":1.0})", headers()), 400, "missing");
}

TEST_F(ApiTest, StatusOfAMessage) {
  const std::string target = "/v1/messages/" + std::string(kId);
  EXPECT_EQ(message(text_of("x")).status, 200U);
  expect_error(ask("GET", target, headers()), 403, "forbidden");
  mine_.config_.status_webhooks = theirs_.config_.status_webhooks = true;
  mine_.outcomes.begin()->second = Outcome::delivered;
  const auto bare = net::HttpHeaders{{"Authorization", "Bearer " + token(mine_.config())}};
  for (const auto& with : {headers(), bare}) {
    const auto answer = ask("GET", target, with);
    EXPECT_EQ(as_text(answer.body), R"({"id":")" + std::string(kId) + R"(","status":"delivered"})");
  }
  std::string upper(kId);
  std::ranges::transform(upper, upper.begin(), [](char c) { return static_cast<char>(std::toupper(c)); });
  EXPECT_EQ(ask("GET", "/v1/messages/" + upper, headers()).status, 200U);
  expect_error(ask("GET", "/v1/messages/" + std::string(kBusiness), headers()), 404, "unknown");
  expect_error(ask("GET", "/v1/messages/x", headers()), 404, "unknown");
  expect_error(ask("GET", target, {{"Authorization", "Bearer " + token(theirs_.config())}}), 404, "unknown");
  expect_error(ask("GET", target,
                   {{"Authorization", "Bearer " + token(theirs_.config())}, {"source-id", std::string(kBusiness)}}),
               403, "forbidden");
}

}  // namespace
}  // namespace opaline::gateway
