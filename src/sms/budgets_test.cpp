#include "sms/budgets.hpp"

#include <gmock/gmock.h>

#include "operators/test_support/memory_rows.hpp"

namespace opaline::sms {
namespace {

class BudgetsTest : public testing::Test {
 protected:
  operators::MemoryRows rows_;
  SeededRandom random_{1};
  store::SealedRows sealed_{rows_, store::VaultKey{}, store::VaultKey{}, random_};
  ManualClock clock_{from_unix_millis(1'767'225'600'000)};
  Budgets budgets_{sealed_, clock_, {.per_day = 10, .per_country_day = 6}};
};

TEST_F(BudgetsTest, ACountryHasItsOwnAndAllTogetherHaveOne) {
  EXPECT_TRUE(budgets_.charge(49, 6));
  EXPECT_EQ(budgets_.charge(49, 1), fail(Error::over_budget));
  EXPECT_EQ(budgets_.charge(43, 5), fail(Error::over_budget));
  EXPECT_TRUE(budgets_.charge(43, 4));
  EXPECT_EQ(budgets_.charge(1, 1), fail(Error::over_budget));
  EXPECT_EQ(budgets_.charge(1, 100), fail(Error::over_budget));
}

TEST_F(BudgetsTest, ARestartGivesNothingBackAndANewDayDoes) {
  EXPECT_TRUE(budgets_.charge(49, 6));
  Budgets again(sealed_, clock_, {.per_day = 10, .per_country_day = 6});
  EXPECT_EQ(again.charge(49, 1), fail(Error::over_budget));
  EXPECT_EQ(again.until_tomorrow(), std::chrono::hours(24));
  clock_.advance(std::chrono::hours(24));
  EXPECT_TRUE(again.charge(49, 6));
  EXPECT_EQ(rows_.tables[std::string(kBudgetsTable)].size(), 2U) << "yesterday's are gone";
}

TEST_F(BudgetsTest, AClockThatIsTurnedGivesNothingTwice) {
  EXPECT_TRUE(budgets_.charge(49, 6));
  clock_.jump(-std::chrono::hours(24));
  EXPECT_TRUE(budgets_.charge(49, 6));
  clock_.jump(std::chrono::hours(24));
  EXPECT_EQ(budgets_.charge(49, 1), fail(Error::over_budget));
}

TEST_F(BudgetsTest, AStoreThatFailsPaysForNothing) {
  rows_.fail_next = store::RowError::full;
  EXPECT_EQ(budgets_.charge(49, 1), fail(Error::unavailable));
  rows_.unreadable = true;
  EXPECT_EQ(budgets_.charge(49, 1), fail(Error::unavailable));
}

}  // namespace
}  // namespace opaline::sms
