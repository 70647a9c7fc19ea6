// The real Kannel is in tests/system/sms_texts_test.py.
#include "sms/bridge.hpp"

#include "sms/sms_test_world.hpp"

namespace opaline::sms {
namespace {

using namespace testing;
using ::testing::HasSubstr;

class BridgeTest : public SmsTest {};

constexpr std::string_view kBen = "+4915112345678";
const std::string kHello = std::string(kBen) + "\nHello Ben";

TEST_F(BridgeTest, ATextGoesToKannelOnceAndAsksForAReport) {
  ASSERT_TRUE(write(1, kHello));
  ASSERT_TRUE(write(1, kHello)) << "a webhook comes again";
  until([&] { return bridge_->counters().handed == 1; });
  ASSERT_EQ(to_kannel.size(), 1U);
  const auto& sent = to_kannel[0];
  EXPECT_EQ(sent.method, "POST");
  EXPECT_EQ(sent.header("X-Kannel-To"), kBen);
  EXPECT_EQ(as_text(sent.body), "Hello Ben");
  EXPECT_EQ(sent.header("X-Kannel-DLR-Mask"), "19");
  EXPECT_EQ(sent.header("X-Kannel-DLR-Url"), "http://127.0.0.1:1/secret/report?id=" + hex(1) + "&bits=%d");
  EXPECT_THAT(sent.target, ::testing::Not(HasSubstr("4915")));
  start();
  ASSERT_TRUE(write(1, kHello)) << "and after a restart";
  settle();
  EXPECT_EQ(to_kannel.size(), 1U);
  EXPECT_EQ(bridge_->counters().texts, 0U);
  EXPECT_TRUE(told.empty());
}

TEST_F(BridgeTest, TheCarriersReportIsTold) {
  ASSERT_TRUE(write(1, kHello));
  until([&] { return bridge_->counters().handed == 1; });
  EXPECT_EQ(report(1, 8), 200U) << "it is on its way: nothing to tell";
  EXPECT_EQ(report(1, 1), 200U);
  until_told(1);
  EXPECT_EQ(last_told(), std::string(kBen) + " delivered " + hex(1));
  EXPECT_EQ(last_person(), kAnna);
  settle();
  EXPECT_EQ(report(1, 2), 200U) << "the first word counts";
  settle();
  EXPECT_EQ(told.size(), 1U);
  const auto row = texts_->find(MessageId(message(1).view())).value();
  EXPECT_EQ(row->state, TextRow::State::ended);
  EXPECT_TRUE(row->person.empty() && row->number.empty()) << "nobody is named any more";
}

TEST_F(BridgeTest, AReportThatIsQuickerThanTheAnswer) {
  kannel_is_silent = true;
  ASSERT_TRUE(write(1, kHello));
  until([&] { return to_kannel.size() == 1; });
  EXPECT_EQ(report(1, 1), 200U);
  until_told(1);
  silent[0].respond(net::text_response(202, "text/html", "0: Accepted for delivery"));
  until([&] { return bridge_->counters().handed == 1; });
  settle();
  EXPECT_EQ(told.size(), 1U);
  EXPECT_EQ(texts_->find(MessageId(message(1).view())).value()->state, TextRow::State::ended);
}

TEST_F(BridgeTest, WhatKannelOrTheCarrierRefusesHasFailed) {
  kannel_status = 403;
  ASSERT_TRUE(write(1, kHello));
  until_told(1);
  EXPECT_EQ(last_told(), std::string(kBen) + " failed " + hex(1));
  kannel_status = 202;
  std::size_t reports = 1;
  for (const unsigned bits : {2U, 16U}) {
    const auto number = static_cast<std::uint8_t>(bits);
    ASSERT_TRUE(write(number, kHello));
    until([&] { return bridge_->counters().handed == reports; });
    EXPECT_EQ(report(number, bits), 200U);
    until_told(++reports);
    EXPECT_EQ(last_told(), std::string(kBen) + " failed " + hex(number));
  }
  EXPECT_EQ(bridge_->counters().failed, 3U);
}

TEST_F(BridgeTest, AnAnswerThatIsLostIsUnknownAndNothingIsRepeated) {
  kannel_is_silent = true;
  ASSERT_TRUE(write(1, kHello));
  until([&] { return to_kannel.size() == 1; });
  start();  // a crash: the row says "handing over"
  until_told(1);
  EXPECT_EQ(last_told(), std::string(kBen) + " unknown " + hex(1));
  ASSERT_TRUE(write(1, kHello));
  settle();
  EXPECT_EQ(to_kannel.size(), 1U);
  // The carrier's word may still come.
  EXPECT_EQ(report(1, 1), 200U);
  until_told(2);
  EXPECT_EQ(last_told(), std::string(kBen) + " delivered " + hex(1));
}

TEST_F(BridgeTest, ACrashBeforeKannelHeardOfItIsUnknownToo) {
  rows_.fail_next = std::nullopt;
  TextRow row;
  row.state = TextRow::State::handing_over;
  row.since = clock_.now();
  row.person = kAnna;
  row.number = kBen;
  ASSERT_TRUE(texts_->begin(MessageId(message(1).view()), row));
  start();
  until_told(1);
  EXPECT_EQ(last_told(), std::string(kBen) + " unknown " + hex(1));
  EXPECT_TRUE(to_kannel.empty());
}

TEST_F(BridgeTest, AStoreThatFailsSendsNothing) {
  rows_.fail_next = store::RowError::failed;  // of the budget
  EXPECT_FALSE(write(1, kHello)) << "the gateway comes again";
  rows_.unreadable = true;
  EXPECT_FALSE(write(1, kHello));
  rows_.unreadable = false;
  EXPECT_TRUE(write(1, kHello));
  until([&] { return bridge_->counters().handed == 1; });
  EXPECT_EQ(to_kannel.size(), 1U);
}

TEST_F(BridgeTest, TheRowIsThereWhenKannelHears) {
  std::optional<TextRow> row;
  on_kannel = [&](const net::HttpRequest&) { row = texts_->find(MessageId(message(1).view())).value(); };
  ASSERT_TRUE(write(1, kHello));
  until([&] { return bridge_->counters().handed == 1; });
  ASSERT_TRUE(row);
  EXPECT_EQ(row->state, TextRow::State::handing_over);
}

TEST_F(BridgeTest, AReportWaitsForAGatewayThatIsAway) {
  gateway_status = 503;
  kannel_status = 403;
  ASSERT_TRUE(write(1, kHello));
  until([&] { return gateway_requests >= 1; });
  EXPECT_TRUE(told.empty());
  start();  // over a restart, too
  gateway_status = 200;
  until_told(1);
  EXPECT_EQ(last_told(), std::string(kBen) + " failed " + hex(1));
  settle();
}

TEST_F(BridgeTest, WhoHasClosedIsToldNothingMore) {
  ASSERT_TRUE(write(1, kHello));
  until([&] { return bridge_->counters().handed == 1; });
  ASSERT_TRUE(bridge_->take({.id = message(9),
                             .person = std::string(kAnna),
                             .business = *msp::parse_uuid(kBusiness),
                             .content = msp::Closed{}}));
  EXPECT_EQ(report(1, 1), 200U);
  EXPECT_EQ(reply(kBen, "Yes"), 200U);
  settle();
  EXPECT_TRUE(told.empty());
  EXPECT_EQ(bridge_->counters().replies_dropped, 1U);
  // And where the gateway says so.
  ASSERT_TRUE(write(2, kHello));
  until([&] { return bridge_->counters().handed == 2; });
  gateway_status = 410;
  EXPECT_EQ(report(2, 1), 200U);
  settle();
  EXPECT_EQ(texts_->find(MessageId(message(2).view())).value()->state, TextRow::State::ended);
  EXPECT_EQ(reply(kBen, "Yes"), 200U);
  EXPECT_EQ(bridge_->counters().replies_dropped, 2U);
}

TEST_F(BridgeTest, WhatIsNoTextForANumberIsNotSent) {
  ASSERT_TRUE(write(1, "Hello"));
  until_told(1);
  EXPECT_THAT(last_told(), HasSubstr("begins with a number"));
  ASSERT_TRUE(write(2, "+499\nHello")) << "too short for Germany, and for anybody";
  until_told(2);
  ASSERT_TRUE(write(3, "+99912345678\nHello"));
  until_told(3);
  EXPECT_EQ(last_told(), "+99912345678 failed " + hex(3));
  ASSERT_TRUE(write(4, kHello, kAnna, 1)) << "files go nowhere";
  until_told(4);
  EXPECT_EQ(last_told(), std::string(kBen) + " failed " + hex(4));
  ASSERT_TRUE(write(5, std::string(kBen) + "\n" + std::string(153 * 10 + 1, 'a')));
  until_told(5);
  EXPECT_EQ(last_told(), std::string(kBen) + " too_long " + hex(5));
  EXPECT_TRUE(to_kannel.empty());
}

TEST_F(BridgeTest, LongTextsAndOtherAlphabetsGoAsTheyAre) {
  ASSERT_TRUE(write(1, std::string(kBen) + "\n" + std::string(400, 'a')));
  ASSERT_TRUE(write(2, std::string(kBen) + "\n\xf0\x9f\x98\x80"));
  until([&] { return bridge_->counters().handed == 2; });
  EXPECT_EQ(to_kannel[0].body.size(), 400U);
  EXPECT_EQ(to_kannel[1].header("X-Kannel-Coding"), "2");
  EXPECT_EQ(to_hex(to_kannel[1].body), "d83dde00");
}

TEST_F(BridgeTest, EveryPersonHasABudgetOfTheirOwn) {
  const std::string five = std::string(kBen) + "\n" + std::string(153 * 5, 'a');
  ASSERT_TRUE(write(1, five));
  ASSERT_TRUE(write(2, five));
  clock_.advance(std::chrono::hours(1));
  ASSERT_TRUE(write(3, kHello));
  until_told(1);
  EXPECT_EQ(last_told(), std::string(kBen) + " over_budget " + hex(3) + " later=82800");
  ASSERT_TRUE(write(4, kHello, kMaria));
  until([&] { return bridge_->counters().handed == 3; });
  EXPECT_EQ(to_kannel.size(), 3U);
  clock_.advance(std::chrono::hours(23));
  ASSERT_TRUE(write(5, kHello));
  until([&] { return bridge_->counters().handed == 4; });
}

TEST_F(BridgeTest, ARepliesWayBackIsToWhoWroteLast) {
  EXPECT_EQ(reply(kBen, "Who are you?"), 200U);
  EXPECT_EQ(bridge_->counters().replies_dropped, 1U) << "nobody wrote there";
  ASSERT_TRUE(write(1, kHello));
  EXPECT_EQ(reply(kBen, "Hello Anna\nhow are you"), 200U);
  EXPECT_EQ(last_told(), std::string(kBen) + " reply\nHello Anna\nhow are you");
  EXPECT_EQ(last_person(), kAnna);
  EXPECT_EQ(reply("4915112345678", "without the plus", "k-2"), 200U);
  EXPECT_EQ(reply("004915112345678", "as from abroad", "k-3"), 200U);
  EXPECT_EQ(told.size(), 3U);
  EXPECT_EQ(reply(kBen, "the same again", "k-3"), 200U);
  EXPECT_EQ(told.size(), 3U) << "an id counts once";
  ASSERT_TRUE(write(2, kHello, kMaria));
  EXPECT_EQ(reply(kBen, "Hello?", "k-4"), 200U);
  EXPECT_EQ(last_person(), kMaria);
  clock_.advance(kReplyDays);
  EXPECT_EQ(reply(kBen, "Hello?", "k-5"), 200U);
  EXPECT_EQ(told.size(), 4U);
  EXPECT_EQ(bridge_->counters().replies_dropped, 2U);
}

TEST_F(BridgeTest, RepliesInOtherAlphabets) {
  ASSERT_TRUE(write(1, kHello));
  EXPECT_EQ(reply(kBen, std::string("\xd8\x3d\xde\x00\x00\x61", 6), "k-1", "text/plain; charset=\"UTF-16BE\""), 200U);
  EXPECT_EQ(last_told(), std::string(kBen) +
                             " reply\n\xf0\x9f\x98\x80"
                             "a");
  const auto before = told.size();
  EXPECT_EQ(reply(kBen, "\xff\xfe", "k-2"), 200U);
  EXPECT_EQ(reply(kBen, "picture", "k-3", "application/octet-stream"), 200U);
  EXPECT_EQ(reply("Bank", "You have won", "k-4"), 200U);
  EXPECT_EQ(told.size(), before);
  EXPECT_EQ(bridge_->counters().unreadable, 3U);
}

TEST_F(BridgeTest, AReplyThatTheGatewayDoesNotTakeIsSaidAgain) {
  ASSERT_TRUE(write(1, kHello));
  gateway_status = 503;
  EXPECT_EQ(reply(kBen, "Hello"), 503U);
  gateway_status = 200;
  EXPECT_EQ(reply(kBen, "Hello"), 200U);
  EXPECT_EQ(told.size(), 1U);
}

TEST_F(BridgeTest, WhatIsOverIsForgotten) {
  ASSERT_TRUE(write(1, kHello));
  until([&] { return bridge_->counters().handed == 1; });
  clock_.advance(kReplyDays - std::chrono::hours(1));
  bridge_->expire();
  EXPECT_EQ(rows_.tables[std::string(kNumbersTable)].size(), 1U);
  EXPECT_FALSE(texts_->find(MessageId(message(1).view())).value()->person.empty());
  clock_.advance(std::chrono::hours(1));
  bridge_->expire();
  EXPECT_TRUE(rows_.tables[std::string(kNumbersTable)].empty());
  EXPECT_TRUE(texts_->find(MessageId(message(1).view())).value()->person.empty());
  ASSERT_TRUE(write(1, kHello)) << "the id is known still";
  EXPECT_EQ(to_kannel.size(), 1U);
  EXPECT_EQ(report(1, 1), 200U);
  settle();
  EXPECT_TRUE(told.empty());
  clock_.advance(kIdDays);
  bridge_->expire();
  EXPECT_TRUE(rows_.tables[std::string(kTextsTable)].empty());
}

}  // namespace
}  // namespace opaline::sms
