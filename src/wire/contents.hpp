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

/// Files of one message.
inline constexpr std::size_t kMaxAttachments = 8;
/// What the service takes (docs/device-api.md, "Blobs").
inline constexpr std::uint64_t kMaxAttachmentBytes = 104'857'600;
inline constexpr std::size_t kMaxFileNameBytes = 200;
inline constexpr std::size_t kMaxMediaTypeBytes = 100;
/// Of blobs, keys, hashes and release tokens alike.
inline constexpr std::size_t kAttachmentPartBytes = 32;
/// Ids in a Sync; Contacts in one; the name of a device; entries of a HistoryPart.
inline constexpr std::size_t kMaxSyncIds = kMaxReceiptIds;
inline constexpr std::size_t kMaxContacts = 32;
inline constexpr std::size_t kMaxDeviceNameBytes = 64;
inline constexpr std::size_t kMaxHistoryPartBytes = 30'000;

/// An encoded BusinessPart (wire/business_part.hpp).
inline constexpr std::size_t kMaxPartBytes = 11'264;
/// What one text may say in words and beside them: with eight attachments it still fits a page of the history.
inline constexpr std::size_t kMaxTextAndPartBytes = 24'000;
/// Personas in one Sync; an opaque id (credentials/opaque_id.hpp); a persona's root (session::AccountKey::serialise).
inline constexpr std::size_t kMaxPersonas = 16;
inline constexpr std::size_t kOpaqueIdBytes = 37;
inline constexpr std::size_t kPersonaRootBytes = 65;

/// A file at the service, and how to open it. The first three have kAttachmentPartBytes each.
struct Attachment {
  ByteView blob;                 ///< its capability
  ByteView key;                  ///< AES-256-CTR, zero counter block; used for this file alone
  ByteView sha256;               ///< of the ciphertext
  std::uint64_t size_bytes = 0;  ///< 1 .. kMaxAttachmentBytes
  ByteView name;                 ///< is_file_name()
  ByteView type;                 ///< is_media_type(); a claim
  ByteView release;              ///< kAttachmentPartBytes: the receiving device's own
};
struct Text {
  ByteView utf8;           ///< at most kMaxTextBytes, valid UTF-8; empty only beside an attachment or a part
  ByteView sender_handle;  ///< at most kMaxHandleBytes, valid UTF-8, may be empty; a claim, to be looked up before it
                           ///< is believed
  std::array<Attachment, kMaxAttachments> attachments{};
  std::size_t attachment_count = 0;
  /// An encoded BusinessPart (wire/business_part.hpp), not looked into here; at most kMaxPartBytes, and
  /// kMaxTextAndPartBytes with the text. Empty between persons.
  ByteView part{};
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
  /// Not 0: it was opened, but so many right before it in its session never came: send those.
  std::uint32_t passed_over = 0;
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

// ---- between devices of one account

struct MessageIds {
  std::array<MessageId, kMaxSyncIds> ids{};
  std::size_t count = 0;
};
/// A message that the sending device wrote to `peer`.
struct SentCopy {
  AccountId peer;
  MessageId message;
  Time sent_at;
  Text text;
};
enum class SentState : std::uint8_t { sent = 1, failed = 2 };
struct StateMarks {
  AccountId peer;
  SentState state{};
  MessageIds messages;  ///< at least one
};
struct ReadMarks {
  AccountId peer;
  MessageIds messages;  ///< at least one
};
/// Without messages: the whole conversation, everything with sent_at up to `through`.
struct Deletion {
  AccountId peer;
  MessageIds messages;
  Time through{};
};
struct Contact {
  AccountId account;
  ByteView handle;            ///< at most kMaxHandleBytes, valid UTF-8, may be empty
  ByteView account_key_hash;  ///< 32 bytes, or empty: none pinned
  bool verified = false;
  bool blocked = false;
  Time changed_at{};
  Time active_at{};       ///< zero: no messages
  bool accepted = false;  ///< the person accepted that key in place of another
};
struct Contacts {
  std::array<Contact, kMaxContacts> contacts{};
  std::size_t count = 0;  ///< at least one
};
struct DeviceInfo {
  ByteView name;  ///< at most kMaxDeviceNameBytes, valid UTF-8
  bool primary = false;
};
struct HistoryRequest {
  Time since{};
};
struct HistoryPart {
  std::uint32_t index = 0;  ///< below `parts`
  std::uint32_t parts = 0;
  ByteView entries;  ///< at most kMaxHistoryPartBytes
};
enum class PersonaStanding : std::uint8_t { open = 1, closed = 2, blocked = 3 };
/// How this account stands with a business; the later word counts.
struct PersonaState {
  AccountId business;  ///< the 16 bytes of its UUID
  ByteView opaque_id;  ///< kOpaqueIdBytes
  ByteView root;       ///< kPersonaRootBytes, secret: the persona's account key
  PersonaStanding state{};
  Time changed_at{};
};
struct Personas {
  std::array<PersonaState, kMaxPersonas> personas{};
  std::size_t count = 0;  ///< at least one
};
struct Sync {
  std::variant<UnknownBody, SentCopy, StateMarks, ReadMarks, Deletion, Contacts, DeviceInfo, HistoryRequest,
               HistoryPart, Personas>
      what;
};

struct Content {
  MessageId message;
  ListNumber list_number{};      ///< the recipient's device list that the sender went by
  ListNumber own_list_number{};  ///< the sender's own
  /// The first 8 bytes of the hashes of those two, as big-endian numbers; 0: not said.
  std::uint64_t list_check = 0;
  std::uint64_t own_list_check = 0;
  Time sent_at;  ///< the sender's clock, not trusted
  std::variant<UnknownBody, Text, Receipt, Retry, NewerList, Typing, SessionHello, Sync> body;
};

enum class ContentError : std::uint8_t { oversized, malformed, bad_utf8 };

/// Appends the encoding. Errors: a limit of the body is exceeded or a text is not UTF-8; then `out` is unchanged.
/// (A Content is some 3 KiB: keep them off deep stacks.)
[[nodiscard]] Result<void, ContentError> encode(SecretBytes& out, const Content& content);
/// Views in the result borrow `bytes`.
[[nodiscard]] Result<Content, ContentError> decode_content(ByteView bytes);

/// A name that a file may have on anybody's disk: 1 to kMaxFileNameBytes of UTF-8 without '/', backslash and what
/// is_control() finds, not "." or "..".
[[nodiscard]] bool is_file_name(ByteView name);
/// At most kMaxMediaTypeBytes of printable ASCII.
[[nodiscard]] bool is_media_type(ByteView type);

}  // namespace opaline::wire
