// expiry_bench DIR STORED RUNS: how long the RocksDB mailbox store takes to destroy a day that holds 1,000 envelopes
// while STORED others stay. RUNS such days, oldest first. One line of JSON each.
#include <fmt/format.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <filesystem>
#include <string_view>

#include "crypto/random.hpp"
#include "load/clock.hpp"
#include "load/die.hpp"
#include "store/conformance/task_loop.hpp"
#include "store/drivers/file_key_vault.hpp"
#include "store/drivers/rocksdb_mailbox_store.hpp"

using namespace opaline;
using namespace opaline::bench;

namespace {

constexpr std::uint64_t kExpiring = 1000;
constexpr std::size_t kMailboxes = 50'000;
constexpr std::size_t kPayloadBytes = 512;
constexpr std::size_t kBatch = 64, kInFlight = 8192;
constexpr std::uint32_t kFirstDay = 20'000;

class Store {
 public:
  explicit Store(const std::filesystem::path& directory) {
    auto vault =
        store::FileKeyVault::open({.directory = directory / "vault", .master_key_file = std::nullopt}, random_);
    if (!vault) die(vault.error().message);
    vault_ = std::move(*vault);
    options_.directory = directory / "mailboxes";
    open();
    for (std::size_t i = 0; i < kMailboxes; ++i) mailboxes_.push_back(random_.id<MailboxId>());
  }

  /// What still goes on in the background after filling ends here, so that it is not measured with the expiry.
  void reopen() {
    store_.reset();
    open();
  }

  /// `count` envelopes of `day`, over all mailboxes in turn.
  void fill(std::uint64_t count, Day day) {
    std::uint64_t sent = 0, stored = 0;
    loop_.run([&] {
      while (sent < count && sent - stored + kBatch <= kInFlight) {
        std::vector<store::Append> batch;
        for (std::size_t i = 0; i < kBatch && sent < count; ++i, ++sent) batch.push_back(next(day));
        store_->append(epoch_, std::move(batch), [&stored](const std::vector<store::AppendOutcome>& outcomes) {
          for (const auto outcome : outcomes) {
            if (outcome != store::AppendOutcome::stored) die("an append was not stored");
          }
          stored += outcomes.size();
        });
      }
      return stored == count;
    });
  }

  /// Nanoseconds until the day's keys and envelopes are gone.
  Nanos expire(Day day) {
    const Nanos begin = now_ns();
    bool done = false;
    store_->expire_through(day, [&done](bool destroyed) {
      if (!destroyed) die("a day was not destroyed");
      done = true;
    });
    loop_.run([&done] { return done; });
    return now_ns() - begin;
  }

 private:
  void open() {
    auto opened = store::RocksdbMailboxStore::open(options_, *vault_, random_, loop_.executor(), log_);
    if (!opened) die(opened.error().message);
    store_ = std::move(*opened);
    const auto epoch = store_->acquire_all();
    if (!epoch) die("the store cannot be taken");
    epoch_ = *epoch;
  }

  store::Append next(Day day) {
    store::Append append;
    append.mailbox = mailboxes_[turn_ % kMailboxes];
    append.sequence = store::Sequence(turn_ / kMailboxes + 1);
    ++turn_;
    append.id = cheap_.id<EnvelopeId>();
    append.day = day;
    append.ciphertext.resize(kPayloadBytes);
    cheap_.fill(append.ciphertext);
    return append;
  }

  crypto::SystemRandom random_;
  SeededRandom cheap_{1};
  NullLog log_;
  store::TaskLoop loop_;
  store::RocksdbMailboxOptions options_;
  std::unique_ptr<store::FileKeyVault> vault_;
  std::unique_ptr<store::RocksdbMailboxStore> store_;
  store::OwnerEpoch epoch_{};
  std::vector<MailboxId> mailboxes_;
  std::uint64_t turn_ = 0;
};

std::uint64_t number_of(std::string_view text) {
  std::uint64_t value = 0;
  if (std::from_chars(text.data(), text.data() + text.size(), value).ptr != text.data() + text.size())
    die("not a number: " + std::string(text));
  return value;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) die("usage: expiry_bench DIR STORED RUNS");
  const std::uint64_t stored = number_of(argv[2]);
  const auto runs = static_cast<std::uint32_t>(number_of(argv[3]));
  const std::filesystem::path directory =
      std::filesystem::path(argv[1]) / ("expiry-" + std::to_string(stored) + "-" + std::to_string(::getpid()));
  std::filesystem::create_directories(directory);
  {
    Store store(directory);
    for (std::uint32_t run = 0; run < runs; ++run) store.fill(kExpiring, Day(kFirstDay + run));
    store.fill(stored, Day(kFirstDay + runs));
    store.reopen();
    for (std::uint32_t run = 0; run < runs; ++run) {
      const Nanos took = store.expire(Day(kFirstDay + run));
      fmt::print("{{\"run\":\"expiry\",\"expired\":{},\"stored\":{},\"milliseconds\":{:.2f}}}\n", kExpiring, stored,
                 static_cast<double>(took) / 1e6);
      std::fflush(stdout);
    }
  }
  std::filesystem::remove_all(directory);
  return 0;
}
