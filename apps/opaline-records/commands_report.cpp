// The transparency report of a half-year.
#include <fmt/format.h>

#include "apps/opaline-records/commands.hpp"
#include "apps/opaline-records/service.hpp"
#include "records/report.hpp"
#include "records/verify.hpp"

namespace opaline::officer {

Exit report(const Options& options) {
  const auto half_year = records::half_year_from(options.period);
  if (!half_year) return complain("a half-year is named like 2026H1 (January to June) or 2026H2 (July to December)");
  const auto home = load_home(options.home);
  if (!home) return complain(home.error());
  const auto told = Service(*home).json("GET", "report?period=" + options.period);
  if (!told) return complain(told.error());
  const auto* object = told->if_object();
  const auto made = object != nullptr ? records::report_from(*object) : std::nullopt;
  if (!made || made->half_year != *half_year)
    return complain("the service's answer is not understood: is this program older than the service?");
  const auto folder = options.folder.value_or("report-" + options.period);
  if (const auto written = records::write_folder(folder, records::files_of(*made)); !written)
    return complain(written.error());
  if (options.json) {
    fmt::print("{}\n", boost::json::serialize(*told));
    return Exit::ok;
  }
  fmt::print("Written to {}\n", folder.string());
  if (!made->complete()) fmt::print("The half-year is not over: the report says that it is not complete.\n");
  if (made->bands)
    fmt::print("The service publishes bands (records.report_bands): there are no exact numbers in it.\n");
  return Exit::ok;
}

}  // namespace opaline::officer
