// relay_load: load on an Opaline server, as docs/device-api.md describes it and nothing else. One line of JSON a run.
#include <CLI/CLI.hpp>

#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>

#include "load/die.hpp"
#include "relay_load/lookup_load.hpp"
#include "relay_load/relay_load.hpp"

using namespace opaline;
using namespace opaline::bench;

namespace {

struct Options {
  Service service;
  std::string authority, accounts_file;
  std::size_t first = 0, count = 16;
  std::size_t runs = 1;
  std::size_t handles = 1;
  bool drain = true;
  Plan plan;
  double warmup_seconds = 0.5, measure_seconds = 2;
};

void print(std::string_view kind, const std::string& members) {
  fmt::print("{{\"run\":\"{}\",{}}}\n", kind, members);
  std::fflush(stdout);
}

void do_register(const Options& o) {
  const Nanos begin = now_ns();
  save_accounts(o.accounts_file, register_accounts(o.service, o.count));
  const double seconds = static_cast<double>(now_ns() - begin) / 1e9;
  print("register", fmt::format(R"("accounts":{},"seconds":{:.3f})", o.count, seconds));
}

void do_online(const Options& o) {
  const auto accounts = load_accounts(o.accounts_file);
  RelayLoad load(o.service, accounts, o.plan);
  load.connect_senders();
  load.connect_receivers();
  for (std::size_t run = 0; run < o.runs; ++run) print("online", load.run());
  load.disconnect_receivers();
}

void do_offline(const Options& o) {
  const auto accounts = load_accounts(o.accounts_file);
  RelayLoad load(o.service, accounts, o.plan);
  load.connect_senders();
  for (std::size_t run = 0; run < o.runs; ++run) {
    print("store", load.run());
    if (!o.drain) continue;
    load.connect_receivers();
    print("drain", load.drain());
    load.disconnect_receivers();
  }
}

void do_lookups(const Options& o) {
  const auto accounts = load_accounts(o.accounts_file);
  LookupLoad load(o.service, accounts, o.plan, o.handles);
  for (std::size_t run = 0; run < o.runs; ++run) print("lookups", load.run());
}

/// Holds `count` devices that have authenticated and say nothing, until standard input ends.
void do_idle(const Options& o) {
  const auto accounts = load_accounts(o.accounts_file);
  if (accounts.size() < o.first + o.count) die("not enough accounts");
  Engine engine;
  std::vector<std::unique_ptr<Device>> devices;
  for (std::size_t i = 0; i < o.count; ++i) {
    devices.push_back(std::make_unique<Device>(o.service, accounts[o.first + i], i));
    engine.add(*devices.back());
  }
  print("idle", fmt::format(R"("connections":{})", devices.size()));
  bool ended = false;
  engine.add(STDIN_FILENO, [&ended] {
    char sink[256];
    ended = ::read(STDIN_FILENO, sink, sizeof sink) <= 0;
  });
  engine.run_until([&ended] { return ended; });
}

/// Waits for a server that is being started, submits one envelope and tells when it was accepted.
void do_first(const Options& o) {
  const auto accounts = load_accounts(o.accounts_file);
  print("waiting", R"("ready":true)");
  for (int tries = 0; !accepts_connections(o.service.target.port); ++tries) {
    if (tries > 600'000) die("no server came up");
    ::usleep(200);
  }
  Plan plan = o.plan;
  plan.pairs = plan.in_flight = 1;
  plan.messages = 1;
  plan.warmup = 0;
  RelayLoad load(o.service, accounts, plan);
  load.connect_senders();
  (void)load.run();
  print("first", fmt::format(R"("accepted_at_ns":{})", now_ns()));
}

}  // namespace

int main(int argc, char** argv) {
  Options o;
  CLI::App app("Load on an Opaline server on this machine. Prints one line of JSON a run; see docs/benchmarks.md.");
  app.require_subcommand(1);
  app.add_option("--port", o.service.target.port, "the server's public port on 127.0.0.1")->required();
  app.add_option("--name", o.service.target.name, "the server's name")->capture_default_str();
  app.add_option("--authority", o.authority, "PEM file of the certificate authority (DIR/ca.pem)")->required();
  app.add_option("--accounts", o.accounts_file, "file of accounts")->required();
  app.add_option("--server-pid", o.plan.server, "report this process's processor time");
  app.add_option("--pairs", o.plan.pairs, "pairs of a sender and a receiver")->capture_default_str();
  app.add_option("--in-flight", o.plan.in_flight, "messages on their way, over all pairs")->capture_default_str();
  app.add_option("--payload", o.plan.payload_bytes, "bytes of a ciphertext")->capture_default_str();
  app.add_option("--runs", o.runs)->capture_default_str();

  auto* reg = app.add_subcommand("register", "register accounts and write them to the file");
  reg->add_option("--outbox", o.service.outbox, "the server's file of codes (DIR/outbox.jsonl)")->required();
  reg->add_option("--count", o.count)->capture_default_str();
  auto* online = app.add_subcommand("online", "receivers are there");
  online->add_option("--warmup", o.warmup_seconds)->capture_default_str();
  online->add_option("--seconds", o.measure_seconds)->capture_default_str();
  online->add_option("--messages", o.plan.messages, "stop after so many");
  std::string freed_by = "accepted";
  online->add_option("--freed-by", freed_by, "what frees a slot")->check(CLI::IsMember({"accepted", "receipt"}));
  auto* offline = app.add_subcommand("offline", "receivers are away, then come back");
  offline->add_option("--messages", o.plan.messages, "over all pairs, each run")->required();
  offline->add_flag("!--no-drain", o.drain, "leave the envelopes there");
  auto* lookups = app.add_subcommand("lookups", "as many devices as pairs ask the directory about strangers");
  lookups->add_option("--warmup", o.warmup_seconds)->capture_default_str();
  lookups->add_option("--seconds", o.measure_seconds)->capture_default_str();
  lookups->add_option("--messages", o.plan.messages, "stop after so many requests");
  lookups->add_option("--handles", o.handles, "in a request")->check(CLI::Range(1, 100))->capture_default_str();
  auto* idle = app.add_subcommand("idle", "hold authenticated devices until standard input ends");
  idle->add_option("--first", o.first, "account to begin with")->capture_default_str();
  idle->add_option("--count", o.count)->capture_default_str();
  auto* first = app.add_subcommand("first", "wait for a server to come up; when is the first envelope accepted?");
  CLI11_PARSE(app, argc, argv);

  const TlsContext context = client_context(o.authority);
  o.service.context = context.get();
  o.plan.freed_by = freed_by == "receipt" ? FreedBy::receipt : FreedBy::accepted;
  o.plan.warmup = offline->parsed() ? 0 : to_ns(o.warmup_seconds);
  o.plan.measure = offline->parsed() ? UINT64_MAX : to_ns(o.measure_seconds);
  if (reg->parsed()) do_register(o);
  if (online->parsed()) do_online(o);
  if (offline->parsed()) do_offline(o);
  if (lookups->parsed()) do_lookups(o);
  if (idle->parsed()) do_idle(o);
  if (first->parsed()) do_first(o);
  return 0;
}
