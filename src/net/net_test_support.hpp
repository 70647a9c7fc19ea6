#pragma once
// What the tests of this room share: a folder with certificates, peers that send raw bytes, handlers that record.
#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstdlib>
#include <deque>
#include <fstream>
#include <future>
#include <thread>

#include "base/random.hpp"
#include "net/certificates.hpp"
#include "net/http_client.hpp"
#include "net/http_server.hpp"
#include "net/internal/socket.hpp"
#include "net/websocket_client.hpp"
#include "net/websocket_codec.hpp"

namespace opaline::net {

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "opaline-net-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  [[nodiscard]] std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

/// An authority with a server certificate for localhost.
struct TestAuthority {
  explicit TestAuthority(const TemporaryFolder& folder, const std::string& prefix = "")
      : authority{folder / (prefix + "ca.pem"), folder / (prefix + "ca.key")},
        server{folder / (prefix + "server.pem"), folder / (prefix + "server.key")} {
    EXPECT_TRUE(make_authority(authority, "Opaline test " + prefix, SystemClock().now()).has_value());
    issue();
  }
  void issue(std::vector<std::string> names = {}) const {
    const auto issued = issue_server_certificate(
        {.authority = authority, .out = server, .names = std::move(names), .now = SystemClock().now()});
    EXPECT_TRUE(issued.has_value());
  }
  [[nodiscard]] TlsServerContext server_context(TlsVersion minimum = TlsVersion::tls_1_3) const {
    return std::move(*TlsServerContext::create(
        {.certificate_file = server.certificate, .key_file = server.key, .minimum = minimum}));
  }
  [[nodiscard]] TlsClientContext client_context() const {
    return std::move(*TlsClientContext::create({.authority_file = authority.certificate}));
  }
  CertificatePaths authority;
  CertificatePaths server;
};

/// A loop on a thread of its own, for tests whose peer is a blocking socket.
class LoopThread {
 public:
  LoopThread() : thread_([this] { loop_.run(); }) {}
  ~LoopThread() { stop(); }
  LoopThread(const LoopThread&) = delete;
  LoopThread& operator=(const LoopThread&) = delete;
  [[nodiscard]] EventLoop& loop() { return loop_; }
  /// Runs `f` on the loop's thread and waits for its result.
  template <class F>
  auto call(F f) {
    std::packaged_task<decltype(f())()> task(std::move(f));
    auto result = task.get_future();
    loop_.post([&task] { task(); });
    return result.get();
  }
  void stop() {
    if (!thread_.joinable()) return;
    loop_.stop();
    thread_.join();
  }

 private:
  SystemClock clock_;
  EventLoop loop_{clock_};
  std::thread thread_;
};

/// A blocking client that sends what it is told.
class RawPeer {
 public:
  explicit RawPeer(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const auto address = *internal::ip_address("127.0.0.1", port);
    EXPECT_EQ(::connect(fd_.get(), address.get(), address.size), 0);
  }
  bool send(std::string_view text) {
    while (!text.empty()) {
      const ssize_t sent = ::send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      text.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }
  /// One read; empty at the end.
  std::string receive() {
    char buffer[65536];
    const ssize_t got = ::recv(fd_.get(), buffer, sizeof buffer, 0);
    return got <= 0 ? std::string() : std::string(buffer, static_cast<std::size_t>(got));
  }
  /// Everything until the server closes.
  std::string receive_all() {
    std::string out;
    for (std::string part = receive(); !part.empty(); part = receive()) out += part;
    return out;
  }
  /// Reads until `text` has come (or the end).
  std::string receive_until(std::string_view text) {
    std::string out;
    while (out.find(text) == std::string::npos) {
      const std::string part = receive();
      if (part.empty()) break;
      out += part;
    }
    return out;
  }
  void half_close() { ::shutdown(fd_.get(), SHUT_WR); }
  void reset() {
    const linger hard{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    fd_.reset();
  }
  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  internal::UniqueFd fd_;
};

/// Records what a WebSocket does; outlives its handler.
struct Recorded {
  WebSocketConnection* connection = nullptr;  // while open
  std::deque<Bytes> messages;
  std::size_t drained = 0;
  std::optional<CloseCause> closed;
  std::uint16_t close_code = 0;
  std::string close_reason;
  bool destroyed = false;
  std::function<void(WebSocketConnection&)> on_open;
  std::function<void(WebSocketConnection&, ByteView)> on_message;
  std::function<void()> on_closed;
};

class RecordingHandler final : public WebSocketHandler {
 public:
  explicit RecordingHandler(Recorded& recorded) : recorded_(recorded) {}
  RecordingHandler(const RecordingHandler&) = delete;
  RecordingHandler& operator=(const RecordingHandler&) = delete;
  ~RecordingHandler() override { recorded_.destroyed = true; }
  void on_open(WebSocketConnection& connection) override {
    recorded_.connection = &connection;
    if (recorded_.on_open) recorded_.on_open(connection);
  }
  void on_message(ByteView message) override {
    EXPECT_FALSE(closed_);
    if (recorded_.on_message) return recorded_.on_message(*recorded_.connection, message);
    recorded_.messages.push_back(to_bytes(message));
  }
  void on_drained() override { ++recorded_.drained; }
  void on_closed(const WebSocketClosed& closed) override {
    EXPECT_FALSE(std::exchange(closed_, true)) << "told twice";
    recorded_.connection = nullptr;
    recorded_.closed = closed.cause;
    recorded_.close_code = closed.code;
    recorded_.close_reason = closed.reason;
    if (recorded_.on_closed) recorded_.on_closed();
  }

 private:
  Recorded& recorded_;
  bool closed_ = false;
};

inline std::unique_ptr<WebSocketHandler> record_into(Recorded& recorded) {
  return std::make_unique<RecordingHandler>(recorded);
}

/// Echoes; for servers.
class EchoHandler final : public WebSocketHandler {
 public:
  void on_open(WebSocketConnection& connection) override { connection_ = &connection; }
  void on_message(ByteView message) override { connection_->send(message); }
  void on_closed(const WebSocketClosed&) override {}

 private:
  WebSocketConnection* connection_ = nullptr;
};

inline constexpr std::string_view kUpgrade =
    "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

inline std::string client_frame(ByteView payload, WebSocketOpcode opcode = WebSocketOpcode::binary) {
  Bytes out;
  append_frame(out, opcode, {payload}, ByteArray<4>{std::byte{9}, std::byte{8}, std::byte{7}, std::byte{6}});
  return to_string(out);
}

inline constexpr std::string_view kGet = "GET /x?y=1 HTTP/1.1\r\nHost: localhost\r\n\r\n";

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

}  // namespace opaline::net
