#include "net/http_client.hpp"

#include <fcntl.h>

#include "net/net_test_support.hpp"

namespace opaline::net {
namespace {

class HttpClientTest : public testing::Test {
 protected:
  using Answer = Result<HttpResponse, NetError>;
  void serve(HttpHandler handler) {
    server_ = std::move(*HttpServer::start(loop_, {.address = {.ip = "127.0.0.1"}}, std::move(handler)));
    port_ = server_->port();
  }
  HttpClientOptions options() { return {.origin = *Url::parse("http://localhost:" + std::to_string(port_))}; }
  Answer ask(HttpClient& client, HttpClientRequest request = {}) {
    std::optional<Answer> out;
    client.request(std::move(request), [&](Answer result) { out = std::move(result); });
    EXPECT_FALSE(out.has_value()) << "never from inside the call";
    loop_.run_until([&] { return out.has_value(); });
    return std::move(*out);
  }
  /// A server of one connection that reads a request and sends `answer`, then closes.
  Answer answered_with(std::string answer, std::size_t max_response = 1000) {
    internal::Listener listener = *internal::listen_on({.ip = "127.0.0.1"});
    std::thread server([&] {
      ::fcntl(listener.fd.get(), F_SETFL, 0);
      const internal::UniqueFd fd(::accept(listener.fd.get(), nullptr, nullptr));
      char request[4096];
      EXPECT_GT(::recv(fd.get(), request, sizeof request, 0), 0);
      EXPECT_EQ(::send(fd.get(), answer.data(), answer.size(), MSG_NOSIGNAL), static_cast<ssize_t>(answer.size()));
    });
    HttpClient client(loop_, {.origin = *Url::parse("http://127.0.0.1:" + std::to_string(listener.port)),
                              .max_response_bytes = max_response});
    Answer out = ask(client, {.method = "POST"});
    server.join();
    return out;
  }

  SystemClock clock_;
  EventLoop loop_{clock_};
  std::unique_ptr<HttpServer> server_;
  std::uint16_t port_ = 0;
};

TEST_F(HttpClientTest, request_and_answer) {
  serve([](HttpRequest request, HttpResponder responder) {
    EXPECT_EQ(request.method, "PUT");
    EXPECT_EQ(request.target, "/a?b");
    EXPECT_EQ(request.header("x-one"), "1");
    responder.respond({.status = 201, .headers = {{"X-Two", "2"}}, .body = request.body});
  });
  HttpClient client(loop_, options());
  const Answer answer = ask(
      client, {.method = "PUT", .target = "/a?b", .headers = {{"X-One", "1"}}, .body = Bytes(100'000, std::byte{5})});
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->status, 201U);
  EXPECT_EQ(answer->header("x-two"), "2");
  EXPECT_EQ(answer->body, Bytes(100'000, std::byte{5}));
}

TEST_F(HttpClientTest, many_requests_share_few_connections) {
  serve([](HttpRequest request, HttpResponder responder) {
    responder.respond(text_response(200, "text/plain", request.target));
  });
  HttpClient client(loop_, options());
  int right = 0;
  for (int i = 0; i < 200; ++i) {
    client.request({.target = "/" + std::to_string(i)}, [&right, i](const Answer& answer) {
      right += static_cast<int>(answer.has_value() && to_string(answer->body) == "/" + std::to_string(i));
    });
  }
  loop_.run_until([&] { return server_->counters().requests == 200 && right == 200; });
  EXPECT_EQ(right, 200);
  EXPECT_EQ(server_->counters().accepted, 4U);
}

/// A server of one connection that gives nothing before it has two requests, then sends `answers` and closes.
class TwoAtOnce {
 public:
  explicit TwoAtOnce(std::string answers) : listener_(*internal::listen_on({.ip = "127.0.0.1"})) {
    thread_ = std::thread([this, answers = std::move(answers)] {
      ::fcntl(listener_.fd.get(), F_SETFL, 0);
      const internal::UniqueFd fd(::accept(listener_.fd.get(), nullptr, nullptr));
      char piece[4096];
      while (!got_.ends_with("second")) {
        const ssize_t size = ::recv(fd.get(), piece, sizeof piece, 0);
        if (size <= 0) return;
        got_.append(piece, static_cast<std::size_t>(size));
      }
      std::ignore = ::send(fd.get(), answers.data(), answers.size(), MSG_NOSIGNAL);
    });
  }
  ~TwoAtOnce() { join(); }
  TwoAtOnce(const TwoAtOnce&) = delete;
  TwoAtOnce& operator=(const TwoAtOnce&) = delete;
  [[nodiscard]] HttpClientOptions options() const {
    return {.origin = *Url::parse("http://127.0.0.1:" + std::to_string(listener_.port))};
  }
  void join() {
    if (thread_.joinable()) thread_.join();
  }
  /// After join().
  [[nodiscard]] const std::string& got() const { return got_; }

 private:
  internal::Listener listener_;
  std::string got_;
  std::thread thread_;
};

HttpClientRequest pipelined(std::string_view body) {
  HttpClientRequest out{.method = "PUT", .body = to_bytes(as_view(body))};
  out.lane = 1;
  return out;
}

TEST_F(HttpClientTest, pipelined_requests_do_not_wait_for_answers_and_get_their_own) {
  TwoAtOnce server("HTTP/1.1 201 A\r\nContent-Length: 1\r\n\r\naHTTP/1.1 202 B\r\nContent-Length: 1\r\n\r\nb");
  HttpClient client(loop_, server.options());
  std::vector<std::string> answers;
  for (const auto* const body : {"first", "second"}) {
    client.request(pipelined(body), [&](const Answer& answer) {
      answers.push_back(answer ? std::to_string(answer->status) + to_string(answer->body) : "failed");
    });
  }
  loop_.run_until([&] { return answers.size() == 2; });
  EXPECT_EQ(answers, (std::vector<std::string>{"201a", "202b"}));
  server.join();
  EXPECT_LT(server.got().find("first"), server.got().find("second"));
}

TEST_F(HttpClientTest, pipelined_requests_without_an_answer_fail_with_their_connection) {
  TwoAtOnce server("HTTP/1.1 201 A\r\nContent-Length: 1\r\n\r\na");
  HttpClient client(loop_, server.options());
  std::vector<std::string> answers;
  for (const auto* const body : {"first", "second"}) {
    client.request(pipelined(body), [&](const Answer& answer) {
      answers.push_back(answer ? std::to_string(answer->status) : std::string(name(answer.error())));
    });
  }
  loop_.run_until([&] { return answers.size() == 2; });
  EXPECT_EQ(answers, (std::vector<std::string>{"201", "closed"}));
}

TEST_F(HttpClientTest, a_pipelined_request_that_is_late_takes_its_connection_with_it) {
  TwoAtOnce server("");
  HttpClient client(loop_, server.options());
  std::vector<std::string> answers(2);
  const auto note = [&](std::size_t i) {
    return [&answers, i](const Answer& answer) { answers[i] = answer ? "answer" : std::string(name(answer.error())); };
  };
  client.request(pipelined("first"), note(0));
  auto late = pipelined("never the end");
  late.deadline = milliseconds(50);
  client.request(std::move(late), note(1));
  loop_.run_until([&] { return !answers[0].empty() && !answers[1].empty(); });
  EXPECT_EQ(answers, (std::vector<std::string>{"closed", "timed_out"}));
}

TEST_F(HttpClientTest, pipelined_requests_keep_their_order_over_one_connection) {
  std::vector<std::string> seen;
  serve([&](HttpRequest request, HttpResponder responder) {
    seen.push_back(request.target);
    responder.respond({.status = 200, .body = std::move(request.body)});
  });
  HttpClient client(loop_, options());
  std::vector<std::string> sent, answered;
  for (int i = 0; i < 50; ++i) {
    HttpClientRequest request{.method = "PUT", .target = "/" + std::to_string(i), .body = Bytes(50'000)};
    request.lane = 1;
    sent.push_back(request.target);
    client.request(std::move(request), [&, i](const Answer& answer) {
      if (answer && answer->body.size() == 50'000) answered.push_back("/" + std::to_string(i));
    });
  }
  loop_.run_until([&] { return answered.size() == 50; });
  EXPECT_EQ(seen, sent);
  EXPECT_EQ(answered, sent);
  EXPECT_EQ(server_->counters().accepted, 1U);
}

TEST_F(HttpClientTest, head_and_204_have_no_body) {
  serve([](HttpRequest request, HttpResponder responder) {
    responder.respond(text_response(request.method == "HEAD" ? 200 : 204, "text/plain", "body"));
  });
  HttpClient client(loop_, options());
  EXPECT_TRUE(ask(client, {.method = "HEAD"})->body.empty());
  EXPECT_EQ(ask(client, {.method = "DELETE"})->status, 204U);
  EXPECT_TRUE(ask(client, {.method = "HEAD"})->body.empty());
  EXPECT_EQ(server_->counters().accepted, 1U);
}

TEST_F(HttpClientTest, a_kept_connection_that_the_server_closed_is_replaced_for_get_alone) {
  for (const std::string method : {"GET", "POST"}) {
    serve([](HttpRequest, HttpResponder responder) { responder.respond(text_response(200, "text/plain", "ok")); });
    HttpClient client(loop_, options());
    ASSERT_TRUE(ask(client).has_value());
    const std::uint16_t port = port_;
    server_ = std::move(*HttpServer::start(loop_, {.address = {.ip = "127.0.0.1"}}, [](HttpRequest, HttpResponder) {}));
    server_.reset();  // both gone, and the kept connection with them; its end has not been seen yet
    server_ = std::move(*HttpServer::start(
        loop_, {.address = {.ip = "127.0.0.1", .port = port}},
        [](HttpRequest, HttpResponder responder) { responder.respond(text_response(200, "text/plain", "new")); }));
    const Answer answer = ask(client, {.method = method});
    if (answer) {
      EXPECT_EQ(to_string(answer->body), "new");
    } else {
      EXPECT_EQ(method, "POST") << "a request that may have been acted on is not repeated";
      EXPECT_EQ(answer.error(), NetError::closed);
    }
    server_.reset();
  }
}

TEST_F(HttpClientTest, deadlines_hold_while_waiting_in_line_and_for_the_answer) {
  std::vector<HttpResponder> never;
  serve([&](HttpRequest, HttpResponder responder) { never.push_back(std::move(responder)); });
  auto one = options();
  one.max_connections = 1;
  HttpClient client(loop_, one);
  int timed_out = 0;
  for (int i = 0; i < 3; ++i) {
    client.request({.deadline = milliseconds(30)}, [&](const Answer& answer) {
      timed_out += static_cast<int>(!answer.has_value() && answer.error() == NetError::timed_out);
    });
  }
  loop_.run_until([&] { return timed_out == 3; });
  never.clear();
}

TEST_F(HttpClientTest, nobody_there) {
  const auto free_port = [] { return internal::listen_on({.ip = "127.0.0.1"})->port; }();
  HttpClient client(loop_, {.origin = *Url::parse("http://127.0.0.1:" + std::to_string(free_port))});
  EXPECT_EQ(ask(client).error(), NetError::connect_failed);
  HttpClient unix_client(loop_, {.origin = *Url::parse("http://x"), .unix_path = "/nonexistent/socket"});
  EXPECT_EQ(ask(unix_client).error(), NetError::connect_failed);
}

TEST_F(HttpClientTest, plaintext_goes_to_loopback_alone) {
  HttpClient client(loop_, {.origin = *Url::parse("http://192.0.2.1")});
  EXPECT_EQ(ask(client).error(), NetError::plain_needs_loopback);
}

TEST_F(HttpClientTest, impossible_requests) {
  HttpClient client(loop_, {.origin = *Url::parse("http://127.0.0.1:1")});
  EXPECT_EQ(ask(client, {.method = "GET /evil"}).error(), NetError::url_invalid);
  EXPECT_EQ(ask(client, {.target = "/ HTTP/1.1\r\nX: y"}).error(), NetError::url_invalid);
  EXPECT_EQ(ask(client, {.target = "relative"}).error(), NetError::url_invalid);
  HttpClient without_tls(loop_, {.origin = *Url::parse("https://127.0.0.1:1")});
  EXPECT_EQ(ask(without_tls).error(), NetError::url_invalid);
}

TEST_F(HttpClientTest, answers_of_hostile_servers) {
  EXPECT_EQ(answered_with("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")->status, 200U);
  EXPECT_EQ(to_string(answered_with("HTTP/1.1 200 OK\r\n\r\nuntil the end")->body), "until the end");
  EXPECT_EQ(
      to_string(answered_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx")->body),
      "x");
  EXPECT_EQ(answered_with("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok").error(), NetError::closed) << "cut";
  EXPECT_EQ(answered_with("HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n").error(), NetError::too_large);
  EXPECT_EQ(answered_with("HTTP/1.1 200 OK\r\n\r\n" + std::string(1001, 'x')).error(), NetError::too_large);
  EXPECT_EQ(answered_with("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n").error(), NetError::too_large);
  EXPECT_EQ(answered_with("HTTP/1.1 200 OK\r\nA: " + std::string(40'000, 'x')).error(), NetError::protocol_violation);
  EXPECT_EQ(answered_with("HTTP/1.1 101 Switching Protocols\r\n\r\n").error(), NetError::protocol_violation);
  EXPECT_EQ(answered_with("SSH-2.0-OpenSSH\r\n").error(), NetError::protocol_violation);
  EXPECT_EQ(answered_with("").error(), NetError::closed);
}

TEST_F(HttpClientTest, destroying_the_client_ends_its_requests_silently) {
  std::vector<HttpResponder> waiting;
  serve([&](HttpRequest, HttpResponder responder) { waiting.push_back(std::move(responder)); });
  auto client = std::make_unique<HttpClient>(loop_, options());
  for (int i = 0; i < 10; ++i) client->request({}, [](const Answer&) { FAIL(); });
  loop_.run_until([&] { return waiting.size() == 4; });
  client.reset();
  waiting.clear();  // answers 500 to nobody
  loop_.run_until([&] { return server_->counters().open_connections == 0; });
}

TEST_F(HttpClientTest, a_callback_may_destroy_the_client) {
  serve([](HttpRequest, HttpResponder responder) { responder.respond(text_response(200, "text/plain", "ok")); });
  auto client = std::make_unique<HttpClient>(loop_, options());
  client->request({}, [&](const Answer&) { client.reset(); });
  client->request({}, [&](const Answer&) { client.reset(); });
  loop_.run_until([&] { return client == nullptr && server_->counters().open_connections == 0; });
}

// ---- the WebSocket client's ways to fail

class WebSocketConnectTest : public HttpClientTest {
 protected:
  std::optional<WebSocketConnectFailure> connect(WebSocketClientOptions options) {
    Recorded recorded;
    std::optional<WebSocketConnectFailure> failure;
    WebSocketClient client(loop_, random_, std::move(options), record_into(recorded),
                           [&](WebSocketConnectFailure f) { failure = f; });
    EXPECT_FALSE(failure.has_value());
    loop_.run_until([&] { return failure.has_value() || recorded.connection != nullptr; });
    return failure;
  }
  std::optional<WebSocketConnectFailure> answered_by(const std::function<std::string(std::string)>& answer) {
    internal::Listener listener = *internal::listen_on({.ip = "127.0.0.1"});
    std::thread server([&] {
      ::fcntl(listener.fd.get(), F_SETFL, 0);
      const internal::UniqueFd fd(::accept(listener.fd.get(), nullptr, nullptr));
      char request[4096];
      const ssize_t got = ::recv(fd.get(), request, sizeof request, 0);
      const std::string text = answer(std::string(request, static_cast<std::size_t>(std::max<ssize_t>(got, 0))));
      ::send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL);
      if (!text.empty()) ::recv(fd.get(), request, sizeof request, 0);
    });
    auto out = connect({.url = *Url::parse("ws://127.0.0.1:" + std::to_string(listener.port))});
    loop_.run_once(milliseconds(0));
    server.join();
    return out;
  }
  static std::string accept_of(const std::string& request) {
    const std::size_t at = request.find("Sec-WebSocket-Key: ") + 19;
    return request.substr(at, 24);
  }
  SeededRandom random_{11};
};

TEST_F(WebSocketConnectTest, refusals_and_lies) {
  const auto refused =
      answered_by([](const std::string&) { return "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"; });
  ASSERT_TRUE(refused.has_value());
  EXPECT_EQ(refused->error, NetError::upgrade_refused);
  EXPECT_EQ(refused->status, 403U);
  const std::string good = "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n";
  EXPECT_EQ(answered_by([&](const std::string&) { return good + "\r\n"; })->error, NetError::protocol_violation)
      << "no accept";
  EXPECT_EQ(answered_by([&](const std::string&) {
              return good + "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
            })->error,
            NetError::protocol_violation)
      << "another key's accept";
  EXPECT_EQ(answered_by([&](const std::string&) { return std::string("garbage\r\n\r\n"); })->error,
            NetError::protocol_violation);
  EXPECT_EQ(answered_by([&](const std::string&) { return std::string(); })->error, NetError::closed);
}

TEST_F(WebSocketConnectTest, errors_before_the_upgrade) {
  EXPECT_EQ(connect({.url = *Url::parse("wss://127.0.0.1:1")})->error, NetError::url_invalid) << "no TLS context";
  EXPECT_EQ(connect({.url = *Url::parse("ws://192.0.2.1:1")})->error, NetError::plain_needs_loopback);
  const auto free_port = [] { return internal::listen_on({.ip = "127.0.0.1"})->port; }();
  EXPECT_EQ(connect({.url = *Url::parse("ws://127.0.0.1:" + std::to_string(free_port))})->error,
            NetError::connect_failed);
  const internal::Listener mute = *internal::listen_on({.ip = "127.0.0.1"});  // never accepts
  EXPECT_EQ(
      connect({.url = *Url::parse("ws://127.0.0.1:" + std::to_string(mute.port)), .connect_within = milliseconds(30)})
          ->error,
      NetError::timed_out);
}

}  // namespace
}  // namespace opaline::net
