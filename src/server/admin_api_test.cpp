#include "server/admin_api.hpp"

#include <gmock/gmock.h>
#include <unistd.h>

#include "net/http_client.hpp"
#include "operators/test_support/memory_rows.hpp"
#include "server/test_support/temporary_directory.hpp"

namespace opaline::server {
namespace {

using testing::HasSubstr;

class FakeNode final : public NodeControl {
 public:
  void status(std::move_only_function<void(NodeStatus)> done) override { done({}); }
  void reload(std::move_only_function<void(Result<void, std::string>)> done) override { done(reloaded); }
  Result<void, std::string> confirm_clock() override {
    ++confirmed;
    return {};
  }
  Result<Checkpoint, std::string> checkpoint() override {
    Checkpoint out;
    out.directory = "/copy";
    store::VaultKey key;
    key.fill()[0] = std::byte{0xab};
    out.keys.emplace_back("rows", std::move(key));
    return out;
  }
  Result<void, std::string> reloaded;
  int confirmed = 0;
};

/// The API behind a real Unix socket; what the kernel says about the peer can be replaced.
class AdminApiTest : public testing::Test {
 protected:
  AdminApiTest() {
    net::HttpServerOptions options;
    options.address.unix_path = (dir_.path() / "socket").string();
    auto server = net::HttpServer::start(loop_, std::move(options),
                                         [this](net::HttpRequest request, net::HttpResponder responder) {
                                           if (peer_) request.peer.credentials = *peer_;
                                           api_.serve_local(std::move(request), std::move(responder));
                                         });
    EXPECT_TRUE(server);
    server_ = std::move(*server);
    net::HttpClientOptions client;
    client.origin = net::Url{.tls = false, .host = "localhost", .port = 80, .target = "/"};
    client.unix_path = (dir_.path() / "socket").string();
    client_ = std::make_unique<net::HttpClient>(loop_, std::move(client));
  }
  std::pair<unsigned, std::string> ask(const std::string& method, const std::string& path) {
    std::optional<net::HttpResponse> answer;
    net::HttpClientRequest request;
    request.method = method;
    request.target = "/v1/admin/" + path;
    client_->request(std::move(request), [&](Result<net::HttpResponse, net::NetError> got) {
      ASSERT_TRUE(got);
      answer = std::move(*got);
    });
    loop_.run_until([&] { return answer.has_value(); });
    return {answer->status, to_string(answer->body)};
  }
  operators::Outcome last_outcome() {
    const auto head = operators_.audit().head();
    return operators_.audit().read(head->sequence - 1, 1)->front().outcome;
  }

  TemporaryDirectory dir_;
  SystemClock clock_;
  SeededRandom random_{1};
  operators::MemoryRows rows_;
  store::SealedRows sealed_{rows_, store::VaultKey{}, store::VaultKey{}, random_};
  operators::Operators operators_{sealed_, clock_, random_};
  FakeNode node_;
  AdminApi api_{operators_, node_, 4711};
  net::EventLoop loop_{clock_};
  std::optional<std::optional<net::PeerCredentials>> peer_;
  std::unique_ptr<net::HttpServer> server_;
  std::unique_ptr<net::HttpClient> client_;
};

TEST_F(AdminApiTest, OnlyRootAndTheServicesUserAreLetIn) {
  peer_ = net::PeerCredentials{.user = 0, .group = 5, .process = 1};
  EXPECT_EQ(ask("GET", "status").first, 200U);
  peer_ = net::PeerCredentials{.user = 4711, .group = 5, .process = 1};
  EXPECT_EQ(ask("GET", "status").first, 200U);
  peer_ = net::PeerCredentials{.user = 4712, .group = 0, .process = 1};
  EXPECT_EQ(ask("GET", "status").first, 403U);
  peer_ = std::optional<net::PeerCredentials>{};
  EXPECT_EQ(ask("GET", "status").first, 403U) << "a peer of which nothing is known";
  EXPECT_EQ(api_.counters().refused, 2U);
}

TEST_F(AdminApiTest, TheKernelNamesWhoActed) {
  peer_ = net::PeerCredentials{.user = 4711, .group = 5, .process = 1};
  EXPECT_EQ(ask("POST", "reload").first, 200U);
  EXPECT_EQ(operators_.audit().read(0, 1)->front().actor, "local:4711");
}

TEST_F(AdminApiTest, AFailedReloadIsRecordedAsSuch) {
  peer_ = net::PeerCredentials{};
  node_.reloaded = fail(std::string("public.certificate: key_mismatch"));
  const auto [status, body] = ask("POST", "reload");
  EXPECT_EQ(status, 409U);
  EXPECT_THAT(body, HasSubstr("key_mismatch"));
  EXPECT_EQ(last_outcome(), operators::Outcome::failed);
}

TEST_F(AdminApiTest, NothingThatMattersHappensWithoutItsEntry) {
  peer_ = net::PeerCredentials{};
  for (const auto* path : {"clock/confirm", "backup/checkpoint"}) {
    rows_.fail_next = store::RowError::full;
    EXPECT_EQ(ask("POST", path).first, 503U) << path;
  }
  EXPECT_EQ(node_.confirmed, 0);
  EXPECT_EQ(ask("POST", "clock/confirm").first, 200U);
  EXPECT_EQ(node_.confirmed, 1);
  const auto [status, body] = ask("POST", "backup/checkpoint");
  EXPECT_EQ(status, 200U);
  EXPECT_THAT(body, HasSubstr(R"("keys":{"rows":"ab000000)"));
  EXPECT_EQ(operators_.audit().head()->sequence, 2U);
}

}  // namespace
}  // namespace opaline::server
