// What this room costs: WebSocket echo over TLS (one in flight; many), beside a bare OpenSSL echo, and the memory of
// idle connections beside a bare OpenSSL server that accepts and waits. Usage: net_bench [echo|throughput|idle
// [connections]]
#include <fcntl.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <fstream>
#include <thread>

#include "base/random.hpp"
#include "net/certificates.hpp"
#include "net/http_server.hpp"
#include "net/internal/socket.hpp"
#include "net/websocket_client.hpp"

namespace opaline::net {
namespace {

using std::chrono::duration_cast;
using std::chrono::microseconds;
constexpr std::size_t kPayload = 512;
constexpr int kRoundTrips = 20'000;
constexpr int kPairs = 8;

struct Certificates {
  Certificates() {
    std::string name = (std::filesystem::temp_directory_path() / "opaline-bench-XXXXXX").string();
    folder = ::mkdtemp(name.data());
    const Time now = SystemClock().now();
    authority = {folder / "ca.pem", folder / "ca.key"};
    server = {folder / "server.pem", folder / "server.key"};
    OPALINE_ASSERT(make_authority(authority, "bench", now));
    OPALINE_ASSERT(issue_server_certificate({.authority = authority, .out = server, .now = now}));
  }
  Certificates(const Certificates&) = delete;
  Certificates& operator=(const Certificates&) = delete;
  ~Certificates() { std::filesystem::remove_all(folder); }
  std::filesystem::path folder;
  CertificatePaths authority;
  CertificatePaths server;
};

class Echo final : public WebSocketHandler {
 public:
  void on_open(WebSocketConnection& connection) override { connection_ = &connection; }
  void on_message(ByteView message) override { connection_->send(message); }
  void on_closed(const WebSocketClosed&) override {}

 private:
  WebSocketConnection* connection_ = nullptr;
};

/// Keeps `in_flight` messages under way and measures how long each takes.
class Pinger final : public WebSocketHandler {
 public:
  Pinger(int in_flight, std::vector<std::chrono::nanoseconds>* times, const std::uint64_t* stop_after,
         std::uint64_t* received)
      : in_flight_(in_flight),
        times_(times),
        stop_after_(stop_after),
        received_(received),
        payload_(kPayload, std::byte{1}) {}
  void on_open(WebSocketConnection& connection) override {
    connection_ = &connection;
    sent_ = SystemClock().monotonic();
    for (int i = 0; i < in_flight_; ++i) connection.send(payload_);
  }
  void on_message(ByteView message) override {
    OPALINE_ASSERT(message.size() == kPayload);
    ++*received_;
    if (times_ != nullptr) {
      const Instant now = SystemClock().monotonic();
      times_->push_back(now - sent_);
      sent_ = now;
    }
    if (*received_ < *stop_after_) connection_->send(payload_);
  }
  void on_closed(const WebSocketClosed&) override {}

 private:
  int in_flight_;
  std::vector<std::chrono::nanoseconds>* times_;
  const std::uint64_t* stop_after_;
  std::uint64_t* received_;
  Bytes payload_;
  WebSocketConnection* connection_ = nullptr;
  Instant sent_{};
};

double thread_cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_THREAD, &usage);
  const auto of = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6; };
  return of(usage.ru_utime) + of(usage.ru_stime);
}

/// An echo server on a loop and thread of its own.
class EchoServer {
 public:
  explicit EchoServer(const Certificates& certificates)
      : tls_(std::move(*TlsServerContext::create(
            {.certificate_file = certificates.server.certificate, .key_file = certificates.server.key}))),
        server_(std::move(*HttpServer::start(
            loop_, {.address = {.ip = "127.0.0.1"}, .tls = &tls_},
            [](HttpRequest, HttpResponder responder) { responder.upgrade(std::make_unique<Echo>()); }))),
        thread_([this] {
          loop_.run();
          cpu_seconds_ = thread_cpu_seconds();
        }) {}
  EchoServer(const EchoServer&) = delete;
  EchoServer& operator=(const EchoServer&) = delete;
  ~EchoServer() { stop(); }
  void stop() {
    if (!thread_.joinable()) return;
    loop_.stop();
    thread_.join();
  }
  [[nodiscard]] std::uint16_t port() const { return server_->port(); }
  [[nodiscard]] double cpu_seconds() const { return cpu_seconds_; }

 private:
  SystemClock clock_;
  EventLoop loop_{clock_};
  TlsServerContext tls_;
  std::unique_ptr<HttpServer> server_;
  double cpu_seconds_ = 0;
  std::thread thread_;
};

struct Flood {
  double seconds = 0;
  std::uint64_t received = 0;
};

Flood flood(const Certificates& certificates, std::uint16_t port, int pairs, int in_flight, std::uint64_t total,
            std::vector<std::chrono::nanoseconds>* times) {
  SystemClock clock;
  SeededRandom random(1);
  EventLoop loop(clock);
  const auto tls = std::move(*TlsClientContext::create({.authority_file = certificates.authority.certificate}));
  std::vector<std::unique_ptr<WebSocketClient>> clients;
  Flood out;
  const Instant start = clock.monotonic();
  for (int i = 0; i < pairs; ++i) {
    clients.push_back(std::make_unique<WebSocketClient>(
        loop, random,
        WebSocketClientOptions{.url = *Url::parse("wss://localhost:" + std::to_string(port)), .tls = &tls},
        std::make_unique<Pinger>(in_flight, times, &total, &out.received),
        [](WebSocketConnectFailure) { std::abort(); }));
  }
  OPALINE_ASSERT(loop.run_until([&] { return out.received >= total; }));
  out.seconds = std::chrono::duration<double>(clock.monotonic() - start).count();
  return out;
}

void print_times(const char* what, std::vector<std::chrono::nanoseconds> times) {
  times.erase(times.begin(), times.begin() + static_cast<std::ptrdiff_t>(times.size() / 10));
  std::ranges::sort(times);
  const auto at = [&](double q) {
    return static_cast<double>(times[static_cast<std::size_t>(q * static_cast<double>(times.size() - 1))].count()) /
           1e3;
  };
  std::printf("%-44s p50 %6.1f us   p99 %6.1f us\n", what, at(0.5), at(0.99));
}

// ---- bare OpenSSL, for comparison

using Context = std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)>;
using Connection = std::unique_ptr<SSL, decltype(&SSL_free)>;

Context bare_context(const Certificates* certificates) {
  Context out(SSL_CTX_new(certificates != nullptr ? TLS_server_method() : TLS_client_method()), SSL_CTX_free);
  SSL_CTX_set_min_proto_version(out.get(), TLS1_3_VERSION);
  SSL_CTX_set_num_tickets(out.get(), 0);
  SSL_CTX_set_session_cache_mode(out.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(out.get(), SSL_MODE_RELEASE_BUFFERS);
  if (certificates != nullptr) {
    SSL_CTX_use_certificate_chain_file(out.get(), certificates->server.certificate.c_str());
    SSL_CTX_use_PrivateKey_file(out.get(), certificates->server.key.c_str(), SSL_FILETYPE_PEM);
  }
  return out;
}

int accept_blocking(int listener) {
  ::fcntl(listener, F_SETFL, 0);
  const int fd = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
  if (fd >= 0) internal::set_no_delay(fd);
  return fd;
}

internal::UniqueFd connect_blocking(std::uint16_t port) {
  internal::UniqueFd out(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const auto address = *internal::ip_address("127.0.0.1", port);
  OPALINE_ASSERT(::connect(out.get(), address.get(), address.size) == 0);
  internal::set_no_delay(out.get());
  return out;
}

/// A floor: blocking OpenSSL at both ends, nothing between.
void bare_echo(const Certificates& certificates) {
  const internal::Listener listener = *internal::listen_on({.ip = "127.0.0.1"});
  std::thread server([&] {
    const Context context = bare_context(&certificates);
    const internal::UniqueFd fd(accept_blocking(listener.fd.get()));
    const Connection ssl(SSL_new(context.get()), SSL_free);
    SSL_set_fd(ssl.get(), fd.get());
    OPALINE_ASSERT(SSL_accept(ssl.get()) == 1);
    std::array<char, kPayload> buffer{};
    for (int got = SSL_read(ssl.get(), buffer.data(), kPayload); got > 0;
         got = SSL_read(ssl.get(), buffer.data(), kPayload)) {
      SSL_write(ssl.get(), buffer.data(), got);
    }
  });
  const Context context = bare_context(nullptr);
  const internal::UniqueFd fd = connect_blocking(listener.port);
  const Connection ssl(SSL_new(context.get()), SSL_free);
  SSL_set_fd(ssl.get(), fd.get());
  OPALINE_ASSERT(SSL_connect(ssl.get()) == 1);
  std::vector<std::chrono::nanoseconds> times;
  std::array<char, kPayload> buffer{};
  const SystemClock clock;
  for (int i = 0; i < kRoundTrips; ++i) {
    const Instant start = clock.monotonic();
    OPALINE_ASSERT(SSL_write(ssl.get(), buffer.data(), kPayload) > 0 &&
                   SSL_read(ssl.get(), buffer.data(), kPayload) > 0);
    times.push_back(clock.monotonic() - start);
  }
  SSL_shutdown(ssl.get());
  ::shutdown(fd.get(), SHUT_RDWR);
  server.join();
  print_times("bare OpenSSL echo, blocking, 1 in flight", std::move(times));
}

void bench_echo(const Certificates& certificates) {
  bare_echo(certificates);
  EchoServer server(certificates);
  std::vector<std::chrono::nanoseconds> times;
  flood(certificates, server.port(), 1, 1, kRoundTrips, &times);
  print_times("WebSocket echo over TLS, 1 in flight", std::move(times));
}

void bench_throughput(const Certificates& certificates) {
  for (const int in_flight : {1, 2, 25, 250}) {
    EchoServer server(certificates);
    const std::uint64_t total = in_flight < 10 ? 200'000 : 2'000'000;
    const double client_before = thread_cpu_seconds();
    const Flood result = flood(certificates, server.port(), kPairs, in_flight, total, nullptr);
    const double client_cpu = thread_cpu_seconds() - client_before;
    server.stop();
    const auto each = [&](double cpu) { return cpu * 1e6 / static_cast<double>(result.received); };
    std::printf(
        "echo, %d connections x %3d in flight            %9.0f messages/s, CPU a message: server %.2f us, client %.2f "
        "us\n",
        kPairs, in_flight, static_cast<double>(result.received) / result.seconds, each(server.cpu_seconds()),
        each(client_cpu));
  }
}

// ---- memory

long kibibytes(const std::string& file, const std::string& key) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with(key)) return std::strtol(line.c_str() + key.size(), nullptr, 10);
  }
  return 0;
}

/// Serves in a child, so that its memory is its own; returns when `connections` have come and gone.
template <class Serve>
void measure_idle(const char* what, int connections, Serve serve, std::string_view upgrade) {
  int ready[2];
  OPALINE_ASSERT(::pipe(ready) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(ready[0]);
    serve([&](std::uint16_t port) { OPALINE_ASSERT(::write(ready[1], &port, sizeof port) == sizeof port); });
    std::_Exit(0);
  }
  ::close(ready[1]);
  std::uint16_t port = 0;
  OPALINE_ASSERT(::read(ready[0], &port, sizeof port) == sizeof port);
  const Context context = bare_context(nullptr);
  std::vector<internal::UniqueFd> fds;
  const auto open_one = [&] {
    fds.push_back(connect_blocking(port));
    const Connection ssl(SSL_new(context.get()), SSL_free);  // our end is dropped, the socket stays
    SSL_set_fd(ssl.get(), fds.back().get());
    SSL_set_quiet_shutdown(ssl.get(), 1);
    OPALINE_ASSERT(SSL_connect(ssl.get()) == 1);
    if (upgrade.empty()) return;
    std::array<char, 1024> answer{};
    OPALINE_ASSERT(SSL_write(ssl.get(), upgrade.data(), static_cast<int>(upgrade.size())) > 0);
    OPALINE_ASSERT(SSL_read(ssl.get(), answer.data(), answer.size()) > 0 &&
                   std::string_view(answer.data()).starts_with("HTTP/1.1 101"));
  };
  const std::string status = "/proc/" + std::to_string(child) + "/smaps_rollup";
  const auto settled = [&](const char* key, const std::string& file) {
    std::this_thread::sleep_for(milliseconds(500));
    return kibibytes(file, key);
  };
  for (int i = 0; i < 50; ++i) open_one();  // first allocations that all share
  const long before = settled("Private_Dirty:", status);
  const long kernel_before = kibibytes("/proc/meminfo", "SUnreclaim:");
  for (int i = 0; i < connections; ++i) open_one();
  const long after = settled("Private_Dirty:", status);
  const long kernel_after = kibibytes("/proc/meminfo", "SUnreclaim:");
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  ::close(ready[0]);
  // Both ends of a loopback connection are in this kernel; half of it is the server's, roughly.
  const double kernel = static_cast<double>(kernel_after - kernel_before) / 2 / connections;
  std::printf("%-44s %6.2f KiB in the process, about %.1f KiB in the kernel\n", what,
              static_cast<double>(after - before) / connections, kernel);
}

void bench_idle(const Certificates& certificates, int connections) {
  const auto bare = [&](const auto& tell) {
    const Context context = bare_context(&certificates);
    const internal::Listener listener = *internal::listen_on({.ip = "127.0.0.1"});
    tell(listener.port);
    std::vector<SSL*> kept;
    for (;;) {
      const int fd = accept_blocking(listener.fd.get());
      SSL* ssl = SSL_new(context.get());
      SSL_set_fd(ssl, fd);
      OPALINE_ASSERT(SSL_accept(ssl) == 1);
      // A waiting server has tried to read.
      ::fcntl(fd, F_SETFL, O_NONBLOCK);
      char byte = 0;
      OPALINE_ASSERT(SSL_read(ssl, &byte, 1) <= 0);
      kept.push_back(ssl);
    }
  };
  const auto ours = [&](const auto& tell) {
    SystemClock clock;
    EventLoop loop(clock);
    const auto tls = std::move(*TlsServerContext::create(
        {.certificate_file = certificates.server.certificate, .key_file = certificates.server.key}));
    const auto server =
        std::move(*HttpServer::start(loop, {.address = {.ip = "127.0.0.1"}, .tls = &tls},
                                     [](HttpRequest, HttpResponder r) { r.upgrade(std::make_unique<Echo>()); }));
    tell(server->port());
    loop.run();
  };
  constexpr std::string_view kUpgrade =
      "GET /v1/device HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
  measure_idle("idle: bare OpenSSL, accepted and waiting", connections, bare, "");
  measure_idle("idle: ours, TLS only", connections, ours, "");
  measure_idle("idle: ours, upgraded to WebSocket", connections, ours, kUpgrade);
}

}  // namespace
}  // namespace opaline::net

int main(int argc, char** argv) {
  const std::string_view what = argc > 1 ? argv[1] : "all";
  const opaline::net::Certificates certificates;
  if (what == "all" || what == "idle") opaline::net::bench_idle(certificates, argc > 2 ? std::atoi(argv[2]) : 2000);
  if (what == "all" || what == "echo") opaline::net::bench_echo(certificates);
  if (what == "all" || what == "throughput") opaline::net::bench_throughput(certificates);
  return 0;
}
