#pragma once
// Writes of the RocksDB mailbox store: a group of calls becomes one synced write.
#include <rocksdb/write_batch.h>

#include <unordered_map>
#include <variant>

#include "store/internal/mailbox_reader.hpp"

namespace opaline::store::internal {

struct AppendCall {
  OwnerEpoch epoch{};
  std::vector<Append> batch;
  MailboxStore::AppendDone done;
};
struct RemoveCall {
  OwnerEpoch epoch{};
  std::vector<Removal> batch;
};
struct ExpireCall {
  Day day{};
  MailboxStore::ExpireDone done;
};
using MailboxCall = std::variant<AppendCall, RemoveCall, ExpireCall>;
using Completion = std::move_only_function<void()>;

/// More items than this are never in one group.
inline constexpr std::size_t kMaxGroupItems = 8192;

struct MailboxCounters {
  std::atomic<std::uint64_t> appended = 0, duplicates = 0, groups = 0, refused_full = 0, refused_queue = 0,
                             failures = 0, damaged = 0;
};

/// One thread, the committer's.
class MailboxCommitter {
 public:
  MailboxCommitter(MailboxDb& db, MailboxCounters& counters) : db_(db), counters_(counters) {}

  /// Applies the calls in order and returns their completions. Appends answered `stored` are on stable storage.
  /// `reserve_bytes`: see RocksdbMailboxOptions.
  [[nodiscard]] std::vector<Completion> run(std::vector<MailboxCall> calls, std::uint64_t reserve_bytes);

 private:
  /// What the committer knows of a mailbox and day, the uncommitted batch included.
  struct DayState {
    DayFamilyPtr family;
    std::uint64_t head = 0, last = 0;
    std::uint32_t last_ordinal = 0;
    std::uint64_t last_end = 0;
  };
  struct MailboxState {
    MailboxHash hash{};
    std::vector<DayState> days;
    [[nodiscard]] std::uint64_t last() const;
    [[nodiscard]] DayState* day(Day day);
  };
  using States = std::unordered_map<MailboxId, MailboxState>;

  /// nullptr: the disk failed. Good until the next call.
  [[nodiscard]] MailboxState* state_of(const MailboxId& mailbox);
  void put(const Append& append, AppendOutcome& outcome);
  /// The answer to an append whose sequence is not above all others of its mailbox; nullopt: it is new after all.
  [[nodiscard]] std::optional<AppendOutcome> known(const Append& append, const MailboxState& state);
  /// Makes room for a sequence below the day's last: the rows above it are counted on by one. nullopt: the disk failed.
  [[nodiscard]] std::optional<EnvelopeHeader> insert_below(const Append& append, const MailboxState& state,
                                                           DayState& day);
  [[nodiscard]] Result<DayFamilyPtr, AppendOutcome> family_of(Day day);
  void remove(const Removal& removal);
  [[nodiscard]] bool delete_rows(const MailboxHash& hash, const DayState& day, std::uint64_t through);
  void flush();

  MailboxDb& db_;
  MailboxCounters& counters_;
  // Two generations: what is not asked for while the younger one fills up is forgotten.
  States young_, old_;
  rocksdb::WriteBatch batch_;
  std::vector<AppendOutcome*> in_batch_;
  bool full_ = false;
  bool is_failing_ = false;
  DayFamilyPtr write_family_;
  std::shared_ptr<const RowSealKey> write_key_;
  std::uint64_t counter_ = 0;
  Bytes value_;
};

}  // namespace opaline::store::internal
