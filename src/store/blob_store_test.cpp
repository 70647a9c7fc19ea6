// What every BlobStore does, whatever the driver.
#include <gmock/gmock.h>

#include <thread>

#include "store/conformance/blob_harness.hpp"

namespace opaline::store {
namespace {

using namespace conformance;

constexpr Time kNow = from_unix_millis(20000LL * 86'400'000 + 1000);
constexpr Day kToday{20000};
constexpr Day kAny{0};

template <class Harness>
class BlobStoreTest : public testing::Test {
 protected:
  [[nodiscard]] BlobStore& store() { return harness_.store(); }
  void create(std::uint64_t number, std::uint64_t size, std::size_t recipients = 2, Time now = kNow) {
    ASSERT_TRUE(store().create(new_blob(number, size, recipients), now));
  }
  Result<BlobAppended, BlobError> append(std::uint64_t number, std::uint64_t offset, std::uint64_t size,
                                         Time now = kNow) {
    Bytes piece = content(number, offset, size);
    return store().append(blob_id(number), upload(number), offset, piece, now);
  }
  /// Created and complete.
  void make(std::uint64_t number, std::uint64_t size, std::size_t recipients = 2, Time now = kNow) {
    create(number, size, recipients, now);
    const auto done = append(number, 0, size, now);
    ASSERT_TRUE(done && done->progress.complete);
  }
  Result<BlobPiece, BlobError> read(std::uint64_t number, std::uint64_t offset = 0, std::size_t most = 1 << 20) {
    return store().read(blob_id(number), offset, most, kAny);
  }
  static BlobTokenHash upload(std::uint64_t number) { return hash_of("upload " + std::to_string(number)); }
  static BlobTokenHash token(std::size_t number) { return hash_of("release " + std::to_string(number)); }
  Harness harness_;
};
using Harnesses = testing::Types<MemoryBlobHarness, FileBlobHarness>;
TYPED_TEST_SUITE(BlobStoreTest, Harnesses);

TYPED_TEST(BlobStoreTest, GoesUpInPiecesAndDownInOthers) {
  constexpr std::uint64_t kSize = 70'001;
  this->create(1, kSize);
  std::uint64_t at = 0;
  for (const std::uint64_t step : {1U, 15U, 16U, 17U, 4096U, 65'000U}) {
    const std::uint64_t size = std::min(step + 0UL, kSize - at);
    const auto done = this->append(1, at, size);
    ASSERT_TRUE(done && done->appended);
    at += size;
    EXPECT_EQ(done->progress.received, at);
    EXPECT_EQ(done->progress.complete, at == kSize);
    EXPECT_EQ(this->read(1).has_value(), at == kSize) << "nobody reads what is not complete";
  }
  this->append(1, at, kSize - at);
  ASSERT_EQ(this->read(1)->bytes, content(1, 0, kSize));
  for (const auto& [offset, most] : {std::pair<std::uint64_t, std::size_t>{0, 1}, {1, 31}, {4095, 4098}, {70'000, 9}}) {
    const auto piece = this->read(1, offset, most);
    ASSERT_TRUE(piece);
    EXPECT_EQ(piece->size, kSize);
    EXPECT_EQ(piece->bytes, content(1, offset, std::min<std::uint64_t>(most, kSize - offset)));
  }
}

TYPED_TEST(BlobStoreTest, AtAndBeyondTheEndThereIsNothingToRead) {
  this->make(1, 100);
  for (const std::uint64_t offset : {std::uint64_t{100}, std::uint64_t{101}, UINT64_MAX}) {
    const auto piece = this->read(1, offset, 10);
    ASSERT_TRUE(piece);
    EXPECT_TRUE(piece->bytes.empty());
    EXPECT_EQ(piece->size, 100);
  }
}

TYPED_TEST(BlobStoreTest, APieceElsewhereChangesNothing) {
  this->create(1, 100);
  ASSERT_TRUE(this->append(1, 0, 40)->appended);
  for (const std::uint64_t offset : {std::uint64_t{0}, std::uint64_t{39}, std::uint64_t{41}, UINT64_MAX}) {
    const auto done = this->append(1, offset, 10);
    ASSERT_TRUE(done);
    EXPECT_FALSE(done->appended);
    EXPECT_EQ(done->progress.received, 40);
  }
  ASSERT_TRUE(this->append(1, 40, 60)->appended);
  EXPECT_EQ(this->read(1)->bytes, content(1, 0, 100));
  const auto again = this->append(1, 40, 60);
  ASSERT_TRUE(again) << "the last piece, its answer lost";
  EXPECT_FALSE(again->appended);
  EXPECT_TRUE(again->progress.complete);
  EXPECT_EQ(again->progress.received, 100);
}

TYPED_TEST(BlobStoreTest, NothingGoesBeyondTheSize) {
  this->create(1, 100);
  EXPECT_EQ(this->append(1, 0, 101).error(), BlobError::too_large);
  ASSERT_TRUE(this->append(1, 0, 99));
  EXPECT_EQ(this->append(1, 99, 2).error(), BlobError::too_large);
  EXPECT_TRUE(this->append(1, 99, 1)->progress.complete);
}

TYPED_TEST(BlobStoreTest, AWrongUploadTokenIsAsNoBlob) {
  this->create(1, 100);
  Bytes piece(10);
  auto wrong = this->upload(1).array();
  wrong[31] ^= std::byte{1};
  const BlobTokenHash hash{wrong};
  EXPECT_EQ(this->store().append(blob_id(1), hash, 0, piece, kNow).error(), BlobError::not_found);
  EXPECT_EQ(this->store().progress(blob_id(1), hash).error(), BlobError::not_found);
  EXPECT_EQ(this->store().add_releases(blob_id(1), hash, {this->token(5)}).error(), BlobError::not_found);
  EXPECT_EQ(this->store().remove(blob_id(1), hash).error(), BlobError::not_found);
  EXPECT_EQ(this->store().progress(blob_id(1), this->upload(1))->received, 0);
  EXPECT_EQ(this->store().progress(blob_id(2), this->upload(2)).error(), BlobError::not_found);
}

TYPED_TEST(BlobStoreTest, TheLastReleaseDeletes) {
  this->make(1, 50, 3);
  EXPECT_EQ(this->store().release(blob_id(1), this->token(7)).error(), BlobError::not_found) << "not one of its own";
  EXPECT_EQ(this->store().release(blob_id(1), this->token(1)), false);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(this->store().release(blob_id(1), this->token(1)), false) << "counts once";
  EXPECT_EQ(this->store().release(blob_id(1), this->token(0)), false);
  this->harness_.reopen();
  EXPECT_EQ(this->read(1)->bytes, content(1, 0, 50));
  EXPECT_EQ(this->store().release(blob_id(1), this->token(2)), true);
  EXPECT_EQ(this->read(1).error(), BlobError::not_found);
  EXPECT_EQ(this->store().release(blob_id(1), this->token(2)).error(), BlobError::not_found) << "replayed";
  this->harness_.reopen();
  EXPECT_EQ(this->read(1).error(), BlobError::not_found);
  EXPECT_EQ(this->store().usage(), BlobUsage{});
}

TYPED_TEST(BlobStoreTest, AnUploadThatIsNotCompleteCannotBeReleased) {
  this->create(1, 50, 1);
  EXPECT_EQ(this->store().release(blob_id(1), this->token(0)).error(), BlobError::not_found);
  ASSERT_TRUE(this->append(1, 0, 50));
  EXPECT_EQ(this->store().release(blob_id(1), this->token(0)), true);
}

TYPED_TEST(BlobStoreTest, LaterDevicesGetReleasesOfTheirOwn) {
  this->make(1, 50, 1);
  ASSERT_TRUE(this->store().add_releases(blob_id(1), this->upload(1), {this->token(1), this->token(0)}));
  EXPECT_EQ(this->store().release(blob_id(1), this->token(0)), false) << "another one waits";
  this->harness_.reopen();
  ASSERT_TRUE(this->store().add_releases(blob_id(1), this->upload(1), {this->token(0)})) << "released stays released";
  EXPECT_EQ(this->store().release(blob_id(1), this->token(1)), true);
}

TYPED_TEST(BlobStoreTest, ThereAreOnlySoManyReleases) {
  this->make(1, 50, 10);
  std::vector<BlobTokenHash> more;
  for (std::size_t i = 10; i < kMaxBlobReleases; ++i) more.push_back(this->token(i));
  ASSERT_TRUE(this->store().add_releases(blob_id(1), this->upload(1), more));
  more.push_back(this->token(kMaxBlobReleases));
  EXPECT_EQ(this->store().add_releases(blob_id(1), this->upload(1), more).error(), BlobError::too_large);
  for (std::size_t i = 0; i < kMaxBlobReleases; ++i) {
    EXPECT_EQ(this->store().release(blob_id(1), this->token(i)), i + 1 == kMaxBlobReleases);
  }
}

TYPED_TEST(BlobStoreTest, TheUploaderMayRemove) {
  this->make(1, 50);
  this->create(2, 50);
  ASSERT_TRUE(this->append(2, 0, 10));
  EXPECT_TRUE(this->store().remove(blob_id(1), this->upload(1)));
  EXPECT_TRUE(this->store().remove(blob_id(2), this->upload(2)));
  EXPECT_EQ(this->read(1).error(), BlobError::not_found);
  EXPECT_EQ(this->append(2, 10, 10).error(), BlobError::not_found);
  this->harness_.reopen();
  EXPECT_EQ(this->store().usage(), BlobUsage{});
}

TYPED_TEST(BlobStoreTest, AnUploadGoesOnAfterARestart) {
  this->create(1, 5000);
  ASSERT_TRUE(this->append(1, 0, 1700));
  this->harness_.reopen();
  EXPECT_EQ(this->store().progress(blob_id(1), this->upload(1))->received, 1700);
  EXPECT_TRUE(this->store().is_unfinished(blob_id(1)));
  ASSERT_TRUE(this->append(1, 1700, 3300)->progress.complete);
  EXPECT_FALSE(this->store().is_unfinished(blob_id(1)));
  this->harness_.reopen();
  EXPECT_EQ(this->read(1)->bytes, content(1, 0, 5000));
  EXPECT_EQ(this->store().progress(blob_id(1), this->upload(1)),
            (BlobProgress{.received = 5000, .size = 5000, .complete = true, .checkpoint_due = false}));
}

TYPED_TEST(BlobStoreTest, ACheckpointIsDueAfterSoMuch) {
  this->create(1, 5000);
  EXPECT_FALSE(this->append(1, 0, 999)->progress.checkpoint_due);
  EXPECT_TRUE(this->append(1, 999, 1)->progress.checkpoint_due);
  this->store().checkpoint(blob_id(1), kNow);
  EXPECT_FALSE(this->append(1, 1000, 1)->progress.checkpoint_due);
  EXPECT_FALSE(this->append(1, 1001, 3999)->progress.checkpoint_due) << "complete: nothing left to make durable";
  this->store().checkpoint(blob_id(1), kNow);
  this->store().checkpoint(blob_id(7), kNow);
}

TYPED_TEST(BlobStoreTest, ExpiryTakesWholeDaysAndNoMore) {
  this->make(1, 50);
  this->create(2, 50);
  this->make(3, 50, 2, kNow + std::chrono::days(1));
  ASSERT_TRUE(this->store().expire_through(kToday));
  EXPECT_EQ(this->read(1).error(), BlobError::not_found);
  EXPECT_EQ(this->append(2, 0, 50).error(), BlobError::not_found);
  EXPECT_EQ(this->read(3)->bytes, content(3, 0, 50));
  this->harness_.reopen();
  EXPECT_EQ(this->read(3)->bytes, content(3, 0, 50));
  EXPECT_EQ(this->store().usage(), (BlobUsage{.blobs = 1, .unfinished = 0, .bytes = blob_charge(50)}));
  EXPECT_EQ(this->harness_.vault.existing_day_key(kToday).error(), VaultError::destroyed);
  EXPECT_FALSE(this->store().create(new_blob(4, 50), kNow)) << "its day is over";
}

TYPED_TEST(BlobStoreTest, WhatIsOlderThanTheReaderMaySeeIsNotFound) {
  this->make(1, 50);
  EXPECT_TRUE(this->store().read(blob_id(1), 0, 10, kToday));
  EXPECT_EQ(this->store().read(blob_id(1), 0, 10, Day(number(kToday) + 1)).error(), BlobError::not_found);
}

TYPED_TEST(BlobStoreTest, ForgottenUploadsAreDropped) {
  this->create(1, 50);
  this->create(2, 5000);
  this->make(3, 50);
  ASSERT_TRUE(this->append(2, 0, 2000, kNow + std::chrono::hours(3)));
  EXPECT_EQ(this->store().drop_unfinished(kNow), 0);
  EXPECT_EQ(this->store().drop_unfinished(kNow + std::chrono::hours(2)), 1);
  this->harness_.reopen();
  EXPECT_FALSE(this->store().is_unfinished(blob_id(1)));
  EXPECT_EQ(this->store().drop_unfinished(kNow + std::chrono::hours(3)), 0) << "known after a restart too";
  EXPECT_EQ(this->store().drop_unfinished(kNow + std::chrono::hours(4)), 1);
  EXPECT_EQ(this->store().usage(), (BlobUsage{.blobs = 1, .unfinished = 0, .bytes = blob_charge(50)}));
}

TYPED_TEST(BlobStoreTest, CountsWhatThereIs) {
  this->make(1, 100'000);
  this->create(2, 10);
  EXPECT_EQ(blob_charge(100'000), 108'192);
  EXPECT_EQ(blob_charge(10), 65'536);
  const BlobUsage both{.blobs = 2, .unfinished = 1, .bytes = 108'192 + 65'536};
  EXPECT_EQ(this->store().usage(), both);
  this->harness_.reopen();
  EXPECT_EQ(this->store().usage(), both);
}

/// Four threads put the same pieces of one blob, each going on from where the store says it stands.
TYPED_TEST(BlobStoreTest, ConcurrentUploadsOfOneBlobMakeOneBlob) {
  constexpr std::uint64_t kSize = 40'000;
  this->create(1, kSize);
  std::vector<std::thread> threads;
  std::atomic<int> finished = 0;
  for (std::uint64_t thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      std::uint64_t at = 0;
      while (at < kSize) {
        const auto done = this->append(1, at, std::min<std::uint64_t>(300 + thread * 71, kSize - at));
        ASSERT_TRUE(done);
        if (done->appended && done->progress.complete) ++finished;
        at = done->progress.received;
      }
    });
  }
  for (auto& each : threads) each.join();
  EXPECT_EQ(finished, 1);
  EXPECT_EQ(this->read(1)->bytes, content(1, 0, kSize));
}

TYPED_TEST(BlobStoreTest, OfConcurrentReleasesOneIsTheLast) {
  for (std::uint64_t number = 0; number < 20; ++number) {
    this->make(number, 10, 8);
    std::vector<std::thread> threads;
    std::atomic<int> last = 0;
    for (std::size_t i = 0; i < 8; ++i) {
      threads.emplace_back([&, i] {
        const auto released = this->store().release(blob_id(number), this->token(i));
        if (released && *released) ++last;
      });
    }
    for (auto& each : threads) each.join();
    EXPECT_EQ(last, 1);
    EXPECT_EQ(this->read(number).error(), BlobError::not_found);
  }
}

}  // namespace
}  // namespace opaline::store
