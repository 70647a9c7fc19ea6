// Asking a business's own domain, over real TLS on loopback.
#include "client/gateway_check.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "net/certificates.hpp"
#include "net/http_server.hpp"

namespace opaline::client {
namespace {

namespace fs = std::filesystem;
using net::HttpResponse;

const AccountId kShop = *AccountId::from_hex("5f0c1d2e3b4a4c5d8e6f708192a3b4c5");
const std::string kDocument =
    R"({"gateways": {"urn:biz:5f0c1d2e-3b4a-4c5d-8e6f-708192a3b4c5": "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}})";

class GatewayCheckTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char path[] = "/tmp/opaline-check.XXXXXX";
    ASSERT_NE(mkdtemp(path), nullptr);
    directory = path;
    const net::CertificatePaths authority{directory / "ca.pem", directory / "ca.key"};
    const net::CertificatePaths certificate{directory / "s.pem", directory / "s.key"};
    const Time now = clock.now();
    ASSERT_TRUE(net::make_authority(authority, "check test", now));
    ASSERT_TRUE(net::issue_server_certificate({.authority = authority, .out = certificate, .names = {}, .now = now}));
    tls = std::make_unique<net::TlsServerContext>(std::move(
        *net::TlsServerContext::create({.certificate_file = certificate.certificate, .key_file = certificate.key})));
    net::HttpServerOptions how;
    how.address.ip = "127.0.0.1";
    how.tls = tls.get();
    server = std::move(*net::HttpServer::start(loop, std::move(how),
                                               [this](const net::HttpRequest& request, net::HttpResponder responder) {
                                                 asked.push_back(request.method + " " + request.target);
                                                 responder.respond(std::move(answer));
                                               }));
    std::ifstream file(authority.certificate);
    options = {
        .authority_pem = {std::istreambuf_iterator<char>(file), {}}, .public_only = false, .port = server->port()};
  }
  void TearDown() override {
    server.reset();
    fs::remove_all(directory);
  }
  Result<msp::GatewayFingerprint, Failure> check(const AccountId& business = kShop,
                                                 const std::string& domain = "localhost") {
    auto made = GatewayCheck::create(loop, domain, options);
    if (!made) return fail(made.error());
    std::optional<Result<msp::GatewayFingerprint, Failure>> out;
    (*made)->ask(business, [&](Result<msp::GatewayFingerprint, Failure> result) {
      out.emplace(std::move(result));
      loop.stop();
    });
    loop.run();
    return *out;
  }
  void says(unsigned status, const std::string& body) {
    answer = {.status = status, .headers = {{"Content-Type", "application/json"}}, .body = to_bytes(as_view(body))};
  }

  SystemClock clock;
  net::EventLoop loop{clock};
  fs::path directory;
  std::unique_ptr<net::TlsServerContext> tls;
  std::unique_ptr<net::HttpServer> server;
  GatewayCheckOptions options;
  HttpResponse answer;
  std::vector<std::string> asked;
};

TEST_F(GatewayCheckTest, TheDomainNamesTheKey) {
  says(200, kDocument);
  const auto found = check();
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(found->view()[0], std::byte{1});
  EXPECT_EQ(asked, std::vector<std::string>{"GET /.well-known/opaline"});
}

TEST_F(GatewayCheckTest, OrNamesNone) {
  says(404, "no");
  EXPECT_EQ(check().error().error, ClientError::no_such_business);
  says(200, kDocument);
  EXPECT_EQ(check(*AccountId::from_hex("5f0c1d2e3b4a4c5d8e6f708192a3b4c6")).error().error,
            ClientError::no_such_business);
}

TEST_F(GatewayCheckTest, ARedirectIsNotFollowed) {
  says(302, "");
  answer.headers.push_back({"Location", "https://localhost:" + std::to_string(server->port()) + "/elsewhere"});
  EXPECT_EQ(check().error().error, ClientError::protocol);
  EXPECT_EQ(asked.size(), 1u);
}

TEST_F(GatewayCheckTest, WhatIsTooLargeOrElseIsRefused) {
  says(200, std::string(msp::kMaxWellKnownBytes + 1, ' '));
  EXPECT_EQ(check().error().error, ClientError::protocol);
  says(200, "<html>");
  EXPECT_EQ(check().error().error, ClientError::protocol);
  says(500, kDocument);
  EXPECT_EQ(check().error().error, ClientError::protocol);
}

TEST_F(GatewayCheckTest, ACertificateThatNobodyVouchesForIsRefused) {
  says(200, kDocument);
  options.authority_pem.clear();
  EXPECT_EQ(check().error().error, ClientError::certificate_rejected);
  EXPECT_TRUE(asked.empty());
}

TEST_F(GatewayCheckTest, APrivateNetworkIsNotAsked) {
  says(200, kDocument);
  options.public_only = true;
  const auto refused = check();
  EXPECT_EQ(refused.error().error, ClientError::connect_failed);
  EXPECT_NE(refused.error().message.find("private"), std::string::npos) << refused.error().message;
  EXPECT_TRUE(asked.empty());
  for (const char* bad : {"", "a/b", "a@b", "localhost:1", "local host"})
    EXPECT_EQ(check(kShop, bad).error().error, ClientError::bad_text) << bad;
}

}  // namespace
}  // namespace opaline::client
