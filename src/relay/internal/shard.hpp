#pragma once
// The machine behind Relay. shard.cpp: the hot path (submit, push, acknowledge). shard_readers.cpp: readers that come
// and go, draining. shard_store.cpp: appends and removals. shard_mailboxes.cpp: loading, forgetting, destroying, time.
#include <map>
#include <unordered_map>

#include "relay/internal/flat_map.hpp"
#include "relay/internal/mailbox.hpp"
#include "relay/relay.hpp"

namespace opaline::relay {

using namespace internal;  // NOLINT: this header is private to the room

class Relay::Shard : public std::enable_shared_from_this<Relay::Shard> {
 public:
  Shard(const Limits& limits, store::MailboxStore& store, store::OwnerEpoch epoch, Outputs& outputs, const Clock& clock,
        RandomSource& random);
  ~Shard();
  Shard(const Shard&) = delete;
  Shard& operator=(const Shard&) = delete;

  // As in Relay.
  void attach(ConnectionId id, std::uint8_t subscription, const MailboxId& mailbox);
  void detach(ConnectionId connection);
  void add_credit(ConnectionId reader, std::uint32_t envelopes, std::uint32_t bytes);
  [[nodiscard]] bool acknowledge(ConnectionId reader, std::uint32_t number);
  void submit(const Submission& submission);
  void clear(ConnectionId sender, const MailboxId& mailbox);
  void destroy(const MailboxId& mailbox);
  void flush();
  void tick();
  [[nodiscard]] std::optional<Instant> next_deadline() const;
  void trust_clock(bool trusted);
  void shut_down(std::move_only_function<void()> done);
  [[nodiscard]] const Counters& counters();

 private:
  /// One mailbox's items of an append call.
  struct Part {
    Mailbox* mailbox;
    std::size_t count;
  };
  enum class StoreCall : std::uint8_t { summarize, append, read };
  /// What is known of a mailbox that is not loaded and cannot be read from the store.
  struct Remembered {
    std::vector<SenderUse> uses;
    bool gap_next = false, gap_head = false;
  };

  // ---- answers
  void reply(const Waiter& waiter, std::size_t size, const MailboxId& mailbox, wire::SubmitStatus status);
  void answer(Envelope& e, wire::SubmitStatus status);
  void answer_now(const Submission& submission, wire::SubmitStatus status);
  [[nodiscard]] bool is_held(ConnectionId connection, const MailboxId& mailbox) const;
  void hold(ConnectionId connection, const MailboxId& mailbox);

  // ---- submitting
  void submit_ephemeral(const Submission& submission);
  void submit_again(Envelope& same, const Submission& submission);
  [[nodiscard]] bool has_room(Mailbox& m, std::uint64_t tag, std::size_t size);
  /// Ends an envelope that was neither acknowledged nor stored; what follows of the same connection is held back.
  void fail(Envelope* e, wire::SubmitStatus status);
  void fail_one(Envelope* e, wire::SubmitStatus status);
  void fail_all(Mailbox& m, wire::SubmitStatus status);
  void forget(Envelope* e);

  // ---- pushing
  [[nodiscard]] bool can_push(const Reader& reader, std::size_t size) const;
  void push(Mailbox& m, Slot slot, bool gap, const EnvelopeId& id, ByteView ciphertext);
  void push_queued(Mailbox& m);
  void drain(Mailbox& m);
  /// Pushes what can be pushed, and has flush() look at the rest.
  void pump(Mailbox& m);
  void acknowledge_pushes(Mailbox& m, Reader& reader, std::uint32_t count);
  void report_drained(Mailbox& m);
  void leave(Mailbox& m);
  void drop_fetched(Mailbox& m);
  void call_read(Mailbox& m);
  void on_read(Mailbox& m, store::ReadOutcome outcome, std::vector<store::StoredEnvelope> envelopes);

  // ---- storing
  void all_to_store(Mailbox& m);
  void to_store(Envelope* e);
  [[nodiscard]] bool worth_waiting(const Mailbox& m) const;
  void place_waiting(Mailbox& m);
  void begin_append(Mailbox& m);
  void add_append(Envelope& e);
  void call_append();
  void on_appended(const std::vector<Part>& parts, const std::vector<store::AppendOutcome>& outcomes);
  void on_appended(Mailbox& m, std::span<const store::AppendOutcome> outcomes);
  void finish_append(Mailbox& m, Envelope* e);
  void finish_stored(Mailbox& m, Envelope* e);
  void slot_is_stored(Mailbox& m, Envelope& e, Day day);
  void fence(Mailbox& m);
  void drop_storing(Mailbox& m);
  void settle_empty(Mailbox& m);

  // ---- mailboxes
  [[nodiscard]] Mailbox& find_or_load(const MailboxId& id);
  void call_summarize(Mailbox& m);
  void on_summary(Mailbox& m, store::ReadOutcome outcome, store::MailboxSummary summary);
  void open(Mailbox& m, const store::MailboxSummary& summary);
  void admit_waiting(Mailbox& m, bool gap);
  void repeat_later(Mailbox& m, StoreCall what, std::uint32_t attempts);
  void repeat(Mailbox& m, StoreCall what);
  void repeat_append(Mailbox& m);
  void mark(Mailbox& m) {
    if (m.dirty) return;
    m.dirty = true;
    dirty_.push_back(&m);
  }
  void consider_idle(Mailbox& m);
  void leave_idle(Mailbox& m);
  void unload(Mailbox& m);
  void remember(const Mailbox& m);

  // ---- time and memory
  void refresh_day();
  [[nodiscard]] bool expired(Day day) const {
    return number(day) + limits_.retention.count() <= number(retention_day_);
  }
  [[nodiscard]] std::uint64_t expire(Mailbox& m);
  [[nodiscard]] std::size_t ram_bytes() const { return pool_.used_bytes() + fetched_bytes_; }
  [[nodiscard]] bool under_pressure() const { return ram_bytes() >= limits_.max_ram_bytes / 4 * 3; }
  void finish_shutdown();

  const Limits limits_;
  store::MailboxStore& store_;
  const store::OwnerEpoch epoch_;
  Outputs& outputs_;
  const Clock& clock_;
  Counters counters_;

  FlatMap<MailboxId, Mailbox, MailboxId::Hash> mailboxes_;  // owned
  FlatMap<ConnectionId, Reader, NumberHash> readers_;       // owned
  EnvelopePool pool_;
  DuplicateIndex duplicates_;
  DeadlineQueue deadlines_;
  std::size_t fetched_bytes_ = 0;
  /// Mailboxes to which a connection has to say CLEAR.
  std::unordered_map<std::uint64_t, std::vector<MailboxId>> held_;

  std::vector<Mailbox*> dirty_, round_;
  std::vector<store::Append> batch_;
  std::vector<Part> batch_parts_;
  std::size_t batch_bytes_ = 0;
  std::vector<store::Removal> removals_;
  std::multimap<Instant, std::pair<Mailbox*, StoreCall>> repeats_;

  Mailbox *idle_first_ = nullptr, *idle_last_ = nullptr;
  std::size_t idle_count_ = 0;
  std::unordered_map<MailboxId, Remembered> remembered_;
  std::size_t remembered_uses_ = 0;
  std::uint64_t sequence_floor_ = 1;

  Day today_{}, retention_day_{};
  bool clock_trusted_ = true;
  bool shutting_down_ = false;
  std::move_only_function<void()> shutdown_done_;
};

}  // namespace opaline::relay
