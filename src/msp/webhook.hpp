#pragma once
// Messages of a person to a business, as the MSP's webhook gets them: `POST {registered url}/message`.
#include "msp/jwt.hpp"
#include "msp/message.hpp"
#include "msp/reply.hpp"

namespace opaline::msp {

struct InboundText {
  Text body;
  std::vector<Attachment> attachments;
};
/// interactiveData as make_reply or check_reply gave it.
struct InboundReply {
  Text body;  ///< of a quick reply; empty: none
  SecretBytes json;
};
/// The person has deleted the conversation.
struct Closed {};
/// A message of the business has reached a device of the person, or was read there. Sent on demand alone.
struct Status {
  Uuid message;
  bool read = false;
};

struct Inbound {
  Uuid id;
  std::string source;  ///< is_opaque_id()
  Uuid destination;    ///< the business
  Text group, intent, locale;
  std::variant<InboundText, InboundReply, DataRef, Typing, Closed, Status> content;
};
struct WebhookOptions {
  Capabilities capabilities;
  std::string_view device_agent;  ///< the platform's name; printable ASCII (asserted)
  bool gzip = true;
};
struct Webhook {
  struct Header {
    std::string name, value;
  };
  /// All but Authorization, Host and Content-Length.
  std::vector<Header> headers;
  SecretBytes body;
};
/// Exactly the contract's form: `size` a number, `key` and `signature` UPPERCASE hexadecimal, both spellings of the
/// signature, ids in lower case, empty fields left out. Errors: oversized, malformed, mismatch: a device broke the
/// rules that parse_message holds the MSP to (the placeholders are put right instead); never sent then.
[[nodiscard]] Result<Webhook, Error> write_webhook(const Inbound& message, const WebhookOptions& options);

/// Signatures of webhooks as Standard Webhooks 1.0 has them (standardwebhooks.com): HMAC-SHA256 over
/// `id.timestamp.body`. The key is a business's own, made of its MSP secret: HMAC-SHA256(secret, "opaline webhook
/// signature v1"), so that no key serves two purposes and none more has to be given out.
class WebhookSigner {
 public:
  explicit WebhookSigner(const TokenKey& secret);
  /// webhook-id, webhook-timestamp (seconds, of this attempt) and webhook-signature. `body`: as it is sent.
  [[nodiscard]] std::vector<Webhook::Header> sign(std::string_view id, Time now, ByteView body) const;

 private:
  crypto::HmacSha256Key key_;
};

}  // namespace opaline::msp
