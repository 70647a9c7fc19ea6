#pragma once
// Between the MSP API's messages and what sessions carry (docs/business-api.md, "Between client and gateway"). No I/O.
#include "gateway/business_port.hpp"
#include "msp/message.hpp"
#include "msp/webhook.hpp"
#include "wire/business_part.hpp"

namespace opaline::gateway {

/// What of a message is too large to stand in an envelope: to be uploaded as a file of its own first.
struct LargePart {
  SecretBytes plain;  ///< a gzip payload (msp::pack_payload), or a text in UTF-8
  bool is_text = false;
};
/// A rich link, interactive JSON above msp::kMaxInlineInteractiveBytes, or a text that together with its part is longer
/// than wire::kMaxTextAndPartBytes or by itself longer than wire::kMaxTextBytes; nullopt: all fits.
[[nodiscard]] std::optional<LargePart> large_part(const msp::Outbound& message);
/// `large`: the file that large_part() became, sealed and uploaded; it becomes the last attachment. Not for typing
/// (asserted). unknown (404): the destination is no opaque id of this service. malformed, mismatch (400): an
/// attachment's url is none of this service (`blob_of`).
[[nodiscard]] Result<Prepared, msp::Problem> prepare(const msp::Outbound& message,
                                                     std::optional<endpoint::Attachment> large,
                                                     const net::Url& service);

/// What came of a person, opened in RAM.
struct Received {
  enum class Kind : std::uint8_t { message = 1, typing_start = 2, typing_end = 3, closed = 4 };
  Kind kind = Kind::message;
  msp::Uuid id;
  std::string opaque_id;  ///< urn:mbid:...
  SecretBytes text;
  std::vector<endpoint::Attachment> attachments;
  SecretBytes part;  ///< a wire::BusinessPart, encoded; empty: none
};
/// The webhook for it. `business`: its id, gzip switch and capabilities. The error: never to be sent.
[[nodiscard]] Result<msp::Webhook, msp::Error> webhook_for(const Received& received, const BusinessConfig& business,
                                                           const net::Url& service);

}  // namespace opaline::gateway
