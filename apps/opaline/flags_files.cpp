#include "apps/opaline/flags.hpp"

namespace opaline::cli {

void add_files(CLI::App& app, Arguments& a) {
  auto* save = app.add_subcommand("save", "Save the files of a message");
  save->footer(
      "MESSAGE is the id that `receive` and `history` show beside a file, or its beginning. What came is checked "
      "before "
      "it\n"
      "gets its name, and no file is overwritten: a name that is taken becomes \"report (1).pdf\". An interrupted one\n"
      "goes on with the same command. Works beside `receive --follow`.\n"
      "Examples:\n"
      "  opaline save 3f2a90c1\n"
      "  opaline save 3f2a90c1 --to Downloads --file 2");
  save->add_option("MESSAGE", a.save.message, "At least 4 digits of the message's id")->required();
  save->add_option("--to", a.save.folder, "The directory to save to; the current one if not given");
  save->add_option("--file", a.save.file, "Only this one, counted from 1")->check(CLI::Range(1, 8));
  save->add_option("--from", a.save.from, "The person it is from, where several messages have such an id");
  save->callback([&a] { a.run = [&a](Context& context) { return run_save(context, a.save); }; });

  auto* cancel = app.add_subcommand("cancel", "Give up a message whose files are still on their way");
  cancel->footer(
      "UPLOAD is the id that `send` and `history` show for it, or its beginning. What is at the service already is "
      "removed\n"
      "there.\n"
      "Example:\n"
      "  opaline cancel 77c0a5e2");
  cancel->add_option("UPLOAD", a.upload, "At least 4 digits of the upload's id")->required();
  cancel->callback([&a] { a.run = [&a](Context& context) { return run_cancel(context, a.upload); }; });
}

}  // namespace opaline::cli
