#pragma once
// The code that a new device shows and the primary device scans (docs/protocol.md, section Linking). It holds a secret
// that no server may see: draw it on the screen, put it in no log, no clipboard and no URL that is opened.
#include <string>

#include "base/ids.hpp"
#include "base/secret.hpp"
#include "session/error.hpp"

namespace opaline::session {

/// A link exchange at the service (docs/device-api.md, One's own devices). No secret.
using LinkExchangeId = ByteId<struct LinkExchangeIdTag, 16>;
/// What only a device that saw the code knows.
using LinkSecret = Secret<struct LinkSecretTag, 16>;
/// SHA-256("opaline/1 link hello" || first message): names the new device's linking keys.
using LinkHelloHash = ByteId<struct LinkHelloHashTag, 32>;

struct LinkCode {
  LinkExchangeId exchange;
  LinkSecret secret;
  LinkHelloHash hello;
};

inline constexpr std::string_view kLinkCodePrefix = "opaline-link:";
/// Characters of a code: it fits a QR code of version 5-L (37 x 37) in byte mode.
inline constexpr std::size_t kLinkCodeCharacters = 13 + 87;

/// kLinkCodePrefix || base64url(u8 version || exchange || secret || hello hash). Secret: in memory that is wiped.
[[nodiscard]] SecretBytes encode_link_code(const LinkCode& code);
/// Exactly what encode_link_code makes, without blanks or line ends. wrong_kind (some other text), malformed,
/// unsupported_version.
[[nodiscard]] Result<LinkCode, Error> decode_link_code(std::string_view text);

}  // namespace opaline::session
