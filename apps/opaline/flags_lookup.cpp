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

  auto* mine = app.add_subcommand("my-lookups", "Show what the service has logged of your own lookups");
  mine->footer(
      "Each entry: when, by which of your handles, from which IP address, for whom, and how many devices were found.\n"
      "From your own devices alone; who looked you up is not shown to you, nor yours to anybody else but the records\n"
      "officers of the service, by an approved case (docs/lookups.md).\n"
      "Example:\n"
      "  opaline my-lookups");
  mine->callback([&a] { a.run = [](Context& context) { return run_my_lookups(context); }; });

  auto* notices = app.add_subcommand("notices", "Show what the service tells you of legal requests about you");
  notices->footer(
      "Who runs a service may be ordered to give out its lookup log (docs/lookups.md). Its records officers decide "
      "when\n"
      "you may be told, and in which words; `opaline receive` asks once a day and shows what is new. Kept for a year.\n"
      "Example:\n"
      "  opaline notices");
  notices->callback([&a] { a.run = [](Context& context) { return run_notices(context); }; });
}

}  // namespace opaline::cli
