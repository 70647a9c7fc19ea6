// Flags of link, devices, recovery, and of what is synchronised between devices.
#include <fmt/format.h>

#include "apps/opaline/flags.hpp"

namespace opaline::cli {
namespace {

void add_link(CLI::App& app, Arguments& a) {
  auto* link = app.add_subcommand("link", "Make this home a further device of your account");
  link->footer(
      "Shows a code and a number; give one of them to `opaline devices add` on the primary device, within ten "
      "minutes.\n"
      "Without --with-history this device begins without messages. Files of old messages are not brought along.\n"
      "If it is interrupted, run it again: it goes on, or starts over. A home is never two devices.\n"
      "Examples:\n"
      "  opaline --server https://chat.example.org --home tablet link\n"
      "  opaline --server https://chat.example.org --home laptop link --name laptop --with-history");
  link->add_option("--name", a.link.name, "What your devices call this one; at first the name of this machine");
  link->add_flag("--with-history", a.link.with_history, "Bring the messages along, from the primary device");
  link->add_flag("--passphrase", a.link.passphrase,
                 "Protect this home by a passphrase instead of a key file; asked for, or from --passphrase-file");
  link->callback([&a] { a.run = [&a](Context& context) { return run_link(context, a.link); }; });
}

}  // namespace

void add_devices(CLI::App& app, Arguments& a) {
  add_link(app, a);
  auto* devices = app.add_subcommand("devices", "Show, add, remove and name your own devices");
  devices->footer(
      "An account has up to 10 devices. The primary one adds and removes them; all of them send and receive.\n"
      "Examples:\n"
      "  opaline devices\n"
      "  opaline --json devices");
  auto* add = devices->add_subcommand("add", "Add the device that runs `opaline link` (on the primary device)");
  add->footer(
      "CODE is opaline-link:... (what its QR code says); NUMBER its 9 digits, and then 8 digits are compared on both.\n"
      "A device of yours reads and writes what you do: add none that you do not hold in your hands.\n"
      "Examples:\n"
      "  opaline devices add opaline-link:AbCd...\n"
      "  opaline devices add 123 456 789");
  add->add_option("CODE|NUMBER", a.device_code, "What the new device shows")->required()->expected(1, 3);
  add->add_flag("--yes", a.yes, "Do not ask before adding it; digits are compared all the same");
  add->callback([&a] {
    a.run = [&a](Context& context) {
      return run_devices_add(context, fmt::format("{}", fmt::join(a.device_code, " ")), a.yes);
    };
  });
  auto* remove = devices->add_subcommand("remove", "Remove a device from your account (on the primary device)");
  remove->footer(
      "At once: it is disconnected, what waits for it is destroyed, and contacts no longer write to it. What it has\n"
      "received stays on it.\n"
      "Example:\n"
      "  opaline devices remove 2 --yes");
  remove->add_option("N", a.device_number, "Its number in `opaline devices`")->required();
  remove->add_flag("--yes", a.yes, "Do not ask");
  remove->callback(
      [&a] { a.run = [&a](Context& context) { return run_devices_remove(context, a.device_number, a.yes); }; });
  auto* rename = devices->add_subcommand("rename", "Give this device another name");
  rename->footer(
      "Only your own devices see it.\n"
      "Example:\n"
      "  opaline devices rename laptop");
  rename->add_option("NAME", a.device_name, "1 to 64 bytes")->required();
  rename->callback([&a] { a.run = [&a](Context& context) { return run_devices_rename(context, a.device_name); }; });
  devices->callback([&a, devices] {
    if (devices->get_subcommands().empty()) a.run = [](Context& context) { return run_devices(context); };
  });
}

void add_recovery(CLI::App& app, Arguments& a) {
  auto* recovery = app.add_subcommand("recovery", "Keep your account from being lost with the primary device")
                       ->require_subcommand(1);
  recovery->footer(
      "A recovery file holds the account key under a passphrase. Who has both has the account.\n"
      "Examples:\n"
      "  opaline recovery export opaline.recovery --recovery-passphrase-file secret.txt\n"
      "  opaline --server https://chat.example.org --home recovered recovery import opaline.recovery "
      "--recovery-passphrase-file secret.txt");
  auto* write = recovery->add_subcommand("export", "Write a recovery file (on the primary device)");
  write->footer(
      "Keep it on paper, a stick, another house. It stays good when devices come and go; make a new one after an "
      "import.\n"
      "Example:\n"
      "  opaline recovery export opaline.recovery --force --recovery-passphrase-file secret.txt");
  write->add_option("FILE", a.recovery.file, "Where to; mode 0600")->required();
  write->add_flag("--force", a.recovery.force, "Replace a file that is there");
  write->add_option("--recovery-passphrase-file", a.recovery.passphrase_file,
                    "The first line of this file is the passphrase (12 bytes or more); else it is asked for");
  write->callback([&a] { a.run = [&a](Context& context) { return run_recovery_export(context, a.recovery); }; });
  auto* read = recovery->add_subcommand("import", "Take the place of the lost primary device");
  read->footer(
      "In a new home: makes a device, and removes the lost one. In the home of a linked device: that one becomes the "
      "primary.\n"
      "Contacts see no change. Your other devices are asked for messages and contacts.\n"
      "Example:\n"
      "  opaline --server https://chat.example.org --home recovered-too recovery import opaline.recovery "
      "--recovery-passphrase-file secret.txt");
  read->add_option("FILE", a.recovery.file, "The recovery file")->required();
  read->add_option("--recovery-passphrase-file", a.recovery.passphrase_file,
                   "The first line of this file is its passphrase; else it is asked for");
  read->add_flag("--passphrase", a.recovery.passphrase,
                 "Protect the new home by a passphrase of its own; asked for, or from --passphrase-file");
  read->callback([&a] { a.run = [&a](Context& context) { return run_recovery_import(context, a.recovery); }; });
}

void add_conversations(CLI::App& app, Arguments& a) {
  auto* talks = app.add_subcommand("conversations", "Show with whom you write, the newest first");
  talks->footer(
      "Example:\n"
      "  opaline conversations");
  talks->callback([&a] { a.run = [](Context& context) { return run_conversations(context); }; });

  auto* erase = app.add_subcommand("delete", "Delete a conversation, or messages of it, on all your devices");
  erase->footer(
      "Others keep what they have: this is about your own devices.\n"
      "Examples:\n"
      "  opaline delete ben@example.org --yes\n"
      "  opaline delete ben@example.org --message 00112233445566778899aabbccddeeff");
  erase->add_option("WITH", a.deletion.peer, kWhom)->required();
  erase->add_option("--message", a.deletion.messages,
                    "Only this message (its id, or the first digits of it); may be given several times");
  erase->add_flag("--yes", a.deletion.yes, "Do not ask");
  erase->callback([&a] { a.run = [&a](Context& context) { return run_delete(context, a.deletion); }; });

  auto* block = app.add_subcommand("block", "Keep and show nothing of what somebody sends");
  block->footer(
      "On all your devices; nobody is told, not even the server.\n"
      "Example:\n"
      "  opaline block ben@example.org");
  block->add_option("TO", a.peer, kWhom)->required();
  block->callback([&a] { a.run = [&a](Context& context) { return run_block(context, a.peer, true); }; });
  auto* unblock = app.add_subcommand("unblock", "Lift a block");
  unblock->footer(
      "Example:\n"
      "  opaline unblock ben@example.org");
  unblock->add_option("TO", a.peer, kWhom)->required();
  unblock->callback([&a] { a.run = [&a](Context& context) { return run_block(context, a.peer, false); }; });
  auto* blocked = app.add_subcommand("blocked", "Show whom you have blocked");
  blocked->footer(
      "Example:\n"
      "  opaline blocked");
  blocked->callback([&a] { a.run = [](Context& context) { return run_blocked(context); }; });
}

}  // namespace opaline::cli
