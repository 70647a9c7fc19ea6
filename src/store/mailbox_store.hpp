#pragma once
// Port: what waits for offline devices. Drivers: RocksDB (drivers/rocksdb_mailbox_store.hpp), memory with faults
// (tests, simulator). Batches go in, completions come out: no call blocks but acquire_all. A completion is posted to
// the executor that the driver was built with (the shard's loop), possibly in another order than the calls; it is never
// called from inside the call itself. Every completion is posted exactly once; what is still open when the store is
// destroyed is answered `unknown` or `failed` before the destructor returns (posted, so the executor must outlive it).
// What a mailbox's owner sees is in the order of its own calls: a summary or a read sees every append and removal
// called before it.
#include <vector>

#include "base/bytes.hpp"
#include "base/ids.hpp"
#include "base/time.hpp"
#include "store/executor.hpp"

namespace opaline::store {

/// One of kPartitions; keyed hash of the mailbox id (partition_of). One owner at a time.
enum class Partition : std::uint16_t {};
inline constexpr std::uint16_t kPartitions = 4096;
/// Given by acquire(); a higher one fences all lower ones of the partition.
enum class OwnerEpoch : std::uint64_t {};

/// Position in a mailbox's queue. Given by the owner, rising by one per envelope, from 1; never reused.
enum class Sequence : std::uint64_t {};

struct Append {
  MailboxId mailbox;
  Sequence sequence{};
  EnvelopeId id;
  Day day{};         ///< of arrival; decides the day key and the expiry
  bool gap = false;  ///< envelopes before this one were refused
  Bytes ciphertext;
};

enum class AppendOutcome : std::uint8_t {
  stored,     ///< on stable storage
  duplicate,  ///< this sequence already holds this envelope id, on stable storage
  full,       ///< the disk is full: not stored (a copy may come back after a crash; the device drops it by its id)
  fenced,     ///< another owner has taken the partition: not stored, stop
  unknown,    ///< may or may not be stored: repeat with the same sequence and id. Also the answer of a full queue (back
            ///< off), of a failed disk, and for a day whose key was destroyed (a clock that jumped: repeat with today's
            ///< day)
};

/// Everything up to and including `through` of the mailbox is gone.
struct Removal {
  MailboxId mailbox;
  Sequence through{};
};

struct StoredEnvelope {
  Sequence sequence{};
  EnvelopeId id;
  Day day{};
  bool gap = false;
  Bytes ciphertext;
};

/// What a mailbox holds, without reading it.
struct MailboxSummary {
  struct PerDay {
    Day day{};
    Sequence first{}, last{};
    std::uint32_t count = 0;
    std::uint64_t bytes = 0;  ///< ciphertext bytes
  };
  std::vector<PerDay> days;  ///< oldest first; empty mailbox: none
  Sequence last{};  ///< highest sequence ever stored and not yet expired; 0 if unknown: then the owner starts anywhere
                    ///< above what it knows
};

enum class ReadOutcome : std::uint8_t { ok, fenced, failed };

class MailboxStore {
 public:
  virtual ~MailboxStore() = default;

  /// Takes the partitions and fences earlier owners. Synchronous; at start only. nullopt: the disk failed, nothing was
  /// taken.
  [[nodiscard]] virtual std::optional<OwnerEpoch> acquire_all() = 0;

  using AppendDone = std::move_only_function<void(std::vector<AppendOutcome>)>;
  /// One outcome per item, in the order of the batch. Group commit across calls: one fsync for many.
  virtual void append(OwnerEpoch, std::vector<Append> batch, AppendDone done) = 0;

  /// Deletes at once; after a crash some of it may be there again (the device then sees it twice and drops it).
  virtual void remove(OwnerEpoch, std::vector<Removal> batch) = 0;
  /// Deletes the whole mailbox, for removed devices. As remove: not synced, repeat after a crash.
  virtual void destroy(OwnerEpoch, MailboxId mailbox) = 0;

  using SummaryDone = std::move_only_function<void(ReadOutcome, MailboxSummary)>;
  virtual void summarize(OwnerEpoch, MailboxId mailbox, SummaryDone done) = 0;

  using ReadDone = std::move_only_function<void(ReadOutcome, std::vector<StoredEnvelope>)>;
  /// The envelopes from `from` on, in order, until one of the limits is reached (at least one if there is one).
  /// Envelopes whose day key is gone are left out. A damaged envelope is left out too and the next one of the answer
  /// carries `gap`.
  virtual void read(OwnerEpoch, MailboxId mailbox, Sequence from, std::size_t max_count, std::size_t max_bytes,
                    ReadDone done) = 0;

  using ExpireDone = std::move_only_function<void(bool destroyed)>;
  /// Destroys everything that arrived on or before `day`, day keys first. Cost follows what expires. On the store's own
  /// thread; `done` afterwards, with false if the vault or the disk failed (repeat; what is gone stays gone).
  virtual void expire_through(Day day, ExpireDone done) = 0;
};

}  // namespace opaline::store
