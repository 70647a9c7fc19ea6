#pragma once
// What a business says of its own gateway at its own domain (docs/adr/0015-personas.md, "Checked at its own domain"):
//   https://<domain>/.well-known/opaline
//   {"gateways": {"urn:biz:<uuid>": "<fingerprint: base64url of 32 bytes>", ...}}
#include "base/result.hpp"
#include "msp/entry_link.hpp"

namespace opaline::msp {

inline constexpr std::string_view kWellKnownPath = "/.well-known/opaline";
/// Some hundred businesses.
inline constexpr std::size_t kMaxWellKnownBytes = std::size_t{32} * 1024;

/// The fingerprint that stands there for this business. missing: none does. oversized; malformed: no such document, or
/// no fingerprint. Other members are passed over.
[[nodiscard]] Result<GatewayFingerprint, Error> parse_well_known(ByteView document, const Uuid& business);

}  // namespace opaline::msp
