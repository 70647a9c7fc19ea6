#pragma once
// A service that keeps blobs, a business that remembers what it was asked, and the MSP API in front of both: real
// servers and sockets on one loop.
#include <gmock/gmock.h>

#include <boost/json.hpp>

#include "gateway/api.hpp"
#include "gateway/openapi_test_support.hpp"
#include "msp/base64.hpp"
#include "msp/jwt.hpp"
#include "net/net_test_support.hpp"
#include "proto/device.pb.h"

namespace opaline::gateway::testing {

namespace json = boost::json;

/// The service's /v1/blobs (docs/device-api.md), with faults on demand.
class FakeService {
 public:
  struct Blob {
    std::uint64_t size = 0;
    std::string token;  ///< base64url
    Bytes bytes;
  };
  explicit FakeService(net::EventLoop& loop) : loop_(loop) { listen(0); }

  [[nodiscard]] net::Url url() const {
    return {.tls = false, .host = "127.0.0.1", .port = server_->port(), .target = "/"};
  }
  Files::Place make(std::uint64_t size) {
    const auto id = random_.id<endpoint::BlobId>();
    const auto token = random_.bytes<32>();
    blobs[to_base64url(id.view())] = {.size = size, .token = to_base64url(token), .bytes = {}};
    return {.blob = id, .upload_token = token};
  }
  Blob& at(const endpoint::BlobId& id) { return blobs.at(to_base64url(id.view())); }
  /// Every connection is cut, and new ones are taken at once.
  void restart() {
    const std::uint16_t port = server_->port();
    server_.reset();
    listen(port);
  }
  void stop() { server_.reset(); }

  std::map<std::string, Blob> blobs;
  /// Before the request is served: true if it answered itself, or cut the line.
  std::function<bool(const net::HttpRequest&, net::HttpResponder&)> first;
  /// Instead of the right answer.
  std::function<void(const net::HttpRequest&, net::HttpResponse&)> alter;
  std::size_t puts = 0, gets = 0;

 private:
  void listen(std::uint16_t port) {
    net::HttpServerOptions options;
    options.address = {.ip = "127.0.0.1", .port = port};
    options.max_body_bytes = std::size_t{1} << 20;
    server_ = std::move(*net::HttpServer::start(loop_, std::move(options),
                                                [this](const net::HttpRequest& request, net::HttpResponder responder) {
                                                  if (first && first(request, responder)) return;
                                                  auto answer = serve(request);
                                                  if (alter) alter(request, answer);
                                                  responder.respond(std::move(answer));
                                                }));
  }
  static std::uint64_t number(std::string_view query, std::string_view name) {
    const std::size_t at = query.find(std::string(name) + "=");
    return at == query.npos ? 0 : std::stoull(std::string(query.substr(at + name.size() + 1)));
  }
  net::HttpResponse serve(const net::HttpRequest& request) {
    const std::string path(request.path());
    const std::string name = path.substr(10, 43);
    const auto found = blobs.find(name);
    if (found == blobs.end()) return {.status = 404};
    Blob& blob = found->second;
    const std::uint64_t offset = number(request.query(), "offset");
    const auto here = [&] { return std::to_string(blob.bytes.size()); };
    if (request.method == "PUT") {
      ++puts;
      if (request.header("Opaline-Upload") != blob.token) return {.status = 404};
      if (offset != blob.bytes.size()) return {.status = 409, .headers = {{"Opaline-Offset", here()}}};
      if (offset + request.body.size() > blob.size) return {.status = 413};
      append(blob.bytes, request.body);
      return {.status = blob.bytes.size() == blob.size ? 201U : 202U, .headers = {{"Opaline-Offset", here()}}};
    }
    if (path.ends_with("/offset")) {
      if (request.header("Opaline-Upload") != blob.token) return {.status = 404};
      return {.headers = {{"Opaline-Offset", here()}, {"Opaline-Size", std::to_string(blob.size)}}};
    }
    ++gets;
    if (blob.bytes.size() != blob.size) return {.status = 404};
    const auto rest = ByteView(blob.bytes).subspan(std::min<std::size_t>(offset, blob.size));
    const std::size_t length = std::min<std::size_t>(number(request.query(), "length"), rest.size());
    return {.headers = {{"Opaline-Size", std::to_string(blob.size)}}, .body = to_bytes(rest.first(length))};
  }

  net::EventLoop& loop_;
  SeededRandom random_{17};
  std::unique_ptr<net::HttpServer> server_;
};

class FakeBusiness final : public BusinessPort {
 public:
  FakeBusiness(FakeService& service, BusinessConfig config) : service_(service), config_(std::move(config)) {}

  [[nodiscard]] const BusinessConfig& config() const override { return config_; }
  void send(Prepared message, std::chrono::nanoseconds, std::function<void(Outcome)> done) override {
    const auto id = message.id;
    if (const auto before = outcomes.find(id); before != outcomes.end()) return done(before->second);
    const auto person = people.find(message.to);
    outcomes[id] = person == people.end() ? Outcome::unknown : person->second;
    sent.push_back(std::move(message));
    done(outcomes[id]);
  }
  [[nodiscard]] Outcome typing(const credentials::OpaqueId& to, bool active) override {
    typed.push_back(active);
    const auto person = people.find(to);
    return person == people.end() ? Outcome::unknown : person->second;
  }
  [[nodiscard]] std::optional<Outcome> status(const msp::Uuid& message) override {
    const auto found = outcomes.find(message);
    return found == outcomes.end() ? std::nullopt : std::optional(found->second);
  }
  void call(std::uint16_t method, ByteView body, uplink::CallDone done) override {
    EXPECT_EQ(method, wire::v1::METHOD_BLOB_CREATE);
    wire::v1::BlobCreateRequest request;
    EXPECT_TRUE(request.ParseFromArray(body.data(), static_cast<int>(body.size())));
    EXPECT_EQ(request.release_hashes_size(), 1);
    ++creates;
    if (create_status != wire::v1::CALL_STATUS_OK) {
      wire::v1::Failure failure;
      failure.set_retry_after_seconds(77);
      return done({static_cast<std::uint16_t>(create_status), to_bytes(failure.SerializeAsString())});
    }
    const auto place = service_.make(request.size());
    wire::v1::BlobCreateReply reply;
    reply.set_blob(place.blob.view().data(), 32);
    reply.set_upload_token(place.upload_token.data(), 32);
    done({wire::v1::CALL_STATUS_OK, to_bytes(reply.SerializeAsString())});
  }

  std::map<credentials::OpaqueId, Outcome> people;
  std::map<msp::Uuid, Outcome> outcomes;
  std::vector<Prepared> sent;
  std::vector<bool> typed;
  wire::v1::CallStatus create_status = wire::v1::CALL_STATUS_OK;
  std::size_t creates = 0;

 private:
  FakeService& service_;

 public:
  BusinessConfig config_;
};

inline credentials::OpaqueId opaque_id(std::uint8_t seed) {
  return credentials::OpaqueId(SeededRandom(seed).bytes<credentials::kOpaqueIdBytes>());
}
inline constexpr std::string_view kBusiness = "0f6a1b2c-3d4e-5f60-8192-a3b4c5d6e7f8";
inline constexpr std::string_view kOtherBusiness = "0f6a1b2c-3d4e-5f60-8192-a3b4c5d6e7f9";
inline constexpr std::string_view kId = "6b1d2c3e-9f80-4a1b-8c7d-112233445566";
inline constexpr std::string_view kBid =
    "com.apple.messages.MSMessageExtensionBalloonPlugin:0000000000:com.apple.icloud.apps.messages.business.extension";

inline BusinessConfig settings(std::string_view id, std::string_view msp_id, char secret) {
  return *parse_business(*msp::parse_uuid(id), "Shop",
                         R"({"webhook":"https://shop.example/hook","msp":{"id":")" + std::string(msp_id) +
                             R"(","secret":")" + msp::to_base64(Bytes(32, std::byte(secret))) + R"("}})");
}

/// The API over TLS, two MSPs with a business each.
class ApiTest : public ::testing::Test, public Businesses {
 protected:
  ApiTest() {
    mine_.people[person_] = Outcome::accepted;
    net::HttpServerOptions options;
    options.address = {.ip = "127.0.0.1"};
    options.tls = &server_tls_;
    options.body_limit = [this](const net::HttpRequest& head) { return api_->body_limit(head); };
    options.refusal = Api::refusal;
    server_ = std::move(*net::HttpServer::start(loop_, std::move(options),
                                                [this](net::HttpRequest request, net::HttpResponder responder) {
                                                  api_->handle(std::move(request), std::move(responder));
                                                }));
    const std::string base = "https://localhost:" + std::to_string(server_->port());
    api_.emplace(clock_, random_, *this, files_, Api::Options{.base_url = base + "/"});
    client_.emplace(loop_, net::HttpClientOptions{.origin = *net::Url::parse(base),
                                                  .tls = &client_tls_,
                                                  .max_response_bytes = std::size_t{128} << 20});
  }
  ~ApiTest() override = default;

  BusinessPort* find(const msp::Uuid& id) override {
    for (FakeBusiness* const one : {&mine_, &theirs_}) {
      if (one->config().id == id) return one;
    }
    return nullptr;
  }
  std::vector<BusinessPort*> of_msp(std::string_view msp_id) override {
    std::vector<BusinessPort*> out;
    for (FakeBusiness* const one : {&mine_, &theirs_}) {
      if (one->config().msp_id == msp_id) out.push_back(one);
    }
    return out;
  }

  [[nodiscard]] static std::string token(const BusinessConfig& business, Time issued = SystemClock().now()) {
    return msp::make_token(msp::TokenUse::call_of_msp, business.msp_id, issued,
                           *msp::TokenKey::from_secret(business.msp_secret));
  }
  [[nodiscard]] net::HttpHeaders headers(net::HttpHeaders more = {}) const {
    net::HttpHeaders out{{"Authorization", "Bearer " + token(mine_.config())}, {"Source-ID", std::string(kBusiness)}};
    out.insert(out.end(), more.begin(), more.end());
    return out;
  }
  [[nodiscard]] net::HttpHeaders message_headers(net::HttpHeaders more = {}) const {
    more.insert(more.begin(), {{"id", std::string(kId)}, {"destination-id", person_.text()}});
    return headers(std::move(more));
  }
  /// Whatever is answered, docs/openapi.json names it.
  net::HttpResponse ask(std::string method, std::string target, net::HttpHeaders with, Bytes body = {}) {
    net::HttpResponse answer = ask_unchecked(method, target, std::move(with), std::move(body));
    if (answer.status != 0) expect_named(method, target, answer);
    return answer;
  }
  net::HttpResponse ask_unchecked(std::string method, std::string target, net::HttpHeaders with, Bytes body) {
    std::optional<Result<net::HttpResponse, net::NetError>> out;
    client_->request(
        {.method = std::move(method), .target = std::move(target), .headers = std::move(with), .body = std::move(body)},
        [&](Result<net::HttpResponse, net::NetError> answer) { out = std::move(answer); });
    loop_.run_until([&] { return out.has_value(); });
    if (*out) return std::move(**out);
    ADD_FAILURE() << net::name(out->error());
    return {.status = 0};
  }
  net::HttpResponse post(std::string target, std::string_view body, net::HttpHeaders with) {
    return ask("POST", std::move(target), std::move(with), to_bytes(body));
  }
  net::HttpResponse message(std::string_view body, net::HttpHeaders more = {}) {
    return post("/v1/message", body, message_headers(std::move(more)));
  }
  /// What a URL that the API gave out begins with is its own base.
  static std::string target_of(std::string_view url) { return net::Url::parse(url)->target; }
  static std::string body_of(std::string_view type, std::string_view more = {}) {
    return R"({"v":1,"id":")" + std::string(kId) + R"(","type":")" + std::string(type) + "\"" +
           (more.empty() ? "" : ",") + std::string(more) + "}";
  }
  static std::string text_of(std::string_view words) {
    return body_of("text", "\"body\":" + json::serialize(json::value(words)));
  }
  static void expect_error(const net::HttpResponse& answer, unsigned status, std::string_view error,
                           const std::string& where = {}) {
    EXPECT_EQ(answer.status, status) << where << as_text(answer.body);
    ASSERT_EQ(answer.header("Content-Type"), "application/json") << where << as_text(answer.body);
    const auto body = json::parse(as_text(answer.body));
    EXPECT_EQ(body.at("error"), json::value(error)) << where << body;
    EXPECT_FALSE(body.at("message").get_string().empty());
    EXPECT_EQ(answer.header("Retry-After").has_value(), status == 429 || status == 503) << where;
  }

  SystemClock clock_;
  SeededRandom random_{3};
  net::TemporaryFolder folder_;
  net::TestAuthority authority_{folder_};
  net::TlsServerContext server_tls_ = authority_.server_context(net::TlsVersion::tls_1_2);
  net::TlsClientContext client_tls_ = authority_.client_context();
  net::EventLoop loop_{clock_};
  FakeService service_{loop_};
  const net::Url service_url_ = service_.url();
  Files files_{loop_, random_, service_url_, client_tls_, {.first_wait = milliseconds(1), .max_failures = 3}};
  FakeBusiness mine_{service_, settings(kBusiness, "msp-1", 'a')};
  FakeBusiness theirs_{service_, settings(kOtherBusiness, "msp-2", 'b')};
  const credentials::OpaqueId person_ = opaque_id(5);
  std::optional<Api> api_;
  std::unique_ptr<net::HttpServer> server_;
  std::optional<net::HttpClient> client_;
};

}  // namespace opaline::gateway::testing
