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
}

}  // namespace opaline::cli
