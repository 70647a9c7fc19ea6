// The flags of `opalined admin business`.
#include "apps/opalined/business_flags.hpp"

namespace opaline::daemon {

namespace {

using Run = std::function<Exit()>;

void add_switch(CLI::App& command, const char* name, std::optional<bool>& into, const char* help) {
  command.add_option(name, into, help)->type_name("true|false");
}

void add_profile(CLI::App& command, BusinessArguments& b) {
  command.add_option("--website", b.website, "Its domain, as shop.example.org")->type_name("DOMAIN");
  command.add_option("--logo", b.logo, "A PNG or JPEG image of at most 48 KiB")->type_name("FILE");
  command
      .add_option("--away-text", b.away_text,
                  "Out of hours: while it is set, whoever writes gets it by itself, once in 24 hours; \"\" ends that")
      ->type_name("TEXT");
  command
      .add_option("--hours", b.hours,
                  "When it is open, and the text is not sent: \"Europe/Berlin Mon-Fri 09:00-17:30, Sat 10:00-14:00\"; "
                  "\"\": never")
      ->type_name("TABLE");
  command.add_option("--webhook", b.webhook, "Where people's messages are sent to: https://...")->type_name("URL");
  command.add_option("--msp-id", b.msp_id, "The id that the business's software signs its tokens with")
      ->type_name("ID");
  add_switch(command, "--gzip", b.gzip, "Whether webhook bodies are compressed");
  command.add_option("--max-token-age", b.max_token_age, "Refuse older tokens (0: any age)")->type_name("SECONDS");
  command.add_option("--capabilities", b.capabilities, "Of LIST,TIME,FORM,QUICK,AUTH2")->type_name("LIST");
  add_switch(command, "--status-webhooks", b.status_webhooks, "Tell what was delivered and read, as people allow");
  add_switch(command, "--signed-webhooks", b.signed_webhooks, "Sign webhooks");
  add_switch(command, "--allow-private-webhooks", b.allow_private_webhooks,
             "The webhook may be at a private address, or without TLS: for one's own machines");
}

void add_id(CLI::App& command, BusinessArguments& b) {
  command.add_option("business", b.id, "Its id: urn:biz:... or the UUID alone")->required()->type_name("ID");
}

}  // namespace

void add_businesses(CLI::App& admin, const GlobalOptions& global, const AdminArguments& arguments, BusinessArguments& b,
                    Run& run) {
  auto* group = admin.add_subcommand("business", "Businesses, which people can write to");
  group->require_subcommand(1);
  group->footer(
      "Examples:\n  opalined admin business list\n"
      "  opalined admin business create \"Corner Shop\" --webhook https://shop.example.org/hook");

  auto* create = group->add_subcommand("create", "Make a business; shows its secret, or its enrolment, once");
  create->add_option("name", b.name, "1 to 100 characters; people see it")->required();
  add_profile(*create, b);
  create
      ->add_option("--msp-secret-file", b.msp_secret_file,
                   "Take the secret (base64) from the file's first line; else one is made")
      ->type_name("FILE");
  create->add_flag("--own-gateway", b.own_gateway,
                   "The gateway runs in the business's own house: nobody in between reads anything, and webhook and "
                   "secret stand in its configuration alone");
  create->footer(
      "Examples:\n  opalined admin business create \"Corner Shop\" --webhook https://shop.example.org/hook\n"
      "  opalined admin business create Bank --own-gateway --website bank.example.org");
  create->callback([&] { run = [&] { return admin_business_create(global, arguments, b); }; });

  auto* list = group->add_subcommand("list", "Show all businesses");
  list->footer("Example:\n  opalined admin business list");
  list->callback([&] { run = [&] { return admin_business_list(global, arguments); }; });

  auto* show = group->add_subcommand("show", "Show one business; never its secret");
  add_id(*show, b);
  show->footer("Example:\n  opalined admin business show urn:biz:8c0a5a3e-3f0c-4a65-9a0a-2f2a6f3f7a10");
  show->callback([&] { run = [&] { return admin_business_show(global, arguments, b); }; });

  auto* update = group->add_subcommand("update", "Change what is given, and leave the rest");
  add_id(*update, b);
  update->add_option("--name", b.name, "1 to 100 characters; people see it")->type_name("NAME");
  add_profile(*update, b);
  add_switch(
      *update, "--own-gateway", b.moves_to_own_gateway,
      "Move to a gateway in the business's own house, or back: comes true when that gateway has put its keys in; "
      "the present place calls a move off");
  update
      ->add_option("--msp-secret-file", b.msp_secret_file,
                   "With --own-gateway false: take the secret (base64) from the file's first line; else one is made")
      ->type_name("FILE");
  update->footer(
      "Examples:\n  opalined admin business update urn:biz:8c0a5a3e-3f0c-4a65-9a0a-2f2a6f3f7a10 --gzip false\n"
      "  opalined admin business update urn:biz:8c0a5a3e-3f0c-4a65-9a0a-2f2a6f3f7a10 --own-gateway true");
  update->callback([&] { run = [&] { return admin_business_update(global, arguments, b); }; });

  auto* rotate = group->add_subcommand("rotate-secret", "Another MSP secret, shown once; the old one ends at once");
  add_id(*rotate, b);
  rotate->add_option("--msp-secret-file", b.msp_secret_file, "Take it (base64) from the file's first line")
      ->type_name("FILE");
  rotate->footer("Example:\n  opalined admin business rotate-secret urn:biz:8c0a5a3e-3f0c-4a65-9a0a-2f2a6f3f7a10");
  rotate->callback([&] { run = [&] { return admin_business_rotate_secret(global, arguments, b); }; });

  auto* enrol = group->add_subcommand("enrol", "Another enrolment for a gateway in the business's own house");
  add_id(*enrol, b);
  enrol->footer(
      "Whoever uses it takes the place of the gateway that is there: people see that its keys have changed.\n"
      "Example:\n  opalined admin business enrol urn:biz:8c0a5a3e-3f0c-4a65-9a0a-2f2a6f3f7a10");
  enrol->callback([&] { run = [&] { return admin_business_enrol(global, arguments, b); }; });

  auto* remove = group->add_subcommand("remove", "Remove a business for good, with all its conversations");
  add_id(*remove, b);
  remove->footer("Example:\n  opalined admin business remove urn:biz:8c0a5a3e-3f0c-4a65-9a0a-2f2a6f3f7a10");
  remove->callback([&] { run = [&] { return admin_business_remove(global, arguments, b); }; });
}

}  // namespace opaline::daemon
