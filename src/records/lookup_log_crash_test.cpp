// The lookup log on real files, killed at each fault point that it passes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "crypto/random.hpp"
#include "records/lookup_log.hpp"
#include "store/conformance/crash_child.hpp"
#include "store/conformance/temp_directory.hpp"
#include "store/drivers/file_key_vault.hpp"
#include "store/drivers/rocksdb_row_store.hpp"

namespace opaline::records {
namespace {

using identity::LookupLogEntry;
using std::chrono::days;
using store::conformance::ChildEnd;
using store::conformance::CrashChild;
using store::conformance::die;
using store::conformance::run_child;

constexpr Time kNoon = Time(std::chrono::sys_days(std::chrono::year(2027) / 1 / 15)) + std::chrono::hours(12);
constexpr int kDays = 4;
constexpr std::uint32_t kGroups = 10;   // a day
constexpr std::uint32_t kOfAGroup = 5;  // entries

std::string asker(std::uint32_t number) {
  return "asker" + std::to_string(number % 3) + "@example.org";
}
std::string asked_for(std::uint32_t number) {
  return "asked" + std::to_string(number % 4) + "@example.org";
}

struct Node {
  explicit Node(const std::filesystem::path& root) {
    auto opened_vault = store::FileKeyVault::open({.directory = root / "vault", .master_key_file = {}}, random);
    if (!opened_vault) die(opened_vault.error().message);
    vault = std::move(*opened_vault);
    auto opened_rows = store::RocksdbRowStore::open({.directory = root / "lookups", .tables = lookup_tables()}, events);
    if (!opened_rows) die(opened_rows.error().message);
    rows = std::move(*opened_rows);
    auto opened = LookupLog::open({.retention = days(1)}, {&*rows, &*vault, clock, events});
    if (!opened) die("the log was not opened");
    log = std::move(*opened);
  }
  crypto::SystemRandom random;
  NullLog events;
  ManualClock clock{kNoon};
  std::unique_ptr<store::FileKeyVault> vault;
  std::unique_ptr<store::RocksdbRowStore> rows;
  std::unique_ptr<LookupLog> log;
};

/// Entry `number` says so in its fifth field. The first day of all is `day` 0.
TEST(LookupLogCrash, Child) {
  const auto child = CrashChild::from_environment();
  if (!child) GTEST_SKIP() << "the others start it";
  Node node(child->root);
  std::uint32_t number = 0;
  for (int day = 0; day < kDays; ++day) {
    for (std::uint32_t group = 0; group < kGroups; ++group) {
      std::vector<LookupLogEntry> entries;
      for (std::uint32_t i = 0; i < kOfAGroup; ++i, ++number) {
        entries.push_back({.time = node.clock.now(),
                           .source_handle = asker(number),
                           .source = {},
                           .looked_up_handle = asked_for(number),
                           .capable_devices = number});
      }
      node.log->append(entries);
      node.log->flush();
      if (node.log->stats().written != number) die("entries were dropped");
      child->say("kept " + std::to_string(number));
    }
    node.clock.jump(days(1));
    child->say("expiring " + std::to_string(day));
    if (!node.log->expire(node.clock.now())) die("not expired");
    child->say("expired " + std::to_string(day));
    if (!node.log->remove_expired()) die("not removed");
  }
}

struct Promised {
  std::uint32_t kept = 0;  ///< entries
  int expiring = -1, expired = -1;
};
Promised parse(const std::string& said) {
  Promised out;
  std::istringstream in(said);
  for (std::string what; in >> what;) {
    int value = 0;
    in >> value;
    if (what == "kept") out.kept = static_cast<std::uint32_t>(value);
    if (what == "expiring") out.expiring = value;
    if (what == "expired") out.expired = value;
  }
  return out;
}

/// The numbers of what is found from one side.
std::set<std::uint32_t> found(Node& node, LookupSide side) {
  std::set<std::uint32_t> out;
  for (std::uint32_t i = 0; i < 4; ++i) {
    const std::string handle = side == LookupSide::by_handle ? asker(i) : asked_for(i);
    const auto findings = node.log->find(
        {.handle = identity::Handle::from_stored(handle), .side = side, .from = Time::min(), .to = Time::max()},
        [&](const LookupLogEntry& entry) {
          out.insert(entry.capable_devices);
          return true;
        });
    EXPECT_TRUE(findings.has_value());
    EXPECT_EQ(findings->damaged, 0U);
    EXPECT_THAT(findings->unreadable_days, testing::IsEmpty());
  }
  return out;
}

void check(const std::filesystem::path& root, const Promised& promised) {
  Node node(root);
  node.clock.jump(days(promised.expired + 1));  // nothing younger is too old
  const auto by = found(node, LookupSide::by_handle);
  EXPECT_EQ(by, found(node, LookupSide::of_handle)) << "an entry has both its rows or none";
  const std::uint32_t a_day = kGroups * kOfAGroup;
  for (const std::uint32_t number : by) EXPECT_GE(number, static_cast<std::uint32_t>(promised.expired + 1) * a_day);
  for (auto number = static_cast<std::uint32_t>(promised.expiring + 1) * a_day; number < promised.kept; ++number)
    EXPECT_TRUE(by.contains(number)) << number << " was written and is lost";
  EXPECT_EQ(node.log->stats().entries, by.size()) << "counted as they are";
  // And it goes on: what is appended on a day whose key was not to be destroyed is found, and what is over goes.
  node.clock.jump(days(promised.expiring - promised.expired));
  const LookupLogEntry more{.time = node.clock.now(),
                            .source_handle = asker(0),
                            .source = {},
                            .looked_up_handle = asked_for(0),
                            .capable_devices = 1'000'000};
  node.log->append({&more, 1});
  node.log->flush();
  EXPECT_TRUE(found(node, LookupSide::by_handle).contains(1'000'000));
  EXPECT_TRUE(found(node, LookupSide::of_handle).contains(1'000'000));
  node.clock.jump(days(10));
  EXPECT_TRUE(node.log->expire(node.clock.now()));
  EXPECT_TRUE(node.log->remove_expired());
  EXPECT_EQ(node.log->stats().entries, 0U);
  for (const std::string& table : lookup_tables()) EXPECT_THAT(*node.rows->scan(table, {}, {}, 1), testing::IsEmpty());
}

class LookupLogCrashTest : public testing::TestWithParam<std::string_view> {};

TEST_P(LookupLogCrashTest, TwoRowsOrNone) {
  for (const int nth : {1, 3}) {
    SCOPED_TRACE(nth);
    const store::conformance::TempDirectory root;
    const ChildEnd end =
        run_child("LookupLogCrash.Child", root.path(), std::string(GetParam()) + ":" + std::to_string(nth));
    ASSERT_TRUE(end.killed()) << "the point was not reached: " << end.status;
    check(root.path(), parse(end.said));
  }
}

TEST(LookupLogCrash, WithoutAFaultEverythingIsThere) {
  const store::conformance::TempDirectory root;
  const ChildEnd end = run_child("LookupLogCrash.Child", root.path(), "");
  ASSERT_TRUE(end.ended_well());
  const auto promised = parse(end.said);
  EXPECT_EQ(promised.kept, kDays * kGroups * kOfAGroup);
  EXPECT_EQ(promised.expired, kDays - 1);
  check(root.path(), promised);
}

INSTANTIATE_TEST_SUITE_P(AllPoints, LookupLogCrashTest,
                         testing::Values("records.before_lookups", "records.after_lookup_keys",
                                         "store.before_rows_sync", "store.after_rows_sync", "rows.before_range_erased",
                                         "rows.after_range_erased", "vault.before_key_sync", "vault.after_key_sync",
                                         "vault.before_destroy_mark", "vault.after_destroy_mark",
                                         "vault.after_overwrite"),
                         store::conformance::name_of_point);

}  // namespace
}  // namespace opaline::records
