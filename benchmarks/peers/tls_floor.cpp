// tls_floor: the floor under an idle connection's memory. A server that does nothing but accept TLS connections and
// wait, with nothing of its own for each but OpenSSL's object; and clients that connect and say nothing.
#include <CLI/CLI.hpp>

#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>

#include "load/die.hpp"
#include "load/engine.hpp"

using namespace opaline;
using namespace opaline::bench;

namespace {

/// OpenSSL on the socket itself. A connection is one SSL object, found through epoll's user data.
[[noreturn]] void accept_and_wait(SSL_CTX* context, int listener) {
  const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
  epoll_event event{};
  event.events = EPOLLIN;
  ::epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
  for (;;) {
    if (::epoll_wait(epoll, &event, 1, -1) != 1) continue;
    if (event.data.ptr == nullptr) {
      const int socket = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
      if (socket < 0) continue;
      SSL* ssl = SSL_new(context);
      SSL_set_fd(ssl, socket);
      SSL_set_accept_state(ssl);
      epoll_event added{};
      added.events = EPOLLIN;
      added.data.ptr = ssl;
      ::epoll_ctl(epoll, EPOLL_CTL_ADD, socket, &added);
      continue;
    }
    auto* ssl = static_cast<SSL*>(event.data.ptr);
    char sink[1024];
    const int got = SSL_read(ssl, sink, sizeof sink);  // drives the handshake too
    if (got <= 0 && SSL_get_error(ssl, got) != SSL_ERROR_WANT_READ) {
      const int socket = SSL_get_fd(ssl);
      SSL_free(ssl);
      ::close(socket);
    }
  }
}

class Silent final : public Session {
 public:
  Silent(SSL_CTX* context, const Target& target) : stream_(context, target) {}
  void on_input(Nanos) override { stream_.input.clear(); }
  TlsStream& stream() override { return stream_; }

 private:
  TlsStream stream_;
};

void hold(SSL_CTX* context, const Target& target, std::size_t count) {
  Engine engine;
  std::vector<std::unique_ptr<Silent>> clients;
  for (std::size_t i = 0; i < count; ++i) {
    clients.push_back(std::make_unique<Silent>(context, target));
    engine.add(*clients.back());
  }
  fmt::print("{{\"run\":\"idle\",\"connections\":{}}}\n", count);
  std::fflush(stdout);
  bool ended = false;
  engine.add(STDIN_FILENO, [&ended] {
    char sink[256];
    ended = ::read(STDIN_FILENO, sink, sizeof sink) <= 0;
  });
  engine.run_until([&ended] { return ended; });
}

}  // namespace

int main(int argc, char** argv) {
  Target target;
  std::string certificate, key, authority;
  std::size_t count = 16;
  CLI::App app("A bare TLS server that accepts and waits, and clients that do too; see docs/benchmarks.md.");
  app.require_subcommand(1);
  auto* serve = app.add_subcommand("serve", "prints its port, then accepts until it is killed");
  serve->add_option("--certificate", certificate)->required();
  serve->add_option("--key", key)->required();
  auto* held = app.add_subcommand("hold", "holds connections until standard input ends");
  held->add_option("--port", target.port)->required();
  held->add_option("--authority", authority)->required();
  held->add_option("--count", count)->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  if (serve->parsed()) {
    const TlsContext context = server_context(certificate, key);
    std::uint16_t port = 0;
    const int listener = listen_on_loopback(port);
    fmt::print("{{\"port\":{}}}\n", port);
    std::fflush(stdout);
    accept_and_wait(context.get(), listener);
  }
  const TlsContext context = client_context(authority);
  hold(context.get(), target, count);
  return 0;
}
