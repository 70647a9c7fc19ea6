// The conformance suite of the MailboxStore port: every driver passes it.
#include "store/mailbox_store.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "store/conformance/mailbox_harness.hpp"

namespace opaline::store {
namespace {

using conformance::append_for;
using conformance::is_as_appended;
using conformance::MailboxHarness;
using conformance::sequences;
using testing::Each;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr Day kDay{20000};
constexpr Day kNextDay{20001};

MailboxId mailbox(std::uint8_t number) {
  ByteArray<16> bytes{};
  bytes[0] = std::byte{number};
  return MailboxId(bytes);
}
std::vector<Append> appends(const MailboxId& box, std::uint64_t first, std::uint64_t last, Day day = kDay,
                            std::size_t size = 100) {
  std::vector<Append> out;
  for (std::uint64_t sequence = first; sequence <= last; ++sequence)
    out.push_back(append_for(box, sequence, day, size));
  return out;
}
using MakeHarness = std::unique_ptr<MailboxHarness> (*)();
class MailboxStoreTest : public testing::TestWithParam<std::pair<const char*, MakeHarness>> {
 protected:
  MailboxStoreTest() : harness_(GetParam().second()), epoch_(*harness_->store().acquire_all()) {}
  void must_store(std::vector<Append> batch) {
    EXPECT_THAT(harness_->append_now(epoch_, std::move(batch)), Each(AppendOutcome::stored));
  }
  std::vector<std::uint64_t> held(const MailboxId& box, std::uint64_t from = 1) {
    const auto [outcome, envelopes] = harness_->read_now(epoch_, box, Sequence(from));
    EXPECT_EQ(outcome, ReadOutcome::ok);
    return sequences(envelopes);
  }
  MailboxSummary summary(const MailboxId& box) {
    const auto [outcome, out] = harness_->summarize_now(epoch_, box);
    EXPECT_EQ(outcome, ReadOutcome::ok);
    return out;
  }
  std::unique_ptr<MailboxHarness> harness_;
  OwnerEpoch epoch_;
};

TEST_P(MailboxStoreTest, GivesBackWhatWasStoredInOrder) {
  const auto box = mailbox(1);
  const auto batch = appends(box, 1, 12);
  must_store(batch);
  const auto [outcome, envelopes] = harness_->read_now(epoch_, box);
  ASSERT_EQ(outcome, ReadOutcome::ok);
  ASSERT_THAT(envelopes, SizeIs(12));
  for (std::size_t i = 0; i < batch.size(); ++i) EXPECT_TRUE(is_as_appended(envelopes[i], batch[i])) << i;
  EXPECT_THAT(held(mailbox(2)), IsEmpty());
}

TEST_P(MailboxStoreTest, StoresEnvelopesOfAllSizes) {
  const auto box = mailbox(1);
  std::vector<Append> batch = {append_for(box, 1, kDay, 0), append_for(box, 2, kDay, 1),
                               append_for(box, 3, kDay, 65536)};
  must_store(batch);
  const auto [outcome, envelopes] = harness_->read_now(epoch_, box);
  ASSERT_THAT(envelopes, SizeIs(3));
  for (std::size_t i = 0; i < 3; ++i) EXPECT_TRUE(is_as_appended(envelopes[i], batch[i])) << i;
  EXPECT_EQ(summary(box).days.at(0).bytes, 65537U);
}

TEST_P(MailboxStoreTest, SummaryCountsPerDay) {
  const auto box = mailbox(1);
  EXPECT_THAT(summary(box).days, IsEmpty());
  EXPECT_EQ(summary(box).last, Sequence(0));
  must_store(appends(box, 3, 7, kDay, 10));
  must_store(appends(box, 8, 9, kNextDay, 1000));
  must_store(appends(mailbox(2), 1, 50));
  const auto out = summary(box);
  EXPECT_EQ(out.last, Sequence(9));
  ASSERT_THAT(out.days, SizeIs(2));
  EXPECT_EQ(out.days[0].day, kDay);
  EXPECT_EQ(out.days[0].first, Sequence(3));
  EXPECT_EQ(out.days[0].last, Sequence(7));
  EXPECT_EQ(out.days[0].count, 5U);
  EXPECT_EQ(out.days[0].bytes, 50U);
  EXPECT_EQ(out.days[1].day, kNextDay);
  EXPECT_EQ(out.days[1].count, 2U);
  EXPECT_EQ(out.days[1].bytes, 2000U);
}

TEST_P(MailboxStoreTest, ARepeatedAppendIsADuplicate) {
  const auto box = mailbox(1);
  must_store(appends(box, 1, 5));
  EXPECT_THAT(harness_->append_now(epoch_, appends(box, 4, 6)),
              ElementsAre(AppendOutcome::duplicate, AppendOutcome::duplicate, AppendOutcome::stored));
  EXPECT_EQ(summary(box).days.at(0).count, 6U);
  EXPECT_THAT(held(box), ElementsAre(1, 2, 3, 4, 5, 6));
}

TEST_P(MailboxStoreTest, ADuplicateInTheSameBatchIsFound) {
  const auto box = mailbox(1);
  auto batch = appends(box, 1, 3);
  batch.push_back(append_for(box, 2, kDay));
  const auto outcomes = harness_->append_now(epoch_, std::move(batch));
  EXPECT_THAT(outcomes, ElementsAre(AppendOutcome::stored, AppendOutcome::stored, AppendOutcome::stored,
                                    AppendOutcome::duplicate));
  EXPECT_EQ(summary(box).days.at(0).count, 3U);
}

TEST_P(MailboxStoreTest, ADuplicateIsFoundAfterReopeningAndOnAnotherDay) {
  const auto box = mailbox(1);
  must_store(appends(box, 1, 5));
  harness_->reopen();
  epoch_ = *harness_->store().acquire_all();
  EXPECT_THAT(harness_->append_now(epoch_, appends(box, 5, 5, kNextDay)), ElementsAre(AppendOutcome::duplicate));
  EXPECT_THAT(held(box), ElementsAre(1, 2, 3, 4, 5));
}

TEST_P(MailboxStoreTest, ATakenSequenceKeepsWhatWasAccepted) {
  const auto box = mailbox(1);
  must_store(appends(box, 1, 2));
  Append other = append_for(box, 2, kDay, 40);
  other.id = conformance::id_for(box, 99);
  EXPECT_THAT(harness_->append_now(epoch_, {other}), ElementsAre(AppendOutcome::unknown));
  const auto [outcome, envelopes] = harness_->read_now(epoch_, box);
  ASSERT_THAT(envelopes, SizeIs(2));
  EXPECT_TRUE(is_as_appended(envelopes[1], append_for(box, 2, kDay)));
}

TEST_P(MailboxStoreTest, LateSequencesFindTheirPlaceAndAreCounted) {
  const auto box = mailbox(1);
  must_store(appends(box, 10, 12, kDay, 10));
  must_store(appends(box, 15, 16, kDay, 100));
  must_store({append_for(box, 13, kDay, 1000), append_for(box, 5, kDay, 7), append_for(box, 14, kDay, 3)});
  EXPECT_THAT(held(box), ElementsAre(5, 10, 11, 12, 13, 14, 15, 16));
  auto out = summary(box);
  EXPECT_EQ(out.days.at(0).count, 8U);
  EXPECT_EQ(out.days.at(0).bytes, 30U + 200 + 1000 + 7 + 3);
  EXPECT_EQ(out.days.at(0).first, Sequence(5));
  harness_->store().remove(epoch_, {{box, Sequence(12)}});
  out = summary(box);
  EXPECT_EQ(out.days.at(0).count, 4U);
  EXPECT_EQ(out.days.at(0).bytes, 200U + 1000 + 3);
  must_store(appends(box, 17, 17, kDay, 1));
  EXPECT_EQ(summary(box).days.at(0).count, 5U);
  const auto [outcome, envelopes] = harness_->read_now(epoch_, box);
  ASSERT_THAT(envelopes, SizeIs(5));
  EXPECT_TRUE(is_as_appended(envelopes[2], append_for(box, 15, kDay, 100)));
}

TEST_P(MailboxStoreTest, RemovesThroughASequence) {
  const auto box = mailbox(1);
  must_store(appends(box, 1, 10, kDay, 10));
  must_store(appends(mailbox(2), 1, 10));
  harness_->store().remove(epoch_, {{box, Sequence(4)}});
  EXPECT_THAT(held(box), ElementsAre(5, 6, 7, 8, 9, 10));
  EXPECT_THAT(held(mailbox(2)), SizeIs(10));
  const auto out = summary(box);
  EXPECT_EQ(out.days.at(0).first, Sequence(5));
  EXPECT_EQ(out.days.at(0).count, 6U);
  EXPECT_EQ(out.days.at(0).bytes, 60U);
  harness_->store().remove(epoch_, {{box, Sequence(2)}});  // already gone
  EXPECT_EQ(summary(box).days.at(0).count, 6U);
}

TEST_P(MailboxStoreTest, RemovesAcrossDaysAndBeyondTheLast) {
  const auto box = mailbox(1);
  must_store(appends(box, 1, 3, kDay));
  must_store(appends(box, 4, 6, kNextDay));
  harness_->store().remove(epoch_, {{box, Sequence(4)}});
  EXPECT_THAT(held(box), ElementsAre(5, 6));
  EXPECT_THAT(summary(box).days, SizeIs(1));
  harness_->store().remove(epoch_, {{box, Sequence(1000000)}});
  EXPECT_THAT(held(box), IsEmpty());
  EXPECT_THAT(summary(box).days, IsEmpty());
  must_store(appends(box, 7, 8, kNextDay));
  EXPECT_THAT(held(box), ElementsAre(7, 8));
  EXPECT_EQ(summary(box).days.at(0).count, 2U);
}

TEST_P(MailboxStoreTest, AnEmptiedMailboxMayBeginAgainFromOne) {
  const auto box = mailbox(1);
  must_store(appends(box, 1, 3));
  harness_->store().remove(epoch_, {{box, Sequence(3)}});
  harness_->reopen();
  epoch_ = *harness_->store().acquire_all();
  EXPECT_EQ(summary(box).last, Sequence(0));
  must_store(appends(box, 1, 2));
  EXPECT_THAT(held(box), ElementsAre(1, 2));
}

TEST_P(MailboxStoreTest, HolesInTheSequencesAreNoMatter) {
  const auto box = mailbox(1);
  must_store(
      {append_for(box, 7, kDay), append_for(box, 1'000'000'000'000, kDay), append_for(box, 1'000'000'000'005, kDay)});
  EXPECT_EQ(summary(box).days.at(0).count, 3U);
  EXPECT_THAT(held(box), ElementsAre(7, 1'000'000'000'000, 1'000'000'000'005));
  harness_->store().remove(epoch_, {{box, Sequence(1'000'000'000'000)}});
  EXPECT_THAT(held(box), ElementsAre(1'000'000'000'005));
}

TEST_P(MailboxStoreTest, DestroyLeavesNothingAndOthersAlone) {
  const auto box = mailbox(1);
  must_store(appends(box, 1, 5, kDay));
  must_store(appends(box, 6, 9, kNextDay));
  must_store(appends(mailbox(2), 1, 5));
  harness_->store().destroy(epoch_, box);
  EXPECT_THAT(held(box), IsEmpty());
  EXPECT_THAT(summary(box).days, IsEmpty());
  EXPECT_THAT(held(mailbox(2)), SizeIs(5));
}

TEST_P(MailboxStoreTest, ReadsFromASequenceAndWithinLimits) {
  const auto box = mailbox(1);
  must_store(appends(box, 1, 10, kDay, 100));
  must_store(appends(box, 11, 20, kNextDay, 100));
  EXPECT_THAT(held(box, 18), ElementsAre(18, 19, 20));
  EXPECT_THAT(held(box, 21), IsEmpty());
  EXPECT_THAT(sequences(harness_->read_now(epoch_, box, Sequence(9), 4).second), ElementsAre(9, 10, 11, 12));
  EXPECT_THAT(sequences(harness_->read_now(epoch_, box, Sequence(1), 100, 350).second), ElementsAre(1, 2, 3));
  EXPECT_THAT(sequences(harness_->read_now(epoch_, box, Sequence(5), 0, 0).second), ElementsAre(5)) << "at least one";
}

TEST_P(MailboxStoreTest, OrderHoldsWhereDaysOverlap) {
  const auto box = mailbox(1);
  must_store(
      {append_for(box, 1, kDay), append_for(box, 2, kNextDay), append_for(box, 3, kDay), append_for(box, 4, kNextDay)});
  EXPECT_THAT(held(box), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(held(box, 3), ElementsAre(3, 4));
  harness_->store().remove(epoch_, {{box, Sequence(2)}});
  EXPECT_THAT(held(box), ElementsAre(3, 4));
}

TEST_P(MailboxStoreTest, WhatIsReadFollowsTheOrderOfTheCalls) {
  const auto box = mailbox(1);
  std::optional<std::vector<StoredEnvelope>> before, after;
  std::optional<MailboxSummary> counted;
  harness_->store().append(epoch_, appends(box, 1, 9), [](const auto&) {});
  harness_->store().read(epoch_, box, Sequence(1), 100, 1 << 20,
                         [&](ReadOutcome, auto out) { before = std::move(out); });
  harness_->store().remove(epoch_, {{box, Sequence(5)}});
  harness_->store().summarize(epoch_, box, [&](ReadOutcome, MailboxSummary out) { counted = std::move(out); });
  harness_->store().read(epoch_, box, Sequence(1), 100, 1 << 20,
                         [&](ReadOutcome, auto out) { after = std::move(out); });
  harness_->until([&] { return before && after && counted; });
  EXPECT_THAT(sequences(*after), ElementsAre(6, 7, 8, 9));
  EXPECT_EQ(counted->days.at(0).count, 4U);
  EXPECT_GE(before->size(), 4U) << "everything called before it; a removal called after it may be there, too";
}

TEST_P(MailboxStoreTest, CompletionsAreNeverRunInsideTheCall) {
  int done = 0;
  const auto box = mailbox(1);
  for (int i = 0; i < 50; ++i) {
    const int before = done;
    harness_->store().append(epoch_, appends(box, static_cast<std::uint64_t>(i) + 1, static_cast<std::uint64_t>(i) + 1),
                             [&](const auto&) { ++done; });
    harness_->store().summarize(epoch_, box, [&](auto, const auto&) { ++done; });
    harness_->store().read(epoch_, box, Sequence(1), 1, 1, [&](auto, const auto&) { ++done; });
    EXPECT_EQ(done, before);
  }
  harness_->until([&] { return done == 150; });
}

TEST_P(MailboxStoreTest, ManyCallsInFlightAreAllAnsweredOnce) {
  constexpr std::uint64_t kBoxes = 7;
  constexpr std::uint64_t kEach = 300;
  std::map<std::uint64_t, int> answered;
  for (std::uint64_t sequence = 1; sequence <= kEach; ++sequence) {
    for (std::uint64_t box = 0; box < kBoxes; ++box) {
      harness_->store().append(epoch_, appends(mailbox(static_cast<std::uint8_t>(box)), sequence, sequence),
                               [&answered, at = sequence * kBoxes + box](const std::vector<AppendOutcome>& outcomes) {
                                 EXPECT_THAT(outcomes, ElementsAre(AppendOutcome::stored));
                                 ++answered[at];
                               });
    }
  }
  harness_->until([&] { return answered.size() == kBoxes * kEach; });
  for (const auto& [at, times] : answered) EXPECT_EQ(times, 1);
  for (std::uint64_t box = 0; box < kBoxes; ++box)
    EXPECT_THAT(held(mailbox(static_cast<std::uint8_t>(box))), SizeIs(kEach));
}

TEST_P(MailboxStoreTest, AnEmptyBatchHasAnEmptyAnswer) {
  EXPECT_THAT(harness_->append_now(epoch_, {}), IsEmpty());
  harness_->store().remove(epoch_, {});
}

TEST_P(MailboxStoreTest, AFormerOwnerIsFenced) {
  const auto box = mailbox(1);
  must_store(appends(box, 1, 3));
  const OwnerEpoch former = epoch_;
  epoch_ = *harness_->store().acquire_all();
  EXPECT_GT(epoch_, former);
  EXPECT_THAT(harness_->append_now(former, appends(box, 4, 5)), Each(AppendOutcome::fenced));
  EXPECT_EQ(harness_->summarize_now(former, box).first, ReadOutcome::fenced);
  EXPECT_EQ(harness_->read_now(former, box).first, ReadOutcome::fenced);
  harness_->store().remove(former, {{box, Sequence(3)}});
  harness_->store().destroy(former, box);
  EXPECT_THAT(held(box), ElementsAre(1, 2, 3));
  must_store(appends(box, 4, 4));
}

TEST_P(MailboxStoreTest, EpochsRiseOverReopeningAndNobodyOwnsBeforeTaking) {
  const auto box = mailbox(1);
  must_store(appends(box, 1, 1));
  const OwnerEpoch former = epoch_;
  harness_->reopen();
  EXPECT_THAT(harness_->append_now(former, appends(box, 2, 2)), Each(AppendOutcome::fenced));
  EXPECT_THAT(harness_->append_now(OwnerEpoch(0), appends(box, 2, 2)), Each(AppendOutcome::fenced));
  epoch_ = *harness_->store().acquire_all();
  EXPECT_GT(epoch_, former);
  EXPECT_THAT(harness_->append_now(former, appends(box, 2, 2)), Each(AppendOutcome::fenced));
  EXPECT_THAT(held(box), ElementsAre(1));
}

TEST_P(MailboxStoreTest, ReopeningKeepsEverything) {
  const auto box = mailbox(1);
  must_store(appends(box, 1, 10, kDay));
  must_store(appends(box, 11, 20, kNextDay));
  harness_->store().remove(epoch_, {{box, Sequence(5)}});
  const auto before = summary(box);
  for (int i = 0; i < 3; ++i) {
    harness_->reopen();
    epoch_ = *harness_->store().acquire_all();
    EXPECT_THAT(held(box), SizeIs(15));
    EXPECT_EQ(summary(box).days.at(0).count, before.days.at(0).count);
    EXPECT_EQ(summary(box).days.at(1).bytes, before.days.at(1).bytes);
  }
}

TEST_P(MailboxStoreTest, ExpiryTakesTheDaysAndNothingElse) {
  const auto box = mailbox(1);
  must_store(appends(box, 1, 3, Day(19998)));
  must_store(appends(box, 4, 6, Day(19999)));
  must_store(appends(box, 7, 9, kDay));
  EXPECT_TRUE(harness_->expire_now(Day(19999)));
  EXPECT_THAT(held(box), ElementsAre(7, 8, 9));
  EXPECT_THAT(summary(box).days, SizeIs(1));
  EXPECT_EQ(harness_->vault().existing_day_key(Day(19998)).error(), VaultError::destroyed);
  EXPECT_EQ(harness_->vault().existing_day_key(Day(19999)).error(), VaultError::destroyed);
  EXPECT_TRUE(harness_->vault().existing_day_key(kDay).has_value());
  EXPECT_TRUE(harness_->expire_now(Day(19999))) << "again";
  EXPECT_TRUE(harness_->expire_now(Day(10))) << "nothing there";
  must_store(appends(box, 10, 10, kDay));
  harness_->reopen();
  epoch_ = *harness_->store().acquire_all();
  EXPECT_THAT(held(box), ElementsAre(7, 8, 9, 10));
}

TEST_P(MailboxStoreTest, NothingIsStoredForADestroyedDay) {
  const auto box = mailbox(1);
  must_store(appends(box, 1, 1, kDay));
  EXPECT_TRUE(harness_->expire_now(kDay));
  EXPECT_THAT(harness_->append_now(epoch_, appends(box, 2, 2, kDay)), ElementsAre(AppendOutcome::unknown));
  EXPECT_THAT(harness_->append_now(epoch_, appends(box, 2, 2, kNextDay)), ElementsAre(AppendOutcome::stored));
  EXPECT_THAT(held(box), ElementsAre(2));
}

TEST_P(MailboxStoreTest, AVaultWithoutRoomOrDiskIsToldApart) {
  const auto box = mailbox(1);
  harness_->vault().set_full(true);
  EXPECT_THAT(harness_->append_now(epoch_, appends(box, 1, 1)), ElementsAre(AppendOutcome::full));
  harness_->vault().set_full(false);
  harness_->vault().set_failed(true);
  EXPECT_THAT(harness_->append_now(epoch_, appends(box, 1, 1)), ElementsAre(AppendOutcome::unknown));
  EXPECT_FALSE(harness_->expire_now(kDay));
  harness_->vault().set_failed(false);
  must_store(appends(box, 1, 1));
  EXPECT_THAT(held(box), ElementsAre(1));
}

INSTANTIATE_TEST_SUITE_P(
    Drivers, MailboxStoreTest,
    testing::Values(
        std::pair<const char*, MakeHarness>(
            "memory", [] { return std::unique_ptr<MailboxHarness>(new conformance::MemoryMailboxHarness); }),
        std::pair<const char*, MakeHarness>(
            "rocksdb", [] { return std::unique_ptr<MailboxHarness>(new conformance::RocksdbMailboxHarness); })),
    [](const auto& param) { return param.param.first; });

}  // namespace
}  // namespace opaline::store
