// The transparency report: what counts where, and what cannot be found out from it.
#include "records/report.hpp"

#include <gmock/gmock.h>

#include "records/cases_test_world.hpp"
#include "records/country.hpp"

namespace opaline::records {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string text_of(const std::vector<File>& files, std::string_view name) {
  return to_string(std::ranges::find(files, name, &File::name)->content);
}

class ReportTest : public testing::CasesTest {
 protected:
  Report report(std::string_view period = "2026H2") {
    auto made = cases_->report(*half_year_from(period));
    EXPECT_TRUE(made.has_value());
    return made ? *made : Report{};
  }
  CaseId opened_as(Instrument instrument, const std::string& jurisdiction) {
    auto given = facts();
    given.instrument = instrument;
    given.jurisdiction = jurisdiction;
    return opened(given).id;
  }
  void approve_both(const CaseId& id) {
    EXPECT_TRUE(approve("ada", id).has_value());
    EXPECT_TRUE(approve("bob", id).has_value());
  }
  std::uint64_t& expected(const std::string& country, Instrument instrument, Outcome outcome) {
    return expected_[{country, instrument}].outcomes[static_cast<std::size_t>(outcome)];
  }
  std::map<std::pair<std::string, Instrument>, ReportNumbers> expected_;
};

TEST_F(ReportTest, HalfYears) {
  for (const auto* good : {"2026H1", "2026H2", "1970H1", "9999H2"})
    EXPECT_EQ(to_text(half_year_from(good).value()), good);
  for (const auto* bad : {"", "2026", "2026H3", "2026H0", "2026h1", "02026H1", "2026H1 ", "1969H2", "-026H1"})
    EXPECT_FALSE(half_year_from(bad).has_value()) << bad;
  EXPECT_EQ(rfc3339(begin_of({2026, 2})), "2026-07-01T00:00:00Z");
  EXPECT_EQ(rfc3339(end_of({2026, 2})), "2027-01-01T00:00:00Z");
  EXPECT_EQ(end_of({2026, 1}), begin_of({2026, 2}));
}

TEST_F(ReportTest, EachRequestCountsOnceAsItStands) {
  approve_both(opened_as(Instrument::warrant, "DE"));
  expected("DE", Instrument::warrant, Outcome::in_full) = 1;

  auto fewer = facts();
  const auto narrowed = opened(fewer).id;
  fewer.handles = {testing::kTarget};
  ASSERT_TRUE(cases_->narrow("ada", narrowed, fewer, "one is enough").has_value());
  approve_both(narrowed);
  expected("DE", Instrument::warrant, Outcome::in_part) = 1;

  auto strangers = facts();
  strangers.handles = {"stranger@example.org"};
  approve_both(opened(strangers).id);
  expected("DE", Instrument::warrant, Outcome::nothing) = 1;

  const auto refused = opened_as(Instrument::subpoena, "US-CA");
  ASSERT_TRUE(cases_->refuse("ada", refused, "no signature").has_value());
  ASSERT_TRUE(cases_->close("ada", refused, "told them").has_value());
  expected("US", Instrument::subpoena, Outcome::refused) = 1;
  ASSERT_TRUE(cases_->close("ada", opened_as(Instrument::subpoena, "US-NY"), "withdrawn").has_value());
  expected("US", Instrument::subpoena, Outcome::closed) = 1;
  opened_as(Instrument::emergency, "FR");
  expected("FR", Instrument::emergency, Outcome::open) = 1;

  const auto kept = opened_as(Instrument::preservation, "DE");
  approve_both(kept);
  expected("DE", Instrument::preservation, Outcome::kept_back) = 1;
  const auto other = opened_as(Instrument::preservation, "DE");
  approve_both(other);
  auto order = facts();
  order.instrument = Instrument::court_order;
  order.opens = other;
  approve_both(opened(order).id);
  expected("DE", Instrument::court_order, Outcome::in_full) = 1;
  expected("DE", Instrument::preservation, Outcome::in_full) = 1;

  auto collection = facts();
  collection.instrument = Instrument::pen_register;
  collection.from = clock_.now();
  collection.to = std::chrono::floor<seconds>(clock_.now()) + std::chrono::days(2);
  collection.from = std::chrono::floor<seconds>(collection.from);
  const auto pen = opened(collection).id;
  approve_both(pen);
  expected("DE", Instrument::pen_register, Outcome::open) = 1;
  const auto ended = opened(collection).id;
  approve_both(ended);
  collecting_.collect(std::array{identity::LookupLogEntry{.time = clock_.now() + seconds(2),
                                                          .source_handle = testing::kTarget,
                                                          .source = {},
                                                          .looked_up_handle = "a@example.org",
                                                          .capable_devices = 1}});
  clock_.advance(seconds(10));
  ASSERT_TRUE(cases_->end("bob", ended, "the order was lifted").has_value());
  clock_.advance(seconds(10));
  ASSERT_TRUE(cases_->tick());
  expected("DE", Instrument::pen_register, Outcome::in_part) = 1;

  for (auto& [key, numbers] : expected_) {
    for (const auto count : numbers.outcomes)
      numbers.identifiers += 2 * count;  // as the requests arrived: before narrowing
  }
  expected_[{"DE", Instrument::warrant}].identifiers -= 1;  // the stranger
  EXPECT_EQ(report().lines, expected_);
  EXPECT_TRUE(report("2026H1").lines.empty());
}

TEST_F(ReportTest, NoticesAtOnceAndLater) {
  const auto now = opened(facts()).id, later = opened(facts()).id, changed = opened(facts()).id;
  opened(facts());
  ASSERT_TRUE(cases_->notify("ada", now, clock_.now(), "told").has_value());
  ASSERT_TRUE(cases_->notify("ada", later, clock_.now() + std::chrono::days(30), "after the ban").has_value());
  ASSERT_TRUE(cases_->notify("ada", changed, clock_.now() + std::chrono::days(30), "after the ban").has_value());
  clock_.advance(std::chrono::hours(1));
  ASSERT_TRUE(cases_->notify("ada", changed, clock_.now(), "the ban was lifted").has_value());
  const auto numbers = report().lines.at({"DE", Instrument::warrant});
  EXPECT_EQ(numbers.notices_at_once, 2u);
  EXPECT_EQ(numbers.notices_delayed, 1u);
}

TEST_F(ReportTest, ItIsOfTheHalfYearThatTheRequestWasRecordedIn) {
  opened(facts());
  EXPECT_FALSE(report().complete());
  EXPECT_FALSE(cases_->report({2027, 1}).has_value()) << "has not begun";
  EXPECT_THAT(text_of(files_of(report()), kReportPageName), HasSubstr("not complete"));
  EXPECT_THAT(text_of(files_of(report()), kReportPageName), HasSubstr("came until 18 November 2026"));
  clock_.jump(std::chrono::days(60));
  opened(facts());
  EXPECT_TRUE(report().complete());
  EXPECT_THAT(text_of(files_of(report()), kReportPageName), Not(HasSubstr("not complete")));
  EXPECT_EQ(report().lines.size(), 1u);
  EXPECT_EQ(report("2027H1").lines.begin()->second.outcomes[static_cast<std::size_t>(Outcome::open)], 1u);
  reopen();
  EXPECT_EQ(report().lines.size(), 1u) << "cases are kept for ever, so that nothing else has to be";
}

TEST_F(ReportTest, NothingOfWhatOfficersWriteIsInIt) {
  auto given = facts();  // authority and reference are an attempt at markup and at a formula
  const auto id = opened(given).id;
  ASSERT_TRUE(cases_->answer("ada", id, "=HYPERLINK(\"http://x\")<script>").has_value());
  ASSERT_TRUE(cases_->refuse("ada", id, "<img src=x>").has_value());
  auto made = report();
  made.service_name = "<script>alert(1)</script>";
  const auto files = files_of(made);
  const auto page = text_of(files, kReportPageName), table = text_of(files, kReportTableName);
  for (const auto* telling : {"Amtsgericht", "K\xc3\xb6ln", "calc", "ada", "4915112345678", "other@example.org",
                              "HYPERLINK", "<script", "<img", "2026-0001"}) {
    EXPECT_THAT(page, Not(HasSubstr(telling)));
    EXPECT_THAT(table, Not(HasSubstr(telling)));
  }
  EXPECT_THAT(page, HasSubstr("&lt;script&gt;"));
  for (const auto* outside : {"http:", "https:", "src=", "href=", "url(", "@import", "javascript"})
    EXPECT_THAT(page, Not(HasSubstr(outside)));
  EXPECT_THAT(page, HasSubstr("<svg"));
  EXPECT_THAT(page, HasSubstr("default-src 'none'"));
}

TEST_F(ReportTest, WhatAServiceAnswersIsCheckedBeforeItIsWritten) {
  opened(facts());
  auto made = report();
  made.bands = true;
  const auto good = to_json(made);
  EXPECT_EQ(report_from(good), made);
  const auto with = [&](std::string_view field, const boost::json::value& value) {
    auto bad = good;
    auto& line = bad.at("lines").as_array().at(0).as_object();
    (line.contains(field) ? line : bad)[field] = value;
    return report_from(bad).has_value();
  };
  EXPECT_TRUE(with("country", "FR"));
  for (const auto* country : {"=1", "<b>", "de", "DEU", "", "+A", "-A", "\tA"}) EXPECT_FALSE(with("country", country));
  EXPECT_FALSE(with("instrument", "letter"));
  EXPECT_FALSE(with("refused", -1));
  EXPECT_FALSE(with("refused", "1"));
  EXPECT_FALSE(with("identifiers", std::uint64_t{1} << 63));
  EXPECT_FALSE(with("period", "2026"));
  EXPECT_FALSE(with("as_of", "today"));
  EXPECT_FALSE(with("bands", "no"));
  EXPECT_FALSE(with("name", "two\nlines"));
  auto twice = good;
  twice.at("lines").as_array().push_back(twice.at("lines").at(0));
  EXPECT_FALSE(report_from(twice).has_value());
}

TEST_F(ReportTest, TheSameDataGiveTheSameBytesAndTheTableAddsUp) {
  for (int i = 0; i < 3; ++i) opened_as(Instrument::warrant, "DE");
  opened_as(Instrument::warrant, "FR");
  const auto once = files_of(report()), twice = files_of(*report_from(to_json(report())));
  for (const auto name : {kReportPageName, kReportTableName}) EXPECT_EQ(text_of(once, name), text_of(twice, name));
  EXPECT_EQ(text_of(once, kReportTableName),
            "period,complete,country,category,requests,identifiers,in_full,in_part,nothing_found,kept_back,refused,"
            "closed,open,notices_at_once,notices_delayed\r\n"
            "2026H2,no,DE,warrant,3,6,0,0,0,0,0,0,3,0,0\r\n"
            "2026H2,no,FR,warrant,1,2,0,0,0,0,0,0,1,0,0\r\n");
  EXPECT_THAT(text_of(once, kReportPageName), HasSubstr("4 requests came. They asked about 8 phone numbers"));
  EXPECT_THAT(text_of(files_of(report("2026H1")), kReportPageName), HasSubstr("No request came."));
}

TEST(Bands, HoldTheirNumbersAndDoNotOverlap) {
  EXPECT_EQ(to_text(shown(0, true)), "0");
  EXPECT_EQ(to_text(shown(7, false)), "7");
  Span last{0, 0};
  for (std::uint64_t number = 1; number < 30'000; ++number) {
    const auto band = shown(number, true);
    ASSERT_LE(band.low, number);
    ASSERT_GE(band.high, number);
    if (band != last) ASSERT_EQ(band.low, last.high + 1) << number;
    last = band;
  }
  EXPECT_EQ(to_text(shown(9, true)), "1 to 9");
  EXPECT_EQ(to_text(shown(10, true)), "10 to 49");
  EXPECT_EQ(to_text(shown(249, true)), "100 to 249");
  EXPECT_EQ(to_text(shown(1000, true)), "1000 to 2499");
}

TEST(Bands, FilesAreAFunctionOfTheBandsAlone) {
  // Whoever has the files cannot tell apart numbers of the same bands: not by totals, not by plots.
  SeededRandom dice(7);
  const auto in_band = [&](Span band) { return band.low + dice.below(band.high - band.low + 1); };
  for (int round = 0; round < 200; ++round) {
    Report one{.half_year = {2026, 2}, .as_of = end_of({2026, 2}), .bands = true, .service_name = "s", .lines = {}};
    Report other = one;
    for (const auto* country : {"DE", "FR", "US"}) {
      for (const auto instrument : {Instrument::warrant, Instrument::emergency}) {
        auto &a = one.lines[{country, instrument}], &b = other.lines[{country, instrument}];
        const auto make = [&](std::uint64_t& of_one, std::uint64_t& of_other) {
          of_one = dice.below(3) == 0 ? 0 : dice.below(dice.below(2) == 0 ? 12 : 300);
          of_other = in_band(shown(of_one, true));
        };
        for (std::size_t i = 0; i < kOutcomes; ++i) make(a.outcomes[i], b.outcomes[i]);
        make(a.identifiers, b.identifiers);
        make(a.notices_at_once, b.notices_at_once);
        make(a.notices_delayed, b.notices_delayed);
      }
    }
    const auto first = files_of(one), second = files_of(other);
    for (const auto name : {kReportPageName, kReportTableName})
      ASSERT_EQ(text_of(first, name), text_of(second, name)) << "round " << round;
  }
}

TEST(Countries, Names) {
  EXPECT_EQ(country_name("DE"), "Germany");
  EXPECT_EQ(country_name("ZW"), "Zimbabwe");
  EXPECT_EQ(country_name("XX"), "XX");
}

}  // namespace
}  // namespace opaline::records
