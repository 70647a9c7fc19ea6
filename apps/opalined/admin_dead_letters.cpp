// `opalined admin dead-letters`: asks the gateway, not the service.
#include <fmt/format.h>

#include "apps/opalined/asking.hpp"

namespace opaline::daemon {

namespace json = boost::json;

Exit admin_dead_letters_list(const GlobalOptions& options, const AdminArguments& arguments) {
  const auto asked = ask_gateway(options, arguments, "GET", "dead-letters");
  if (!asked.answer) return asked.exit;
  const auto& all = asked.answer->at("dead_letters").as_array();
  if (all.empty()) {
    fmt::print("there is no dead letter\n");
    return asked.exit;
  }
  fmt::print("{:<36}  {:<36}  {:<20}  {:>8}  {:<11}  {}\n", "MESSAGE", "BUSINESS", "TIME", "ATTEMPTS", "REASON",
             "KEPT");
  for (const auto& one : all) {
    fmt::print("{:<36}  {:<36}  {:<20}  {:>8}  {:<11}  {}\n", field(one, "/message"), field(one, "/business"),
               field(one, "/time"), field(one, "/attempts"), field(one, "/reason"),
               field(one, "/kept") == "true" ? "yes" : "no");
  }
  return asked.exit;
}

Exit admin_dead_letters_retry(const GlobalOptions& options, const AdminArguments& arguments) {
  json::object body;
  if (!arguments.name.empty()) body["message"] = arguments.name;
  const auto asked = ask_gateway(options, arguments, "POST", "dead-letters/retry", json::serialize(body));
  if (asked.answer) fmt::print("{} back in the queue\n", field(*asked.answer, "/queued"));
  return asked.exit;
}

}  // namespace opaline::daemon
