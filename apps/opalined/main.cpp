// opalined: the server. This file parses flags and hands over; docs/operations.md describes how to run it.
#include <fmt/format.h>
#include <sys/stat.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdlib>
#include <functional>

#include "apps/opalined/business_flags.hpp"
#include "apps/opalined/commands.hpp"
#include "base/fault_point.hpp"
#include "crypto/memory.hpp"
#include "crypto/version.hpp"
#include "server/metrics.hpp"
#include "server/process.hpp"

namespace opaline::daemon {
namespace {

constexpr const char* kIntroduction =
    "The Opaline server: stores and forwards end-to-end encrypted messages, and keeps as little as possible.\n"
    "To try it on this machine, with everything in one directory:\n"
    "  opalined --dev ./try\n"
    "In earnest: write /etc/opaline/opalined.toml (docs/opalined.example.toml has every key), then\n"
    "  opalined --check-config && systemctl enable --now opalined\n"
    "  opalined admin operator create alice --role owner\n"
    "Without a command it serves until SIGTERM; SIGHUP reads certificates again and reopens the log.";

struct Arguments {
  GlobalOptions global;
  AdminArguments admin;
  BusinessArguments business;
  BackupArguments backup;
  bool check_only = false;
  std::function<Exit()> run;
};

void add_global(CLI::App& app, Arguments& a) {
  if (const char* named = std::getenv("OPALINED_CONFIG"); named != nullptr && *named != '\0')
    a.global.config_file = named;
  auto* config =
      app.add_option("-c,--config", a.global.config_file, "Configuration (TOML); OPALINED_CONFIG names another default")
          ->capture_default_str();
  auto* dev = app.add_option("--dev", a.global.dev,
                             "Development: configuration, certificates, keys, data, codes and admin socket in this "
                             "directory, on loopback; makes what is missing")
                  ->type_name("DIR")
                  ->excludes(config);
  app.add_option("--port", a.global.port,
                 "With --dev: public port, the operators' is the next, metrics the one after; 0: the kernel chooses, "
                 "DIR/ports.json tells")
      ->type_name("PORT")
      ->needs(dev);
  app.add_option("--set", a.global.overrides, "Override one key: section.key=value (repeatable)")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  app.add_option(
      "--role", a.global.role,
      "What this process runs: \"all\" (the service), \"gateway\" (businesses; [business] of the configuration) or\n"
      "\"sms\" (people's texts to telephone numbers; [sms] and [carrier])");
  app.add_flag("--check-config", a.check_only,
               "Read and check the configuration, say what is wrong and where, and end");
  app.set_version_flag("--version", fmt::format("opalined {} ({})", server::version(), crypto::openssl_version()));
}

void add_operators(CLI::App& admin, Arguments& a) {
  auto* group = admin.add_subcommand("operator", "Who may administer this server");
  group->require_subcommand(1);
  group->footer("Examples:\n  opalined admin operator list\n  opalined admin operator create bob --role auditor");
  auto* create = group->add_subcommand("create", "Make an operator and show its token, once");
  create->add_option("name", a.admin.name, "1 to 32 of a-z, 0-9, '.', '-', '_'; never used twice")->required();
  create
      ->add_option("--role", a.admin.role,
                   "owner (everything but legal requests), admin (status, reload, clock, businesses), auditor (status, "
                   "audit trail)\n"
                   "or officer (legal requests alone)")
      ->required();
  create->add_option("--token-days", a.admin.token_days, "How long the token is valid")->capture_default_str();
  create->footer(
      "The token goes into the header `Authorization: Bearer <token>` of the operator listener.\n"
      "Example:\n"
      "  opalined admin operator create alice --role owner");
  create->callback([&a] { a.run = [&a] { return admin_operator_create(a.global, a.admin); }; });
  auto* token = group->add_subcommand("token", "Give an operator one more token (before the last one ends)");
  token->add_option("name", a.admin.name, "The operator")->required();
  token->add_option("--token-days", a.admin.token_days, "How long the token is valid")->capture_default_str();
  token->footer("Example:\n  opalined admin operator token alice --token-days 30");
  token->callback([&a] { a.run = [&a] { return admin_operator_token(a.global, a.admin); }; });
  auto* list = group->add_subcommand("list", "Show all operators, revoked ones too");
  list->footer("Example:\n  opalined admin operator list");
  list->callback([&a] { a.run = [&a] { return admin_operator_list(a.global, a.admin); }; });
  auto* revoke = group->add_subcommand("revoke", "End an operator and all its tokens, at once and for good");
  revoke->add_option("name", a.admin.name, "The operator")->required();
  revoke->footer("A name is never used again.\nExample:\n  opalined admin operator revoke alice");
  revoke->callback([&a] { a.run = [&a] { return admin_operator_revoke(a.global, a.admin); }; });
}

void add_dead_letters(CLI::App& admin, Arguments& a) {
  auto* group = admin.add_subcommand("dead-letters", "Messages that a business's software did not take; of a gateway");
  group->require_subcommand(1);
  group->footer(
      "Asks the gateway of the configuration (business.data), not the service.\n"
      "Examples:\n  opalined admin dead-letters list\n  opalined admin dead-letters retry --all");
  auto* list = group->add_subcommand("list", "Show them: when, how often tried, why refused; never a text");
  list->footer("Example:\n  opalined admin dead-letters list");
  list->callback([&a] { a.run = [&a] { return admin_dead_letters_list(a.global, a.admin); }; });
  auto* retry = group->add_subcommand("retry", "Put one, or all, back into the queue; they come with the same ids");
  auto* id = retry->add_option("message", a.admin.name, "Its id, as `list` shows it")->type_name("ID");
  auto* all = retry->add_flag("--all", a.admin.all, "All whose messages were kept")->excludes(id);
  retry->footer("Example:\n  opalined admin dead-letters retry 6b1d2c3e-9f80-4a1b-8c7d-112233445566");
  retry->callback([&a, id, all] {
    if (id->count() + all->count() == 0) throw CLI::RequiredError("ID or --all");
    a.run = [&a] { return admin_dead_letters_retry(a.global, a.admin); };
  });
}

void add_admin(CLI::App& app, Arguments& a) {
  auto* admin = app.add_subcommand("admin", "Administer the running server, over its admin socket");
  admin->require_subcommand(1);
  admin->add_option("--socket", a.admin.socket, "Admin socket; else the one of --config or --dev");
  admin->add_flag("--json", a.admin.json, "Print the server's answer as JSON");
  admin->footer(
      "Only root and the service's own user may use the socket. Everything is recorded in the audit trail.\n"
      "Example:\n"
      "  opalined admin status");
  add_operators(*admin, a);
  add_businesses(*admin, a.global, a.admin, a.business, a.run);
  add_dead_letters(*admin, a);
  auto* audit = admin->add_subcommand("audit", "What operators did, oldest first");
  audit->add_option("--after", a.admin.after, "Only entries after this number")->capture_default_str();
  audit->add_option("--limit", a.admin.limit, "At most so many")->capture_default_str();
  audit->add_flag("--verify", a.admin.verify, "Check the whole trail: nothing changed, nothing missing");
  audit->add_option("--known", a.admin.known_head,
                    "With --verify: a head that you noted earlier, as printed (NUMBER:HASH); it must still be there");
  audit->footer(
      "Note the head now and then, outside of this machine: then not even who owns it can rewrite the past.\n"
      "Examples:\n"
      "  opalined admin audit --limit 20\n"
      "  opalined admin audit --verify");
  audit->callback([&a] { a.run = [&a] { return admin_audit(a.global, a.admin); }; });
  auto* status = admin->add_subcommand("status", "Version, ports, connections, queues, certificate, expiry");
  status->footer("Examples:\n  opalined admin status\n  opalined admin status --json");
  status->callback([&a] { a.run = [&a] { return admin_status(a.global, a.admin); }; });
  auto* reload = admin->add_subcommand("reload", "Read certificates again and reopen the log, as SIGHUP does");
  reload->footer("Example:\n  opalined admin reload");
  reload->callback([&a] { a.run = [&a] { return admin_reload(a.global, a.admin); }; });
  auto* clock = admin->add_subcommand(
      "confirm-clock", "Say that the clock is right after it moved by more than 2 days, so that expiry goes on");
  clock->footer(
      "Check `date` first: with a wrong clock, keys of envelopes that are still wanted are destroyed.\n"
      "A gateway has a clock of its own to confirm: --role gateway.\n"
      "Examples:\n"
      "  opalined admin confirm-clock\n"
      "  opalined --role gateway admin confirm-clock");
  clock->callback([&a] { a.run = [&a] { return admin_confirm_clock(a.global, a.admin); }; });
}

void add_backup(CLI::App& app, Arguments& a) {
  auto* make = app.add_subcommand("backup", "Write the directory, the operators and the long-lived keys to a file");
  make->footer(
      "The file is encrypted under a passphrase. Mailboxes, the keys of days and prekeys are never in it.\n"
      "Works while the server runs.\n"
      "Example:\n"
      "  opalined backup opaline.backup --passphrase-file secret.txt");
  auto* back = app.add_subcommand("restore", "Put a backup into an empty data directory and vault");
  back->footer(
      "The server must not run. Devices sign in as before and upload new prekeys; what waited is gone.\n"
      "Example:\n"
      "  opalined restore opaline.backup --passphrase-file secret.txt");
  for (auto* command : {make, back}) {
    command->add_option("file", a.backup.file, "The backup file")->required();
    command->add_option("--passphrase-file", a.backup.passphrase_file,
                        "Take the passphrase from the first line of this file instead of asking");
  }
  make->callback([&a] { a.run = [&a] { return backup(a.global, a.backup); }; });
  back->callback([&a] { a.run = [&a] { return restore(a.global, a.backup); }; });
}

/// Says what is wrong with the flags, or prints the help that was asked for.
int explain(const CLI::App& app, const CLI::ParseError& error) {
  if (error.get_exit_code() == 0) return app.exit(error);
  const auto left = app.remaining(true);
  if (dynamic_cast<const CLI::RequiredError*>(&error) != nullptr && !left.empty() && !left.front().starts_with("-")) {
    fmt::print(stderr, "opalined: there is no command '{}'; add --help to see those that are\n", left.front());
  } else {
    fmt::print(stderr, "opalined: {}; add --help to see how it is used\n", error.what());
  }
  return static_cast<int>(Exit::usage);
}

int run(int argc, char** argv) {
  CLI::App app{kIntroduction, "opalined"};
  app.fallthrough();
  Arguments arguments;
  add_global(app, arguments);
  add_admin(app, arguments);
  add_backup(app, arguments);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return explain(app, error);
  }
  if (arguments.check_only) return static_cast<int>(check(arguments.global));
  if (!arguments.run) arguments.run = [&arguments] { return serve(arguments.global); };
  return static_cast<int>(arguments.run());
}

}  // namespace
}  // namespace opaline::daemon

int main(int argc, char** argv) {
  OPALINE_ASSERT(
      opaline::crypto::own_library_memory());  // before OpenSSL's first allocation, so before the role is known
  umask(077);
  std::signal(SIGPIPE, SIG_IGN);
  opaline::server::forbid_core_dumps();
  if (!opaline::fault::arm_from_environment()) {
    fmt::print(stderr, "opalined: OPALINE_FAULT names no fault point\n");
    return static_cast<int>(opaline::daemon::Exit::usage);
  }
  return opaline::daemon::run(argc, argv);
}
