// The admin socket, over a real one.
#include "gateway/admin.hpp"

#include <gmock/gmock.h>
#include <unistd.h>

#include <boost/json.hpp>

#include "net/http_client.hpp"
#include "net/net_test_support.hpp"

namespace opaline::gateway {
namespace {

namespace json = boost::json;
using ::testing::HasSubstr;
using ::testing::Not;

class FakeBox final : public DeadLetterBox {
 public:
  explicit FakeBox(const msp::Uuid& id) : id_(id) {}
  [[nodiscard]] const msp::Uuid& id() const override { return id_; }
  [[nodiscard]] std::vector<DeadLetter> dead_letters() const override { return letters; }
  [[nodiscard]] Result<Store::Retry, endpoint::StoreError> retry(const msp::Uuid& message) override {
    if (broken) return fail(endpoint::StoreError::failed);
    const auto found =
        std::ranges::find_if(letters, [&](const auto& one) { return equal(one.message, message.view()); });
    if (found == letters.end()) return Store::Retry::unknown;
    if (!found->kept) return Store::Retry::lost;
    letters.erase(found);
    return Store::Retry::queued;
  }
  std::vector<DeadLetter> letters;
  bool broken = false;

 private:
  msp::Uuid id_;
};

class AdminTest : public ::testing::Test {
 protected:
  AdminTest() {
    net::HttpServerOptions options;
    options.address.unix_path = path_;
    server_ = std::move(*net::HttpServer::start(
        loop_, std::move(options), [this](const net::HttpRequest& request, net::HttpResponder responder) {
          serve_admin(request, std::move(responder),
                      {.own_user = user_, .businesses = {&one_, &other_}, .confirm_clock = [this] {
                         return ++confirmed_ < 2;
                       }});
        }));
    client_.emplace(loop_,
                    net::HttpClientOptions{.origin = {.tls = false, .host = "localhost", .port = 80, .target = "/"},
                                           .unix_path = path_});
  }
  DeadLetter letter(bool kept = true) {
    return {.message = random_.bytes<16>(),
            .refusal = Refusal::not_found,
            .at = from_unix_millis(1'780'000'000'000),
            .attempts = 3,
            .persona = random_.id<AccountId>(),
            .number = 1,
            .kept = kept};
  }
  std::pair<unsigned, std::string> ask(std::string method, std::string target, std::string_view body = {}) {
    std::optional<Result<net::HttpResponse, net::NetError>> out;
    client_->request({.method = std::move(method),
                      .target = "/v1/admin/" + std::move(target),
                      .headers = {},
                      .body = to_bytes(body)},
                     [&](Result<net::HttpResponse, net::NetError> answer) { out = std::move(answer); });
    loop_.run_until([&] { return out.has_value(); });
    if (!*out) return {0, std::string(net::name(out->error()))};
    return {(*out)->status, std::string(as_text((*out)->body))};
  }

  SystemClock clock_;
  SeededRandom random_{3};
  net::TemporaryFolder folder_;
  const std::string path_ = (folder_ / std::string(kAdminSocketName)).string();
  net::EventLoop loop_{clock_};
  std::uint32_t user_ = getuid();
  int confirmed_ = 0;
  FakeBox one_{msp::Uuid(random_.bytes<16>())}, other_{msp::Uuid(random_.bytes<16>())};
  std::unique_ptr<net::HttpServer> server_;
  std::optional<net::HttpClient> client_;
};

TEST_F(AdminTest, TheListSaysWhatAndWhenAndNotWho) {
  one_.letters = {letter()};
  other_.letters = {letter(false)};
  const auto [status, body] = ask("GET", "dead-letters");
  EXPECT_EQ(status, 200U);
  const auto rows = json::parse(body).at("dead_letters").as_array();
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0], json::value({{"business", msp::to_text(one_.id())},
                                  {"message", msp::to_text(msp::Uuid(one_.letters[0].message))},
                                  {"time", "2026-05-28T20:26:40Z"},
                                  {"attempts", 3},
                                  {"reason", "not_found"},
                                  {"kept", true}}));
  EXPECT_EQ(rows[1].at("kept"), json::value(false));
  EXPECT_THAT(body, Not(HasSubstr(to_hex(one_.letters[0].persona.view()))));
}

TEST_F(AdminTest, OneIsRetriedOrAllThatWereKept) {
  one_.letters = {letter(), letter(), letter(false)};
  other_.letters = {letter()};
  const auto retry = [&](const DeadLetter& which) {
    return ask("POST", "dead-letters/retry", R"({"message":")" + msp::to_text(msp::Uuid(which.message)) + "\"}").first;
  };
  EXPECT_EQ(retry(letter()), 404U);
  EXPECT_EQ(retry(one_.letters[2]), 409U) << "its message is gone";
  EXPECT_EQ(retry(DeadLetter(other_.letters[0])), 200U);
  EXPECT_TRUE(other_.letters.empty());
  EXPECT_EQ(ask("POST", "dead-letters/retry", "{}"), std::pair(200U, std::string("{\"queued\":2}\n")));
  EXPECT_EQ(one_.letters.size(), 1U);
  one_.broken = true;
  EXPECT_EQ(ask("POST", "dead-letters/retry").first, 503U);
}

TEST_F(AdminTest, TheClockIsConfirmed) {
  EXPECT_EQ(ask("POST", "clock/confirm"), std::pair(200U, std::string("{\"confirmed\":true}\n")));
  EXPECT_EQ(ask("POST", "clock/confirm").first, 503U) << "the store did not take it";
  EXPECT_EQ(ask("GET", "clock/confirm").first, 404U);
  EXPECT_EQ(confirmed_, 2);
}

TEST_F(AdminTest, OthersAndNonsenseAreRefused) {
  one_.letters = {letter()};
  for (const std::string_view body : {"[]", "{", R"({"message":7})", R"({"message":"x"})", R"({"all":true})"})
    EXPECT_EQ(ask("POST", "dead-letters/retry", body).first, 400U) << body;
  EXPECT_EQ(ask("GET", "dead-letters/retry").first, 404U);
  EXPECT_EQ(ask("GET", "status").first, 404U);
  EXPECT_EQ(one_.letters.size(), 1U);
  user_ = getuid() + 1;
  EXPECT_EQ(ask("GET", "dead-letters").first, getuid() == 0 ? 200U : 403U) << "root may always";
}

}  // namespace
}  // namespace opaline::gateway
