// docs/openapi.json and the running server say the same. What is answered in any other test of the API is held against
// the document, too (ApiTest::ask).
#include "gateway/gateway_test_support.hpp"
#include "msp/gzip.hpp"

namespace opaline::gateway {
namespace {

using namespace testing;

class OpenApiTest : public ApiTest {
 protected:
  /// A call that is accepted (of constructPayload: looked at and refused).
  struct CallOf {
    std::string target;
    net::HttpHeaders headers;
    Bytes body;
  };
  CallOf good(std::string_view path) {
    mine_.outcomes.clear();
    mine_.people[person_] = Outcome::accepted;
    mine_.config_.status_webhooks = true;
    mine_.create_status = wire::v1::CALL_STATUS_OK;
    service_.first = nullptr;
    const std::string target(path);
    const std::string interactive =
        R"("interactiveData":{"bid":")" + std::string(kBid) + R"(","data":{"requestIdentifier":"r",)";
    if (path == "/v1/message") {  // large enough for a file
      return {target, message_headers(),
              to_bytes(body_of("interactive", interactive +
                                                  R"("listPicker":{"sections":[{"title":"Fruit","items":[
              {"identifier":"1","title":"Apple"}]}]},"images":[{"identifier":"0","data":")" +
                                                  msp::to_base64(Bytes(20'000)) +
                                                  R"("}]},"receivedMessage":{"title":"?"}})"))};
    }
    if (path == "/v1/authenticate") {
      return {target, message_headers({{"include-data-ref", "true"}}),
              to_bytes(body_of("interactive", interactive + R"("authenticate":{"oauth2":{"responseType":"code",
              "scope":["email"],"state":"s","redirectURI":"https://shop.example/back"}}},
              "receivedMessage":{"title":"?"}})"))};
    }
    if (path == "/v1/messages/{id}") {
      EXPECT_EQ(message(text_of("x")).status, 200U);
      return {"/v1/messages/" + std::string(kId), headers(), {}};
    }
    if (path == "/v1/preUpload") return {target, headers({{"size", "10"}}), {}};
    if (path == "/v1/upload/{business}/{ticket}") return {target_of(place().first), {}, Bytes(10)};
    if (path == "/v1/preDownload") {
      return {target, headers({{"url", place().second}, {"owner", "o"}, {"signature", msp::to_base64(Bytes(32))}}), {}};
    }
    if (path == "/v1/download/{file}") {
      const auto [upload, url] = place();
      EXPECT_EQ(ask("POST", target_of(upload), {}, Bytes(10)).status, 200U);
      return {"/v1/download/" + url.substr(url.rfind('/') + 1), {}, {}};
    }
    const auto text =
        R"({"v":1,"type":"interactive",)" + interactive +
        R"("quick-reply":{"items":[{"identifier":"y","title":"Yes"},{"identifier":"n","title":"No"}]}}}})";
    if (path == "/v1/encodePayload") return {target, headers(), to_bytes(text)};
    if (path == "/v1/decodePayload") {
      return {target, headers({{"bid", std::string(kBid)}}),
              ask("POST", "/v1/encodePayload", headers(), to_bytes(text)).body};
    }
    EXPECT_EQ(path, "/v1/constructPayload");
    return {target, headers(), to_bytes(R"({"type":"link","link":{"url":"https://a.example"},"version":1.0})")};
  }
  /// preUpload's upload-url and mmcs-url.
  std::pair<std::string, std::string> place() {
    const auto made = json::parse(as_text(ask("GET", "/v1/preUpload", headers({{"size", "10"}})).body));
    return {std::string(made.at("upload-url").as_string()), std::string(made.at("mmcs-url").as_string())};
  }

  static void set(net::HttpHeaders& headers, std::string_view name, std::string_view value) {
    std::erase_if(headers, [name](const auto& one) { return one.name == name; });
    if (!value.empty()) headers.push_back({std::string(name), std::string(value)});
  }
  /// The service answers every request for a file with this.
  void service_says(unsigned status) {
    service_.first = [status](const net::HttpRequest&, net::HttpResponder& responder) {
      responder.respond({.status = status});
      return true;
    };
  }

  /// Changes a good call, or the world, so that this comes of it.
  void bring_about(unsigned status, std::string_view path, CallOf& call) {
    const bool message = path == "/v1/message" || path == "/v1/authenticate";
    const bool upload = path.starts_with("/v1/upload");
    switch (status) {
      case 200:
        return;
      case 400:
        if (path == "/v1/preUpload") return set(call.headers, "size", "many");
        if (path == "/v1/preDownload") return set(call.headers, "url", "");
        if (path == "/v1/constructPayload") return;
        call.body = to_bytes("{");
        return;
      case 401:
        return set(call.headers, "Authorization", "");
      case 403:
        return set(call.headers, "Authorization", "Bearer " + token(theirs_.config()));
      case 404:
        if (message) mine_.people[person_] = Outcome::unknown;
        if (path.starts_with("/v1/messages")) call.target = "/v1/messages/" + std::string(kBusiness);
        if (upload) call.target += "A";
        if (path == "/v1/preDownload") set(call.headers, "url", "https://elsewhere.example/x");
        if (path.starts_with("/v1/download")) call.target = "/v1/download/" + to_base64url(Bytes(32));
        return;
      case 410:
        mine_.people[person_] = Outcome::closed;
        return;
      case 413:
        if (path == "/v1/preUpload") return set(call.headers, "size", std::to_string(msp::kMaxAttachmentBytes + 1));
        call.body = Bytes(upload ? 11 : msp::kMaxPayloadBytes + 1, std::byte{' '});
        return;
      case 429:
        mine_.create_status = wire::v1::CALL_STATUS_QUOTA;
        return upload ? service_says(429) : void();
      case 500:
        if (message) mine_.people[person_] = Outcome::expired;
        if (path == "/v1/preUpload") mine_.create_status = wire::v1::CALL_STATUS_BAD_REQUEST;
        return upload ? service_says(401) : void();
      case 503:
        mine_.create_status = wire::v1::CALL_STATUS_UNAVAILABLE;
        return service_says(503);
      default:
        ADD_FAILURE() << "no way to " << status << " of " << path;
    }
  }
};

TEST_F(OpenApiTest, EveryAnswerThatItNamesIsGiven) {
  std::size_t count = 0;
  for (const Operation& operation : operations()) {
    for (const auto& named : *operation.responses) {
      if (named.key() == "default") continue;
      const auto status = static_cast<unsigned>(std::stoul(named.key()));
      CallOf call = good(operation.path);
      bring_about(status, operation.path, call);
      // ApiTest::ask holds the answer against what is named.
      const auto answer = ask(operation.method, call.target, call.headers, std::move(call.body));
      EXPECT_EQ(answer.status, status) << operation.path << as_text(answer.body);
      if (status >= 400) EXPECT_EQ(answer.header("Content-Type"), "application/json") << operation.path;
      EXPECT_EQ(answer.header("Retry-After").has_value(), status == 429 || status == 503) << operation.path;
      ++count;
    }
  }
  EXPECT_GE(count, 55U);
}

TEST_F(OpenApiTest, EveryPathHasOneMethodAndATokenUnlessItSays) {
  for (const Operation& operation : operations()) {
    for (const std::string method : {"GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"}) {
      if (method == operation.method) continue;
      const CallOf call = good(operation.path);
      const auto answer = ask(method, call.target, call.headers);
      expect_error(answer, 405, "unsupported", method + operation.path);
      EXPECT_EQ(answer.header("Allow"), operation.method);
    }
    std::string name = operation.method;
    std::ranges::transform(name, name.begin(), [](char c) { return static_cast<char>(std::tolower(c)); });
    const auto& written = openapi().at("paths").at(operation.path).at(name).as_object();
    EXPECT_EQ(written.contains("security"), !operation.responses->contains("401")) << operation.path;
  }
}

/// What is refused before a call is looked at has the same form.
TEST_F(OpenApiTest, WhatTheListenerRefuses) {
  expect_error(ask("POST", "/v1/message", message_headers({{"long", std::string(9'000, 'x')}})), 431, "oversized");
  expect_error(post("/v1/message", std::string(100'000, ' '), {}), 413, "oversized");
  for (const auto& status : openapi().at_pointer("/components/responses/Listener/x-statuses").as_array()) {
    const auto code = status.to_number<unsigned>();
    const auto answer = Api::refusal(code);
    EXPECT_EQ(answer.status, code);
    expect_named("POST", "/v1/message", answer);
  }
}

TEST_F(OpenApiTest, ItsExamplesAreAccepted) {
  std::size_t count = 0;
  for (const std::string target : {"/v1/message", "/v1/authenticate"}) {
    const json::value& document = openapi();
    const auto& examples =
        document.at("paths").at(target).at_pointer("/post/requestBody/content/application~1json/examples");
    for (const auto& example : examples.as_object()) {
      std::string body = json::serialize(example.value().at("value"));
      const auto replace = [&body](std::string_view what, const std::string& with) {
        for (std::size_t at = 0; (at = body.find(what, at)) != body.npos; at += with.size()) {
          body.replace(at, what.size(), with);
        }
      };
      replace("urn:mbid:AQAAY2xhdWRl-bm90aGluZw_", person_.text());
      for (int i = 1; i < 4; ++i) {  // places of files
        replace("https://service.example/b/" + std::to_string(i) + "\"",
                url_of(endpoint::BlobId(ByteArray<32>{std::byte(i)}), service_url_) + "\"");
      }
      mine_.outcomes.clear();
      const auto answer = post(target, body, message_headers());
      // A reference without a key, and not of ours: all else is as it should be.
      if (answer.status == 400) {
        EXPECT_EQ(json::parse(as_text(answer.body)).at("pointer"), json::value("/interactiveDataRef/key"))
            << example.key();
      } else {
        EXPECT_EQ(answer.status, 200U) << example.key() << as_text(answer.body);
      }
      ++count;
    }
  }
  EXPECT_GE(count, 13U);
}

}  // namespace
}  // namespace opaline::gateway
