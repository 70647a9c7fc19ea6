// Flags of business, answer, share and shared.
#include "apps/opaline/business.hpp"
#include "apps/opaline/flags.hpp"

namespace opaline::cli {
namespace {

constexpr const char* kBusiness = "urn:biz:UUID, its UUID, or a link that has it";

void add_one(CLI::App& parent, Arguments& a, const char* name, const char* what, const char* footer,
             std::function<Exit(Context&, const std::string&)> run) {
  auto* command = parent.add_subcommand(name, what);
  command->footer(footer);
  command->add_option("BUSINESS", a.business, kBusiness)->required();
  command->callback(
      [&a, run = std::move(run)] { a.run = [&a, run](Context& context) { return run(context, a.business); }; });
}

}  // namespace

void add_business(CLI::App& app, Arguments& a) {
  auto* business = app.add_subcommand("business", "Look at businesses, close, block")->require_subcommand(1);
  business->footer(
      "A business knows you by an id that is for it alone. It cannot write to you before you have written to it, nor\n"
      "after you have closed the conversation. Write to it with `opaline send`, see what it says with `receive`.\n"
      "Examples:\n"
      "  opaline business open urn:biz:5f0c1d2e-3b4a-4c5d-8e6f-708192a3b4c5\n"
      "  opaline send urn:biz:5f0c1d2e-3b4a-4c5d-8e6f-708192a3b4c5 \"Is my order on its way?\"");
  auto* open = business->add_subcommand("open", "Show who a business is, from its urn or a link");
  open->footer(
      "Shows its name, and where its gateway is, the program that reads what you write: hosted by the service; the\n"
      "business's own, as the operator says; or checked, if the link has the fingerprint of its key. A text that the\n"
      "link proposes is shown, and sent only if you say so. The business hears nothing of it.\n"
      "Examples:\n"
      "  opaline business open urn:biz:5f0c1d2e-3b4a-4c5d-8e6f-708192a3b4c5\n"
      "  opaline business open 'https://chat.example.org/urn:biz:5f0c1d2e-3b4a-4c5d-8e6f-708192a3b4c5?body=Hello'");
  open->add_option("URN-OR-LINK", a.business, kBusiness)->required();
  open->callback([&a] { a.run = [&a](Context& context) { return run_business_open(context, a.business); }; });
  auto* check = business->add_subcommand("check", "Compare a gateway's key with what stands at the business's domain");
  check->footer(
      "For a business with a gateway of its own: asks https://DOMAIN/.well-known/opaline, where DOMAIN is the website\n"
      "that the operator names, and shows \"own, checked\" if the key's fingerprint is the one that stands there. If "
      "it\n"
      "is another one, nothing is sent until you agree. The business sees your IP address, so this is never done by\n"
      "itself. Addresses in private networks are not asked, redirects not followed.\n"
      "Example:\n"
      "  opaline business check urn:biz:5f0c1d2e-3b4a-4c5d-8e6f-708192a3b4c5");
  check->add_option("BUSINESS", a.business, kBusiness)->required();
  check->add_flag("--yes", a.yes, "Do not ask before");
  check->add_option("--domain-ca", a.domain_authority,
                    "PEM file of the authority to trust for the domain; else the system's (--ca is the service's)");
  check->callback([&a] {
    a.run = [&a](Context& context) { return run_business_check(context, a.business, a.domain_authority, a.yes); };
  });
  auto* list = business->add_subcommand("list", "Show the businesses of this account");
  list->footer(
      "Example:\n"
      "  opaline business list");
  list->callback([&a] { a.run = [](Context& context) { return run_business_list(context); }; });
  add_one(
      *business, a, "close", "End a conversation: the business cannot write to you any more",
      "The business is told, and the service takes nothing from it for you any more. Works offline: then it is done\n"
      "with the next command that connects. What was written stays here (opaline delete removes that).\n"
      "Example:\n"
      "  opaline business close urn:biz:5f0c1d2e-3b4a-4c5d-8e6f-708192a3b4c5",
      [](Context& context, const std::string& text) { return run_business_close(context, text, false); });
  add_one(*business, a, "block", "Close for good, on all your devices",
          "As close, and nothing opens it again before `unblock`.\n"
          "Example:\n"
          "  opaline business block urn:biz:5f0c1d2e-3b4a-4c5d-8e6f-708192a3b4c5",
          [](Context& context, const std::string& text) { return run_business_close(context, text, true); });
  add_one(*business, a, "unblock", "Lift a block",
          "Example:\n"
          "  opaline business unblock urn:biz:5f0c1d2e-3b4a-4c5d-8e6f-708192a3b4c5",
          run_business_unblock);
  add_one(
      *business, a, "new", "Be somebody new to a business",
      "It knows you by another id from then on, and the old one is worthless to it. What you write, when, and your\n"
      "coarse settings (language, platform) may tell who you are all the same.\n"
      "Example:\n"
      "  opaline business new urn:biz:5f0c1d2e-3b4a-4c5d-8e6f-708192a3b4c5",
      run_business_new);

  auto* answer = app.add_subcommand("answer", "Answer what a business asks");
  answer->footer(
      "Its last open question, or the one in --message. `receive` and `history` show what can be chosen, with "
      "numbers.\n"
      "Without CHOICE it asks, in a terminal. What is asked for in a form is PAGE=VALUE for each page.\n"
      "Examples:\n"
      "  opaline answer urn:biz:5f0c1d2e-3b4a-4c5d-8e6f-708192a3b4c5 1.2\n"
      "  opaline answer urn:biz:5f0c1d2e-3b4a-4c5d-8e6f-708192a3b4c5 size=2 \"colour=Dark red\"");
  answer->add_option("BUSINESS", a.answer.business, kBusiness)->required();
  answer->add_option("CHOICE", a.answer.choices, "1.2 of a list (section and item), 3 of others, PAGE=VALUE of a form");
  answer->add_option("--message", a.answer.message, "The question's message id, or its beginning");
  auto* code = answer->add_option("--code", a.answer.code, "To sign in: the code that the business's page gave you");
  answer->add_flag("--cancel", a.answer.cancel, "Do not sign in")->excludes(code);
  answer->callback([&a] { a.run = [&a](Context& context) { return run_answer(context, a.answer); }; });

  auto* share = app.add_subcommand("share", "Give a business personal data, field by field");
  share->footer(
      "FIELD is name, email, phone, address, or one of your own. Shows what goes out, and asks. It is remembered:\n"
      "opaline shared.\n"
      "Example:\n"
      "  opaline share urn:biz:5f0c1d2e-3b4a-4c5d-8e6f-708192a3b4c5 name=Anna \"address=Main Street 1\" --yes");
  share->add_option("BUSINESS", a.share.business, kBusiness)->required();
  share->add_option("FIELD=VALUE", a.share.fields, "What to give")->required();
  share->add_flag("--yes", a.share.yes, "Do not ask");
  share->callback([&a] { a.run = [&a](Context& context) { return run_share(context, a.share); }; });

  auto* shared = app.add_subcommand("shared", "Show what you gave to which business, and when");
  shared->footer(
      "From all your devices, and also what was deleted from the conversation since.\n"
      "Example:\n"
      "  opaline shared");
  shared->add_option("BUSINESS", a.business, "Only this one");
  shared->callback([&a] { a.run = [&a](Context& context) { return run_shared(context, a.business); }; });
}

}  // namespace opaline::cli
