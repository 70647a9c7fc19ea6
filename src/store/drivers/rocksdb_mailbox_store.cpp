#include "store/drivers/rocksdb_mailbox_store.hpp"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "base/fault_point.hpp"
#include "store/internal/mailbox_committer.hpp"

namespace opaline::store {
namespace {

using internal::Completion;
using internal::MailboxCall;

constexpr std::size_t kMaxGroupBytes = std::size_t{4} << 20;  // of ciphertext, in one write
/// What a queued call costs beside its ciphertext, for the queue's bound.
constexpr std::size_t kItemBytes = sizeof(Append);

struct Size {
  std::size_t items = 0, bytes = 0;
};
Size size_of(const MailboxCall& call) {
  Size out{.items = 1, .bytes = kItemBytes};
  if (const auto* const append = std::get_if<internal::AppendCall>(&call)) {
    out.items += append->batch.size();
    for (const Append& each : append->batch) out.bytes += kItemBytes + each.ciphertext.size();
  } else if (const auto* const removals = std::get_if<internal::RemoveCall>(&call)) {
    out.items += removals->batch.size();
    out.bytes += removals->batch.size() * sizeof(Removal);
  }
  return out;
}

}  // namespace

class RocksdbMailboxStore::Impl {
 public:
  Impl(std::unique_ptr<internal::MailboxDb> db, const RocksdbMailboxOptions& options, Executor executor)
      : db_(std::move(db)), options_(options), executor_(std::move(executor)), reserve_bytes_(options.reserve_bytes) {
    committer_thread_ = std::thread([this] { commit_loop(); });
    reader_thread_ = std::thread([this] { read_loop(); });
  }
  ~Impl() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    commit_ready_.notify_one();
    committer_thread_.join();
    read_ready_.notify_one();
    reader_thread_.join();
  }

  /// False: the queue is full and `call` was not taken.
  bool submit(MailboxCall& call, bool bounded);
  void submit_read(Completion work);

  internal::MailboxDb& db() { return *db_; }
  internal::MailboxCounters& counters() { return counters_; }
  const Executor& executor() { return executor_; }
  std::atomic<std::uint64_t>& reserve_bytes() { return reserve_bytes_; }
  std::size_t queued_items() {
    const std::lock_guard lock(mutex_);
    return queued_.items;
  }

 private:
  void commit_loop();
  void read_loop();
  std::vector<MailboxCall> take_group();

  std::unique_ptr<internal::MailboxDb> db_;
  const RocksdbMailboxOptions options_;
  const Executor executor_;
  std::atomic<std::uint64_t> reserve_bytes_;
  internal::MailboxCounters counters_;

  std::mutex mutex_;  // guards what follows
  std::condition_variable commit_ready_, read_ready_;
  std::deque<MailboxCall> calls_;
  Size queued_;
  std::uint64_t submitted_ = 0, applied_ = 0;  // calls: a read waits until what was called before it was applied
  struct Read {
    std::uint64_t after = 0;
    Completion work;
  };
  std::deque<Read> reads_;
  bool stopping_ = false;
  bool committer_done_ = false;

  std::thread committer_thread_, reader_thread_;
};

bool RocksdbMailboxStore::Impl::submit(MailboxCall& call, bool bounded) {
  const Size size = size_of(call);
  {
    const std::lock_guard lock(mutex_);
    if (bounded && queued_.items > 0 &&
        (queued_.items + size.items > options_.max_queue_items ||
         queued_.bytes + size.bytes > options_.max_queue_bytes)) {
      return false;
    }
    queued_.items += size.items;
    queued_.bytes += size.bytes;
    ++submitted_;
    calls_.push_back(std::move(call));
  }
  commit_ready_.notify_one();
  return true;
}

void RocksdbMailboxStore::Impl::submit_read(Completion work) {
  bool ready = false;
  {
    const std::lock_guard lock(mutex_);
    reads_.push_back({.after = submitted_, .work = std::move(work)});
    ready = applied_ >= reads_.front().after;
  }
  if (ready) read_ready_.notify_one();
}

std::vector<MailboxCall> RocksdbMailboxStore::Impl::take_group() {
  std::vector<MailboxCall> out;
  Size taken;
  while (!calls_.empty()) {
    const Size next = size_of(calls_.front());
    if (!out.empty() &&
        (taken.items + next.items > internal::kMaxGroupItems || taken.bytes + next.bytes > kMaxGroupBytes))
      break;
    taken.items += next.items;
    taken.bytes += next.bytes;
    out.push_back(std::move(calls_.front()));
    calls_.pop_front();
  }
  queued_.items -= taken.items;
  queued_.bytes -= taken.bytes;
  return out;
}

void RocksdbMailboxStore::Impl::commit_loop() {
  internal::MailboxCommitter committer(*db_, counters_);
  std::unique_lock lock(mutex_);
  for (;;) {
    commit_ready_.wait(lock, [&] { return stopping_ || !calls_.empty(); });
    if (calls_.empty()) break;
    std::vector<MailboxCall> group = take_group();
    const std::size_t size = group.size();
    lock.unlock();
    auto completions = committer.run(std::move(group), reserve_bytes_.load(std::memory_order_relaxed));
    if (!completions.empty()) {
      executor_([all = std::move(completions)]() mutable {
        for (Completion& each : all) each();
      });
      fault_point("store.after_answers");
    }
    lock.lock();
    applied_ += size;
    if (!reads_.empty() && applied_ >= reads_.front().after) read_ready_.notify_one();
  }
  committer_done_ = true;
}

void RocksdbMailboxStore::Impl::read_loop() {
  std::unique_lock lock(mutex_);
  for (;;) {
    read_ready_.wait(lock, [&] {
      return (!reads_.empty() && applied_ >= reads_.front().after) || (committer_done_ && reads_.empty());
    });
    if (reads_.empty()) break;
    Completion work = std::move(reads_.front().work);
    reads_.pop_front();
    lock.unlock();
    work();
    lock.lock();
  }
}

Result<std::unique_ptr<RocksdbMailboxStore>, OpenError> RocksdbMailboxStore::open(const RocksdbMailboxOptions& options,
                                                                                  KeyVault& vault, RandomSource& random,
                                                                                  Executor executor, Log& log) {
  const internal::DatabaseSettings settings{.directory = options.directory,
                                            .what = "mailbox store",
                                            .accept_damaged_log = options.accept_damaged_log,
                                            .env = options.env,
                                            .log = &log};
  OPALINE_TRY(auto db, internal::MailboxDb::open(settings, vault, random, log));
  return std::unique_ptr<RocksdbMailboxStore>(
      new RocksdbMailboxStore(std::make_unique<Impl>(std::move(db), options, std::move(executor))));
}

RocksdbMailboxStore::RocksdbMailboxStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
RocksdbMailboxStore::~RocksdbMailboxStore() = default;

std::optional<OwnerEpoch> RocksdbMailboxStore::acquire_all() {
  return impl_->db().take();
}

void RocksdbMailboxStore::append(OwnerEpoch epoch, std::vector<Append> batch, AppendDone done) {
  MailboxCall call = internal::AppendCall{.epoch = epoch, .batch = std::move(batch), .done = std::move(done)};
  if (impl_->submit(call, true)) return;
  auto& refused = std::get<internal::AppendCall>(call);
  const std::size_t size = refused.batch.size();
  impl_->counters().refused_queue.fetch_add(size, std::memory_order_relaxed);
  impl_->executor()(
      [answer = std::move(refused.done), size]() mutable { answer(std::vector(size, AppendOutcome::unknown)); });
}

void RocksdbMailboxStore::remove(OwnerEpoch epoch, std::vector<Removal> batch) {
  MailboxCall call = internal::RemoveCall{.epoch = epoch, .batch = std::move(batch)};
  impl_->submit(call, false);
}

void RocksdbMailboxStore::destroy(OwnerEpoch epoch, MailboxId mailbox) {
  remove(epoch, {Removal{.mailbox = mailbox, .through = Sequence(UINT64_MAX)}});
}

void RocksdbMailboxStore::summarize(OwnerEpoch epoch, MailboxId mailbox, SummaryDone done) {
  impl_->submit_read([impl = impl_.get(), epoch, mailbox, answer = std::move(done)]() mutable {
    ReadOutcome outcome = ReadOutcome::fenced;
    MailboxSummary summary;
    if (impl->db().is_owner(epoch)) {
      auto found = internal::summarize(impl->db(), mailbox);
      outcome = found ? ReadOutcome::ok : found.error();
      if (found) summary = std::move(*found);
    }
    impl->executor()(
        [then = std::move(answer), outcome, all = std::move(summary)]() mutable { then(outcome, std::move(all)); });
  });
}

void RocksdbMailboxStore::read(OwnerEpoch epoch, MailboxId mailbox, Sequence from, std::size_t max_count,
                               std::size_t max_bytes, ReadDone done) {
  const internal::ReadLimits limits{.from = from, .max_count = max_count, .max_bytes = max_bytes};
  impl_->submit_read([impl = impl_.get(), epoch, mailbox, limits, answer = std::move(done)]() mutable {
    ReadOutcome outcome = ReadOutcome::fenced;
    std::vector<StoredEnvelope> envelopes;
    if (impl->db().is_owner(epoch)) {
      auto found = internal::read(impl->db(), mailbox, limits, impl->counters().damaged);
      outcome = found ? ReadOutcome::ok : found.error();
      if (found) envelopes = std::move(*found);
    }
    impl->executor()(
        [then = std::move(answer), outcome, all = std::move(envelopes)]() mutable { then(outcome, std::move(all)); });
  });
}

void RocksdbMailboxStore::expire_through(Day day, ExpireDone done) {
  MailboxCall call = internal::ExpireCall{.day = day, .done = std::move(done)};
  impl_->submit(call, false);
}

void RocksdbMailboxStore::maintain(Time now) {
  impl_->db().maintain(now);
}

RocksdbMailboxStore::Stats RocksdbMailboxStore::stats() const {
  const auto& from = impl_->counters();
  return {.appended = from.appended,
          .duplicates = from.duplicates,
          .groups = from.groups,
          .refused_full = from.refused_full,
          .refused_queue = from.refused_queue,
          .failures = from.failures,
          .damaged = from.damaged,
          .queued_items = impl_->queued_items(),
          .days = impl_->db().days()->size()};
}

void RocksdbMailboxStore::set_reserve_bytes(std::uint64_t bytes) {
  impl_->reserve_bytes() = bytes;
}

}  // namespace opaline::store
