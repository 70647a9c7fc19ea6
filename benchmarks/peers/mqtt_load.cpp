// mqtt_load: the load of relay_load on an MQTT broker: same engine, same pairs, same payload, QoS 1.
#include <CLI/CLI.hpp>

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

#include "load/die.hpp"
#include "load/pacer.hpp"
#include "load/payloads.hpp"
#include "peers/mqtt_client.hpp"

using namespace opaline;
using namespace opaline::bench;

namespace {

constexpr std::size_t kNumberBytes = 8;  // each payload begins with its message's number

class MqttLoad final : MqttEvents, Sender {
 public:
  MqttLoad(SSL_CTX* context, const Target& target, const Plan& plan)
      : context_(context),
        target_(target),
        plan_(plan),
        meter_(plan),
        payloads_(plan.payload_bytes - kNumberBytes),
        pacer_(plan, meter_, *this),
        sent_(plan.pairs) {
    for (std::size_t pair = 0; pair < plan.pairs; ++pair) topics_.push_back(fmt::format("load/{}", pair));
  }

  void connect_senders() {
    for (std::size_t pair = 0; pair < plan_.pairs; ++pair) {
      senders_.push_back(connect(pair, {.client_id = fmt::format("sender-{}", pair)}));
      engine_.add(*senders_.back());
    }
  }
  /// `subscribe`: false where the session that the broker kept has the subscription already.
  void connect_receivers(bool clean_session, bool subscribe) {
    for (std::size_t pair = 0; pair < plan_.pairs; ++pair) {
      receivers_.push_back(connect(pair, {.client_id = fmt::format("receiver-{}", pair),
                                          .clean_session = clean_session,
                                          .subscribe = subscribe ? topics_[pair] : ""}));
      engine_.add(*receivers_.back());
    }
  }
  void disconnect_receivers() {
    for (const auto& receiver : receivers_) {
      engine_.remove(*receiver);
      receiver->leave();
    }
    receivers_.clear();
  }

  std::string run() { return pacer_.run(engine_); }

  /// Reconnects the receivers; the broker pushes as soon as one is connected, so the clock starts before.
  std::string drain() {
    std::uint64_t waiting = 0;
    for (std::size_t pair = 0; pair < plan_.pairs; ++pair) waiting += sent_[pair] - meter_.next_expected(pair);
    const CpuSeconds own = own_cpu();
    const CpuSeconds server = cpu_of(plan_.server);
    const Nanos begin = now_ns();
    connect_receivers(false, false);
    for (const auto& receiver : receivers_) {
      if (!receiver->stream().input.empty()) receiver->on_input(now_ns());
      engine_.touch(*receiver);
    }
    engine_.run_until([this] {
      for (std::size_t pair = 0; pair < plan_.pairs; ++pair) {
        if (meter_.next_expected(pair) != sent_[pair]) return false;
      }
      return true;
    });
    const double seconds = static_cast<double>(last_publish_ - begin) / 1e9;
    const CpuSeconds own_used = own_cpu() - own;
    const CpuSeconds server_used = cpu_of(plan_.server) - server;
    return fmt::format(R"("pairs":{},"payload_bytes":{},"messages":{},"seconds":{:.3f},"per_second":{:.0f},)"
                       R"("generator_cpu":{:.3f},"server_cpu_user":{:.3f},"server_cpu_system":{:.3f})",
                       plan_.pairs, plan_.payload_bytes, waiting, seconds, static_cast<double>(waiting) / seconds,
                       own_used.sum() / seconds, server_used.user / seconds, server_used.system / seconds);
  }

 private:
  std::unique_ptr<MqttClient> connect(std::size_t pair, const MqttClient::Connect& how) {
    return std::make_unique<MqttClient>(context_, target_, pair, how, static_cast<MqttEvents*>(this));
  }
  void on_publish(MqttClient& client, Nanos now, ByteView payload) override {
    const std::size_t pair = client.index();
    std::uint64_t number = 0;
    if (payload.size() != plan_.payload_bytes) die("a damaged message arrived");
    std::memcpy(&number, payload.data(), kNumberBytes);
    if (!equal(payload.subspan(kNumberBytes), payloads_.of(pair, number))) die("a damaged message arrived");
    last_publish_ = now;
    if (meter_.received(pair, number, now)) pacer_.freed(pair);
  }
  void on_puback(MqttClient& client, Nanos now, std::uint64_t number) override {
    if (meter_.accepted(client.index(), number, now)) pacer_.freed(client.index());
  }
  void on_read(MqttClient& client, Nanos now) override {
    engine_.touch(client);
    pacer_.pump_after(client.index(), now);
  }
  bool may_send(std::size_t) override { return true; }
  void send(std::size_t pair, std::uint64_t number) override {
    ++sent_[pair];
    const auto head = std::as_bytes(std::span(&number, 1));
    senders_[pair]->publish(topics_[pair], number, head, payloads_.of(pair, number));
    engine_.touch(*senders_[pair]);
  }

  SSL_CTX* context_;
  const Target& target_;
  const Plan plan_;
  Meter meter_;
  Payloads payloads_;
  Pacer pacer_;
  Engine engine_;
  std::vector<std::string> topics_;
  std::vector<std::unique_ptr<MqttClient>> senders_, receivers_;
  std::vector<std::uint64_t> sent_;  // by pair, since the beginning
  Nanos last_publish_ = 0;
};

void print(std::string_view kind, const std::string& members) {
  fmt::print("{{\"run\":\"{}\",{}}}\n", kind, members);
  std::fflush(stdout);
}

void do_idle(SSL_CTX* context, const Target& target, std::size_t first, std::size_t count) {
  Engine engine;
  std::vector<std::unique_ptr<MqttClient>> clients;
  for (std::size_t i = first; i < first + count; ++i) {
    const MqttClient::Connect how{.client_id = fmt::format("idle-{}", i), .subscribe = fmt::format("idle/{}", i)};
    clients.push_back(std::make_unique<MqttClient>(context, target, i, how));
    engine.add(*clients.back());
  }
  print("idle", fmt::format(R"("connections":{})", count));
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
  Plan plan;
  std::string authority, freed_by = "receipt";
  std::size_t runs = 1, first = 0, count = 16;
  double warmup_seconds = 0.5, measure_seconds = 2;
  CLI::App app("The load of relay_load on an MQTT broker. Prints one line of JSON a run; see docs/benchmarks.md.");
  app.require_subcommand(1);
  app.add_option("--port", target.port)->required();
  app.add_option("--authority", authority)->required();
  app.add_option("--server-pid", plan.server);
  app.add_option("--pairs", plan.pairs)->capture_default_str();
  app.add_option("--in-flight", plan.in_flight, "over all pairs")->capture_default_str();
  app.add_option("--payload", plan.payload_bytes)->capture_default_str()->check(CLI::Range(8, 32'768));
  app.add_option("--runs", runs)->capture_default_str();
  auto* online = app.add_subcommand("online", "receivers are there");
  online->add_option("--warmup", warmup_seconds)->capture_default_str();
  online->add_option("--seconds", measure_seconds)->capture_default_str();
  online->add_option("--freed-by", freed_by, "what frees a slot")->check(CLI::IsMember({"accepted", "receipt"}));
  auto* offline = app.add_subcommand("offline", "receivers have persistent sessions and are away, then come back");
  offline->add_option("--messages", plan.messages, "over all pairs, each run")->required();
  auto* idle = app.add_subcommand("idle", "hold subscribed clients until standard input ends");
  idle->add_option("--first", first, "client to begin with")->capture_default_str();
  idle->add_option("--count", count)->capture_default_str();
  CLI11_PARSE(app, argc, argv);

  const TlsContext context = client_context(authority);
  if (idle->parsed()) {
    do_idle(context.get(), target, first, count);
    return 0;
  }
  plan.freed_by = freed_by == "receipt" && online->parsed() ? FreedBy::receipt : FreedBy::accepted;
  plan.warmup = offline->parsed() ? 0 : to_ns(warmup_seconds);
  plan.measure = offline->parsed() ? UINT64_MAX : to_ns(measure_seconds);
  MqttLoad load(context.get(), target, plan);
  load.connect_senders();
  if (online->parsed()) {
    load.connect_receivers(true, true);
    for (std::size_t run = 0; run < runs; ++run) print("online", load.run());
    return 0;
  }
  load.connect_receivers(false, true);
  load.disconnect_receivers();
  for (std::size_t run = 0; run < runs; ++run) {
    print("store", load.run());
    print("drain", load.drain());
    load.disconnect_receivers();
  }
  return 0;
}
