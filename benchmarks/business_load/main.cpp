// business_load: persons and a business's software around a server and its gateway; and the same POSTs to another HTTPS
// server, for scale. One line of JSON a run; see docs/benchmarks.md.
#include <CLI/CLI.hpp>

#include <fmt/format.h>

#include <cstdio>

#include "business_load/business_load.hpp"
#include "load/die.hpp"

using namespace opaline;
using namespace opaline::bench;

namespace {

struct Options {
  Service service;
  BusinessAccess business;
  std::string authority, certificate, key, business_id;
  std::size_t persons = 128, connections = 64;
  std::vector<std::string> runs;
  Pace pace;
  double warmup_seconds = 0.5, measure_seconds = 3, patience_seconds = 30;
  Plan plan;
};

void print(std::string_view kind, const std::string& members) {
  fmt::print("{{\"run\":\"{}\",{}}}\n", kind, members);
  std::fflush(stdout);
}

Plan paced_plan(const Options& o) {
  Plan plan = o.plan;
  plan.warmup = to_ns(o.warmup_seconds);
  plan.measure = to_ns(o.measure_seconds);
  plan.messages = static_cast<std::uint64_t>(o.pace.per_second * (o.warmup_seconds + o.measure_seconds + 1));
  return plan;
}

void do_persons(Options& o) {
  const TlsContext certificate = server_context(o.certificate, o.key);
  o.business.webhook_context = certificate.get();
  const auto id = msp::parse_uuid(o.business_id);
  if (!id) die("--business is no UUID");
  o.business.id = *id;
  const auto accounts = register_accounts(o.service, o.persons);
  BusinessLoad load(o.service, accounts, o.business, to_ns(o.patience_seconds));
  Plan counted = o.plan;  // a closed loop: so many messages
  counted.warmup = to_ns(o.warmup_seconds);
  counted.measure = UINT64_MAX;
  Plan timed = counted;  // nothing is prepared for it
  timed.measure = to_ns(o.measure_seconds);
  const Pace closed{o.pace.in_flight, 0};
  for (const std::string& run : o.runs) {
    if (run == "webhooks") print(run, load.webhooks(counted, closed));
    if (run == "webhooks-paced") print(run, load.webhooks(paced_plan(o), o.pace));
    if (run == "posts") print(run, load.posts(timed, {o.connections, 0}, o.connections));
    if (run == "posts-paced") print(run, load.posts(paced_plan(o), o.pace, o.connections));
  }
}

void do_http(const Options& o, bool paced) {
  Plan plan = paced ? paced_plan(o) : o.plan;
  plan.pairs = o.connections;
  plan.warmup = to_ns(o.warmup_seconds);
  plan.measure = to_ns(o.measure_seconds);
  if (!paced) plan.messages = UINT64_MAX;
  print(paced ? "http-paced" : "http",
        http_load(o.service.context, o.service.target, plan, paced ? o.pace : Pace{o.connections, 0}));
}

}  // namespace

int main(int argc, char** argv) {
  Options o;
  o.pace.per_second = 1000;
  o.plan.messages = 20'000;
  o.plan.payload_bytes = 1024;
  const auto run = CLI::IsMember({"webhooks", "webhooks-paced", "posts", "posts-paced"});
  CLI::App app("Persons and a business's software around an Opaline server and gateway on this machine.");
  app.require_subcommand(1);
  app.add_option("--port", o.service.target.port, "the server's public port on 127.0.0.1")->required();
  app.add_option("--authority", o.authority, "PEM file of the certificate authority")->required();
  app.add_option("--server-pid", o.plan.server, "report this process's processor time");
  app.add_option("--warmup", o.warmup_seconds)->capture_default_str();
  app.add_option("--seconds", o.measure_seconds, "of a run that is not counted")->capture_default_str();
  app.add_option("--rate", o.pace.per_second, "messages a second of a paced run")->capture_default_str();
  app.add_option("--connections", o.connections, "of the business's software to the API, each with one POST at a time")
      ->capture_default_str();

  auto* persons = app.add_subcommand("persons", "registers persons and does the runs, in this order");
  persons->add_option("runs", o.runs)->required()->check(run);
  persons->add_option("--outbox", o.service.outbox, "the server's file of codes (DIR/outbox.jsonl)")->required();
  persons->add_option("--gateway-pid", o.plan.gateway, "report this process's processor time, too");
  persons->add_option("--api-port", o.business.api.port, "the gateway's port on 127.0.0.1")->required();
  persons->add_option("--business", o.business_id)->required();
  persons->add_option("--msp-id", o.business.msp_id)->required();
  persons->add_option("--secret", o.business.secret)->required();
  persons->add_option("--webhook-port", o.business.webhook_port, "where webhooks are taken")->required();
  persons->add_option("--certificate", o.certificate, "of the webhook's server")->required();
  persons->add_option("--key", o.key)->required();
  persons->add_option("--persons", o.persons)->capture_default_str();
  persons->add_option("--in-flight", o.pace.in_flight, "messages on their way in `webhooks`, over all persons")
      ->capture_default_str();
  persons->add_option("--messages", o.plan.messages, "of a run of `webhooks`")->capture_default_str();
  persons->add_option("--patience", o.patience_seconds, "seconds without anything after which a run has failed")
      ->capture_default_str();
  auto* http = app.add_subcommand("http", "POSTs of 1 KiB to an HTTPS server, one at a time on each connection");
  bool paced = false;
  http->add_flag("--paced", paced, "--rate of them");
  CLI11_PARSE(app, argc, argv);

  const TlsContext context = client_context(o.authority);
  o.service.context = context.get();
  if (persons->parsed()) do_persons(o);
  if (http->parsed()) do_http(o, paced);
  return 0;
}
