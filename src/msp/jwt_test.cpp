#include "msp/jwt.hpp"

#include <gmock/gmock.h>
#include <rapidcheck.h>

#include "msp/base64.hpp"
#include "msp/limits.hpp"

namespace opaline::msp {
namespace {

constexpr Time kNow = from_unix_millis(1'800'000'000'123);
constexpr std::string_view kMsp = "msp-of-ada";
const std::string kSecret = to_base64(as_view("0123456789abcdef0123456789abcdef"));
const TokenKey kKey = *TokenKey::from_secret(kSecret);

/// A token of any two parts, rightly signed.
std::string token_of(std::string_view header, std::string_view claims, const TokenKey& key = kKey) {
  std::string out = to_base64url(as_view(header)) + "." + to_base64url(as_view(claims));
  return out + "." + to_base64url(key.mac(out));
}
const std::string kHeader = R"({"alg":"HS256","typ":"JWT"})";
std::string claims_of(std::string_view iat) {
  return R"({"iss":"msp-of-ada","iat":)" + std::string(iat) + "}";
}
Result<void, Error> verify(std::string_view token, const TokenRules& rules = {}, Time now = kNow) {
  return verify_token(token, TokenUse::call_of_msp, kMsp, kKey, rules, now);
}
void expect_error(const Result<void, Error>& result, Error error) {
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(name(result.error()), name(error));
}

// RFC 7515 appendix A.1: HS256 with a key of 64 bytes. Its claims are not ours, so it gets as far as them.
TEST(Token, HasTheVectorOfRfc7515) {
  const auto key =
      from_base64url("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow");
  const auto shared = TokenKey::from_secret(to_base64(*key));
  ASSERT_TRUE(shared.has_value());
  const std::string token =
      "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9."
      "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290"
      "Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
  EXPECT_EQ(claimed_issuer(token).value(), "joe");
  expect_error(verify_token(token, TokenUse::call_of_msp, "joe", *shared, {}, kNow), Error::missing);
  std::string damaged = token;
  damaged.back() = 'l';  // stray bits
  expect_error(verify_token(damaged, TokenUse::call_of_msp, "joe", *shared, {}, kNow), Error::malformed);
  damaged[damaged.size() - 2] = damaged[damaged.size() - 2] == 'A' ? 'B' : 'A';
  damaged.back() = 'k';
  expect_error(verify_token(damaged, TokenUse::call_of_msp, "joe", *shared, {}, kNow), Error::wrong_signature);
}

TEST(Token, GoesThereAndBack) {
  for (const auto use : {TokenUse::call_of_msp, TokenUse::call_of_service}) {
    const std::string token = make_token(use, kMsp, kNow, kKey);
    EXPECT_TRUE(verify_token(token, use, kMsp, kKey, {.max_age = seconds(1)}, kNow).has_value());
    const auto other = use == TokenUse::call_of_msp ? TokenUse::call_of_service : TokenUse::call_of_msp;
    expect_error(verify_token(token, other, kMsp, kKey, {}, kNow), Error::wrong_party);
    expect_error(verify_token(token, use, "msp-of-eve", kKey, {}, kNow), Error::wrong_party);
  }
  EXPECT_EQ(claimed_issuer(make_token(TokenUse::call_of_msp, kMsp, kNow, kKey)).value(), kMsp);
  EXPECT_FALSE(claimed_issuer(make_token(TokenUse::call_of_service, kMsp, kNow, kKey)).has_value());
}

TEST(Token, IsWhatEveryLibraryReads) {
  const std::string token = make_token(TokenUse::call_of_service, kMsp, kNow, kKey);
  const std::string claims = token.substr(token.find('.') + 1, token.rfind('.') - token.find('.') - 1);
  EXPECT_EQ(to_string(*from_base64url(claims)), R"({"aud":"msp-of-ada","iat":1800000000})");
  EXPECT_EQ(to_string(*from_base64url(token.substr(0, token.find('.')))), kHeader);
}

TEST(Token, HasOneAlgorithm) {
  for (const std::string_view header :
       {R"({"alg":"none"})", R"({"alg":"None"})", R"({"alg":"hs256"})", R"({"alg":"RS256"})", R"({"alg":"HS384"})",
        R"({"alg":"ES256"})", R"({"typ":"JWT"})", R"({})", R"({"alg":["HS256"]})", R"({"alg":null})",
        R"({"alg":"HS256","crit":[]})", R"({"alg":"HS256","crit":["b64"],"b64":false})", R"({"alg":"HS256 "})"}) {
    const std::string token = token_of(header, claims_of("1800000000"));
    expect_error(verify(token), Error::unsupported);
    EXPECT_EQ(claimed_issuer(token).error(), Error::unsupported);
  }
  // Unsigned, as "none" would be.
  const std::string bare =
      to_base64url(as_view(R"({"alg":"none"})")) + "." + to_base64url(as_view(claims_of("1"))) + ".";
  expect_error(verify(bare), Error::unsupported);
  const std::string cut = token_of(kHeader, claims_of("1800000000"));
  expect_error(verify(cut.substr(0, cut.rfind('.') + 1)), Error::wrong_signature);
}

TEST(Token, HasNoDuplicates) {
  expect_error(verify(token_of(R"({"alg":"none","alg":"HS256"})", claims_of("1"))), Error::malformed);
  expect_error(verify(token_of(kHeader, R"({"iss":"msp-of-eve","iss":"msp-of-ada","iat":1})")), Error::malformed);
}

TEST(Token, TakesTimesAsConnectorsWriteThem) {
  for (const std::string_view iat : {"1800000000", "1800000000.25", "1.8e9", "0", "1"}) {
    EXPECT_TRUE(verify(token_of(kHeader, claims_of(iat))).has_value()) << iat;
  }
  for (const std::string_view iat : {"\"1800000000\"", "-1", "1800000000000", "[1]", "true", "1e300"}) {
    expect_error(verify(token_of(kHeader, claims_of(iat))), Error::malformed);
  }
  expect_error(verify(token_of(kHeader, claims_of("null"))), Error::missing);
  expect_error(verify(token_of(kHeader, R"({"iss":"msp-of-ada"})")), Error::missing);
}

TEST(Token, IsOldOnlyWhereThatIsAsked) {
  const std::string token = make_token(TokenUse::call_of_msp, kMsp, kNow, kKey);
  const TokenRules hour{.max_age = seconds(3600)};
  EXPECT_TRUE(verify(token, {}, kNow + std::chrono::days(3650)).has_value());
  EXPECT_TRUE(verify(token, {}, kNow - std::chrono::days(3650)).has_value());
  EXPECT_TRUE(verify(token, hour, kNow + seconds(3599)).has_value());
  expect_error(verify(token, hour, kNow + seconds(3601)), Error::too_old);
  EXPECT_TRUE(verify(token, hour, kNow - seconds(299)).has_value());
  expect_error(verify(token, hour, kNow - seconds(301)), Error::from_future);
}

TEST(Token, KeepsToItsOwnTimes) {
  const auto with = [](std::string_view more) {
    return token_of(kHeader, R"({"iss":"msp-of-ada","iat":1800000000,)" + std::string(more) + "}");
  };
  EXPECT_TRUE(verify(with(R"("exp":1800000000)")).has_value());  // within the leeway
  expect_error(verify(with(R"("exp":1799999699)")), Error::too_old);
  EXPECT_TRUE(verify(with(R"("nbf":1800000299)")).has_value());
  expect_error(verify(with(R"("nbf":1800000901)")), Error::from_future);
  expect_error(verify(with(R"("exp":"never")")), Error::malformed);
}

TEST(Token, IsBoundedAndWellFormed) {
  const std::string good = token_of(kHeader, claims_of("1800000000"));
  ASSERT_TRUE(verify(good).has_value());
  expect_error(verify(good + "="), Error::malformed);
  expect_error(verify(good + ".x"), Error::malformed);
  expect_error(verify(" " + good), Error::malformed);
  expect_error(verify(""), Error::malformed);
  expect_error(verify(".."), Error::malformed);
  expect_error(verify(std::string(kMaxTokenBytes + 1, 'a')), Error::oversized);
  expect_error(verify(token_of(kHeader, "[]")), Error::malformed);
  expect_error(verify(token_of("\"HS256\"", claims_of("1"))), Error::malformed);
  expect_error(verify(token_of(kHeader, std::string(200, '['))), Error::malformed);
  expect_error(verify_token(token_of(kHeader, R"({"iss":"","iat":1})"), TokenUse::call_of_msp, "", kKey, {}, kNow),
               Error::wrong_party);
}

TEST(Token, IsRefusedWithEachBitFlipped) {
  const std::string good = make_token(TokenUse::call_of_msp, kMsp, kNow, kKey);
  for (std::size_t i = 0; i < good.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = good;
      damaged[i] = static_cast<char>(damaged[i] ^ (1 << bit));
      EXPECT_FALSE(verify(damaged).has_value()) << i << " " << bit;
    }
  }
  const auto other = TokenKey::from_secret(to_base64(as_view("0123456789abcdef0123456789abcdeg")));
  expect_error(verify_token(good, TokenUse::call_of_msp, kMsp, *other, {}, kNow), Error::wrong_signature);
}

TEST(Token, NeedsASecretThatEverybodyDecodesAlike) {
  EXPECT_TRUE(TokenKey::from_secret(kSecret).has_value());
  const auto error = [](std::string_view secret) { return TokenKey::from_secret(secret).error(); };
  EXPECT_EQ(error(kSecret.substr(0, kSecret.size() - 1)), Error::malformed);  // unpadded
  EXPECT_EQ(error(kSecret + "\n"), Error::malformed);
  EXPECT_EQ(error("-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_"), Error::malformed);
  EXPECT_EQ(error(""), Error::oversized);
  EXPECT_EQ(error(to_base64(Bytes(kMinSecretBytes - 1))), Error::oversized);
  EXPECT_EQ(error(to_base64(Bytes(kMaxSecretBytes + 1))), Error::oversized);
}

TEST(Token, IsRefusedInOneWay) {
  EXPECT_EQ(refused_token().status, 403U);
  EXPECT_EQ(refused_token().error, Error::forbidden);
}

TEST(Token, IsForAnyId) {
  EXPECT_TRUE(rc::check([] {
    const auto letters = *rc::gen::nonEmpty(rc::gen::container<std::string>(rc::gen::inRange<char>(1, 127)));
    const std::string id = letters.substr(0, kMaxMspIdBytes);
    const std::string token = make_token(TokenUse::call_of_msp, id, kNow, kKey);
    RC_ASSERT(verify_token(token, TokenUse::call_of_msp, id, kKey, {}, kNow).has_value());
    RC_ASSERT(claimed_issuer(token).value() == id);
    RC_ASSERT(!verify_token(token, TokenUse::call_of_msp, id + "x", kKey, {}, kNow).has_value());
  }));
}

}  // namespace
}  // namespace opaline::msp
