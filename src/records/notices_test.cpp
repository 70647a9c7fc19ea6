#include <gmock/gmock.h>

#include "records/cases_test_world.hpp"

namespace opaline::records {
namespace {

using std::chrono::days, std::chrono::hours;
using testing::CasesTest, testing::kOther, testing::kTarget;

class NoticesTest : public CasesTest {
 protected:
  std::vector<identity::LegalNotice> told(const std::vector<identity::HeldHandle>& held) {
    const auto found = cases_->notices(held);
    EXPECT_TRUE(found.has_value());
    return found.value_or(std::vector<identity::LegalNotice>());
  }
  std::vector<identity::LegalNotice> told(const std::string& handle) { return told({{handle, start_ - days(100)}}); }
};

TEST_F(NoticesTest, WhoWasNamedIsToldOnceTheTimeHasCome) {
  const auto id = produced(Instrument::court_order);
  const Time when = clock_.now() + days(3);
  ASSERT_TRUE(cases_->notify("ada", id, when, "A court asked for your lookups.").has_value());
  EXPECT_TRUE(told(kTarget).empty()) << "not before its time";
  clock_.advance(days(3) - hours(1));
  EXPECT_TRUE(told(kTarget).empty());
  clock_.advance(hours(1));
  const auto found = told(kTarget);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].handle, kTarget);
  EXPECT_EQ(found[0].words, "A court asked for your lookups.");
  EXPECT_EQ(found[0].at, when);
  EXPECT_EQ(found[0].from, facts().from);
  EXPECT_EQ(found[0].to, facts().to);
  EXPECT_TRUE(told("stranger@example.org").empty());
  EXPECT_EQ(told(kOther).size(), 1u) << "each of its handles";
  reopen();
  EXPECT_EQ(told(kTarget).size(), 1u);
  EXPECT_EQ(told(kTarget)[0].id, found[0].id) << "the same whenever it is asked for";
  ASSERT_TRUE(cases_->close("bob", id, "over").has_value());
  EXPECT_EQ(told(kTarget).size(), 1u) << "a case that was closed is told of, too";
  clock_.advance(kNoticeShown);
  EXPECT_TRUE(told(kTarget).empty()) << "and after a year no more";
}

TEST_F(NoticesTest, WhoGotTheHandleLaterIsNotTold) {
  const auto id = opened(facts()).id;
  ASSERT_TRUE(cases_->notify("ada", id, clock_.now(), "words").has_value());
  EXPECT_EQ(told({{kTarget, facts().to - std::chrono::milliseconds(1)}}).size(), 1u);
  EXPECT_TRUE(told({{kTarget, facts().to}}).empty());
  const auto both = told({{kTarget, facts().to}, {kOther, facts().from}});
  ASSERT_EQ(both.size(), 1u) << "a request is told once, by the first handle that was held";
  EXPECT_EQ(both[0].handle, kOther);
}

TEST_F(NoticesTest, WhomARevisionLeftOutIsNotTold) {
  const auto id = opened(facts()).id;
  auto fewer = facts();
  fewer.handles = {kTarget};
  ASSERT_TRUE(cases_->narrow("ada", id, fewer, "one is enough").has_value());
  ASSERT_TRUE(cases_->notify("ada", id, clock_.now(), "words").has_value());
  EXPECT_TRUE(told(kOther).empty());
  EXPECT_EQ(told(kTarget).size(), 1u);
}

TEST_F(NoticesTest, NewestFirstAndNoMoreThanTen) {
  const auto one = opened(facts()).id, two = opened(facts()).id;
  for (int i = 0; i < 6; ++i) {
    clock_.advance(hours(1));
    ASSERT_TRUE(cases_->notify("ada", one, clock_.now(), "one " + std::to_string(i)).has_value());
    ASSERT_TRUE(cases_->notify("bob", two, clock_.now(), "two " + std::to_string(i)).has_value());
  }
  const auto found = told(kTarget);
  ASSERT_EQ(found.size(), identity::kMaxLegalNotices);
  EXPECT_THAT(found.front().words, ::testing::EndsWith(" 5"));
  EXPECT_THAT(found.back().words, ::testing::EndsWith(" 1"));
  std::set<std::string> ids;
  for (const auto& each : found) ids.insert(each.id);
  EXPECT_EQ(ids.size(), found.size());
}

TEST_F(NoticesTest, AnotherStepOfTheCaseTellsNobody) {
  const auto id = opened(facts()).id;
  ASSERT_TRUE(cases_->answer("ada", id, "There is an account.").has_value());
  EXPECT_TRUE(told(kTarget).empty());
}

}  // namespace
}  // namespace opaline::records
