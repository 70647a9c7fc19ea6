#pragma once
// Frames of the device connection (docs/device-api.md, "Frames"). One WebSocket binary message is a batch of whole
// frames: u8 type, u24 length, body. Layouts are fixed and canonical: what is too long, too short or unknown is an
// error that ends the connection.
#include <variant>

#include "base/codec.hpp"
#include "base/ids.hpp"
#include "base/result.hpp"
#include "base/time.hpp"
#include "wire/limits.hpp"

namespace opaline::wire {

enum class FrameType : std::uint8_t {
  hello = 0x01,
  auth = 0x02,
  ready = 0x03,
  route = 0x10,
  submit = 0x11,
  result = 0x12,
  clear = 0x13,
  push = 0x20,
  ack = 0x21,
  drained = 0x22,
  credit = 0x30,
  call = 0x40,
  reply = 0x41,
  notice = 0x42,
  goodbye = 0x7f,
};

/// What the relay may do with an envelope whose device is offline.
enum class EnvelopeClass : std::uint8_t {
  normal = 0,     ///< wait for the device, up to the retention time
  ephemeral = 1,  ///< drop (typing)
};

/// What became of a submitted envelope. The names are those of docs/device-api.md.
enum class SubmitStatus : std::uint8_t {
  accepted = 0,   ///< promise 1: acknowledged by the device, or durable
  full = 1,       ///< the mailbox, or this sender's share of it, is full
  gone = 2,       ///< no such mailbox any more: forget this device
  refresh = 3,    ///< the send token is too old or revoked: fetch the bundle again
  refused = 4,    ///< the send token is not one, or the route was never opened
  retry = 5,      ///< not known to be stored (disk trouble, shutdown): send the same bytes with the same id again
  held_back = 6,  ///< an earlier envelope to this mailbox was not accepted: send CLEAR, then these again in order
};
inline constexpr std::uint8_t kLastSubmitStatus = 6;

/// What binds the signature in AUTH to the TLS connection.
enum class Binding : std::uint8_t { none = 0, tls_exporter = 1 };

enum class GoodbyeCode : std::uint16_t {
  shutting_down = 1,    ///< connect again after a moment
  protocol_error = 2,   ///< a frame was malformed or out of place
  auth_failed = 3,      ///< unknown device or wrong signature: no reason is given
  replaced = 4,         ///< the same device connected again
  removed = 5,          ///< the device or account was removed
  too_slow = 6,         ///< output was not read in time
  credit_exceeded = 7,  ///< more was submitted than credit was given
  unsupported_version = 8,
  too_many = 9,  ///< routes, subscriptions or open calls beyond the limits
};

// ---- bodies. Views borrow the batch they were parsed from.
struct Hello {  ///< server -> device, first
  std::uint16_t min_version = kProtocolVersion, max_version = kProtocolVersion;
  ByteArray<kNonceBytes> nonce{};
  Binding binding = Binding::tls_exporter;
  ByteView server_name;  ///< u8 length in front
};
struct Auth {  ///< device -> server
  std::uint16_t version = kProtocolVersion;
  AccountId account;
  DeviceNumber device{};
  Binding binding = Binding::tls_exporter;
  ByteView signature;  ///< kAuthSignatureBytes over auth_message(), hybrid, label kAuthLabel
};
struct Ready {  ///< server -> device: authenticated
  Time server_time;
  std::uint32_t credit_envelopes = 0, credit_bytes = 0;
  MailboxId mailbox;  ///< subscription 0
};
struct Route {  ///< device -> server: binds a small number to (mailbox, send token); a second ROUTE replaces the first
  std::uint16_t route = 0;
  MailboxId mailbox;
  ByteArray<kSendTokenBytes> token{};
};
struct Submit {  ///< device -> server; its number is implied: 1 for the first of a connection
  std::uint16_t route = 0;
  EnvelopeClass envelope_class = EnvelopeClass::normal;
  EnvelopeId id;
  ByteView ciphertext;  ///< 1 .. kMaxEnvelopeBytes
};
struct ResultRange {
  std::uint32_t first = 0;  ///< submit number
  std::uint16_t count = 0;  ///< >= 1
  SubmitStatus status{};
};
struct ResultFrame {  ///< server -> device: 1 or more ranges of 7 bytes
  ByteView ranges;
  [[nodiscard]] std::size_t size() const { return ranges.size() / 7; }
  [[nodiscard]] ResultRange at(std::size_t i) const;
};
struct Clear {  ///< device -> server: "I know that the last envelope on this route was not accepted"
  std::uint16_t route = 0;
};
struct Push {  ///< server -> device; its number is implied: 1 for the first of a connection
  std::uint8_t subscription = 0;
  bool gap = false;  ///< envelopes before this one were refused as `full` or expired
  EnvelopeId id;
  ByteView ciphertext;
};
struct Ack {  ///< device -> server, after its own commit: all pushes up to this number
  std::uint32_t number = 0;
};
struct Drained {  ///< server -> device: what waited on this subscription when it connected has all been acknowledged
  std::uint8_t subscription = 0;
};
struct Credit {  ///< either way: so much more may be sent
  std::uint32_t envelopes = 0, bytes = 0;
};
struct Call {  ///< device -> server: protobuf of the method (proto/device.proto)
  std::uint32_t id = 0;
  std::uint16_t method = 0;
  ByteView body;
};
struct Reply {  ///< server -> device
  std::uint32_t id = 0;
  std::uint16_t status = 0;  ///< CallStatus
  ByteView body;
};
struct Notice {  ///< server -> device, unasked (proto/device.proto, NoticeKind)
  std::uint16_t kind = 0;
  ByteView body;
};
struct Goodbye {  ///< either way, last
  GoodbyeCode code{};
  ByteView text;  ///< for people; at most kMaxGoodbyeTextBytes, UTF-8
};

using Frame = std::variant<Hello, Auth, Ready, Route, Submit, ResultFrame, Clear, Push, Ack, Drained, Credit, Call,
                           Reply, Notice, Goodbye>;

enum class FrameError : std::uint8_t { truncated, oversized, unknown_type, malformed };

/// Walks over the frames of one batch. The batch must outlive the frames.
///   for (FrameReader in(batch); !in.done();) { OPALINE_TRY(Frame f, in.next()); ... }
class FrameReader {
 public:
  explicit FrameReader(ByteView batch) : in_(batch) {}
  [[nodiscard]] bool done() const { return in_.left() == 0; }
  /// The next frame. After an error the rest of the batch has no meaning.
  [[nodiscard]] Result<Frame, FrameError> next();

 private:
  Reader in_;
};

/// Appends one frame to a batch. The caller keeps a batch within kMaxBatchBytes (`encoded_size` helps).
void encode(Bytes& batch, const Hello&);
void encode(Bytes& batch, const Auth&);
void encode(Bytes& batch, const Ready&);
void encode(Bytes& batch, const Route&);
void encode(Bytes& batch, const Submit&);
/// `ranges` must not be empty and fit a frame.
void encode_results(Bytes& batch, std::span<const ResultRange> ranges);
void encode(Bytes& batch, const Clear&);
void encode(Bytes& batch, const Push&);
void encode(Bytes& batch, const Ack&);
void encode(Bytes& batch, const Drained&);
void encode(Bytes& batch, const Credit&);
void encode(Bytes& batch, const Call&);
void encode(Bytes& batch, const Reply&);
void encode(Bytes& batch, const Notice&);
void encode(Bytes& batch, const Goodbye&);

inline constexpr std::size_t kSubmitOverheadBytes = kFrameHeaderBytes + 2 + 1 + EnvelopeId::kSize;
inline constexpr std::size_t kPushOverheadBytes = kFrameHeaderBytes + 1 + 1 + EnvelopeId::kSize;
inline constexpr std::size_t kResultRangeBytes = 7;

/// The label of the AUTH signature.
inline constexpr std::string_view kAuthLabel = "opaline device auth v1";
/// What a device signs: version u16, account 16, device u32, nonce 32, server name (u8 length), binding u8, binding
/// bytes (kBindingBytes for tls_exporter, else none).
[[nodiscard]] Bytes auth_message(const Auth& auth, const Hello& hello, ByteView binding_bytes);

}  // namespace opaline::wire
