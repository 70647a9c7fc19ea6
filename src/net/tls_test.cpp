#include "net/tls.hpp"

#include <fcntl.h>

#include "net/net_test_support.hpp"

namespace opaline::net {
namespace {

class TlsTest : public testing::Test {
 protected:
  TlsTest() : authority_(folder_), server_tls_(authority_.server_context()), client_tls_(authority_.client_context()) {
    serve();
  }
  void serve() {
    server_ = std::move(
        *HttpServer::start(loop_, {.address = {.ip = "127.0.0.1"}, .tls = &server_tls_},
                           [](HttpRequest, HttpResponder r) { r.respond(text_response(200, "text/plain", "ok")); }));
  }
  /// One request on a fresh connection.
  Result<HttpResponse, NetError> get(const std::string& host, const TlsClientContext& tls) {
    HttpClient client(loop_,
                      {.origin = *Url::parse("https://" + host + ":" + std::to_string(server_->port())), .tls = &tls});
    std::optional<Result<HttpResponse, NetError>> out;
    client.request({}, [&](Result<HttpResponse, NetError> result) { out = std::move(result); });
    loop_.run_until([&] { return out.has_value(); });
    return std::move(*out);
  }
  /// What a bare OpenSSL client gets that offers at most `version`.
  struct BareResult {
    bool connected = false;
    std::string group;
    std::string certificate;
  };
  BareResult bare_connect(int version, const char* groups = nullptr) {
    BareResult out;
    std::thread client([&] {
      const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context(SSL_CTX_new(TLS_client_method()), SSL_CTX_free);
      SSL_CTX_set_max_proto_version(context.get(), version);
      if (groups != nullptr) SSL_CTX_set1_groups_list(context.get(), groups);
      RawPeer peer(server_->port());
      const std::unique_ptr<SSL, decltype(&SSL_free)> ssl(SSL_new(context.get()), SSL_free);
      SSL_set_fd(ssl.get(), peer.fd());
      out.connected = SSL_connect(ssl.get()) == 1;
      if (out.connected) {
        out.group = SSL_get0_group_name(ssl.get());
        unsigned char digest[32];
        unsigned size = 0;
        X509_digest(SSL_get0_peer_certificate(ssl.get()), EVP_sha256(), digest, &size);
        out.certificate = to_hex(std::as_bytes(std::span(digest)));
      }
      loop_.post([this] { bare_done_ = true; });
    });
    bare_done_ = false;
    loop_.run_until([&] { return bare_done_; });
    client.join();
    return out;
  }

  TemporaryFolder folder_;
  TestAuthority authority_;
  SystemClock clock_;
  TlsServerContext server_tls_;
  TlsClientContext client_tls_;
  EventLoop loop_{clock_};
  std::unique_ptr<HttpServer> server_;
  bool bare_done_ = false;
};

TEST_F(TlsTest, the_right_name_and_address_are_accepted) {
  EXPECT_TRUE(get("localhost", client_tls_).has_value());
  EXPECT_TRUE(get("127.0.0.1", client_tls_).has_value());
}

TEST_F(TlsTest, another_authority_is_refused) {
  const TestAuthority other(folder_, "other-");
  const auto context = other.client_context();
  const auto answer = get("localhost", context);
  ASSERT_FALSE(answer.has_value());
  EXPECT_EQ(answer.error(), NetError::certificate_rejected);
  const auto system = TlsClientContext::create({});
  ASSERT_TRUE(system.has_value());
  EXPECT_EQ(get("localhost", *system).error(), NetError::certificate_rejected);
}

TEST_F(TlsTest, authorities_may_come_as_text) {
  const auto read = [](const std::filesystem::path& path) {
    std::ifstream in(path);
    return std::string(std::istreambuf_iterator<char>(in), {});
  };
  const auto trusting = [](std::string pem) {
    TlsClientOptions options;
    options.authority_pem = std::move(pem);
    return TlsClientContext::create(options);
  };
  const TestAuthority other(folder_, "other-");
  const std::string ours = read(authority_.authority.certificate), theirs = read(other.authority.certificate);
  EXPECT_TRUE(get("localhost", *trusting(ours)).has_value());
  EXPECT_TRUE(get("localhost", *trusting(theirs + ours)).has_value());
  EXPECT_EQ(get("localhost", *trusting(theirs)).error(), NetError::certificate_rejected);
  EXPECT_EQ(trusting("no certificate").error(), NetError::certificate_unreadable);
  EXPECT_EQ(trusting(ours + ours.substr(0, ours.size() / 2)).error(), NetError::certificate_unreadable) << "cut short";
}

TEST_F(TlsTest, another_name_or_address_is_refused) {
  const auto reissue = [&](std::vector<std::string> names) {
    EXPECT_TRUE(issue_server_certificate({.authority = authority_.authority,
                                          .out = authority_.server,
                                          .names = std::move(names),
                                          .with_localhost = false,
                                          .now = clock_.now()}));
    EXPECT_TRUE(server_tls_.reload().has_value());
  };
  reissue({"example.org", "localhost.example.org"});
  EXPECT_EQ(get("localhost", client_tls_).error(), NetError::certificate_rejected);
  EXPECT_EQ(get("127.0.0.1", client_tls_).error(), NetError::certificate_rejected);
  reissue({"localhost"});
  EXPECT_TRUE(get("localhost", client_tls_).has_value());
  EXPECT_EQ(get("127.0.0.1", client_tls_).error(), NetError::certificate_rejected) << "a name is no address";
  reissue({"127.0.0.1"});
  EXPECT_TRUE(get("127.0.0.1", client_tls_).has_value());
  EXPECT_EQ(get("localhost", client_tls_).error(), NetError::certificate_rejected) << "an address is no name";
}

TEST_F(TlsTest, an_expired_certificate_is_refused) {
  ASSERT_TRUE(issue_server_certificate({.authority = authority_.authority,
                                        .out = authority_.server,
                                        .names = {},
                                        .now = clock_.now() - std::chrono::days(91)}));
  ASSERT_TRUE(server_tls_.reload().has_value());
  EXPECT_EQ(get("localhost", client_tls_).error(), NetError::certificate_rejected);
}

TEST_F(TlsTest, tls_1_2_is_refused_where_1_3_is_the_minimum) {
  EXPECT_FALSE(bare_connect(TLS1_2_VERSION).connected);
  EXPECT_TRUE(bare_connect(TLS1_3_VERSION).connected);
  EXPECT_EQ(server_->counters().handshakes_failed, 1U);
  server_tls_ = authority_.server_context(TlsVersion::tls_1_2);
  EXPECT_TRUE(bare_connect(TLS1_2_VERSION).connected);
  EXPECT_FALSE(bare_connect(TLS1_1_VERSION).connected);
}

TEST_F(TlsTest, the_hybrid_group_is_taken_when_offered_and_never_a_weak_one) {
  EXPECT_EQ(bare_connect(TLS1_3_VERSION).group, "X25519MLKEM768");
  EXPECT_EQ(bare_connect(TLS1_3_VERSION, "X25519:X25519MLKEM768").group, "X25519MLKEM768");
  EXPECT_EQ(bare_connect(TLS1_3_VERSION, "X25519").group, "x25519");
  EXPECT_FALSE(bare_connect(TLS1_3_VERSION, "ffdhe2048").connected);
}

TEST_F(TlsTest, reload_shows_the_new_certificate_and_keeps_open_connections) {
  HttpClient kept(loop_,
                  {.origin = *Url::parse("https://localhost:" + std::to_string(server_->port())), .tls = &client_tls_});
  const auto ask = [&] {
    std::optional<Result<HttpResponse, NetError>> out;
    kept.request({}, [&](Result<HttpResponse, NetError> result) { out = std::move(result); });
    loop_.run_until([&] { return out.has_value(); });
    return out->has_value();
  };
  ASSERT_TRUE(ask());
  const std::string before = bare_connect(TLS1_3_VERSION).certificate;
  authority_.issue();
  EXPECT_EQ(bare_connect(TLS1_3_VERSION).certificate, before) << "not before it was told";
  ASSERT_TRUE(server_tls_.reload().has_value());
  const std::string after = bare_connect(TLS1_3_VERSION).certificate;
  EXPECT_NE(after, before);
  EXPECT_EQ(after, read_certificate(authority_.server.certificate)->sha256_hex);
  EXPECT_TRUE(ask());
  EXPECT_EQ(server_->counters().accepted, 4U) << "the kept connection was used again";
}

TEST_F(TlsTest, a_bad_file_leaves_the_old_certificate) {
  const std::string before = bare_connect(TLS1_3_VERSION).certificate;
  const auto write = [](const std::filesystem::path& path, std::string_view text) { std::ofstream(path) << text; };
  const TestAuthority other(folder_, "other-");
  std::filesystem::copy_file(other.server.key, authority_.server.key,
                             std::filesystem::copy_options::overwrite_existing);
  EXPECT_EQ(server_tls_.reload().error(), NetError::key_mismatch);
  write(authority_.server.key, "no key");
  EXPECT_EQ(server_tls_.reload().error(), NetError::key_unreadable);
  write(authority_.server.certificate, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
  EXPECT_EQ(server_tls_.reload().error(), NetError::certificate_unreadable);
  std::filesystem::remove(authority_.server.certificate);
  EXPECT_EQ(server_tls_.reload().error(), NetError::certificate_unreadable);
  EXPECT_EQ(bare_connect(TLS1_3_VERSION).certificate, before);
}

TEST_F(TlsTest, what_is_not_tls_ends_the_connection) {
  for (const std::string_view bytes :
       {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "\x16\x03\x01\x40\x00 and then nothing sensible", "\xff"}) {
    bool ended = false;
    std::thread client([&] {
      RawPeer peer(server_->port());
      peer.send(bytes);
      peer.half_close();
      peer.receive_all();
      loop_.post([&] { ended = true; });
    });
    loop_.run_until([&] { return ended; });
    client.join();
  }
  loop_.run_until([&] { return server_->counters().open_connections == 0; });
  EXPECT_EQ(server_->counters().handshakes_failed, 3U);
}

TEST_F(TlsTest, a_cut_is_not_mistaken_for_the_end) {
  // A server that sends a body without a length and then just closes the socket, without close_notify.
  internal::Listener listener = *internal::listen_on({.ip = "127.0.0.1"});
  for (const bool honest : {true, false}) {
    std::thread server([&] {
      ::fcntl(listener.fd.get(), F_SETFL, 0);
      const internal::UniqueFd fd(::accept(listener.fd.get(), nullptr, nullptr));
      const std::unique_ptr<SSL, decltype(&SSL_free)> ssl(SSL_new(server_tls_.native()), SSL_free);
      SSL_set_fd(ssl.get(), fd.get());
      ASSERT_EQ(SSL_accept(ssl.get()), 1);
      char request[4096];
      ASSERT_GT(SSL_read(ssl.get(), request, sizeof request), 0);
      constexpr std::string_view kAnswer = "HTTP/1.1 200 OK\r\n\r\nhalf of";
      SSL_write(ssl.get(), kAnswer.data(), static_cast<int>(kAnswer.size()));
      if (honest) SSL_shutdown(ssl.get());
    });
    HttpClient client(
        loop_, {.origin = *Url::parse("https://localhost:" + std::to_string(listener.port)), .tls = &client_tls_});
    std::optional<Result<HttpResponse, NetError>> out;
    client.request({}, [&](Result<HttpResponse, NetError> result) { out = std::move(result); });
    loop_.run_until([&] { return out.has_value(); });
    server.join();
    EXPECT_EQ(out->has_value(), honest);
    if (!honest) {
      EXPECT_EQ(out->error(), NetError::closed);
    }
  }
}

}  // namespace
}  // namespace opaline::net
