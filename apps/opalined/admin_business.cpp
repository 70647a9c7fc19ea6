// `opalined admin business`.
#include <fmt/format.h>

#include "apps/common/files.hpp"
#include "apps/opalined/asking.hpp"
#include "msp/base64.hpp"

namespace opaline::daemon {

namespace json = boost::json;

namespace {

std::string path_of(const BusinessArguments& business, std::string_view action = {}) {
  constexpr std::string_view kUrn = "urn:biz:";
  const std::string id = business.id.starts_with(kUrn) ? business.id.substr(kUrn.size()) : business.id;
  return "businesses/" + escaped(id) + (action.empty() ? "" : fmt::format("/{}", action));
}

json::array split(const std::string& list) {
  json::array out;
  for (std::size_t at = 0; at <= list.size() && !list.empty();) {
    const auto end = std::min(list.find(',', at), list.size());
    out.emplace_back(list.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

/// "ZONE LINE, LINE...": the server says what is wrong with it.
json::value hours_of(const std::string& table) {
  if (table.empty()) return nullptr;
  const auto space = std::min(table.find(' '), table.size());
  json::array open = split(table.substr(std::min(space + 1, table.size())));
  for (json::value& line : open) {
    auto& text = line.as_string();
    text.erase(0, std::min(text.find_first_not_of(' '), text.size()));
  }
  return {{"zone", table.substr(0, space)}, {"open", std::move(open)}};
}

/// What was given, as the server takes it. The error is a sentence: a file could not be read.
Result<json::object, std::string> body_of(const BusinessArguments& b) {
  json::object out, settings, msp;
  if (b.name) out["name"] = *b.name;
  if (b.moves_to_own_gateway) out["own_gateway"] = *b.moves_to_own_gateway;
  if (b.website) out["website"] = *b.website;
  if (b.logo) {
    OPALINE_TRY(const auto logo, apps::read_file(*b.logo));
    out["logo"] = msp::to_base64(as_view(logo));
  }
  if (b.webhook) settings["webhook"] = *b.webhook;
  if (b.msp_id) msp["id"] = *b.msp_id;
  if (b.msp_secret_file) {
    OPALINE_TRY(const auto secret, apps::read_secret(*b.msp_secret_file));
    msp["secret"] = as_text(secret);
  }
  if (!msp.empty()) settings["msp"] = std::move(msp);
  if (b.away_text) settings["away_text"] = *b.away_text;
  if (b.hours) settings["hours"] = hours_of(*b.hours);
  if (b.capabilities) settings["capabilities"] = split(*b.capabilities);
  if (b.max_token_age) settings["max_token_age_seconds"] = *b.max_token_age;
  if (b.gzip) settings["gzip"] = *b.gzip;
  if (b.status_webhooks) settings["status_webhooks"] = *b.status_webhooks;
  if (b.signed_webhooks) settings["signed_webhooks"] = *b.signed_webhooks;
  if (b.allow_private_webhooks) settings["allow_private_webhooks"] = *b.allow_private_webhooks;
  if (!settings.empty()) out["settings"] = std::move(settings);
  return out;
}

void print_secret(const json::value& answer) {
  fmt::print("msp id: {}\nmsp secret (shown this once):\n{}\n", field(answer, "/msp/id"), field(answer, "/msp/secret"));
}
void print_enrolment(const json::value& answer) {
  fmt::print("enrolment of its gateway (shown this once, good for 24 hours and one use):\n{}\n",
             field(answer, "/enrolment"));
}

std::string_view gateway_of(const json::value& one, std::string_view member = "/own_gateway") {
  return field(one, member) == "true" ? "own" : "hosted";
}

void print_business(const json::value& one) {
  const auto row = [](std::string_view name, const std::string& value) { fmt::print("{:<24} {}\n", name, value); };
  row("id", "urn:biz:" + field(one, "/id"));
  row("name", field(one, "/name"));
  constexpr std::string_view kMoves = "/moves_to_own_gateway";
  const bool moves = one.as_object().contains(kMoves.substr(1));
  row("gateway",
      fmt::format("{}, {}{}{}", gateway_of(one), field(one, "/enrolled") == "true" ? "enrolled" : "not enrolled yet",
                  moves ? "; moves once it is enrolled: " : "", moves ? gateway_of(one, kMoves) : ""));
  row("website", field(one, "/website"));
  row("logo", field(one, "/logo_bytes") + " bytes");
  const auto* settings = one.as_object().if_contains("settings");
  if (settings == nullptr || !settings->is_object()) return;
  for (const auto& setting : settings->get_object()) {
    row(setting.key(),
        setting.value().is_string() ? std::string(setting.value().get_string()) : json::serialize(setting.value()));
  }
}

}  // namespace

Exit admin_business_create(const GlobalOptions& options, const AdminArguments& arguments,
                           const BusinessArguments& business) {
  auto body = body_of(business);
  if (!body) return failed(body.error());
  (*body)["own_gateway"] = business.own_gateway;
  const auto asked = ask(options, arguments, "POST", "businesses", json::serialize(*body));
  if (!asked.answer) return asked.exit;
  fmt::print("{}\n", field(*asked.answer, "/urn"));
  business.own_gateway ? print_enrolment(*asked.answer) : print_secret(*asked.answer);
  return asked.exit;
}

Exit admin_business_list(const GlobalOptions& options, const AdminArguments& arguments) {
  const auto asked = ask(options, arguments, "GET", "businesses");
  if (!asked.answer) return asked.exit;
  const auto& all = asked.answer->at("businesses").as_array();
  if (all.empty()) {
    fmt::print("there is no business yet: opalined admin business create NAME --webhook https://...\n");
    return asked.exit;
  }
  fmt::print("{:<44} {:<8} {:<8} {}\n", "BUSINESS", "GATEWAY", "ENROLLED", "NAME");
  for (const auto& one : all) {
    fmt::print("{:<44} {:<8} {:<8} {}\n", "urn:biz:" + field(one, "/id"), gateway_of(one),
               field(one, "/enrolled") == "true" ? "yes" : "no", field(one, "/name"));
  }
  return asked.exit;
}

Exit admin_business_show(const GlobalOptions& options, const AdminArguments& arguments,
                         const BusinessArguments& business) {
  const auto asked = ask(options, arguments, "GET", path_of(business));
  if (asked.answer) print_business(*asked.answer);
  return asked.exit;
}

Exit admin_business_update(const GlobalOptions& options, const AdminArguments& arguments,
                           const BusinessArguments& business) {
  const auto body = body_of(business);
  if (!body) return failed(body.error());
  if (body->empty()) {
    fmt::print(stderr, "opalined: there is nothing to change; add --help to see what can be\n");
    return Exit::usage;
  }
  const auto asked = ask(options, arguments, "POST", path_of(business), json::serialize(*body));
  if (!asked.answer) return asked.exit;
  print_business(*asked.answer);
  const auto& answer = asked.answer->as_object();
  if (answer.contains("enrolment")) print_enrolment(*asked.answer);
  if (answer.contains("msp")) print_secret(*asked.answer);
  return asked.exit;
}

Exit admin_business_rotate_secret(const GlobalOptions& options, const AdminArguments& arguments,
                                  const BusinessArguments& business) {
  json::object body;
  if (business.msp_secret_file) {
    const auto secret = apps::read_secret(*business.msp_secret_file);
    if (!secret) return failed(secret.error());
    body["secret"] = as_text(*secret);
  }
  const auto asked = ask(options, arguments, "POST", path_of(business, "rotate-secret"), json::serialize(body));
  if (asked.answer) print_secret(*asked.answer);
  return asked.exit;
}

Exit admin_business_enrol(const GlobalOptions& options, const AdminArguments& arguments,
                          const BusinessArguments& business) {
  const auto asked = ask(options, arguments, "POST", path_of(business, "enrol"));
  if (asked.answer) print_enrolment(*asked.answer);
  return asked.exit;
}

Exit admin_business_remove(const GlobalOptions& options, const AdminArguments& arguments,
                           const BusinessArguments& business) {
  const auto asked = ask(options, arguments, "POST", path_of(business, "remove"));
  if (asked.answer) fmt::print("the business is removed for good; nobody knows it any more\n");
  return asked.exit;
}

}  // namespace opaline::daemon
