#pragma once
// The mailboxes of one shard as an I/O-free state machine (docs/architecture.md, "The life of a message").
// The network edge (device_connection.hpp) and the simulator drive the same code. Single-threaded: one owner.
//
// Per mailbox the envelopes are in one queue, oldest first:  [ stored, not yet read ][ in RAM: pushed or to be pushed ]
// - Online (a reader with credit and nothing stored): push, keep in RAM, answer the sender when the reader acknowledges.
// - The deadline passes, the reader leaves, or it has no credit: everything in RAM that nobody has acknowledged is appended to the store
//   in order, and the senders are answered when it is durable. New envelopes follow through the store until the store is drained.
// Promises 1, 2, 3, 10 of docs/promises.md are properties of this class.
#include <functional>
#include <memory>
#include <optional>

#include "base/ids.hpp"
#include "base/time.hpp"
#include "store/mailbox_store.hpp"
#include "wire/frames.hpp"

namespace opaline::relay {

/// One device connection; chosen by the edge, never reused while the process lives.
enum class ConnectionId : std::uint64_t {};

struct Limits {
  std::uint32_t mailbox_envelopes = 10'000;
  std::uint64_t mailbox_bytes = 64ULL << 20;
  /// One sender account's share of a mailbox is 1/this.
  std::uint32_t sender_share = 4;
  /// How long an online device may take to acknowledge before its envelopes go to the store.
  std::chrono::milliseconds delivery_deadline{10'000};
  std::chrono::days retention{30};
  /// Envelopes read from the store ahead of a draining reader.
  std::size_t drain_window_envelopes = 512;
  std::size_t drain_window_bytes = 1 << 20;
  /// RAM for envelopes in flight over all mailboxes; beyond it new ones go to the store.
  std::size_t max_ram_bytes = 256ULL << 20;
};

/// What the machine asks of its surroundings. Calls come from inside Relay's inputs; implementations queue and return.
class Outputs {
 public:
  virtual ~Outputs() = default;
  /// `ciphertext` is borrowed for the call.
  virtual void push(ConnectionId reader, std::uint8_t subscription, bool gap, const EnvelopeId& id, ByteView ciphertext) = 0;
  virtual void result(ConnectionId sender, std::uint32_t submit_number, wire::SubmitStatus status) = 0;
  virtual void drained(ConnectionId reader, std::uint8_t subscription) = 0;
};

/// What an attacker or an operator may want to count; no identifiers.
struct Counters {
  std::uint64_t accepted_online = 0, accepted_stored = 0, full = 0, held_back = 0, expired = 0, duplicate_pushes = 0, ephemeral_dropped = 0;
  std::uint64_t deadline_spills = 0, store_unknown = 0;
  std::size_t mailboxes_in_ram = 0, ram_bytes = 0;
};

/// docs in relay.cpp; the store's completions must arrive on the thread that calls the inputs.
class Relay {
 public:
  Relay(Limits limits, store::MailboxStore& store, Outputs& outputs, const Clock& clock);
  ~Relay();
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  /// The connection reads `mailbox` from now on, with no credit yet; an earlier reader of it has to be disconnected first by the caller.
  void attach(ConnectionId reader, std::uint8_t subscription, const MailboxId& mailbox);
  void detach(ConnectionId reader);
  void add_credit(ConnectionId reader, std::uint32_t envelopes, std::uint32_t bytes);
  /// False if `number` was never pushed on this connection: the caller closes it.
  [[nodiscard]] bool acknowledge(ConnectionId reader, std::uint32_t number);

  struct Submission {
    ConnectionId sender{};
    std::uint32_t number = 0;
    AccountId sender_account;
    MailboxId mailbox;
    wire::EnvelopeClass envelope_class{};
    EnvelopeId id;
    ByteView ciphertext;  ///< borrowed
  };
  /// Answers exactly once through Outputs::result, at once or later, unless the sender detaches first.
  void submit(const Submission& submission);
  /// The sender knows that an envelope of its to this mailbox was not accepted.
  void clear(ConnectionId sender, const MailboxId& mailbox);

  /// The mailbox is gone for ever (device removed): waiting envelopes are destroyed, later ones answered `gone` until forgotten.
  void destroy(const MailboxId& mailbox);

  /// Deadlines and expiry. Call at least every 100 ms while next_deadline() is set.
  void tick();
  [[nodiscard]] std::optional<Instant> next_deadline() const;

  /// No new envelopes (`retry`), everything in RAM to the store; `done` when all senders are answered.
  void shut_down(std::move_only_function<void()> done);

  [[nodiscard]] const Counters& counters() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace opaline::relay
