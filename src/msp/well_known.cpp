#include "msp/well_known.hpp"

#include "msp/internal/json.hpp"

namespace opaline::msp {

Result<GatewayFingerprint, Error> parse_well_known(ByteView document, const Uuid& business) {
  if (document.size() > kMaxWellKnownBytes) return fail(Error::oversized);
  const auto root = internal::read_json(document, {.bytes = kMaxWellKnownBytes, .depth = 8, .nodes = 1'024});
  if (!root) return fail(root.error().error == Error::oversized ? Error::oversized : Error::malformed);
  if (!root->is_object()) return fail(Error::malformed);
  const auto* const gateways = root->as_object().if_contains("gateways");
  if (gateways == nullptr || !gateways->is_object()) return fail(Error::malformed);
  const auto* const found = gateways->as_object().if_contains("urn:biz:" + to_text(business));
  if (found == nullptr) return fail(Error::missing);
  if (!found->is_string()) return fail(Error::malformed);
  const auto bytes = from_base64url(std::string_view(found->as_string()));
  const auto fingerprint = bytes ? GatewayFingerprint::from(*bytes) : std::nullopt;
  if (!fingerprint) return fail(Error::malformed);
  return *fingerprint;
}

}  // namespace opaline::msp
