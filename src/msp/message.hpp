#pragma once
// Messages of an MSP to a person: `POST /v1/message` and `POST /v1/authenticate`.
#include "msp/data_ref.hpp"
#include "msp/headers.hpp"
#include "msp/interactive.hpp"

namespace opaline::msp {

/// A file at the service, as both sides of the API write it.
struct Attachment {
  Text name, mime_type;          ///< at most kMaxFileNameBytes and kMaxMediaTypeBytes; claims
  std::uint64_t size_bytes = 0;  ///< of ciphertext; 1 .. kMaxAttachmentBytes
  ByteArray<kChecksumBytes> signature{};
  std::string url, owner;
  AttachmentKey key;
};
/// A name that a file may have on anybody's disk (wire::is_file_name): its `name` with '_' for what may not be there,
/// cut to kMaxFileNameBytes; "attachment" if nothing is left.
[[nodiscard]] Text file_name(const Attachment& attachment);

struct TextMessage {
  /// At most kMaxTextCharacters, not empty. Holds exactly one U+FFFC for each attachment, in order.
  Text body;
  std::vector<Attachment> attachments;
};
struct Typing {
  bool active = false;
};
struct RichLink {
  Text url, title;
  Text image_type;
  SecretBytes image;           ///< 1 .. kMaxRichImageBytes
  Text video_url, video_type;  ///< empty: none
};

/// A richLinkData object from its JSON.
[[nodiscard]] Result<RichLink, Problem> parse_rich_link(ByteView json);
/// The same, canonical; for what parse_message or parse_rich_link gave.
[[nodiscard]] SecretBytes write_rich_link(const RichLink& link);

struct Outbound {
  MessageHeaders headers;
  Text group, intent, locale;
  std::variant<TextMessage, Interactive, DataRef, RichLink, Typing> content;
};

/// Size, JSON, headers against body, then meaning. `body` is already without a Content-Encoding; it may be wiped once
/// this returns.
[[nodiscard]] Result<Outbound, Problem> parse_message(HeaderFields fields, ByteView body);
/// The same, and it must be an authentication request.
[[nodiscard]] Result<Outbound, Problem> parse_authenticate(HeaderFields fields, ByteView body);

}  // namespace opaline::msp
