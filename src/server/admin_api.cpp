#include "server/admin_api.hpp"

#include <fmt/format.h>

#include <boost/json.hpp>

#include "base/rfc3339.hpp"
#include "crypto/version.hpp"
#include "server/business_api.hpp"
#include "server/internal/admin_call.hpp"
#include "server/internal/query.hpp"
#include "server/metrics.hpp"
#include "server/records_api.hpp"
#include "server/routes.hpp"

namespace opaline::server {
namespace {

namespace json = boost::json;
using internal::body_object;
using internal::number;
using internal::parameter;
using internal::text_field;
using operators::Action;
using operators::Error;
using operators::Outcome;
using operators::Permission;

constexpr std::string_view kPrefix = "/v1/admin/";
constexpr std::string_view kRecordsPrefix = "/v1/records/";
constexpr std::string_view kOperatorPrefix = "operators/";
constexpr std::int64_t kDefaultTokenDays = 90;
constexpr std::size_t kDefaultAuditPage = 100;

/// token_days, or the default; nullopt: there, but wrong.
std::optional<seconds> token_lifetime(const json::object& object) {
  const auto* value = object.if_contains("token_days");
  if (!value) return std::chrono::days(kDefaultTokenDays);
  if (!value->is_int64() || value->get_int64() < 1 || value->get_int64() > operators::kMaxTokenLifetime.count()) {
    return std::nullopt;
  }
  return std::chrono::days(value->get_int64());
}

json::value to_json(const operators::Operator& op) {
  json::object out{{"name", op.name},
                   {"role", operators::name(op.role)},
                   {"created", rfc3339(op.created)},
                   {"revoked", op.revoked},
                   {"valid_tokens", op.valid_tokens}};
  if (op.revoked) out["revoked_at"] = rfc3339(op.revoked_at);
  return out;
}

json::value to_json(const operators::AuditEntry& entry) {
  return {{"sequence", entry.sequence}, {"time", rfc3339(entry.time)},
          {"operator", entry.actor},    {"action", operators::name(entry.action)},
          {"object", entry.object},     {"outcome", operators::name(entry.outcome)}};
}

json::value to_json(const NodeStatus& s) {
  json::object out{{"version", version()},
                   {"openssl", crypto::openssl_version()},
                   {"server_name", s.server_name},
                   {"role", s.role},
                   {"ready", s.ready},
                   {"started", rfc3339(s.started)},
                   {"uptime_seconds", std::chrono::floor<seconds>(s.now - s.started).count()},
                   {"ports", {{"public", s.public_port}, {"operator", s.operator_port}, {"metrics", s.metrics_port}}},
                   {"devices", {{"connections", s.device_connections}, {"authenticated", s.devices_ready}}},
                   {"accepted", {{"online", s.accepted_online}, {"stored", s.accepted_stored}}},
                   {"envelopes_in_memory", s.envelopes_in_memory},
                   {"store", {{"queue", s.store_queue}, {"days", s.stored_days}}},
                   {"retention_days", s.retention_days},
                   {"expiry_waits_for_operator", s.expiry_waits_for_operator},
                   {"last_expiry_tick", nullptr},
                   {"certificate", {{"expires", rfc3339(s.certificate_expires)}, {"sha256", s.certificate_sha256}}},
                   {"swap_possible", s.swap_possible}};
  if (s.last_expiry_tick) out["last_expiry_tick"] = rfc3339(*s.last_expiry_tick);
  return out;
}

}  // namespace

// ---------------------------------------------------------------- who is it

void AdminApi::refuse(Call& call, unsigned status, std::string_view error, std::string_view message) {
  call.refuse(status, error, message);
}

void AdminApi::serve_operator(net::HttpRequest request, net::HttpResponder responder) {
  ++counters_.requests;
  Call call{{}, false, std::move(request), std::move(responder), &counters_.refused};
  constexpr std::string_view kBearer = "Bearer ";
  const auto header = call.request.header("Authorization").value_or("");
  if (!header.starts_with(kBearer)) {
    refuse(call, 401, "unauthorized", "send an operator's token: Authorization: Bearer <token>");
    return;
  }
  auto known = operators_.authenticate(header.substr(kBearer.size()));
  if (!known) {
    refuse(call, 503, "unavailable", "the operators cannot be read; see the log");
  } else if (!*known) {
    refuse(call, 401, "unauthorized", "this token is not valid: unknown, expired or revoked");
  } else {
    call.actor = std::move(**known);
    dispatch(std::move(call));
  }
}

void AdminApi::serve_local(net::HttpRequest request, net::HttpResponder responder) {
  ++counters_.requests;
  Call call{{}, true, std::move(request), std::move(responder), &counters_.refused};
  const auto& peer = call.request.peer.credentials;
  if (!peer || (peer->user != 0 && peer->user != own_uid_)) {
    refuse(call, 403, "forbidden", "only root and the service's own user may use the admin socket");
    return;
  }
  call.actor = operators::local_owner(peer->user);
  dispatch(std::move(call));
}

// ---------------------------------------------------------------- what is wanted

void AdminApi::dispatch(Call call) {
  struct Handler {
    std::string_view method, path;
    void (AdminApi::*run)(Call);
  };
  static constexpr Handler kRoutes[] = {
      {"GET", "status", &AdminApi::status},
      {"GET", "operators", &AdminApi::list_operators},
      {"POST", "operators", &AdminApi::create_operator},
      {"GET", "audit", &AdminApi::read_audit},
      {"GET", "audit/verify", &AdminApi::verify_audit},
      {"POST", "reload", &AdminApi::reload},
      {"POST", "clock/confirm", &AdminApi::confirm_clock},
      {"POST", "backup/checkpoint", &AdminApi::checkpoint},
  };
  const std::string path(call.request.path());
  if (records_ != nullptr && path.starts_with(kRecordsPrefix)) {
    return records_->serve(call, std::string_view(path).substr(kRecordsPrefix.size()));
  }
  if (!is_route(kOperatorRoutes, call.request.method, path)) {
    return is_path(kOperatorRoutes, path)
               ? refuse(call, 405, "method_not_allowed", "GET reads, POST changes")
               : refuse(call, 404, "not_found", "there is nothing here; see docs/operations.md");
  }
  const std::string_view rest = std::string_view(path).substr(kPrefix.size());
  for (const auto& route : kRoutes) {
    if (route.path == rest && route.method == call.request.method) return (this->*route.run)(std::move(call));
  }
  if (rest.starts_with(kOperatorPrefix)) {
    operator_action(std::move(call), rest.substr(kOperatorPrefix.size()));
  } else if (businesses_ == nullptr || !businesses_->serve(call, rest)) {
    refuse(call, 404, "not_found", "there is nothing here; see docs/operations.md");
  }
}

void AdminApi::answer_error(Call& call, Error error, std::string_view message) {
  call.refuse(error, message);
}

bool AdminApi::allowed(Call& call, Permission permission, Action action, const std::string& object) {
  if (const auto may = operators_.require(call.actor, permission, action, object); !may) {
    answer_error(call, may.error(), {});
    return false;
  }
  return true;
}

void AdminApi::status(Call call) {
  if (!allowed(call, Permission::read_status, Action::status_read, {})) return;
  node_.status([call = std::move(call)](const NodeStatus& status) mutable { call.answer(200, to_json(status)); });
}

void AdminApi::list_operators(Call call) {
  const auto all = operators_.list(call.actor);
  if (!all) {
    answer_error(call, all.error(), {});
    return;
  }
  json::array out;
  for (const auto& one : *all) out.push_back(to_json(one));
  call.answer(200, {{"operators", std::move(out)}});
}

void AdminApi::create_operator(Call call) {
  const auto body = body_object(call.request.body, {"name", "role", "token_days"});
  const auto name = body ? text_field(*body, "name") : std::nullopt;
  const auto role_name = body ? text_field(*body, "role") : std::nullopt;
  const auto lifetime = body ? token_lifetime(*body) : std::nullopt;
  if (!name || !role_name || !lifetime) {
    refuse(call, 400, "invalid", R"(wanted: {"name": "...", "role": "...", "token_days": 1 to 366})");
    return;
  }
  const auto role = operators::role_from(*role_name);
  if (!role) {
    refuse(call, 400, "invalid", R"(role must be "owner", "admin", "auditor" or "officer")");
    return;
  }
  const auto token = operators_.create(call.actor, *name, *role, *lifetime);
  if (!token) {
    answer_error(call, token.error(),
                 token.error() == Error::exists ? "there is, or was, an operator of that name"
                 : token.error() == Error::too_many
                     ? "there are too many operators"
                     : "a name has 1 to 32 of a-z, 0-9, '.', '-', '_' and begins with a letter");
    return;
  }
  call.answer(201, {{"name", *name},
                    {"role", operators::name(*role)},
                    {"token", token->reveal_text()},
                    {"expires", rfc3339(token->expires)}});
}

void AdminApi::operator_action(Call call, std::string_view rest) {
  const auto slash = rest.find('/');
  const std::string name(rest.substr(0, slash));
  const auto action = slash == rest.npos ? std::string_view{} : rest.substr(slash + 1);
  if (call.request.method != "POST" || (action != "tokens" && action != "revoke")) {
    refuse(call, 404, "not_found", "POST operators/<name>/tokens or operators/<name>/revoke");
    return;
  }
  const auto explain = [](Error error) {
    return error == Error::not_found  ? "no operator of that name"
           : error == Error::revoked  ? "this operator is revoked for good; make a new one"
           : error == Error::too_many ? "this operator has too many valid tokens"
                                      : "not possible";
  };
  if (action == "revoke") {
    const auto revoked = operators_.revoke(call.actor, name);
    if (!revoked) return answer_error(call, revoked.error(), explain(revoked.error()));
    return call.answer(200, {{"name", name}, {"revoked", true}});
  }
  const auto body = body_object(call.request.body, {"token_days"});
  const auto lifetime = body ? token_lifetime(*body) : std::nullopt;
  if (!lifetime) return refuse(call, 400, "invalid", R"(wanted: {"token_days": 1 to 366})");
  const auto token = operators_.issue_token(call.actor, name, *lifetime);
  if (!token) return answer_error(call, token.error(), explain(token.error()));
  call.answer(201, {{"name", name}, {"token", token->reveal_text()}, {"expires", rfc3339(token->expires)}});
}

void AdminApi::read_audit(Call call) {
  if (!allowed(call, Permission::read_audit, Action::audit_read, {})) return;
  const auto query = call.request.query();
  const auto after = number(parameter(query, "after").value_or("0"));
  const auto limit = number(parameter(query, "limit").value_or(std::to_string(kDefaultAuditPage)));
  if (!after || !limit || *limit == 0 || *limit > operators::kMaxAuditPage) {
    return refuse(call, 400, "invalid", "after is a sequence, limit 1 to 1000");
  }
  const auto entries = operators_.audit().read(*after, *limit);
  const auto head = operators_.audit().head();
  if (!entries || !head) return answer_error(call, Error::unavailable, {});
  json::array out;
  for (const auto& entry : *entries) out.push_back(to_json(entry));
  call.answer(200, {{"entries", std::move(out)}, {"head", {{"sequence", head->sequence}, {"hash", head->hash.hex()}}}});
}

void AdminApi::verify_audit(Call call) {
  if (!allowed(call, Permission::read_audit, Action::audit_read, {})) return;
  const auto query = call.request.query();
  const auto sequence_text = parameter(query, "sequence");
  const auto hash_text = parameter(query, "hash");
  std::optional<operators::AuditHead> known;
  if (sequence_text || hash_text) {
    const auto sequence = number(sequence_text.value_or(""));
    const auto hash = operators::AuditHash::from_hex(hash_text.value_or(""));
    if (!sequence || !hash) return refuse(call, 400, "invalid", "sequence and hash belong together");
    known = operators::AuditHead{*sequence, *hash};
  }
  const auto check = operators_.audit().verify(known);
  json::object out{{"intact", check.intact},
                   {"known_head_seen", check.known_head_seen},
                   {"head", {{"sequence", check.head.sequence}, {"hash", check.head.hash.hex()}}}};
  if (!check.intact) out["broken_at"] = check.broken_at;
  call.answer(200, out);
}

void AdminApi::reload(Call call) {
  if (!allowed(call, Permission::operate, Action::reload, {})) return;
  node_.reload([this, call = std::move(call)](const Result<void, std::string>& done) mutable {
    std::ignore = operators_.record(call.actor, Action::reload, {}, done ? Outcome::done : Outcome::failed);
    if (!done) return refuse(call, 409, "reload_failed", done.error());
    call.answer(200, {{"reloaded", true}});
  });
}

void AdminApi::confirm_clock(Call call) {
  if (!allowed(call, Permission::operate, Action::expiry_confirm, {})) return;
  if (!operators_.record(call.actor, Action::expiry_confirm, {}, Outcome::done)) {  // first: it lets keys be destroyed
    return answer_error(call, Error::unavailable, {});
  }
  const auto done = node_.confirm_clock();
  if (!done) {
    std::ignore = operators_.record(call.actor, Action::expiry_confirm, {}, Outcome::failed);
    return refuse(call, 503, "unavailable", done.error());
  }
  call.answer(200, {{"confirmed", true}});
}

void AdminApi::checkpoint(Call call) {
  if (!call.only_local(operators_, Action::backup)) return;
  if (!allowed(call, Permission::back_up, Action::backup, {})) return;
  // The entry first: no copy without a trace. If the copy then fails, a second entry says so.
  if (!operators_.record(call.actor, Action::backup, {}, Outcome::done)) {
    return answer_error(call, Error::unavailable, {});
  }
  const auto copy = node_.checkpoint();
  if (!copy) {
    std::ignore = operators_.record(call.actor, Action::backup, {}, Outcome::failed);
    return refuse(call, 503, "unavailable", copy.error());
  }
  // The peer is root or our own user: both can read this process and the vault anyway.
  json::object keys;
  for (const auto& [purpose, key] : copy->keys) keys[purpose] = to_hex(key.reveal());
  call.answer(200, {{"directory", copy->directory.string()}, {"keys", std::move(keys)}});
}

}  // namespace opaline::server
