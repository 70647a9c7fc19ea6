// The HTTP server's deadlines, limits, addresses and shutdown.
#include <sys/resource.h>
#include <sys/stat.h>

#include "net/net_test_support.hpp"

namespace opaline::net {
namespace {

// ---- time

TEST_F(HttpServerTest, slow_loris_is_closed_at_the_deadline_not_by_its_last_byte) {
  ManualClock clock(SystemClock().now());
  EventLoop loop(clock);
  auto server = HttpServer::start(loop, {.address = {.ip = "127.0.0.1"}, .header_within = seconds(10)},
                                  [](HttpRequest, HttpResponder) { FAIL(); });
  ASSERT_TRUE(server.has_value());
  RawPeer slow((*server)->port());
  RawPeer mute((*server)->port());
  ASSERT_TRUE(loop.run_until([&] { return (*server)->counters().accepted == 2; }));
  loop.run_once(milliseconds(0));
  int seconds_open = 0;
  for (; (*server)->counters().open_connections != 0 && seconds_open < 30; ++seconds_open) {
    slow.send("G");
    for (int i = 0; i < 8; ++i) {
      clock.advance(milliseconds(125));
      loop.run_once(milliseconds(1));
    }
  }
  EXPECT_GE(seconds_open, 9);
  EXPECT_LE(seconds_open, 12);
  EXPECT_EQ((*server)->counters().timeouts, 2U);
  EXPECT_EQ(mute.receive_all(), "");
}

TEST_F(HttpServerTest, idle_and_handshake_deadlines) {
  ManualClock clock(SystemClock().now());
  EventLoop loop(clock);
  const TemporaryFolder folder;
  const TestAuthority authority(folder);
  const auto tls = authority.server_context();
  auto plain =
      HttpServer::start(loop, {.address = {.ip = "127.0.0.1"}, .idle_within = seconds(30)},
                        [](HttpRequest, HttpResponder r) { r.respond(text_response(200, "text/plain", "ok")); });
  auto secure = HttpServer::start(loop, {.address = {.ip = "127.0.0.1"}, .tls = &tls, .handshake_within = seconds(10)},
                                  [](HttpRequest, HttpResponder) { FAIL(); });
  ASSERT_TRUE(plain.has_value() && secure.has_value());
  RawPeer idle((*plain)->port());
  RawPeer mute((*secure)->port());
  idle.send(kGet);
  ASSERT_TRUE(
      loop.run_until([&] { return (*plain)->counters().requests == 1 && (*secure)->counters().accepted == 1; }));
  const auto pass = [&](int time) {
    for (int i = 0; i < 8 * time; ++i) {
      clock.advance(milliseconds(125));
      loop.run_once(milliseconds(0));
    }
  };
  pass(9);
  EXPECT_EQ((*secure)->counters().open_connections, 1U);
  pass(3);
  EXPECT_EQ((*secure)->counters().open_connections, 0U);
  pass(16);
  EXPECT_EQ((*plain)->counters().open_connections, 1U);
  pass(4);
  EXPECT_EQ((*plain)->counters().open_connections, 0U);
}

// ---- limits on connections

TEST_F(HttpServerTest, connections_are_limited_in_all_and_per_source) {
  serve({.max_connections = 5, .max_connections_per_source = 3, .limit_loopback = true});
  std::deque<RawPeer> peers;
  for (int i = 0; i < 3; ++i) peers.push_back(peer());
  for (RawPeer& p : peers) {
    p.send(kGet);
    EXPECT_NE(p.receive(), "");
  }
  EXPECT_EQ(peer().receive_all(), "");
  EXPECT_EQ(counters().refused_source, 1U);
  peers.pop_back();
  while (counters().open_connections != 2) std::this_thread::yield();
  RawPeer again = peer();
  again.send(kGet);
  EXPECT_NE(again.receive(), "");
}

TEST_F(HttpServerTest, more_than_the_maximum_are_refused) {
  serve({.max_connections = 2});
  RawPeer a = peer();
  RawPeer b = peer();
  b.send(kGet);
  EXPECT_NE(b.receive(), "");
  EXPECT_EQ(peer().receive_all(), "");
  EXPECT_EQ(counters().refused_full, 1U);
}

TEST_F(HttpServerTest, without_descriptors_it_waits_and_goes_on) {
  serve({});
  rlimit before{};
  ::getrlimit(RLIMIT_NOFILE, &before);
  RawPeer first = peer();
  first.send(kGet);
  EXPECT_NE(first.receive(), "");
  std::deque<internal::UniqueFd> fillers;
  RawPeer waiting(server_->port());  // made while there is room; accepted or not
  waiting.send(kGet);
  EXPECT_NE(waiting.receive(), "");
  const internal::UniqueFd ours(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const rlimit small{.rlim_cur = static_cast<rlim_t>(::dup(0)), .rlim_max = before.rlim_max};
  ::close(static_cast<int>(small.rlim_cur));
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &small), 0);
  const auto address = *internal::ip_address("127.0.0.1", server_->port());
  ASSERT_EQ(::connect(ours.get(), address.get(), address.size), 0);
  while (counters().accept_backoffs == 0) std::this_thread::yield();
  first.send(kGet);
  EXPECT_NE(first.receive(), "") << "the others are served meanwhile";
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  while (counters().accepted != 3) std::this_thread::yield();
}

TEST_F(HttpServerTest, hundreds_at_once) {
  serve({});
  std::deque<RawPeer> peers;
  for (int i = 0; i < 400; ++i) peers.push_back(peer());
  for (RawPeer& p : peers) p.send(kGet);
  for (RawPeer& p : peers) EXPECT_NE(p.receive().find("200 OK"), std::string::npos);
  EXPECT_EQ(counters().open_connections, 400U);
  peers.clear();
  wait_until_empty();
}

// ---- where it listens

TEST_F(HttpServerTest, what_an_answer_holds_is_held_until_the_peer_has_it_or_has_gone) {
  SystemClock clock;
  EventLoop loop(clock);
  auto token = std::make_shared<int>(1);
  auto server =
      HttpServer::start(loop, {.address = {.ip = "127.0.0.1"}}, [&](const HttpRequest& request, HttpResponder r) {
        auto response = text_response(200, "text/plain", std::string(request.path() == "/large" ? 64 << 20 : 10, 'x'));
        response.held = token;
        r.respond(std::move(response));
      });
  ASSERT_TRUE(server.has_value());
  RawPeer quick((*server)->port());
  quick.send(kGet);
  ASSERT_TRUE(loop.run_until([&] { return (*server)->counters().requests == 1; }));
  EXPECT_EQ(token.use_count(), 1);
  {
    RawPeer slow((*server)->port());
    slow.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
    ASSERT_TRUE(loop.run_until([&] { return (*server)->counters().requests == 2; }));
    for (int i = 0; i < 20; ++i) loop.run_once(milliseconds(1));
    EXPECT_EQ(token.use_count(), 2) << "it does not read";
  }
  ASSERT_TRUE(loop.run_until([&] { return (*server)->counters().open_connections == 1; }));
  loop.run_once(milliseconds(0));
  EXPECT_EQ(token.use_count(), 1);
}

TEST_F(HttpServerTest, unfinished_bodies_have_a_limit_of_their_own) {
  SystemClock clock;
  EventLoop loop(clock);
  auto server =
      HttpServer::start(loop, {.address = {.ip = "127.0.0.1"}, .max_buffered_body_bytes = 1000},
                        [](HttpRequest, HttpResponder r) { r.respond(text_response(200, "text/plain", "")); });
  ASSERT_TRUE(server.has_value());
  const std::string head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 800\r\n\r\n";
  RawPeer first((*server)->port());
  RawPeer second((*server)->port());
  first.send(head + std::string(700, 'x'));
  ASSERT_TRUE(loop.run_until([&] { return (*server)->counters().buffered_bytes == 700; }));
  second.send(head + std::string(700, 'x'));
  ASSERT_TRUE(loop.run_until([&] { return (*server)->counters().bad_requests == 1; }));
  EXPECT_EQ((*server)->counters().buffered_bytes, 700U) << "what was refused is not counted";
  first.send(std::string(100, 'x'));
  ASSERT_TRUE(loop.run_until([&] { return (*server)->counters().requests == 1; }));
  EXPECT_EQ((*server)->counters().buffered_bytes, 0U);
}

TEST_F(HttpServerTest, plaintext_beyond_loopback_is_not_served) {
  const auto start = [&](const std::string& ip) {
    return thread_.call([&] {
      const auto server = HttpServer::start(thread_.loop(), {.address = {.ip = ip}}, [](HttpRequest, HttpResponder) {});
      return server ? std::string("served") : std::string(name(server.error()));
    });
  };
  EXPECT_EQ(start("0.0.0.0"), "plain_needs_loopback");
  EXPECT_EQ(start("::"), "plain_needs_loopback");
  EXPECT_EQ(start("192.0.2.1"), "plain_needs_loopback");
  EXPECT_EQ(start("localhost"), "address_invalid");
  EXPECT_EQ(start("127.0.0.1"), "served");
}

TEST_F(HttpServerTest, a_port_in_use_is_told) {
  serve({});
  const auto second = thread_.call([&] {
    return HttpServer::start(thread_.loop(), {.address = {.ip = "127.0.0.1", .port = server_->port()}},
                             [](HttpRequest, HttpResponder) {})
        .error();
  });
  EXPECT_EQ(second, NetError::address_in_use);
}

TEST_F(HttpServerTest, unix_sockets_tell_who_is_there) {
  const TemporaryFolder folder;
  const std::string path = folder / "admin.sock";
  std::optional<Peer> seen;
  serve({.address = {.unix_path = path}}, [&](HttpRequest request, HttpResponder responder) {
    seen = request.peer;
    responder.respond(text_response(200, "text/plain", "ok"));
  });
  struct stat status{};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
  const auto answer =
      thread_
          .call([&] {
            auto client = std::make_shared<HttpClient>(
                thread_.loop(), HttpClientOptions{.origin = *Url::parse("http://admin"), .unix_path = path});
            auto promise = std::make_shared<std::promise<unsigned>>();
            auto future = promise->get_future();
            client->request({}, [client, promise](const Result<HttpResponse, NetError>& result) {
              promise->set_value(result ? result->status : 0);
            });
            return future;
          })
          .get();
  EXPECT_EQ(answer, 200U);
  thread_.call([&] {
    ASSERT_TRUE(seen && seen->credentials);
    EXPECT_EQ(*seen->credentials, (PeerCredentials{.user = ::getuid(), .group = ::getgid(), .process = ::getpid()}));
    EXPECT_EQ(seen->ip_text(), "unix");
  });
  const auto again =
      thread_.call([&] { return HttpServer::start(thread_.loop(), {.address = {.unix_path = path}}, {}).error(); });
  EXPECT_EQ(again, NetError::address_in_use);
  thread_.call([&] { server_.reset(); });
  EXPECT_NE(::stat(path.c_str(), &status), 0) << "removed with the server";
}

TEST_F(HttpServerTest, a_stale_socket_is_replaced_and_another_file_is_not) {
  const TemporaryFolder folder;
  const std::string path = folder / "stale.sock";
  {
    const internal::UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const auto address = *internal::unix_address(path);
    ASSERT_EQ(::bind(fd.get(), address.get(), address.size), 0);
  }
  serve({.address = {.unix_path = path}});
  const std::string file = folder / "file";
  std::ofstream(file) << "precious";
  const auto refused =
      thread_.call([&] { return HttpServer::start(thread_.loop(), {.address = {.unix_path = file}}, {}).error(); });
  EXPECT_EQ(refused, NetError::address_invalid);
  EXPECT_TRUE(std::filesystem::is_regular_file(file));
}

// ---- the gate

TEST_F(HttpServerTest, shutdown_lets_answers_out_and_ends_the_rest) {
  std::optional<HttpResponder> running;
  Recorded websocket;
  serve({}, [&](HttpRequest request, HttpResponder responder) {
    if (request.is_websocket_upgrade) {
      responder.upgrade(record_into(websocket));
    } else if (request.path() == "/slow") {
      running.emplace(std::move(responder));
    } else {
      responder.respond(text_response(200, "text/plain", "ok"));
    }
  });
  RawPeer idle = peer();
  idle.send(kGet);
  idle.receive_until("ok");
  RawPeer slow = peer();
  slow.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
  RawPeer upgraded = peer();
  upgraded.send(
      "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n");
  upgraded.receive_until("\r\n\r\n");
  while (!thread_.call([&] { return running.has_value() && websocket.connection != nullptr; }))
    std::this_thread::yield();

  bool done = false;
  thread_.call([&] { server_->shutdown(seconds(600), [&] { done = true; }); });
  EXPECT_EQ(idle.receive_all(), "");
  EXPECT_EQ(upgraded.receive(), std::string("\x88\x0f\x03\xe9shutting down", 17));
  upgraded.half_close();
  upgraded.receive_all();
  EXPECT_FALSE(thread_.call([&] { return done; }));
  thread_.call([&] { running->respond(text_response(200, "text/plain", "at last")); });
  const std::string answer = slow.receive_all();
  EXPECT_NE(answer.find("at last"), std::string::npos);
  EXPECT_NE(answer.find("Connection: close"), std::string::npos);
  slow.half_close();
  idle.half_close();
  slow.reset();
  idle.reset();
  while (!thread_.call([&] { return done; })) std::this_thread::yield();
  EXPECT_EQ(counters().open_connections, 0U);
  thread_.call([&] { EXPECT_EQ(websocket.closed, CloseCause::by_us); });
}

TEST_F(HttpServerTest, shutdown_ends_at_its_deadline) {
  std::optional<HttpResponder> never;
  serve({}, [&](HttpRequest, HttpResponder responder) { never.emplace(std::move(responder)); });
  RawPeer p = peer();
  p.send(kGet);
  while (!thread_.call([&] { return never.has_value(); })) std::this_thread::yield();
  std::promise<void> done;
  thread_.call([&] { server_->shutdown(milliseconds(20), [&] { done.set_value(); }); });
  done.get_future().wait();
  EXPECT_EQ(p.receive_all(), "");
  thread_.call([&] { never.reset(); });
}

}  // namespace
}  // namespace opaline::net
