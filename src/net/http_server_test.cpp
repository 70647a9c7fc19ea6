#include "net/http_server.hpp"

#include <fcntl.h>
#include <rapidcheck.h>

#include <algorithm>

#include "net/internal/http_parser.hpp"
#include "net/internal/http_text.hpp"
#include "net/net_test_support.hpp"

namespace opaline::net {
namespace {

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

TEST(HttpServerEnd, an_answer_in_the_round_in_which_its_connection_ends_goes_nowhere) {
  const SystemClock clock;
  EventLoop loop(clock);
  std::optional<HttpResponder> waiting;
  const auto server =
      *HttpServer::start(loop, {.address = {.ip = "127.0.0.1"}},
                         [&](HttpRequest, HttpResponder responder) { waiting.emplace(std::move(responder)); });
  std::optional<RawPeer> peer(server->port());
  peer->send(kGet);
  loop.run_until([&] { return waiting.has_value(); });
  const linger reset{.l_onoff = 1, .l_linger = 0};
  ASSERT_EQ(::setsockopt(peer->fd(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset), 0);
  peer.reset();
  loop.post([&] { waiting->respond(text_response(200, "text/plain", "too late")); });
  loop.run_once(milliseconds(0));
  EXPECT_EQ(server->counters().open_connections, 0U) << "both were in this round";
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

TEST_F(HttpServerTest, what_is_refused_unseen_is_answered_as_the_owner_likes) {
  HttpServerOptions options;
  options.refusal = [](unsigned status) { return text_response(status, "application/json", "{}"); };
  serve(std::move(options));
  RawPeer p = peer();
  p.send("GET / HTTP/2.0\r\nHost: a\r\n\r\n");
  const std::string answer = p.receive_until("{}");
  EXPECT_NE(answer.find("505"), std::string::npos) << answer;
  EXPECT_NE(answer.find("application/json"), std::string::npos) << answer;
}

TEST_F(HttpServerTest, trailers_never_become_headers) {
  serve({}, [](HttpRequest request, HttpResponder responder) {
    responder.respond(text_response(200, "text/plain", request.header("x-role") ? "believed" : "ignored"));
  });
  RawPeer p = peer();
  p.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX-Role: admin\r\n\r\n");
  EXPECT_NE(p.receive_until("ed").find("ignored"), std::string::npos);
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
