#pragma once
// The tokens of the MSP API: JWT (RFC 7519) as JWS compact serialisation (RFC 7515 section 7.1) with HS256 (RFC 7518
// section 3.2) and nothing else. Thread-safe; the clock's reading is an argument.
#include "base/time.hpp"
#include "crypto/hash.hpp"
#include "msp/error.hpp"

namespace opaline::msp {

/// What an MSP and the service share. The secret is given out and configured as base64; the key is what it decodes to.
class TokenKey {
 public:
  /// `secret`: standard base64 with padding, of kMinSecretBytes to kMaxSecretBytes. malformed: any other text, also one
  /// that some decoders would take (unpadded, base64url, with white space): they disagree about what it decodes to.
  /// oversized: its length is wrong, either way.
  [[nodiscard]] static Result<TokenKey, Error> from_secret(std::string_view secret);

  [[nodiscard]] crypto::Sha256Digest mac(std::string_view text) const { return key_.mac(as_view(text)); }

 private:
  explicit TokenKey(ByteView key) : key_(key) {}
  crypto::HmacSha256Key key_;
};

/// Whose call a token allows. The MSP's id is `iss` in calls of the MSP and `aud` in calls of the service.
enum class TokenUse : std::uint8_t { call_of_msp, call_of_service };

struct TokenRules {
  /// Off by default: connectors make one token and use it for ever. On: `iat` may be no older than this, nor ahead of
  /// our clock by more than `leeway`.
  std::optional<seconds> max_age;
  /// For max_age, and for `exp` and `nbf` where a token has them.
  seconds leeway{300};
};

/// A token as of `issued_at` (cut to seconds). `msp_id` is ours: not empty, at most kMaxMspIdBytes, valid UTF-8
/// (asserted).
[[nodiscard]] std::string make_token(TokenUse use, std::string_view msp_id, Time issued_at, const TokenKey& key);

/// Whom a token says it is from (`iss`), to find the key by. Nothing of it is verified. At most kMaxMspIdBytes.
/// oversized, malformed, unsupported: as verify_token.
[[nodiscard]] Result<std::string, Error> claimed_issuer(std::string_view token);

/// Checks in this order: size, form (three base64url parts, two JSON objects without duplicate members), `alg` (HS256
/// and nothing else, whatever the case; any `crit` is refused), signature, in constant time, then the claims: `iss` or
/// `aud` is the string `msp_id` and `iat` a number of seconds, whole or not. `exp` and `nbf` are not asked for, but
/// obeyed (RFC 7519 sections 4.1.4 and 4.1.5). Errors: oversized, malformed, unsupported, wrong_signature, wrong_party,
/// missing (no `iat`), too_old, from_future. All of them are 403 to the peer, and look alike.
[[nodiscard]] Result<void, Error> verify_token(std::string_view token, TokenUse use, std::string_view msp_id,
                                               const TokenKey& key, const TokenRules& rules, Time now);

/// The answer to whatever verify_token, claimed_issuer or the lack of a business find: always the same 403.
[[nodiscard]] Problem refused_token();

}  // namespace opaline::msp
