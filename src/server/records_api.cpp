#include "server/records_api.hpp"

#include "records/canonical.hpp"
#include "server/internal/admin_call.hpp"
#include "server/internal/query.hpp"
#include "server/routes.hpp"

namespace opaline::server {

namespace json = boost::json;
using internal::body_object;
using operators::Action;
using operators::Outcome;
using operators::Permission;
using records::CaseId;
using records::Error;
using records::text_of;
using records::to_text;

namespace {

unsigned status_of(Error error) {
  switch (error) {
    case Error::invalid:
      return 400;
    case Error::bad_signature:
      return 403;
    case Error::not_found:
      return 404;
    case Error::not_possible:
    case Error::no_key:
    case Error::exists:
    case Error::same_officer:
    case Error::stale:
    case Error::changed:
    case Error::too_large:
      return 409;
    case Error::gone:
      return 410;
    case Error::unavailable:
      return 503;
  }
  return 500;
}

std::string_view sentence(Error error) {
  switch (error) {
    case Error::invalid:
      return "a field is missing, of the wrong kind, or outside of its limits";
    case Error::not_found:
      return "there is no such case or production";
    case Error::not_possible:
      return "the case's state or instrument does not allow it";
    case Error::no_key:
      return "register your key first";
    case Error::exists:
      return "you have a key already, or it is another officer's";
    case Error::bad_signature:
      return "this is not your key's signature over exactly this";
    case Error::same_officer:
      return "you have approved this already; another officer must";
    case Error::stale:
      return "the case has a newer revision; look at it again";
    case Error::changed:
      return "the log holds other numbers by now; look at the preview again";
    case Error::too_large:
      return "more than 100,000 entries; narrow the case";
    case Error::gone:
      return "it was destroyed, as it had to be";
    case Error::unavailable:
      return "the store did not take it; see the log";
  }
  return "unknown";
}

std::string hex(const ByteArray<32>& hash) {
  return to_hex(hash);
}

json::object to_json(const records::Produced& one) {
  return {{"number", one.number},
          {"made", to_text(one.made)},
          {"from", to_text(one.from)},
          {"to", to_text(one.to)},
          {"rows", one.rows},
          {"pieces", one.pieces},
          {"bundle_sha256", hex(one.bundle_sha256)},
          {"core_sha256", hex(one.core_sha256)},
          {"destroyed", one.destroyed}};
}

json::object to_json(const records::Case& one) {
  json::array approvals, productions;
  for (const auto& approval : one.approvals) {
    approvals.push_back(
        {{"officer", approval.officer}, {"at", to_text(approval.at)}, {"counts", records::to_json(approval.counts)}});
  }
  for (const auto& produced : one.productions) productions.push_back(to_json(produced));
  json::object out{{"case", to_text(one.id)},
                   {"state", records::name(one.state)},
                   {"opened", to_text(one.opened)},
                   {"revision", one.revision},
                   {"facts", records::to_json(one.facts)},
                   {"approvals", std::move(approvals)},
                   {"productions", std::move(productions)},
                   {"refused", one.was_refused},
                   {"renewed", one.renewed}};
  if (one.closed) out["closed"] = to_text(*one.closed);
  if (one.destroy_at) out["destroy_at"] = to_text(*one.destroy_at);
  if (one.notice_at) out["notice_at"] = to_text(*one.notice_at);
  if (one.opened_by) out["opened_by"] = to_text(*one.opened_by);
  if (one.collected_from) out["collected_from"] = to_text(*one.collected_from);
  if (one.ended) out["ended"] = to_text(*one.ended);
  return out;
}

/// An event as it was recorded, with its place.
json::object to_json(const records::Event& event) {
  const auto value = records::parse_canonical(event.text);
  json::object out = value && value->is_object() ? value->get_object() : json::object{};
  out["number"] = event.number;
  out["ledger_index"] = event.index;
  return out;
}

std::optional<json::object> any_object(ByteView body) {
  boost::system::error_code error;
  auto value = json::parse(as_text(body), error);
  if (error || !value.is_object()) return std::nullopt;
  return std::move(value.get_object());
}

std::optional<std::uint32_t> small(std::string_view text) {
  const auto number = internal::number(text);
  if (!number || *number > UINT32_MAX) return std::nullopt;
  return static_cast<std::uint32_t>(*number);
}

}  // namespace

void RecordsApi::serve(Call& call, std::string_view path) {
  const bool get = call.request.method == "GET", post = call.request.method == "POST";
  constexpr std::string_view kCase = "cases/";
  if (call.local) {  // whoever is root: recorded as refused, for an owner may not
    std::ignore = p_.operators.require(call.actor, Permission::handle_cases, Action::case_read, std::string(path));
    return call.refuse(403, "forbidden",
                       "legal requests are handled on the operator listener, with an officer's token");
  }
  if (!is_route(kOperatorRoutes, call.request.method, call.request.path())) return unknown(call, path);
  if (path == "service" && get) return service(call);
  if (path == "officers" && get) return officers(call);
  if (path == "key" && post) return register_key(call);
  if (path == "cases" && get) return list(call);
  if (path == "cases" && post) return open_case(call);
  if (path == "report" && get) return report(call);
  if (path == "ledger/verify" && get) return verify_ledger(call);
  if (path.starts_with(kCase)) {
    const auto rest = path.substr(kCase.size());
    const auto slash = rest.find('/');
    if (const auto id = records::case_id_from(rest.substr(0, slash)))
      return one(call, *id, slash == rest.npos ? std::string_view{} : rest.substr(slash + 1));
  }
  unknown(call, path);
}

void RecordsApi::unknown(Call& call, std::string_view path) {
  // Who may not look does not learn what is there.
  if (allowed(call, Action::case_read, std::string(path.substr(0, 64))))
    call.refuse(404, "not_found", "there is nothing here; see docs/records.md");
}

void RecordsApi::one(Call& call, const CaseId& id, std::string_view rest) {
  const bool get = call.request.method == "GET", post = call.request.method == "POST";
  constexpr std::string_view kProductions = "productions/";
  if (rest.empty() && get) return show(call, id);
  if (rest == "preview" && get) return preview(call, id);
  if (rest.starts_with(kProductions) && get) return productions(call, id, rest.substr(kProductions.size()));
  if (rest == "approve" && post) return approve(call, id);
  if (rest == "narrow" && post) return narrow(call, id);
  if (rest == "notify" && post) return notify(call, id);
  if ((rest == "refuse" || rest == "close" || rest == "renew" || rest == "end" || rest == "answer") && post)
    return words_step(call, id, rest);
  unknown(call, to_text(id));
}

// ---------------------------------------------------------------- what they share

bool RecordsApi::allowed(Call& call, Action action, const std::string& object, Permission permission) {
  auto done = p_.operators.require(call.actor, permission, action, object);
  if (done) done = p_.operators.record(call.actor, action, object, Outcome::done);
  if (!done) call.refuse(done.error(), {});
  return done.has_value();
}

void RecordsApi::refuse(Call& call, Action action, const std::string& object, Error error, std::string why) {
  std::ignore = p_.operators.record(call.actor, action, object, Outcome::failed);
  call.refuse(status_of(error), records::name(error), why.empty() ? sentence(error) : std::string_view(why));
}

void RecordsApi::answer(Call& call, Action action, const CaseId& id, const Result<records::Case, Error>& done) {
  if (!done) return refuse(call, action, to_text(id), done.error());
  call.answer(200, to_json(*done));
}

// ---------------------------------------------------------------- service and officers

void RecordsApi::service(Call& call) {
  if (!allowed(call, Action::case_read, "service")) return;
  json::object out{{"name", p_.service_name},
                   {"key", to_base64url(p_.service_key.view())},
                   {"key_sha256", p_.cases.service()},
                   {"retention_days", p_.retention.count()},
                   {"officer", call.actor.name}};
  for (const auto& officer : p_.cases.officers()) {
    if (officer.name == call.actor.name) out["officer_key_sha256"] = records::fingerprint(officer.key);
  }
  call.answer(200, out);
}

void RecordsApi::officers(Call& call) {
  if (!allowed(call, Action::case_read, "officers")) return;
  json::array out;
  for (const auto& officer : p_.cases.officers()) {
    out.push_back({{"name", officer.name},
                   {"key_sha256", records::fingerprint(officer.key)},
                   {"registered", to_text(officer.registered)}});
  }
  call.answer(200, {{"officers", std::move(out)}});
}

void RecordsApi::register_key(Call& call) {
  if (!allowed(call, Action::officer_key, call.actor.name)) return;
  const auto body = body_object(call.request.body, {"key", "signature"});
  const auto text = body ? text_of(*body, "key") : std::nullopt;
  const auto bytes = text ? from_base64url(*text) : std::nullopt;
  const auto key = bytes ? records::officer_public_key_from(*bytes) : std::nullopt;
  const auto signature = body ? records::id_of<crypto::HybridSignature>(*body, "signature") : std::nullopt;
  if (!key || !signature)
    return refuse(call, Action::officer_key, call.actor.name, Error::invalid,
                  R"(wanted: {"key": "<base64url>", "signature": "<base64url>"})");
  const auto done = p_.cases.register_key(call.actor.name, *key, *signature);
  if (!done) return refuse(call, Action::officer_key, call.actor.name, done.error());
  call.answer(201, {{"officer", call.actor.name}, {"key_sha256", records::fingerprint(*key)}});
}

// ---------------------------------------------------------------- reading

void RecordsApi::list(Call& call) {
  if (!allowed(call, Action::case_read, "cases")) return;
  const auto after = internal::parameter(call.request.query(), "after");
  const auto id = after ? records::case_id_from(*after) : std::nullopt;
  if (after && !id) return refuse(call, Action::case_read, "cases", Error::invalid, "after: a case, 2026-0001");
  const auto all = p_.cases.list(id);
  if (!all) return refuse(call, Action::case_read, "cases", all.error());
  json::array out;
  for (const auto& one : *all) out.push_back(to_json(one));
  call.answer(200, {{"cases", std::move(out)}});
}

void RecordsApi::show(Call& call, const CaseId& id) {
  if (!allowed(call, Action::case_read, to_text(id))) return;
  const auto one = p_.cases.show(id);
  if (!one) return refuse(call, Action::case_read, to_text(id), one.error());
  const auto events = p_.cases.events(id);
  if (!events) return refuse(call, Action::case_read, to_text(id), events.error());
  json::array list;
  for (const auto& event : *events) list.push_back(to_json(event));
  auto out = to_json(*one);
  out["events"] = std::move(list);
  call.answer(200, out);
}

void RecordsApi::preview(Call& call, const CaseId& id) {
  if (!allowed(call, Action::case_read, to_text(id))) return;
  p_.cases.preview(id, [this, id, call = std::move(call)](const Result<records::Preview, Error>& seen) mutable {
    if (!seen) return refuse(call, Action::case_read, to_text(id), seen.error());
    json::array unreadable;
    for (const auto day : seen->gaps.unreadable_days) unreadable.push_back(json::string(to_text(day)));
    call.answer(200, {{"case", to_text(id)},
                      {"revision", seen->revision},
                      {"facts", records::to_json(seen->facts)},
                      {"facts_sha256", seen->digest.hex()},
                      {"counts", records::to_json(seen->counts)},
                      {"total", records::total(seen->counts)},
                      {"damaged", seen->gaps.damaged},
                      {"unreadable_days", std::move(unreadable)},
                      {"service", p_.cases.service()}});
  });
}

// ---------------------------------------------------------------- steps

void RecordsApi::open_case(Call& call) {
  if (!allowed(call, Action::case_open, {})) return;
  const auto body = any_object(call.request.body);
  const auto facts = body ? records::facts_from(*body) : fail(std::string("wanted: an object with the facts"));
  if (!facts) return refuse(call, Action::case_open, {}, Error::invalid, facts.error());
  const auto made = p_.cases.open_case(call.actor.name, *facts);
  if (!made) return refuse(call, Action::case_open, {}, made.error().error, made.error().why);
  call.answer(201, to_json(*made));
}

void RecordsApi::approve(Call& call, const CaseId& id) {
  if (!allowed(call, Action::case_approve, to_text(id))) return;
  const auto body = body_object(call.request.body, {"revision", "facts_sha256", "counts", "signature"});
  const auto revision = body ? records::number_of(*body, "revision") : std::nullopt;
  const auto digest = body ? records::FactsDigest::from_hex(text_of(*body, "facts_sha256").value_or("")) : std::nullopt;
  const auto* array = body ? records::array_of(*body, "counts") : nullptr;
  auto counts = array ? records::counts_from(*array) : std::nullopt;
  const auto signature = body ? records::id_of<crypto::HybridSignature>(*body, "signature") : std::nullopt;
  if (!revision || *revision > UINT32_MAX || !digest || !counts || !signature)
    return refuse(call, Action::case_approve, to_text(id), Error::invalid,
                  R"(wanted: {"revision": 1, "facts_sha256": "<hex>", "counts": [...], "signature": "<base64url>"})");
  const auto by = call.actor.name;
  p_.cases.approve(by, id, {static_cast<std::uint32_t>(*revision), *digest, std::move(*counts), *signature},
                   [this, id, call = std::move(call)](const Result<records::Case, Error>& done) mutable {
                     answer(call, Action::case_approve, id, done);
                   });
}

void RecordsApi::narrow(Call& call, const CaseId& id) {
  if (!allowed(call, Action::case_narrow, to_text(id))) return;
  const auto body = body_object(call.request.body, {"reason", "handles", "from", "to"});
  const auto reason = body ? text_of(*body, "reason") : std::nullopt;
  if (!reason)
    return refuse(
        call, Action::case_narrow, to_text(id), Error::invalid,
        R"(wanted: {"reason": "...", "handles": [...], "from": "...", "to": "..."}; what stays may be left out)");
  const auto now = p_.cases.show(id);
  if (!now) return refuse(call, Action::case_narrow, to_text(id), now.error());
  auto given = records::to_json(now->facts);
  for (const auto* field : {"handles", "from", "to"}) {
    if (const auto* value = body->if_contains(field)) given[field] = *value;
  }
  const auto facts = records::facts_from(given);
  if (!facts) return refuse(call, Action::case_narrow, to_text(id), Error::invalid, facts.error());
  const auto done = p_.cases.narrow(call.actor.name, id, *facts, *reason);
  if (!done) return refuse(call, Action::case_narrow, to_text(id), done.error().error, done.error().why);
  call.answer(200, to_json(*done));
}

void RecordsApi::words_step(Call& call, const CaseId& id, std::string_view step) {
  const auto action = step == "refuse"  ? Action::case_refuse
                      : step == "close" ? Action::case_close
                      : step == "renew" ? Action::case_renew
                      : step == "end"   ? Action::case_end
                                        : Action::case_answer;
  if (!allowed(call, action, to_text(id))) return;
  const std::string_view field = step == "answer" ? "words" : "reason";
  const auto body = body_object(call.request.body, {field});
  const auto words = body ? text_of(*body, field) : std::nullopt;
  if (!words)
    return refuse(call, action, to_text(id), Error::invalid, "wanted: {\"" + std::string(field) + "\": \"...\"}");
  const auto& by = call.actor.name;
  answer(call, action, id,
         step == "refuse"  ? p_.cases.refuse(by, id, *words)
         : step == "close" ? p_.cases.close(by, id, *words)
         : step == "renew" ? p_.cases.renew(by, id, *words)
         : step == "end"   ? p_.cases.end(by, id, *words)
                           : p_.cases.answer(by, id, *words));
}

void RecordsApi::notify(Call& call, const CaseId& id) {
  if (!allowed(call, Action::case_notify, to_text(id))) return;
  const auto body = body_object(call.request.body, {"words", "not_before"});
  const auto words = body ? text_of(*body, "words") : std::nullopt;
  std::optional<Time> when = p_.clock.now();
  if (body && body->contains("not_before")) when = records::time_from(text_of(*body, "not_before").value_or(""));
  if (!words || !when)
    return refuse(call, Action::case_notify, to_text(id), Error::invalid,
                  R"(wanted: {"words": "...", "not_before": "2026-11-22T20:00:00Z"}; without not_before: at once)");
  answer(call, Action::case_notify, id, p_.cases.notify(call.actor.name, id, *when, *words));
}

// ---------------------------------------------------------------- what was produced

void RecordsApi::productions(Call& call, const CaseId& id, std::string_view rest) {
  const auto slash = rest.find('/');
  const auto production = small(rest.substr(0, slash));
  constexpr std::string_view kPieces = "pieces/";
  if (production && slash != rest.npos && rest.substr(slash + 1).starts_with(kPieces)) {
    const auto number = small(rest.substr(slash + 1 + kPieces.size()));
    if (number) return piece(call, id, *production, *number);
  }
  if (!allowed(call, Action::case_produce, to_text(id))) return;
  if (!production || slash != rest.npos) return refuse(call, Action::case_produce, to_text(id), Error::not_found);
  const auto handover = p_.cases.production(id, *production);
  if (!handover) return refuse(call, Action::case_produce, to_text(id), handover.error());
  auto out = to_json(handover->produced);
  out["case"] = to_text(id);
  out["ledger"] = records::to_json(handover->ledger);
  call.answer(200, out);
}

void RecordsApi::piece(Call& call, const CaseId& id, std::uint32_t production, std::uint32_t number) {
  if (!allowed(call, Action::case_produce,
               to_text(id) + "/" + std::to_string(production) + "/" + std::to_string(number)))
    return;
  const auto bytes = p_.cases.piece(id, production, number);
  if (!bytes) return refuse(call, Action::case_produce, to_text(id), bytes.error());
  auto response = net::text_response(200, "application/octet-stream", std::string(as_text(*bytes)));
  response.headers.push_back({"Cache-Control", "no-store"});
  call.responder.respond(std::move(response));
}

void RecordsApi::report(Call& call) {
  const std::string period(internal::parameter(call.request.query(), "period").value_or("").substr(0, 16));
  const auto object = "report " + period;
  if (!allowed(call, Action::case_read, object)) return;
  const auto half_year = records::half_year_from(period);
  auto report = half_year ? p_.cases.report(*half_year) : fail(Error::invalid);
  if (!report) {
    const bool invalid = report.error() == Error::invalid;
    return refuse(call, Action::case_read, object, report.error(),
                  invalid ? "period: a half-year that has begun, 2026H1 or 2026H2" : "");
  }
  report->bands = p_.report_bands;
  call.answer(200, records::to_json(*report));
}

void RecordsApi::verify_ledger(Call& call) {
  if (!allowed(call, Action::ledger_verify, {}, Permission::verify_ledger)) return;
  std::optional<ledger::SignedHead> known;
  if (const auto text = internal::parameter(call.request.query(), "head")) {
    const auto bytes = from_base64url(*text);
    known = bytes ? ledger::decode_signed_head(*bytes) : std::nullopt;
    if (!known || !ledger::verify_head(*known, p_.service_key))
      return refuse(call, Action::ledger_verify, {}, Error::invalid, "head: a head that this ledger signed, base64url");
  }
  const auto found = p_.cases.verify_ledger(known);
  json::object out{{"intact", found.intact}, {"events", found.ledger.leaves}};
  if (!found.intact) out["why"] = found.why;
  call.answer(200, out);
}

}  // namespace opaline::server
