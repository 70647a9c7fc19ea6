// What others do while the log is searched and an extract is sealed.
#include <gtest/gtest.h>

#include "records/cases_test_world.hpp"
#include "records/internal/case_rows.hpp"

namespace opaline::records {
namespace {

using testing::CasesTest, testing::kTarget, testing::told;

class CasesAsideTest : public CasesTest {
 protected:
  void begin(const std::string& officer, const CaseId& id) {
    cases_->approve(officer, id, approving(officer, id),
                    [this](auto result) { results_.push_back(std::move(result)); });
  }
  /// Previews are not kept waiting.
  Cases::Approving approving(const std::string& officer, const CaseId& id) {
    auto* const waiting = std::exchange(aside_, nullptr);
    auto out = CasesTest::approving(officer, id);
    aside_ = waiting;
    return out;
  }
  void step() {
    ASSERT_FALSE(jobs_.empty());
    auto job = std::move(jobs_.front());
    jobs_.erase(jobs_.begin());
    job();
  }
  std::vector<Cases::Job> jobs_;
  std::vector<Result<Case, Error>> results_;
};

TEST_F(CasesAsideTest, AnAnswerDoesNotDisturbAndARefusalEndsIt) {
  for (const bool refuse : {false, true}) {
    const auto id = opened(facts()).id;
    ASSERT_TRUE(approve("ada", id));
    aside_ = &jobs_;
    begin("bob", id);
    step();  // searched
    ASSERT_TRUE(cases_->answer("eve", id, "while it is sealed"));
    if (refuse) ASSERT_TRUE(cases_->refuse("eve", id, "no"));
    step();  // sealed, stored
    ASSERT_TRUE(jobs_.empty());
    aside_ = nullptr;
    EXPECT_EQ(results_.back().has_value(), !refuse);
    EXPECT_EQ(cases_->show(id)->state, refuse ? State::refused : State::produced);
    EXPECT_EQ(has_bundle(id), !refuse);
    EXPECT_EQ(cases_->events(id)->back().text.find("extracted") != std::string::npos, !refuse);
    if (!refuse) EXPECT_TRUE(verify(produce("bob", id), cases_->service()).good());
    EXPECT_TRUE(cases_->verify_ledger({}).intact);
  }
}

TEST_F(CasesAsideTest, ANarrowerRequestIsNotAnsweredWithTheWiderExtract) {
  const auto id = opened(facts()).id;
  ASSERT_TRUE(approve("ada", id));
  aside_ = &jobs_;
  begin("bob", id);
  auto less = facts();
  less.handles = {kTarget};
  ASSERT_TRUE(cases_->narrow("eve", id, less, "fewer"));
  step();
  ASSERT_TRUE(jobs_.empty());
  EXPECT_EQ(results_.back().error(), Error::stale);
  aside_ = nullptr;
  ASSERT_TRUE(approve("ada", id));
  aside_ = &jobs_;
  begin("bob", id);
  step();
  less.to -= seconds(1);
  ASSERT_TRUE(cases_->narrow("eve", id, less, "shorter"));
  step();
  EXPECT_EQ(results_.back().error(), Error::stale);
  EXPECT_FALSE(has_bundle(id));
}

TEST_F(CasesAsideTest, TwoAtOnceAreTwoApprovalsAndAThirdMakesNoSecondExtract) {
  const auto id = opened(facts()).id;
  aside_ = &jobs_;
  begin("ada", id);
  begin("bob", id);  // neither knows of the other
  begin("eve", id);
  while (!jobs_.empty()) step();
  aside_ = nullptr;
  ASSERT_EQ(results_.size(), 3u);
  EXPECT_EQ(std::ranges::count_if(results_, [](const auto& one) { return one.has_value(); }), 2);
  const auto one = cases_->show(id);
  EXPECT_EQ(one->state, State::produced);
  EXPECT_EQ(one->productions.size(), 1u);
  EXPECT_TRUE(verify(produce(one->approvals[1].officer, id), cases_->service()).good());
  EXPECT_TRUE(cases_->verify_ledger({}).intact);
}

TEST_F(CasesAsideTest, AnOfficerWhoIsRevokedMeanwhileHasSignedNothing) {
  const auto id = opened(facts()).id;
  ASSERT_TRUE(approve("ada", id));
  aside_ = &jobs_;
  begin("bob", id);
  step();
  revoked_.insert("ada");
  step();
  aside_ = nullptr;
  EXPECT_EQ(results_.back().error(), Error::stale);
  EXPECT_FALSE(has_bundle(id));
}

TEST_F(CasesAsideTest, ACollectionThatIsEndedWhileItsDayIsSealedLosesAndRepeatsNothing) {
  auto given = facts();
  given.instrument = Instrument::pen_register;
  given.from = std::chrono::floor<seconds>(clock_.now());
  given.to = given.from + std::chrono::days(5);
  const auto id = opened(given).id;
  ASSERT_TRUE(approve("ada", id));
  ASSERT_TRUE(approve("bob", id));
  const auto collect = [&] {
    collecting_.collect(std::array{identity::LookupLogEntry{.time = clock_.now(),
                                                            .source_handle = kTarget,
                                                            .source = {},
                                                            .looked_up_handle = "a@example.org",
                                                            .capable_devices = 1}});
  };
  clock_.advance(seconds(2));
  collect();
  clock_.advance(std::chrono::days(1));
  collect();
  aside_ = &jobs_;
  ASSERT_TRUE(cases_->tick());
  ASSERT_TRUE(cases_->tick()) << "the same day is not made twice";
  ASSERT_EQ(jobs_.size(), 1u);
  clock_.advance(seconds(2));
  ASSERT_TRUE(cases_->end("ada", id, "lifted"));
  rows_.fail_next = store::RowError::full;
  step();
  EXPECT_TRUE(cases_->show(id)->productions.empty());
  EXPECT_FALSE(has_bundle(id));
  EXPECT_FALSE(cases_->tick()) << "that it failed is told, and it is tried again";
  clock_.advance(seconds(2));
  while (!jobs_.empty()) step();
  ASSERT_TRUE(cases_->tick());
  while (!jobs_.empty()) step();
  aside_ = nullptr;
  const auto one = cases_->show(id);
  EXPECT_EQ(one->state, State::collected);
  ASSERT_EQ(one->productions.size(), 2u);
  for (const std::uint32_t number : {1, 2}) {
    EXPECT_EQ(one->productions[number - 1].rows, 1u);
    const auto verdict = verify(produce("bob", id, number), cases_->service());
    EXPECT_TRUE(verdict.good()) << told(verdict);
  }
  EXPECT_TRUE(sealed_.scan(tables::kCollected, {}, {}, 10)->empty());
  EXPECT_TRUE(cases_->verify_ledger({}).intact);
}

TEST_F(CasesAsideTest, WhatAStoreDidNotTakeOrAnEndLeftIsNoProduction) {
  const auto id = opened(facts()).id;
  ASSERT_TRUE(approve("ada", id));
  rows_.fail_next = store::RowError::full;  // the first piece
  EXPECT_EQ(approve("bob", id).error(), Error::unavailable);
  EXPECT_FALSE(has_bundle(id));
  EXPECT_EQ(cases_->show(id)->state, State::open);
  // The process ends when all pieces are stored and before their event is.
  const store::SealedKey key = store::clear(internal::key_of(id, 1, 0));
  auto batch = sealed_.batch();
  for (std::uint32_t i = 0; i < 3; ++i)
    batch.put(tables::kBundles, store::clear(internal::key_of(id, 1, i)), as_view("sealed"));
  ASSERT_TRUE(sealed_.write(std::move(batch)));
  reopen();
  EXPECT_FALSE(has_bundle(id));
  EXPECT_FALSE(sealed_.get(tables::kBundles, key)->has_value());
  EXPECT_EQ(cases_->show(id)->state, State::open);
  ASSERT_TRUE(approve("bob", id));
  reopen();
  EXPECT_TRUE(verify(produce("bob", id), cases_->service()).good());
}

}  // namespace
}  // namespace opaline::records
