// tls_echo: the floor under every relay. A server that sends back, in one write, whatever one read brought; and the
// load of relay_load on it, with a stream in place of each pair.
#include <CLI/CLI.hpp>

#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <unordered_map>

#include "load/die.hpp"
#include "load/engine.hpp"
#include "load/pacer.hpp"
#include "load/payloads.hpp"

using namespace opaline;
using namespace opaline::bench;

namespace {

class EchoServer {
 public:
  EchoServer(SSL_CTX* context, int listener) : context_(context), listener_(listener) {
    engine_.add(listener, [this] { accept(); });
  }
  void run() {
    engine_.run_until([] { return false; });
  }

 private:
  class Connection final : public Session {
   public:
    Connection(EchoServer& server, int socket)
        : server_(server), stream_(TlsStream::ServerSide{}, server.context_, socket) {}
    void on_input(Nanos) override {
      stream_.output.append(stream_.input.view());
      stream_.input.clear();
      server_.engine_.touch(*this);
    }
    void on_closed() override {
      server_.engine_.remove(*this);
      server_.connections_.erase(stream_.socket());  // ends this object
    }
    TlsStream& stream() override { return stream_; }

   private:
    EchoServer& server_;
    TlsStream stream_;
  };

  void accept() {
    const int socket = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (socket < 0) return;
    auto& connection = connections_[socket] = std::make_unique<Connection>(*this, socket);
    engine_.add(*connection);
  }

  SSL_CTX* context_;
  int listener_;
  Engine engine_;
  std::unordered_map<int, std::unique_ptr<Connection>> connections_;
};

class EchoLoad final : Sender {
 public:
  EchoLoad(SSL_CTX* context, const Target& target, const Plan& plan)
      : meter_(plan), payloads_(plan.payload_bytes), pacer_(plan, meter_, *this) {
    for (std::size_t pair = 0; pair < plan.pairs; ++pair) {
      clients_.push_back(std::make_unique<Client>(*this, pair, context, target));
      engine_.add(*clients_.back());
    }
  }
  std::string run() { return pacer_.run(engine_); }

 private:
  class Client final : public Session {
   public:
    Client(EchoLoad& load, std::size_t pair, SSL_CTX* context, const Target& target)
        : load_(load), pair_(pair), stream_(context, target) {}
    void on_input(Nanos now) override {
      const std::size_t size = load_.payloads_.size();
      while (stream_.input.size() >= size) {
        if (!equal(stream_.input.view().first(size), load_.payloads_.of(pair_, next_))) die("a damaged echo arrived");
        stream_.input.consume(size);
        load_.meter_.accepted(pair_, next_, now);
        if (load_.meter_.received(pair_, next_++, now)) load_.pacer_.freed(pair_);
      }
      load_.pacer_.pump_after(pair_, now);
    }
    TlsStream& stream() override { return stream_; }

   private:
    EchoLoad& load_;
    std::size_t pair_;
    std::uint64_t next_ = 0;
    TlsStream stream_;
  };

  bool may_send(std::size_t) override { return true; }
  void send(std::size_t pair, std::uint64_t number) override {
    clients_[pair]->stream().output.append(payloads_.of(pair, number));
    engine_.touch(*clients_[pair]);
  }

  Meter meter_;
  Payloads payloads_;
  Pacer pacer_;
  Engine engine_;
  std::vector<std::unique_ptr<Client>> clients_;
};

}  // namespace

int main(int argc, char** argv) {
  Target target;
  Plan plan;
  plan.freed_by = FreedBy::receipt;
  std::string certificate, key, authority;
  std::size_t runs = 1;
  double warmup_seconds = 0.5, measure_seconds = 2;
  CLI::App app("A coalescing TLS echo server, and load on it; see docs/benchmarks.md.");
  app.require_subcommand(1);
  auto* serve = app.add_subcommand("serve", "prints its port, then echoes until it is killed");
  serve->add_option("--certificate", certificate)->required();
  serve->add_option("--key", key)->required();
  auto* load = app.add_subcommand("load", "prints one line of JSON a run");
  load->add_option("--port", target.port)->required();
  load->add_option("--authority", authority)->required();
  load->add_option("--server-pid", plan.server);
  load->add_option("--pairs", plan.pairs)->capture_default_str();
  load->add_option("--in-flight", plan.in_flight, "over all connections")->capture_default_str();
  load->add_option("--payload", plan.payload_bytes)->capture_default_str();
  load->add_option("--runs", runs)->capture_default_str();
  load->add_option("--warmup", warmup_seconds)->capture_default_str();
  load->add_option("--seconds", measure_seconds)->capture_default_str();
  CLI11_PARSE(app, argc, argv);

  if (serve->parsed()) {
    const TlsContext context = server_context(certificate, key);
    std::uint16_t port = 0;
    const int listener = listen_on_loopback(port);
    fmt::print("{{\"port\":{}}}\n", port);
    std::fflush(stdout);
    EchoServer(context.get(), listener).run();
    return 0;
  }
  const TlsContext context = client_context(authority);
  plan.warmup = to_ns(warmup_seconds);
  plan.measure = to_ns(measure_seconds);
  EchoLoad running(context.get(), target, plan);
  for (std::size_t run = 0; run < runs; ++run) {
    fmt::print("{{\"run\":\"online\",{}}}\n", running.run());
    std::fflush(stdout);
  }
  return 0;
}
