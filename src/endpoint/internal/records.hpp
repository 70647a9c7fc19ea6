#pragma once
// The rows of an EndpointStore. Every value begins with u8 kRecordVersion; integers are big-endian, times are u64
// milliseconds since 1970, optional things are empty or zero. What cannot be read back is corrupt_state, never guessed.
// Earlier versions lack what is marked "since 2" and so on; they are read with the defaults.
#include <map>
#include <vector>

#include "endpoint/endpoint.hpp"
#include "session/handshake.hpp"

namespace opaline::endpoint::internal {

inline constexpr std::uint8_t kRecordVersion = 4;

/// SHA-256 of an account key.
using AccountKeyHash = ByteId<struct AccountKeyHashTag, 32>;

// ---- Table::device, keys below
inline constexpr std::string_view kIdentityKey = "identity";       // DeviceIdentity::serialise
inline constexpr std::string_view kAccountKeyKey = "account key";  // AccountKey::serialise; the primary device alone
inline constexpr std::string_view kOwnKey = "own";                 // OwnRecord
inline constexpr std::string_view kLedgerKey = "ledger";           // LedgerRecord
inline constexpr std::string_view kPrekeysKey = "prekeys";         // PrekeyRecord
inline constexpr std::string_view kOrphansKey = "orphans";         // OrphanRecord
inline constexpr std::string_view kNextListKey = "next list";      // NextListRecord; while the service has not answered
inline constexpr std::string_view kEarlierListKey = "own list ";   // and u32 number: a signed list of ours, of before
inline constexpr std::string_view kServiceListKey = "service's list";  // signed; while the service has an older one

struct OwnRecord {
  Enrolment enrolment;
  bool registered = false;
  Bytes signed_list;
};

/// What a device that was just linked still has to ask the primary one for: contacts come always.
enum class HistoryWanted : std::uint8_t { none = 0, contacts = 1, all = 2 };

/// Counters that only rise, and settings.
struct LedgerRecord {
  std::uint64_t next_sequence = 1;  ///< of messages in the outbox
  std::uint64_t next_parked = 1;
  std::uint64_t next_use = 1;  ///< stamps the use of sessions
  Time last_sent_at{};
  Time next_probe{};
  bool receipts = true;
  Bytes handle;  ///< that texts name
  // since 2
  Bytes name;           ///< this device's, as the person calls it
  Time told_at{};       ///< when the other devices last heard of this one
  Time caught_up_at{};  ///< when they were last asked for what this one has missed
  HistoryWanted history_wanted = HistoryWanted::none;
  Time heard_at{};  ///< the last text of anybody, coarse: what came after it may be missing if this state is set back
  // since 3
  bool missed_again = false;  ///< something was lost since caught_up_at: what they have is asked for once more
  // since 4
  Time missed_since{};  ///< what came after it may be missing here until another device has given it; zero: nothing
};

/// A device list that this device has signed and the service has not yet taken.
struct NextListRecord {
  Bytes signed_list;
  Bytes exchange;  ///< empty: no device is added
  Bytes signed_set, one_time_batch;
};

/// The set that the directory should be offering.
struct PrekeyRecord {
  session::PrekeySetId id{};
  Time created{};
  Time offered_until{};
  bool uploaded = false;
  Bytes signed_set;
  Bytes one_time_batch;  ///< this and signed_set: empty once uploaded
};

struct Orphan {
  session::SessionTag tag;  ///< zero for a handshake
  EnvelopeId envelope;
  Time received_at{};
  std::uint8_t asked = 0;  ///< so many devices
};
struct OrphanRecord {
  std::vector<Orphan> orphans;
};

// ---- Table::peer, by account
struct PeerRecord {
  Bytes pinned;     ///< signed list; empty before the first
  Bytes candidate;  ///< signed list of another account key, waiting for the person; empty: no alarm
  bool verified = false;
  bool verify_again = false;
  bool met = false;  ///< a text went or came
  Bytes renewal_token;
  session::ListHash noticed;  ///< the last list that raised an alarm: each raises it once
  // since 2
  bool blocked = false;
  Time changed_at{};            ///< when the person last said something of this account: verified, blocked, accepted
  ListNumber told_list{};       ///< the highest that one of its devices said its account has
  AccountKeyHash accepted_key;  ///< hash of the account key that the person last accepted in place of another
  AccountKeyHash told_key;      ///< hash of the account key that another device of ours has pinned; zero: none said
};

// ---- Table::own_device, by u32 device number
struct OwnDeviceRecord {
  Bytes name;
  bool primary = false;
  Time last_seen{};
  Time history_at{};  ///< when it was last sent our history
};

// ---- Table::peer_device, by account and device number
struct SessionReference {
  session::HandshakeHash hash;
  Time answer_by{};  ///< of a session that we opened: unanswered, it is not written in any more
  std::uint64_t last_use = 0;
  Time unanswered_since{};  ///< the first message that we sent since we last heard anything in it; zero: none
  bool failed = false;      ///< a `retry` was sent because of it: what else fails in it goes the same way
};
/// Of a device that is known: the first message of a sending chain that could not be opened.
struct LostMessage {
  session::SessionTag tag;  ///< of the chain; zero for a handshake
  EnvelopeId envelope;
  Time received_at{};
  Time asked_at{};         ///< when it was last asked for; zero: never
  std::uint8_t asked = 0;  ///< so often
};
struct DeviceRecord {
  wire::SendToken token{};
  Time token_at{};  ///< zero: no token
  std::vector<SessionReference> sessions;
  session::HandshakeHash sending;  ///< zero: none
  bool open_new = false;           ///< the next message wants a session of our own opening
  std::vector<Time> heals;         ///< within kHealWindow
  Time newer_list_at{};
  Time last_use{};
  Time newest_sent_at{};  ///< of its messages: what comes with an older time was sent again
  // since 2
  Time owed_since{};  ///< of an own device: what it was not told since then, it gets as history; zero: nothing
  // since 3
  std::vector<LostMessage> lost;  ///< perhaps it came again since: its sender alone knows what an envelope held
  session::HandshakeHash slow;    ///< a session of our opening that was left for the peer's, as nobody answered it
};

// ---- Table::session, by handshake hash: tags ever accepted (the latest kMaxTagsKept), then Session::serialise
inline constexpr std::size_t kMaxTagsKept = 64;
struct SessionRow {
  std::vector<session::SessionTag> tags;
  ByteView state;  ///< borrows what was decoded
};

// ---- Table::outbox and Table::sent, by sequence
enum class ContentKind : std::uint8_t {
  text = 1,
  receipt = 2,
  retry = 3,
  newer_list = 4,
  // to the account's other devices
  sync = 5,          ///< body: the content, encoded; list numbers are put in when it is encrypted
  sent_copy = 6,     ///< of a text of ours. body: its peer, id
  history_part = 7,  ///< body: u32 index, u32 parts, u64 first, u64 last (EndpointStore::HistoryPage)
  personas = 10,     ///< body: businesses, id after id; what is said of them is looked up when it is encrypted
  hello = 9,         ///< says nothing but which list we go by: who has a newer one answers with it
  // no content of its own
  written_elsewhere = 8,  ///< a text that another device of ours sent: in Table::sent alone, for its receipts
};
[[nodiscard]] constexpr bool is_sync(ContentKind kind) {
  return kind == ContentKind::sync || kind == ContentKind::sent_copy || kind == ContentKind::history_part ||
         kind == ContentKind::personas;
}
enum class DeliveryState : std::uint8_t {
  waiting = 1,    ///< not encrypted yet
  committed = 2,  ///< the ciphertext is in Table::envelope
  accepted = 3,
  gone = 4,
};
struct Delivery {
  DeviceNumber device{};
  DeliveryState state = DeliveryState::waiting;
  std::uint8_t resends = 0;
  bool delivered = false;             ///< a receipt of this device came
  bool full = false;                  ///< the mailbox was full when it was last tried
  session::IdentityHash identity;     ///< the device's keys when it was chosen: nobody else gets it again
  session::HandshakeHash session;     ///< of the last encryption
  std::vector<EnvelopeId> envelopes;  ///< all of them, the present one last
  bool in_flight = false;             ///< submitted on this connection, not answered; not stored
};
struct MessageRecord {
  std::uint64_t sequence = 0;
  MessageId id;
  AccountId peer;
  ContentKind kind{};
  Time sent_at{};            ///< what the content says: strictly rising
  Time queued_at{};          ///< for expiry
  ListNumber list_number{};  ///< that the deliveries were made by; 0: not fanned out yet
  DeviceNumber only{};       ///< 0: all devices of the peer. Of written_elsewhere: the author, 0 if not noted
  MessageState state = MessageState::queued;
  Reason reason = Reason::none;
  Bytes body;  ///< receipt: u8 kind, ids; retry: envelope id, time, u32 passed over (or none); those of sync: see
               ///< ContentKind; else empty
  std::vector<Delivery> deliveries;
};

// ---- Table::parked, by number
struct ParkedRecord {
  AccountId claimed;
  EnvelopeId envelope;
  Time received_at{};
  Bytes ciphertext;
};

[[nodiscard]] SecretBytes encode(const OwnRecord&);
[[nodiscard]] SecretBytes encode(const LedgerRecord&);
[[nodiscard]] SecretBytes encode(const PrekeyRecord&);
[[nodiscard]] SecretBytes encode(const OrphanRecord&);
[[nodiscard]] SecretBytes encode(const NextListRecord&);
[[nodiscard]] SecretBytes encode(const OwnDeviceRecord&);
[[nodiscard]] SecretBytes encode(const PeerRecord&);
[[nodiscard]] SecretBytes encode(const DeviceRecord&);
[[nodiscard]] SecretBytes encode(const SessionRow&);
[[nodiscard]] SecretBytes encode(const MessageRecord&);
[[nodiscard]] SecretBytes encode(const ParkedRecord&);
/// False: not what encode writes; `out` is then unspecified.
[[nodiscard]] bool decode(ByteView bytes, OwnRecord& out);
[[nodiscard]] bool decode(ByteView bytes, LedgerRecord& out);
[[nodiscard]] bool decode(ByteView bytes, PrekeyRecord& out);
[[nodiscard]] bool decode(ByteView bytes, OrphanRecord& out);
[[nodiscard]] bool decode(ByteView bytes, NextListRecord& out);
[[nodiscard]] bool decode(ByteView bytes, OwnDeviceRecord& out);
[[nodiscard]] bool decode(ByteView bytes, PeerRecord& out);
[[nodiscard]] bool decode(ByteView bytes, DeviceRecord& out);
[[nodiscard]] bool decode(ByteView bytes, SessionRow& out);
[[nodiscard]] bool decode(ByteView bytes, MessageRecord& out);
[[nodiscard]] bool decode(ByteView bytes, ParkedRecord& out);

// ---- keys
[[nodiscard]] Bytes number_key(std::uint64_t number);
[[nodiscard]] Bytes set_key(session::PrekeySetId id);
[[nodiscard]] Bytes one_time_key(session::PrekeySetId id, session::OneTimeIndex index);
[[nodiscard]] Bytes device_key(const session::DeviceAddress& device);
[[nodiscard]] Bytes own_device_key(DeviceNumber number);
[[nodiscard]] Bytes earlier_list_key(std::uint32_t number);
/// A message is named by whom it is from or for, too: two people may choose one id.
[[nodiscard]] Bytes message_key(const AccountId& peer, const MessageId& id);

}  // namespace opaline::endpoint::internal
