#pragma once
// Every label of the session protocol that is not in credentials/labels.hpp. One label, one use; docs/protocol.md lists
// the same.
#include "credentials/labels.hpp"

namespace opaline::session::internal {

// Hashes (SHA-256 unless said otherwise). None is the beginning of another.
inline constexpr std::string_view kSafetyNumberLabel = "opaline/1 safety number";  // SHA-512
inline constexpr std::string_view kTranscript1Label = "opaline/1 handshake opening";
inline constexpr std::string_view kTranscript2Label = "opaline/1 handshake identity";
inline constexpr std::string_view kTranscript3Label = "opaline/1 handshake signed";
inline constexpr std::string_view kHandshakeHashLabel = "opaline/1 handshake hash";
inline constexpr std::string_view kSessionContextLabel = "opaline/1 session context";
inline constexpr std::string_view kKemHashLabel = "opaline/1 kem";
inline constexpr std::string_view kLinkHelloLabel = "opaline/1 link hello";
inline constexpr std::string_view kLinkCommitmentLabel = "opaline/1 link commitment";
inline constexpr std::string_view kLinkTranscriptLabel = "opaline/1 link transcript";
inline constexpr std::string_view kLinkDigitsLabel = "opaline/1 link digits";
inline constexpr std::string_view kLinkWelcomeLabel = "opaline/1 link welcome";
inline constexpr std::string_view kRecoveryChecksumLabel = "opaline/1 recovery file";

// Signatures.
using credentials::kDeviceListSignature;
using credentials::kPrekeySetSignature;
inline constexpr std::string_view kHandshakeSignature = "opaline/1 handshake signature";
inline constexpr std::string_view kLinkKeysSignature = "opaline/1 link keys";
using credentials::kAccountRecoverySignature;

// HKDF-Expand infos.
inline constexpr std::string_view kIdentityKeyInfo = "opaline/1 identity key";
inline constexpr std::string_view kIdentityChainInfo = "opaline/1 identity chain";
inline constexpr std::string_view kSignatureKeyInfo = "opaline/1 signature key";
inline constexpr std::string_view kSessionInfo = "opaline/1 session keys";
inline constexpr std::string_view kRootStepInfo = "opaline/1 root step";
inline constexpr std::string_view kMessageInfo = "opaline/1 msg";
inline constexpr std::string_view kLinkChannelInfo = "opaline/1 link channel";

// HMAC messages.
inline constexpr std::string_view kReleaseTokenLabel = "opaline/1 release token";

}  // namespace opaline::session::internal
