// opaline: the command line client. This file parses flags and hands over; docs/cli.md describes every command.
#include <fmt/format.h>

#include <cstdlib>

#include "apps/opaline/flags.hpp"
#include "base/fault_point.hpp"
#include "crypto/version.hpp"

namespace opaline::cli {
namespace {

constexpr const char* kIntroduction =
    "Write to people, end-to-end encrypted. A first conversation:\n"
    "  opaline --server https://HOST register anna@example.org   (a code comes by mail)\n"
    "  opaline send ben@example.org \"hello Ben\"\n"
    "  opaline receive --follow\n"
    "Everything of one account is in its home directory (--home); nothing leaves it but what is encrypted for others.";

std::string default_home() {
  if (const char* home = std::getenv("HOME"); home != nullptr && *home != '\0') return std::string(home) + "/.opaline";
  return ".opaline";
}

std::string version() {
  return fmt::format("opaline {} ({})", OPALINE_VERSION, crypto::openssl_version());
}

void add_global(CLI::App& app, Arguments& a) {
  app.add_option("--home", a.global.home, "Directory of this account and device")
      ->envname("OPALINE_HOME")
      ->default_val(default_home());
  app.add_option("--server", a.global.server, "https://HOST[:PORT]; remembered by `register`")
      ->envname("OPALINE_SERVER");
  app.add_option("--ca", a.global.authority_file,
                 "PEM file of the authority to trust, for a server of your own; remembered by `register`")
      ->envname("OPALINE_CA");
  app.add_option("--passphrase-file", a.global.passphrase_file,
                 "Take the home's passphrase from the first line of this file");
  app.add_flag("--json", a.global.json, "One JSON object a line (docs/cli.md)");
  app.set_version_flag("--version", version());
}

void add_register(CLI::App& app, Arguments& a) {
  auto* c = app.add_subcommand("register", "Make an account for a phone number or e-mail address");
  c->footer(
      "A code of 6 digits is sent to the handle and asked for. Keys are made here and never leave this home.\n"
      "If the handle has an account already, it loses the handle to you; a registration PIN prevents that.\n"
      "Examples:\n"
      "  opaline --server https://chat.example.org register anna@example.org\n"
      "  opaline --server https://chat.example.org --passphrase-file secret.txt register +4915112345678");
  c->add_option("HANDLE", a.registration.handle, "+4915112345678 or anna@example.org")->required();
  c->add_option("--code", a.registration.code, "The code, where it is known already");
  c->add_option("--pin", a.registration.pin,
                "The registration PIN of the handle's present account; asked for if needed");
  c->add_flag("--passphrase", a.registration.passphrase,
              "Protect this home by a passphrase instead of a key file; asked for, or from --passphrase-file");
  c->callback([&a] { a.run = [&a](Context& context) { return run_register(context, a.registration); }; });
}

void add_messages(CLI::App& app, Arguments& a) {
  auto* send = app.add_subcommand("send", "Send a text, files, or both");
  send->footer(
      "`sent` means: their device has it, or it is safely stored for it. Without a connection the message is kept "
      "here\n"
      "(exit code 3) and goes out with the next command that connects, in order and once.\n"
      "Examples:\n"
      "  opaline send ben@example.org \"hello Ben\"\n"
      "  opaline send ben@example.org \"At eight?\" --until delivered --wait 5\n"
      "  opaline send ben@example.org \"the plans\" --attach plan.pdf --attach photo.jpg\n"
      "  opaline send --sms +4915112345678 \"hello Ben\"      (not here: a short message, which is not encrypted)\n"
      "  echo \"from a script\" | opaline send ben@example.org -");
  send->add_option("TO", a.send.to, "A phone number (+49...), e-mail address, account id, or a business (urn:biz:UUID)")
      ->required();
  auto* text =
      send->add_option("TEXT", a.send.text, "The text; - reads it from standard input; may be left out beside files");
  send->add_option("--attach", a.send.files, "A file, up to 100 MiB; repeatable, up to 8")->allow_extra_args(false);
  send->add_flag("--sms", a.send.sms,
                 "Send it as a short message to a number that is not here: not encrypted, carriers read it");
  send->add_option("--until", a.send.until, "Wait until it is so far")
      ->check(CLI::IsMember({"queued", "sent", "delivered", "read"}))
      ->default_val("sent");
  send->add_option("--wait", a.send.wait_seconds, "Seconds to wait at most")
      ->check(CLI::Range(0, 600))
      ->default_val(15);
  send->callback([&a, text] {
    if (text->count() == 0 && a.send.files.empty()) throw CLI::RequiredError("TEXT");
    a.run = [&a](Context& context) { return run_send(context, a.send); };
  });

  auto* receive = app.add_subcommand("receive", "Fetch and show what has come");
  receive->footer(
      "Shows each message once; `opaline history` shows them again. With --follow it stays and shows messages as they "
      "come;\n"
      "all other commands work beside it, from another terminal (but `link`, `register` and `recovery import`).\n"
      "Examples:\n"
      "  opaline receive\n"
      "  opaline receive --follow");
  receive->add_flag("-f,--follow", a.receive.follow, "Stay connected until Ctrl-C");
  receive->add_option("--wait", a.receive.wait_seconds, "Seconds to wait at most without --follow")
      ->check(CLI::Range(1, 600))
      ->default_val(15);
  receive->add_option("--files", a.receive.folder, "Save the files that come into this directory");
  receive->callback([&a] { a.run = [&a](Context& context) { return run_receive(context, a.receive); }; });

  auto* history = app.add_subcommand("history", "Show the messages on this device");
  history->footer(
      "The server keeps no history; this is what this device has. It needs no connection.\n"
      "Examples:\n"
      "  opaline history\n"
      "  opaline history ben@example.org --limit 10");
  history->add_option("WITH", a.history.peer, "Only the conversation with this person");
  history->add_option("--limit", a.history.limit, "The newest so many")->check(CLI::Range(1, 100000))->default_val(50);
  history->callback([&a] { a.run = [&a](Context& context) { return run_history(context, a.history); }; });
}

void add_contacts(CLI::App& app, Arguments& a) {
  auto* verify = app.add_subcommand("verify", "Show the safety number with somebody");
  verify->footer(
      "Two people who see the same 60 digits have no one between them, not even the server.\n"
      "Examples:\n"
      "  opaline verify ben@example.org\n"
      "  opaline verify ben@example.org --confirm");
  verify->add_option("TO", a.verify.peer, kWhom)->required();
  auto* confirm = verify->add_flag("--confirm", a.verify.confirm, "It was the same on both sides");
  verify->add_flag("--undo", a.verify.undo, "Take that back")->excludes(confirm);
  verify->callback([&a] { a.run = [&a](Context& context) { return run_verify(context, a.verify); }; });

  auto* accept = app.add_subcommand("accept", "Go on with somebody whose identity has changed");
  accept->footer(
      "People get a new identity when they register again. So does an impostor: compare safety numbers first.\n"
      "Example:\n"
      "  opaline accept ben@example.org");
  accept->add_option("TO", a.peer, kWhom)->required();
  accept->callback([&a] { a.run = [&a](Context& context) { return run_accept(context, a.peer); }; });
}

void add_handles(CLI::App& app, Arguments& a) {
  auto* handle = app.add_subcommand("handle", "Add or remove a phone number or e-mail address")->require_subcommand(1);
  handle->footer(
      "An account can be reached by up to 16 handles.\n"
      "Examples:\n"
      "  opaline handle add anna@work.example.org\n"
      "  opaline handle remove anna@work.example.org");
  auto* add = handle->add_subcommand("add", "Add a handle to this account");
  add->footer(
      "A code of 6 digits is sent to the handle and asked for.\n"
      "Example:\n"
      "  opaline handle add +4915187654321");
  add->add_option("HANDLE", a.handle.handle, "A phone number (+49...) or e-mail address")->required();
  add->add_option("--code", a.handle.code, "The code, where it is known already");
  add->add_option("--pin", a.handle.pin, "The registration PIN of the handle's present account; asked for if needed");
  add->callback([&a] { a.run = [&a](Context& context) { return run_handle_add(context, a.handle); }; });
  auto* drop = handle->add_subcommand("remove", "Remove a handle from this account");
  drop->footer(
      "The last one stays: without a handle there is no account (opaline account delete).\n"
      "Example:\n"
      "  opaline handle remove +4915187654321");
  drop->add_option("HANDLE", a.handle.handle, "A handle of this account")->required();
  drop->callback([&a] { a.run = [&a](Context& context) { return run_handle_remove(context, a.handle.handle); }; });
}

void add_account(CLI::App& app, Arguments& a) {
  auto* account = app.add_subcommand("account", "Show this account");
  account->footer(
      "Examples:\n"
      "  opaline account\n"
      "  opaline --json account");
  auto* remove = account->add_subcommand("delete", "Delete this account at the server, for good");
  remove->footer(
      "Handles, devices and waiting messages are destroyed there. What is in the home stays until you remove it.\n"
      "Example:\n"
      "  opaline account delete --yes");
  remove->add_flag("--yes", a.yes, "Do not ask");
  remove->callback([&a] { a.run = [&a](Context& context) { return run_account_delete(context, a.yes); }; });
  account->callback([&a, account] {
    if (account->get_subcommands().empty()) a.run = [](Context& context) { return run_account(context); };
  });
  add_handles(app, a);

  auto* pin = app.add_subcommand("pin", "Protect your handles from being registered by others")->require_subcommand(1);
  pin->footer(
      "Without it, who gets hold of your number or mailbox can register it anew. It lapses when no device of\n"
      "the account has connected for 30 days.\n"
      "Examples:\n"
      "  opaline pin set\n"
      "  opaline pin remove");
  auto* set = pin->add_subcommand("set", "Set or change the registration PIN");
  set->footer(
      "Keep it: nobody can tell it to you, and after 5 wrong ones there is one more try a day.\n"
      "Examples:\n"
      "  opaline pin set\n"
      "  opaline pin set --pin 2580");
  set->add_option("--pin", a.pin, "4 to 64 characters; asked for if not given");
  set->callback([&a] { a.run = [&a](Context& context) { return run_pin(context, a.pin, false); }; });
  auto* unset = pin->add_subcommand("remove", "Remove the registration PIN");
  unset->footer(
      "Example:\n"
      "  opaline pin remove");
  unset->callback([&a] { a.run = [](Context& context) { return run_pin(context, "", true); }; });

  auto* receipts = app.add_subcommand("receipts", "Tell others when their messages were delivered and read, or not");
  receipts->footer(
      "Example:\n"
      "  opaline receipts off");
  receipts->add_option("STATE", a.receipts, "on or off")->required()->check(CLI::IsMember({"on", "off"}));
  receipts->callback([&a] { a.run = [&a](Context& context) { return run_receipts(context, a.receipts == "on"); }; });
}

/// "TO REQUIRED" in the help, not "TO TEXT REQUIRED".
void leave_out_types(CLI::App& app) {
  for (CLI::Option* option : app.get_options())
    if (option->get_positional()) option->type_name("");
  for (CLI::App* command : app.get_subcommands([](CLI::App*) { return true; })) leave_out_types(*command);
}

/// Says what is wrong with the flags, or prints the help that was asked for.
int explain(const CLI::App& app, const CLI::ParseError& error) {
  if (error.get_exit_code() == 0) return app.exit(error);
  const auto left = app.remaining(true);
  if (left.empty() && app.get_subcommands().empty() && dynamic_cast<const CLI::RequiredError*>(&error) != nullptr) {
    fmt::print(stderr, "opaline: what is to be done? opaline --help shows the commands\n");
    return static_cast<int>(Exit::usage);
  }
  if (dynamic_cast<const CLI::RequiredError*>(&error) != nullptr && !left.empty() && !left.front().starts_with("-")) {
    fmt::print(stderr, "opaline: there is no command '{}'; opaline --help shows those that are\n",
               printable(as_view(left.front())));
  } else if (dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr && app.got_subcommand("send")) {
    fmt::print(stderr, "opaline: the text has to be one word for the shell: opaline send TO \"hello there\"\n");
  } else {
    fmt::print(stderr, "opaline: {}; add --help to see how it is used\n", printable(as_view(error.what())));
  }
  return static_cast<int>(Exit::usage);
}

int run(int argc, char** argv) {
  if (!fault::arm_from_environment()) {
    fmt::print(stderr, "opaline: OPALINE_FAULT names no fault point\n");
    return static_cast<int>(Exit::usage);
  }
  CLI::App app{kIntroduction, "opaline"};
  app.require_subcommand(1);
  app.fallthrough();
  Arguments arguments;
  add_global(app, arguments);
  add_register(app, arguments);
  add_messages(app, arguments);
  add_contacts(app, arguments);
  add_devices(app, arguments);
  add_recovery(app, arguments);
  add_business(app, arguments);
  add_files(app, arguments);
  add_lookups(app, arguments);
  add_conversations(app, arguments);
  add_account(app, arguments);
  leave_out_types(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return explain(app, error);
  }
  Output output(arguments.global.json);
  Context context(arguments.global, output);
  return static_cast<int>(arguments.run(context));
}

}  // namespace
}  // namespace opaline::cli

int main(int argc, char** argv) {
  return opaline::cli::run(argc, argv);
}
