#pragma once
// For tests: the bridge between a Kannel and a gateway of ours, all over real sockets.
#include <gmock/gmock.h>

#include "msp/headers.hpp"
#include "msp/message.hpp"
#include "net/net_test_support.hpp"
#include "operators/test_support/memory_rows.hpp"
#include "sms/carrier_http.hpp"

namespace opaline::sms::testing {

inline constexpr std::string_view kBusiness = "0f6a1b2c-3d4e-5f60-8192-a3b4c5d6e7f8";
inline constexpr std::string_view kMsp = "msp-1";
inline constexpr std::string_view kSecret = "q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s=";
inline constexpr std::string_view kAnna = "urn:mbid:AQAAanna", kMaria = "urn:mbid:AQAAmaria";
inline constexpr std::string_view kKannelSecret = "0123456789abcdef";

inline msp::Uuid message(std::uint8_t number) {
  ByteArray<16> bytes{};
  bytes.back() = std::byte{number};
  return msp::Uuid(bytes);
}
inline std::string hex(std::uint8_t number) {
  return MessageId(message(number).view()).hex();
}

class SmsTest : public ::testing::Test {
 protected:
  /// What the gateway was given.
  struct Got {
    std::string id, person, text;
    friend bool operator==(const Got&, const Got&) = default;
  };

  SmsTest() {
    kannel_server_ = serve(nullptr, [this](net::HttpRequest request, net::HttpResponder responder) {
      if (on_kannel) on_kannel(request);
      to_kannel.push_back(std::move(request));
      if (kannel_is_silent) {
        silent.push_back(std::move(responder));
      } else {
        responder.respond(net::text_response(kannel_status, "text/html", "0: Accepted for delivery"));
      }
    });
    gateway_server_ = serve(&server_tls_, [this](const net::HttpRequest& request, net::HttpResponder responder) {
      ++gateway_requests;
      if (gateway_status == 200) take(request);
      responder.respond(net::text_response(gateway_status, "application/json", ""));
    });
    kannel_ = std::move(Kannel::create(loop_,
                                       {.url = url("http", *kannel_server_) + "/cgi-bin/sendsms",
                                        .user = "opaline",
                                        .password = to_secret_bytes(as_view("pw")),
                                        .sender = "12345"},
                                       nullptr)
                            .value());
    gateway_ = std::move(GatewayApi::create(loop_, system_,
                                            {.url = url("https", *gateway_server_),
                                             .business = *msp::parse_uuid(kBusiness),
                                             .msp_id = std::string(kMsp),
                                             .msp_secret = std::string(kSecret)},
                                            client_tls_)
                             .value());
    start();
    kannel_door_server_ = serve(nullptr, [this](net::HttpRequest request, net::HttpResponder responder) {
      KannelDoor(std::string(kKannelSecret), *bridge_).handle(std::move(request), std::move(responder));
    });
  }

  /// As a crash and a new start do: what was in memory is lost.
  void start() {
    bridge_.reset();
    silent.clear();
    texts_.emplace(sealed_, store::VaultKey{}, clock_);
    budgets_.emplace(sealed_, clock_, limits);
    bridge_.emplace(Bridge::Ports{loop_, *kannel_, *budgets_, *texts_, *gateway_, clock_, random_, log_},
                    "http://127.0.0.1:1/secret/report");
    EXPECT_TRUE(bridge_->resume());
  }

  [[nodiscard]] bool write(std::uint8_t number, std::string_view text, std::string_view person = kAnna,
                           std::size_t attachments = 0) {
    return bridge_->take({.id = message(number),
                          .person = std::string(person),
                          .business = *msp::parse_uuid(kBusiness),
                          .content = msp::PersonText{.body = msp::Text(text), .attachments = attachments}});
  }
  void until(const std::function<bool()>& done) { ASSERT_TRUE(loop_.run_until(done)); }
  void until_told(std::size_t count) {
    until([&] { return told.size() >= count; });
  }
  /// Nothing is under way any more.
  void settle() {
    until([&] { return bridge_->untold() == 0; });
  }
  /// A request as Kannel makes it; its status.
  unsigned kannel_says(std::string method, std::string target, net::HttpHeaders headers = {}, Bytes body = {}) {
    net::HttpClient client(loop_, {.origin = *net::Url::parse(url("http", *kannel_door_server_))});
    std::optional<unsigned> status;
    client.request(
        {.method = std::move(method),
         .target = std::move(target),
         .headers = std::move(headers),
         .body = std::move(body)},
        [&](const Result<net::HttpResponse, net::NetError>& answer) { status = answer ? answer->status : 0; });
    EXPECT_TRUE(loop_.run_until([&] { return status.has_value(); }));
    return *status;
  }
  unsigned report(std::uint8_t number, unsigned bits) {
    return kannel_says(
        "GET", "/" + std::string(kKannelSecret) + "/report?id=" + hex(number) + "&bits=" + std::to_string(bits));
  }
  unsigned reply(std::string_view from, std::string_view text, std::string_view id = "k-1",
                 std::string_view type = "text/plain; charset=\"UTF-8\"") {
    return kannel_says("POST", "/" + std::string(kKannelSecret) + "/reply?id=" + std::string(id),
                       {{"X-Kannel-From", std::string(from)}, {"Content-Type", std::string(type)}}, to_bytes(text));
  }
  [[nodiscard]] std::string last_told() const { return told.empty() ? "(nothing)" : told.back().text; }
  [[nodiscard]] std::string last_person() const { return told.empty() ? "(nobody)" : told.back().person; }

  static std::string url(std::string_view scheme, const net::HttpServer& server) {
    return std::string(scheme) + "://localhost:" + std::to_string(server.port());
  }

  SystemClock system_;
  net::EventLoop loop_{system_};
  net::TemporaryFolder folder_;
  net::TestAuthority authority_{folder_};
  net::TlsServerContext server_tls_ = authority_.server_context(net::TlsVersion::tls_1_2);
  net::TlsClientContext client_tls_ = authority_.client_context();

  std::vector<net::HttpRequest> to_kannel;
  std::function<void(const net::HttpRequest&)> on_kannel;
  unsigned kannel_status = 202;
  bool kannel_is_silent = false;
  std::vector<net::HttpResponder> silent;
  std::vector<Got> told;
  unsigned gateway_status = 200;
  std::size_t gateway_requests = 0;

  BudgetLimits limits{.per_day = 50, .per_country_day = 30, .per_person_day = 10};
  operators::MemoryRows rows_;
  SeededRandom random_{1};
  store::SealedRows sealed_{rows_, store::VaultKey{}, store::VaultKey{}, random_};
  ManualClock clock_{from_unix_millis(1'767'225'600'000)};
  NullLog log_;
  std::unique_ptr<net::HttpServer> kannel_server_, gateway_server_, kannel_door_server_;
  std::unique_ptr<Kannel> kannel_;
  std::unique_ptr<GatewayApi> gateway_;
  std::optional<Texts> texts_;
  std::optional<Budgets> budgets_;
  std::optional<Bridge> bridge_;

 private:
  std::unique_ptr<net::HttpServer> serve(const net::TlsServerContext* tls, net::HttpHandler handler) {
    net::HttpServerOptions options;
    options.address = {.ip = "127.0.0.1", .port = 0};
    options.tls = tls;
    return std::move(net::HttpServer::start(loop_, std::move(options), std::move(handler)).value());
  }
  /// Only what a real gateway would take; an id counts once.
  void take(const net::HttpRequest& request) {
    std::vector<msp::HeaderField> fields;
    for (const auto& header : request.headers) fields.push_back({header.name, header.value});
    const auto token = msp::bearer_token(fields);
    ASSERT_TRUE(token);
    ASSERT_TRUE(msp::verify_token(*token, msp::TokenUse::call_of_msp, kMsp, *msp::TokenKey::from_secret(kSecret), {},
                                  system_.now()));
    const auto parsed = msp::parse_message(fields, request.body);
    ASSERT_TRUE(parsed);
    EXPECT_EQ(request.path(), "/v1/message");
    const Got got{msp::to_text(parsed->headers.id), parsed->headers.destination,
                  std::string(std::get<msp::TextMessage>(parsed->content).body.view())};
    const bool again = std::ranges::any_of(told, [&](const Got& each) { return each.id == got.id; });
    if (!again) told.push_back(got);
  }
};

}  // namespace opaline::sms::testing
