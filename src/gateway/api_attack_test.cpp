// What strangers, other MSPs and broken connectors send.
#include "gateway/gateway_test_support.hpp"
#include "msp/gzip.hpp"

namespace opaline::gateway {
namespace {

using namespace testing;
using ::testing::HasSubstr;
using ::testing::Not;

class ApiAttackTest : public ApiTest {
 protected:
  net::HttpResponse with_token(const std::string& token) {
    return post("/v1/message", text_of("x"),
                {{"Authorization", "Bearer " + token},
                 {"source-id", std::string(kBusiness)},
                 {"id", std::string(kId)},
                 {"destination-id", person_.text()}});
  }
  /// A token with this header and these claims, signed with `secret` as HS256 has it.
  static std::string forged(std::string_view header, std::string_view claims, std::string_view secret) {
    const std::string text = to_base64url(as_view(header)) + "." + to_base64url(as_view(claims));
    return text + "." + to_base64url(msp::TokenKey::from_secret(secret)->mac(text));
  }
  [[nodiscard]] std::string claims(std::string_view more = "", std::string_view issuer = "msp-1") const {
    return R"({"iss":")" + std::string(issuer) + R"(","iat":)" + std::to_string(unix_millis(clock_.now()) / 1000) +
           std::string(more) + "}";
  }
  /// Of what a refusal may say nothing.
  static std::string without_date(const net::HttpResponse& answer) {
    std::string out = std::to_string(answer.status);
    for (const auto& one : answer.headers) {
      if (one.name != "Date") out += "\n" + one.name + ": " + one.value;
    }
    return out + "\n" + to_string(answer.body);
  }
};

TEST_F(ApiAttackTest, NoTokenAndNoneOfOurs) {
  auto with = message_headers();
  with.erase(with.begin());
  const auto none = post("/v1/message", text_of("x"), with);
  expect_error(none, 401, "unauthorized");
  EXPECT_EQ(none.header("WWW-Authenticate"), "Bearer");
  for (const std::string_view other : {"Basic bXNwOng=", "Bearer", "Bearer a.b.c", "bearer  x", "Token x"}) {
    with.push_back({"Authorization", std::string(other)});
    expect_error(post("/v1/message", text_of("x"), with), 403, "forbidden", std::string(other));
    with.pop_back();
  }
  for (int i = 0; i < 2; ++i) with.push_back({"Authorization", "Bearer " + token(mine_.config())});
  expect_error(post("/v1/message", text_of("x"), with), 403, "forbidden", "twice");
  EXPECT_TRUE(mine_.sent.empty());
}

TEST_F(ApiAttackTest, ForgedTokens) {
  const std::string& secret = mine_.config().msp_secret;
  constexpr std::string_view kHeader = R"({"alg":"HS256","typ":"JWT"})";
  const std::string good = forged(kHeader, claims(), secret);
  ASSERT_EQ(with_token(good).status, 200U);
  mine_.outcomes.clear();
  for (const std::string_view header :
       {R"({"alg":"none"})", R"({"alg":"None"})", R"({"alg":"hs256"})", R"({"alg":"HS512"})", R"({"alg":"RS256"})",
        R"({"typ":"JWT"})", R"({"alg":["HS256"]})", R"({"alg":"HS256","alg":"none"})",
        R"({"alg":"HS256","crit":["x"]})"}) {
    expect_error(with_token(forged(header, claims(), secret)), 403, "forbidden", std::string(header));
    const std::string unsigned_one = to_base64url(as_view(header)) + "." + to_base64url(as_view(claims())) + ".";
    expect_error(with_token(unsigned_one), 403, "forbidden", std::string(header));
  }
  expect_error(with_token(good.substr(0, good.rfind('.') + 1)), 403, "forbidden");
  expect_error(with_token(good + "A"), 403, "forbidden");
  std::string flipped = good;
  flipped[good.size() - 3] = flipped[good.size() - 3] == 'A' ? 'B' : 'A';
  expect_error(with_token(flipped), 403, "forbidden");
  expect_error(with_token(forged(kHeader, claims("", "msp-2"), secret)), 403, "forbidden");
  expect_error(with_token(forged(kHeader, R"({"aud":"msp-1","iat":1})", secret)), 403, "forbidden");
  expect_error(with_token(forged(kHeader, R"({"iss":"msp-1"})", secret)), 403, "forbidden");
  expect_error(with_token(forged(kHeader, claims(R"(,"exp":1)"), secret)), 403, "forbidden");
  expect_error(with_token(forged(kHeader, claims(), msp::to_base64(Bytes(32, std::byte{'x'})))), 403, "forbidden");
  // A call of ours shows a token, too: it is no call of the MSP.
  expect_error(with_token(msp::make_token(msp::TokenUse::call_of_service, "msp-1", clock_.now(),
                                          *msp::TokenKey::from_secret(secret))),
               403, "forbidden");
  EXPECT_EQ(mine_.sent.size(), 1U);
}

TEST_F(ApiAttackTest, OldTokensWhereAnAgeIsSet) {
  const std::string old = token(mine_.config(), clock_.now() - std::chrono::hours(24 * 400));
  EXPECT_EQ(with_token(old).status, 200U) << "connectors make one and use it for ever";
  mine_.outcomes.clear();
  mine_.config_.max_token_age = seconds(3600);
  expect_error(with_token(old), 403, "forbidden");
  expect_error(with_token(token(mine_.config(), clock_.now() + std::chrono::hours(1))), 403, "forbidden");
  EXPECT_EQ(with_token(token(mine_.config(), clock_.now() - std::chrono::minutes(59))).status, 200U);
}

TEST_F(ApiAttackTest, AnotherMspAndABusinessThatIsNotAreAnsweredAlike) {
  const std::string other = "Bearer " + token(theirs_.config());
  const auto call = [&](std::string_view source) {
    return post("/v1/message", text_of("x"),
                {{"Authorization", other},
                 {"source-id", std::string(source)},
                 {"id", std::string(kId)},
                 {"destination-id", person_.text()}});
  };
  const auto of_another = call(kBusiness);
  expect_error(of_another, 403, "forbidden");
  EXPECT_EQ(without_date(of_another), without_date(call("0f6a1b2c-3d4e-5f60-8192-000000000000")));
  for (const std::string_view path : {"/v1/preUpload", "/v1/preDownload"}) {
    expect_error(ask("GET", std::string(path), {{"Authorization", other}, {"source-id", std::string(kBusiness)}}), 403,
                 "forbidden");
  }
  EXPECT_TRUE(mine_.sent.empty());
}

/// Who has no token learns nothing from what is wrong besides.
TEST_F(ApiAttackTest, TheTokenComesFirst) {
  const net::HttpHeaders bad{{"Authorization", "Bearer a.b.c"}, {"source-id", "urn:biz:x"}, {"source-id", "y"}};
  for (const std::string_view path :
       {"message", "authenticate", "decodePayload", "encodePayload", "constructPayload"}) {
    expect_error(post("/v1/" + std::string(path), "{{{", bad), 403, "forbidden", std::string(path));
    expect_error(post("/v1/" + std::string(path), "{{{", {}), 401, "unauthorized", std::string(path));
  }
  // Who has one hears it.
  const std::string right = "Bearer " + token(mine_.config());
  const auto source = [&](net::HttpHeaders with) {
    with.insert(with.end(), {{"Authorization", right}, {"id", std::string(kId)}, {"destination-id", person_.text()}});
    return post("/v1/message", text_of("x"), std::move(with));
  };
  expect_error(source({}), 400, "missing");
  expect_error(source({{"source-id", "urn:biz:" + std::string(kBusiness)}}), 400, "malformed");
  expect_error(source({{"source-id", std::string(kBusiness)}, {"Source-Id", std::string(kBusiness)}}), 400, "malformed",
               "twice");
}

TEST_F(ApiAttackTest, HeadersTwice) {
  for (const std::string name : {"id", "destination-id", "include-data-ref", "Content-Encoding", "auto-reply"}) {
    auto with = message_headers({{"include-data-ref", "false"}, {"Content-Encoding", "identity"}, {"auto-reply", "0"}});
    const auto value = std::string(*net::find_header(with, name));
    with.push_back({name, value});
    expect_error(post("/v1/message", text_of("x"), with), 400, "malformed", name);
  }
  expect_error(ask("GET", "/v1/preUpload", headers({{"size", "10"}, {"MMCS-Size", "11"}})), 400, "mismatch");
  EXPECT_TRUE(mine_.sent.empty());
}

TEST_F(ApiAttackTest, HostileBodies) {
  EXPECT_EQ(message("").status, 400U);
  for (const std::string& body :
       {std::string("{"), std::string("[]"), std::string("null"), std::string("\xff\xfe{}"), text_of("x") + "x",
        std::string(R"({"v":1,"v":1})"), body_of("text", R"("body":"\u0000")"), body_of("text", R"("body":"\ud800")"),
        body_of("text", "\"body\":\"\xc0\xaf\""), std::string(100'000, '['), body_of("close"), body_of("pay"),
        body_of("text", R"("body":"x","id":")" + std::string(kId) + "\"")}) {
    const auto answer = message(body);
    EXPECT_EQ(answer.status, 400U) << body.substr(0, 80);
    EXPECT_EQ(answer.header("Content-Type"), "application/json");
  }
  expect_error(message(body_of(
                   "text", "\"x\":[" + std::string(60'000, ' ') + "1" +
                               [] {
                                 std::string out;
                                 for (int i = 0; i < 20'000; ++i) out += ",1";
                                 return out;
                               }() +
                               "]")),
               413, "oversized");
  expect_error(message(std::string(msp::kMaxBodyBytes + 1, ' ')), 413, "oversized");
  EXPECT_EQ(message(std::string(msp::kMaxPayloadBytes + 1, ' ')).status, 413U) << "not even read";
  EXPECT_TRUE(mine_.sent.empty());
}

TEST_F(ApiAttackTest, GzipBombs) {
  const auto bomb = msp::gzip(Bytes(200'000'000));
  ASSERT_LT(bomb.size(), 400'000U);
  const auto packed = [&](ByteView bytes, std::string_view path) {
    return ask("POST", std::string(path), message_headers({{"Content-Encoding", "gzip"}, {"bid", std::string(kBid)}}),
               to_bytes(bytes));
  };
  for (const std::string_view path : {"/v1/message", "/v1/decodePayload", "/v1/encodePayload"}) {
    expect_error(packed(bomb, path), 413, "oversized", std::string(path));
  }
  expect_error(ask("POST", "/v1/decodePayload", headers({{"bid", std::string(kBid)}}), to_bytes(ByteView(bomb))), 413,
               "oversized");
  auto good = msp::gzip(as_view(text_of("x")));
  expect_error(packed(ByteView(good).first(good.size() - 1), "/v1/message"), 400, "malformed");
  auto twice = good;
  twice.insert(twice.end(), good.begin(), good.end());
  expect_error(packed(twice, "/v1/message"), 400, "malformed");
  good[good.size() / 2] ^= std::byte{1};
  expect_error(packed(good, "/v1/message"), 400, "malformed");
  expect_error(packed(as_view(text_of("x")), "/v1/message"), 400, "malformed", "it is not gzip");
  for (const std::string_view encoding : {"deflate", "br", "gzip, gzip", "zstd"}) {
    expect_error(message(text_of("x"), {{"Content-Encoding", std::string(encoding)}}), 400, "unsupported");
  }
}

TEST_F(ApiAttackTest, StrangersBodiesAreNotKept) {
  const std::string large(100'000, ' ');
  EXPECT_EQ(post("/v1/message", large, {}).status, 413U);
  EXPECT_EQ(post("/v1/message", large, {{"Authorization", "Bearer a.b.c"}}).status, 413U);
  EXPECT_EQ(post("/v1/nowhere", large, {}).status, 413U);
  EXPECT_EQ(post("/v1/upload/a/b", large, {}).status, 413U);
  expect_error(post("/v1/message", large, message_headers()), 400, "malformed", "ours is read");
}

/// Whatever is refused, nothing of what was sent comes back.
TEST_F(ApiAttackTest, ErrorsNeverEcho) {
  constexpr std::string_view kMarker = "MarkerOf4711";
  const std::string m(kMarker);
  std::vector<net::HttpResponse> answers;
  answers.push_back(message(body_of("text", "\"body\":[\"" + m + "\"]")));
  answers.push_back(message(body_of(m)));
  answers.push_back(message(body_of("text", "\"" + m + "\":{\"" + m + "\":\"\\u0000\"}")));
  answers.push_back(message("{\"" + m + "\":"));
  answers.push_back(message(text_of("x"), {{"Content-Encoding", m}}));
  answers.push_back(message(text_of("x"), {{"include-data-ref", m}}));
  answers.push_back(message(body_of("interactive", "\"interactiveData\":{\"bid\":\"" + m + "\"}")));
  answers.push_back(ask("GET", "/v1/" + m, {}));
  answers.push_back(ask("GET", "/v1/download/" + m, {}));
  answers.push_back(ask("POST", "/v1/upload/" + m + "/" + m, {}));
  answers.push_back(ask("GET", "/v1/preUpload", headers({{"size", m}})));
  answers.push_back(
      ask("GET", "/v1/preDownload", headers({{"url", m}, {"owner", m}, {"signature", msp::to_base64(Bytes(32))}})));
  answers.push_back(ask("GET", "/v1/preUpload", {{"Authorization", "Bearer " + m}, {"source-id", m}}));
  answers.push_back(ask("GET", "/v1/messages/" + m, headers()));
  for (const auto& answer : answers) {
    EXPECT_GE(answer.status, 400U);
    EXPECT_THAT(without_date(answer), Not(HasSubstr(m)));
    EXPECT_EQ(answer.header("Content-Type"), "application/json");
    EXPECT_EQ(answer.header("Cache-Control"), "no-store");
  }
}

/// A business that goes while its call is on its way.
class LeavingTest : public ApiAttackTest {
 protected:
  BusinessPort* find(const msp::Uuid& id) override { return gone_ ? nullptr : ApiTest::find(id); }
  bool gone_ = false;
};

TEST_F(LeavingTest, NothingIsSentForABusinessThatIsGone) {
  service_.alter = [&](const net::HttpRequest&, net::HttpResponse&) { gone_ = true; };
  const std::string image = msp::to_base64(Bytes(20'000));
  expect_error(message(body_of("interactive", R"("interactiveData":{"bid":")" + std::string(kBid) +
                                                  R"(","data":{"version":"1.0","requestIdentifier":"r","listPicker":
      {"sections":[{"title":"F","items":[{"identifier":"1","title":"A"}]}]},"images":[{"identifier":"0","data":")" +
                                                  image + R"("}]},"receivedMessage":{"title":"Q"}})")),
               403, "forbidden");
  EXPECT_TRUE(mine_.sent.empty());
}

/// A peer that does not wait for its answer harms nobody.
TEST_F(ApiAttackTest, APeerThatLeaves) {
  const auto place = ask("GET", "/v1/preUpload", headers({{"size", "3000000"}}));
  const std::string url = std::string(json::parse(as_text(place.body)).at("upload-url").as_string());
  bool seen = false;
  service_.alter = [&](const net::HttpRequest&, net::HttpResponse&) {
    seen = true;
    client_.reset();
  };
  client_->request({.method = "POST", .target = target_of(url), .body = Bytes(3'000'000)},
                   [](const Result<net::HttpResponse, net::NetError>&) { FAIL() << "it has left"; });
  loop_.run_until([&] { return seen && service_.blobs.begin()->second.bytes.size() == 3'000'000; });
}

}  // namespace
}  // namespace opaline::gateway
