#pragma once
// The payload endpoints: decodePayload, encodePayload and constructPayload. A payload is the canonical JSON of an
// interactiveData object in gzip: the same bytes that large interactive messages travel as.
#include "msp/interactive.hpp"

namespace opaline::msp {

/// From canonical interactiveData, as in Interactive::json or Reply::json.
[[nodiscard]] SecretBytes pack_payload(ByteView interactive_json);

/// `POST /v1/decodePayload`: gzip or plain; the answer's JSON, with `data` at top level. Takes questions and replies.
/// malformed (400): it is neither, or no interactive data. oversized (413): more than kMaxPayloadBytes when opened.
/// The header `bid` must be there and is not compared: nothing hangs on it.
[[nodiscard]] Result<SecretBytes, Problem> decode_payload(ByteView raw);

/// `POST /v1/encodePayload`: a body with `v`, `type` and `interactiveData`; the answer is the payload.
[[nodiscard]] Result<SecretBytes, Problem> encode_payload(ByteView body, const Uuid& session);

/// `POST /v1/constructPayload`.
struct ConstructRequest {
  Text url;
  Text store_region;  ///< empty: none
};
[[nodiscard]] Result<ConstructRequest, Problem> parse_construct(ByteView body);

}  // namespace opaline::msp
