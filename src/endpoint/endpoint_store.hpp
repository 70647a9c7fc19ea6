#pragma once
// Port: what must survive on a device. Rows that only this room understands (their layouts: records.hpp), and the
// application's history, changed together in atomic batches. A driver knows nothing of the rows but their table and
// key: the client's is SQLite, tests and the simulator use memory_endpoint_store.hpp, the gateway brings its own.
#include <tuple>
#include <variant>
#include <vector>

#include "base/ids.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"
#include "base/time.hpp"
#include "session/identity.hpp"

namespace opaline::endpoint {

/// Numbers are stored: never change one, never reuse one.
enum class Table : std::uint8_t {
  device = 1,           ///< single rows: identity, account key, own list, counters, settings
  prekey_set = 2,       ///< private halves of a prekey set
  one_time = 3,         ///< private halves of one-time prekeys
  peer = 4,             ///< pinned device lists, alarms, renewal tokens
  peer_device = 5,      ///< mailboxes, send tokens, which session sends, healing budgets
  session = 6,          ///< session states
  session_tag = 7,      ///< from a ciphertext's tag to its session
  outbox = 8,           ///< messages that have not yet gone everywhere
  sent = 9,             ///< messages that have: kept for resending (kResendFor)
  envelope = 10,        ///< ciphertexts on their way: the same bytes again after a cut
  envelope_index = 11,  ///< from an envelope to its message
  message_index = 12,   ///< from a message id to its place in outbox or sent
  seen = 13,            ///< handshakes, envelopes and messages that must not count twice
  seen_expiry = 14,     ///< their keys, many in a row, by the day on which they may be forgotten
  parked = 15,          ///< first messages whose sender is being looked up
  own_device = 16,      ///< what the account's other devices say of themselves
};
inline constexpr std::uint8_t kFirstTable = 1;
inline constexpr std::uint8_t kLastTable = 16;
/// Longest key of a row.
inline constexpr std::size_t kMaxRowKeyBytes = 64;

struct RowChange {
  Table table{};
  Bytes key;
  std::optional<SecretBytes> value;  ///< nullopt: delete the row, if there is one
};

// ---- the application's history

/// How far a message of ours is. States only rise, but for `failed`.
enum class MessageState : std::uint8_t {
  queued = 1,     ///< committed on this device; `reason` may say what it waits for
  sent = 2,       ///< promise 1: every device's envelope was accepted, or answered full or gone, and one was accepted
  delivered = 3,  ///< a device of the peer says so (end-to-end receipt)
  read = 4,       ///< the peer says so
  failed = 5,     ///< will not go out any more; `reason` says why
};

enum class Reason : std::uint8_t {
  none = 0,
  // queued
  mailbox_full = 1,      ///< tried again later
  identity_changed = 2,  ///< waits for the person: accept_changed_identity
  no_prekeys = 3,  ///< the peer's device was away for so long that no new session can be opened: asked again later
  directory_unavailable = 4,  ///< quota or outage: asked again later
  // failed
  no_such_account = 5,
  no_device = 6,     ///< every device of the peer is gone
  expired = 7,       ///< kMessageLife passed
  text_missing = 8,  ///< the history no longer holds the text
  /// The device of ours that wrote it was removed, or silent for so long, before it said what became of it: perhaps it
  /// went out. A receipt still raises the state.
  not_confirmed = 9,
  closed = 10,  ///< the person has closed the conversation with this business; writing to it again asks anew
};

/// Where a file is at the service; who knows it can read the ciphertext (docs/device-api.md, "Blobs").
using BlobId = ByteId<struct BlobIdTag, 32>;

/// A file of a message (docs/protocol.md, "Attachments").
struct Attachment {
  BlobId blob;
  SecretBytes key;  ///< 32 bytes
  ByteArray<32> sha256{};
  std::uint64_t size_bytes = 0;
  std::string name;     ///< wire::is_file_name
  std::string type;     ///< wire::is_media_type
  SecretBytes release;  ///< 32 bytes. In a message that this device sends: what every device's token is derived from.
                        ///< In one that came: this device's token
};

struct MessageBody {
  SecretBytes text;  ///< UTF-8; empty only beside an attachment or a part
  std::vector<Attachment> attachments;
  SecretBytes part = {};  ///< an encoded wire::BusinessPart; empty between persons
};

struct OutgoingMessage {
  MessageId id;
  AccountId peer;
  MessageBody body;
  Time sent_at;              ///< strictly rising on the device that wrote it
  DeviceNumber device = {};  ///< another device of this account that wrote it; 0: this one
};

enum class IncomingKind : std::uint8_t {
  text = 1,
  newer_version = 2,  ///< of a kind that this version does not know: `text` is empty
};

struct IncomingMessage {
  MessageId id;
  session::DeviceAddress sender;
  Time sent_at;      ///< the sender's clock: for placing, not for trust
  Time received_at;  ///< ours
  IncomingKind kind = IncomingKind::text;
  MessageBody body;
  std::string sender_handle = {};  ///< a claim (may be empty): to be looked up before it is believed or shown as a name
  bool read = false;               ///< the person has read it on another device already
  /// Came again through healing, after messages that were sent later: `sent_at` says where it belongs. All others come
  /// in the order of sending (promise 10).
  bool late = false;
};

/// Lines that belong into a conversation.
enum class NoticeKind : std::uint8_t {
  first_contact = 1,     ///< nobody vouches for this identity but the server: compare safety numbers
  session_healed = 2,    ///< something could not be opened: it was asked for again over a fresh session
  messages_expired = 3,  ///< the gap is too long to be healed by asking
  identity_changed = 4,  ///< alarm: another account key. Nothing is sent until accept_changed_identity
  list_rolled_back = 5,  ///< alarm: the directory shows an older device list than before
  list_forked = 6,       ///< alarm: two device lists with one number, or one that breaks the rules
  verify_again = 7,      ///< the peer was verified and its identity has changed
  device_list_changed = 8,
  // in the conversation with oneself
  own_device_added = 9,
  own_device_removed = 10,
  // in either
  /// The list is another now, and those in between are not kept any more: signed by the same account key, but whether
  /// it follows from the one known before, nobody can say.
  list_gap = 11,
  /// Alarm: somebody shows others another device list of this account than the one that it made. In the conversation
  /// with the contact who says so (anybody can say so, and is believed seldom); with oneself: it was shown to us.
  own_list_forged = 12,
  /// Alarm: the directory shows a device list of this account that its account key has not signed. It is not used.
  list_unsigned = 13,
};

/// As AddIncoming where another device wrote it.
struct AddOutgoing {
  OutgoingMessage message;
};
struct SetOutgoingState {
  AccountId peer;
  MessageId id;
  MessageState state{};
  Reason reason = Reason::none;
  Time at;
};
/// Comes once for each (sender account, id); if AddHistory brought it before, it is there already and nothing happens.
struct AddIncoming {
  IncomingMessage message;
};
struct AddNotice {
  AccountId peer;
  NoticeKind kind{};
  Time at;
};
// What the person did on another device of theirs, or on this one (deletions).
struct MarkRead {
  AccountId peer;
  std::vector<MessageId> ids;  ///< those that are not here are ignored
};
struct DeleteMessages {
  AccountId peer;
  std::vector<MessageId> ids;  ///< in either direction; those that are not here are ignored
};
/// Everything of the conversation with a `sent_at` up to `through`, lines too.
struct DeleteConversation {
  AccountId peer;
  Time through;
};
/// An account that another device knows, and its handle there (may be empty): believed like a lookup's answer, but an
/// account that this device knows by that handle is not replaced without the person.
struct AddContact {
  AccountId account;
  std::string handle;
  Time active_at;  ///< of the conversation's newest message there; zero: none
};
/// What became of a text that perhaps is here, and of which the endpoint has no record: nothing happens if it is not
/// here, goes to another peer, or is as far already. `failed` counts for one that is queued, `sent` too; `delivered`
/// and `read` for all that are not.
struct RaiseOutgoingState {
  AccountId peer;
  MessageId id;
  MessageState state{};
  Time at;
};
/// One HistoryPage of another device. Entries that are here already stay as they are; those of a conversation that was
/// deleted since do not come back.
struct AddHistory {
  SecretBytes entries;
};
enum class PersonaStanding : std::uint8_t { open = 1, closed = 2, blocked = 3 };
/// How this account stands with a business (docs/adr/0015-personas.md).
struct PersonaState {
  AccountId business;         ///< the 16 bytes of its UUID
  ByteArray<37> opaque_id{};  ///< credentials::OpaqueId
  SecretBytes root;           ///< session::AccountKey::serialise: the persona's account key
  PersonaStanding state{};
  Time changed_at{};
};
/// Whether `one` is the later word about the business of both: the later `changed_at`; of one moment the higher state,
/// then the higher opaque id, so that all devices agree.
[[nodiscard]] inline bool is_later(const PersonaState& one, const PersonaState& other) {
  return std::tie(one.changed_at, one.state, one.opaque_id) > std::tie(other.changed_at, other.state, other.opaque_id);
}
/// What the person, here or on another device, has said of a business. The later word is kept.
struct AddPersona {
  PersonaState persona;
};
using HistoryChange = std::variant<AddOutgoing, SetOutgoingState, AddIncoming, AddNotice, MarkRead, DeleteMessages,
                                   DeleteConversation, AddContact, AddHistory, RaiseOutgoingState, AddPersona>;

struct Batch {
  std::vector<RowChange> rows;         ///< at most one change of a row
  std::vector<HistoryChange> history;  ///< in this order
};

enum class StoreError : std::uint8_t {
  full,    ///< no space: nothing was changed
  failed,  ///< an I/O error or damage; after a commit it is unknown whether the batch is there
};

/// Called from the thread that owns the Endpoint; every call is synchronous. One Endpoint owns a store.
class EndpointStore {
 public:
  struct Row {
    Bytes key;
    SecretBytes value;
  };

  virtual ~EndpointStore() = default;
  /// nullopt: no such row.
  [[nodiscard]] virtual Result<std::optional<SecretBytes>, StoreError> get(Table table, ByteView key) = 0;
  /// Rows whose key begins with `prefix` and is greater than `after`, in byte order of their keys, at most `limit`.
  [[nodiscard]] virtual Result<std::vector<Row>, StoreError> scan(Table table, ByteView prefix, ByteView after,
                                                                  std::size_t limit) = 0;
  /// What AddOutgoing brought; nullopt if the person deleted it. Asked for until the message went out, and when a peer
  /// could not open it, up to kResendFor after it was sent.
  [[nodiscard]] virtual Result<std::optional<MessageBody>, StoreError> outgoing(const MessageId& id) = 0;

  // ---- for the account's other devices

  /// A run of the history: its entries lie in [first, last] of an order that only the store knows.
  struct HistoryPage {
    std::uint64_t first = 0, last = 0;
  };
  /// The messages (no lines) that came or went since then, in pages of at most wire::kMaxHistoryPartBytes when encoded.
  [[nodiscard]] virtual Result<std::vector<HistoryPage>, StoreError> history_pages(Time since) = 0;
  /// What is still there of a page, encoded as the application likes: another device's store reads it (AddHistory).
  [[nodiscard]] virtual Result<SecretBytes, StoreError> history_page(const HistoryPage& page) = 0;
  /// Accounts with a handle or a conversation.
  [[nodiscard]] virtual Result<std::vector<AddContact>, StoreError> contacts() = 0;
  /// What AddPersona left, one of each business. A store of a persona or of a business has none.
  [[nodiscard]] virtual Result<std::vector<PersonaState>, StoreError> personas() { return std::vector<PersonaState>(); }

  /// All or nothing, on stable storage when it returns. The driver takes the batch.
  [[nodiscard]] virtual Result<void, StoreError> commit(Batch batch) = 0;
};

}  // namespace opaline::endpoint
