// A year's lookups in a month: entries spread over 30 days, one handle's found among all. OPALINE_LOOKUPS=10000000 for
// the size that the design names; prints what it took, and judges only what is found.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <iostream>

#include "crypto/random.hpp"
#include "records/lookup_log.hpp"
#include "store/conformance/temp_directory.hpp"
#include "store/drivers/file_key_vault.hpp"
#include "store/drivers/rocksdb_row_store.hpp"

namespace opaline::records {
namespace {

using std::chrono::days;

constexpr Time kStart = Time(std::chrono::sys_days(std::chrono::year(2027) / 1 / 1));
constexpr std::string_view kTarget = "target@example.org";

std::uint64_t entries_wanted() {
  const char* const given = std::getenv("OPALINE_LOOKUPS");
  return given == nullptr ? 60'000 : std::strtoull(given, nullptr, 10);
}

class Stopwatch {
 public:
  void lap(std::string_view what) {
    const auto now = std::chrono::steady_clock::now();
    std::cout << what << ": " << std::chrono::duration_cast<milliseconds>(now - at_).count() << " ms\n";
    at_ = std::chrono::steady_clock::now();
  }

 private:
  std::chrono::steady_clock::time_point at_ = std::chrono::steady_clock::now();
};

std::uint64_t size_of(const std::filesystem::path& directory) {
  std::uint64_t out = 0;
  for (const auto& file : std::filesystem::recursive_directory_iterator(directory))
    if (file.is_regular_file()) out += file.file_size();
  return out;
}

TEST(LookupLogScale, OneHandleIsFoundAmongAllAndADayGoesAlone) {
  const std::uint64_t total = entries_wanted();
  const store::conformance::TempDirectory root;
  crypto::SystemRandom random;
  SeededRandom dice(1);
  NullLog events;
  ManualClock clock{kStart + days(29) + std::chrono::hours(23)};
  auto vault =
      std::move(*store::FileKeyVault::open({.directory = root.path() / "vault", .master_key_file = {}}, random));
  auto rows = std::move(
      *store::RocksdbRowStore::open({.directory = root.path() / "lookups", .tables = lookup_tables()}, events));
  auto log = std::move(*LookupLog::open({}, {&*rows, &*vault, clock, events}));

  Stopwatch watch;
  std::uint64_t by_target = 0;
  std::uint64_t of_target = 0;
  std::uint64_t first_day = 0;
  std::vector<identity::LookupLogEntry> group;
  for (std::uint64_t n = 0; n < total; ++n) {
    const Time at = kStart + milliseconds(static_cast<std::int64_t>(days(29) / milliseconds(1) * n / total));
    identity::LookupLogEntry entry{.time = at,
                                   .source_handle = "+49151" + std::to_string(10'000'000 + dice.below(1'000'000)),
                                   .source = {},
                                   .looked_up_handle = "+49151" + std::to_string(10'000'000 + dice.below(1'000'000)),
                                   .capable_devices = 2};
    if (n % 1'000 == 7) {
      entry.source_handle = kTarget;
      ++by_target;
    }
    if (n % 500 == 3) {
      entry.looked_up_handle = kTarget;
      ++of_target;
    }
    first_day += at < kStart + days(1) ? 1 : 0;
    group.push_back(std::move(entry));
    if (group.size() < 4096 && n + 1 < total) continue;
    log->append(group);
    group.clear();
    if (log->stats().waiting > 32'768) log->flush();
  }
  log->flush();
  watch.lap("writing " + std::to_string(total));
  ASSERT_EQ(log->stats().entries, total);
  std::cout << "on the disk: " << (size_of(root.path()) >> 20) << " MiB; counted: " << (log->stats().bytes >> 20)
            << " MiB\n";

  // As another process would find it.
  log.reset();
  rows.reset();
  rows = std::move(
      *store::RocksdbRowStore::open({.directory = root.path() / "lookups", .tables = lookup_tables()}, events));
  log = std::move(*LookupLog::open({}, {&*rows, &*vault, clock, events}));
  watch.lap("opening");
  const auto find = [&](LookupSide side) {
    return log->count({.handle = identity::Handle::from_stored(std::string(kTarget)),
                       .side = side,
                       .from = kStart,
                       .to = clock.now()});
  };
  EXPECT_EQ(find(LookupSide::by_handle)->entries, by_target);
  watch.lap("finding " + std::to_string(by_target) + " by a handle");
  EXPECT_EQ(find(LookupSide::of_handle)->entries, of_target);
  watch.lap("finding " + std::to_string(of_target) + " of a handle");
  const auto own = log->own(std::array{identity::HeldHandle{std::string(kTarget), Time{}}}, {}, 100);
  ASSERT_TRUE(own.has_value());
  EXPECT_EQ(own->entries.size(), std::min<std::uint64_t>(100, by_target));
  watch.lap("a page of one's own");

  clock.jump(std::chrono::hours(2));  // 31 January: the first is over
  ASSERT_TRUE(log->expire(clock.now()));
  watch.lap("destroying a day's key");
  ASSERT_TRUE(log->remove_expired());
  watch.lap("removing its " + std::to_string(first_day) + " entries");
  EXPECT_EQ(log->stats().entries, total - first_day);
  std::cout << "on the disk: " << (size_of(root.path()) >> 20) << " MiB\n";
}

}  // namespace
}  // namespace opaline::records
