// Legal requests over a real socket, as an officer's program sends them.
#include "server/records_api.hpp"

#include <gmock/gmock.h>

#include "net/http_client.hpp"
#include "records/cases_test_world.hpp"
#include "records/officer_client.hpp"
#include "server/admin_api.hpp"
#include "server/test_support/temporary_directory.hpp"

namespace opaline::server {
namespace {

namespace json = boost::json;
using ::testing::HasSubstr;

class IdleNode final : public NodeControl {
 public:
  void status(std::move_only_function<void(NodeStatus)> done) override { done({}); }
  void reload(std::move_only_function<void(Result<void, std::string>)> done) override { done({}); }
  Result<void, std::string> confirm_clock() override { return {}; }
  Result<Checkpoint, std::string> checkpoint() override { return Checkpoint{}; }
};

/// Beside the world's three officers, whose keys it registers by hand, "cleo" and "dan" come over HTTP.
class RecordsApiTest : public records::testing::CasesTest {
 protected:
  RecordsApiTest() {
    api_.attach(records_);
    net::HttpServerOptions options;
    options.address.unix_path = (dir_.path() / "socket").string();
    auto server = net::HttpServer::start(loop_, std::move(options),
                                         [this](net::HttpRequest request, net::HttpResponder responder) {
                                           request.peer.credentials = net::PeerCredentials{};
                                           if (local_) {
                                             api_.serve_local(std::move(request), std::move(responder));
                                           } else {
                                             api_.serve_operator(std::move(request), std::move(responder));
                                           }
                                         });
    EXPECT_TRUE(server.has_value());
    server_ = std::move(*server);
    net::HttpClientOptions client;
    client.origin = net::Url{.tls = false, .host = "localhost", .port = 80, .target = "/"};
    client.unix_path = (dir_.path() / "socket").string();
    client_ = std::make_unique<net::HttpClient>(loop_, std::move(client));
    for (const auto role : {operators::Role::owner, operators::Role::admin, operators::Role::auditor})
      make(std::string(name(role)), role);
    for (const auto* officer : {"cleo", "dan", "ada", "bob", "eve"}) make(officer, operators::Role::officer);
  }
  void make(const std::string& who, operators::Role role) {
    tokens_[who] = operators_.create(operators::local_owner(0), who, role, std::chrono::days(30))->reveal_text();
  }
  struct Said {
    unsigned status = 0;
    std::string text;
    [[nodiscard]] json::value body() const { return json::parse(text); }
    [[nodiscard]] std::string at(const char* pointer) const {
      return std::string(body().at_pointer(pointer).as_string());
    }
  };
  Said ask(const std::string& who, const std::string& method, const std::string& path, const std::string& body = {}) {
    std::optional<net::HttpResponse> answer;
    net::HttpClientRequest request;
    request.method = method;
    request.target = "/v1/records/" + path;
    if (!who.empty()) request.headers.push_back({"Authorization", "Bearer " + tokens_[who]});
    request.body = to_bytes(body);
    client_->request(std::move(request), [&](Result<net::HttpResponse, net::NetError> got) {
      ASSERT_TRUE(got.has_value());
      answer = std::move(*got);
    });
    loop_.run_until([&] { return answer.has_value(); });
    return {answer->status, to_string(answer->body)};
  }
  std::string facts_body() { return json::serialize(records::to_json(facts())); }
  Said approve_as(const std::string& who, const std::string& id, records::OfficerKey& key) {
    const auto preview = ask(who, "GET", "cases/" + id + "/preview");
    const auto seen = records::preview_from(preview.text, *records::case_id_from(id), cases_->service());
    EXPECT_TRUE(seen.has_value()) << preview.text;
    return ask(who, "POST", "cases/" + id + "/approve", records::approval_body(seen->subject, key, random_));
  }
  operators::AuditEntry last_entry() {
    const auto head = operators_.audit().head();
    return operators_.audit().read(head->sequence - 1, 1)->front();
  }

  TemporaryDirectory dir_;
  SystemClock real_;
  operators::Operators operators_{sealed_, clock_, random_};
  IdleNode node_;
  AdminApi api_{operators_, node_, 4711};
  RecordsApi records_{{.operators = operators_,
                       .cases = *cases_,
                       .service_key = ledger_->public_key(),
                       .service_name = "chat.example.org",
                       .retention = std::chrono::days(30),
                       .clock = clock_}};
  net::EventLoop loop_{real_};
  bool local_ = false;
  std::map<std::string, std::string> tokens_;
  std::unique_ptr<net::HttpServer> server_;
  std::unique_ptr<net::HttpClient> client_;
};

TEST_F(RecordsApiTest, FromOpeningToVerify) {
  auto cleo = records::OfficerKey::generate(random_), dan = records::OfficerKey::generate(random_);
  const auto service = ask("cleo", "GET", "service");
  ASSERT_EQ(service.status, 200u) << service.text;
  EXPECT_EQ(service.at("/key_sha256"), cases_->service());
  EXPECT_FALSE(service.body().as_object().contains("officer_key_sha256"));
  ASSERT_EQ(ask("cleo", "POST", "key", records::registration_body(cases_->service(), "cleo", cleo, random_)).status,
            201u);
  ASSERT_EQ(ask("dan", "POST", "key", records::registration_body(cases_->service(), "dan", dan, random_)).status, 201u);
  EXPECT_EQ(ask("dan", "GET", "service").at("/officer_key_sha256"), records::fingerprint(dan.public_key()));
  EXPECT_EQ(ask("dan", "GET", "officers").body().at("officers").as_array().size(), 5u);

  const auto made = ask("cleo", "POST", "cases", facts_body());
  ASSERT_EQ(made.status, 201u) << made.text;
  const auto id = made.at("/case");
  EXPECT_EQ(approve_as("cleo", id, cleo).at("/state"), "open");
  const auto again = approve_as("cleo", id, cleo);
  EXPECT_EQ(again.status, 409u);
  EXPECT_EQ(again.at("/error"), "same_officer");
  EXPECT_EQ(last_entry().outcome, operators::Outcome::failed);
  EXPECT_EQ(approve_as("dan", id, dan).at("/state"), "produced");

  const auto offered = records::offered_from(ask("dan", "GET", "cases/" + id + "/productions/1").text);
  ASSERT_TRUE(offered.has_value());
  std::vector<Bytes> pieces;
  for (std::uint32_t i = 0; i < offered->pieces; ++i) {
    const auto piece = ask("dan", "GET", "cases/" + id + "/productions/1/pieces/" + std::to_string(i));
    ASSERT_EQ(piece.status, 200u);
    pieces.push_back(to_bytes(piece.text));
  }
  const auto files = records::open_production(pieces, *offered, dan);
  ASSERT_TRUE(files.has_value()) << files.error();
  EXPECT_TRUE(records::open_production(pieces, *offered, cleo).has_value());
  EXPECT_FALSE(records::open_production(pieces, *offered, keys_.at("eve")).has_value());
  auto damaged = pieces;
  damaged.back().back() ^= std::byte{1};
  EXPECT_FALSE(records::open_production(damaged, *offered, dan).has_value());
  const auto folder = dir_.path() / "out";
  ASSERT_TRUE(records::write_folder(folder, *files).has_value());
  EXPECT_FALSE(records::write_folder(folder, *files).has_value()) << "nothing is overwritten";
  const auto read = records::read_folder(folder);
  ASSERT_TRUE(read.has_value());
  EXPECT_TRUE(records::verify(*read, cases_->service()).good())
      << records::testing::told(records::verify(*read, cases_->service()));

  const auto shown = ask("eve", "GET", "cases/" + id);
  EXPECT_EQ(shown.body().at("events").as_array().size(), 3u);
  EXPECT_EQ(shown.at("/events/2/event"), "extracted");
  EXPECT_EQ(ask("eve", "GET", "cases").body().at("cases").as_array().size(), 1u);
  EXPECT_EQ(ask("auditor", "GET", "ledger/verify").body().at("intact"), true);
  EXPECT_EQ(
      ask("cleo", "POST", "cases/" + id + "/answer", R"({"words":"There is an account with one device."})").status,
      200u);
  EXPECT_EQ(ask("cleo", "POST", "cases/" + id + "/notify",
                R"({"words":"After the ban ends.","not_before":"2027-01-01T00:00:00Z"})")
                .at("/notice_at"),
            "2027-01-01T00:00:00Z");
  EXPECT_EQ(ask("dan", "POST", "cases/" + id + "/close", R"({"reason":"answered"})").at("/state"), "closed");
}

TEST_F(RecordsApiTest, NobodyButOfficersAndEveryRefusalIsRecorded) {
  const auto id = to_text(opened(facts()).id);
  const std::vector<std::pair<std::string, std::string>> routes{
      {"GET", "service"},
      {"GET", "officers"},
      {"POST", "key"},
      {"GET", "cases"},
      {"POST", "cases"},
      {"GET", "cases/" + id},
      {"GET", "cases/2026-0099"},
      {"GET", "cases/" + id + "/preview"},
      {"POST", "cases/" + id + "/approve"},
      {"POST", "cases/" + id + "/narrow"},
      {"POST", "cases/" + id + "/refuse"},
      {"POST", "cases/" + id + "/answer"},
      {"POST", "cases/" + id + "/notify"},
      {"POST", "cases/" + id + "/close"},
      {"POST", "cases/" + id + "/renew"},
      {"POST", "cases/" + id + "/end"},
      {"GET", "cases/" + id + "/productions/1"},
      {"GET", "cases/" + id + "/productions/1/pieces/0"},
      {"GET", "no/such/thing"},
      {"DELETE", "cases"},
  };
  const auto size = ledger_->size();
  for (const auto& [method, path] : routes) {
    for (const auto* who : {"owner", "admin", "auditor"}) {
      const auto before = operators_.audit().head()->sequence;
      const auto said = ask(who, method, path, method == "POST" ? "{}" : "");
      EXPECT_EQ(said.status, 403u) << who << " " << path;
      EXPECT_EQ(said.at("/error"), "forbidden");
      EXPECT_EQ(operators_.audit().head()->sequence, before + 1) << path;
      EXPECT_EQ(last_entry().outcome, operators::Outcome::denied);
      EXPECT_EQ(last_entry().actor, who);
    }
    EXPECT_EQ(ask("", method, path).status, 401u) << path;
    local_ = true;
    EXPECT_EQ(ask("", method, path).status, 403u) << path << " on the admin socket";
    EXPECT_EQ(last_entry().actor, "local:0");
    EXPECT_EQ(last_entry().outcome, operators::Outcome::denied);
    local_ = false;
  }
  EXPECT_EQ(ask("admin", "GET", "ledger/verify").status, 403u);
  EXPECT_EQ(ask("owner", "GET", "ledger/verify").status, 200u);
  EXPECT_EQ(ledger_->size(), size);
}

TEST_F(RecordsApiTest, WhatIsWrongIsSaid) {
  const auto id = to_text(opened(facts()).id);
  for (const auto& [path, body] : std::vector<std::pair<std::string, std::string>>{
           {"cases", ""},
           {"cases", "[]"},
           {"cases", R"({"authority":"a"})"},
           {"key", R"({"key":"AAAA","signature":"AAAA"})"},
           {"cases/" + id + "/approve", "{}"},
           {"cases/" + id + "/narrow", R"({"reason":"x","handles":["+1"]})"},
           {"cases/" + id + "/narrow", R"({"reason":"x"})"},
           {"cases/" + id + "/refuse", R"({"reason":""})"},
           {"cases/" + id + "/refuse", R"({"reason":"x","more":1})"},
           {"cases/" + id + "/answer", R"({"words":7})"},
           {"cases/" + id + "/notify", R"({"words":"x","not_before":"tomorrow"})"}}) {
    const auto said = ask("ada", "POST", path, body);
    EXPECT_EQ(said.status, 400u) << path << " " << body << " " << said.text;
    EXPECT_EQ(last_entry().outcome, operators::Outcome::failed) << path;
  }
  EXPECT_EQ(ask("ada", "GET", "cases/2026-0099").status, 404u);
  EXPECT_EQ(ask("ada", "GET", "cases/x").status, 404u);
  EXPECT_EQ(ask("ada", "GET", "cases/" + id + "/productions/1").status, 404u);
  EXPECT_EQ(ask("ada", "POST", "cases/" + id + "/renew", R"({"reason":"x"})").status, 409u);
  EXPECT_EQ(ask("ada", "GET", "ledger/verify?head=AAAA").status, 400u);
  auto unknown = json::parse(facts_body()).as_object();
  unknown["colour"] = "red";
  EXPECT_THAT(ask("ada", "POST", "cases", json::serialize(unknown)).at("/message"), HasSubstr("colour"));
}

TEST_F(RecordsApiTest, ARevokedOfficerIsNobody) {
  const auto id = to_text(opened(facts()).id);
  ASSERT_TRUE(operators_.revoke(operators::local_owner(0), "ada").has_value());
  EXPECT_EQ(ask("ada", "GET", "cases/" + id).status, 401u);
}

TEST_F(RecordsApiTest, NothingHappensWithoutItsEntry) {
  const auto size = ledger_->size();
  rows_.fail_next = store::RowError::full;
  EXPECT_EQ(ask("ada", "POST", "cases", facts_body()).status, 503u);
  EXPECT_EQ(ledger_->size(), size);
}

}  // namespace
}  // namespace opaline::server
