#pragma once
// The state of one mailbox while it is loaded (relay.hpp describes the queue; shard.hpp moves it).
#include <memory>

#include "relay/internal/envelope.hpp"
#include "relay/internal/ring.hpp"
#include "relay/internal/shares.hpp"

namespace opaline::relay::internal {

struct Reader;

/// One push of the present reader that it has not acknowledged.
struct Slot {
  enum class Kind : std::uint8_t {
    ram,     ///< `envelope`
    stored,  ///< `sequence` of `day`
    settled  ///< nothing depends on the acknowledgement: ephemeral, or its sender was answered otherwise
  };
  union {
    Envelope* envelope;
    std::uint64_t sequence;
  };
  std::uint32_t bytes = 0;  ///< of the ciphertext
  std::uint16_t day = 0;    ///< `stored`: of arrival, as Day (until the year 2149)
  Kind kind{};
  bool gap_of_head = false;  ///< carried Mailbox::gap_head
};
static_assert(sizeof(Slot) == 16);

/// What only a mailbox with something in the store, or on its way there, needs.
struct Backlog {
  std::vector<store::MailboxSummary::PerDay> days;  ///< what is stored and not expired; by day, oldest first
  std::vector<store::StoredEnvelope> fetched;       ///< read from the store, to be pushed from `fetched_at` on
  std::size_t fetched_at = 0;
  std::vector<Envelope*> storing;  ///< in Place::storing, in order
  std::uint32_t append_attempts = 0, read_attempts = 0;
  std::uint64_t read_bound = 0;  ///< last_stored when the read was called
  bool appending = false;        ///< the append is at the store
  bool reading = false;
  bool discard_read = false;  ///< its reader has gone
  [[nodiscard]] bool has_fetched() const { return fetched_at < fetched.size(); }
};

enum class Phase : std::uint8_t {
  loading,  ///< what the store holds is not known yet: envelopes wait, nothing is pushed
  open,
  gone,   ///< destroyed
  fenced  ///< another owner has the partition
};

struct Mailbox {
  explicit Mailbox(const MailboxId& mailbox) : id(mailbox) {}

  MailboxId id;
  Phase phase = Phase::loading;
  std::uint8_t subscription = 0;  ///< of `reader`
  bool dirty = false;             ///< in Shard::dirty_
  /// A deadline passed and the reader has acknowledged nothing since: envelopes that it has no credit for do not wait.
  bool overdue = false;
  bool gap_next = false;          ///< the next envelope to arrive gets the gap mark
  bool gap_head = false;          ///< the next one to be pushed gets it
  bool drained_due = false;       ///< the reader has not been told yet
  bool idle = false;              ///< in the idle list
  std::uint32_t store_calls = 0;  ///< completions and repeats that still refer to this object
  std::uint32_t load_attempts = 0;
  Reader* reader = nullptr;

  // ---- the part of the queue in RAM
  Envelope *first = nullptr, *last = nullptr;
  Envelope* unpushed = nullptr;     ///< the first that is not pushed
  std::uint32_t count = 0;          ///< not acknowledged
  std::uint64_t bytes = 0;          ///< of ciphertext, not acknowledged
  std::uint32_t to_store = 0;       ///< in Place::to_store
  std::uint32_t pushed_queued = 0;  ///< pushed, in Place::queued
  Shares shares;

  // ---- pushed to the present reader
  Ring<Slot> slots;
  std::uint32_t first_slot = 0;    ///< number of slots.front(), modulo 2^32
  std::uint32_t stored_slots = 0;  ///< of Slot::Kind::stored

  // ---- the part in the store
  std::uint64_t next_sequence = 1;
  std::uint64_t last_stored = 0;  ///< nothing above it is in the store, appends under way aside
  std::uint64_t read_from = 1;    ///< everything stored below it is pushed, acknowledged or expired
  std::uint64_t remove_through = 0, removed_through = 0;
  std::uint64_t drain_target = 0;
  std::uint32_t stored_count = 0;
  std::uint64_t stored_bytes = 0;
  std::unique_ptr<Backlog> backlog;

  // ---- idle list
  Mailbox *idle_next = nullptr, *idle_previous = nullptr;
  Instant idle_since;

  [[nodiscard]] Backlog& need_backlog() {
    if (!backlog) backlog = std::make_unique<Backlog>();
    return *backlog;
  }
  [[nodiscard]] bool storing() const { return backlog && !backlog->storing.empty(); }
  /// There may be something stored that the present reader was not pushed.
  [[nodiscard]] bool unread() const { return read_from <= last_stored || (backlog && backlog->has_fetched()); }

  // ---- the queue's links and counts. An envelope is charged from `append` until `discharge`.
  void append(Envelope* e);
  void unlink(Envelope* e);
  void charge(Envelope* e);
  void discharge(Envelope* e);
  [[nodiscard]] Slot& slot_of(const Envelope& e) { return slots[e.slot - first_slot]; }

  // ---- what is stored, by day
  void account_stored(Day day, std::size_t size, std::uint64_t sequence);
  void account_removed(Day day, std::size_t size);
  /// Takes expired days out of the accounts. `expired`: number of envelopes; a gap is marked if some were not pushed.
  [[nodiscard]] std::uint64_t expire(Day last_expired);
};

/// A connection that reads mailboxes.
struct Reader {
  struct Run {
    Mailbox* mailbox;
    std::uint32_t count;
  };
  ConnectionId id{};
  std::uint32_t credit_envelopes = 0, credit_bytes = 0;
  std::uint32_t acknowledged = 0;  ///< the highest push number, modulo 2^32
  std::uint32_t outstanding = 0;   ///< pushes since
  std::size_t outstanding_bytes = 0;
  Ring<Run> runs;  ///< the outstanding pushes in order: so many of this mailbox, then of that
  std::vector<Mailbox*> mailboxes;
};

}  // namespace opaline::relay::internal
