// Figures of the RocksDB mailbox store: synced appends per second, drain, expiry, cold start. Prints one line of JSON a
// row. store_bench append|drain|expiry|cold [DIR]: the numbers DESIGN asks for. The directory's disk is the disk that
// is measured.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <thread>

#include "crypto/random.hpp"
#include "store/conformance/task_loop.hpp"
#include "store/drivers/file_key_vault.hpp"
#include "store/drivers/rocksdb_mailbox_store.hpp"

using namespace opaline;
using namespace opaline::store;

namespace {

constexpr std::size_t kPayloadBytes = 512;

double now_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}
double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

struct Bench {
  explicit Bench(std::filesystem::path where) : root(std::move(where)) {
    std::filesystem::remove_all(root);
    std::filesystem::create_directories(root);
    open();
  }
  ~Bench() {
    store.reset();
    vault.reset();
    std::filesystem::remove_all(root);
  }
  void open() {
    auto opened_vault = FileKeyVault::open({.directory = root / "vault", .master_key_file = std::nullopt}, random);
    if (!opened_vault) die(opened_vault.error().message);
    vault = std::move(*opened_vault);
    RocksdbMailboxOptions options;
    options.directory = root / "mailboxes";
    auto opened = RocksdbMailboxStore::open(options, *vault, random, loop.executor(), log);
    if (!opened) die(opened.error().message);
    store = std::move(*opened);
    epoch = *store->acquire_all();
  }
  [[noreturn]] static void die(const std::string& why) {
    fmt::print(stderr, "{}\n", why);
    std::exit(1);
  }

  /// Appends `total` envelopes over `boxes` mailboxes in calls of `batch`, `in_flight` envelopes at a time; returns
  /// seconds.
  double fill(std::uint64_t total, std::size_t boxes, std::size_t in_flight, std::size_t batch, Day day) {
    while (mailboxes.size() < boxes) mailboxes.push_back(random.id<MailboxId>());
    next.resize(mailboxes.size(), 1);
    std::uint64_t sent = 0;
    std::uint64_t done = 0;
    const double start = now_seconds();
    const auto send = [&] {
      std::vector<Append> items;
      for (std::size_t i = 0; i < batch && sent < total; ++i, ++sent) {
        const std::size_t box = cheap.u64() % boxes;
        Append append;
        append.mailbox = mailboxes[box];
        append.sequence = Sequence(next[box]++);
        append.id = cheap.id<EnvelopeId>();
        append.day = day;
        append.ciphertext.resize(kPayloadBytes);
        items.push_back(std::move(append));
      }
      store->append(epoch, std::move(items), [&done](const std::vector<AppendOutcome>& outcomes) {
        for (const AppendOutcome outcome : outcomes) {
          if (outcome != AppendOutcome::stored) die("an append was not stored");
        }
        done += outcomes.size();
      });
    };
    loop.run([&] {
      while (sent < total && sent - done + batch <= in_flight) send();
      return done == total;
    });
    return now_seconds() - start;
  }

  std::filesystem::path root;
  crypto::SystemRandom random;
  SeededRandom cheap{1};
  NullLog log;
  TaskLoop loop;
  std::unique_ptr<FileKeyVault> vault;
  std::unique_ptr<RocksdbMailboxStore> store;
  OwnerEpoch epoch{};
  std::vector<MailboxId> mailboxes;
  std::vector<std::uint64_t> next;
};

void bench_append(const std::filesystem::path& root) {
  struct Case {
    std::size_t in_flight, batch, boxes;
    std::uint64_t total;
  };
  for (const Case each :
       {Case{1, 1, 8, 5000}, Case{16, 1, 8, 50000}, Case{200, 1, 8, 500000}, Case{200, 25, 8, 500000},
        Case{1024, 1, 1000, 1000000}, Case{4096, 64, 1000, 1000000}, Case{4096, 64, 50000, 1000000}}) {
    Bench bench(root);
    bench.fill(each.in_flight, each.boxes, each.in_flight, each.batch, Day(20000));
    const double cpu = cpu_seconds();
    const double seconds = bench.fill(each.total, each.boxes, each.in_flight, each.batch, Day(20000));
    const auto stats = bench.store->stats();
    fmt::print(
        "{{\"bench\":\"store "
        "append\",\"in_flight\":{},\"batch\":{},\"mailboxes\":{},\"per_second\":{:.0f},\"group\":{:.1f},"
        "\"cpu\":{:.2f}}}\n",
        each.in_flight, each.batch, each.boxes, static_cast<double>(each.total) / seconds,
        static_cast<double>(stats.appended) / static_cast<double>(stats.groups), (cpu_seconds() - cpu) / seconds);
    std::fflush(stdout);
  }
}

void bench_drain(const std::filesystem::path& root) {
  Bench bench(root);
  constexpr std::uint64_t kTotal = 400000;
  constexpr std::size_t kBoxes = 8;
  bench.fill(kTotal, kBoxes, 4096, 64, Day(20000));
  std::uint64_t got = 0;
  std::size_t open_boxes = kBoxes;
  const double start = now_seconds();
  std::function<void(std::size_t, std::uint64_t)> more = [&](std::size_t box, std::uint64_t from) {
    bench.store->read(bench.epoch, bench.mailboxes[box], Sequence(from), 256, 256 * 1024,
                      [&, box](ReadOutcome outcome, const std::vector<StoredEnvelope>& envelopes) {
                        if (outcome != ReadOutcome::ok) Bench::die("a read failed");
                        if (envelopes.empty()) {
                          --open_boxes;
                          return;
                        }
                        got += envelopes.size();
                        const auto last = static_cast<std::uint64_t>(envelopes.back().sequence);
                        bench.store->remove(bench.epoch, {Removal{bench.mailboxes[box], Sequence(last)}});
                        more(box, last + 1);
                      });
  };
  for (std::size_t box = 0; box < kBoxes; ++box) more(box, 1);
  bench.loop.run([&] { return open_boxes == 0; });
  const double seconds = now_seconds() - start;
  fmt::print("{{\"bench\":\"store drain and remove\",\"envelopes\":{},\"per_second\":{:.0f}}}\n", got,
             static_cast<double>(got) / seconds);
}

void bench_expiry(const std::filesystem::path& root) {
  constexpr std::uint32_t kRounds = 9;
  for (const std::uint64_t stored : {std::uint64_t{10'000}, std::uint64_t{10'000'000}}) {
    Bench bench(root);
    for (std::uint32_t day = 0; day < kRounds; ++day) bench.fill(1000, 500, 1000, 50, Day(20000 + day));
    bench.fill(stored, 50000, 4096, 64, Day(20000 + kRounds));
    std::vector<double> milliseconds;
    for (std::uint32_t day = 0; day < kRounds; ++day) {
      const double start = now_seconds();
      bool done = false;
      bench.store->expire_through(Day(20000 + day), [&done](bool destroyed) {
        if (!destroyed) Bench::die("not expired");
        done = true;
      });
      bench.loop.run([&] { return done; });
      milliseconds.push_back((now_seconds() - start) * 1e3);
    }
    std::ranges::sort(milliseconds);
    fmt::print(
        "{{\"bench\":\"store expiry of "
        "1000\",\"stored\":{},\"median_ms\":{:.1f},\"min_ms\":{:.1f},\"max_ms\":{:.1f}}}\n",
        stored, milliseconds[kRounds / 2], milliseconds.front(), milliseconds.back());
    std::fflush(stdout);
  }
}

/// Tells the kernel to forget the files' pages, so that a start reads from the disk.
void drop_pages(const std::filesystem::path& root) {
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
    if (!entry.is_regular_file()) continue;
    const int fd = ::open(entry.path().c_str(), O_RDONLY);
    ::fdatasync(fd);
    ::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    ::close(fd);
  }
}

void bench_cold(const std::filesystem::path& root) {
  Bench bench(root);
  std::uint64_t stored = 0;
  for (const std::uint64_t total : {std::uint64_t{0}, std::uint64_t{10'000'000}}) {
    for (std::uint32_t day = 0; stored < total; ++day) {
      bench.fill(total / 10, 50000, 4096, 64, Day(20000 + day));
      stored += total / 10;
    }
    bench.store.reset();
    drop_pages(root);
    const double start = now_seconds();
    bench.open();
    const double opened = now_seconds();
    bench.fill(1, std::max<std::size_t>(1, bench.mailboxes.size()), 1, 1, Day(20010));
    fmt::print("{{\"bench\":\"store cold start\",\"stored\":{},\"open_ms\":{:.1f},\"first_accepted_ms\":{:.1f}}}\n",
               stored, (opened - start) * 1e3, (now_seconds() - start) * 1e3);
    std::fflush(stdout);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view what = argc > 1 ? argv[1] : "";
  const std::filesystem::path root =
      std::filesystem::path(argc > 2 ? argv[2] : ".") / ("opaline-store-bench-" + std::to_string(::getpid()));
  if (what == "append") {
    bench_append(root);
  } else if (what == "drain") {
    bench_drain(root);
  } else if (what == "expiry") {
    bench_expiry(root);
  } else if (what == "cold") {
    bench_cold(root);
  } else {
    fmt::print(stderr, "usage: store_bench append|drain|expiry|cold [DIR]\n");
    return 2;
  }
  return 0;
}
