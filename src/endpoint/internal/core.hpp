#pragma once
// What all parts of an Endpoint share: the device itself, the round being prepared, and the parts' common vocabulary.
#include <set>

#include "endpoint/internal/records.hpp"
#include "endpoint/internal/staging.hpp"

namespace opaline::endpoint::internal {

/// What must not count twice. Numbers are stored.
enum class SeenKind : std::uint8_t {
  envelope = 1,
  message = 2,
  handshake = 3,
  read = 4,     ///< by account and message: read on another device before it came here
  deleted = 5,  ///< the same for deleted
  // By account and message: what became of a text of another device of ours, said before its copy came here.
  is_sent = 6,
  is_delivered = 7,
  is_read = 8,
  is_failed = 9,
  // Of what was said to the person, so that it is not said too often.
  forged_claim = 10,   ///< by the contact who made it
  unsigned_list = 11,  ///< by account
  forked_list = 12,    ///< by account, where a content says so
};

/// In keys of Table::seen_expiry, u32 day || u8 || u64 number, where others have a SeenKind: many of that day.
inline constexpr std::uint8_t kExpiryGroup = 0;

/// One peer device, as this device deals with it.
struct PeerDevice {
  session::DeviceAddress address;
  DeviceRecord record;
  bool dirty = false;
  bool removed = false;  ///< not on the list any more: it goes at the end of the round, or when nothing is in flight

  // Not stored.
  std::set<std::uint64_t> queue;  ///< messages with a delivery to this device that has not settled, in order
  Instant not_before{};           ///< back-off
  std::uint32_t failures = 0;     ///< doubles it
  Reason waits_for = Reason::none;
  bool wants_bundle = false;
  bool wants_token = false;
  std::vector<Time> gaps{};  ///< when it was asked for what was passed over, within kGapWindow

  // Of this connection.
  std::optional<std::uint16_t> route;
  wire::SendToken route_token{};
  std::size_t in_flight = 0;
  bool refused = false;  ///< an envelope was not accepted: CLEAR once nothing is in flight
};

/// One peer account.
struct Peer {
  AccountId account;
  PeerRecord record;
  bool dirty = false;
  std::optional<session::VerifiedDeviceList> pinned;
  std::optional<session::VerifiedDeviceList> candidate;  ///< an alarm that waits for the person
  std::map<DeviceNumber, PeerDevice> devices;

  // Not stored.
  std::set<std::uint64_t> unfanned;  ///< messages that wait for a device list
  bool wants_list = false;
  std::optional<Instant> list_asked_at;
  Instant list_not_before{};  ///< a list that only somebody's word calls newer is not fetched earlier
  DeviceNumber told_by{};     ///< who said last that there is a newer list
  std::optional<session::ListReference> claimed;  ///< of the own account: a list that somebody says it has
  AccountId claimed_by;
  std::optional<Instant> strange_since;  ///< of a persona: when its list was first seen under a root not known here
  RequestId open_request{};              ///< zero: none
  bool wanted_again = false;             ///< since that was sent: its answer may be from before
  Instant not_before{};
  std::uint32_t failures = 0;
  Reason waits_for = Reason::none;
  std::map<SeenKind, std::size_t> early_states;  ///< of texts that are not known: not fewer than there are

  [[nodiscard]] bool alarmed() const { return candidate.has_value(); }
  [[nodiscard]] const session::DeviceEntry* entry(DeviceNumber device) const {
    return pinned ? pinned->find(device) : nullptr;
  }
};

class Core {
 public:
  Core(EndpointStore& store, RandomSource& random_source, const Clock& clock_source, session::DeviceIdentity keys,
       session::VerifiedDeviceList list, OwnRecord own_record, LedgerRecord ledger_record, const Options& how);

  Staging staging;
  const Options options;
  RandomSource& random;
  const Clock& clock;
  const session::DeviceIdentity identity;
  session::VerifiedDeviceList own_list;
  OwnRecord own;
  bool own_dirty = false;
  const session::DeviceAddress address;
  LedgerRecord ledger;
  bool ledger_dirty = false;
  const Time heard_before;  ///< LedgerRecord::heard_at when this run began
  Counters counters;

  // Outputs of the round, in the order in which they leave.
  std::vector<Action> frames;
  std::vector<Request> requests;
  std::vector<Event> events;

  [[nodiscard]] Time now() const { return clock.now(); }
  /// A limit of all that is held for others together.
  [[nodiscard]] std::size_t in_all(std::size_t limit) const {
    return options.serves_strangers ? limit * kServingFactor : limit;
  }
  /// What the service's clock says when ours says `ours`: what one device stamps and another compares is in its time.
  /// As far as is known, and never more than kMaxClockAhead apart.
  [[nodiscard]] Time by_service(Time ours) const { return ours + service_ahead_; }
  [[nodiscard]] Time by_own(Time services) const { return services - service_ahead_; }
  void set_service_time(Time service);
  /// For what is not stored: back-off does not jump with the wall clock.
  [[nodiscard]] Instant instant() const { return clock.monotonic(); }
  /// The time that a content says it was sent: never twice the same, never falling.
  [[nodiscard]] Time sent_time();
  [[nodiscard]] std::uint64_t next(std::uint64_t LedgerRecord::* counter);
  [[nodiscard]] session::LocalDevice local() const { return {identity, address, own_list.reference()}; }
  void notice(const AccountId& peer, NoticeKind kind);
  [[nodiscard]] bool is_own(const AccountId& account) const { return account == address.account; }
  /// A list of ours waits for the service's answer: perhaps it has it, and the device that it adds is there already.
  bool list_pending = false;
  /// The account has devices beside this one.
  [[nodiscard]] bool has_others() const {
    return own_list.list().devices.size() > (own_list.find(address.device) == nullptr ? 0U : 1U);
  }

  [[nodiscard]] bool seen(SeenKind kind, ByteView what);
  void remember(SeenKind kind, ByteView what, Time until);
  /// False: it was not remembered.
  bool forget(SeenKind kind, ByteView what);
  /// True once for each `what` in `window`, and `limit` times in all; it is remembered.
  [[nodiscard]] bool may_say(SeenKind kind, ByteView what, milliseconds window, std::size_t limit);
  /// Forgets the oldest quarter of what begins with `prefix` if it is `limit` or more. How many are left.
  std::size_t keep_few(SeenKind kind, ByteView prefix, std::size_t limit);
  /// Forgets what may be forgotten, about `limit` things a call; true: there is more.
  [[nodiscard]] bool forget_seen(std::size_t limit);
  /// Puts what was remembered in this round where forget_seen() finds it.
  void write_expiring();

  /// Drops the outputs of the round.
  void drop_outputs();
  /// Stored bytes that do not decode: our own bug or damage. The round fails.
  void found_corrupt() { corrupt_ = true; }
  [[nodiscard]] bool corrupt() const { return corrupt_; }

 private:
  /// False: nothing was ever marked as read or deleted before it came, or all of it is forgotten.
  [[nodiscard]] bool has_marks();

  bool corrupt_ = false;
  std::optional<bool> has_marks_;
  milliseconds service_ahead_{0};
  std::map<std::uint32_t, Bytes> expiring_;  ///< by day: keys of Table::seen, each behind its length (u8)
};

/// What contents carry of a list's hash: wire::Content::list_check.
[[nodiscard]] std::uint64_t check_of(const session::ListHash& hash);

/// What back-off waits after `failures` attempts, with up to a quarter added at random: `first`, doubled each time, at
/// most kLastBackOff.
[[nodiscard]] milliseconds back_off(std::uint32_t failures, milliseconds first, RandomSource& random);

}  // namespace opaline::endpoint::internal
