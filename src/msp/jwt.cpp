#include "msp/jwt.hpp"

#include "crypto/compare.hpp"
#include "msp/base64.hpp"
#include "msp/internal/json.hpp"
#include "msp/internal/writing.hpp"
#include "msp/limits.hpp"
#include "msp/text.hpp"

namespace opaline::msp {
namespace {

namespace json = internal::json;

constexpr std::string_view kAlgorithm = "HS256";

struct Parts {
  std::string_view signed_text;  ///< header.payload
  std::string_view header, payload, signature;
};

Result<Parts, Error> split(std::string_view token) {
  if (token.size() > kMaxTokenBytes) return fail(Error::oversized);
  const std::size_t first = token.find('.');
  const std::size_t second = first == token.npos ? token.npos : token.find('.', first + 1);
  if (second == token.npos || token.find('.', second + 1) != token.npos) return fail(Error::malformed);
  return Parts{.signed_text = token.substr(0, second),
               .header = token.substr(0, first),
               .payload = token.substr(first + 1, second - first - 1),
               .signature = token.substr(second + 1)};
}

/// An object in base64url. Duplicate members are refused (RFC 7515 section 4 leaves the choice).
Result<json::value, Error> read_part(std::string_view part) {
  const auto bytes = from_base64url(part);
  if (!bytes) return fail(Error::malformed);
  auto value = internal::read_json(*bytes, {.bytes = kMaxTokenBytes, .depth = 4, .nodes = kMaxTokenNodes});
  if (!value || !value->is_object()) return fail(Error::malformed);
  return std::move(*value);
}

std::string_view string_member(const json::value& object, std::string_view name) {
  const json::value* const member = object.get_object().if_contains(name);
  return member != nullptr && member->is_string() ? std::string_view(member->get_string()) : std::string_view{};
}

/// RFC 7515 section 4.1: `alg` is ours to choose, not the token's, and an extension that we must understand is one that
/// we do not have.
Result<void, Error> check_header(std::string_view part) {
  OPALINE_TRY(const json::value header, read_part(part));
  if (string_member(header, "alg") != kAlgorithm || header.get_object().contains("crit")) {
    return fail(Error::unsupported);
  }
  return {};
}

/// Seconds since 1970 (RFC 7519 section 2, NumericDate).
struct NumericDate {
  bool there = false, good = false;
  double seconds = 0;
};
NumericDate date_member(const json::value& object, std::string_view name) {
  constexpr double kMaxDate = 253'402'300'800;  // the year 10000: what is above are milliseconds, or nonsense
  const json::value* const member = object.get_object().if_contains(name);
  if (member == nullptr) return {};
  if (!member->is_number()) return {.there = true};
  const double seconds = member->to_number<double>();
  return {.there = true, .good = seconds >= 0 && seconds < kMaxDate, .seconds = seconds};
}

Result<void, Error> check_times(const json::value& claims, const TokenRules& rules, Time now) {
  const auto issued = date_member(claims, "iat");
  const auto expires = date_member(claims, "exp");
  const auto begins = date_member(claims, "nbf");
  if (!issued.there) return fail(Error::missing);
  if (!issued.good || (expires.there && !expires.good) || (begins.there && !begins.good)) {
    return fail(Error::malformed);
  }
  const double clock = static_cast<double>(unix_millis(now)) / 1000;
  const auto leeway = static_cast<double>(rules.leeway.count());
  if (expires.there && clock >= expires.seconds + leeway) return fail(Error::too_old);
  if (begins.there && clock < begins.seconds - leeway) return fail(Error::from_future);
  if (!rules.max_age) return {};
  if (clock > issued.seconds + static_cast<double>(rules.max_age->count())) return fail(Error::too_old);
  if (clock < issued.seconds - leeway) return fail(Error::from_future);
  return {};
}

}  // namespace

Result<TokenKey, Error> TokenKey::from_secret(std::string_view secret) {
  const auto size = base64_size(secret);
  if (!size) return fail(Error::malformed);
  if (*size < kMinSecretBytes || *size > kMaxSecretBytes) return fail(Error::oversized);
  return TokenKey(*from_base64(secret));
}

std::string make_token(TokenUse use, std::string_view msp_id, Time issued_at, const TokenKey& key) {
  OPALINE_ASSERT(!msp_id.empty() && msp_id.size() <= kMaxMspIdBytes && is_text(msp_id));
  SecretBytes claims;
  internal::JsonWriter(claims)
      .begin_object()
      .member(use == TokenUse::call_of_msp ? "iss" : "aud", msp_id)
      .key("iat")
      .integer(std::chrono::floor<seconds>(issued_at).time_since_epoch().count())
      .end_object();
  std::string out = to_base64url(as_view(R"({"alg":"HS256","typ":"JWT"})")) + '.' + to_base64url(claims);
  const auto mac = key.mac(out);
  out += '.' + to_base64url(mac);
  return out;
}

Result<std::string, Error> claimed_issuer(std::string_view token) {
  OPALINE_TRY(const Parts parts, split(token));
  OPALINE_CHECK(check_header(parts.header));
  OPALINE_TRY(const json::value claims, read_part(parts.payload));
  const std::string_view issuer = string_member(claims, "iss");
  if (issuer.empty() || issuer.size() > kMaxMspIdBytes) return fail(Error::malformed);
  return std::string(issuer);
}

Result<void, Error> verify_token(std::string_view token, TokenUse use, std::string_view msp_id, const TokenKey& key,
                                 const TokenRules& rules, Time now) {
  OPALINE_TRY(const Parts parts, split(token));
  OPALINE_CHECK(check_header(parts.header));
  const auto signature = from_base64url(parts.signature);
  if (!signature) return fail(Error::malformed);
  const auto expected = key.mac(parts.signed_text);
  if (!crypto::constant_time_equal(*signature, expected)) return fail(Error::wrong_signature);
  OPALINE_TRY(const json::value claims, read_part(parts.payload));
  const std::string_view party = string_member(claims, use == TokenUse::call_of_msp ? "iss" : "aud");
  if (msp_id.empty() || party != msp_id) return fail(Error::wrong_party);
  return check_times(claims, rules, now);
}

Problem refused_token() {
  return {.status = 403,
          .error = Error::forbidden,
          .pointer = {},
          .header = "authorization",
          .message = "this token does not allow this; check the MSP id, the secret, HS256 and the business"};
}

}  // namespace opaline::msp
