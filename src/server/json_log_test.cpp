#include "server/json_log.hpp"

#include <gmock/gmock.h>

#include <boost/json.hpp>
#include <fstream>

#include "server/test_support/temporary_directory.hpp"

namespace opaline::server {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr Time kNow = from_unix_millis(1'767'225'600'042);  // 2026-01-01T00:00:00.042Z

std::vector<std::string> lines_of(const std::filesystem::path& file) {
  std::ifstream in(file);
  std::vector<std::string> out;
  for (std::string line; std::getline(in, line);) out.push_back(line);
  return out;
}

std::string line(std::initializer_list<LogField> fields) {
  return json_log_line(kNow, LogLevel::info, "event", fields, 0);
}
std::string value_of(std::string_view raw) {
  return std::string(boost::json::parse(line({{"v", raw}})).at("v").as_string());
}

TEST(JsonLog, OneEventIsOneLineOfJson) {
  EXPECT_EQ(json_log_line(kNow, LogLevel::warning, "store_slow", {}, 2),
            R"({"time":"2026-01-01T00:00:00.042Z","level":"warning","event":"store_slow","suppressed":2})");
  EXPECT_EQ(line({{"count", 3}, {"why", "disk"}}),
            R"({"time":"2026-01-01T00:00:00.042Z","level":"info","event":"event","count":3,"why":"disk"})");
}

TEST(JsonLog, ValuesCannotBreakOutOfTheirLine) {
  for (const std::string_view hostile : {"a\"b", "a\\", "a\nb", "\x01\x1b[31m\x7f", "{\"x\":1}", "é€😀"}) {
    EXPECT_EQ(value_of(hostile), hostile);
    EXPECT_EQ(line({{"v", hostile}}).find('\n'), std::string::npos);
  }
  using namespace std::string_view_literals;
  EXPECT_EQ(value_of("a\0b"sv), "a\0b"sv);
  // not UTF-8: lone tail, overlong, surrogate, beyond U+10FFFF, cut short
  for (const std::string_view wrong : {"\x80", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82"}) {
    EXPECT_THAT(value_of(wrong), HasSubstr("\xef\xbf\xbd")) << to_hex(as_view(wrong));
  }
}

TEST(JsonLog, ValuesAreCutBetweenCharacters) {
  const std::string fits(kMaxLogValueBytes, 'a');
  EXPECT_EQ(value_of(fits), fits);
  EXPECT_EQ(value_of(fits + "a"), fits + "…");
  const std::string before(kMaxLogValueBytes - 1, 'a');
  EXPECT_EQ(value_of(before + "é"), before + "…");
  EXPECT_LT(line({{"v", std::string(1 << 20, '\x01')}}).size(), 10 * kMaxLogValueBytes);
}

class JsonLogFile : public testing::Test {
 protected:
  std::unique_ptr<JsonLog> open(LogLevel level = LogLevel::info) {
    auto log = JsonLog::open({.level = level, .file = file_, .warnings_per_minute = 3}, clock_);
    EXPECT_TRUE(log);
    return std::move(*log);
  }
  TemporaryDirectory dir_;
  std::filesystem::path file_ = dir_.path() / "log.jsonl";
  ManualClock clock_{kNow};
};

TEST_F(JsonLogFile, LevelsBelowAreDropped) {
  const auto log = open(LogLevel::warning);
  log->event(LogLevel::info, "quiet", {});
  log->event(LogLevel::error, "loud", {});
  EXPECT_THAT(lines_of(file_), ElementsAre(HasSubstr("\"loud\"")));
}

TEST_F(JsonLogFile, AWarningThatRepeatsIsBoundedAndCounted) {
  const auto log = open();
  for (int i = 0; i < 100; ++i) log->event(LogLevel::warning, "again", {{"i", i}});
  log->event(LogLevel::warning, "another", {});
  EXPECT_EQ(lines_of(file_).size(), 4U);
  clock_.advance(std::chrono::seconds(20));
  log->event(LogLevel::warning, "again", {});
  log->event(LogLevel::warning, "again", {});
  const auto lines = lines_of(file_);
  ASSERT_EQ(lines.size(), 5U);
  EXPECT_THAT(lines[4], HasSubstr("\"suppressed\":97"));
}

TEST_F(JsonLogFile, RotationGoesOnInANewFile) {
  const auto log = open();
  log->event(LogLevel::info, "before", {});
  std::filesystem::rename(file_, dir_.path() / "old.jsonl");
  log->event(LogLevel::info, "between", {});
  ASSERT_TRUE(log->reopen());
  log->event(LogLevel::info, "after", {});
  EXPECT_THAT(lines_of(dir_.path() / "old.jsonl"), ElementsAre(HasSubstr("before"), HasSubstr("between")));
  EXPECT_THAT(lines_of(file_), ElementsAre(HasSubstr("after")));
}

TEST_F(JsonLogFile, AFileThatCannotBeOpenedIsAnErrorAndTheOldOneStays) {
  EXPECT_FALSE(JsonLog::open({.file = dir_.path()}, clock_));
  const auto log = open();
  std::filesystem::rename(file_, dir_.path() / "old.jsonl");
  std::filesystem::create_directory(file_);
  EXPECT_FALSE(log->reopen());
  log->event(LogLevel::info, "still", {});
  EXPECT_THAT(lines_of(dir_.path() / "old.jsonl"), ElementsAre(HasSubstr("still")));
}

}  // namespace
}  // namespace opaline::server
