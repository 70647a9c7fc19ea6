// A gateway's rows on a real disk.
#include "gateway/internal/storage.hpp"

#include <gtest/gtest.h>

#include "crypto/random.hpp"
#include "gateway/tables.hpp"
#include "store/conformance/temp_directory.hpp"

namespace opaline::gateway::internal {
namespace {

class StorageTest : public ::testing::Test {
 protected:
  StorageTest() {
    std::filesystem::create_directory(directory_.path() / "data");
    open();
  }
  void open() {
    storage_.reset();
    auto opened = Storage::open(directory_.path() / "data", directory_.path() / "vault", random_, log_);
    ASSERT_TRUE(opened) << opened.error();
    storage_ = std::move(*opened);
  }
  void settle_all() {
    while (*storage_->rows().settle()) {
    }
  }
  /// Of all files of the rows.
  std::uintmax_t bytes() const {
    std::uintmax_t out = 0;
    for (const auto& file : std::filesystem::recursive_directory_iterator(directory_.path() / "data"))
      if (file.is_regular_file()) out += file.file_size();
    return out;
  }

  store::conformance::TempDirectory directory_;
  crypto::SystemRandom random_;
  NullLog log_;
  std::unique_ptr<Storage> storage_;
};

TEST_F(StorageTest, WhatWasErasedLeavesTheFilesWithinADay) {
  const Time now = from_unix_millis(1'780'000'000'000);
  storage_->maintain(now);
  constexpr std::uint8_t kRows = 60;
  const Bytes value(64 * 1024, std::byte{7});
  for (std::uint8_t i = 0; i < kRows; ++i) {
    store::JournaledRows::Batch batch;
    ASSERT_TRUE(storage_->rows().write(std::move(batch.put(tables::kInbox, ByteArray<1>{std::byte{i}}, value))));
  }
  settle_all();
  for (std::uint8_t i = 1; i < kRows; ++i) {
    store::JournaledRows::Batch batch;
    ASSERT_TRUE(storage_->rows().write(std::move(batch.erase(tables::kInbox, ByteArray<1>{std::byte{i}}))));
  }
  settle_all();
  const auto before = bytes();
  EXPECT_GT(before, kRows * value.size()) << "the log has it all";
  storage_->maintain(now + std::chrono::hours(21));
  storage_.reset();  // which waits for it
  EXPECT_LT(bytes(), before / 4);
  open();
  EXPECT_TRUE(*storage_->rows().get(tables::kInbox, ByteArray<1>{}));
  EXPECT_FALSE(*storage_->rows().get(tables::kInbox, ByteArray<1>{std::byte{1}}));
}

TEST_F(StorageTest, AnotherVaultIsRefusedAndHarmsNothing) {
  store::JournaledRows::Batch batch;
  ASSERT_TRUE(storage_->rows().write(std::move(batch.put(tables::kInbox, ByteArray<1>{}, as_view("words")))));
  storage_.reset();
  const auto other = Storage::open(directory_.path() / "data", directory_.path() / "another vault", random_, log_);
  ASSERT_FALSE(other);
  EXPECT_NE(other.error().find("vault"), std::string::npos) << other.error();
  open();
  EXPECT_TRUE(*storage_->rows().get(tables::kInbox, ByteArray<1>{})) << "nothing was harmed";
}

}  // namespace
}  // namespace opaline::gateway::internal
