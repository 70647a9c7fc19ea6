#pragma once
// The mailboxes of one shard as an I/O-free state machine (docs/architecture.md, "The life of a message"). The network
// edge (device_connection.hpp, put together in relay_node.hpp) and the simulator drive the same code. One owner, one
// thread; the store's completions must arrive on that thread.
//
// Per mailbox the envelopes form one queue, oldest first:
//     [ stored, not yet read | read, being pushed ] [ in RAM: being stored | to be stored | pushed or to be pushed ]
// What was pushed is always a prefix of the queue; acknowledgements take from its front.
// - Online (a reader with credit, nothing older waiting): push, keep in RAM, answer the sender when the reader
//   acknowledges. Nothing of it reaches the store (promise 2).
// - Its deadline passes, the reader leaves, or there is none that could take it: it is appended to the store, never
//   before anything older of the mailbox, and the sender is answered when it is durable (promise 1).
// - A reader that has credit or unacknowledged pushes, and is not overdue, is waited for: what it cannot take yet stays
//   in RAM behind the rest until it can, or until the deadline. Without that it counts as offline and new envelopes go
//   to the store at once.
// - An acknowledgement removes from the store what was stored (promise 3), also what was acknowledged while the append
//   was under way.
//
// Order (promise 10): after any answer but `accepted` everything later of that connection to that mailbox is answered
// `held_back` until `clear`; so a sender can repeat what was refused without later envelopes overtaking it.
//
// Who sent what is known in RAM only: for answers, for the sender's share of a mailbox, and to see a repetition of an
// envelope that is still in flight. It is forgotten with the envelope; the share of a sender whose envelopes are stored
// is kept until the mailbox is empty, in a bounded table, and does not survive a restart. Nothing of it is ever
// written.
//
// What answers tell: `accepted` has one form, whether the device acknowledged or the store did. The time it takes may
// differ (not covered by the promise). Ephemeral envelopes are answered `accepted` at once, pushed or dropped.
#include <functional>
#include <memory>
#include <optional>

#include "base/ids.hpp"
#include "base/random.hpp"
#include "base/time.hpp"
#include "store/mailbox_store.hpp"
#include "wire/frames.hpp"

namespace opaline::relay {

/// One device connection; chosen by the edge, never reused while the process lives.
enum class ConnectionId : std::uint64_t {};

struct Limits {
  /// What one mailbox may hold, stored and in RAM together; more is answered `full`.
  std::uint32_t mailbox_envelopes = 10'000;
  std::uint64_t mailbox_bytes = 64ULL << 20;
  /// One sender account's share of a mailbox is 1/this, by number and by bytes.
  std::uint32_t sender_share = 4;
  /// How long an online device may take to acknowledge before its envelopes go to the store.
  std::chrono::milliseconds delivery_deadline{10'000};
  /// An envelope of UTC day D is served while today < D + retention.
  std::chrono::days retention{30};
  /// Envelopes read from the store ahead of a draining reader.
  std::size_t drain_window_envelopes = 512;
  std::size_t drain_window_bytes = 1 << 20;
  /// Pushed and not acknowledged, per reader, however much credit it gave: bounds what waits in its output buffer.
  std::uint32_t unacknowledged_envelopes = 8192;
  std::size_t unacknowledged_bytes = 2 << 20;
  /// RAM for envelopes in flight over all mailboxes: from 3/4 of it on new ones go to the store, at the limit they are
  /// answered `retry`.
  std::size_t max_ram_bytes = 256ULL << 20;
  /// Loaded mailboxes without reader and without envelopes in RAM are forgotten after this time, or when there are
  /// more.
  std::chrono::milliseconds idle_mailbox_time{30'000};
  std::size_t idle_mailboxes = 65'536;
  /// (mailbox, sender) pairs whose share is remembered for mailboxes that are not loaded.
  std::size_t remembered_shares = 65'536;
  /// An append whose outcome is unknown, or a failed read, is repeated this often, after delays that double from the
  /// first.
  std::uint32_t store_repeats = 5;
  std::chrono::milliseconds store_repeat_delay{50};
};

/// What the machine asks of its surroundings. Called from inside Relay's inputs and the store's completions;
/// implementations queue and return, and do not call the Relay.
class Outputs {
 public:
  virtual ~Outputs() = default;
  /// `ciphertext` is borrowed for the call. Pushes of one reader are numbered from 1 by their order.
  virtual void push(ConnectionId reader, std::uint8_t subscription, bool gap, const EnvelopeId& id,
                    ByteView ciphertext) = 0;
  /// The answer to a submission of `ciphertext_bytes`. The sender may be gone by then.
  virtual void result(ConnectionId sender, std::uint32_t submit_number, wire::SubmitStatus status,
                      std::uint32_t ciphertext_bytes) = 0;
  /// What waited when the reader attached has all been acknowledged (or expired). Once per attach.
  virtual void drained(ConnectionId reader, std::uint8_t subscription) = 0;
};

/// What an operator may want to count; no identifiers.
struct Counters {
  std::uint64_t submitted = 0;
  std::uint64_t accepted_online = 0;  ///< acknowledged by the device before anything was stored
  std::uint64_t accepted_stored = 0;
  std::uint64_t stored = 0;          ///< envelopes that the store has made durable
  std::uint64_t stored_removed = 0;  ///< of these, removed because the device acknowledged them
  std::uint64_t mailboxes_destroyed = 0;
  std::uint64_t full = 0, gone = 0, retry = 0, held_back = 0;
  std::uint64_t pushed = 0, acknowledged = 0;
  std::uint64_t expired = 0;            ///< found beyond retention when they were to be pushed or counted
  std::uint64_t duplicate_submits = 0;  ///< of an envelope still in flight
  std::uint64_t ephemeral_pushed = 0, ephemeral_dropped = 0;
  std::uint64_t deadline_spills = 0;  ///< envelopes stored because the deadline passed
  std::uint64_t store_unknown = 0, store_full = 0, store_failed_reads = 0, fenced = 0;
  std::size_t mailboxes_in_ram = 0, envelopes_in_ram = 0, ram_bytes = 0;
};

class Relay {
 public:
  /// `epoch` comes from store.acquire_all(). The references must outlive the Relay; completions that arrive after its
  /// end do nothing. `random` gives one hash key.
  Relay(const Limits& limits, store::MailboxStore& store, store::OwnerEpoch epoch, Outputs& outputs, const Clock& clock,
        RandomSource& random);
  ~Relay();
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  /// The connection reads `mailbox` from now on as `subscription` (0, 1, 2, ... in order of attaching), with no credit
  /// at first. A connection that read the mailbox before is detached: the caller closes it. What waits is pushed as
  /// credit allows, then `drained`.
  void attach(ConnectionId reader, std::uint8_t subscription, const MailboxId& mailbox);
  /// The connection is gone, as reader and as sender: what it did not acknowledge goes to the store.
  void detach(ConnectionId connection);
  /// What more the reader can take; sums saturate.
  void add_credit(ConnectionId reader, std::uint32_t envelopes, std::uint32_t bytes);
  /// All pushes up to `number` (modulo 2^32) are committed at the device. False if `number` was never pushed on this
  /// connection or lies before the last acknowledgement: nothing has changed and the caller closes the connection.
  [[nodiscard]] bool acknowledge(ConnectionId reader, std::uint32_t number);

  struct Submission {
    ConnectionId sender{};
    std::uint32_t number = 0;
    AccountId sender_account;
    MailboxId mailbox;
    wire::EnvelopeClass envelope_class{};
    EnvelopeId id;
    ByteView ciphertext;  ///< borrowed; 1 .. kMaxEnvelopeBytes
  };
  /// Answers exactly once through Outputs::result, at once or later; also for a sender that has detached meanwhile.
  void submit(const Submission& submission);
  /// The sender knows that an envelope of its to this mailbox was not accepted: later ones are taken again.
  void clear(ConnectionId sender, const MailboxId& mailbox);

  /// The mailbox is gone for ever (device removed): waiting envelopes are destroyed and, as later ones, answered `gone`
  /// until the mailbox is forgotten as idle; from then on the edge's revocations must refuse it.
  void destroy(const MailboxId& mailbox);

  /// The end of a round of input: hands the round's appends and removals to the store, in one call each. Without it
  /// nothing is stored.
  void flush();
  /// Deadlines, repeats and forgetting; ends with flush(). Call when next_deadline() has come.
  void tick();
  [[nodiscard]] std::optional<Instant> next_deadline() const;

  /// While the clock is not trusted (it jumped, see KeyVault) nothing more counts as expired than did before.
  void trust_clock(bool trusted);

  /// No new envelopes (`retry`), everything in RAM to the store; `done` when all senders are answered, perhaps from
  /// inside this call. Ends with flush().
  void shut_down(std::move_only_function<void()> done);

  [[nodiscard]] const Counters& counters() const;

 private:
  class Shard;
  std::shared_ptr<Shard> shard_;
};

}  // namespace opaline::relay
