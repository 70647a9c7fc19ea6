#pragma once
// Messages of the contract, and ways to damage them.
#include <gmock/gmock.h>

#include <boost/json.hpp>

#include "msp/message.hpp"

namespace opaline::msp::testing {

namespace json = boost::json;

inline constexpr std::string_view kBusinessId = "0f6a1b2c-3d4e-5f60-8192-a3b4c5d6e7f8";
inline constexpr std::string_view kPersonId = "urn:mbid:AQAAY2xhdWRl-bm90aGluZw_";
inline constexpr std::string_view kMessageId = "6b1d2c3e-9f80-4a1b-8c7d-112233445566";
inline constexpr std::string_view kBid =
    "com.apple.messages.MSMessageExtensionBalloonPlugin:0000000000:com.apple.icloud.apps.messages.business.extension";

inline std::vector<HeaderField> message_headers() {
  return {{"Content-Type", "application/json"},
          {"id", kMessageId},
          {"Source-Id", kBusinessId},
          {"destination-id", kPersonId}};
}

/// The value at a pointer of the text's document replaced by `value`; empty: taken out.
inline std::string changed(std::string_view text, std::string_view pointer, std::string_view value) {
  json::value root = json::parse(text);
  if (pointer.empty()) return std::string(value);
  const std::size_t slash = pointer.rfind('/');
  json::value* up = &root;
  std::string_view rest = pointer.substr(0, slash);
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('/', 1), rest.size());
    const std::string_view step = rest.substr(1, end - 1);
    up = up->is_array() ? &up->get_array().at(std::stoul(std::string(step))) : &up->get_object().at(step);
    rest.remove_prefix(end);
  }
  const std::string_view last = pointer.substr(slash + 1);
  if (up->is_array()) {
    const std::size_t index = std::stoul(std::string(last));
    if (value.empty()) {
      up->get_array().erase(up->get_array().begin() + static_cast<std::ptrdiff_t>(index));
    } else {
      up->get_array().at(index) = json::parse(value);
    }
  } else if (value.empty()) {
    EXPECT_EQ(up->get_object().erase(last), 1U) << pointer;
  } else {
    up->get_object()[last] = json::parse(value);
  }
  return json::serialize(root);
}
inline std::string without(std::string_view text, std::string_view pointer) {
  return changed(text, pointer, {});
}

inline std::string in_quotes(std::string_view text) {
  return json::serialize(json::value(text));
}

/// A body of a type, with more members after the common ones.
inline std::string body_of(std::string_view type, std::string_view more) {
  return "{\"id\":" + in_quotes(kMessageId) + ",\"v\":1,\"type\":" + in_quotes(type) +
         ",\"sourceId\":" + in_quotes(kBusinessId) + ",\"destinationId\":" + in_quotes(kPersonId) +
         (more.empty() ? "" : ",") + std::string(more) + "}";
}

inline Result<Outbound, Problem> parse(std::string_view body) {
  const auto headers = message_headers();
  return parse_message(headers, as_view(body));
}
inline Result<Interactive, Problem> parse_data(std::string_view interactive_data) {
  return parse_interactive(as_view(interactive_data), *parse_uuid(kMessageId), "/interactiveData");
}

template <class T>
void expect_problem(const Result<T, Problem>& result, unsigned status, Error error, std::string_view pointer) {
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().status, status);
  EXPECT_EQ(name(result.error().error), name(error));
  EXPECT_EQ(result.error().pointer, pointer);
  EXPECT_FALSE(result.error().message.empty());
}

inline std::string data_of(std::string_view kind, std::string_view more = {}) {
  return R"({"bid":)" + in_quotes(kBid) + R"(,"data":{"version":"1.0","requestIdentifier":"r-1",)" + std::string(kind) +
         R"(},"receivedMessage":{"title":"Question","subtitle":"Please choose","style":"small"})" + std::string(more) +
         "}";
}

inline const std::string kListPicker = data_of(
    R"("listPicker":{"sections":[{"title":"Fruit","order":0,"multipleSelection":true,"items":[
         {"identifier":"1","title":"Apple","subtitle":"red","order":0,"style":"default","imageIdentifier":"0"},
         {"identifier":"2","title":"Pear","order":1}]},
         {"title":"Drink","order":1,"items":[{"identifier":"1","title":"Tea"},{"identifier":"2","title":"Water"}]}]},
       "images":[{"identifier":"0","data":"iVBORw0KGgo=","description":"an apple"}])",
    R"(,"replyMessage":{"title":"Chosen","style":"icon","alternateTitle":"Chosen things"},"useLiveLayout":true)");

inline const std::string kTimePicker = data_of(
    R"("event":{"identifier":"e","title":"Visit","timezoneOffset":-480,
        "location":{"latitude":37.3316,"longitude":-122.0301,"radius":100,"title":"Shop"},
        "timeslots":[{"identifier":"0","startTime":"2026-11-24T09:00+0000","duration":3600},
                     {"identifier":"1","startTime":"2026-11-24T11:00+0000","duration":1800}]})");

inline const std::string kQuickReply =
    R"({"bid":)" + in_quotes(kBid) + R"(,"data":{"mspVersion":"1.0","requestIdentifier":"r-1","quick-reply":
      {"summaryText":"Was it good?","items":[{"identifier":"y","title":"Yes"},{"identifier":"n","title":"No"}]}}})";

inline const std::string kForm = data_of(
    R"("dynamic":{"version":"1.2","template":"messageForms","data":{"startPageIdentifier":"0","showSummary":true,"pages":[
        {"pageIdentifier":"0","type":"splash","title":"Hello","nextPageIdentifier":"1"},
        {"pageIdentifier":"1","type":"select","title":"Where?","subtitle":"one","multipleSelection":false,"items":[
           {"title":"Here","value":"here","identifier":"h","nextPageIdentifier":"2"},
           {"title":"There","value":"there","identifier":"t","nextPageIdentifier":"3"}]},
        {"pageIdentifier":"2","type":"input","title":"Name?","nextPageIdentifier":"4","options":
           {"required":true,"inputType":"singleline","keyboardType":"default","placeholder":"Ada","maximumCharacterCount":10}},
        {"pageIdentifier":"3","type":"datePicker","title":"When?","nextPageIdentifier":"4"},
        {"pageIdentifier":"4","type":"select","title":"What?","multipleSelection":true,"submitForm":true,"items":[
           {"title":"One","value":"1","identifier":"1"},{"title":"Two","value":"2","identifier":"2"}]}]}})");

inline const std::string kAuthentication = data_of(
    R"("authenticate":{"oauth2":{"responseType":"code","scope":["profile","email"],"state":"st-4711",
        "redirectURI":"https://shop.example/back"}})");

inline const std::string kCustomApp =
    R"({"bid":"com.apple.messages.MSMessageExtensionBalloonPlugin:ABCDE12345:com.example.app","appId":1234,
        "appName":"Example","URL":"?name=one","sessionIdentifier":"s-9","receivedMessage":{"title":"Look"}})";

}  // namespace opaline::msp::testing
