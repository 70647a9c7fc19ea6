// Webhooks against a real server that is slow, down, lying, redirecting or full.
#include "gateway/webhooks.hpp"

#include <gmock/gmock.h>

#include <boost/json.hpp>

#include "gateway/away.hpp"
#include "msp/base64.hpp"
#include "msp/gzip.hpp"
#include "net/net_test_support.hpp"
#include "store/drivers/memory_disk.hpp"
#include "store/drivers/memory_key_vault.hpp"
#include "store/drivers/memory_row_store.hpp"

namespace opaline::gateway {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class WebhooksTest : public ::testing::Test {
 protected:
  WebhooksTest() {
    listen(0);
    config_.id = business_;
    config_.webhook = {.tls = false, .host = "127.0.0.1", .port = server_->port(), .target = "/hooks"};
    config_.msp_id = "msp-1";
    config_.msp_secret = msp::to_base64(random_.bytes<32>());
    store_ = std::move(*Store::open({*rows_, vault_, clock_, clock_, random_}, business_));
    start();
  }

  void listen(std::uint16_t port) {
    net::HttpServerOptions options;
    options.address = {.ip = "127.0.0.1", .port = port};
    server_ = std::move(*net::HttpServer::start(loop_, std::move(options),
                                                [this](net::HttpRequest request, net::HttpResponder responder) {
                                                  take(std::move(request), std::move(responder));
                                                }));
  }
  void start() {
    webhooks_ = std::make_unique<Webhooks>(Webhooks::Parts{loop_, clock_, random_, *store_, service_, *tls_,
                                                           [this](const AccountId& persona, const msp::Uuid& id) {
                                                             refused_.push_back(msp::to_text(id));
                                                             EXPECT_TRUE(store_->opaque_id(persona));
                                                           }},
                                           config_);
    for (const AccountId& persona : store_->take_arrived()) webhooks_->wake(persona);
  }
  void take(net::HttpRequest request, net::HttpResponder responder) {
    const auto body = msp::gunzip(request.body, 1 << 20);
    if (body) {
      const auto value = json::parse(as_text(*body)).as_object();
      const auto* text = value.if_contains("body");
      taken_.push_back(text != nullptr ? std::string(text->as_string()) : std::string(value.at("type").as_string()));
      ids_.push_back(std::string(value.at("id").as_string()));
    }
    last_ = std::move(request);
    const auto answer = answers_.empty() ? std::optional<unsigned>(200) : answers_.front();
    if (!answers_.empty()) answers_.pop_front();
    if (!answer) return held_.push_back(std::move(responder));
    net::HttpResponse response{.status = *answer};
    if (*answer == 302) response.headers.push_back({"Location", "/hooks/message"});
    responder.respond(std::move(response));
  }
  /// Runs until `done`, letting time pass for what waits.
  bool run_until(const std::function<bool()>& done) {
    for (int i = 0; i < 2'000 && !done(); ++i) {
      loop_.run_once(1ms);
      if (!done()) clock_.advance(50ms);
    }
    return done();
  }

  credentials::OpaqueId person() { return credentials::OpaqueId(random_.bytes<credentials::kOpaqueIdBytes>()); }
  void write(const credentials::OpaqueId& from, std::string_view text) {
    SecretBytes part;
    EXPECT_TRUE(wire::encode(part, wire::BusinessPart{.opaque_id = from.bytes(), .capabilities = 0}));
    endpoint::IncomingMessage message;
    message.id = random_.id<MessageId>();
    message.sender = {from.persona(), DeviceNumber{1}};
    message.body.text = to_secret_bytes(as_view(text));
    message.body.part = std::move(part);
    commit(endpoint::AddIncoming{std::move(message)});
  }
  void became(const credentials::OpaqueId& to, const msp::Uuid& message, endpoint::MessageState state) {
    commit(endpoint::SetOutgoingState{to.persona(), MessageId(message.view()), state, {}, clock_.now()});
  }
  void commit(endpoint::HistoryChange change) {
    endpoint::Batch batch;
    batch.history.push_back(std::move(change));
    ASSERT_TRUE(store_->commit(std::move(batch)));
    for (const AccountId& persona : store_->take_arrived()) webhooks_->wake(persona);
  }
  /// Rows of messages.
  std::vector<store::SealedRows::Row> stored() { return *rows_->scan(tables::kInbox, {}, {}, 100); }
  bool all_taken() {
    return run_until([this] { return store_->waiting() == 0 && webhooks_->idle(); });
  }

  SeededRandom random_{5};
  ManualClock clock_{from_unix_millis(1'780'000'000'000)};
  net::EventLoop loop_{clock_};
  store::MemoryDisk disk_{random_};
  store::MemoryRowStore raw_{disk_, {kTables.begin(), kTables.end()}};
  store::MemoryKeyVault vault_{random_};
  store::SealedRows sealed_ = std::move(*store::SealedRows::open(raw_, vault_, random_, tables::kSealCheck));
  std::unique_ptr<store::JournaledRows> rows_ =
      std::move(*store::JournaledRows::open(sealed_, kJournaledTables, tables::kJournal));
  msp::Uuid business_{random_.bytes<16>()};
  net::Url service_{.tls = true, .host = "service.example", .port = 443, .target = "/"};
  std::optional<net::TlsClientContext> tls_ = std::move(*net::TlsClientContext::create({}));
  BusinessConfig config_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<net::HttpServer> server_;
  std::unique_ptr<Webhooks> webhooks_;
  std::deque<std::optional<unsigned>> answers_;  ///< nullopt: none for now
  std::vector<net::HttpResponder> held_;
  std::vector<std::string> taken_, ids_, refused_;
  net::HttpRequest last_;
};

TEST_F(WebhooksTest, AMessageComesAsTheContractSays) {
  const auto anna = person();
  write(anna, "Hello");
  ASSERT_TRUE(all_taken());
  EXPECT_THAT(taken_, ElementsAre("Hello"));
  EXPECT_EQ(last_.method, "POST");
  EXPECT_EQ(last_.path(), "/hooks/message");
  EXPECT_EQ(last_.header("source-id"), anna.text());
  EXPECT_EQ(last_.header("destination-id"), msp::to_text(business_));
  EXPECT_EQ(last_.header("id"), ids_[0]);
  EXPECT_EQ(last_.header("content-encoding"), "gzip");
  const std::string token = std::string(*last_.header("authorization")).substr(7);
  const auto key = msp::TokenKey::from_secret(config_.msp_secret);
  EXPECT_TRUE(msp::verify_token(token, msp::TokenUse::call_of_service, "msp-1", *key, {}, clock_.now()));
}

TEST_F(WebhooksTest, WhatWasTakenIsErasedSoonThoughNothingElseIsWritten) {
  write(person(), "a1");
  ASSERT_TRUE(all_taken());
  EXPECT_TRUE(run_until([this] { return stored().empty(); }));
}

TEST_F(WebhooksTest, WhatWasTakenIsErasedBeforeTheEnd) {
  write(person(), "a1");
  ASSERT_TRUE(all_taken());
  EXPECT_EQ(stored().size(), 1U) << "until then it waits for another commit";
  webhooks_->stop();
  EXPECT_TRUE(stored().empty());
}

TEST_F(WebhooksTest, OneSlowAnswerHoldsOnePersonBackAlone) {
  const auto anna = person(), ben = person();
  answers_ = {std::nullopt};
  write(anna, "a1");
  ASSERT_TRUE(run_until([this] { return held_.size() == 1; }));
  write(anna, "a2");
  write(ben, "b1");
  ASSERT_TRUE(run_until([this] { return taken_.size() == 2; }));
  EXPECT_THAT(taken_, ElementsAre("a1", "b1"));
  held_[0].respond({.status = 200});
  ASSERT_TRUE(all_taken());
  EXPECT_THAT(taken_, ElementsAre("a1", "b1", "a2"));
}

TEST_F(WebhooksTest, WhatIsNotTakenComesAgainByTheSameIdAndBeforeWhatFollows) {
  const auto anna = person();
  answers_ = {500, 302, 401, 403, 200};
  write(anna, "a1");
  write(anna, "a2");
  ASSERT_TRUE(all_taken());
  EXPECT_THAT(taken_, ElementsAre("a1", "a1", "a1", "a1", "a1", "a2"));
  EXPECT_EQ(std::set<std::string>(ids_.begin(), ids_.end()).size(), 2U);
  EXPECT_EQ(webhooks_->counters().failed, 4U);
}

TEST_F(WebhooksTest, WhatIsRefusedThreeTimesIsADeadLetterAndTheNextGoesOn) {
  const auto anna = person();
  answers_ = {400, 413, 400};
  write(anna, "poison");
  write(anna, "next");
  ASSERT_TRUE(all_taken());
  EXPECT_THAT(taken_, ElementsAre("poison", "poison", "poison", "next"));
  ASSERT_EQ(store_->dead_letters().size(), 1U);
  EXPECT_EQ(store_->dead_letters()[0].refusal, Refusal::bad_request);
  EXPECT_EQ(store_->dead_letters()[0].attempts, 3U);
  EXPECT_THAT(refused_, ElementsAre(ids_[0])) << "its person is told, once";
  EXPECT_EQ(msp::to_text(msp::Uuid(store_->dead_letters()[0].message)), ids_[0]);
  ASSERT_EQ(*store_->retry(msp::Uuid(store_->dead_letters()[0].message)), Store::Retry::queued);
  for (const AccountId& persona : store_->take_arrived()) webhooks_->wake(persona);
  ASSERT_TRUE(all_taken());
  EXPECT_EQ(taken_.back(), "poison");
  EXPECT_EQ(ids_.back(), ids_[0]) << "by the same id";
}

TEST_F(WebhooksTest, AnAddressThatIsMissingForAWhileCostsNoMessage) {
  const auto anna = person();
  answers_ = {404, 404};
  write(anna, "deployed");
  ASSERT_TRUE(run_until([this] { return webhooks_->counters().failed == 1; }));
  clock_.advance(50s);
  for (int i = 0; i < 20; ++i) loop_.run_once(1ms);
  EXPECT_EQ(taken_.size(), 1U) << "not yet";
  clock_.advance(10s);
  ASSERT_TRUE(run_until([this] { return webhooks_->counters().failed == 2; }));
  clock_.advance(10min);
  ASSERT_TRUE(all_taken());
  EXPECT_THAT(taken_, ElementsAre("deployed", "deployed", "deployed"));
  EXPECT_TRUE(store_->dead_letters().empty());
}

TEST_F(WebhooksTest, OnlySoManyAreUnderWayAndTheNextInLineIsSomebodyElse) {
  constexpr std::size_t kPeople = 100, kUnderWay = 64;
  answers_.assign(2 * kPeople, std::nullopt);
  const auto anna = person();
  write(anna, "a1");
  write(anna, "a2");
  for (std::size_t i = 1; i < kPeople; ++i) write(person(), "other");
  ASSERT_TRUE(run_until([this] { return held_.size() == kUnderWay; }));
  for (int i = 0; i < 20; ++i) loop_.run_once(1ms);
  EXPECT_EQ(held_.size(), kUnderWay) << "the rest is sealed on the disk";
  webhooks_->typing(anna.persona(), true);  // there is no room to tell it now
  for (std::size_t i = 0; i < kPeople + 1; ++i) {
    ASSERT_TRUE(run_until([&] { return held_.size() > i; }));
    held_[i].respond({.status = 200});
  }
  ASSERT_TRUE(all_taken());
  EXPECT_EQ(taken_.size(), kPeople + 1);
  EXPECT_EQ(taken_.back(), "a2");
}

TEST_F(WebhooksTest, WhatWasDeliveredAndReadIsToldInItsTurn) {  // of a person, to who wants it, but for our own words
  const auto anna = person();
  const msp::Uuid mine(random_.bytes<16>());
  answers_ = {500, 200, 404};
  write(anna, "before");
  became(anna, mine, endpoint::MessageState::read);
  store_->tell_statuses(true);
  became(anna, mine, endpoint::MessageState::sent);
  became(anna, mine, endpoint::MessageState::delivered);
  became(anna, mine, endpoint::MessageState::read);
  became(anna, msp::Uuid(make_own_id(random_).view()), endpoint::MessageState::read);
  write(anna, "after");
  became(person(), mine, endpoint::MessageState::read);
  ASSERT_TRUE(all_taken());
  EXPECT_THAT(taken_, ElementsAre("before", "before", "status", "status", "after"));
  EXPECT_EQ(webhooks_->counters().buried, 0U) << "what is not wanted is dropped at once";
  became(anna, mine, endpoint::MessageState::read);
  webhooks_.reset();
  store_.reset();
  store_ = std::move(*Store::open({*rows_, vault_, clock_, clock_, random_}, business_));
  start();
  ASSERT_TRUE(all_taken());
  const auto told = json::parse(as_text(*msp::gunzip(last_.body, 1 << 20)));
  EXPECT_EQ(told.at("status"), "read");
  EXPECT_EQ(told.at("messageId"), json::value(msp::to_text(mine)));
  EXPECT_NE(told.at("id"), told.at("messageId"));
}

TEST_F(WebhooksTest, ASignatureIsOfThisAttemptAndOnlyWhereItIsWanted) {
  const auto anna = person();
  write(anna, "plain");
  ASSERT_TRUE(all_taken());
  EXPECT_FALSE(last_.header("webhook-signature"));
  config_.signed_webhooks = true;
  webhooks_->reconfigured();
  answers_ = {500};
  write(anna, "signed");
  ASSERT_TRUE(run_until([this] { return taken_.size() == 2; }));
  auto first = last_;
  clock_.advance(2s);
  ASSERT_TRUE(all_taken());
  EXPECT_EQ(first.header("webhook-id"), last_.header("webhook-id")) << "the message's";
  EXPECT_EQ(last_.header("webhook-id"), last_.header("id"));
  EXPECT_NE(first.header("webhook-timestamp"), last_.header("webhook-timestamp"));
  const msp::WebhookSigner signer(*msp::TokenKey::from_secret(config_.msp_secret));
  for (const auto* request : {&first, &last_}) {
    const Time at(seconds(std::stoll(std::string(*request->header("webhook-timestamp")))));
    EXPECT_EQ(request->header("webhook-signature"), signer.sign(*request->header("id"), at, request->body)[2].value);
  }
}

TEST_F(WebhooksTest, AServerThatIsDownGetsItLater) {
  const std::uint16_t port = server_->port();
  server_.reset();
  const auto anna = person();
  write(anna, "late");
  EXPECT_TRUE(run_until([this] { return webhooks_->counters().failed >= 3; }));
  listen(port);
  ASSERT_TRUE(all_taken());
  EXPECT_THAT(taken_, ElementsAre("late"));
}

TEST_F(WebhooksTest, ARestartGoesOnWhereItWas) {
  const auto anna = person();
  answers_ = {std::nullopt};
  write(anna, "twice");
  ASSERT_TRUE(run_until([this] { return held_.size() == 1; }));
  webhooks_.reset();
  store_.reset();
  held_.clear();
  store_ = std::move(*Store::open({*rows_, vault_, clock_, clock_, random_}, business_));
  start();
  ASSERT_TRUE(all_taken());
  EXPECT_THAT(taken_, ElementsAre("twice", "twice"));
  EXPECT_EQ(ids_[0], ids_[1]) << "a duplicate is recognisable";
}

TEST_F(WebhooksTest, ClosingOvertakesWhatTheBusinessHasNotTaken) {
  const auto anna = person();
  answers_ = {503, 503};
  write(anna, "never");
  ASSERT_TRUE(run_until([this] { return webhooks_->counters().failed == 2; }));
  ASSERT_TRUE(store_->close(anna.persona()));
  webhooks_->wake(anna.persona());
  ASSERT_TRUE(all_taken());
  EXPECT_EQ(taken_.back(), "close");
}

TEST_F(WebhooksTest, ANewAddressIsUsedAtOnce) {
  const auto anna = person();
  const std::uint16_t right = config_.webhook.port;
  config_.webhook.port = 1;
  webhooks_->reconfigured();
  write(anna, "hello");
  ASSERT_TRUE(run_until([this] { return webhooks_->counters().failed == 1; }));
  config_.webhook.port = right;
  webhooks_->reconfigured();
  ASSERT_TRUE(all_taken());
  EXPECT_THAT(taken_, ElementsAre("hello"));
}

TEST_F(WebhooksTest, APrivateAddressIsRefused) {
  const auto anna = person();
  config_.webhook = {.tls = true, .host = "127.0.0.1", .port = config_.webhook.port, .target = "/"};
  webhooks_->reconfigured();
  write(anna, "inside");
  ASSERT_TRUE(run_until([this] { return webhooks_->counters().failed >= 2; }));
  EXPECT_EQ(server_->counters().accepted, 0U) << "nothing was connected to";
  config_.allow_private_webhooks = true;
  webhooks_->reconfigured();
  ASSERT_TRUE(run_until([this] { return server_->counters().accepted > 0; }));
}

TEST_F(WebhooksTest, TypingIsToldAtOnceOrNever) {
  const auto anna = person();
  webhooks_->typing(anna.persona(), true);
  write(anna, "hello");
  ASSERT_TRUE(all_taken());
  answers_ = {500};
  webhooks_->typing(anna.persona(), true);
  ASSERT_TRUE(run_until([this] { return taken_.size() == 2; }));
  ASSERT_TRUE(all_taken());
  EXPECT_THAT(taken_, ElementsAre("hello", "typing_start")) << "a stranger's is not told, a refused one not again";
}

}  // namespace
}  // namespace opaline::gateway
