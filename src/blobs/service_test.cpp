#include "blobs/service.hpp"

#include <gtest/gtest.h>

#include "crypto/hash.hpp"
#include "store/drivers/memory_blob_store.hpp"
#include "store/drivers/memory_key_vault.hpp"

namespace opaline::blobs {
namespace {

constexpr Time kNow = from_unix_millis(20000LL * 86'400'000 + 1000);

class BlobServiceTest : public testing::Test {
 protected:
  explicit BlobServiceTest(const Config& config = {}) : config_(config) {}
  AccountId account(std::uint64_t number) {
    SeededRandom random(number);
    return random.id<AccountId>();
  }
  static Token token(std::string_view text) { return Token(crypto::sha256({as_view(text)})); }
  static BlobTokenHash hash(const Token& token) { return BlobTokenHash(crypto::sha256({token.reveal()})); }
  Result<Created, Error> create(std::uint64_t size = 100, std::uint64_t who = 1, Uploader kind = Uploader::person) {
    return service_.create(account(who), kind, size, {hash(token("a")), hash(token("b"))});
  }
  Created complete(std::uint64_t size = 100, std::uint64_t who = 1) {
    auto made = create(size, who);
    OPALINE_ASSERT(made.has_value());
    Bytes piece(size, std::byte{7});
    OPALINE_ASSERT(service_.append(made->id, made->upload, 0, piece)->progress.complete);
    return std::move(*made);
  }
  Config config_;
  SeededRandom random_{1};
  ManualClock clock_{kNow};
  store::MemoryBlobs disk_;
  store::MemoryKeyVault vault_{random_};
  store::MemoryBlobStore store_{disk_, vault_};
  Service service_{config_, {store_, clock_, random_}};
};

TEST_F(BlobServiceTest, UpDownReleasedGone) {
  const Created made = complete();
  EXPECT_FALSE(made.id.is_zero());
  EXPECT_EQ(service_.read(made.id, 0, 1000)->bytes, Bytes(100, std::byte{7}));
  EXPECT_TRUE(service_.release(made.id, token("wrong")));
  EXPECT_TRUE(service_.release(made.id, token("a")));
  EXPECT_TRUE(service_.release(made.id, token("a"))) << "replayed";
  EXPECT_TRUE(service_.read(made.id, 0, 1000));
  EXPECT_TRUE(service_.release(made.id, token("b")));
  EXPECT_EQ(service_.read(made.id, 0, 1000).error(), Error::not_found);
  EXPECT_TRUE(service_.release(made.id, token("b")));
  const Counters counters = service_.counters();
  EXPECT_EQ(counters.released, 3);
  EXPECT_EQ(counters.deleted, 1);
  EXPECT_EQ(counters.bytes_in, 100);
}

TEST_F(BlobServiceTest, TheUploadTokenIsNotTheHashThatIsStored) {
  const Created made = complete();
  EXPECT_TRUE(service_.progress(made.id, made.upload));
  const Token stored(hash(made.upload).view());
  EXPECT_EQ(service_.progress(made.id, stored).error(), Error::not_found);
}

TEST_F(BlobServiceTest, WhatIsOutOfBoundsIsRefused) {
  EXPECT_EQ(create(0).error(), Error::bad_request);
  EXPECT_EQ(create(store::kMaxBlobBytes + 1).error(), Error::bad_request);
  EXPECT_EQ(service_.create(account(1), Uploader::person, 10, {}).error(), Error::bad_request);
  EXPECT_EQ(
      service_.create(account(1), Uploader::person, 10, std::vector<BlobTokenHash>(kMaxReleasesAtCreation + 1)).error(),
      Error::bad_request);
  const Created made = *create(store::kMaxBlobBytes);
  Bytes none, large(kMaxPieceBytes + 1);
  EXPECT_EQ(service_.append(made.id, made.upload, 0, none).error(), Error::bad_request);
  EXPECT_EQ(service_.append(made.id, made.upload, 0, large).error(), Error::too_large);
  EXPECT_EQ(service_.read(made.id, 0, 0).error(), Error::bad_request);
  EXPECT_EQ(service_.read(made.id, 0, kMaxReadBytes + 1).error(), Error::bad_request);
  EXPECT_EQ(service_.add_releases(made.id, made.upload, {}).error(), Error::bad_request);
}

TEST_F(BlobServiceTest, AnAccountHasSoManyUnfinishedUploads) {
  std::vector<Created> made;
  for (std::size_t i = 0; i < config_.of(Uploader::person).unfinished; ++i) made.push_back(*create());
  EXPECT_EQ(create().error(), Error::quota);
  EXPECT_TRUE(create(100, 2)) << "others are not concerned";
  Bytes piece(100);
  ASSERT_TRUE(service_.append(made[3].id, made[3].upload, 0, piece)->progress.complete);
  EXPECT_TRUE(create()) << "one is finished";
  EXPECT_EQ(create().error(), Error::quota);
  ASSERT_TRUE(service_.remove(made[0].id, made[0].upload));
  EXPECT_TRUE(create()) << "one is removed";
  clock_.advance(std::chrono::hours(25));
  ASSERT_TRUE(service_.expire());
  EXPECT_EQ(service_.counters().dropped, 17);
  EXPECT_EQ(service_.usage().unfinished, 0);
  EXPECT_TRUE(create());
}

class SmallQuotas : public BlobServiceTest {
 protected:
  SmallQuotas()
      : BlobServiceTest([] {
          Config out;
          out.of(Uploader::person).bytes_per_day = 1'000'000;
          out.of(Uploader::conversation) = {.bytes_per_day = 500'000, .unfinished = 2};
          out.of(Uploader::business) = {.bytes_per_day = 2'000'000, .unfinished = 20};
          out.max_total_bytes = 3'000'000;
          out.max_accounts = 4;
          return out;
        }()) {}
};

TEST_F(SmallQuotas, AnAccountCreatesSoMuchADay) {
  std::ignore = complete(400'000);
  std::ignore = complete(400'000);
  EXPECT_EQ(create(400'000).error(), Error::quota);
  EXPECT_TRUE(create(100'000));
  EXPECT_TRUE(create(400'000, 2));
  clock_.advance(std::chrono::days(1));
  EXPECT_TRUE(create(400'000));
}

TEST_F(SmallQuotas, WhoUploadsDecidesHowMuch) {
  EXPECT_EQ(create(1'200'000, 1, Uploader::person).error(), Error::quota);
  EXPECT_TRUE(create(1'200'000, 2, Uploader::business));
  EXPECT_EQ(create(600'000, 3, Uploader::conversation).error(), Error::quota);
  EXPECT_TRUE(create(1, 3, Uploader::conversation) && create(1, 3, Uploader::conversation));
  EXPECT_EQ(create(1, 3, Uploader::conversation).error(), Error::quota) << "two are unfinished";
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(create(1, 4, Uploader::business));
}

TEST_F(SmallQuotas, SmallBlobsCountAsLargerOnes) {
  for (int i = 0; i < 15; ++i) std::ignore = complete(1);
  EXPECT_EQ(create(1).error(), Error::quota);
}

TEST_F(SmallQuotas, AllTogetherHaveSoMuch) {
  std::vector<Created> made;
  for (std::uint64_t who = 1; who <= 3; ++who) made.push_back(complete(900'000, who));
  EXPECT_EQ(create(900'000, 4).error(), Error::unavailable);
  EXPECT_TRUE(create(100'000, 4)) << "nothing was charged for what was refused";
  ASSERT_TRUE(service_.remove(made[0].id, made[0].upload));
  EXPECT_TRUE(create(800'000, 4));
}

TEST_F(SmallQuotas, WhatTheDiskRefusesIsNotCharged) {
  disk_.full = true;
  for (int i = 0; i < 100; ++i) EXPECT_EQ(create(400'000).error(), Error::unavailable);
  disk_.full = false;
  EXPECT_TRUE(create(400'000));
}

TEST_F(SmallQuotas, OnlySoManyAccountsAreInMemory) {
  for (std::uint64_t who = 1; who < 40; ++who) std::ignore = create(1, who);
  EXPECT_TRUE(create(1, 1));
}

TEST_F(BlobServiceTest, ServedForTheRetentionAndDestroyedAfterIt) {
  const Created made = complete();
  clock_.advance(std::chrono::days(30) - std::chrono::seconds(2));
  ASSERT_TRUE(service_.expire());
  EXPECT_TRUE(service_.read(made.id, 0, 10)) << "the last second of its 30th day";
  clock_.advance(std::chrono::seconds(2));
  EXPECT_EQ(service_.read(made.id, 0, 10).error(), Error::not_found) << "before anything was destroyed";
  EXPECT_EQ(service_.usage().blobs, 1);
  ASSERT_TRUE(service_.expire());
  EXPECT_EQ(service_.usage().blobs, 0);
  EXPECT_EQ(vault_.existing_day_key(Day(20000)).error(), store::VaultError::destroyed);
}

TEST_F(BlobServiceTest, AClockThatJumpedDestroysNothing) {
  const Created made = complete();
  const Created unfinished = *create();
  ASSERT_TRUE(service_.read(made.id, 0, 10));
  service_.trust_clock(false);
  clock_.jump(std::chrono::days(400));
  EXPECT_TRUE(service_.read(made.id, 0, 10)) << "what was served goes on being served";
  EXPECT_TRUE(service_.expire());
  EXPECT_EQ(service_.usage().blobs, 2);
  clock_.jump(-std::chrono::days(400));
  service_.trust_clock(true);
  EXPECT_TRUE(service_.expire());
  EXPECT_TRUE(service_.read(made.id, 0, 10));
  EXPECT_TRUE(service_.progress(unfinished.id, unfinished.upload));
}

TEST_F(BlobServiceTest, ADiskInTroubleIsUnavailable) {
  const Created made = complete();
  disk_.failed = true;
  EXPECT_EQ(create().error(), Error::unavailable);
  EXPECT_EQ(service_.read(made.id, 0, 10).error(), Error::unavailable);
  EXPECT_EQ(service_.release(made.id, token("a")).error(), Error::unavailable) << "it is not done: come back";
  EXPECT_FALSE([&] {
    clock_.advance(std::chrono::days(31));
    return service_.expire();
  }());
}

}  // namespace
}  // namespace opaline::blobs
