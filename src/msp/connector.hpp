#pragma once
// The other end of the MSP API: what a business's own software makes of a webhook, and how it writes to a person. For
// that software of businesses which is ours (room sms).
#include "msp/webhook.hpp"

namespace opaline::msp {

struct PersonText {
  Text body;
  std::size_t attachments = 0;  ///< how many files came with it
};
/// Typing, answers, states: what a business may pass over.
struct OtherContent {};

struct FromPerson {
  Uuid id;             ///< the same when it comes again
  std::string person;  ///< is_opaque_id()
  Uuid business;
  std::variant<PersonText, Closed, OtherContent> content;
};
/// Size, gzip where the header says so, JSON, headers against body, then meaning. The token is for verify_token. Errors
/// are those of parse_message, and 400 for what is no gzip.
[[nodiscard]] Result<FromPerson, Problem> read_webhook(HeaderFields fields, ByteView body);

/// A text to a person: the headers of `POST /v1/message` but Authorization, Host and Content-Length, and its body.
/// `text` is is_text(), not empty, and at most kMaxTextCharacters long (asserted).
[[nodiscard]] Webhook write_text(const Uuid& id, const Uuid& business, std::string_view person, std::string_view text);

}  // namespace opaline::msp
