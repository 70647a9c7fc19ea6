#include "msp/interactive.hpp"

#include "msp/base64.hpp"
#include "msp/internal/interactive.hpp"
#include "msp/msp_test_support.hpp"

namespace opaline::msp {
namespace {

using namespace testing;

const std::string kAt = "/interactiveData";
void expect_changed(const std::string& data, const std::string& pointer, std::string_view value, Error error,
                    std::string_view at = {}) {
  SCOPED_TRACE(pointer + " " + std::string(value));
  expect_problem(parse_data(changed(data, pointer, value)), 400, error, kAt + (at.empty() ? pointer : std::string(at)));
}

TEST(Interactive, ListPicker) {
  const auto asked = parse_data(kListPicker);
  ASSERT_TRUE(asked.has_value());
  EXPECT_EQ(asked->bid, kBusinessExtension);
  EXPECT_EQ(asked->request_identifier, "r-1");
  EXPECT_TRUE(asked->live_layout);
  EXPECT_EQ(asked->received->title, "Question");
  EXPECT_EQ(asked->received->style, "small");
  EXPECT_EQ(asked->reply->alternate_title, "Chosen things");
  ASSERT_EQ(asked->images.size(), 1U);
  EXPECT_EQ(asked->images[0].data.size(), 8U);
  const auto& sections = std::get<ListPicker>(asked->kind).sections;
  ASSERT_EQ(sections.size(), 2U);
  EXPECT_TRUE(sections[0].multiple_selection);
  EXPECT_FALSE(sections[1].multiple_selection);
  EXPECT_EQ(sections[0].items[0].subtitle, "red");
  EXPECT_EQ(sections[0].items[1].order, 1);
}

TEST(Interactive, ListPickerOfTheOlderDialect) {
  const auto asked = parse_data(changed(changed(kListPicker, "/data/listPicker/multipleSelection", "true"),
                                        "/data/listPicker/sections/0/multipleSelection", "false"));
  ASSERT_TRUE(asked.has_value());
  const auto& sections = std::get<ListPicker>(asked->kind).sections;
  EXPECT_FALSE(sections[0].multiple_selection);  // says so itself
  EXPECT_TRUE(sections[1].multiple_selection);
}

TEST(Interactive, AsConnectorsWriteThem) {
  // mspVersion or version or neither, null for what is not there, numbers as strings and the other way, images that do
  // not exist.
  EXPECT_TRUE(parse_data(changed(kListPicker, "/data/version", "null")).has_value());
  EXPECT_TRUE(parse_data(changed(kListPicker, "/data/mspVersion", "\"1.0\"")).has_value());
  EXPECT_TRUE(parse_data(changed(kListPicker, "/data/images", "null")).has_value());
  EXPECT_TRUE(parse_data(changed(kListPicker, "/data/images", "[null]")).has_value());
  EXPECT_TRUE(parse_data(changed(kListPicker, "/data/listPicker/sections/0/items/0/subtitle", "null")).has_value());
  EXPECT_TRUE(
      parse_data(changed(kListPicker, "/data/listPicker/sections/0/items/0/imageIdentifier", "\"99\"")).has_value());
  EXPECT_TRUE(parse_data(changed(kListPicker, "/data/listPicker/sections/0/order", "\"3\"")).has_value());
  EXPECT_TRUE(
      parse_data(changed(kListPicker, "/data/listPicker/sections/0/multipleSelection", "\"true\"")).has_value());
  const auto number = parse_data(changed(kListPicker, "/data/listPicker/sections/0/items/0/identifier", "7"));
  ASSERT_TRUE(number.has_value());
  EXPECT_EQ(std::get<ListPicker>(number->kind).sections[0].items[0].identifier, "7");
}

TEST(Interactive, RequiresWhatTheContractRequires) {
  for (const std::string pointer : {"/bid", "/data", "/receivedMessage", "/data/requestIdentifier"}) {
    expect_changed(kListPicker, pointer, "", Error::missing);
  }
  expect_changed(kListPicker, "/data/listPicker", "", Error::missing, "/data");
  const std::pair<std::string, std::vector<std::string>> required[] = {
      {kListPicker,
       {"/data/listPicker/sections", "/data/listPicker/sections/0/items",
        "/data/listPicker/sections/0/items/0/identifier", "/data/listPicker/sections/0/items/0/title",
        "/data/images/0/identifier", "/data/images/0/data"}},
      {kTimePicker,
       {"/data/event/timeslots", "/data/event/timeslots/1/identifier", "/data/event/timeslots/0/startTime"}},
      {kQuickReply,
       {"/data/quick-reply/items", "/data/quick-reply/items/0/identifier", "/data/quick-reply/items/1/title"}},
      {kForm,
       {"/data/dynamic/template", "/data/dynamic/data", "/data/dynamic/data/pages",
        "/data/dynamic/data/pages/1/pageIdentifier", "/data/dynamic/data/pages/1/type",
        "/data/dynamic/data/pages/1/items", "/data/dynamic/data/pages/1/items/0/title"}},
      {kAuthentication,
       {"/data/authenticate/oauth2", "/data/authenticate/oauth2/responseType", "/data/authenticate/oauth2/state",
        "/data/authenticate/oauth2/redirectURI"}},
      {kCustomApp, {"/appName", "/URL", "/receivedMessage"}}};
  for (const auto& [data, pointers] : required) {
    for (const std::string& pointer : pointers) expect_changed(data, pointer, "", Error::missing);
  }
  EXPECT_TRUE(parse_data(kQuickReply).has_value());  // without receivedMessage
}

TEST(Interactive, KeepsToTheSizes) {
  const auto repeat = [](std::string_view one, std::size_t count) {
    std::string out = "[";
    for (std::size_t i = 0; i < count; ++i) out += (i ? "," : "") + std::string(one);
    return out + "]";
  };
  const std::string item = R"({"identifier":"1","title":"x"})";
  const std::string section = R"({"title":"s","items":)" + repeat(item, kMaxSectionItems) + "}";
  EXPECT_TRUE(parse_data(changed(kListPicker, "/data/listPicker/sections", repeat(section, kMaxSections))).has_value());
  expect_changed(kListPicker, "/data/listPicker/sections", repeat(section, kMaxSections + 1), Error::oversized);
  expect_changed(kListPicker, "/data/listPicker/sections/0/items", repeat(item, kMaxSectionItems + 1),
                 Error::oversized);
  expect_changed(kListPicker, "/data/listPicker/sections/0/items", "[]", Error::missing);
  const std::string slot = R"({"identifier":"1","startTime":"2026-11-24T09:00+0000","duration":60})";
  EXPECT_TRUE(parse_data(changed(kTimePicker, "/data/event/timeslots", repeat(slot, kMaxTimeSlots))).has_value());
  expect_changed(kTimePicker, "/data/event/timeslots", repeat(slot, kMaxTimeSlots + 1), Error::oversized);
  for (const std::size_t count : {2U, 5U}) {
    EXPECT_TRUE(parse_data(changed(kQuickReply, "/data/quick-reply/items", repeat(item, count))).has_value());
  }
  expect_changed(kQuickReply, "/data/quick-reply/items", repeat(item, 1), Error::missing);
  expect_changed(kQuickReply, "/data/quick-reply/items", repeat(item, 6), Error::oversized);
  const auto image = [](std::size_t size) { return in_quotes(to_base64(Bytes(size))); };
  EXPECT_TRUE(parse_data(changed(kListPicker, "/data/images/0/data", image(kMaxImageBytes))).has_value());
  expect_changed(kListPicker, "/data/images/0/data", image(kMaxImageBytes + 1), Error::oversized);
  EXPECT_TRUE(parse_data(changed(kCustomApp, "/URL", in_quotes(std::string(kMaxCustomUrlBytes, 'u')))).has_value());
  expect_changed(kCustomApp, "/URL", in_quotes(std::string(kMaxCustomUrlBytes + 1, 'u')), Error::oversized);
  expect_changed(kListPicker, "/receivedMessage/title", in_quotes(std::string(kMaxLabelCharacters + 1, 'u')),
                 Error::oversized);
}

TEST(Interactive, TimePicker) {
  const auto asked = parse_data(kTimePicker);
  ASSERT_TRUE(asked.has_value());
  const auto& event = std::get<TimePicker>(asked->kind);
  EXPECT_EQ(event.timezone_offset, std::chrono::minutes(-480));
  EXPECT_EQ(event.location->latitude, 37.3316);
  EXPECT_EQ(event.slots[1].duration, seconds(1800));
  EXPECT_EQ(event.slots[0].start, std::chrono::sys_days(std::chrono::year(2026) / 11 / 24) + std::chrono::hours(9));
  expect_changed(kTimePicker, "/data/event/timeslots/0/startTime", "\"tomorrow\"", Error::malformed);
  expect_changed(kTimePicker, "/data/event/timeslots/0/duration", "-1", Error::malformed);
  expect_changed(kTimePicker, "/data/event/timezoneOffset", "1441", Error::malformed);
  expect_changed(kTimePicker, "/data/event/location/latitude", "91", Error::malformed);
  EXPECT_TRUE(parse_data(changed(kTimePicker, "/data/event/timezoneOffset", "null"))->json.size() > 0);
}

TEST(Interactive, StartTimes) {
  const Time nine = std::chrono::sys_days(std::chrono::year(2026) / 11 / 24) + std::chrono::hours(9);
  for (const std::string_view text :
       {"2026-11-24T09:00+0000", "2026-11-24T09:00Z", "2026-11-24T11:00+0200", "2026-11-24T11:00:00+02:00",
        "2026-11-24T01:00-0800", "2026-11-24T09:00:00.000Z", "2026-11-23T23:00-1000"}) {
    EXPECT_EQ(internal::parse_start_time(text), nine) << text;
  }
  for (const std::string_view text :
       {"", "2026-11-24", "2026-11-24T09:00", "2026-02-30T09:00Z", "2026-11-24T24:00Z", "2026-11-24T09:60Z",
        "2026-11-24 09:00Z", "2026-13-01T09:00Z", "2026-11-24T09:00+1500", "2026-11-24T09:00Zx", "1969-12-31T23:59Z",
        "2026-11-24T09:00:00.Z", "-026-11-24T09:00Z", "2026-11-24T09:00+", "0000-00-00T00:00Z"}) {
    EXPECT_FALSE(internal::parse_start_time(text).has_value()) << text;
  }
  EXPECT_TRUE(internal::is_date("2024-02-29"));
  EXPECT_FALSE(internal::is_date("2026-02-29"));
  EXPECT_FALSE(internal::is_date("2026-02-28x"));
}

TEST(Interactive, Form) {
  const auto asked = parse_data(kForm);
  ASSERT_TRUE(asked.has_value());
  const auto& form = std::get<Form>(asked->kind);
  EXPECT_EQ(form.start_page, "0");
  EXPECT_TRUE(form.show_summary);
  ASSERT_EQ(form.pages.size(), 5U);
  EXPECT_EQ(form.pages[0].type, FormPageType::splash);
  EXPECT_EQ(form.pages[2].max_characters, 10U);
  EXPECT_TRUE(form.pages[2].required);
  EXPECT_EQ(form.pages[3].type, FormPageType::date_picker);
  EXPECT_TRUE(form.pages[4].submit);
  const std::string pages = "/data/dynamic/data/pages/";
  for (const std::string_view wheel : {"\"wheelPicker\"", "\"pickerWheel\"", "\"picker\""}) {
    const auto other = parse_data(changed(kForm, pages + "4/type", wheel));
    ASSERT_TRUE(other.has_value());
    EXPECT_EQ(std::get<Form>(other->kind).pages[4].type, FormPageType::wheel_picker);
  }
  expect_changed(kForm, pages + "4/type", "\"signature\"", Error::malformed);
  expect_changed(kForm, pages + "0/nextPageIdentifier", "\"9\"", Error::mismatch);
  expect_changed(kForm, pages + "1/items/0/nextPageIdentifier", "\"9\"", Error::mismatch, pages + "1/items");
  expect_changed(kForm, pages + "1/pageIdentifier", "\"2\"", Error::mismatch, pages + "0/nextPageIdentifier");
  expect_changed(kForm, "/data/dynamic/data/startPageIdentifier", "\"9\"", Error::mismatch);
  const auto unnamed = parse_data(changed(kForm, "/data/dynamic/data/startPageIdentifier", ""));
  ASSERT_TRUE(unnamed.has_value());  // then it is page "0"
  EXPECT_EQ(std::get<Form>(unnamed->kind).start_page, "0");
  expect_changed(kForm, "/data/dynamic/template", "\"other\"", Error::unsupported);
  expect_changed(kForm, "/data/dynamic/version", "\"2.0\"", Error::unsupported);
  expect_changed(kForm, pages + "2/options/inputType", "\"drawing\"", Error::malformed);
  // No page of its own name twice.
  expect_changed(changed(kForm, pages + "3/nextPageIdentifier", "null"), pages + "3/pageIdentifier", "\"4\"",
                 Error::mismatch, pages + "1/items");
}

TEST(Interactive, Authentication) {
  const auto asked = parse_data(kAuthentication);
  ASSERT_TRUE(asked.has_value());
  const auto& oauth2 = std::get<Authentication>(asked->kind);
  EXPECT_EQ(oauth2.state, "st-4711");
  EXPECT_EQ(oauth2.redirect_uri, "https://shop.example/back");
  ASSERT_EQ(oauth2.scope.size(), 2U);
  const std::string at = "/data/authenticate/oauth2/";
  expect_changed(kAuthentication, at + "responseType", "\"token\"", Error::unsupported);
  expect_changed(kAuthentication, at + "redirectURI", "\"http://shop.example/\"", Error::malformed);
  expect_changed(kAuthentication, at + "redirectURI", "\"javascript:1\"", Error::malformed);
  expect_changed(kAuthentication, at + "responseEncryptionKey", "\"BFz9\"", Error::unsupported);
}

TEST(Interactive, CustomApp) {
  const auto asked = parse_data(kCustomApp);
  ASSERT_TRUE(asked.has_value());
  const auto& app = std::get<CustomApp>(asked->kind);
  EXPECT_EQ(app.app_id, "1234");
  EXPECT_EQ(app.url, "?name=one");
  EXPECT_EQ(asked->session_identifier, "s-9");
  expect_changed(kCustomApp, "/data", R"({"listPicker":{}})", Error::unsupported);
  for (const std::string_view bid : {"\"com.example.app\"", "\"com.apple.messages.MSMessageExtensionBalloonPlugin:\"",
                                     "\"com.apple.messages.MSMessageExtensionBalloonPlugin:ABCDE12345:\"",
                                     "\"com.apple.messages.MSMessageExtensionBalloonPlugin::com.example\""}) {
    expect_changed(kCustomApp, "/bid", bid, Error::malformed);
  }
}

TEST(Interactive, HasNoApplePay) {
  const auto refused = parse_data(changed(kListPicker, "/data/payment", R"({"merchantSession":{}})"));
  expect_problem(refused, 400, Error::unsupported, kAt + "/data/payment");
  EXPECT_NE(refused.error().message.find("Apple Pay"), std::string_view::npos);
  expect_problem(parse_data(data_of(R"("payment":{"paymentRequest":{}})")), 400, Error::unsupported,
                 kAt + "/data/payment");
}

TEST(Interactive, IsOfOneKind) {
  expect_changed(kListPicker, "/data/event", "{}", Error::malformed);
  expect_changed(kListPicker, "/data/version", "\"2.0\"", Error::unsupported);
  expect_changed(kListPicker, "/data/mspVersion", "[]", Error::malformed);
  expect_changed(kListPicker, "/receivedMessage/style", "\"huge\"", Error::malformed);
}

TEST(Interactive, JsonIsCanonical) {
  for (const std::string& data : {kListPicker, kTimePicker, kQuickReply, kForm, kAuthentication, kCustomApp}) {
    const auto asked = parse_data(data);
    ASSERT_TRUE(asked.has_value());
    const auto again = parse_interactive(asked->json, Uuid{});
    ASSERT_TRUE(again.has_value());
    EXPECT_EQ(as_text(again->json), as_text(asked->json));
    EXPECT_EQ(again->session_identifier, asked->session_identifier);
    EXPECT_EQ(again->kind.index(), asked->kind.index());
    EXPECT_EQ(as_text(asked->json).find('\n'), std::string_view::npos);
  }
  // What this version does not know is carried.
  const auto more = parse_data(changed(kListPicker, "/data/future", R"({"a":[1,"x"]})"));
  ASSERT_TRUE(more.has_value());
  EXPECT_NE(as_text(more->json).find(R"("future":{"a":[1,"x"]})"), std::string_view::npos);
}

}  // namespace
}  // namespace opaline::msp
