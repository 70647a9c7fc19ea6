#include "net/http_server.hpp"

#include <fcntl.h>
#include <rapidcheck.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>

#include "net/internal/http_parser.hpp"
#include "net/internal/http_text.hpp"
#include "net/net_test_support.hpp"

namespace opaline::net {
namespace {

constexpr std::string_view kGet = "GET /x?y=1 HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// Answers every request with what it was, on a thread of its own.
class HttpServerTest : public testing::Test {
 protected:
  void serve(HttpServerOptions options, HttpHandler handler = {}) {
    if (options.address.ip.empty() && options.address.unix_path.empty()) options.address.ip = "127.0.0.1";
    if (!handler) {
      handler = [](HttpRequest request, HttpResponder responder) {
        responder.respond(text_response(
            200, "text/plain", request.method + " " + request.target + " " + std::to_string(request.body.size())));
      };
    }
    server_ = thread_.call([&] {
      auto started = HttpServer::start(thread_.loop(), std::move(options), std::move(handler));
      return started ? std::move(*started) : nullptr;
    });
    ASSERT_NE(server_, nullptr);
  }
  ~HttpServerTest() override {
    thread_.stop();
    server_.reset();
  }
  RawPeer peer() { return RawPeer(server_->port()); }
  /// The status line's code that `request` is answered with; 0 if the connection just ends.
  int status_of(std::string_view request) {
    RawPeer p = peer();
    p.send(request);
    p.half_close();
    const std::string answer = p.receive_all();
    return answer.starts_with("HTTP/1.1 ") ? std::stoi(answer.substr(9, 3)) : 0;
  }
  HttpServerCounters counters() {
    return thread_.call([&] { return server_->counters(); });
  }
  void wait_until_empty() {
    while (counters().open_connections != 0) std::this_thread::yield();
  }

  LoopThread thread_;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpServerTest, answers_and_keeps_the_connection) {
  serve({});
  RawPeer p = peer();
  for (int i = 0; i < 3; ++i) {
    p.send(kGet);
    const std::string answer = p.receive_until("GET /x?y=1 0");
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 OK\r\nDate: ")) << answer;
    EXPECT_NE(answer.find("\r\nContent-Length: 12\r\n"), std::string::npos);
    EXPECT_NE(answer.find("\r\nConnection: keep-alive\r\n"), std::string::npos);
  }
  EXPECT_EQ(counters().accepted, 1U);
  EXPECT_EQ(counters().requests, 3U);
}

TEST_F(HttpServerTest, pipelined_requests_are_answered_in_order) {
  std::vector<HttpResponder> waiting;
  serve({}, [&](HttpRequest request, HttpResponder responder) {
    // Each is answered in a later round.
    thread_.loop().post([request = std::move(request), r = std::move(responder)]() mutable {
      r.respond(text_response(200, "text/plain", request.target));
    });
  });
  RawPeer p = peer();
  std::string all;
  for (int i = 0; i < 50; ++i) all += "GET /" + std::to_string(i) + ". HTTP/1.1\r\nHost: a\r\n\r\n";
  p.send(all);
  const std::string answers = p.receive_until("/49.");
  std::size_t at = 0;
  for (int i = 0; i < 50; ++i) {
    at = answers.find("/" + std::to_string(i) + ".", at);
    ASSERT_NE(at, std::string::npos) << i;
  }
}

TEST_F(HttpServerTest, a_peer_that_pipelines_and_never_reads_is_not_served_without_bound) {
  const Bytes big(64 * 1024);
  serve({}, [&](HttpRequest, HttpResponder responder) { responder.respond({.status = 200, .body = big}); });
  RawPeer p = peer();
  ::fcntl(p.fd(), F_SETFL, O_NONBLOCK);
  while (p.send(kGet)) {
  }
  std::uint64_t before = 0;
  for (std::uint64_t now = counters().requests; now != before || now == 0; now = counters().requests) before = now;
  EXPECT_LT(before, 1000U);
}

TEST_F(HttpServerTest, bodies_by_length_and_in_chunks) {
  serve({});
  EXPECT_EQ(status_of("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"), 200);
  RawPeer p = peer();
  p.send(
      "POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\nTrailer: "
      "x\r\n\r\n");
  EXPECT_NE(p.receive_until("POST /c 7").find("POST /c 7"), std::string::npos);
  p.send(kGet);
  EXPECT_NE(p.receive_until("GET /x").find("200 OK"), std::string::npos) << "nothing of the body was left over";
}

TEST_F(HttpServerTest, expect_continue_is_answered_before_the_body) {
  serve({});
  RawPeer p = peer();
  p.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(p.receive(), "HTTP/1.1 100 Continue\r\n\r\n");
  p.send("hello");
  EXPECT_NE(p.receive_until("POST / 5").find("200 OK"), std::string::npos);
}

TEST_F(HttpServerTest, head_has_a_length_and_no_body_and_204_neither) {
  serve({}, [](HttpRequest request, HttpResponder responder) {
    responder.respond(text_response(request.path() == "/none" ? 204 : 200, "text/plain", "body"));
  });
  RawPeer p = peer();
  p.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\nGET /none HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  const std::string answer = p.receive_all();
  EXPECT_NE(answer.find("Content-Length: 4\r\n"), std::string::npos);
  EXPECT_EQ(answer.find("body"), std::string::npos);
  EXPECT_EQ(answer.find("Content-Length: 4\r\n", answer.find("204")), std::string::npos);
}

TEST_F(HttpServerTest, damaged_requests_are_refused_and_the_connection_closed) {
  serve({.max_body_bytes = 100});
  const auto with = [](std::string_view line) {
    return "POST / HTTP/1.1\r\nHost: a\r\n" + std::string(line) + "\r\n\r\n";
  };
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\n\r\n"), 400) << "no Host";
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), 400) << "two Hosts";
  EXPECT_EQ(status_of("GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n"), 400) << "absolute form";
  EXPECT_EQ(status_of("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
  EXPECT_EQ(status_of("GET / HTTP/2.0\r\nHost: a\r\n\r\n"), 505);
  EXPECT_EQ(status_of("GET /\r\n\r\n"), 400);
  EXPECT_EQ(status_of("G@T / HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
  EXPECT_EQ(status_of("GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
  EXPECT_EQ(status_of("GET / HTTP/1.1\nHost: a\n\n"), 505) << "bare line feeds";
  EXPECT_EQ(status_of(with("Content-Length: 1\r\nContent-Length: 2")), 400);
  EXPECT_EQ(status_of(with("Content-Length: -1")), 400);
  EXPECT_EQ(status_of(with("Content-Length: 1x")), 400);
  EXPECT_EQ(status_of(with("Content-Length: 99999999999999999999")), 400);
  EXPECT_EQ(status_of(with("Content-Length: 101")), 413);
  EXPECT_EQ(status_of(with("Content-Length: 3\r\nTransfer-Encoding: chunked")), 400) << "request smuggling";
  EXPECT_EQ(status_of(with("Transfer-Encoding: chunked\r\nContent-Length: 3")), 400) << "request smuggling";
  EXPECT_EQ(status_of(with("Transfer-Encoding: gzip, chunked")), 501);
  EXPECT_EQ(status_of(with("Transfer-Encoding: identity")), 501);
  EXPECT_EQ(status_of(with("Transfer-Encoding: xchunked")), 501);
  EXPECT_EQ(status_of("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 501);
  EXPECT_EQ(status_of(with("Transfer-Encoding: chunked") + "65\r\n"), 413) << "a chunk over the limit";
  EXPECT_EQ(status_of(with("Transfer-Encoding: chunked") + "40\r\n" + std::string(64, 'x') + "\r\n40\r\n"), 413);
  EXPECT_EQ(status_of(with("Transfer-Encoding: chunked") + "zz\r\n"), 400);
  EXPECT_EQ(status_of(with("Transfer-Encoding: chunked") + "1;" + std::string(9000, 'x')), 431)
      << "an endless extension";
  EXPECT_EQ(status_of(with("Transfer-Encoding: chunked") + "0\r\nA: " + std::string(9000, 'x')), 431)
      << "an endless trailer";
  EXPECT_EQ(status_of(with("A : b")), 400) << "blank before the colon";
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: a\r\nA: " + std::string(9000, 'x') + "\r\n\r\n"), 431);
  EXPECT_EQ(status_of("GET /" + std::string(9000, 'x')), 431);
  wait_until_empty();
  EXPECT_EQ(counters().buffered_bytes, 0U);
  EXPECT_EQ(counters().requests, 0U) << "no handler has seen any of it";
}

TEST_F(HttpServerTest, any_bytes_end_in_an_answer_or_a_closed_connection) {
  serve({});
  rc::check([&] {
    const auto parts = *rc::gen::container<std::vector<std::string>>(rc::gen::weightedOneOf<std::string>({
        {5, rc::gen::element<std::string>("GET / HTTP/1.1\r\n", "POST /a HTTP/1.1\r\n", "Host: a\r\n", "\r\n",
                                          "Content-Length: 3\r\n", "Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n",
                                          "0\r\n", "Connection: close\r\n", " ", "Upgrade: websocket\r\n", ":", "\r",
                                          "\n", "HTTP/1.0", "Expect: 100-continue\r\n")},
        {1, rc::gen::container<std::string>(rc::gen::arbitrary<char>())},
    }));
    std::string bytes;
    for (const auto& part : parts) bytes += part;
    RawPeer p = peer();
    p.send(bytes);
    p.half_close();
    p.receive_all();
  });
  wait_until_empty();
  EXPECT_EQ(counters().buffered_bytes, 0U);
}

TEST_F(HttpServerTest, no_response_can_be_split) {
  serve({}, [](HttpRequest, HttpResponder responder) {
    responder.respond(
        {.status = 200,
         .headers = {{"X-Good", "1"}, {"X-Bad", "a\r\nSet-Cookie: b"}, {"X Bad", "c"}, {"Content-Length", "9999"}},
         .body = to_bytes("ok")});
  });
  RawPeer p = peer();
  p.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  const std::string answer = p.receive_all();
  EXPECT_NE(answer.find("X-Good: 1\r\n"), std::string::npos);
  EXPECT_EQ(answer.find("Cookie"), std::string::npos);
  EXPECT_EQ(answer.find("X Bad"), std::string::npos);
  EXPECT_EQ(answer.find("9999"), std::string::npos);
}

TEST_F(HttpServerTest, a_responder_that_is_dropped_answers_500) {
  serve({}, [](HttpRequest, HttpResponder) {});
  EXPECT_EQ(status_of(kGet), 500);
}

TEST_F(HttpServerTest, a_late_answer_to_a_peer_that_left_does_nothing) {
  std::optional<HttpResponder> kept;
  serve({}, [&](HttpRequest, HttpResponder responder) { kept.emplace(std::move(responder)); });
  {
    RawPeer p = peer();
    p.send(kGet);
    while (!thread_.call([&] { return kept.has_value(); })) std::this_thread::yield();
    p.reset();
  }
  wait_until_empty();
  thread_.call([&] {
    EXPECT_FALSE(kept->alive());
    EXPECT_FALSE(kept->channel_binding().has_value());
    kept->respond(text_response(200, "text/plain", "late"));
    kept.reset();
  });
}

TEST_F(HttpServerTest, upgrade_of_a_plain_request_is_refused) {
  serve({}, [](HttpRequest request, HttpResponder responder) {
    EXPECT_FALSE(request.is_websocket_upgrade);
    EXPECT_FALSE(responder.upgrade(std::make_unique<EchoHandler>()));
  });
  EXPECT_EQ(status_of(kGet), 426);
  const std::string head = "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\n";
  const std::string key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
  EXPECT_EQ(status_of(head + "Upgrade: websocket\r\n" + key + "Sec-WebSocket-Version: 8\r\n\r\n"), 426);
  EXPECT_EQ(status_of(head + "Upgrade: h2c\r\n" + key + "Sec-WebSocket-Version: 13\r\n\r\n"), 426);
  EXPECT_EQ(status_of(head + "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n"), 426);
  EXPECT_EQ(
      status_of(
          head +
          "Upgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZR==\r\nSec-WebSocket-Version: 13\r\n\r\n"),
      426)
      << "stray bits in the key";
}

TEST_F(HttpServerTest, limits_can_depend_on_the_head) {
  serve({.max_body_bytes = 10, .body_limit = [](const HttpRequest& head) {
           return head.path() == "/blob" && head.header("x-key") == "right" ? 100'000U : 10U;
         }});
  const auto post = [](std::string_view path, std::string_view key) {
    return "POST " + std::string(path) + " HTTP/1.1\r\nHost: a\r\nX-Key: " + std::string(key) +
           "\r\nContent-Length: 5000\r\n\r\n" + std::string(5000, 'x');
  };
  EXPECT_EQ(status_of(post("/blob", "right")), 200);
  EXPECT_EQ(status_of(post("/blob", "wrong")), 413);
  EXPECT_EQ(status_of(post("/", "right")), 413);
}

TEST_F(HttpServerTest, unfinished_bodies_of_all_together_are_bounded) {
  serve({.max_body_bytes = 1 << 20, .max_buffered_bytes = 1 << 20});
  RawPeer a = peer();
  a.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n" + std::string(700'000, 'x'));
  while (counters().buffered_bytes < 700'000) std::this_thread::yield();
  EXPECT_EQ(status_of("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n" + std::string(700'000, 'x')),
            503);
  a.send(std::string(300'000, 'x'));
  EXPECT_NE(a.receive_until("POST / 1000000").find("200 OK"), std::string::npos);
  EXPECT_EQ(counters().buffered_bytes, 0U);
}

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

TEST(HttpText, dates_and_tokens) {
  Bytes out;
  internal::append_date(out, from_unix_millis(784111777000));
  EXPECT_EQ(to_string(out), "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n") << "RFC 9110 section 5.6.7";
  const HttpHeaders headers{{"Connection", "keep-alive , Upgrade"}, {"connection", "x"}};
  EXPECT_TRUE(internal::list_contains(headers, "CONNECTION", "upgrade"));
  EXPECT_TRUE(internal::list_contains(headers, "Connection", "X"));
  EXPECT_FALSE(internal::list_contains(headers, "Connection", "keep"));
  EXPECT_EQ(internal::websocket_accept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
      << "RFC 6455 section 1.3";
}

}  // namespace
}  // namespace opaline::net
