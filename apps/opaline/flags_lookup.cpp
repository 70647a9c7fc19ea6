#include "apps/opaline/flags.hpp"

namespace opaline::cli {

void add_lookups(CLI::App& app, Arguments& a) {
  auto* lookup = app.add_subcommand("lookup", "Ask the directory who is here");
  lookup->footer(
      "For each phone number or e-mail address: here, not here, or (a number that is not here) to be reached by SMS,\n"
      "which is not encrypted. Answers are remembered as long as the service says, also those about who is not here.\n"
      "Nobody hears of it, but the service: its lookup log may keep it for some days (docs/lookups.md).\n"
      "Examples:\n"
      "  opaline lookup anna@example.org +4915112345678\n"
      "  opaline lookup anna@example.org --again");
  lookup->add_option("HANDLE", a.lookup.handles, "Phone numbers (+49...) and e-mail addresses")->required();
  lookup->add_flag("--again", a.lookup.again, "Ask the service, whatever is remembered");
  lookup->callback([&a] { a.run = [&a](Context& context) { return run_lookup(context, a.lookup); }; });
}

}  // namespace opaline::cli
