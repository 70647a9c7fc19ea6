#pragma once
// A device: identity, pinned device lists, sessions, prekeys, an ordered outbox, healing (docs/architecture.md, "The
// life of a message"). What the client, the gateway and the simulator share. No I/O: inputs are the calls below,
// outputs the actions that commit_round() returns; time and randomness are given. Not thread-safe: one owner.
//
// A round is any number of inputs and then commit_round(): everything that they changed is committed in one batch, and
// only then do the actions leave (state before ciphertext, history before acknowledgement). Run a round for each batch
// of frames, not for each frame: one fsync serves all of it.
//
//   create(...)  -> register with the service -> confirm_registration() -> load(...)
//   per connection: sign_auth(), connected(READY); then rounds of on_push / on_result / on_credit / on_drained /
//   replies, tick() at least once a second while connected, disconnected() at its end. Sending works with and without.
#include <memory>
#include <string>
#include <string_view>

#include "base/random.hpp"
#include "endpoint/actions.hpp"
#include "endpoint/limits.hpp"
#include "session/device_list.hpp"
#include "session/safety_number.hpp"

namespace opaline::endpoint {

enum class Error : std::uint8_t {
  too_large,  ///< longer than wire::kMaxTextBytes, or empty; or with its part beyond the limits of wire/contents.hpp
  bad_text,   ///< not UTF-8
  bad_attachment,  ///< a name, type, size or number beyond the limits of wire/contents.hpp
  to_self,         ///< the peer is this account
  blocked,         ///< the person has blocked the peer
  outbox_full,     ///< kMaxOutboxMessages wait
  repeated,        ///< this account has queued or sent a message with this id
  bad_id,          ///< an id of zeros
  unknown_peer,    ///< no device list of this account was ever seen
  no_alarm,        ///< there is no changed identity to accept
  bad_enrolment,   ///< the service assigned another number than 1 to the first device
  not_registered,  ///< the store has no identity, or its registration was never confirmed
  registered,      ///< the store has a confirmed identity: it is not overwritten
  not_primary,     ///< this device does not have the account key
  list_busy,       ///< the service has not answered the last change of the list yet
  list_full,       ///< credentials::kMaxDevices
  unknown_device,  ///< no such device on the account's list
  this_device,     ///< a device does not remove itself: another one does
  bad_device,      ///< the list that would come of it breaks its rules, or does not hold this device as it should
  store_full,      ///< no space: nothing of this round happened
  store_failed,    ///< I/O error: nothing of this round was let out; the Endpoint went back to what the store has
  corrupt_state,   ///< the store holds what this code did not write
};

/// What the service assigned (CheckReply).
struct Enrolment {
  AccountId account;
  DeviceNumber device{};
  MailboxId mailbox;
};
/// What the service is to be told (CompleteRequest).
struct Registration {
  Enrolment enrolment;
  Bytes device_list;
  UploadPrekeys prekeys;
};

/// What a device that is being linked or recovered shows of itself.
struct NewDevice {
  session::DevicePublicKeys keys;
  UploadPrekeys prekeys;
};

/// One device of this account.
struct OwnDevice {
  DeviceNumber number{};
  std::string name;  ///< as its person called it; empty: not said (yet)
  Time linked{};
  Time last_seen{};  ///< when this device last heard of it, end to end; zero: never. Of this device: now
  bool primary = false;
  bool this_device = false;
  /// The service was set back, or lies: the list that it has is older, and does not hold this device. Only linking it
  /// again helps: remove_device, and then anew.
  bool forgotten = false;
};

/// What is known of a peer.
struct PeerStatus {
  ListNumber list_number{};
  std::size_t devices = 0;
  bool verified = false;             ///< the person compared safety numbers, and nothing has changed since
  bool alarmed = false;              ///< the identity changed: nothing is sent until accept_changed_identity
  bool verify_again = false;         ///< was verified before its identity changed
  bool blocked = false;              ///< nothing of it is shown, nothing is told to it
  ByteArray<32> account_key_hash{};  ///< SHA-256 of the account key that is pinned, or was first seen
};

struct Options {
  /// A business's gateway: whoever writes is served. Lists of strangers are fetched without kMaxStrangerFetches (its
  /// service does not charge for them), and the outbox and what waits for lists are kServingFactor times as large.
  bool serves_strangers = false;
  /// A persona's device: the account's key is renewed by another device of the person, who tells of it by another way
  /// (adopt_account_key), perhaps later than the service does.
  bool persona = false;
};

/// A message to be sent.
struct NewMessage {
  std::string_view utf8 = {};                ///< may be empty beside an attachment or a part
  std::vector<Attachment> attachments = {};  ///< at the service already; their `release` is random
  ByteView part = {};                        ///< an encoded wire::BusinessPart
  std::optional<MessageId> id = {};          ///< the caller's own; else a random one
};

/// What an attacker or an operator may want to count; no identifiers.
struct Counters {
  std::uint64_t received = 0, duplicates = 0, undecryptable = 0, orphans = 0, unconfirmed = 0, malformed = 0;
  std::uint64_t heals = 0, heals_suppressed = 0, resends = 0, retries_refused = 0;
  std::uint64_t encrypted = 0, submitted = 0, sessions_opened = 0, sessions_accepted = 0, prekey_sets = 0;
};

class Endpoint {
 public:
  /// Makes identity, account key, device list 1 and prekeys for a new account and commits them. Replaces an identity
  /// that was never confirmed. bad_enrolment, registered, store_full, store_failed.
  [[nodiscard]] static Result<Registration, Error> create(EndpointStore& store, RandomSource& random,
                                                          const Clock& clock, const Enrolment& enrolment);
  /// The same again, after a crash between create and confirm_registration. not_registered: create was never called.
  [[nodiscard]] static Result<Registration, Error> pending_registration(EndpointStore& store);
  /// The service answered OK. not_registered, store_full, store_failed.
  [[nodiscard]] static Result<void, Error> confirm_registration(EndpointStore& store);

  // ---- a further device of an account (docs/protocol.md, "Linking")

  /// Makes identity and prekeys for a device that is being linked, and commits them; replaces those of an attempt that
  /// was never confirmed. `list` is the account's verified list as it is before, number and account are its own.
  /// bad_device: the number is not the list's next one. registered, store_full, store_failed.
  [[nodiscard]] static Result<NewDevice, Error> create_linked(EndpointStore& store, RandomSource& random,
                                                              const Clock& clock, const Enrolment& enrolment,
                                                              const session::VerifiedDeviceList& list,
                                                              std::string_view name);
  /// Its keys, to prove that it has them. not_registered, store_failed, corrupt_state.
  [[nodiscard]] static Result<session::DeviceIdentity, Error> identity(EndpointStore& store);
  /// The primary device has put it on the list. An empty `signed_list`: whether it did is not known (this device or the
  /// connection died in between); then connecting tells: the service knows the device, and has the list. `ask_history`:
  /// the other devices are asked for it. bad_device: the list does not follow the one of create_linked, or does not
  /// hold this device; not_registered, store_full, store_failed.
  [[nodiscard]] static Result<void, Error> confirm_linked(EndpointStore& store, ByteView signed_list, bool ask_history);
  /// Makes a device that takes the primary one's place, from a recovery file: `list` is the account's newest list that
  /// is known; the next one, signed by `key`, holds the new device and none of `left_out` (of those that are on it).
  /// Then the same way as for a new account: confirm_registration. bad_device: `key` is not the list's; list_full,
  /// registered, store_full, store_failed.
  [[nodiscard]] static Result<Registration, Error> create_recovered(EndpointStore& store, RandomSource& random,
                                                                    const Clock& clock, const Enrolment& enrolment,
                                                                    const session::VerifiedDeviceList& list,
                                                                    const session::AccountKey& key,
                                                                    const std::vector<DeviceNumber>& left_out);
  /// Makes a device of a persona, and the list with which it joins: `next` as it is to be signed by `key`, but for the
  /// new device, which gets `next.next_device` as its number, and `mailbox`. Then as for a new account. bad_device:
  /// that breaks the rules of lists; list_full, registered, store_full, store_failed.
  [[nodiscard]] static Result<Registration, Error> create_in_persona(EndpointStore& store, RandomSource& random,
                                                                     const Clock& clock, session::DeviceList next,
                                                                     const MailboxId& mailbox,
                                                                     const session::AccountKey& key);
  /// The first three arguments must outlive the Endpoint. not_registered, store_failed, corrupt_state.
  [[nodiscard]] static Result<std::unique_ptr<Endpoint>, Error> load(EndpointStore& store, RandomSource& random,
                                                                     const Clock& clock, const Options& options = {});
  ~Endpoint();
  Endpoint(const Endpoint&) = delete;
  Endpoint& operator=(const Endpoint&) = delete;

  [[nodiscard]] const session::DeviceAddress& address() const;
  [[nodiscard]] const MailboxId& mailbox() const;
  /// The signature for AUTH over wire::auth_message(): wire::kAuthSignatureBytes.
  [[nodiscard]] Bytes sign_auth(ByteView auth_message);

  // ---- the person

  /// Queues a message; works offline. It is in the history and on its way once commit_round() succeeds, and so is its
  /// copy for this account's other devices. repeated: the id was given before, also if that message failed, as long as
  /// this device remembers (kResendFor, or until the history has lost its text): nothing happens. too_large, bad_text,
  /// bad_attachment, bad_id, to_self, blocked, outbox_full.
  [[nodiscard]] Result<MessageId, Error> send(const AccountId& peer, NewMessage message);
  /// The same without a part or an id.
  [[nodiscard]] Result<MessageId, Error> send_text(const AccountId& peer, std::string_view utf8,
                                                   std::vector<Attachment> attachments = {});
  /// The devices that a message to this peer goes to, as far as is known now: its own and this account's others.
  /// Empty: its list was never seen (refresh_peer).
  [[nodiscard]] std::vector<session::DeviceAddress> recipients(const AccountId& peer);
  /// Not stored; dropped unless the peer can be reached now.
  void send_typing(const AccountId& peer, bool active);
  /// Tells the peer, unless receipts are off, that these messages of its were read, and the person's other devices. In
  /// batches; works offline.
  void mark_read(const AccountId& peer, std::span<const MessageId> ids);
  /// Whether `delivered` and `read` are told to others. On at first; takes effect for what comes after.
  void set_receipts(bool on);
  [[nodiscard]] bool receipts() const;
  /// The handle that texts say their sender is reached by; at most wire::kMaxHandleBytes, else ignored. Empty at first:
  /// says nothing.
  void set_handle(std::string_view handle);
  /// Deletes them here and on the person's other devices.
  void delete_messages(const AccountId& peer, std::span<const MessageId> ids);
  /// The same for all of the conversation with a sent_at up to `through`.
  void delete_conversation(const AccountId& peer, Time through);
  /// Blocked: nothing that the peer sends is kept or shown, and nothing tells it so. On all of the person's devices.
  /// Works for accounts of which nothing is known yet.
  void set_blocked(const AccountId& peer, bool blocked);
  /// Whom the person has blocked, also accounts of which nothing else is known; in order. store_failed, corrupt_state.
  [[nodiscard]] Result<std::vector<AccountId>, Error> blocked();
  /// Tells the other devices by which handle the person knows this account.
  void share_contact(const AccountId& peer, std::string_view handle);
  /// Keeps how the person stands with a business (AddPersona), and tells the other devices. Ignored if the root is
  /// none.
  void share_persona(PersonaState persona);
  /// From a lookup of the peer's handle: makes asking for its devices free of charge.
  void remember_renewal_token(const AccountId& peer, ByteView token);
  /// Asks the directory for the peer's devices now (connected), so that status and safety number are there before the
  /// first message.
  void refresh_peer(const AccountId& peer);

  /// unknown_peer, store_failed.
  [[nodiscard]] Result<PeerStatus, Error> peer_status(const AccountId& peer);
  /// 60 digits; of the identity that waits for acceptance, if there is one. unknown_peer, store_failed.
  [[nodiscard]] Result<std::string, Error> safety_number(const AccountId& peer);
  /// The person compared the safety number and it was the same. unknown_peer, store_failed.
  [[nodiscard]] Result<void, Error> set_verified(const AccountId& peer, bool verified);
  /// The person agrees to the peer's new identity: it is pinned, sessions with the old one are dropped, waiting
  /// messages go to the new one. unknown_peer, no_alarm, store_failed.
  [[nodiscard]] Result<void, Error> accept_changed_identity(const AccountId& peer);

  // ---- the account's devices

  [[nodiscard]] std::vector<OwnDevice> own_devices();
  /// The account's list as this device has it. store_failed, corrupt_state.
  [[nodiscard]] Result<session::VerifiedDeviceList, Error> own_list();
  /// True if this device has the account key. store_failed.
  [[nodiscard]] Result<bool, Error> is_primary();
  /// For the recovery file. not_primary, store_failed, corrupt_state.
  [[nodiscard]] Result<session::AccountKey, Error> account_key();
  /// What this device is called, at most wire::kMaxDeviceNameBytes of UTF-8 (else ignored); told to the others.
  void set_device_name(std::string_view name);
  [[nodiscard]] std::string device_name() const;
  /// Signs `next` (session::LinkPrimary::next_list) and has the service take it, with the added device's prekeys and
  /// the exchange by which it came: OwnDevicesChanged or DeviceChangeRefused follows, perhaps in a later run of the
  /// program. not_primary, list_busy, bad_device (it does not follow the present list), store_failed.
  [[nodiscard]] Result<void, Error> add_device(const session::DeviceList& next, ByteView exchange,
                                               const UploadPrekeys& prekeys);
  /// The same without a device: at once its mailbox is destroyed and its connection ended. not_primary, list_busy,
  /// unknown_device, this_device, store_failed.
  [[nodiscard]] Result<void, Error> remove_device(DeviceNumber number);
  /// A device that is on the list becomes the primary one, from a recovery file; `replaced` is taken off the list.
  /// bad_device: not this account's key; list_busy, this_device, store_failed.
  [[nodiscard]] Result<void, Error> become_primary(const session::AccountKey& key, DeviceNumber replaced);
  /// Of a persona: its root is this one now (docs/adr/0015-personas.md). A list that it has signed is taken from then
  /// on, and asked for.
  void adopt_account_key(const session::AccountKey& key);
  /// True while a change of the list is not answered.
  [[nodiscard]] bool list_change_pending() const;
  /// NOTICE ACCOUNT_CHANGED: the list may be another.
  void check_own_list();
  /// Asks the person's other devices for what this one may have missed since then (state set back, mailbox overrun).
  void ask_history(Time since);

  // ---- the connection

  void connected(const wire::Ready& ready);
  void disconnected();
  /// A PUSH; number implied, from 1 on for each connection.
  void on_push(std::uint8_t subscription, bool gap, const EnvelopeId& id, ByteView ciphertext);
  void on_drained(std::uint8_t subscription);
  /// Numbers that were never submitted are ignored.
  void on_result(const wire::ResultRange& range);
  void on_credit(std::uint32_t envelopes, std::uint32_t bytes);

  // ---- answers to requests; unknown ids are ignored

  void on_devices(RequestId id, const DevicesReply& reply);
  /// Answers UploadPrekeys and FetchPrekeyStatus. `signed_until` is of the set that the directory offers, where it
  /// said.
  void on_prekeys_left(RequestId id, std::uint32_t one_time_left, std::optional<Time> signed_until);
  /// Answers UpdateDevices.
  void on_devices_updated(RequestId id);
  void on_request_failed(RequestId id, RequestFailure failure, seconds retry_after);
  /// NOTICE PREKEYS_LOW
  void on_prekeys_low(std::uint32_t one_time_left);

  // ---- rounds

  /// Timers: back-off, expiry, prekeys, probes. Cheap when nothing is due.
  void tick();
  /// Commits what the inputs since the last call changed, and returns what is to be done, in order. On an error nothing
  /// leaves, the Endpoint is as its store is and counts as disconnected: end the connection and connect again.
  /// store_full, store_failed, corrupt_state.
  [[nodiscard]] Result<std::vector<Action>, Error> commit_round();
  /// True if commit_round() would have something to commit or to say.
  [[nodiscard]] bool has_work() const;
  /// When tick() is next needed; nullopt: only after an input. Never later than a minute while connected.
  [[nodiscard]] std::optional<Time> next_deadline() const;
  /// Messages of any kind that have not gone out.
  [[nodiscard]] std::size_t waiting() const;
  [[nodiscard]] const Counters& counters() const;

 private:
  struct State;
  explicit Endpoint(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace opaline::endpoint
