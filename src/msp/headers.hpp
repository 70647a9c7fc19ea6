#pragma once
// The headers of the MSP API in all their dialects (docs/business-api.md, "Headers"). Names are case-insensitive; a
// header that comes twice is refused, because two programs would not choose the same one.
#include <span>

#include "base/bytes.hpp"
#include "msp/error.hpp"
#include "msp/limits.hpp"
#include "msp/text.hpp"
#include "msp/uuid.hpp"

namespace opaline::msp {

struct HeaderField {
  std::string_view name, value;
};
/// Borrowed: of an HTTP request, without the white space around the values.
using HeaderFields = std::span<const HeaderField>;

/// A header by its name in lower case; empty view: it is not there, or empty. malformed: it is there twice, is longer
/// than kMaxHeaderBytes or has control characters.
[[nodiscard]] Result<std::string_view, Problem> find_header(HeaderFields fields, std::string_view name);
/// "true", "1", "yes" and "false", "0", "no", in any case; not there: false.
[[nodiscard]] Result<bool, Problem> find_flag(HeaderFields fields, std::string_view name);
/// The token of `Authorization: Bearer <token>`. unauthorized (401): there is no such header; forbidden (403): another
/// scheme, or no token.
[[nodiscard]] Result<std::string_view, Problem> bearer_token(HeaderFields fields);

/// `urn:mbid:` and at least one character of base64url, '.', '=', '+' and '/'. Whether it is anybody's is not known
/// here.
[[nodiscard]] bool is_opaque_id(std::string_view text);

/// Of `POST /v1/message` and `POST /v1/authenticate`.
struct MessageHeaders {
  Uuid id;
  Uuid source;              ///< the business
  std::string destination;  ///< is_opaque_id()
  bool auto_reply = false;
  bool include_data_ref = false;
};
/// missing, malformed: 400. unknown (404): the destination is no opaque id.
[[nodiscard]] Result<MessageHeaders, Problem> parse_message_headers(HeaderFields fields);

/// `GET /v1/preUpload`: `size` or `MMCS-Size`; where both are there they must be equal.
struct PreUpload {
  Uuid source;
  std::uint64_t size_bytes = 0;  ///< of ciphertext; 1 .. kMaxAttachmentBytes
};
/// oversized: 413.
[[nodiscard]] Result<PreUpload, Problem> parse_pre_upload(HeaderFields fields);

/// `GET /v1/preDownload`: `url`, `signature`, `owner`, each also with `MMCS-` before it.
struct PreDownload {
  Uuid source;
  std::string url, owner;
  ByteArray<kChecksumBytes> signature{};  ///< given in base64, or in hexadecimal
};
[[nodiscard]] Result<PreDownload, Problem> parse_pre_download(HeaderFields fields);

/// `POST /v1/decodePayload`; what it needs of the headers is the bid. Some connectors send that as source-id, too: what
/// a token of any business allows does not depend on which.
[[nodiscard]] Result<std::string, Problem> parse_decode_payload(HeaderFields fields);

/// What a person's device can show.
enum class Capability : std::uint8_t { quick = 1, list = 2, time = 4, auth = 8, auth2 = 16, form = 32 };
/// A set of them; compares as a set.
struct Capabilities {
  std::uint8_t bits = 0;
  [[nodiscard]] bool has(Capability one) const { return (bits & static_cast<std::uint8_t>(one)) != 0; }
  void add(Capability one) { bits |= static_cast<std::uint8_t>(one); }
  friend bool operator==(const Capabilities&, const Capabilities&) = default;
};
/// Of `capability-list`: separated by commas, in any case, white space around them; unknown ones are passed over.
[[nodiscard]] Capabilities parse_capabilities(std::string_view list);
/// "AUTH,LIST,TIME,FORM,QUICK,AUTH2": always in the same order, so that it tells nothing but the set.
[[nodiscard]] std::string write_capabilities(Capabilities set);

}  // namespace opaline::msp
