#pragma once
// For the tests of linking and recovery: a service that loses answers, tampers, and lies; over real sockets.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "client/recovering.hpp"
#include "crypto/random.hpp"
#include "endpoint/memory_endpoint_store.hpp"
#include "net/certificates.hpp"
#include "net/http_server.hpp"
#include "proto/device.pb.h"

namespace opaline::client::testing {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using net::HttpResponse;
using session::LinkDigits;
using session::LinkExchangeId;
using Welcome = NewDeviceLinking::Welcome;

inline constexpr crypto::Argon2Cost kCheap{.memory_kib = 64, .passes = 1, .lanes = 1};
inline const Failure kLost{ClientError::connect_failed, "lost"};

inline std::string content_of(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

template <class Message>
Message read(ByteView body) {
  Message out;
  EXPECT_TRUE(out.ParseFromArray(body.data(), static_cast<int>(body.size())));
  return out;
}

/// A link exchange as docs/device-api.md has it. Side 0 is the new device, side 1 the one that joined.
struct FakeExchange {
  std::vector<Bytes> said[2];
  bool ended[2] = {false, false};
  bool joined = false, forgotten = false;
  /// What somebody in between makes of the answer to a side.
  std::function<void(int to, std::vector<Bytes>&)> tamper = [](int, std::vector<Bytes>&) {};

  Bytes turn(int side, ByteView body) {
    const auto request = read<wire::v1::LinkTurnRequest>(body);
    auto& mine = said[side];
    for (int i = 0; i < request.send_size(); ++i)
      if (request.sent() + static_cast<std::size_t>(i) >= mine.size()) mine.push_back(to_bytes(request.send(i)));
    ended[side] = ended[side] || request.end();
    const auto& theirs = said[1 - side];
    std::vector<Bytes> out(theirs.begin() + std::min<std::ptrdiff_t>(request.received(), std::ssize(theirs)),
                           theirs.end());
    tamper(side, out);
    wire::v1::LinkTurnReply reply;
    for (const Bytes& message : out) reply.add_messages(to_string(message));
    reply.set_joined(joined);
    reply.set_ended(ended[1 - side]);
    return to_bytes(reply.SerializeAsString());
  }
};

/// Answers a device that connects: it is known, or not.
class Gate final : public net::WebSocketHandler {
 public:
  explicit Gate(bool known) : known_(known) {}
  void on_open(net::WebSocketConnection& connection) override {
    connection_ = &connection;
    wire::Hello hello;
    hello.server_name = as_view("localhost");
    say(hello);
  }
  void on_message(ByteView) override {
    if (known_) return say(wire::Ready{});
    say(wire::Goodbye{wire::GoodbyeCode::auth_failed, {}});
    connection_->close(net::close_code::kNormal, "");
  }
  void on_closed(const net::WebSocketClosed&) override {}

 private:
  template <class Frame>
  void say(const Frame& frame) {
    Bytes out;
    wire::encode(out, frame);
    connection_->send(out);
  }
  bool known_;
  net::WebSocketConnection* connection_ = nullptr;
};

class LinkingTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char path[] = "/tmp/opaline-linking.XXXXXX";
    ASSERT_NE(mkdtemp(path), nullptr);
    directory_ = path;
    const net::CertificatePaths authority{directory_ / "ca.pem", directory_ / "ca.key"};
    const net::CertificatePaths server{directory_ / "s.pem", directory_ / "s.key"};
    ASSERT_TRUE(net::make_authority(authority, "linking test", clock_.now()));
    ASSERT_TRUE(
        net::issue_server_certificate({.authority = authority, .out = server, .names = {}, .now = clock_.now()}));
    tls_ = std::make_unique<net::TlsServerContext>(
        std::move(*net::TlsServerContext::create({.certificate_file = server.certificate, .key_file = server.key})));
    net::HttpServerOptions options;
    options.address.ip = "127.0.0.1";
    options.tls = tls_.get();
    server_ = std::move(*net::HttpServer::start(loop_, std::move(options),
                                                [this](const net::HttpRequest& request, net::HttpResponder responder) {
                                                  log_.emplace_back(request.path());
                                                  if (request.path() == "/v1/device" && known_) {
                                                    responder.upgrade(std::make_unique<Gate>(*known_));
                                                  } else {
                                                    responder.respond(answer(request));
                                                  }
                                                }));
    settings_ = {"https://localhost:" + std::to_string(server_->port()), content_of(authority.certificate)};
    new_home();
    service_ = std::move(*Service::create(loop_, settings_));
    // The account's primary device.
    account_ = random_.id<AccountId>();
    ASSERT_TRUE(endpoint::Endpoint::create(primary_rows_, random_, clock_,
                                           {account_, DeviceNumber{1}, random_.id<MailboxId>()}));
    ASSERT_TRUE(endpoint::Endpoint::confirm_registration(primary_rows_));
    primary_ = std::move(*endpoint::Endpoint::load(primary_rows_, random_, clock_));
  }
  void TearDown() override { fs::remove_all(directory_); }
  /// An empty home, and an exchange that nobody has opened.
  void new_home() {
    home_ = std::make_unique<Home>(*Home::at(directory_ / ("home" + std::to_string(++homes_))));
    store_ = std::make_unique<LocalStore>(
        std::move(*LocalStore::create(*home_, {std::nullopt, home_->key_file()}, settings_, random_, kCheap)));
    rows_ = std::make_unique<SqliteEndpointStore>(*store_, random_);
    exchange_ = {};
  }

  static HttpResponse ok(const google::protobuf::MessageLite& reply) {
    HttpResponse out;
    out.body = to_bytes(reply.SerializeAsString());
    return out;
  }
  static HttpResponse refused(int status) {
    HttpResponse out;
    out.status = 400;
    out.headers.push_back({"Opaline-Status", std::to_string(status)});
    return out;
  }
  HttpResponse answer(const net::HttpRequest& request) {
    if (request.path() == "/v1/link/open") {
      exchange_.said[0].push_back(to_bytes(read<wire::v1::LinkOpenRequest>(request.body).send(0)));
      wire::v1::LinkOpenReply reply;
      reply.set_exchange(std::string(16, 'e'));
      reply.set_secret(std::string(32, 's'));
      reply.set_number("123456789");
      reply.set_valid_seconds(600);
      return ok(reply);
    }
    if (request.path() == "/v1/link/turn" && !exchange_.forgotten) {
      HttpResponse out;
      out.body = exchange_.turn(0, request.body);
      return out;
    }
    if (request.path() == "/v1/link/turn") return refused(wire::v1::CALL_STATUS_NOT_FOUND);
    return recovery_(request);
  }
  [[nodiscard]] NewDeviceLinking::Parts parts() { return {loop_, *service_, *store_, *rows_, random_, clock_}; }

  struct Outcome {
    std::optional<ClientError> error;  ///< of whichever side failed first
    std::string message;
    bool linked = false;
  };
  /// Links by the number; `until` ends the new device there, as a kill would.
  Outcome link(const std::function<bool(const NewDeviceLinking::News&)>& until = {}) {
    NewDeviceLinking fresh(parts(), "tablet", false);
    const auto opened = fresh.open();
    if (!opened) return {opened.error().error, opened.error().message};
    exchange_.joined = true;
    const LinkExchangeId id = *LinkExchangeId::from(as_view(std::string(16, 'e')));
    const auto list = *primary_->own_list();
    PrimaryLinking adds(
        random_,
        LinkExchange(id, {}, [this](ByteView request) -> Result<Bytes, Failure> { return exchange_.turn(1, request); }),
        session::LinkPrimary({id, random_.id<MailboxId>(), list, "anna@example.org", clock_.now()}), {});
    for (int i = 0; i < 30; ++i) {
      const auto news = fresh.poll();
      if (!news) return {news.error().error, news.error().message};
      if (until && until(*news)) return {};
      if (std::holds_alternative<NewDeviceLinking::Linked>(*news)) return {{}, "", true};
      if (std::holds_alternative<session::LinkRefusal>(*news)) return {ClientError::refused, ""};
      if (std::holds_alternative<LinkDigits>(*news))
        if (const auto done = fresh.confirm(true); !done) return {done.error().error, done.error().message};
      const auto theirs = adds.poll();
      if (!theirs) return {theirs.error().error, theirs.error().message};
      if (std::holds_alternative<LinkDigits>(*theirs))
        if (const auto done = adds.confirm(); !done) return {done.error().error, done.error().message};
      if (std::holds_alternative<session::LinkProposal>(*theirs))
        adds.approve(*session::verify_device_list(
            session::sign_device_list(adds.next_list(clock_.now()), *primary_->account_key(), random_)));
    }
    return {ClientError::timed_out, ""};
  }
  [[nodiscard]] bool is_device() { return endpoint::Endpoint::load(*rows_, random_, clock_).has_value(); }
  [[nodiscard]] bool unfinished() { return *NewDeviceLinking::unfinished(*store_, random_); }
  Result<NewDeviceLinking::Before, Failure> resume() {
    return NewDeviceLinking::resume(
        parts(),
        [this](std::chrono::milliseconds) {
          clock_.advance(1min);
          return ++pauses_ < stop_after_;
        },
        [this] { ++waits_; });
  }

  SeededRandom random_{20};
  ManualClock clock_{SystemClock().now()};
  SystemClock real_;
  net::EventLoop loop_{real_};
  fs::path directory_;
  std::unique_ptr<net::TlsServerContext> tls_;
  std::unique_ptr<net::HttpServer> server_;
  Settings settings_;
  std::unique_ptr<Home> home_;
  std::unique_ptr<LocalStore> store_;
  std::unique_ptr<SqliteEndpointStore> rows_;
  std::unique_ptr<Service> service_;
  AccountId account_;
  endpoint::MemoryEndpointStore primary_rows_;
  std::unique_ptr<endpoint::Endpoint> primary_;
  FakeExchange exchange_;
  std::optional<bool> known_;  ///< whether the service knows the device that connects; nullopt: it does not answer
  std::function<HttpResponse(const net::HttpRequest&)> recovery_ = [](const auto&) { return refused(4); };
  std::vector<std::string> log_;
  int homes_ = 0, pauses_ = 0, waits_ = 0, stop_after_ = 1000;
};

}  // namespace opaline::client::testing
