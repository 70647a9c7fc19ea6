#pragma once
// The link by which a person opens a conversation with a business:
//   https://<host>/urn:biz:<uuid>?biz-intent-id=...&biz-group-id=...&body=...&opaline-gateway=...
//   urn:biz:<uuid>[?the same]
// `opaline-gateway` is ours: the fingerprint of a gateway in the business's own house, base64url of 32 bytes.
#include "base/ids.hpp"
#include "msp/error.hpp"
#include "msp/limits.hpp"
#include "msp/text.hpp"
#include "msp/uuid.hpp"

namespace opaline::msp {

/// SHA-256 of a gateway's public identity key.
using GatewayFingerprint = ByteId<struct GatewayFingerprintTag, 32>;

struct EntryLink {
  std::string host;  ///< as in the link, in lower case, with a port if it has one; empty: a bare urn:biz:
  Uuid business;
  Text intent, group;  ///< at most kMaxTagCharacters; empty: none
  Text body;           ///< at most kMaxPrefillCharacters; for the person to send or not, never sent by itself
  std::optional<GatewayFingerprint> gateway;

  friend bool operator==(const EntryLink&, const EntryLink&) = default;
};

/// oversized: longer than kMaxEntryLinkBytes, or a field is. malformed: another scheme, user info, a fragment, a bad
/// UUID, '%' without two hexadecimal digits, a parameter of ours twice, anything that is not UTF-8. unsafe_text: a text
/// is not is_plain_text(); a line feed is allowed in `body` alone. Unknown parameters are passed over. '+' is a plus,
/// as RFC 3986 has it.
[[nodiscard]] Result<EntryLink, Error> parse_entry_link(std::string_view link);
/// The link; parse_entry_link of it gives `link` again, else its error is returned.
[[nodiscard]] Result<std::string, Error> write_entry_link(const EntryLink& link);

}  // namespace opaline::msp
