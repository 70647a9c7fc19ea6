#pragma once
// What stands beside the words between a person and a business (proto/content.proto, docs/protocol.md "Contents").
#include <optional>

#include "wire/contents.hpp"

namespace opaline::wire {

/// JSON beside the words; what is longer lies in an attachment (in_file).
inline constexpr std::size_t kMaxPartJsonBytes = 10'240;
inline constexpr std::size_t kMaxTagBytes = 1'024;  ///< of intent and group each ...
inline constexpr std::size_t kMaxTagCharacters = 256;
inline constexpr std::size_t kMaxLocaleBytes = 35;  ///< RFC 5646 section 4.4.1
inline constexpr std::size_t kMaxDeviceAgentBytes = 64;
inline constexpr std::size_t kMaxSharedBytes = 200;

/// What the person's client can show; what a bit above these says is not known.
enum class Capability : std::uint32_t { auth = 1, list = 2, time = 4, form = 8, quick = 16, auth2 = 32 };

enum class PartKind : std::uint8_t {
  words = 0,        ///< the text is all
  interactive = 1,  ///< interactiveData
  rich_link = 2,    ///< richLinkData
  close = 3,        ///< the conversation ends
  unknown = 255,    ///< a newer version's: the text is shown, if there is one
};

struct BusinessPart {
  PartKind kind = PartKind::words;
  /// Of `interactive` and `rich_link`, and theirs alone: at most kMaxPartJsonBytes of UTF-8; empty if it is in the
  /// file.
  ByteView json{};
  /// The message's last attachment holds it instead: the JSON, or with `words` the text. Not with `close`.
  bool in_file = false;
  std::optional<MessageId> answers{};  ///< the message that this one answers

  // From a person's client, in every message.
  ByteView opaque_id{};            ///< kOpaqueIdBytes, or empty
  ByteView intent{};               ///< at most kMaxTagBytes and kMaxTagCharacters of UTF-8
  ByteView group{};                ///< the same
  ByteView locale{};               ///< at most kMaxLocaleBytes of printable ASCII, en_US
  ByteView device_agent{};         ///< at most kMaxDeviceAgentBytes of printable ASCII
  std::uint32_t capabilities = 0;  ///< of Capability
  ByteView shared{};  ///< names of what the person shares in this message, with commas; at most kMaxSharedBytes of
                      ///< printable ASCII

  // From a business.
  bool automatic = false;  ///< a bot wrote it
};

/// Appends the encoding, for Text::part; there is one of each. Errors: a rule above is broken, the kind is unknown, or
/// all of it is longer than kMaxPartBytes; then `out` is unchanged.
[[nodiscard]] Result<void, ContentError> encode(SecretBytes& out, const BusinessPart& part);
/// Views in the result borrow `bytes`. Of an unknown kind only the limits are checked.
[[nodiscard]] Result<BusinessPart, ContentError> decode_business_part(ByteView bytes);

}  // namespace opaline::wire
