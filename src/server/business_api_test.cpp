// The businesses' part of the administration API, over a real Unix socket, with an identity service behind it.
#include "server/business_api.hpp"

#include <gmock/gmock.h>

#include <boost/json.hpp>

#include "identity/personas_test_world.hpp"
#include "net/http_client.hpp"
#include "operators/test_support/memory_rows.hpp"
#include "server/admin_api.hpp"
#include "server/test_support/temporary_directory.hpp"

namespace opaline::server {
namespace {

namespace json = boost::json;
using testing::HasSubstr;
using testing::Not;

class IdleNode final : public NodeControl {
 public:
  void status(std::move_only_function<void(NodeStatus)> done) override { done({}); }
  void reload(std::move_only_function<void(Result<void, std::string>)> done) override { done({}); }
  Result<void, std::string> confirm_clock() override { return {}; }
  Result<Checkpoint, std::string> checkpoint() override { return Checkpoint{}; }
};

class BusinessApiTest : public testing::Test {
 protected:
  BusinessApiTest() {
    api_.attach(businesses_);
    net::HttpServerOptions options;
    options.address.unix_path = (dir_.path() / "socket").string();
    auto server = net::HttpServer::start(loop_, std::move(options),
                                         [this](net::HttpRequest request, net::HttpResponder responder) {
                                           request.peer.credentials = net::PeerCredentials{};
                                           if (token_.empty()) {
                                             api_.serve_local(std::move(request), std::move(responder));
                                           } else {
                                             api_.serve_operator(std::move(request), std::move(responder));
                                           }
                                         });
    EXPECT_TRUE(server);
    server_ = std::move(*server);
    net::HttpClientOptions client;
    client.origin = net::Url{.tls = false, .host = "localhost", .port = 80, .target = "/"};
    client.unix_path = (dir_.path() / "socket").string();
    client_ = std::make_unique<net::HttpClient>(loop_, std::move(client));
  }
  struct Said {
    unsigned status = 0;
    json::value body;
    std::string text;
    [[nodiscard]] std::string at(const char* pointer) const {
      return std::string(body.at_pointer(pointer).as_string());
    }
  };
  Said ask(const std::string& method, const std::string& path, const json::value& body = nullptr) {
    std::optional<net::HttpResponse> answer;
    net::HttpClientRequest request;
    request.method = method;
    request.target = "/v1/admin/" + path;
    if (!token_.empty()) request.headers.push_back({"Authorization", "Bearer " + token_});
    if (!body.is_null()) request.body = to_bytes(json::serialize(body));
    client_->request(std::move(request), [&](Result<net::HttpResponse, net::NetError> got) {
      ASSERT_TRUE(got);
      answer = std::move(*got);
    });
    loop_.run_until([&] { return answer.has_value(); });
    const std::string text = to_string(answer->body);
    return {answer->status, json::parse(text), text};
  }
  Said create(const json::object& more = {}) {
    json::object body{{"name", "Shop"}, {"settings", {{"webhook", "https://shop.example.org/hook"}}}};
    for (const auto& field : more) body[field.key()] = field.value();
    return ask("POST", "businesses", body);
  }
  Said create_own() { return ask("POST", "businesses", {{"name", "Bank"}, {"own_gateway", true}}); }
  /// Whether a gateway with these keys is taken in by the enrolment.
  bool enrolled(const std::string& text, identity::testing::Person& gateway) {
    const auto bytes = from_base64url(text.substr(std::string("opaline-enrol-").size()));
    identity::BusinessEnrolment enrolment;
    enrolment.ticket = to_array<32>(ByteView(*bytes).first(32));
    enrolment.business = *AccountId::from(ByteView(*bytes).subspan(32, 16));
    enrolment.mailbox = *MailboxId::from(ByteView(*bytes).subspan(48));
    return world_.service->complete(world_.enrol_request(gateway, enrolment)).has_value();
  }
  void become(operators::Role role) {
    const std::string name = "op-" + std::string(operators::name(role));
    token_ = operators_.create(operators::local_owner(0), name, role, std::chrono::days(1))->reveal_text();
  }
  operators::AuditEntry last_entry() {
    const auto head = operators_.audit().head();
    return operators_.audit().read(head->sequence - 1, 1)->front();
  }
  std::uint64_t entries() { return operators_.audit().head()->sequence; }

  TemporaryDirectory dir_;
  SystemClock clock_;
  SeededRandom random_{1};
  operators::MemoryRows rows_;
  store::SealedRows sealed_{rows_, store::VaultKey{}, store::VaultKey{}, random_};
  operators::Operators operators_{sealed_, clock_, random_};
  identity::testing::BusinessWorld world_;
  IdleNode node_;
  AdminApi api_{operators_, node_, 4711};
  BusinessApi businesses_{operators_, *world_.service, random_, [] { return "https://chat.example.org:443"; }};
  net::EventLoop loop_{clock_};
  std::string token_;
  std::unique_ptr<net::HttpServer> server_;
  std::unique_ptr<net::HttpClient> client_;
};

TEST_F(BusinessApiTest, TheSecretIsShownOnceAndReadByTheGatewayAlone) {
  const auto made = create();
  ASSERT_EQ(made.status, 201u) << made.text;
  const std::string secret = made.at("/msp/secret"), id = made.at("/id");
  EXPECT_EQ(made.at("/urn"), "urn:biz:" + id);
  for (const std::string& path : {std::string("businesses"), "businesses/" + id}) {
    const auto shown = ask("GET", path);
    EXPECT_EQ(shown.status, 200u);
    EXPECT_THAT(shown.text, Not(HasSubstr(secret)));
    EXPECT_THAT(shown.text, HasSubstr(id));
  }
  EXPECT_EQ(ask("GET", "businesses/" + id).at("/settings/msp/id"), made.at("/msp/id"));
  const auto read = ask("GET", "gateway");
  EXPECT_EQ(read.at("/server"), "https://chat.example.org:443");
  EXPECT_EQ(read.at("/businesses/0/settings/msp/secret"), secret);
  EXPECT_EQ(read.body.at_pointer("/businesses/0/enrolled"), false);
  const auto rotated = ask("POST", "businesses/" + id + "/rotate-secret");
  EXPECT_NE(rotated.at("/msp/secret"), secret);
  const auto again = ask("GET", "gateway");
  EXPECT_EQ(again.at("/businesses/0/settings/msp/secret"), rotated.at("/msp/secret"));
  EXPECT_NE(again.at("/businesses/0/version"), read.at("/businesses/0/version"));
}

TEST_F(BusinessApiTest, AnUpdateChangesWhatIsGiven) {
  const std::string id = create().at("/id");
  const auto changed =
      ask("POST", "businesses/" + id,
          {{"name", "Shop & Sons"}, {"website", "shop.example.org"}, {"settings", {{"away_text", "Tomorrow."}}}});
  ASSERT_EQ(changed.status, 200u) << changed.text;
  EXPECT_EQ(changed.at("/name"), "Shop & Sons");
  EXPECT_EQ(changed.at("/settings/webhook"), "https://shop.example.org/hook");
  const auto business = world_.service->businesses()->front();
  EXPECT_EQ(business.details.away_text, "Tomorrow.") << "people see it in the profile";
  EXPECT_EQ(last_entry().action, operators::Action::business_update);
  EXPECT_EQ(last_entry().object, id);
  for (const json::value& wrong :
       {json::value(json::object{}), json::value{{"own_gateway", 1}}, json::value{{"name", 7}},
        json::value{{"logo", "no base64!"}}, json::value{{"logo", "R0lGODlh"}}, json::value{{"settings", "x"}}}) {
    EXPECT_EQ(ask("POST", "businesses/" + id, wrong).status, 400u) << json::serialize(wrong);
  }
  EXPECT_EQ(world_.service->businesses()->front().version, business.version);
}

TEST_F(BusinessApiTest, AGatewayEnrolsByTheTicket) {
  using identity::testing::Person;
  Person hosted(50), own(51);
  const std::string shop = create().at("/id");
  const auto bank = create_own();
  ASSERT_EQ(bank.status, 201u);
  EXPECT_TRUE(enrolled(bank.at("/enrolment"), own));
  EXPECT_FALSE(enrolled(bank.at("/enrolment"), hosted)) << "once";
  const auto by_gateway = ask("POST", "gateway/enrol", {{"business", shop}});
  ASSERT_EQ(by_gateway.status, 200u);
  EXPECT_TRUE(enrolled(by_gateway.at("/enrolment"), hosted));
  EXPECT_EQ(ask("GET", "businesses/" + shop).body.at("enrolled"), true);
  const auto read = ask("GET", "gateway");
  EXPECT_EQ(read.body.at("businesses").as_array().size(), 1u) << "an own gateway's is not the hosted one's";
  EXPECT_EQ(read.body.at_pointer("/businesses/0/enrolled"), true);
  Person next(52);
  EXPECT_TRUE(enrolled(ask("POST", "businesses/" + bank.at("/id") + "/enrol").at("/enrolment"), next));

  EXPECT_EQ(ask("POST", "businesses/" + shop + "/enrol").status, 409u) << "hosted";
  EXPECT_EQ(ask("POST", "gateway/enrol", {{"business", bank.at("/id")}}).status, 409u) << "own";
  EXPECT_EQ(ask("POST", "businesses/" + bank.at("/id") + "/rotate-secret").status, 409u) << "own";
  EXPECT_EQ(ask("POST", "gateway/enrol", {{"business", "x"}}).status, 400u);
  EXPECT_EQ(ask("POST", "gateway/enrol").status, 400u);
}

TEST_F(BusinessApiTest, ABusinessMovesWhenTheNextGatewayIsIn) {
  identity::testing::Person hosted(50), own(51), back(52), late(53);
  const std::string shop = create({{"website", "shop.example.org"}}).at("/id"), path = "businesses/" + shop;
  ASSERT_TRUE(enrolled(ask("POST", "gateway/enrol", {{"business", shop}}).at("/enrolment"), hosted));
  const auto listed = [&] { return ask("GET", "gateway").body.at("businesses").as_array(); };
  const std::string secret(ask("GET", "gateway").at("/businesses/0/settings/msp/secret"));

  const auto refused = ask("POST", path, {{"own_gateway", true}, {"settings", {{"webhook", "https://a.example"}}}});
  EXPECT_EQ(refused.status, 400u) << "that stands in its own configuration";
  const auto out = ask("POST", path, {{"own_gateway", true}, {"settings", {{"away_text", "Tomorrow."}}}});
  ASSERT_EQ(out.status, 200u) << out.text;
  EXPECT_EQ(out.body.at("own_gateway"), false) << "nobody is told that it has moved before it has";
  EXPECT_EQ(out.body.at("moves_to_own_gateway"), true);
  EXPECT_EQ(listed().size(), 1u) << "and it is served where it was";
  EXPECT_EQ(ask("POST", path, {{"settings", {{"gzip", false}}}}).status, 409u);
  EXPECT_EQ(ask("POST", "gateway/enrol", {{"business", shop}}).status, 409u);
  EXPECT_EQ(ask("POST", path, {{"own_gateway", false}}).status, 200u) << "called off";
  EXPECT_FALSE(enrolled(out.at("/enrolment"), late));
  const auto again = ask("POST", path, {{"own_gateway", true}, {"settings", {{"away_text", "Tomorrow."}}}});
  const auto another = ask("POST", path + "/enrol");
  EXPECT_FALSE(enrolled(again.at("/enrolment"), late));
  ASSERT_TRUE(enrolled(another.at("/enrolment"), own)) << "the move goes on with it";
  const auto there = ask("GET", path);
  EXPECT_EQ(there.body.at("own_gateway"), true);
  EXPECT_FALSE(there.body.as_object().contains("moves_to_own_gateway"));
  EXPECT_EQ(there.at("/settings/away_text"), "Tomorrow.") << "people see it there, too";
  EXPECT_FALSE(there.body.at("settings").as_object().contains("webhook"));
  const auto business = world_.service->businesses()->front();
  EXPECT_EQ(as_text(ByteView(business.settings)).find(secret), std::string_view::npos);
  EXPECT_TRUE(listed().empty());

  EXPECT_EQ(ask("POST", path, {{"own_gateway", false}}).status, 400u) << "a hosted gateway needs a webhook";
  const auto home = ask("POST", path, {{"own_gateway", false}, {"settings", {{"webhook", "https://b.example/h"}}}});
  ASSERT_EQ(home.status, 200u) << home.text;
  EXPECT_NE(home.at("/msp/secret"), secret);
  EXPECT_EQ(home.body.at("own_gateway"), true);
  ASSERT_EQ(listed().size(), 1u);
  EXPECT_EQ(listed()[0].at("enrolled"), false) << "so that it enrols";
  EXPECT_EQ(listed()[0].at("settings").at("webhook"), "https://b.example/h");
  EXPECT_EQ(ask("POST", path + "/enrol").status, 409u);
  ASSERT_TRUE(enrolled(ask("POST", "gateway/enrol", {{"business", shop}}).at("/enrolment"), back));
  EXPECT_EQ(listed()[0].at("enrolled"), true);
  EXPECT_EQ(ask("GET", path).body.at("own_gateway"), false);
  EXPECT_EQ(ask("GET", path).at("/website"), "shop.example.org");
}

TEST_F(BusinessApiTest, RolesDoWhatTheyMay) {
  const std::string id = create().at("/id"), own = create_own().at("/id");
  const std::vector<std::string> reads{"businesses", "businesses/" + id};
  const std::vector<std::pair<std::string, json::value>> changes{
      {"businesses", {{"name", "Another"}, {"own_gateway", true}}},
      {"businesses/" + id, {{"name", "Shop"}}},
      {"businesses/" + id + "/rotate-secret", nullptr},
      {"businesses/" + own + "/enrol", nullptr},
      {"businesses/" + own + "/remove", nullptr}};
  become(operators::Role::auditor);
  for (const auto& path : reads) EXPECT_EQ(ask("GET", path).status, 200u) << path;
  for (const auto& [path, body] : changes) {
    EXPECT_EQ(ask("POST", path, body).status, 403u) << path;
    EXPECT_EQ(last_entry().outcome, operators::Outcome::denied);
    EXPECT_EQ(last_entry().actor, "op-auditor");
  }
  become(operators::Role::admin);
  for (const auto& path : reads) EXPECT_EQ(ask("GET", path).status, 200u) << path;
  for (const auto& [path, body] : changes) {
    const auto before = entries();
    EXPECT_LT(ask("POST", path, body).status, 300u) << path;
    EXPECT_EQ(entries(), before + 1) << path;
    EXPECT_EQ(last_entry().actor, "op-admin");
  }
  become(operators::Role::owner);
  EXPECT_EQ(ask("GET", "gateway").status, 403u) << "with a token nobody reads all secrets";
  EXPECT_EQ(ask("POST", "gateway/enrol", {{"business", id}}).status, 403u);
}

TEST_F(BusinessApiTest, NothingHappensWithoutItsEntry) {
  const std::string id = create().at("/id"), own = create_own().at("/id");
  const auto before = world_.service->businesses()->size();
  const auto version =
      world_.service->business(*AccountId::from(world_.service->businesses()->front().id.view()))->version;
  for (const auto& [path, body] :
       std::vector<std::pair<std::string, json::value>>{{"businesses", {{"name", "Another"}, {"own_gateway", true}}},
                                                        {"businesses/" + id, {{"name", "Changed"}}},
                                                        {"businesses/" + id + "/rotate-secret", nullptr},
                                                        {"businesses/" + own + "/enrol", nullptr},
                                                        {"gateway/enrol", {{"business", id}}},
                                                        {"businesses/" + own + "/remove", nullptr}}) {
    rows_.fail_next = store::RowError::full;
    EXPECT_EQ(ask("POST", path, body).status, 503u) << path;
  }
  EXPECT_EQ(world_.service->businesses()->size(), before);
  EXPECT_EQ(world_.service->businesses()->front().version, version);
}

TEST_F(BusinessApiTest, WhatTheDirectoryDoesNotTakeIsRecordedAsFailed) {
  world_.rows.next_write = {{.error = store::RowError::full, .stored = false}};
  EXPECT_EQ(create().status, 503u);
  EXPECT_EQ(last_entry().outcome, operators::Outcome::failed);
  EXPECT_EQ(create({{"name", "a\nb"}}).status, 400u);
  EXPECT_EQ(last_entry().outcome, operators::Outcome::failed);
  EXPECT_TRUE(world_.service->businesses()->empty());
}

TEST_F(BusinessApiTest, WhatIsNotThere) {
  const std::string nobody = "8c0a5a3e-3f0c-4a65-9a0a-2f2a6f3f7a10", id = create().at("/id");
  for (const auto* action : {"", "/rotate-secret", "/enrol", "/remove"}) {
    EXPECT_EQ(ask("POST", "businesses/" + nobody + action, {{"name", "x"}}).status, 404u) << action;
  }
  EXPECT_EQ(ask("GET", "businesses/" + nobody).status, 404u);
  EXPECT_EQ(ask("GET", "businesses/x").status, 404u);
  EXPECT_EQ(ask("GET", "businesses/").status, 404u);
  EXPECT_EQ(ask("GET", "businessesx").status, 404u);
  EXPECT_EQ(ask("POST", "businesses/" + id + "/other").status, 404u);
  EXPECT_EQ(ask("DELETE", "businesses").status, 405u);
  EXPECT_EQ(ask("POST", "gateway").status, 405u);
  EXPECT_EQ(ask("GET", "gateway/enrol").status, 405u);
  const auto refused = api_.counters().refused;
  EXPECT_EQ(ask("POST", "businesses", {{"nme", "x"}}).status, 400u);
  EXPECT_EQ(api_.counters().refused, refused + 1);
  EXPECT_EQ(ask("POST", "businesses", "x").status, 400u);
  EXPECT_EQ(ask("POST", "businesses/" + id + "/remove").status, 200u);
  EXPECT_EQ(ask("GET", "businesses/" + id).status, 404u);
  EXPECT_TRUE(ask("GET", "gateway").body.at("businesses").as_array().empty());
}

}  // namespace
}  // namespace opaline::server
