// The lookup log on RocksDB when its disk fills up and has room again.
#include <gmock/gmock.h>

#include "base/random.hpp"
#include "records/lookup_log.hpp"
#include "store/conformance/fault_env.hpp"
#include "store/conformance/temp_directory.hpp"
#include "store/drivers/memory_key_vault.hpp"
#include "store/drivers/rocksdb_row_store.hpp"

namespace opaline::records {
namespace {

using store::conformance::DiskState;

class LookupLogDiskTest : public ::testing::Test {
 protected:
  LookupLogDiskTest() { open(); }
  ~LookupLogDiskTest() override { close(); }
  void close() {
    log_.reset();
    rows_.reset();
  }
  void open() {
    store::RocksdbRowOptions options{.directory = directory_.path() / "lookups", .tables = lookup_tables()};
    options.env = fault_.env.get();
    options.reserve_bytes = 0;
    rows_ = std::move(*store::RocksdbRowStore::open(options, events_));
    log_ = std::move(*LookupLog::open({}, {.rows = &*rows_, .vault = &vault_, .clock = clock_, .log = events_}));
  }
  void append(std::uint32_t number) {
    identity::LookupLogEntry one{.time = clock_.now(),
                                 .source_handle = "ada@example.org",
                                 .source = {},
                                 .looked_up_handle = "bob@example.org",
                                 .capable_devices = number};
    log_->append({&one, 1});
    log_->flush();
  }
  std::vector<std::uint32_t> numbers(const char* handle, LookupSide side) {
    std::vector<std::uint32_t> out;
    const auto found = log_->find(
        {.handle = identity::Handle::from_stored(handle), .side = side, .from = Time::min(), .to = Time::max()},
        [&](const identity::LookupLogEntry& entry) {
          out.push_back(entry.capable_devices);
          return true;
        });
    EXPECT_TRUE(found.has_value());
    return out;
  }

  store::conformance::TempDirectory directory_;
  store::conformance::FaultEnv fault_;
  SeededRandom random_{3};
  store::MemoryKeyVault vault_{random_};
  ManualClock clock_{from_unix_millis(1'795'000'000'000)};
  NullLog events_;
  std::unique_ptr<store::RocksdbRowStore> rows_;
  std::unique_ptr<LookupLog> log_;
};

TEST_F(LookupLogDiskTest, WhatAFullDiskDoesNotTakeIsCountedAndEachEntryIsThereFromBothSidesOrFromNone) {
  std::uint32_t next = 0;
  std::uint64_t dropped_before = 0;
  for (int writes = 1; writes <= 6; ++writes) {
    SCOPED_TRACE(writes);
    fault_.disk->fill_up_after(writes);
    for (int i = 0; i < 20; ++i) append(next++);
    const auto full = log_->stats();
    EXPECT_GT(full.dropped_disk, dropped_before) << "else the disk was never full";
    EXPECT_EQ(full.written + full.dropped_disk, next);
    dropped_before = full.dropped_disk;
    fault_.disk->set(DiskState::good);
    append(next++);
    const auto by = numbers("ada@example.org", LookupSide::by_handle);
    EXPECT_EQ(by, numbers("bob@example.org", LookupSide::of_handle));
    EXPECT_EQ(by.size(), log_->stats().written);
    ASSERT_FALSE(by.empty());
    EXPECT_EQ(by.back(), next - 1) << "it goes on once there is room";
  }
  const auto before = numbers("ada@example.org", LookupSide::by_handle);
  close();
  open();
  EXPECT_EQ(numbers("ada@example.org", LookupSide::by_handle), before);
  fault_.disk->set(DiskState::full);
  clock_.jump(std::chrono::days(31));
  EXPECT_TRUE(log_->expire(clock_.now())) << "a full disk keeps nothing longer: the key goes";
  EXPECT_TRUE(numbers("ada@example.org", LookupSide::by_handle).empty());
  fault_.disk->set(DiskState::good);
}

}  // namespace
}  // namespace opaline::records
