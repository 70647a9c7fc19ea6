#include "records/internal/case_rows.hpp"

#include "base/codec.hpp"
#include "records/canonical.hpp"

namespace opaline::records::internal {
namespace {

namespace json = boost::json;

constexpr State kStates[] = {State::open,      State::produced, State::preserved, State::collecting,
                             State::collected, State::refused,  State::closed};

std::optional<ByteArray<32>> hash_of(const json::object& object, std::string_view name) {
  const auto text = text_of(object, name);
  const auto bytes = text ? from_hex(*text) : std::nullopt;
  if (!bytes || bytes->size() != 32) return std::nullopt;
  return to_array<32>(*bytes);
}
std::optional<Time> millis_of(const json::object& object, std::string_view name) {
  return time_millis_from(text_of(object, name).value_or(""));
}
/// As millis_of; false: there, but no time.
bool take(const json::object& object, std::string_view name, std::optional<Time>& into) {
  into = millis_of(object, name);
  return into || !object.contains(name);
}
std::optional<std::uint32_t> small(const json::object& object, std::string_view name) {
  const auto number = number_of(object, name);
  if (!number || *number > UINT32_MAX) return std::nullopt;
  return static_cast<std::uint32_t>(*number);
}

json::object to_json(const Approval& one) {
  return {{"at", to_text_millis(one.at)},
          {"counts", records::to_json(one.counts)},
          {"key", to_base64url(one.key.view())},
          {"officer", one.officer},
          {"signature", to_base64url(one.signature.view())}};
}
std::optional<Approval> approval_from(const json::value& value) {
  const auto* one = value.if_object();
  if (one == nullptr) return std::nullopt;
  const auto* array = array_of(*one, "counts");
  const auto counts = array ? counts_from(*array) : std::nullopt;
  const auto key = id_of<crypto::HybridPublicKey>(*one, "key");
  const auto signature = id_of<crypto::HybridSignature>(*one, "signature");
  const auto at = millis_of(*one, "at");
  const auto officer = text_of(*one, "officer");
  if (!counts || !key || !signature || !at || !officer) return std::nullopt;
  return Approval{*officer, *at, *key, *signature, *counts};
}

json::object to_json(const Produced& one) {
  json::object out{{"bundle_sha256", to_hex(one.bundle_sha256)},
                   {"core_sha256", to_hex(one.core_sha256)},
                   {"event", one.event},
                   {"from", to_text_millis(one.from)},
                   {"made", to_text_millis(one.made)},
                   {"number", one.number},
                   {"pieces", one.pieces},
                   {"rows", one.rows},
                   {"to", to_text_millis(one.to)}};
  if (one.destroyed) out["destroyed"] = "yes";
  return out;
}
std::optional<Produced> produced_from(const json::value& value) {
  const auto* one = value.if_object();
  if (one == nullptr) return std::nullopt;
  const auto number = small(*one, "number"), pieces = small(*one, "pieces"), event = small(*one, "event");
  const auto rows = number_of(*one, "rows");
  const auto made = millis_of(*one, "made"), from = millis_of(*one, "from"), to = millis_of(*one, "to");
  const auto core = hash_of(*one, "core_sha256"), bundle = hash_of(*one, "bundle_sha256");
  if (!number || !pieces || !event || !rows || !made || !from || !to || !core || !bundle) return std::nullopt;
  return Produced{*number, *made, *from, *to, *pieces, *rows, *core, *bundle, *event, one->contains("destroyed")};
}

}  // namespace

Bytes key_of(const CaseId& id) {
  Bytes out;
  Writer(out).u32(id.year).u32(id.number);
  return out;
}
Bytes key_of(const CaseId& id, std::uint32_t event) {
  Bytes out = key_of(id);
  Writer(out).u32(event);
  return out;
}
Bytes key_of(const CaseId& id, std::uint32_t production, std::uint32_t piece) {
  Bytes out = key_of(id, production);
  Writer(out).u32(piece);
  return out;
}
std::optional<CaseId> case_of_key(ByteView key) {
  Reader in(key);
  CaseId out;
  out.year = in.u32();
  out.number = in.u32();
  if (!in.finished()) return std::nullopt;
  return out;
}

std::string encode(const Case& one) {
  json::array approvals, productions;
  for (const auto& approval : one.approvals) approvals.push_back(to_json(approval));
  for (const auto& produced : one.productions) productions.push_back(to_json(produced));
  json::object out{{"approvals", std::move(approvals)},
                   {"case", to_text(one.id)},
                   {"events", one.events},
                   {"facts", records::to_json(one.facts)},
                   {"opened", to_text_millis(one.opened)},
                   {"productions", std::move(productions)},
                   {"revision", one.revision},
                   {"state", name(one.state)}};
  if (one.closed) out["closed"] = to_text_millis(*one.closed);
  if (one.destroy_at) out["destroy_at"] = to_text_millis(*one.destroy_at);
  if (one.notice_at) out["notice_at"] = to_text_millis(*one.notice_at);
  if (one.renewed) out["renewed"] = "yes";
  if (one.was_refused) out["refused"] = "yes";
  if (one.collected_from) out["collected_from"] = to_text_millis(*one.collected_from);
  if (one.produced_until) out["produced_until"] = to_text_millis(*one.produced_until);
  if (one.ended) out["ended"] = to_text_millis(*one.ended);
  if (one.opened_by) out["opened_by"] = to_text(*one.opened_by);
  return canonical_own(out);
}

std::optional<Case> decode_case(ByteView bytes) {
  const auto value = parse_canonical(as_text(bytes));
  const auto* object = value ? value->if_object() : nullptr;
  if (object == nullptr) return std::nullopt;
  Case out;
  const auto id = case_id_from(text_of(*object, "case").value_or(""));
  const auto events = small(*object, "events"), revision = small(*object, "revision");
  const auto* facts = object_of(*object, "facts");
  const auto opened = millis_of(*object, "opened");
  const auto state_name = text_of(*object, "state");
  const auto *approvals = array_of(*object, "approvals"), *productions = array_of(*object, "productions");
  auto read = facts ? facts_from(*facts) : fail(std::string());
  if (!id || !events || !revision || !read || !opened || !state_name || approvals == nullptr || productions == nullptr)
    return std::nullopt;
  out.id = *id;
  out.events = *events;
  out.revision = *revision;
  out.facts = std::move(*read);
  out.opened = *opened;
  bool known = false;
  for (const auto state : kStates) {
    if (name(state) != *state_name) continue;
    out.state = state;
    known = true;
  }
  for (const auto& one : *approvals) {
    auto approval = approval_from(one);
    if (!approval) return std::nullopt;
    out.approvals.push_back(std::move(*approval));
  }
  for (const auto& one : *productions) {
    const auto produced = produced_from(one);
    if (!produced) return std::nullopt;
    out.productions.push_back(*produced);
  }
  if (!known || !take(*object, "closed", out.closed) || !take(*object, "destroy_at", out.destroy_at) ||
      !take(*object, "notice_at", out.notice_at) || !take(*object, "collected_from", out.collected_from) ||
      !take(*object, "produced_until", out.produced_until) || !take(*object, "ended", out.ended))
    return std::nullopt;
  out.renewed = object->contains("renewed");
  out.was_refused = object->contains("refused");
  if (object->contains("opened_by")) {
    out.opened_by = case_id_from(text_of(*object, "opened_by").value_or(""));
    if (!out.opened_by) return std::nullopt;
  }
  return out;
}

std::string encode(const Event& event) {
  return canonical_own(json::object{{"event", event.text}, {"index", event.index}, {"salt", to_hex(event.salt)}});
}
std::optional<Event> decode_event(std::uint32_t number, ByteView bytes) {
  const auto value = parse_canonical(as_text(bytes));
  const auto* object = value ? value->if_object() : nullptr;
  if (object == nullptr) return std::nullopt;
  const auto text = text_of(*object, "event");
  const auto index = number_of(*object, "index");
  const auto salt = hash_of(*object, "salt");
  if (!text || !index || !salt) return std::nullopt;
  return Event{number, *text, *index, *salt};
}

std::string encode(const Officer& officer) {
  return canonical_own(json::object{{"key", to_base64url(encode(officer.key))},
                                    {"name", officer.name},
                                    {"registered", to_text_millis(officer.registered)}});
}
std::optional<Officer> decode_officer(ByteView bytes) {
  const auto value = parse_canonical(as_text(bytes));
  const auto* object = value ? value->if_object() : nullptr;
  if (object == nullptr) return std::nullopt;
  const auto officer = text_of(*object, "name"), key_text = text_of(*object, "key");
  const auto key_bytes = key_text ? from_base64url(*key_text) : std::nullopt;
  const auto key = key_bytes ? officer_public_key_from(*key_bytes) : std::nullopt;
  const auto registered = millis_of(*object, "registered");
  if (!officer || !key || !registered) return std::nullopt;
  return Officer{*officer, *key, *registered};
}

bool each_row(store::SealedRows& rows, std::string_view table, ByteView prefix,
              const std::function<bool(const store::SealedRows::Row&)>& visit) {
  constexpr std::size_t kPage = 200;
  Bytes after;
  for (;;) {
    const auto page = rows.scan(table, prefix, after, kPage);
    if (!page) return false;
    for (const auto& row : *page) {
      if (!visit(row)) return false;
    }
    if (page->size() < kPage) return true;
    after = page->back().key;
  }
}

}  // namespace opaline::records::internal
