#pragma once
// What the conformance suite needs to drive any MailboxStore, and helpers that wait for an answer.
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>

#include "base/result.hpp"
#include "store/conformance/faulty_vault.hpp"
#include "store/conformance/temp_directory.hpp"
#include "store/drivers/memory_mailbox_store.hpp"
#include "store/drivers/rocksdb_mailbox_store.hpp"

namespace opaline::store::conformance {

/// A shard's loop under the test's control: tasks wait until asked for and then run in a random order.
class ShuffledLoop {
 public:
  explicit ShuffledLoop(std::uint64_t seed) : random_(seed) {}
  [[nodiscard]] Executor executor() {
    return [this](std::move_only_function<void()> task) {
      const std::lock_guard lock(mutex_);
      tasks_.push_back(std::move(task));
      ready_.notify_one();
    };
  }
  /// Waits until there is a task and runs a random one.
  void run_one() {
    std::unique_lock lock(mutex_);
    ready_.wait(lock, [&] { return !tasks_.empty(); });
    const auto at = tasks_.begin() + static_cast<std::ptrdiff_t>(random_.below(tasks_.size()));
    auto task = std::move(*at);
    tasks_.erase(at);
    lock.unlock();
    task();
  }
  [[nodiscard]] bool empty() {
    const std::lock_guard lock(mutex_);
    return tasks_.empty();
  }

 private:
  std::mutex mutex_;
  std::condition_variable ready_;
  SeededRandom random_;
  std::deque<std::move_only_function<void()>> tasks_;
};

/// A driver with its disk and vault. Helpers named `*_now` call and wait for the answer.
class MailboxHarness {
 public:
  virtual ~MailboxHarness() = default;
  [[nodiscard]] virtual MailboxStore& store() = 0;
  /// Lets at least one completion or piece of work happen; blocks until then.
  virtual void pump() = 0;
  /// Closes the store and opens it again on the same disk and vault.
  virtual void reopen() = 0;
  [[nodiscard]] FaultyVault& vault() { return vault_; }

  void until(const std::function<bool()>& done) {
    while (!done()) pump();
  }
  std::vector<AppendOutcome> append_now(OwnerEpoch epoch, std::vector<Append> batch) {
    std::optional<std::vector<AppendOutcome>> out;
    store().append(epoch, std::move(batch), [&](std::vector<AppendOutcome> answer) { out = std::move(answer); });
    until([&] { return out.has_value(); });
    return *out;
  }
  std::pair<ReadOutcome, MailboxSummary> summarize_now(OwnerEpoch epoch, const MailboxId& mailbox) {
    std::optional<std::pair<ReadOutcome, MailboxSummary>> out;
    store().summarize(epoch, mailbox,
                      [&](ReadOutcome outcome, MailboxSummary summary) { out.emplace(outcome, std::move(summary)); });
    until([&] { return out.has_value(); });
    return *out;
  }
  std::pair<ReadOutcome, std::vector<StoredEnvelope>> read_now(OwnerEpoch epoch, const MailboxId& mailbox,
                                                               Sequence from = Sequence(1),
                                                               std::size_t max_count = 1 << 20,
                                                               std::size_t max_bytes = std::size_t{1} << 30) {
    std::optional<std::pair<ReadOutcome, std::vector<StoredEnvelope>>> out;
    store().read(epoch, mailbox, from, max_count, max_bytes,
                 [&](ReadOutcome outcome, std::vector<StoredEnvelope> envelopes) {
                   out.emplace(outcome, std::move(envelopes));
                 });
    until([&] { return out.has_value(); });
    return *out;
  }
  bool expire_now(Day day) {
    std::optional<bool> out;
    store().expire_through(day, [&](bool destroyed) { out = destroyed; });
    until([&] { return out.has_value(); });
    return *out;
  }

 private:
  FaultyVault vault_{1};
};

class MemoryMailboxHarness final : public MailboxHarness {
 public:
  MemoryMailboxHarness() { MemoryMailboxHarness::reopen(); }
  [[nodiscard]] MailboxStore& store() override { return *store_; }
  void pump() override { OPALINE_ASSERT(store_->step()); }
  void reopen() override {
    if (store_) store_->run();
    store_ = std::make_unique<MemoryMailboxStore>(disk, vault());
  }
  [[nodiscard]] MemoryMailboxStore& memory() { return *store_; }

  SeededRandom random{7};
  MemoryDisk disk{random};

 private:
  std::unique_ptr<MemoryMailboxStore> store_;
};

class RocksdbMailboxHarness final : public MailboxHarness {
 public:
  RocksdbMailboxHarness() {
    options.directory = directory.path() / "mailboxes";
    RocksdbMailboxHarness::reopen();
  }
  ~RocksdbMailboxHarness() override { close(); }
  [[nodiscard]] MailboxStore& store() override { return *store_; }
  void pump() override { loop.run_one(); }
  void reopen() override {
    close();
    auto opened = open();
    if (!opened) std::fputs(opened.error().message.c_str(), stderr);
    OPALINE_ASSERT(opened.has_value());
    store_ = std::move(*opened);
  }
  void close() {
    store_.reset();
    while (!loop.empty()) loop.run_one();
  }
  [[nodiscard]] Result<std::unique_ptr<RocksdbMailboxStore>, OpenError> open() {
    return RocksdbMailboxStore::open(options, vault(), random, loop.executor(), log);
  }
  /// Takes what open() gave.
  void use(std::unique_ptr<RocksdbMailboxStore> store) { store_ = std::move(store); }
  [[nodiscard]] RocksdbMailboxStore& rocksdb() { return *store_; }

  TempDirectory directory;
  RocksdbMailboxOptions options;
  SeededRandom random{9};  // only used while opening
  NullLog log;
  ShuffledLoop loop{11};

 private:
  std::unique_ptr<RocksdbMailboxStore> store_;
};

/// An append with contents that follow from its place, so that a reader can check them.
[[nodiscard]] inline EnvelopeId id_for(const MailboxId& mailbox, std::uint64_t sequence) {
  ByteArray<16> bytes = mailbox.array();
  for (std::size_t i = 0; i < 8; ++i) bytes[15 - i] ^= static_cast<std::byte>(sequence >> (8 * i) & 255);
  bytes[0] ^= std::byte{0x5a};
  return EnvelopeId(bytes);
}
[[nodiscard]] inline Bytes ciphertext_for(const MailboxId& mailbox, std::uint64_t sequence, std::size_t size) {
  Bytes out(size);
  std::uint64_t seed = 0;
  std::memcpy(&seed, mailbox.view().data(), 8);
  SeededRandom(seed ^ sequence).fill(out);
  return out;
}
[[nodiscard]] inline Append append_for(const MailboxId& mailbox, std::uint64_t sequence, Day day,
                                       std::size_t size = 100) {
  return {.mailbox = mailbox,
          .sequence = Sequence(sequence),
          .id = id_for(mailbox, sequence),
          .day = day,
          .gap = sequence % 5 == 0,
          .ciphertext = ciphertext_for(mailbox, sequence, size)};
}

[[nodiscard]] inline std::vector<std::uint64_t> sequences(const std::vector<StoredEnvelope>& envelopes) {
  std::vector<std::uint64_t> out;
  for (const StoredEnvelope& each : envelopes) out.push_back(static_cast<std::uint64_t>(each.sequence));
  return out;
}
[[nodiscard]] inline bool is_as_appended(const StoredEnvelope& stored, const Append& append) {
  return stored.sequence == append.sequence && stored.id == append.id && stored.day == append.day &&
         stored.gap == append.gap && stored.ciphertext == append.ciphertext;
}

}  // namespace opaline::store::conformance
