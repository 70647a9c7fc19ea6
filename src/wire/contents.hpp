#pragma once
// Contents: what is inside a session ciphertext (proto/content.proto, docs/protocol.md "Contents").
// A typed, canonical view of the protobuf message; encoding and decoding by nanopb without allocation beyond the
// output.
#include <array>
#include <variant>

#include "base/ids.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"
#include "base/time.hpp"
#include "wire/limits.hpp"

namespace opaline::wire {

inline constexpr std::size_t kMaxReceiptIds = 64;
/// An e-mail address (RFC 5321 section 4.5.3.1.3, less the brackets) or a phone number.
inline constexpr std::size_t kMaxHandleBytes = 254;
/// A signed device list inside a message; docs/protocol.md gives its layout.
inline constexpr std::size_t kMaxContentListBytes = 28 * 1024;

struct Text {
  ByteView utf8;           ///< at most kMaxTextBytes, valid UTF-8
  ByteView sender_handle;  ///< at most kMaxHandleBytes, valid UTF-8, may be empty; a claim, to be looked up before it
                           ///< is believed
};
enum class ReceiptKind : std::uint8_t { delivered = 1, read = 2 };
struct Receipt {
  ReceiptKind kind{};
  std::array<MessageId, kMaxReceiptIds> ids{};
  std::size_t count = 0;  ///< 1 .. kMaxReceiptIds
};
struct Retry {  ///< this envelope could not be opened: send its message again
  EnvelopeId envelope;
  Time received_at;
};
struct NewerList {  ///< "you went by an old device list: this is mine"
  ByteView signed_list;
};
struct Typing {
  bool active = false;
};
struct SessionHello {};  ///< opens a fresh session and says nothing
/// A body that this version does not know: shown as "from a newer version", never an error.
struct UnknownBody {};

struct Content {
  MessageId message;
  ListNumber list_number{};      ///< the recipient's device list that the sender went by
  ListNumber own_list_number{};  ///< the sender's own
  Time sent_at;                  ///< the sender's clock, not trusted
  std::variant<UnknownBody, Text, Receipt, Retry, NewerList, Typing, SessionHello> body;
};

enum class ContentError : std::uint8_t { oversized, malformed, bad_utf8 };

/// Appends the encoding. Errors: a limit of the body is exceeded or a text is not UTF-8; then `out` is unchanged.
[[nodiscard]] Result<void, ContentError> encode(SecretBytes& out, const Content& content);
/// Views in the result borrow `bytes`.
[[nodiscard]] Result<Content, ContentError> decode_content(ByteView bytes);

/// Valid UTF-8 (RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF).
[[nodiscard]] bool is_utf8(ByteView text);

}  // namespace opaline::wire
