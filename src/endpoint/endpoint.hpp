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
#include "session/safety_number.hpp"

namespace opaline::endpoint {

enum class Error : std::uint8_t {
  too_large,       ///< longer than wire::kMaxTextBytes, or empty
  bad_text,        ///< not UTF-8
  to_self,         ///< the peer is this account
  outbox_full,     ///< kMaxOutboxMessages wait
  unknown_peer,    ///< no device list of this account was ever seen
  no_alarm,        ///< there is no changed identity to accept
  bad_enrolment,   ///< the service assigned another number than 1 to the first device
  not_registered,  ///< the store has no identity, or its registration was never confirmed
  registered,      ///< the store has a confirmed identity: it is not overwritten
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

/// What is known of a peer.
struct PeerStatus {
  ListNumber list_number{};
  std::size_t devices = 0;
  bool verified = false;      ///< the person compared safety numbers, and nothing has changed since
  bool alarmed = false;       ///< the identity changed: nothing is sent until accept_changed_identity
  bool verify_again = false;  ///< was verified before its identity changed
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
  /// All three arguments must outlive the Endpoint. not_registered, store_failed, corrupt_state.
  [[nodiscard]] static Result<std::unique_ptr<Endpoint>, Error> load(EndpointStore& store, RandomSource& random,
                                                                     const Clock& clock);
  ~Endpoint();
  Endpoint(const Endpoint&) = delete;
  Endpoint& operator=(const Endpoint&) = delete;

  [[nodiscard]] const session::DeviceAddress& address() const;
  [[nodiscard]] const MailboxId& mailbox() const;
  /// The signature for AUTH over wire::auth_message(): wire::kAuthSignatureBytes.
  [[nodiscard]] Bytes sign_auth(ByteView auth_message);

  // ---- the person

  /// Queues a text; works offline. The message is in the history and on its way once commit_round() succeeds.
  /// too_large, bad_text, to_self, outbox_full.
  [[nodiscard]] Result<MessageId, Error> send_text(const AccountId& peer, std::string_view utf8);
  /// Not stored; dropped unless the peer can be reached now.
  void send_typing(const AccountId& peer, bool active);
  /// Tells the peer, unless receipts are off, that these messages of its were read. In batches; works offline.
  void mark_read(const AccountId& peer, std::span<const MessageId> ids);
  /// Whether `delivered` and `read` are told to others. On at first; takes effect for what comes after.
  void set_receipts(bool on);
  [[nodiscard]] bool receipts() const;
  /// The handle that texts say their sender is reached by; at most wire::kMaxHandleBytes, else ignored. Empty at first:
  /// says nothing.
  void set_handle(std::string_view handle);
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
