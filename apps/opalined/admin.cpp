// `opalined admin`: asks the running server and prints its answer.
#include <fmt/format.h>

#include <boost/json.hpp>

#include "apps/opalined/asking.hpp"

namespace opaline::daemon {
namespace {

namespace json = boost::json;

void print_token(const json::value& answer) {
  fmt::print("token (shown this once, good until {}):\n{}\n", field(answer, "/expires"), field(answer, "/token"));
}

}  // namespace

Exit admin_operator_create(const GlobalOptions& options, const AdminArguments& arguments) {
  const auto body = json::serialize(
      json::value{{"name", arguments.name}, {"role", arguments.role}, {"token_days", arguments.token_days}});
  const auto asked = ask(options, arguments, "POST", "operators", body);
  if (asked.answer) {
    fmt::print("operator {} with role {}\n", field(*asked.answer, "/name"), field(*asked.answer, "/role"));
    print_token(*asked.answer);
  }
  return asked.exit;
}

Exit admin_operator_token(const GlobalOptions& options, const AdminArguments& arguments) {
  const auto asked = ask(options, arguments, "POST", "operators/" + escaped(arguments.name) + "/tokens",
                         json::serialize(json::value{{"token_days", arguments.token_days}}));
  if (asked.answer) print_token(*asked.answer);
  return asked.exit;
}

Exit admin_operator_list(const GlobalOptions& options, const AdminArguments& arguments) {
  const auto asked = ask(options, arguments, "GET", "operators");
  if (!asked.answer) return asked.exit;
  const auto& all = asked.answer->at("operators").as_array();
  if (all.empty()) {
    fmt::print("there is no operator yet: opalined admin operator create NAME --role owner\n");
    return asked.exit;
  }
  fmt::print("{:<32} {:<8} {:<20} {:>6}  {}\n", "NAME", "ROLE", "CREATED", "TOKENS", "REVOKED");
  for (const auto& one : all) {
    fmt::print("{:<32} {:<8} {:<20} {:>6}  {}\n", field(one, "/name"), field(one, "/role"), field(one, "/created"),
               field(one, "/valid_tokens"), field(one, "/revoked_at"));
  }
  return asked.exit;
}

Exit admin_operator_revoke(const GlobalOptions& options, const AdminArguments& arguments) {
  const auto asked = ask(options, arguments, "POST", "operators/" + escaped(arguments.name) + "/revoke");
  if (asked.answer) fmt::print("operator {} is revoked for good\n", arguments.name);
  return asked.exit;
}

namespace {

Exit verify_audit(const GlobalOptions& options, const AdminArguments& arguments) {
  std::string target = "audit/verify";
  if (!arguments.known_head.empty()) {
    const auto colon = arguments.known_head.find(':');
    if (colon == std::string::npos) {
      fmt::print(stderr, "opalined: --known must look like NUMBER:HASH\n");
      return Exit::usage;
    }
    target += fmt::format("?sequence={}&hash={}", escaped(arguments.known_head.substr(0, colon)),
                          escaped(arguments.known_head.substr(colon + 1)));
  }
  const auto asked = ask(options, arguments, "GET", target);
  if (!asked.answer) return asked.exit;
  const auto& answer = *asked.answer;
  const bool intact = answer.at("intact").as_bool();
  const bool seen = answer.at("known_head_seen").as_bool();
  if (!intact) {
    fmt::print("BROKEN: entry {} does not fit to those before it\n", field(answer, "/broken_at"));
  } else if (!seen) {
    fmt::print("REWRITTEN: the head that you noted is not in this trail\n");
  } else {
    fmt::print("intact: {} entries\nhead {}:{}\n", field(answer, "/head/sequence"), field(answer, "/head/sequence"),
               field(answer, "/head/hash"));
  }
  return intact && seen ? Exit::ok : Exit::failed;
}

}  // namespace

Exit admin_audit(const GlobalOptions& options, const AdminArguments& arguments) {
  if (arguments.verify || !arguments.known_head.empty()) return verify_audit(options, arguments);
  const auto asked =
      ask(options, arguments, "GET", fmt::format("audit?after={}&limit={}", arguments.after, arguments.limit));
  if (!asked.answer) return asked.exit;
  for (const auto& entry : asked.answer->at("entries").as_array()) {
    fmt::print("{:>6}  {}  {:<24} {:<22} {:<24} {}\n", field(entry, "/sequence"), field(entry, "/time"),
               field(entry, "/operator"), field(entry, "/action"), field(entry, "/object"), field(entry, "/outcome"));
  }
  fmt::print("head {}:{}\n", field(*asked.answer, "/head/sequence"), field(*asked.answer, "/head/hash"));
  return asked.exit;
}

Exit admin_status(const GlobalOptions& options, const AdminArguments& arguments) {
  const auto asked = ask(options, arguments, "GET", "status");
  if (!asked.answer) return asked.exit;
  const auto& s = *asked.answer;
  const auto row = [](std::string_view name, const std::string& value) { fmt::print("{:<24} {}\n", name, value); };
  row("version", fmt::format("{} ({})", field(s, "/version"), field(s, "/openssl")));
  row("server name", field(s, "/server_name"));
  row("ready", field(s, "/ready"));
  row("up since", fmt::format("{} ({} s)", field(s, "/started"), field(s, "/uptime_seconds")));
  row("ports", fmt::format("public {}, operator {}, metrics {}", field(s, "/ports/public"), field(s, "/ports/operator"),
                           field(s, "/ports/metrics")));
  row("device connections",
      fmt::format("{} ({} authenticated)", field(s, "/devices/connections"), field(s, "/devices/authenticated")));
  row("accepted since start",
      fmt::format("{} online, {} stored", field(s, "/accepted/online"), field(s, "/accepted/stored")));
  row("envelopes in memory", field(s, "/envelopes_in_memory"));
  row("store", fmt::format("{} waiting, {} days", field(s, "/store/queue"), field(s, "/store/days")));
  row("retention", field(s, "/retention_days") + " days");
  row("expiry", s.at("expiry_waits_for_operator").as_bool()
                    ? "WAITS: the clock moved by more than 2 days; see `opalined admin confirm-clock --help`"
                    : "goes on; clock last seen " + field(s, "/last_expiry_tick"));
  row("certificate until", field(s, "/certificate/expires"));
  row("swap", s.at("swap_possible").as_bool() ? "POSSIBLE: see docs/operations.md, Swap" : "not possible");
  return asked.exit;
}

Exit admin_reload(const GlobalOptions& options, const AdminArguments& arguments) {
  const auto asked = ask(options, arguments, "POST", "reload");
  if (asked.answer) fmt::print("certificates and log are open anew\n");
  return asked.exit;
}

Exit admin_confirm_clock(const GlobalOptions& options, const AdminArguments& arguments) {
  const bool gateway = options.role == "gateway";
  const auto asked = gateway ? ask_gateway(options, arguments, "POST", "clock/confirm")
                             : ask(options, arguments, "POST", "clock/confirm");
  if (asked.answer) fmt::print("the clock counts as right; expiry goes on\n");
  return asked.exit;
}

}  // namespace opaline::daemon
