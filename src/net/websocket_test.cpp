// WebSockets end to end: our server, our client, and peers that send raw bytes.
#include "net/websocket.hpp"

#include <algorithm>

#include "net/net_test_support.hpp"

namespace opaline::net {
namespace {

class WebSocketTest : public testing::Test {
 protected:
  WebSocketTest()
      : authority_(folder_), server_tls_(authority_.server_context()), client_tls_(authority_.client_context()) {}

  HttpServerOptions tls_options() { return {.address = {.ip = "127.0.0.1"}, .tls = &server_tls_}; }
  void serve(HttpServerOptions options, std::function<std::unique_ptr<WebSocketHandler>()> make) {
    auto started = HttpServer::start(loop_, std::move(options),
                                     [make = std::move(make), this](HttpRequest request, HttpResponder responder) {
                                       last_request_ = request;
                                       server_binding_ = responder.channel_binding();
                                       responder.upgrade(make());
                                     });
    ASSERT_TRUE(started.has_value());
    server_ = std::move(*started);
  }
  std::unique_ptr<WebSocketClient> connect(Recorded& recorded, WebSocketLimits limits = {}) {
    return std::make_unique<WebSocketClient>(
        loop_, random_,
        WebSocketClientOptions{.url = *Url::parse("wss://localhost:" + std::to_string(server_->port()) + "/v1/device"),
                               .tls = &client_tls_,
                               .limits = limits},
        record_into(recorded), [this](WebSocketConnectFailure failure) { failure_ = failure; });
  }
  void run_until(const std::function<bool()>& done) { ASSERT_TRUE(loop_.run_until(done)); }

  TemporaryFolder folder_;
  TestAuthority authority_;
  SystemClock clock_;
  SeededRandom random_{7};
  TlsServerContext server_tls_;
  TlsClientContext client_tls_;
  EventLoop loop_{clock_};
  Recorded server_seen_;  // the server's handlers tell it until the server has gone
  std::unique_ptr<HttpServer> server_;
  std::optional<WebSocketConnectFailure> failure_;
  HttpRequest last_request_;
  std::optional<ChannelBinding> server_binding_;
};

TEST_F(WebSocketTest, echo_over_tls_with_the_same_channel_binding_at_both_ends) {
  serve(tls_options(), [] { return std::make_unique<EchoHandler>(); });
  Recorded seen;
  std::optional<ChannelBinding> client_binding;
  seen.on_open = [&](WebSocketConnection& connection) {
    client_binding = connection.channel_binding();
    connection.send(as_view("hello"));
  };
  const auto client = connect(seen);
  run_until([&] { return !seen.messages.empty(); });
  EXPECT_EQ(to_string(seen.messages.front()), "hello");
  ASSERT_TRUE(server_binding_.has_value());
  EXPECT_EQ(server_binding_, client_binding);
  EXPECT_EQ(last_request_.path(), "/v1/device");
  EXPECT_TRUE(last_request_.is_websocket_upgrade);
  EXPECT_TRUE(last_request_.peer.is_loopback());

  Recorded other;
  std::optional<ChannelBinding> other_binding;
  other.on_open = [&](WebSocketConnection& connection) { other_binding = connection.channel_binding(); };
  const auto second = connect(other);
  run_until([&] { return other_binding.has_value(); });
  EXPECT_NE(other_binding, client_binding) << "another connection has another binding";
}

TEST_F(WebSocketTest, messages_of_all_sizes_come_back_whole_and_in_order) {
  serve(tls_options(), [] { return std::make_unique<EchoHandler>(); });
  std::vector<Bytes> sent;
  for (const std::size_t size : {0U, 1U, 125U, 126U, 65535U, 65536U, 69632U, 16384U, 3U}) {
    sent.emplace_back(size);
    random_.fill(sent.back());
  }
  Recorded seen;
  seen.on_open = [&](WebSocketConnection& connection) {
    for (const Bytes& message : sent) connection.send(message);
  };
  const auto client = connect(seen);
  run_until([&] { return seen.messages.size() == sent.size(); });
  EXPECT_TRUE(std::ranges::equal(seen.messages, sent));
}

TEST_F(WebSocketTest, many_megabytes_pass_in_both_directions_at_once) {
  serve(tls_options(), [] { return std::make_unique<EchoHandler>(); });
  constexpr std::size_t kMessages = 400;
  constexpr std::size_t kSize = 60'000;
  std::size_t sent = 0;
  std::size_t received = 0;
  bool right = true;
  Recorded seen;
  const auto send_one = [&](WebSocketConnection& connection) {
    const Bytes message(kSize, static_cast<std::byte>(sent++));
    connection.send(message);
  };
  seen.on_open = [&](WebSocketConnection& connection) {
    for (int i = 0; i < 40; ++i) send_one(connection);
  };
  seen.on_message = [&](WebSocketConnection& connection, ByteView message) {
    right = right && message.size() == kSize && message[kSize - 1] == static_cast<std::byte>(received);
    ++received;
    if (sent < kMessages) send_one(connection);
  };
  const auto client = connect(seen, {.max_queued_bytes = 8 << 20});
  run_until([&] { return received == kMessages; });
  EXPECT_TRUE(right);
}

TEST_F(WebSocketTest, everything_of_one_round_leaves_together) {
  // The server answers each message in pieces; the client sees them with as few reads as the records allow.
  serve(tls_options(), [] { return std::make_unique<EchoHandler>(); });
  Recorded seen;
  seen.on_open = [&](WebSocketConnection& connection) {
    for (int i = 0; i < 100; ++i) connection.send(as_view("x"));
    EXPECT_GE(connection.queued_bytes(), 100U * 7);
  };
  const auto client = connect(seen);
  run_until([&] { return seen.messages.size() == 100; });
  const std::uint64_t wire = server_->counters().bytes_in;
  run_until([&] { return seen.connection->queued_bytes() == 0; });
  for (int i = 0; i < 100; ++i) seen.connection->send(as_view("y"));
  run_until([&] { return seen.messages.size() == 200; });
  EXPECT_EQ(server_->counters().bytes_in - wire, 100U * 7 + 22) << "one TLS record for 100 messages";
}

TEST_F(WebSocketTest, closing_from_the_client_reaches_both_handlers) {
  serve(tls_options(), [&] { return record_into(server_seen_); });
  Recorded seen;
  seen.on_open = [](WebSocketConnection& connection) {
    connection.send(as_view("last words"));
    connection.close(4001, "done");
    connection.send(as_view("too late"));
  };
  auto client = connect(seen);
  run_until([&] { return seen.closed.has_value() && server_seen_.closed.has_value(); });
  EXPECT_EQ(server_seen_.closed, CloseCause::by_peer);
  EXPECT_EQ(server_seen_.close_code, 4001);
  EXPECT_EQ(server_seen_.close_reason, "done");
  ASSERT_EQ(server_seen_.messages.size(), 1U);
  EXPECT_EQ(to_string(server_seen_.messages[0]), "last words");
  EXPECT_EQ(seen.closed, CloseCause::by_us);
  EXPECT_EQ(seen.close_code, 4001);
  run_until([&] { return server_->counters().open_connections == 0; });
  EXPECT_TRUE(server_seen_.destroyed);
  EXPECT_EQ(server_->counters().open_websockets, 0U);
}

TEST_F(WebSocketTest, abort_is_seen_as_a_loss_by_the_other_end) {
  serve(tls_options(), [&] { return record_into(server_seen_); });
  Recorded seen;
  seen.on_open = [](WebSocketConnection& connection) { connection.abort(); };
  const auto client = connect(seen);
  run_until([&] { return seen.closed.has_value() && server_seen_.closed.has_value(); });
  EXPECT_EQ(seen.closed, CloseCause::by_us);
  EXPECT_EQ(server_seen_.closed, CloseCause::lost);
  EXPECT_EQ(server_seen_.close_code, close_code::kAbnormal);
}

TEST_F(WebSocketTest, a_client_may_be_destroyed_from_inside_its_handler) {
  serve(tls_options(), [] { return std::make_unique<EchoHandler>(); });
  Recorded seen;
  std::unique_ptr<WebSocketClient> client;
  seen.on_open = [](WebSocketConnection& connection) {
    connection.send(as_view("1"));
    connection.send(as_view("2"));
  };
  int received = 0;
  seen.on_message = [&](WebSocketConnection&, ByteView) {
    ++received;
    client.reset();
  };
  client = connect(seen);
  run_until([&] { return seen.destroyed && server_->counters().open_connections == 0; });
  EXPECT_EQ(received, 1);
  EXPECT_FALSE(seen.closed.has_value());
}

TEST_F(WebSocketTest, a_consumer_that_does_not_read_is_cut) {
  auto options = tls_options();
  options.websocket.max_queued_bytes = 1 << 20;
  serve(options, [&] { return record_into(server_seen_); });
  RawPeer peer(server_->port());  // does the TCP handshake only, then TLS by hand below
  const std::unique_ptr<SSL, decltype(&SSL_free)> ssl(SSL_new(client_tls_.native()), SSL_free);
  SSL_set_fd(ssl.get(), peer.fd());
  SSL_set1_host(ssl.get(), "localhost");
  std::thread blocking([&] {
    ASSERT_EQ(SSL_connect(ssl.get()), 1);
    ASSERT_GT(SSL_write(ssl.get(), kUpgrade.data(), static_cast<int>(kUpgrade.size())), 0);
    char answer[1024];
    ASSERT_GT(SSL_read(ssl.get(), answer, sizeof answer), 0);
  });
  run_until([&] { return server_seen_.connection != nullptr; });
  blocking.join();
  const Bytes chunk(60'000);
  std::size_t most = 0;
  run_until([&] {
    if (server_seen_.connection != nullptr) {
      server_seen_.connection->send(chunk);
      most = std::max(most, server_seen_.connection->queued_bytes());
      loop_.post([] {});
    }
    return server_seen_.closed.has_value();
  });
  EXPECT_EQ(server_seen_.closed, CloseCause::slow_consumer);
  EXPECT_LT(most, (1U << 20) + 2 * chunk.size());
  EXPECT_EQ(server_->counters().slow_consumers, 1U);
}

TEST_F(WebSocketTest, drained_is_told_after_a_full_queue) {
  serve(tls_options(), [&] { return record_into(server_seen_); });
  Recorded seen;
  seen.on_open = [](WebSocketConnection& connection) {
    for (int i = 0; i < 30; ++i) connection.send(Bytes(60'000));
  };
  const auto client = connect(seen);
  run_until([&] { return server_seen_.messages.size() == 30; });
  EXPECT_EQ(seen.drained, 1U);
}

TEST_F(WebSocketTest, a_silent_peer_is_pinged_and_then_cut) {
  ManualClock clock(SystemClock().now());
  EventLoop loop(clock);
  Recorded seen;
  HttpServerOptions options{.address = {.ip = "127.0.0.1"}};
  options.websocket.ping_after = seconds(30);
  options.websocket.pong_within = seconds(20);
  auto server = HttpServer::start(loop, options,
                                  [&](HttpRequest, HttpResponder responder) { responder.upgrade(record_into(seen)); });
  ASSERT_TRUE(server.has_value());
  RawPeer peer((*server)->port());
  peer.send(kUpgrade);
  const auto rounds = [&](seconds time) {
    for (int i = 0; i < 4 * time.count(); ++i) {
      clock.advance(milliseconds(250));
      loop.run_once(milliseconds(0));
    }
  };
  ASSERT_TRUE(loop.run_until([&] { return seen.connection != nullptr; }));
  loop.run_once(milliseconds(0));
  EXPECT_NE(peer.receive_until("\r\n\r\n").find("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), std::string::npos)
      << "RFC 6455 section 1.3";
  rounds(seconds(33));
  EXPECT_EQ(peer.receive(), std::string("\x89\x00", 2)) << "a ping";
  peer.send(client_frame({}, WebSocketOpcode::pong));
  rounds(seconds(28));
  EXPECT_FALSE(seen.closed.has_value());
  rounds(seconds(30));
  EXPECT_EQ(seen.closed, CloseCause::silent);
  EXPECT_EQ(peer.receive(), std::string("\x89\x00", 2));
  EXPECT_EQ(peer.receive_all(), "");
}

TEST_F(WebSocketTest, a_message_that_never_ends_is_cut) {
  ManualClock clock(SystemClock().now());
  EventLoop loop(clock);
  Recorded seen;
  HttpServerOptions options{.address = {.ip = "127.0.0.1"}};
  options.websocket.message_within = seconds(10);
  auto server = HttpServer::start(loop, options,
                                  [&](HttpRequest, HttpResponder responder) { responder.upgrade(record_into(seen)); });
  ASSERT_TRUE(server.has_value());
  RawPeer peer((*server)->port());
  peer.send(kUpgrade);
  ASSERT_TRUE(loop.run_until([&] { return seen.connection != nullptr; }));
  const std::string message = client_frame(Bytes(100));
  for (int i = 0; i < 60 && !seen.closed; ++i) {  // one byte each half second keeps it from being silent
    peer.send(message.substr(static_cast<std::size_t>(i), 1));
    for (int j = 0; j < 4; ++j) {
      clock.advance(milliseconds(125));
      loop.run_once(milliseconds(1));
    }
  }
  EXPECT_EQ(seen.closed, CloseCause::violation);
  EXPECT_EQ(seen.close_code, close_code::kPolicyViolation);
  EXPECT_EQ((*server)->counters().buffered_bytes, 0U);
}

}  // namespace
}  // namespace opaline::net
