#include "records/lookup_log.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <future>

#include "base/random.hpp"
#include "store/conformance/temp_directory.hpp"
#include "store/drivers/file_key_vault.hpp"
#include "store/drivers/memory_key_vault.hpp"
#include "store/drivers/memory_row_store.hpp"
#include "store/drivers/rocksdb_row_store.hpp"

namespace opaline::records {
namespace {

using identity::LookupLogEntry;
using std::chrono::days;
using std::chrono::hours;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr Time kMidnight = Time(std::chrono::sys_days(std::chrono::year(2027) / 1 / 15));
constexpr std::string_view kAda = "+4915112345678";
constexpr std::string_view kBob = "bob@example.org";
constexpr std::string_view kEve = "eve@example.org";

LookupLogEntry entry(Time time, std::string_view by, std::string_view of, std::uint32_t devices = 1) {
  LookupLogEntry out{.time = time,
                     .source_handle = std::string(by),
                     .source = {},
                     .looked_up_handle = std::string(of),
                     .capable_devices = devices};
  out.source.ip = to_array<16>(as_view("an address of 16"));
  return out;
}

class LookupLogTest : public testing::Test {
 protected:
  LookupLogTest() { open(30); }
  void open(int retention, std::size_t max_waiting = 65'536) {
    log_.reset();
    auto opened = LookupLog::open({.retention = days(retention), .max_waiting = max_waiting},
                                  {.rows = &rows_, .vault = &vault_, .clock = clock_, .log = events_});
    ASSERT_TRUE(opened.has_value());
    log_ = std::move(*opened);
  }
  void append(const LookupLogEntry& one) {
    log_->append({&one, 1});
    log_->flush();
  }
  LookupQuery query(std::string_view handle, LookupSide side, Time from = Time::min(), Time to = Time::max()) {
    return {.handle = identity::Handle::from_stored(std::string(handle)), .side = side, .from = from, .to = to};
  }
  std::vector<std::string> found(const LookupQuery& asked) {
    std::vector<std::string> out;
    const auto findings = log_->find(asked, [&](const LookupLogEntry& one) {
      out.push_back(one.source_handle + " " + one.looked_up_handle + " " + std::to_string(one.capable_devices));
      return true;
    });
    EXPECT_TRUE(findings.has_value());
    EXPECT_EQ(findings->entries, out.size());
    EXPECT_EQ(findings->damaged, 0U);
    EXPECT_THAT(findings->unreadable_days, IsEmpty());
    return out;
  }
  std::vector<std::string> by(std::string_view handle) { return found(query(handle, LookupSide::by_handle)); }
  std::vector<std::string> of(std::string_view handle) { return found(query(handle, LookupSide::of_handle)); }

  SeededRandom random_{1};
  store::MemoryDisk disk_{random_};
  store::MemoryRowStore rows_{disk_, lookup_tables()};
  store::MemoryKeyVault vault_{random_};
  ManualClock clock_{kMidnight + hours(12)};
  NullLog events_;
  std::unique_ptr<LookupLog> log_;
};

TEST_F(LookupLogTest, AnEntryIsFoundFromBothSidesWithItsFiveFields) {
  const auto one = entry(clock_.now(), kAda, kBob, 3);
  append(one);
  append(entry(clock_.now(), kEve, kBob, 0));
  EXPECT_THAT(by(kAda), ElementsAre("+4915112345678 bob@example.org 3"));
  EXPECT_THAT(of(kBob), ElementsAre("+4915112345678 bob@example.org 3", "eve@example.org bob@example.org 0"));
  EXPECT_THAT(of(kAda), IsEmpty());
  EXPECT_THAT(by(kBob), IsEmpty());
  ASSERT_TRUE(log_->find(query(kAda, LookupSide::by_handle),
                         [&](const LookupLogEntry& back) {
                           EXPECT_EQ(back.time, one.time);
                           EXPECT_EQ(back.source, one.source);
                           return true;
                         })
                  .has_value());
}

TEST_F(LookupLogTest, FlushWaitsForWhatWasBeforeAndNotForWhatComes) {
  /// As if the next lookup came while each was written.
  struct Endless final : Collection {
    void collect(std::span<const LookupLogEntry> entries) override {
      if (!ended) log->append(entries.first(1));
    }
    LookupLog* log = nullptr;
    std::atomic<bool> ended = false;
  } endless;
  endless.log = log_.get();
  log_->set_targets({std::string(kAda)}, endless);
  log_->append(std::array{entry(clock_.now(), kAda, kBob), entry(clock_.now(), kAda, kEve)});
  log_->flush();
  EXPECT_THAT(of(kEve), ElementsAre("+4915112345678 eve@example.org 1"));
  endless.ended = true;
  log_->flush();
  log_->clear_targets();
}

TEST_F(LookupLogTest, FindsOverDaysInOrderWithinBoundsAndStopsWhenTold) {
  for (int day = 9; day >= 0; --day) {
    for (std::uint32_t n = 0; n < 700; ++n) log_->append(std::array{entry(clock_.now() - days(day), kAda, kBob, n)});
  }
  log_->flush();
  open(30);  // what is found is what was stored
  EXPECT_EQ(by(kAda).size(), 7000U);
  Time last = Time::min();
  std::uint64_t seen = 0;
  ASSERT_TRUE(log_->find(query(kBob, LookupSide::of_handle),
                         [&](const LookupLogEntry& one) {
                           EXPECT_GE(one.time, last);
                           last = one.time;
                           return ++seen < 1000;
                         })
                  .has_value());
  EXPECT_EQ(seen, 1000U);
  const Time at = clock_.now() - days(3);
  EXPECT_EQ(log_->count(query(kAda, LookupSide::by_handle, at, at + milliseconds(1)))->entries, 700U);
  EXPECT_EQ(log_->count(query(kAda, LookupSide::by_handle, at + milliseconds(1), clock_.now()))->entries, 1400U);
  EXPECT_EQ(log_->count(query(kAda, LookupSide::by_handle, at, at))->entries, 0U);
  const auto stats = log_->stats();
  EXPECT_EQ(stats.entries, 7000U);
  EXPECT_EQ(stats.oldest, clock_.now() - days(9));
  EXPECT_GT(stats.bytes, 7000U * 2 * 100);
}

TEST_F(LookupLogTest, NoEntryGrowsOlderThanTheRetention) {
  const Time first = kMidnight;
  clock_.jump(first - clock_.now());
  append(entry(first, kAda, kBob));
  append(entry(first + hours(23), kAda, kEve));
  clock_.jump(days(30) - milliseconds(1));
  ASSERT_TRUE(log_->expire(clock_.now()));
  EXPECT_EQ(by(kAda).size(), 2U) << "29 days, 23 hours, 59 minutes: kept";
  clock_.jump(milliseconds(1));
  EXPECT_THAT(by(kAda), IsEmpty()) << "not served, though nothing was destroyed yet";
  EXPECT_TRUE(vault_.existing_day_key(day_of(first)).has_value());
  ASSERT_TRUE(log_->expire(clock_.now()));
  EXPECT_EQ(vault_.existing_day_key(day_of(first)).error(), store::VaultError::destroyed);
  EXPECT_EQ(log_->stats().entries, 0U);
  ASSERT_TRUE(log_->remove_expired());
  for (const auto& table : lookup_tables()) EXPECT_THAT(*rows_.scan(table, {}, {}, 10), IsEmpty()) << table;
  clock_.jump(-days(20));  // back, as far as it likes
  EXPECT_THAT(by(kAda), IsEmpty());
}

TEST_F(LookupLogTest, ALowerRetentionDestroysAtOnceWhatIsTooOld) {
  for (int day = 5; day >= 0; --day) append(entry(clock_.now() - days(day), kAda, kBob, std::uint32_t(day)));
  open(2);
  EXPECT_THAT(by(kAda), ElementsAre("+4915112345678 bob@example.org 1", "+4915112345678 bob@example.org 0"));
  ASSERT_TRUE(log_->expire(clock_.now()));
  open(30);
  EXPECT_EQ(by(kAda).size(), 2U) << "what was destroyed does not come back";
  EXPECT_EQ(log_->stats().oldest, clock_.now() - days(1));
}

TEST_F(LookupLogTest, NoClockThatGoesWrongKeepsAnythingLonger) {
  log_->trust_clock(clock_.now());
  append(entry(clock_.now() + days(4000), kAda, kBob, 1));
  append(entry(clock_.now() - days(4000), kAda, kBob, 2));
  append(entry(clock_.now() + hours(30), kAda, kBob, 3));
  EXPECT_TRUE(vault_.existing_day_key(day_of(clock_.now())).has_value());
  EXPECT_TRUE(vault_.existing_day_key(day_of(clock_.now() + hours(30))).has_value());
  EXPECT_FALSE(vault_.existing_day_key(day_of(clock_.now() + days(4000))).has_value());
  EXPECT_FALSE(vault_.existing_day_key(day_of(clock_.now() - days(4000))).has_value());
  EXPECT_EQ(log_->count(query(kAda, LookupSide::by_handle, clock_.now() + days(3000)))->entries, 1U)
      << "found under the time that the clock showed";
  clock_.jump(days(31));
  ASSERT_TRUE(log_->expire(clock_.now()));
  EXPECT_EQ(log_->stats().entries, 0U);
}

TEST_F(LookupLogTest, AFullDiskAndALostVaultDropAndCountAndGoOn) {
  append(entry(clock_.now(), kAda, kBob, 1));
  disk_.faults.full = true;
  append(entry(clock_.now(), kAda, kBob, 2));
  disk_.faults.full = false;
  disk_.faults.unknown_stored = 1000;
  append(entry(clock_.now(), kAda, kBob, 3));
  disk_.faults.unknown_stored = 0;
  append(entry(clock_.now(), kAda, kBob, 4));
  vault_.failed = true;
  append(entry(clock_.now() + days(1), kAda, kBob, 5));
  EXPECT_FALSE(log_->expire(clock_.now()));
  vault_.failed = false;
  append(entry(clock_.now() + days(1), kAda, kBob, 6));
  const auto stats = log_->stats();
  EXPECT_EQ(stats.dropped_disk, 2U);
  EXPECT_EQ(stats.dropped_vault, 1U);
  EXPECT_EQ(stats.written, 3U);
  EXPECT_THAT(by(kAda), ElementsAre("+4915112345678 bob@example.org 1", "+4915112345678 bob@example.org 3",
                                    "+4915112345678 bob@example.org 4", "+4915112345678 bob@example.org 6"))
      << "the third was stored after all, and nothing took its place";
}

TEST_F(LookupLogTest, DamagedRowsAreSaidAndPassedOver) {
  for (std::uint32_t n = 0; n < 3; ++n) append(entry(clock_.now(), kAda, kBob, n));
  auto all = *rows_.scan("lookups", {}, {}, 10);
  all[1].second.back() ^= std::byte{1};
  ASSERT_TRUE(rows_.write({{.table = "lookups", .key = all[1].first, .value = all[1].second}}).has_value());
  const auto mine = log_->count(query(kAda, LookupSide::by_handle));
  const auto others = log_->count(query(kBob, LookupSide::of_handle));
  EXPECT_EQ(mine->entries + others->entries, 5U);
  EXPECT_EQ(mine->damaged + others->damaged, 1U);
  disk_.faults.failed = true;
  EXPECT_EQ(log_->count(query(kAda, LookupSide::by_handle)), fail(store::RowError::failed));
}

TEST_F(LookupLogTest, ADayWithoutItsKeyIsNamed) {
  append(entry(clock_.now() - days(1), kAda, kBob));
  append(entry(clock_.now(), kAda, kBob));
  log_.reset();
  store::MemoryKeyVault other(random_);
  auto opened = LookupLog::open({}, {.rows = &rows_, .vault = &other, .clock = clock_, .log = events_});
  ASSERT_TRUE(opened.has_value());
  const auto findings = (*opened)->count(query(kAda, LookupSide::by_handle));
  EXPECT_EQ(findings->entries, 0U);
  EXPECT_THAT(findings->unreadable_days, ElementsAre(day_of(clock_.now() - days(1)), day_of(clock_.now())));
  EXPECT_EQ((*opened)->stats().entries, 0U);
}

// ---------------------------------------------------------------- one's own

TEST_F(LookupLogTest, OnesOwnEntriesComeNewestFirstInPagesOverAllHandles) {
  SeededRandom dice(4);
  std::vector<std::string> expected;  // oldest first
  for (std::uint32_t n = 0; n < 900; ++n) {
    const Time at = clock_.now() - days(20) + n * std::chrono::minutes(30);
    const auto who = dice.below(3);
    log_->append(std::array{entry(at, who == 0 ? kAda : who == 1 ? kBob : kEve, kEve, n)});
    if (who != 2) expected.push_back(std::to_string(n));
  }
  log_->flush();
  std::ranges::reverse(expected);
  const std::array held{identity::HeldHandle{std::string(kAda), Time{}},
                        identity::HeldHandle{std::string(kBob), Time{}}};
  for (const std::size_t limit : {1U, 7U, 100U, 2000U}) {
    std::vector<std::string> seen;
    Bytes after;
    std::size_t pages = 0;
    do {
      const auto page = log_->own(held, after, limit);
      ASSERT_TRUE(page.has_value());
      EXPECT_LE(page->entries.size(), limit);
      for (const auto& one : page->entries) seen.push_back(std::to_string(one.capable_devices));
      after = page->next;
      ++pages;
    } while (!after.empty());
    EXPECT_EQ(seen, expected) << limit;
    EXPECT_GE(pages * limit, expected.size());
  }
}

TEST_F(LookupLogTest, WhoTookAHandleOverSeesNothingFromBefore) {
  append(entry(clock_.now(), kAda, kBob, 1));
  const Time taken = clock_.now() + seconds(1);
  append(entry(taken, kAda, kBob, 2));
  append(entry(taken + milliseconds(1), kAda, kBob, 3));
  const auto page = log_->own(std::array{identity::HeldHandle{std::string(kAda), taken}}, {}, 100);
  ASSERT_TRUE(page.has_value());
  ASSERT_EQ(page->entries.size(), 1U);
  EXPECT_EQ(page->entries[0].capable_devices, 3U);
}

TEST_F(LookupLogTest, AManyHandledAccountIsReadInBoundedPagesAndEndsThere) {
  for (int day = 29; day >= 0; --day) append(entry(clock_.now() - days(day), kAda, kBob));
  std::vector<identity::HeldHandle> held{{std::string(kAda), Time{}}};
  for (int i = 0; i < 15; ++i) held.push_back({"other" + std::to_string(i) + "@example.org", Time{}});
  Bytes after;
  std::size_t entries = 0;
  std::size_t pages = 0;
  do {
    const auto page = log_->own(held, after, 100);
    ASSERT_TRUE(page.has_value());
    entries += page->entries.size();
    after = page->next;
    ++pages;
  } while (!after.empty());
  EXPECT_EQ(entries, 30U);
  EXPECT_EQ(pages, 8U) << "four days each";
}

TEST_F(LookupLogTest, APlaceIsTakenOnlyAsItWasGiven) {
  for (int n = 0; n < 3; ++n) append(entry(clock_.now(), kAda, kBob));
  const std::array held{identity::HeldHandle{std::string(kAda), Time{}}};
  const Bytes next = log_->own(held, {}, 2)->next;
  ASSERT_EQ(next.size(), 28U);
  EXPECT_EQ(log_->own(held, next, 2)->entries.size(), 1U);
  for (std::size_t bit = 0; bit < next.size() * 8; ++bit) {
    Bytes damaged = next;
    damaged[bit / 8] ^= static_cast<std::byte>(1U << bit % 8);
    EXPECT_FALSE(log_->own(held, damaged, 2).has_value()) << bit;
  }
  for (std::size_t size = 1; size < next.size(); ++size)
    EXPECT_FALSE(log_->own(held, ByteView(next).first(size), 2).has_value());
  clock_.jump(days(40));
  ASSERT_TRUE(log_->expire(clock_.now()));
  EXPECT_TRUE(log_->own(held, next, 2)->entries.empty()) << "its day ended between two pages";
}

// ---------------------------------------------------------------- queue and collections

/// Holds the writer's thread until it is let go.
class Gate final : public Collection {
 public:
  void collect(std::span<const LookupLogEntry> entries) override {
    if (!waited_) {
      waited_ = true;
      entered.set_value();
      go.get_future().wait();
    }
    collected.insert(collected.end(), entries.begin(), entries.end());
  }
  std::promise<void> entered, go;
  std::vector<LookupLogEntry> collected;

 private:
  bool waited_ = false;
};

TEST_F(LookupLogTest, AFullQueueDropsAndNeverWaits) {
  Gate gate;
  open(30, 10);
  log_->set_targets({std::string(kAda)}, gate);
  log_->append(std::array{entry(clock_.now(), kAda, kBob)});
  gate.entered.get_future().wait();  // the writer is held: it takes nothing
  for (int i = 0; i < 15; ++i) log_->append(std::array{entry(clock_.now(), kAda, kBob)});
  EXPECT_EQ(log_->stats().waiting, 10U);
  EXPECT_EQ(log_->stats().dropped_queue, 5U);
  gate.go.set_value();
  log_->flush();
  EXPECT_EQ(log_->stats().written, 11U);
  EXPECT_EQ(gate.collected.size(), 11U);
  log_->clear_targets();
}

class Recorder final : public Collection {
 public:
  void collect(std::span<const LookupLogEntry> entries) override {
    for (const auto& one : entries) seen.push_back(one.source_handle + " " + one.looked_up_handle);
  }
  std::vector<std::string> seen;
};

TEST_F(LookupLogTest, TargetsAreCollectedFromBothSidesAlsoWhereNothingIsKept) {
  for (const bool keeps : {true, false}) {
    Recorder recorder;
    auto opened = LookupLog::open(
        {}, {.rows = keeps ? &rows_ : nullptr, .vault = keeps ? &vault_ : nullptr, .clock = clock_, .log = events_});
    ASSERT_TRUE(opened.has_value());
    LookupLog& log = **opened;
    const auto append_all = [&] {
      log.append(std::array{entry(clock_.now(), kAda, kBob), entry(clock_.now(), kEve, kBob),
                            entry(clock_.now(), kEve, kAda)});
      log.flush();
    };
    append_all();
    log.set_targets({std::string(kAda)}, recorder);
    EXPECT_TRUE(log.stats().collecting);
    append_all();
    EXPECT_EQ(log.stats().collected, 2U);
    log.clear_targets();
    EXPECT_FALSE(log.stats().collecting);
    append_all();
    EXPECT_THAT(recorder.seen, ElementsAre("+4915112345678 bob@example.org", "eve@example.org +4915112345678"));
    EXPECT_EQ(log.stats().written, keeps ? 9U : 0U);
    EXPECT_EQ(log.count(query(kEve, LookupSide::by_handle))->entries, keeps ? 6U : 0U);
    EXPECT_TRUE(log.expire(clock_.now()));
  }
}

// ---------------------------------------------------------------- files

class LookupFilesTest : public LookupLogTest {
 protected:
  struct Node {
    std::unique_ptr<store::FileKeyVault> vault;
    std::unique_ptr<store::RocksdbRowStore> rows;
    std::unique_ptr<LookupLog> log;
  };
  Node node(const std::filesystem::path& data, const std::filesystem::path& vault) {
    Node out;
    out.vault = std::move(*store::FileKeyVault::open({.directory = vault, .master_key_file = {}}, system_));
    out.rows = std::move(*store::RocksdbRowStore::open({.directory = data, .tables = lookup_tables()}, events_));
    out.log =
        std::move(*LookupLog::open({}, {.rows = &*out.rows, .vault = &*out.vault, .clock = clock_, .log = events_}));
    return out;
  }
  static std::string bytes_below(const std::filesystem::path& root) {
    std::string out;
    for (const auto& file : std::filesystem::recursive_directory_iterator(root)) {
      if (!file.is_regular_file()) continue;
      out += file.path().filename().string();
      std::ifstream in(file.path(), std::ios::binary);
      out.append(std::istreambuf_iterator<char>(in), {});
    }
    return out;
  }
  void copy(const char* from, const char* to) {
    std::filesystem::copy(at(from), at(to), std::filesystem::copy_options::recursive);
  }
  std::filesystem::path at(const char* name) { return directory_.path() / name; }
  std::uint64_t entries(Node& node) { return node.log->count(query(kAda, LookupSide::by_handle))->entries; }

  store::conformance::TempDirectory directory_;
  SeededRandom system_{7};
};

TEST_F(LookupFilesTest, ACopyOfTheFilesNamesNobodyAndAfterExpiryOpensNothingWithTheVaultEither) {
  {
    auto live = node(at("data"), at("vault"));
    live.log->append(std::array{entry(clock_.now(), kAda, kBob)});
    live.log->flush();
    ASSERT_EQ(entries(live), 1U);
  }
  copy("data", "yesterday");
  const std::string files = bytes_below(at("data"));
  ASSERT_NE(files.find("lookup_days"), std::string::npos) << "it is the right directory";
  for (const std::string_view telling : {kAda, kBob, std::string_view("an address of 16")})
    EXPECT_EQ(files.find(telling), std::string::npos) << telling;
  {
    auto copied = node(at("yesterday"), at("another vault"));
    EXPECT_EQ(entries(copied), 0U);
  }
  clock_.jump(days(31));
  {
    auto live = node(at("data"), at("vault"));
    ASSERT_TRUE(live.log->expire(clock_.now()));
    ASSERT_TRUE(live.log->remove_expired());
  }
  copy("vault", "stolen vault");
  clock_.jump(-days(31));
  auto thief = node(at("yesterday"), at("stolen vault"));
  EXPECT_EQ(entries(thief), 0U);
}

}  // namespace
}  // namespace opaline::records
