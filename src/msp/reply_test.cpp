#include "msp/reply.hpp"

#include <rapidcheck.h>

#include "base/random.hpp"
#include "msp/msp_test_support.hpp"

namespace opaline::msp {
namespace {

using namespace testing;

Interactive asked(const std::string& data) {
  return std::move(*parse_data(data));
}
json::value json_of(const Reply& reply) {
  return json::parse(as_text(reply.json));
}
void expect_error(const Result<Reply, Error>& reply, Error error) {
  ASSERT_FALSE(reply.has_value());
  EXPECT_EQ(name(reply.error()), name(error));
}
using Item = ListChoice::Item;

TEST(Reply, ToAListPicker) {
  const auto question = asked(kListPicker);
  const auto reply = make_reply(question, ListChoice{{Item{0, 1}, Item{1, 0}, Item{0, 0}}});
  ASSERT_TRUE(reply.has_value());
  const auto value = json_of(*reply);
  EXPECT_EQ(value.at("bid").as_string(), kBid);
  EXPECT_EQ(value.at("sessionIdentifier").as_string(), kMessageId);
  EXPECT_EQ(value.at("data").at("requestIdentifier").as_string(), "r-1");
  const auto& sections = value.at("data").at("listPicker").at("sections").as_array();
  ASSERT_EQ(sections.size(), 2U);
  ASSERT_EQ(sections[0].at("items").as_array().size(), 2U);
  EXPECT_EQ(sections[0].at("items").at(0).at("identifier").as_string(), "1");
  EXPECT_EQ(sections[1].at("items").at(0).at("title").as_string(), "Tea");
  EXPECT_EQ(value.at("data").at("replyMessage").at("title").as_string(), "Chosen");
  EXPECT_EQ(value.at("data").at("replyMessage").at("subtitle").as_string(), "Apple, Pear, Tea");
  EXPECT_TRUE(reply->body.empty());
  // Without a replyMessage the title is what was chosen: some connectors read that alone.
  const auto bare = make_reply(asked(without(kListPicker, "/replyMessage")), ListChoice{{Item{1, 1}}});
  EXPECT_EQ(json_of(*bare).at("data").at("replyMessage").at("title").as_string(), "Water");
}

TEST(Reply, ToAListPickerIsAmongTheOffered) {
  const auto question = asked(kListPicker);
  expect_error(make_reply(question, ListChoice{}), Error::incomplete);
  expect_error(make_reply(question, ListChoice{{Item{2, 0}}}), Error::not_offered);
  expect_error(make_reply(question, ListChoice{{Item{0, 2}}}), Error::not_offered);
  expect_error(make_reply(question, ListChoice{{Item{0, 0}, Item{0, 0}}}), Error::not_offered);
  expect_error(make_reply(question, ListChoice{{Item{1, 0}, Item{1, 1}}}), Error::not_offered);  // a single selection
  expect_error(make_reply(question, TimeChoice{0}), Error::not_offered);
  expect_error(make_reply(question, QuickChoice{0}), Error::not_offered);
}

TEST(Reply, ToATimePicker) {
  const auto question = asked(kTimePicker);
  const auto reply = make_reply(question, TimeChoice{1});
  ASSERT_TRUE(reply.has_value());
  const auto value = json_of(*reply);
  const auto& slots = value.at("data").at("event").at("timeslots").as_array();
  ASSERT_EQ(slots.size(), 1U);
  EXPECT_EQ(slots[0].at("identifier").as_string(), "1");
  EXPECT_EQ(slots[0].at("startTime").as_string(), "2026-11-24T11:00+0000");
  EXPECT_EQ(slots[0].at("duration").as_int64(), 1800);
  expect_error(make_reply(question, TimeChoice{2}), Error::not_offered);
}

TEST(Reply, ToAQuickReply) {
  const auto question = asked(kQuickReply);
  const auto reply = make_reply(question, QuickChoice{1});
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(reply->body, "No");
  const auto data = json_of(*reply).at("data");
  EXPECT_EQ(data.at("quick-reply").at("selectedIdentifier").as_string(), "n");
  EXPECT_EQ(data.at("quick-reply").at("selectedIndex").as_int64(), 1);
  EXPECT_FALSE(data.as_object().contains("replyMessage"));
  expect_error(make_reply(question, QuickChoice{2}), Error::not_offered);
}

FormAnswer page(std::string_view name, std::string_view text = {}, std::vector<std::size_t> items = {}) {
  return {.page = Text(name), .text = Text(text), .items = std::move(items)};
}
FormChoice form(auto... answers) {
  FormChoice out;
  (out.answers.push_back(std::move(answers)), ...);
  return out;
}

TEST(Reply, ToAForm) {
  const auto question = asked(kForm);
  const auto reply = make_reply(question, form(page("0"), page("1", "", {0}), page("2", "Ada"), page("4", "", {0, 1})));
  ASSERT_TRUE(reply.has_value());
  const auto value = json_of(*reply);
  const auto& selections = value.at("data").at("dynamic").at("selections").as_array();
  ASSERT_EQ(selections.size(), 3U);  // a splash says nothing
  EXPECT_EQ(selections[0].at("pageIdentifier").as_string(), "1");
  EXPECT_EQ(selections[0].at("items").at(0).at("value").as_string(), "here");
  EXPECT_EQ(selections[1].at("items").at(0).at("value").as_string(), "Ada");
  EXPECT_EQ(selections[2].at("items").as_array().size(), 2U);
  // The other way through.
  EXPECT_TRUE(make_reply(question, form(page("0"), page("1", "", {1}), page("3", "2026-12-24"), page("4", "", {1})))
                  .has_value());
}

TEST(Reply, ToAFormGoesItsWay) {
  const auto question = asked(kForm);
  const auto first = page("0");
  const auto here = page("1", "", {0});
  expect_error(make_reply(question, FormChoice{}), Error::incomplete);
  expect_error(make_reply(question, form(first, here)), Error::incomplete);
  expect_error(make_reply(question, form(here)), Error::not_offered);
  expect_error(make_reply(question, form(first, page("9"))), Error::not_offered);
  expect_error(make_reply(question, form(first, page("1", "", {1}), page("2", "Ada"))), Error::not_offered);
  expect_error(make_reply(question, form(first, page("1"))), Error::incomplete);
  expect_error(make_reply(question, form(first, page("1", "", {2}))), Error::not_offered);
  expect_error(make_reply(question, form(first, page("1", "", {0, 1}))), Error::not_offered);
  expect_error(make_reply(question, form(first, page("1", "Here", {0}))), Error::not_offered);
  expect_error(make_reply(question, form(page("0", "x"))), Error::not_offered);
  expect_error(make_reply(question, form(first, here, page("2"))), Error::incomplete);  // required
  expect_error(make_reply(question, form(first, here, page("2", "x", {0}))), Error::not_offered);
  expect_error(make_reply(question, form(first, here, page("2", "eleven char"))), Error::oversized);
  expect_error(make_reply(question, form(first, here, page("2", "\xff"))), Error::malformed);
  expect_error(make_reply(question, form(first, page("1", "", {1}), page("3", "24.12.2026"))), Error::malformed);
  const auto name = page("2", "Ada");
  expect_error(make_reply(question, form(first, here, name, page("4", "", {0, 0}))), Error::not_offered);
  expect_error(make_reply(question, form(first, here, name, page("4", "", {0}), page("4", "", {0}))),
               Error::not_offered);
  // A form that goes round has no answer, and no answer makes it run for ever.
  const auto round = asked(changed(kForm, "/data/dynamic/data/pages/0/nextPageIdentifier", "\"0\""));
  expect_error(make_reply(round, form(page("0"), page("0"))), Error::not_offered);
  expect_error(make_reply(round, form(page("0"))), Error::incomplete);
}

TEST(Reply, ToAnAuthentication) {
  const auto question = asked(kAuthentication);
  const auto reply = make_reply(question, AuthenticationChoice{AuthenticationStatus::authenticated, Text("code-1")});
  ASSERT_TRUE(reply.has_value());
  const auto answer = json_of(*reply).at("data").at("authenticate");
  EXPECT_EQ(answer.at("status").as_string(), "authenticated");
  EXPECT_EQ(answer.at("token").as_string(), "code-1");
  EXPECT_EQ(answer.at("state").as_string(), "st-4711");
  const auto failed = make_reply(question, AuthenticationChoice{AuthenticationStatus::failed, {}});
  EXPECT_EQ(json_of(*failed).at("data").at("authenticate").at("status").as_string(), "failed");
  EXPECT_FALSE(json_of(*failed).at("data").at("authenticate").as_object().contains("token"));
  expect_error(make_reply(question, AuthenticationChoice{AuthenticationStatus::authenticated, {}}), Error::incomplete);
  expect_error(make_reply(question, AuthenticationChoice{AuthenticationStatus::cancelled, Text("x")}),
               Error::not_offered);
}

TEST(Reply, ToACustomAppThereIsNone) {
  expect_error(make_reply(asked(kCustomApp), QuickChoice{0}), Error::not_offered);
}

TEST(Reply, PassesTheGatewaysCheck) {
  const std::pair<std::string, Choice> replies[] = {
      {kListPicker, ListChoice{{Item{0, 0}}}},
      {kTimePicker, TimeChoice{0}},
      {kQuickReply, QuickChoice{0}},
      {kForm, form(page("0"), page("1", "", {0}), page("2", "Ada"), page("4", "", {0}))},
      {kAuthentication, AuthenticationChoice{AuthenticationStatus::authenticated, Text("t")}}};
  for (const auto& [question, choice] : replies) {
    const auto reply = make_reply(asked(question), choice);
    ASSERT_TRUE(reply.has_value()) << question;
    const auto checked = check_reply(reply->json);
    ASSERT_TRUE(checked.has_value()) << to_json(checked.error());
    EXPECT_EQ(as_text(*checked), as_text(reply->json));
    const std::string text(as_text(reply->json));
    for (const std::string pointer : {"/bid", "/data", "/data/requestIdentifier"}) {
      expect_problem(check_reply(as_view(without(text, pointer))), 400, Error::missing, pointer);
    }
    for (const std::string_view other : {"listPicker", "event", "quick-reply", "dynamic", "authenticate"}) {
      if (json_of(*reply).at("data").as_object().contains(other)) continue;
      EXPECT_FALSE(check_reply(as_view(changed(text, "/data/" + std::string(other), "{}"))).has_value()) << other;
    }
  }
  for (const std::string& question : {kListPicker, kTimePicker, kQuickReply, kForm, kAuthentication, kCustomApp}) {
    EXPECT_FALSE(check_reply(as_view(question)).has_value()) << question;
  }
  EXPECT_FALSE(check_reply(as_view("{}")).has_value());
  EXPECT_FALSE(check_reply(as_view("[]")).has_value());
}

// Whatever is chosen of whatever list: an answer has exactly that, or there is none.
TEST(Reply, HoldsForAnyListAndChoice) {
  EXPECT_TRUE(rc::check([](std::uint64_t seed) {
    SeededRandom random(seed);
    std::string sections;
    std::vector<std::pair<std::size_t, bool>> shape;
    for (std::uint64_t s = 0, count = 1 + random.below(4); s < count; ++s) {
      const bool multiple = random.below(2) == 0;
      std::string items;
      const std::size_t size = 1 + random.below(4);
      for (std::size_t i = 0; i < size; ++i) {
        items += (i ? "," : "") + std::string(R"({"identifier":"i","title":"t"})");
      }
      sections += std::string(s ? "," : "") + R"({"multipleSelection":)" + (multiple ? "true" : "false") +
                  R"(,"items":[)" + items + "]}";
      shape.emplace_back(size, multiple);
    }
    const auto question = asked(data_of(R"("listPicker":{"sections":[)" + sections + "]}"));
    ListChoice choice;
    bool valid = false;
    std::vector<std::size_t> of_section(shape.size());
    for (std::uint64_t i = random.below(5); i > 0; --i) choice.items.push_back({random.below(5), random.below(5)});
    valid = !choice.items.empty();
    for (std::size_t i = 0; i < choice.items.size(); ++i) {
      const auto& item = choice.items[i];
      valid = valid && item.section < shape.size() && item.item < shape[item.section].first &&
              std::ranges::count(choice.items, item) == 1 &&
              (++of_section[item.section] == 1 || shape[item.section].second);
    }
    const auto reply = make_reply(question, choice);
    RC_ASSERT(reply.has_value() == valid);
    if (!valid) return;
    std::size_t found = 0;
    const auto value = json_of(*reply);
    for (const auto& section : value.at("data").at("listPicker").at("sections").as_array()) {
      found += section.at("items").as_array().size();
    }
    RC_ASSERT(found == choice.items.size());
    RC_ASSERT(check_reply(reply->json).has_value());
  }));
}

}  // namespace
}  // namespace opaline::msp
