// A WebSocket server and peers that send it bytes that no client would, over a plain socket on loopback.
#include "net/net_test_support.hpp"

namespace opaline::net {
namespace {

class HostileTest : public testing::Test {
 protected:
  explicit HostileTest(HttpServerOptions options = {.address = {.ip = "127.0.0.1"}}) {
    server_ =
        std::move(*HttpServer::start(thread_.loop(), std::move(options), [this](HttpRequest, HttpResponder responder) {
          responder.upgrade(record_into(seen_));
        }));
  }
  ~HostileTest() override {
    thread_.stop();
    server_.reset();
  }
  RawPeer upgraded() {
    RawPeer peer(server_->port());
    peer.send(kUpgrade);
    EXPECT_TRUE(peer.receive_until("\r\n\r\n").starts_with("HTTP/1.1 101 "));
    return peer;
  }
  LoopThread thread_;
  Recorded seen_;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(HostileTest, a_broken_frame_is_answered_with_its_code_and_the_end) {
  struct Case {
    std::string bytes;
    std::uint16_t code;
  };
  const Case cases[] = {
      {std::string("\x82\x05hello", 7), 1002},                                              // not masked
      {client_frame(as_view("text"), WebSocketOpcode::text), 1003},                         //
      {std::string("\x82\xff\x00\x00\x00\x00\x7f\xff\xff\xff\x01\x02\x03\x04", 14), 1009},  // 2 GiB announced
      {std::string("\xc2\x80\x01\x02\x03\x04", 6), 1002},                                   // RSV1
  };
  for (const Case& one : cases) {
    seen_ = {};
    RawPeer peer = upgraded();
    peer.send(one.bytes);
    const std::string answer = peer.receive();
    ASSERT_EQ(answer.size(), 4U);
    EXPECT_EQ(answer[0], '\x88');
    EXPECT_EQ((static_cast<unsigned char>(answer[2]) << 8) + static_cast<unsigned char>(answer[3]), one.code);
    EXPECT_EQ(peer.receive_all(), "");
    thread_.call([&] {
      EXPECT_EQ(seen_.closed, CloseCause::violation);
      EXPECT_EQ(seen_.close_code, one.code);
    });
  }
}

TEST_F(HostileTest, byte_by_byte_upgrade_and_message) {
  RawPeer peer(server_->port());
  for (const char c : kUpgrade) peer.send(std::string(1, c));
  EXPECT_TRUE(peer.receive_until("\r\n\r\n").starts_with("HTTP/1.1 101 "));
  for (const char c : client_frame(as_view("slow but right"))) peer.send(std::string(1, c));
  peer.send(client_frame({}, WebSocketOpcode::ping));
  EXPECT_EQ(peer.receive(), std::string("\x8a\x00", 2));
  thread_.call([&] {
    ASSERT_EQ(seen_.messages.size(), 1U);
    EXPECT_EQ(to_string(seen_.messages[0]), "slow but right");
    EXPECT_EQ(server_->counters().buffered_bytes, 0U);
  });
}

TEST_F(HostileTest, messages_right_behind_the_upgrade_request_are_not_lost) {
  RawPeer peer(server_->port());
  peer.send(std::string(kUpgrade) + client_frame(as_view("early")) + client_frame({}, WebSocketOpcode::ping));
  EXPECT_TRUE(peer.receive_until(std::string("\x8a\x00", 2)).starts_with("HTTP/1.1 101 "));
  thread_.call([&] {
    ASSERT_EQ(seen_.messages.size(), 1U);
    EXPECT_EQ(to_string(seen_.messages[0]), "early");
  });
}

TEST_F(HostileTest, a_reset_connection_is_a_loss) {
  RawPeer peer = upgraded();
  peer.send(client_frame(as_view("x")).substr(0, 3));
  peer.reset();
  while (!thread_.call([&] { return seen_.closed.has_value(); })) {
  }
  thread_.call([&] {
    EXPECT_EQ(seen_.closed, CloseCause::lost);
    EXPECT_TRUE(seen_.destroyed);
    EXPECT_EQ(server_->counters().buffered_bytes, 0U);
  });
}

TEST_F(HostileTest, random_bytes_after_the_upgrade_end_the_connection_and_leak_nothing) {
  SeededRandom random(*reinterpret_cast<const std::uint64_t*>("opaline!"));
  for (int i = 0; i < 200; ++i) {
    thread_.call([&] { seen_ = {}; });
    RawPeer peer = upgraded();
    Bytes garbage(1 + random.below(2000));
    random.fill(garbage);
    peer.send(as_text(garbage));
    peer.half_close();
    peer.receive_all();
  }
  while (!thread_.call([&] { return server_->counters().open_connections == 0; })) {
  }
  thread_.call([&] {
    EXPECT_EQ(server_->counters().open_websockets, 0U);
    EXPECT_EQ(server_->counters().buffered_bytes, 0U);
  });
}

class CrowdedTest : public HostileTest {
 protected:
  CrowdedTest() : HostileTest({.address = {.ip = "127.0.0.1"}, .max_buffered_bytes = 100'000}) {}
};

TEST_F(CrowdedTest, unfinished_messages_of_all_together_are_bounded) {
  std::deque<RawPeer> peers;
  std::string unfinished = client_frame(Bytes(60'000));
  unfinished.pop_back();
  bool refused = false;
  for (int i = 0; i < 4 && !refused; ++i) {
    thread_.call([&] { seen_ = {}; });
    peers.push_back(upgraded());
    peers.back().send(unfinished);
    while (!refused && !thread_.call([&] {
      return server_->counters().buffered_bytes > 60'000U * (static_cast<unsigned>(i) + 1);
    })) {
      refused = thread_.call([&] { return seen_.closed.has_value(); });
    }
  }
  ASSERT_TRUE(refused);
  EXPECT_EQ(thread_.call([&] { return seen_.close_code; }), close_code::kTryAgainLater);
}

}  // namespace
}  // namespace opaline::net
