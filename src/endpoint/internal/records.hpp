#pragma once
// The rows of an EndpointStore. Every value begins with u8 kRecordVersion; integers are big-endian, times are u64
// milliseconds since 1970, optional things are empty or zero. What cannot be read back is corrupt_state, never guessed.
#include <map>
#include <vector>

#include "endpoint/endpoint.hpp"
#include "session/handshake.hpp"

namespace opaline::endpoint::internal {

inline constexpr std::uint8_t kRecordVersion = 1;

// ---- Table::device, keys below
inline constexpr std::string_view kIdentityKey = "identity";       // DeviceIdentity::serialise
inline constexpr std::string_view kAccountKeyKey = "account key";  // AccountKey::serialise; the primary device alone
inline constexpr std::string_view kOwnKey = "own";                 // OwnRecord
inline constexpr std::string_view kLedgerKey = "ledger";           // LedgerRecord
inline constexpr std::string_view kPrekeysKey = "prekeys";         // PrekeyRecord
inline constexpr std::string_view kOrphansKey = "orphans";         // OrphanRecord

struct OwnRecord {
  Enrolment enrolment;
  bool registered = false;
  Bytes signed_list;
};

/// Counters that only rise, and settings.
struct LedgerRecord {
  std::uint64_t next_sequence = 1;  ///< of messages in the outbox
  std::uint64_t next_parked = 1;
  std::uint64_t next_use = 1;  ///< stamps the use of sessions
  Time last_sent_at{};
  Time next_probe{};
  bool receipts = true;
  Bytes handle;  ///< that texts name
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
};

// ---- Table::peer_device, by account and device number
struct SessionReference {
  session::HandshakeHash hash;
  Time answer_by{};  ///< of a session that we opened: unanswered, it is not written in any more
  std::uint64_t last_use = 0;
  Time unanswered_since{};  ///< the first message that we sent since we last heard anything in it; zero: none
  bool failed = false;      ///< a `retry` was sent because of it: what else fails in it goes the same way
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
};

// ---- Table::session, by handshake hash: tags ever accepted (the latest kMaxTagsKept), then Session::serialise
inline constexpr std::size_t kMaxTagsKept = 64;
struct SessionRow {
  std::vector<session::SessionTag> tags;
  ByteView state;  ///< borrows what was decoded
};

// ---- Table::outbox and Table::sent, by sequence
enum class ContentKind : std::uint8_t { text = 1, receipt = 2, retry = 3, newer_list = 4 };
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
  DeviceNumber only{};       ///< 0: all devices of the peer
  MessageState state = MessageState::queued;
  Reason reason = Reason::none;
  Bytes body;  ///< receipt: u8 kind, ids; retry: envelope id, time; else empty
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

}  // namespace opaline::endpoint::internal
