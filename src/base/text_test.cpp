// Times and texts for people.
#include <gtest/gtest.h>

#include "base/html.hpp"
#include "base/rfc3339.hpp"

namespace opaline {
namespace {

TEST(Rfc3339, TimesAndDates) {
  const Time time = Time(std::chrono::sys_days(std::chrono::year(2026) / 1 / 2)) + std::chrono::hours(3) +
                    std::chrono::minutes(4) + seconds(5) + milliseconds(67);
  EXPECT_EQ(rfc3339(time), "2026-01-02T03:04:05Z");
  EXPECT_EQ(rfc3339_millis(time), "2026-01-02T03:04:05.067Z");
  EXPECT_EQ(rfc3339_date(std::chrono::sys_days(std::chrono::year(9999) / 12 / 31)), "9999-12-31");
  EXPECT_EQ(rfc3339_millis(Time{}), "1970-01-01T00:00:00.000Z");
}

TEST(Html, NothingOfATextIsMarkup) {
  EXPECT_EQ(escape_html("<a href=\"x\" title='y'>&amp;</a>"),
            "&lt;a href=&quot;x&quot; title=&#39;y&#39;&gt;&amp;amp;&lt;/a&gt;");
  EXPECT_EQ(escape_html("K\xc3\xb6ln"), "K\xc3\xb6ln");
}

}  // namespace
}  // namespace opaline
