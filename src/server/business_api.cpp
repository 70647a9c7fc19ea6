#include "server/business_api.hpp"

#include <boost/json.hpp>

#include "msp/base64.hpp"
#include "msp/uuid.hpp"
#include "server/business_settings.hpp"
#include "server/internal/admin_call.hpp"

namespace opaline::server {

namespace json = boost::json;
namespace calls = identity::calls;
using internal::body_object;
using internal::text_field;
using operators::Action;
using operators::Error;
using operators::Outcome;
using operators::Permission;

namespace {

constexpr std::string_view kBusinesses = "businesses";
constexpr std::string_view kWanted =
    R"(wanted: {"name": "...", "website": "...", "logo": "<base64>", "own_gateway": false, "settings": {...}})";

std::string uuid(const AccountId& id) {
  return msp::to_text(msp::Uuid(id.view()));
}
std::optional<AccountId> business_id(std::string_view text) {
  const auto parsed = msp::parse_uuid(text);
  if (!parsed) return std::nullopt;
  return AccountId(parsed->view());
}

json::object parsed(ByteView settings) {
  boost::system::error_code error;
  auto value = json::parse(as_text(settings), error);
  return !error && value.is_object() ? std::move(value.get_object()) : json::object{};
}
json::object settings_of(const identity::Business& business) {
  return parsed(business.settings);
}

json::object without_secret(json::object settings) {
  if (auto* msp = settings.if_contains("msp"); msp != nullptr && msp->is_object()) msp->get_object().erase("secret");
  return settings;
}

json::object summary(const identity::Business& business) {
  json::object out{{"id", uuid(business.id)},
                   {"name", business.details.name},
                   {"own_gateway", business.details.own_gateway},
                   {"enrolled", business.enrolled},
                   {"website", business.details.website},
                   {"logo_bytes", business.details.logo.size()},
                   {"version", to_hex(business.version)}};
  if (business.move) out["moves_to_own_gateway"] = business.move->own_gateway;
  return out;
}

/// Where the gateway that enrols next is to be.
bool next_is_own(const identity::Business& business) {
  return business.move ? business.move->own_gateway : business.details.own_gateway;
}

std::string logo_type(ByteView logo) {
  if (logo.empty()) return {};
  return logo[0] == std::byte{0x89} ? "image/png" : "image/jpeg";  // identity looks closer
}

/// Takes name, website and logo over from the body; false: one of them is not as it should be.
bool take_details(const json::object& body, identity::BusinessDetails& details) {
  for (const auto& [name, into] : {std::pair{"name", &details.name}, std::pair{"website", &details.website}}) {
    if (!body.contains(name)) continue;
    const auto text = text_field(body, name);
    if (!text) return false;
    *into = *text;
  }
  if (!body.contains("logo")) return true;
  const auto text = text_field(body, "logo");
  const auto logo = text ? msp::from_base64(*text) : std::nullopt;
  if (!logo) return false;
  details.logo = to_bytes(*logo);
  details.logo_type = logo_type(details.logo);
  return true;
}

GatewayKind kind_of(const identity::BusinessDetails& details) {
  return details.own_gateway ? GatewayKind::own : GatewayKind::hosted;
}

/// Settings as they are stored. Wiped by whoever holds them.
SecretBytes stored(const json::object& settings) {
  std::string text = json::serialize(settings);
  auto out = to_secret_bytes(as_view(text));
  wipe(text.data(), text.size());
  return out;
}

void refuse(internal::AdminCall& call, const identity::CallFailure& failure) {
  switch (failure.status) {
    case calls::CALL_STATUS_NOT_FOUND:
      return call.refuse(Error::not_found, failure.message);
    case calls::CALL_STATUS_BAD_REQUEST:
      return call.refuse(Error::invalid, failure.message);
    case calls::CALL_STATUS_FORBIDDEN:
      return call.refuse(Error::too_many, failure.message);
    default:
      return call.refuse(Error::unavailable, failure.message);
  }
}

}  // namespace

bool BusinessApi::serve(Call& call, std::string_view path) {
  const bool get = call.request.method == "GET", post = call.request.method == "POST";
  const auto not_allowed = [&] { call.refuse(405, "method_not_allowed", "GET reads, POST changes"); };
  if (path == kBusinesses) {
    get ? list(call) : post ? create(call) : not_allowed();
  } else if (path == "gateway") {
    get ? gateway(call) : not_allowed();
  } else if (path == "gateway/enrol") {
    post ? gateway_enrol(call) : not_allowed();
  } else if (path.starts_with(kBusinesses) && path.substr(kBusinesses.size()).starts_with('/')) {
    const auto rest = path.substr(kBusinesses.size() + 1);
    const auto slash = rest.find('/');
    const auto id = business_id(rest.substr(0, slash));
    if (!id) {
      call.refuse(404, "not_found", "a business's id is a UUID: businesses/<uuid>");
    } else {
      one(call, *id, slash == rest.npos ? std::string_view{} : rest.substr(slash + 1));
    }
  } else {
    return false;
  }
  return true;
}

void BusinessApi::one(Call& call, const AccountId& id, std::string_view action) {
  const bool get = call.request.method == "GET", post = call.request.method == "POST";
  if (action.empty() && get) return show(call, id);
  if (action.empty() && post) return update(call, id);
  if (action == "rotate-secret" && post) return rotate_secret(call, id);
  if (action == "enrol" && post) return enrol(call, id);
  if (action == "remove" && post) return remove(call, id);
  call.refuse(404, "not_found", "GET or POST businesses/<uuid>; POST businesses/<uuid>/rotate-secret, /enrol, /remove");
}

// ---------------------------------------------------------------- what they share

bool BusinessApi::allowed(Call& call, Permission permission, Action action, const std::string& object) {
  const auto may = operators_.require(call.actor, permission, action, object);
  if (!may) call.refuse(may.error(), {});
  return may.has_value();
}

bool BusinessApi::recorded(Call& call, Action action, const std::string& object) {
  const auto done = operators_.record(call.actor, action, object, Outcome::done);
  if (!done) call.refuse(done.error(), {});
  return done.has_value();
}

void BusinessApi::failed(Call& call, Action action, const std::string& object, const identity::CallFailure& failure) {
  std::ignore = operators_.record(call.actor, action, object, Outcome::failed);
  refuse(call, failure);
}

std::optional<identity::Business> BusinessApi::find(Call& call, const AccountId& id) {
  auto business = identity_.business(id);
  if (!business) {
    refuse(call, business.error());
    return std::nullopt;
  }
  return std::move(*business);
}

// ---------------------------------------------------------------- for operators

void BusinessApi::list(Call& call) {
  if (!allowed(call, Permission::read_businesses, Action::business_read, {})) return;
  const auto all = identity_.businesses();
  if (!all) return refuse(call, all.error());
  json::array out;
  for (const auto& business : *all) out.push_back(summary(business));
  call.answer(200, {{"businesses", std::move(out)}});
}

void BusinessApi::show(Call& call, const AccountId& id) {
  if (!allowed(call, Permission::read_businesses, Action::business_read, uuid(id))) return;
  const auto business = find(call, id);
  if (!business) return;
  auto out = summary(*business);
  out["settings"] = without_secret(settings_of(*business));
  call.answer(200, out);
}

void BusinessApi::create(Call& call) {
  const auto body = body_object(call.request.body, {"name", "website", "logo", "own_gateway", "settings"});
  const auto name = body ? text_field(*body, "name") : std::nullopt;
  if (!allowed(call, Permission::change_businesses, Action::business_create, name.value_or(""))) return;
  const auto* own = body ? body->if_contains("own_gateway") : nullptr;
  const auto* changes = body ? body->if_contains("settings") : nullptr;
  identity::BusinessDetails details;
  if (!name || (own && !own->is_bool()) || (changes && !changes->is_object()) || !take_details(*body, details))
    return call.refuse(Error::invalid, kWanted);
  details.own_gateway = own && own->get_bool();
  const auto settings =
      change_settings({}, changes ? changes->get_object() : json::object{}, kind_of(details), random_);
  if (!settings) return call.refuse(Error::invalid, settings.error());
  details.away_text = std::string(settings->at("away_text").get_string());
  if (!recorded(call, Action::business_create, *name)) return;
  const auto id = identity_.create_business(details, stored(*settings));
  if (!id) return failed(call, Action::business_create, *name, id.error());
  json::object out{{"id", uuid(*id)}, {"urn", "urn:biz:" + uuid(*id)}, {"name", details.name}};
  out["own_gateway"] = details.own_gateway;
  if (!details.own_gateway) {
    out["msp"] = settings->at("msp");
  } else if (const auto enrolment = identity_.enrol_business(*id)) {
    out["enrolment"] = identity::reveal_text(*enrolment);
  }
  call.answer(201, out);
}

void BusinessApi::update(Call& call, const AccountId& id) {
  if (!allowed(call, Permission::change_businesses, Action::business_update, uuid(id))) return;
  const auto body = body_object(call.request.body, {"name", "website", "logo", "own_gateway", "settings"});
  const auto* changes = body ? body->if_contains("settings") : nullptr;
  const auto* own = body ? body->if_contains("own_gateway") : nullptr;
  auto business = find(call, id);
  if (!business) return;
  if (!body || body->empty() || (own && !own->is_bool()) || (changes && !changes->is_object()) ||
      !take_details(*body, business->details))
    return call.refuse(Error::invalid, kWanted);
  if (changes && !own && business->move)
    return call.refuse(Error::exists, "the business moves: its settings can be changed when it has");
  const bool moves = own && own->get_bool() != business->details.own_gateway;
  // What belongs to a gateway stays with it, but for the text that people see.
  json::object present = settings_of(*business), given = changes ? changes->get_object() : json::object{};
  if (moves && !given.contains("away_text")) given["away_text"] = present["away_text"];
  const auto kind = moves && !business->details.own_gateway ? GatewayKind::own
                    : moves                                 ? GatewayKind::hosted
                                                            : kind_of(business->details);
  const auto settings = change_settings(moves ? json::object{} : present, given, kind, random_);
  if (!settings) return call.refuse(Error::invalid, settings.error());
  business->details.away_text = std::string(settings->at("away_text").get_string());
  if (!recorded(call, Action::business_update, uuid(id))) return;
  const auto done = identity_.update_business(id, business->details, moves ? business->settings : stored(*settings));
  if (!done) return failed(call, Action::business_update, uuid(id), done.error());
  if (!moves) {
    if (own) identity_.cancel_move(id);
    return show(call, id);
  }
  const bool to_own = kind == GatewayKind::own;
  const auto enrolment = identity_.enrol_business(id, identity::BusinessMove{to_own, stored(*settings)});
  if (!enrolment) return failed(call, Action::business_update, uuid(id), enrolment.error());
  const auto moving = find(call, id);
  if (!moving) return;
  auto out = summary(*moving);
  if (to_own) {
    out["enrolment"] = identity::reveal_text(*enrolment);
  } else {
    out["msp"] = settings->at("msp");
  }
  call.answer(200, out);
}

void BusinessApi::rotate_secret(Call& call, const AccountId& id) {
  if (!allowed(call, Permission::change_businesses, Action::business_rotate_secret, uuid(id))) return;
  const auto body = body_object(call.request.body, {"secret"});
  const auto business = find(call, id);
  if (!business) return;
  if (!body || (body->contains("secret") && !text_field(*body, "secret")))
    return call.refuse(Error::invalid, R"(wanted: {} or {"secret": "<base64>"})");
  if (business->details.own_gateway)
    return call.refuse(Error::exists, "this business has its own gateway: the secret is in its own configuration");
  const json::object changes{{"msp", {{"secret", text_field(*body, "secret").value_or(make_msp_secret(random_))}}}};
  const auto settings = change_settings(settings_of(*business), changes, GatewayKind::hosted, random_);
  if (!settings) return call.refuse(Error::invalid, settings.error());
  if (!recorded(call, Action::business_rotate_secret, uuid(id))) return;
  const auto done = identity_.update_business(id, business->details, stored(*settings));
  if (!done) return failed(call, Action::business_rotate_secret, uuid(id), done.error());
  call.answer(200, {{"id", uuid(id)}, {"msp", settings->at("msp")}});
}

void BusinessApi::enrol(Call& call, const AccountId& id) {
  if (!allowed(call, Permission::change_businesses, Action::business_enrol, uuid(id))) return;
  const auto business = find(call, id);
  if (!business) return;
  if (!next_is_own(*business))
    return call.refuse(Error::exists, "this business's gateway is hosted: it enrols by itself");
  if (!recorded(call, Action::business_enrol, uuid(id))) return;
  const auto enrolment = identity_.enrol_business(id);
  if (!enrolment) return failed(call, Action::business_enrol, uuid(id), enrolment.error());
  call.answer(200, {{"id", uuid(id)}, {"enrolment", identity::reveal_text(*enrolment)}});
}

void BusinessApi::remove(Call& call, const AccountId& id) {
  if (!allowed(call, Permission::change_businesses, Action::business_remove, uuid(id))) return;
  if (!find(call, id)) return;
  if (!recorded(call, Action::business_remove, uuid(id))) return;
  const auto done = identity_.remove_business(id);
  if (!done) return failed(call, Action::business_remove, uuid(id), done.error());
  call.answer(200, {{"id", uuid(id)}, {"removed", true}});
}

// ---------------------------------------------------------------- for the hosted gateway

void BusinessApi::gateway(Call& call) {
  if (!call.only_local(operators_, Action::gateway_read)) return;
  if (!allowed(call, Permission::run_gateway, Action::gateway_read, {})) return;
  const auto all = identity_.businesses();
  if (!all) return refuse(call, all.error());
  json::array out;
  for (const auto& business : *all) {
    // One that is to move here is listed as not enrolled: the gateway enrols, and then it has moved.
    const bool comes = business.details.own_gateway && !next_is_own(business);
    if (business.details.own_gateway && !comes) continue;
    out.push_back({{"id", uuid(business.id)},
                   {"name", business.details.name},
                   {"enrolled", business.enrolled && !comes},
                   {"version", to_hex(business.version)},
                   {"settings", comes ? parsed(business.move->settings) : settings_of(business)}});
  }
  call.answer(200, {{"server", server_url_()}, {"businesses", std::move(out)}});
}

void BusinessApi::gateway_enrol(Call& call) {
  if (!call.only_local(operators_, Action::business_enrol)) return;
  const auto body = body_object(call.request.body, {"business"});
  const auto text = body ? text_field(*body, "business") : std::nullopt;
  const auto id = text ? business_id(*text) : std::nullopt;
  if (!allowed(call, Permission::run_gateway, Action::business_enrol, text.value_or(""))) return;
  if (!id) return call.refuse(Error::invalid, R"(wanted: {"business": "<uuid>"})");
  const auto business = find(call, *id);
  if (!business) return;
  if (next_is_own(*business)) return call.refuse(Error::exists, "this business has its own gateway");
  if (!recorded(call, Action::business_enrol, uuid(*id))) return;
  const auto enrolment = identity_.enrol_business(*id);
  if (!enrolment) return failed(call, Action::business_enrol, uuid(*id), enrolment.error());
  call.answer(200, {{"enrolment", identity::reveal_text(*enrolment)}});
}

}  // namespace opaline::server
