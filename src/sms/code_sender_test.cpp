// Against an HTTP server of ours; tests/system/sms_test.py has the real Kannel.
#include "sms/code_sender.hpp"

#include <gmock/gmock.h>

#include "net/http_server.hpp"
#include "operators/test_support/memory_rows.hpp"

namespace opaline::sms {
namespace {

using identity::CodeQueued;
using testing::ElementsAre;
using testing::HasSubstr;

class Others final : public identity::CodeSender {
 public:
  CodeQueued send(const identity::Handle& handle, const identity::Code&, seconds) override {
    handles.push_back(handle.text());
    return CodeQueued::queued;
  }
  std::vector<std::string> handles;
};
class Events final : public Log {
 public:
  void event(LogLevel, std::string_view name, std::initializer_list<LogField>) override { names.emplace_back(name); }
  std::vector<std::string> names;
};

class SmsCodesTest : public testing::Test {
 protected:
  SmsCodesTest() {
    net::HttpServerOptions options;
    options.address = {.ip = "127.0.0.1", .port = 0};
    server_ = std::move(net::HttpServer::start(loop_, std::move(options),
                                               [this](net::HttpRequest request, net::HttpResponder responder) {
                                                 requests_.push_back(std::move(request));
                                                 responder.respond(net::text_response(status_, "text/html", body_));
                                               })
                            .value());
    const auto password = to_secret_bytes(as_view("pw"));
    kannel_ =
        std::move(Kannel::create(loop_,
                                 {.url = "http://127.0.0.1:" + std::to_string(server_->port()) + "/cgi-bin/sendsms",
                                  .user = "opaline",
                                  .password = password,
                                  .sender = "12345"},
                                 nullptr)
                      .value());
    sender_.emplace(CodeSender::Ports{*kannel_, budgets_, others_, clock_, log_}, "chat.example");
  }
  CodeQueued send(const std::string& to) {
    identity::Code code;
    std::ranges::copy(as_view("123456"), code.fill().begin());
    return sender_->send(*identity::normalize_handle(to), code, seconds(600));
  }
  /// Until Kannel has answered everything.
  void settle() {
    loop_.run_until([this] { return sender_->counters().waiting == 0; });
  }

  SystemClock system_;
  net::EventLoop loop_{system_};
  std::unique_ptr<net::HttpServer> server_;
  std::vector<net::HttpRequest> requests_;
  unsigned status_ = 202;
  std::string body_ = "0: Accepted for delivery";

  operators::MemoryRows rows_;
  SeededRandom random_{1};
  store::SealedRows sealed_{rows_, store::VaultKey{}, store::VaultKey{}, random_};
  ManualClock clock_{from_unix_millis(1'767'225'600'000)};
  Budgets budgets_{sealed_, clock_, {.per_day = 5, .per_country_day = 3}};
  Others others_;
  Events log_;
  std::unique_ptr<Kannel> kannel_;
  std::optional<CodeSender> sender_;
};

TEST_F(SmsCodesTest, ACodeForANumberGoesToKannelAndNothingOfItStandsInTheUrl) {
  EXPECT_EQ(send("+4915112345678"), CodeQueued::queued);
  settle();
  ASSERT_EQ(requests_.size(), 1U);
  EXPECT_EQ(requests_[0].method, "POST");
  EXPECT_EQ(requests_[0].target, "/cgi-bin/sendsms");
  EXPECT_EQ(requests_[0].header("X-Kannel-To"), "+4915112345678");
  EXPECT_EQ(requests_[0].header("X-Kannel-From"), "12345");
  EXPECT_THAT(std::string(as_text(requests_[0].body)), HasSubstr("chat.example is 123456"));
  EXPECT_EQ(sender_->counters().accepted, 1U);
  EXPECT_TRUE(others_.handles.empty());
}

TEST_F(SmsCodesTest, AddressesGoWhereTheyWentBefore) {
  EXPECT_EQ(send("anna@example.org"), CodeQueued::queued);
  EXPECT_THAT(others_.handles, ElementsAre("anna@example.org"));
  EXPECT_TRUE(requests_.empty());
}

TEST_F(SmsCodesTest, AnExpensiveCountryEndsAtItsBudget) {
  for (int i = 0; i < 3; ++i) EXPECT_EQ(send("+4915112345678"), CodeQueued::queued);
  EXPECT_EQ(send("+4915112345678"), CodeQueued::busy);
  EXPECT_EQ(send("+4915112345679"), CodeQueued::busy);
  EXPECT_EQ(send("+436641234567"), CodeQueued::queued);
  settle();
  EXPECT_EQ(requests_.size(), 4U);
  EXPECT_EQ(sender_->counters().over_budget, 2U);
  EXPECT_THAT(log_.names, ElementsAre("sms.over_budget")) << "once a day";
}

TEST_F(SmsCodesTest, WhenKannelFailsPeopleAreToldForAWhileAndTheLogOnce) {
  status_ = 503;
  EXPECT_EQ(send("+4915112345678"), CodeQueued::queued);
  settle();
  EXPECT_TRUE(sender_->failing(identity::HandleKind::phone));
  EXPECT_FALSE(sender_->failing(identity::HandleKind::email));
  clock_.advance(CodeSender::kFailingFor);
  EXPECT_FALSE(sender_->failing(identity::HandleKind::phone));
  status_ = 403;
  EXPECT_EQ(send("+4915112345678"), CodeQueued::queued);
  settle();
  EXPECT_THAT(log_.names, ElementsAre("sms.failing"));
  status_ = 202;
  body_ = "3: Queued for later delivery";
  EXPECT_EQ(send("+4915112345678"), CodeQueued::queued);
  settle();
  EXPECT_FALSE(sender_->failing(identity::HandleKind::phone));
  EXPECT_EQ(sender_->counters().failed, 2U);
}

TEST_F(SmsCodesTest, AnAnswerThatIsNoAcceptanceIsNone) {
  body_ = "Something else";
  EXPECT_EQ(send("+4915112345678"), CodeQueued::queued);
  settle();
  EXPECT_EQ(sender_->counters().failed, 1U);
}

TEST_F(SmsCodesTest, NobodyListening) {
  server_.reset();
  EXPECT_EQ(send("+4915112345678"), CodeQueued::queued);
  settle();
  EXPECT_TRUE(sender_->failing(identity::HandleKind::phone));
}

class KannelTextTest : public SmsCodesTest {};
TEST_F(KannelTextTest, WhatTheGsmAlphabetLacksGoesAsUtf16) {
  std::optional<Result<void, Error>> sent;
  const auto done = [&](Result<void, Error> result) {
    sent = result;
    loop_.stop();
  };
  kannel_->send({.to = "+4915112345678", .text = to_secret_bytes(as_view("ж"))}, done);
  loop_.run();
  EXPECT_TRUE(*sent);
  EXPECT_EQ(requests_.at(0).header("X-Kannel-Coding"), "2");
  EXPECT_EQ(to_hex(requests_[0].body), "0436");
  kannel_->send({.to = "+4915112345678", .text = {}}, done);
  loop_.run();
  EXPECT_EQ(*sent, fail(Error::invalid));
}

}  // namespace
}  // namespace opaline::sms
