#include "base/fault_point.hpp"

#include <gtest/gtest.h>

#include <set>
#include <vector>

namespace opaline {
namespace {

TEST(FaultPoint, NamesAreOfOneKind) {
  const std::set<std::string_view> names(kFaultPoints.begin(), kFaultPoints.end());
  EXPECT_EQ(names.size(), kFaultPoints.size()) << "no name twice";
  for (const std::string_view name : names) {
    EXPECT_EQ(name.find_first_not_of("abcdefghijklmnopqrstuvwxyz_."), std::string_view::npos) << name;
  }
}

TEST(FaultPoint, AHookSeesEachPointUntilItIsTakenAway) {
  std::vector<std::string> seen;
  fault_point(kFaultPoints[0]);
  fault::set_hook([&](std::string_view name) { seen.emplace_back(name); });
  fault_point(kFaultPoints[1]);
  fault_point(kFaultPoints[0]);
  fault::set_hook(nullptr);
  fault_point(kFaultPoints[1]);
  EXPECT_EQ(seen, (std::vector<std::string>{std::string(kFaultPoints[1]), std::string(kFaultPoints[0])}));
}

TEST(FaultPoint, KillsAtTheNthPass) {
  const auto name = kFaultPoints[0];
  const auto pass = [&](long nth, int times) {
    fault::die_at(name, nth);
    for (int i = 0; i < times; ++i) {
      fault_point(name);
      fault_point(kFaultPoints[1]);
    }
    std::_Exit(0);
  };
  EXPECT_EXIT(pass(1, 1), testing::KilledBySignal(SIGKILL), "");
  EXPECT_EXIT(pass(3, 3), testing::KilledBySignal(SIGKILL), "");
  EXPECT_EXIT(pass(3, 2), testing::ExitedWithCode(0), "");
}

TEST(FaultPoint, TheEnvironmentNamesAPoint) {
  const auto with = [](const char* value) {
    ::setenv("OPALINE_FAULT", value, 1);
    std::_Exit(fault::arm_from_environment() ? (fault_point(kFaultPoints[0]), 1) : 2);
  };
  EXPECT_EXIT(with("nonsense"), testing::ExitedWithCode(2), "");
  EXPECT_EXIT(with(""), testing::ExitedWithCode(2), "");
  EXPECT_EXIT(with((std::string(kFaultPoints[0]) + ":0").c_str()), testing::ExitedWithCode(2), "");
  EXPECT_EXIT(with((std::string(kFaultPoints[0]) + ":2").c_str()), testing::ExitedWithCode(1), "");
  EXPECT_EXIT(with(std::string(kFaultPoints[0]).c_str()), testing::KilledBySignal(SIGKILL), "");
}

TEST(FaultPoint, AnUnlistedNameIsABug) {
  const auto pass = [] {
    fault::set_hook([](std::string_view) {});
    fault_point("nobody.knows_this");
  };
  EXPECT_DEATH(pass(), "known");
}

}  // namespace
}  // namespace opaline
