// opaline-records: the officers' program for legal requests. This file parses flags and hands over; docs/records.md.
#include <fmt/format.h>
#include <sys/stat.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdlib>
#include <functional>

#include "apps/opaline-records/commands.hpp"
#include "base/fault_point.hpp"
#include "crypto/version.hpp"

namespace opaline::officer {
namespace {

constexpr const char* kIntroduction =
    "Answers legal requests to an Opaline service: what its lookup log holds, by two officers' signatures, and no "
    "more.\n"
    "An owner of the service makes you an officer: opalined admin operator create NAME --role officer\n"
    "Then, once:\n"
    "  opaline-records connect https://HOST:PORT --ca ca.pem --token-file token\n"
    "  opaline-records key create\n"
    "A request, from its arrival to the folder that is handed over:\n"
    "  opaline-records case open --help\n"
    "  opaline-records case approve 2026-0001        (two officers, each)\n"
    "  opaline-records produce 2026-0001\n"
    "Whoever gets the folder: opaline-records verify FOLDER --service FINGERPRINT. docs/records.md explains all of it.";

struct Program {
  Options options;
  std::function<Exit()> run;
};

std::string default_home() {
  const char* home = std::getenv("HOME");
  return std::string(home != nullptr ? home : ".") + "/.opaline-records";
}

CLI::App* command(CLI::App& parent, Program& p, const char* name, const char* what, const std::string& examples,
                  std::function<Exit(const Options&)> run) {
  auto* out = parent.add_subcommand(name, what);
  out->footer("Examples:\n" + examples);
  out->callback([&p, run = std::move(run)] { p.run = [&p, run] { return run(p.options); }; });
  return out;
}

CLI::App* of_case(CLI::App& parent, Program& p, const char* name, const char* what, const std::string& examples,
                  std::function<Exit(const Options&)> run) {
  auto* out = command(parent, p, name, what, examples, std::move(run));
  out->add_option("case", p.options.id, "Its number: 2026-0001")->required();
  return out;
}

void add_range(CLI::App* to, Program& p, bool required) {
  to->add_option("--handle", p.options.handles, "A telephone number or e-mail address (repeatable)")
      ->required(required)
      ->allow_extra_args(false);
  to->add_option("--from", p.options.from, "UTC: 2026-11-01T00:00:00Z")->required(required);
  to->add_option("--to", p.options.to, "Up to, and not with it: 2026-11-22T00:00:00Z")->required(required);
}

void add_beginnings(CLI::App& app, Program& p) {
  Options& o = p.options;
  auto* to = command(app, p, "connect", "Which service, and your token for it",
                     "  opaline-records connect https://service.example:8444 --token-file token", connect);
  to->add_option("url", o.server, "Of its operator listener")->required();
  to->add_option("--ca", o.authority, "PEM of the authority that signed its certificate; else the system's");
  to->add_option("--token-file", o.token_file, "The token is its first line; without it you are asked");
  auto* key = app.add_subcommand("key", "Your own key: it signs approvals and opens productions");
  key->require_subcommand(1);
  command(*key, p, "create", "Make it and register its public half, once", "  opaline-records key create", key_create);
  command(*key, p, "show", "Its fingerprint", "  opaline-records key show", key_show);
  command(app, p, "officers", "Who can sign, and with which key", "  opaline-records officers", officers);
}

void add_cases(CLI::App& app, Program& p) {
  Options& o = p.options;
  auto* group = app.add_subcommand("case", "Legal requests");
  group->require_subcommand(1);
  auto* open =
      command(*group, p, "open", "Record a request that has arrived",
              "  opaline-records case open --authority \"District Court 5\" --instrument court_order --reference \"12 "
              "Cs 3/26\" \\\n"
              "    --jurisdiction DE --handle +4915112345678 --from 2026-11-01T00:00:00Z --to 2026-11-15T00:00:00Z \\\n"
              "    --served 2026-11-20 --due 2026-12-04",
              case_open);
  open->add_option("--authority", o.authority_name, "Who asks")->required();
  open->add_option("--instrument", o.instrument,
                   "subpoena, court_order, warrant, pen_register, preservation or emergency")
      ->required();
  open->add_option("--reference", o.reference, "Theirs")->required();
  open->add_option("--jurisdiction", o.jurisdiction, "ISO 3166: DE, US-CA")->required();
  add_range(open, p, true);
  open->add_option("--served", o.served, "Date: 2026-11-22")->required();
  open->add_option("--due", o.due, "Date")->required();
  open->add_option("--opens", o.opens, "The preservation that this request opens");
  command(*group, p, "list", "All of them, oldest first", "  opaline-records case list", case_list);
  of_case(*group, p, "show", "One, with everything that was done", "  opaline-records case show 2026-0001", case_show);
  of_case(*group, p, "approve",
          "See exactly what would be taken from the log, and sign it. The second officer's signature takes it",
          "  opaline-records case approve 2026-0001", case_approve);
  const auto with_reason = [&](CLI::App* to) { to->add_option("--reason", o.words, "Kept with the case")->required(); };
  auto* narrow =
      of_case(*group, p, "narrow", "Ask for less: fewer handles, a shorter time; approvals begin anew",
              "  opaline-records case narrow 2026-0001 --to 2026-11-10T00:00:00Z --reason \"no longer than ordered\"",
              case_narrow);
  add_range(narrow, p, false);
  with_reason(narrow);
  for (const auto& [name, what] : {std::pair{"refuse", "Nothing will be taken"},
                                   {"close", "It is done: what was produced is destroyed 90 days from now"},
                                   {"renew", "Keep a preservation for 90 days more, once"},
                                   {"end", "End a pen register before its time: nothing is collected from now on"}}) {
    const auto example = fmt::format("  opaline-records case {} 2026-0001 --reason \"...\"", name);
    with_reason(of_case(*group, p, name, what, example,
                        [step = std::string(name)](const Options& options) { return case_step(options, step); }));
  }
  auto* answer =
      of_case(*group, p, "answer", "What else exists or does not, in words",
              "  opaline-records case answer 2026-0001 --words \"Contents do not exist here.\"", case_answer);
  answer->add_option("--words", o.words, "1 to 4000 bytes")->required();
  auto* notify =
      of_case(*group, p, "notify", "Record that the person is to be told, at once or later; it does not tell them",
              "  opaline-records case notify 2026-0001 --words \"...\" --not-before 2027-01-01T00:00:00Z", case_notify);
  notify->add_option("--words", o.words, "What they are told")->required();
  notify->add_option("--not-before", o.not_before, "UTC");
}

void add_productions(CLI::App& app, Program& p) {
  Options& o = p.options;
  auto* make = of_case(app, p, "produce",
                       "Fetch what two officers approved, open it with your key, write the folder and check it",
                       "  opaline-records produce 2026-0001 --folder handed-over", produce);
  make->add_option("--folder", o.folder, "A new one; else production-CASE-NUMBER here");
  make->add_option("--number", o.number, "Which production of the case")->capture_default_str();
  auto* check = command(app, p, "verify", "Check a production's folder, offline, on any machine",
                        "  opaline-records verify handed-over --service \"0a1b2c3d ...\"", verify_folder);
  check->add_option("folder", o.folder, "As it was handed over")->required();
  check->add_option("--service", o.service, "Fingerprint of the service's key, from https://SERVICE/v1/ledger");
  auto* report =
      command(app, p, "report", "The transparency report of a half-year: report.html and report.csv, numbers alone",
              "  opaline-records report 2026H2 --folder report-2026H2", officer::report);
  report->add_option("period", o.period, "2026H1: January to June; 2026H2: July to December")->required();
  report->add_option("--folder", o.folder, "A new one; else report-PERIOD here");
  auto* ledger = app.add_subcommand("ledger", "The record of everything that was done");
  ledger->require_subcommand(1);
  auto* whole = command(*ledger, p, "verify", "Whether a recorded event was changed or removed",
                        "  opaline-records ledger verify", ledger_verify);
  whole->add_option("--head", o.head, "A head that somebody kept, as it stands in a manifest");
}

int run(int argc, char** argv) {
  if (!fault::arm_from_environment()) {
    fmt::print(stderr, "opaline-records: OPALINE_FAULT names no fault point\n");
    return static_cast<int>(Exit::usage);
  }
  CLI::App app{kIntroduction, "opaline-records"};
  app.fallthrough();
  app.require_subcommand(1);
  Program p;
  p.options.home = default_home();
  app.add_option("--home", p.options.home, "Where your key and the service's address lie")
      ->capture_default_str()
      ->envname("OPALINE_RECORDS_HOME");
  app.add_option("--passphrase-file", p.options.passphrase_file, "Of your key: its first line; else you are asked");
  app.add_flag("--json", p.options.json, "Print the service's answers as JSON");
  app.add_flag("--yes", p.options.yes, "Ask nothing before signing or trusting");
  app.set_version_flag("--version", fmt::format("opaline-records {} ({})", OPALINE_VERSION, crypto::openssl_version()));
  add_beginnings(app, p);
  add_cases(app, p);
  add_productions(app, p);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);
    fmt::print(stderr, "opaline-records: {}; add --help to see how it is used\n", error.what());
    return static_cast<int>(Exit::usage);
  }
  return static_cast<int>(p.run());
}

}  // namespace
}  // namespace opaline::officer

int main(int argc, char** argv) {
  umask(077);
  std::signal(SIGPIPE, SIG_IGN);
  return opaline::officer::run(argc, argv);
}
