#pragma once
// Linking (docs/protocol.md, section Linking): how a device that has no account yet and the primary device of an
// account come to a channel that nobody else is in, over a server that they do not trust, and what they say in it. Two
// state machines without I/O. What they send goes, in order, as messages of a link exchange (docs/device-api.md, One's
// own devices); what the exchange brings goes, in order, each message once, into on_message.
//
// One try: after any error, refusal or end(), an object answers out_of_turn for ever and its keys are wiped. Open a new
// exchange, with a new object. Not thread-safe.
#include <memory>
#include <variant>

#include "session/link_code.hpp"
#include "session/prekeys.hpp"

namespace opaline::session {

/// A message of a link exchange at most (docs/device-api.md).
inline constexpr std::size_t kMaxLinkMessageBytes = 49'152;
inline constexpr std::size_t kMaxLinkHandleBytes = 254;
inline constexpr std::size_t kMaxDeviceNameBytes = 64;

/// UTF-8 (RFC 3629) of 1 to kMaxDeviceNameBytes bytes without control characters (C0, DEL, C1, line and paragraph
/// separators, the directional ones of Unicode): what can be shown on one line without lying about it.
[[nodiscard]] bool is_device_name(std::string_view text);

// ---- what may come of a step

/// 8 digits, to be compared by a person on both screens. Not secret.
struct LinkDigits {
  std::array<char, 8> digits{};
  [[nodiscard]] std::string_view text() const { return {digits.data(), digits.size()}; }
  friend bool operator==(const LinkDigits&, const LinkDigits&) = default;
};
/// At the new device: what the other side says this is to become. Its account key is what everything later hangs on.
struct LinkWelcome {
  VerifiedDeviceList list;  ///< the account's present list; the new device is not in it
  DeviceNumber device{};    ///< the new device's number: the list's next
  MailboxId mailbox;        ///< the new device's
  std::string handle;       ///< to be shown; a claim until the service has confirmed it
};
/// At the primary device: what the new device says it is. All of it was checked; nothing is signed yet.
struct LinkProposal {
  DevicePublicKeys keys;
  std::uint32_t capabilities = 0;
  Bytes signed_prekeys;  ///< kPrekeySetBytes, for the directory
  Bytes one_time_batch;  ///< likewise
  std::string name;      ///< is_device_name()
  bool wants_history = false;
  bool web = false;
};
/// At the new device: it is in the list.
struct LinkDone {
  VerifiedDeviceList list;
};
/// Why the primary device ended it, in the channel. On the wire; never renumbered.
enum class LinkRefusal : std::uint8_t {
  person = 1,        ///< the person said no
  too_many = 2,      ///< the account has kMaxDevices devices
  list_changed = 3,  ///< the list changed meanwhile: try again
  service = 4,       ///< the service did not take the new list
};

/// A step: what to send, in this order, and what to tell the caller. Either may be nothing.
struct LinkStep {
  std::vector<Bytes> send;
  std::variant<std::monostate, LinkDigits, LinkWelcome, LinkProposal, LinkDone, LinkRefusal> event;
};

// ---- the new device

/// What the new device is going to be; made by its caller once it has the LinkWelcome, and kept in its own store before
/// it is sent.
struct LinkKeys {
  const DeviceIdentity& identity;
  ByteView signed_prekeys;  ///< a set whose owner is the account and number of the LinkWelcome, signed by `identity`
  ByteView one_time_batch;  ///< its one-time prekeys
  std::uint32_t capabilities = kCapabilityMessages | kCapabilityEphemeral;
  std::string_view name;  ///< is_device_name()
  bool wants_history = false;
  bool web = false;
};

class LinkNewDevice {
 public:
  /// Makes the linking keys: the first message can go out with /v1/link/open.
  explicit LinkNewDevice(RandomSource& random);
  ~LinkNewDevice();
  LinkNewDevice(LinkNewDevice&&) noexcept;
  LinkNewDevice& operator=(LinkNewDevice&&) noexcept;

  /// The first message of the exchange.
  [[nodiscard]] Bytes hello() const;
  /// The service's answer to /v1/link/open. Once (asserted), before anything else.
  void opened(const LinkExchangeId& exchange);
  /// To be shown as a QR code, after opened() (asserted). Empty once a message has come: nobody is to scan it any more.
  /// See encode_link_code.
  [[nodiscard]] SecretBytes code() const;

  /// Events: LinkDigits (show them; ask the person; then confirm() or end()), LinkWelcome (then send_keys()), LinkDone,
  /// LinkRefusal (it is over). Without event: send what there is and wait.
  /// too_large, malformed, unsupported_version, bad_key, authentication_failed (the other side is not who it should be,
  /// or somebody changed a byte), bad_signature (a list), wrong_device (a list that is not what it has to be: see
  /// docs/protocol.md), out_of_turn.
  [[nodiscard]] Result<LinkStep, Error> on_message(ByteView message, RandomSource& random);
  /// The person has seen the same digits on both screens. Only after LinkDigits, once: out_of_turn else. May bring a
  /// LinkWelcome that was already here; errors as of on_message.
  [[nodiscard]] Result<LinkStep, Error> confirm();
  /// After LinkWelcome, once: out_of_turn else. What `keys` says must be right (asserted: our own).
  [[nodiscard]] Result<LinkStep, Error> send_keys(const LinkKeys& keys, RandomSource& random);
  /// The person said no, or time is over. Wipes everything.
  void end();
  /// Whether nothing more can come: done, refused, failed or ended.
  [[nodiscard]] bool over() const;

 private:
  struct State;
  [[nodiscard]] Result<LinkStep, Error> step(ByteView message, RandomSource& random);
  std::unique_ptr<State> state_;  // null: over
};

// ---- the primary device

struct LinkPrimaryInput {
  LinkExchangeId exchange;         ///< of LinkJoinReply
  MailboxId mailbox;               ///< of LinkJoinReply: the new device's
  const VerifiedDeviceList& list;  ///< the account's present one, with less than kMaxDevices devices (asserted)
  std::string_view handle;         ///< what the new device shows as the account's: UTF-8, 1 to kMaxLinkHandleBytes
  Time now;
};

class LinkPrimary {
 public:
  /// The person typed the number: digits will be compared.
  explicit LinkPrimary(const LinkPrimaryInput& input);
  /// The person scanned a code. If `input.exchange` is not the code's, the first message fails.
  LinkPrimary(const LinkPrimaryInput& input, LinkCode code);
  ~LinkPrimary();
  LinkPrimary(LinkPrimary&&) noexcept;
  LinkPrimary& operator=(LinkPrimary&&) noexcept;

  /// Events: LinkDigits (show them; ask the person; then confirm() or end()), LinkProposal (show the name; then
  /// approve() or refuse()). Without event: send what there is and wait.
  /// too_large, malformed, unsupported_version, bad_key, authentication_failed (also: not the device whose code was
  /// scanned), bad_signature (the new device's, or its prekeys'), wrong_device (prekeys of another owner, or keys that
  /// the account has already), expired (prekeys), out_of_turn.
  [[nodiscard]] Result<LinkStep, Error> on_message(ByteView message, RandomSource& random);
  /// The person has seen the same digits on both screens. Only after LinkDigits, once: out_of_turn else.
  [[nodiscard]] Result<LinkStep, Error> confirm();
  /// After LinkProposal: the list to be signed, stored, given to the service (with the proposal's prekeys), and then to
  /// approve(). Asserted: there is a proposal.
  [[nodiscard]] DeviceList next_list(Time now) const;
  /// The service has the list: tells the new device. It is over then. Asserted: `list` is next_list(), signed.
  /// out_of_turn: there is no proposal.
  [[nodiscard]] Result<LinkStep, Error> approve(const VerifiedDeviceList& list);
  /// Tells the new device that it will not be. It is over then. out_of_turn: there is no channel yet: just end().
  [[nodiscard]] Result<LinkStep, Error> refuse(LinkRefusal reason);
  void end();
  [[nodiscard]] bool over() const;

 private:
  struct State;
  [[nodiscard]] Result<LinkStep, Error> step(ByteView message, RandomSource& random);
  std::unique_ptr<State> state_;  // null: over
};

}  // namespace opaline::session
