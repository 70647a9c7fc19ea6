#pragma once
// The labels of signed public objects. One label, one use; docs/protocol.md lists the same. The signing side is in
// `session`.
#include <string_view>

namespace opaline::credentials {

// Hashes (SHA-256).
inline constexpr std::string_view kDeviceIdentityLabel = "opaline/1 device identity";
inline constexpr std::string_view kDeviceListHashLabel = "opaline/1 device list hash";
inline constexpr std::string_view kPrekeySetHashLabel = "opaline/1 prekey set hash";
/// docs/adr/0015-personas.md
inline constexpr std::string_view kPersonaLabel = "opaline/1 persona";

// Signatures.
inline constexpr std::string_view kDeviceListSignature = "opaline/1 device list";
inline constexpr std::string_view kPrekeySetSignature = "opaline/1 prekey set";
/// docs/device-api.md, One's own devices: over challenge (32) || account (16), by the account key.
inline constexpr std::string_view kAccountRecoverySignature = "opaline account recovery v1";

}  // namespace opaline::credentials
