#pragma once
// Between the MSP API's messages and what sessions carry (docs/business-api.md, "Between client and gateway"). No I/O.
#include "gateway/business_port.hpp"
#include "msp/message.hpp"
#include "msp/webhook.hpp"
#include "wire/business_part.hpp"

namespace opaline::gateway {

/// What of a message is too large to stand in an envelope: to be uploaded as a file of its own first.
struct LargePart {
  SecretBytes plain;  ///< a gzip payload (msp::pack_payload), richLinkData, or a text in UTF-8
  std::string name, type;
};
/// Interactive JSON above msp::kMaxInlineInteractiveBytes, a rich link above wire::kMaxPartJsonBytes, or a text above
/// wire::kMaxTextBytes; nullopt: all fits.
[[nodiscard]] std::optional<LargePart> large_part(const msp::Outbound& message);
/// interactiveData as it travels in a file.
[[nodiscard]] LargePart payload_part(const msp::Interactive& interactive);

/// A file of the gateway's own making: encrypted with a key of its own. `attachment` lacks its blob.
struct SealedFile {
  Bytes ciphertext;
  endpoint::Attachment attachment;
};
[[nodiscard]] SealedFile seal_file(LargePart part, RandomSource& random);

/// `large`: the file that large_part() became, uploaded; it becomes the last attachment. There is one exactly where
/// large_part() gave something; not for typing (asserted). unknown (404): the destination is no opaque id of this
/// service. malformed (400): the url of an attachment or reference is none of this service (`blob_of`); missing: a
/// reference has no key (tickets.hpp may know it). oversized (413): a text that needs a file of its own beside eight
/// attachments.
[[nodiscard]] Result<Prepared, msp::Problem> prepare(const msp::Outbound& message,
                                                     std::optional<endpoint::Attachment> large,
                                                     const net::Url& service);

/// What came of a person, opened in RAM.
struct Received {
  enum class Kind : std::uint8_t {  // numbers are stored
    message = 1,
    typing_start = 2,
    typing_end = 3,
    closed = 4,
    delivered = 5,
    read = 6
  };
  Kind kind = Kind::message;
  msp::Uuid id;
  std::string opaque_id;  ///< urn:mbid:...
  msp::Uuid about{};      ///< of `delivered` and `read`: the business's message
  SecretBytes text;
  std::vector<endpoint::Attachment> attachments;
  /// A wire::BusinessPart, encoded; empty: none. Of other kinds than `message` it may be the person's last one: what it
  /// says of device, locale, intent and group is used, nothing else.
  SecretBytes part;
};
/// The webhook for it. `business`: its id, gzip switch and capabilities. Where no part says what the device can show,
/// the webhook names all that the business has. The error: a device broke the rules of docs/business-api.md, and
/// nothing may be sent.
[[nodiscard]] Result<msp::Webhook, msp::Error> webhook_for(const Received& received, const BusinessConfig& business,
                                                           const net::Url& service);

}  // namespace opaline::gateway
