#pragma once
// MailboxStore on a MemoryDisk. Nothing happens until the test asks for the next step; what then happens, and in which
// order completions run, is drawn from the disk's RandomSource. Not thread-safe.
#include <deque>

#include "store/drivers/memory_disk.hpp"
#include "store/key_vault.hpp"
#include "store/mailbox_store.hpp"

namespace opaline::store {

class MemoryMailboxStore final : public MailboxStore {
 public:
  /// Borrows both. `executor` empty: completions run inside step().
  MemoryMailboxStore(MemoryDisk& disk, KeyVault& vault, Executor executor = {});
  /// As a crash of the process: what was not done is forgotten and no further completion runs. (The other drivers post
  /// them; a simulated node that dies must not hear of them.)
  ~MemoryMailboxStore() override = default;

  [[nodiscard]] std::optional<OwnerEpoch> acquire_all() override;
  void append(OwnerEpoch epoch, std::vector<Append> batch, AppendDone done) override;
  void remove(OwnerEpoch epoch, std::vector<Removal> batch) override;
  void destroy(OwnerEpoch epoch, MailboxId mailbox) override;
  void summarize(OwnerEpoch epoch, MailboxId mailbox, SummaryDone done) override;
  void read(OwnerEpoch epoch, MailboxId mailbox, Sequence from, std::size_t max_count, std::size_t max_bytes,
            ReadDone done) override;
  void expire_through(Day day, ExpireDone done) override;

  /// Does one thing: commits a random number of the queued calls, or runs one random completion. False: nothing is left
  /// to do.
  bool step();
  /// Steps until nothing is left.
  void run() {
    while (step()) {
    }
  }
  /// Appends waiting beyond this many items answer `unknown`.
  std::size_t max_queue_items = 1 << 16;

 private:
  using Work = std::move_only_function<void()>;
  [[nodiscard]] AppendOutcome put(const Append& append);
  void commit_some();
  [[nodiscard]] bool fenced(OwnerEpoch epoch) const;
  [[nodiscard]] bool readable(const MemoryDisk::Envelope& envelope);

  MemoryDisk& disk_;
  KeyVault& vault_;
  Executor executor_;
  OwnerEpoch owner_{};
  struct Call {
    bool is_append = false;
    std::size_t items = 0;
    Work work;
  };
  std::deque<Call> calls_;
  std::size_t queued_items_ = 0;
  bool losing_group_ = false;
  std::vector<Work> completions_;
  std::vector<std::pair<AppendDone, std::vector<AppendOutcome>>> group_;  // answered after the sync
};

}  // namespace opaline::store
