// What only the RocksDB driver of the RowStore port can break: its files and its disk.
#include "store/drivers/rocksdb_row_store.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "store/conformance/fault_env.hpp"
#include "store/conformance/temp_directory.hpp"

namespace opaline::store {
namespace {

using std::chrono::hours;
using testing::SizeIs;

const std::vector<std::string> kTables = {"accounts"};
constexpr Time kStart = from_unix_millis(1'700'000'000'000);

class RocksdbRowStoreTest : public testing::Test {
 protected:
  auto open() { return RocksdbRowStore::open({.directory = directory_.path() / "rows", .tables = kTables}, log_); }
  std::string all_bytes() {
    std::string out;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(directory_.path())) {
      if (!entry.is_regular_file()) continue;
      std::ifstream in(entry.path(), std::ios::binary);
      out.append(std::istreambuf_iterator<char>(in), {});
    }
    return out;
  }
  conformance::TempDirectory directory_;
  NullLog log_;
};

TEST_F(RocksdbRowStoreTest, ASecondOpenerIsTurnedAway) {
  const auto first = open();
  ASSERT_TRUE(first.has_value());
  const auto second = open();
  ASSERT_FALSE(second.has_value());
  EXPECT_THAT(second.error().message, testing::HasSubstr("another process uses it"));
}

TEST_F(RocksdbRowStoreTest, DeletedBytesLeaveTheFilesWithinADay) {
  const std::string marker = "a value that must go away";
  auto rows = std::move(*open());
  rows->maintain(kStart);
  ASSERT_TRUE(rows->write({{.table = "accounts", .key = to_bytes("k"), .value = to_bytes(marker)},
                           {.table = "accounts", .key = to_bytes("l"), .value = to_bytes("stays")}})
                  .has_value());
  ASSERT_NE(all_bytes().find(marker), std::string::npos);
  ASSERT_TRUE(rows->write({{.table = "accounts", .key = to_bytes("k"), .value = std::nullopt}}).has_value());
  rows->maintain(kStart + hours(19));
  EXPECT_NE(all_bytes().find(marker), std::string::npos) << "not yet due; if this fails the test proves nothing";
  rows->maintain(kStart + hours(20));
  EXPECT_EQ(all_bytes().find(marker), std::string::npos);
  EXPECT_EQ(*rows->get("accounts", as_view("l")), std::optional(to_bytes("stays")));
}

TEST_F(RocksdbRowStoreTest, APowerCutTakesNothingThatWasAnswered) {
  conformance::FaultEnv fault;
  RocksdbRowOptions options{.directory = directory_.path() / "rows", .tables = kTables};
  options.env = fault.env.get();
  auto rows = std::move(*RocksdbRowStore::open(options, log_));
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(
        rows->write({{.table = "accounts", .key = to_bytes(std::to_string(i)), .value = to_bytes("v")}}).has_value());
    const auto image = directory_.path() / ("image" + std::to_string(i));
    fault.disk->copy_as_after_power_cut(options.directory, image);
    const auto copy = RocksdbRowStore::open({.directory = image, .tables = kTables}, log_);
    ASSERT_TRUE(copy.has_value());
    EXPECT_THAT(*(*copy)->scan("accounts", {}, {}, 100), SizeIs(i + 1));
  }
}

TEST_F(RocksdbRowStoreTest, ADiskThatFillsUpAnswersFullAndRecovers) {
  conformance::FaultEnv fault;
  RocksdbRowOptions options{.directory = directory_.path() / "rows", .tables = kTables};
  options.env = fault.env.get();
  options.reserve_bytes = 0;
  auto rows = std::move(*RocksdbRowStore::open(options, log_));
  const auto put = [&](const char* key) {
    return rows->write({{.table = "accounts", .key = to_bytes(key), .value = to_bytes("v")}});
  };
  ASSERT_TRUE(put("a").has_value());
  fault.disk->set(conformance::DiskState::full);
  EXPECT_EQ(put("b"), fail(RowError::unknown)) << "some of it may be in the log";
  EXPECT_EQ(put("b"), fail(RowError::full));
  EXPECT_EQ(*rows->get("accounts", as_view("b")), std::nullopt);
  fault.disk->set(conformance::DiskState::good);
  EXPECT_TRUE(put("b").has_value());
  fault.disk->set(conformance::DiskState::broken);
  EXPECT_EQ(put("c"), fail(RowError::unknown));
  EXPECT_EQ(put("c"), fail(RowError::failed));
  fault.disk->set(conformance::DiskState::good);
  rows.reset();
  rows = std::move(*RocksdbRowStore::open(options, log_));
  EXPECT_EQ(*rows->get("accounts", as_view("b")), std::optional(to_bytes("v")));
  rows.reset();
}

TEST_F(RocksdbRowStoreTest, ACheckpointIsAWholeCopy) {
  auto rows = std::move(*open());
  ASSERT_TRUE(rows->write({{.table = "accounts", .key = to_bytes("k"), .value = to_bytes("v")}}).has_value());
  ASSERT_TRUE(rows->checkpoint(directory_.path() / "copy").has_value());
  EXPECT_FALSE(rows->checkpoint(directory_.path() / "copy").has_value()) << "never over something";
  ASSERT_TRUE(rows->write({{.table = "accounts", .key = to_bytes("k"), .value = to_bytes("later")}}).has_value());
  const auto copy = RocksdbRowStore::open({.directory = directory_.path() / "copy", .tables = kTables}, log_);
  ASSERT_TRUE(copy.has_value());
  EXPECT_EQ(*(*copy)->get("accounts", as_view("k")), std::optional(to_bytes("v")));
}

}  // namespace
}  // namespace opaline::store
