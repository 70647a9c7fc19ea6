#include "records/production.hpp"

#include <arpa/inet.h>

#include <algorithm>

#include "records/canonical.hpp"
#include "records/internal/csv.hpp"

namespace opaline::records {
namespace {

namespace json = boost::json;

constexpr std::string_view kCsvHead =
    "handle,direction,time_utc,source_handle,source_ip,looked_up_handle,capable_devices\r\n";

constexpr std::array<std::byte, 12> kMappedV4{std::byte{0}, std::byte{0}, std::byte{0},    std::byte{0},
                                              std::byte{0}, std::byte{0}, std::byte{0},    std::byte{0},
                                              std::byte{0}, std::byte{0}, std::byte{0xff}, std::byte{0xff}};

std::string ip_text(const identity::SourceAddress& source) {
  char text[INET6_ADDRSTRLEN] = {};
  if (std::equal(kMappedV4.begin(), kMappedV4.end(), source.ip.begin())) {
    inet_ntop(AF_INET, source.ip.data() + kMappedV4.size(), text, sizeof text);
  } else {
    inet_ntop(AF_INET6, source.ip.data(), text, sizeof text);
  }
  return text;
}

std::optional<identity::SourceAddress> ip_from(const std::string& text) {
  identity::SourceAddress out;
  if (inet_pton(AF_INET6, text.c_str(), out.ip.data()) == 1) return out;
  std::ranges::copy(kMappedV4, out.ip.begin());
  if (inet_pton(AF_INET, text.c_str(), out.ip.data() + kMappedV4.size()) == 1) return out;
  return std::nullopt;
}

json::object to_json(const Row& row) {
  return {{"capable_devices", row.entry.capable_devices},
          {"direction", name(row.direction)},
          {"handle", row.target},
          {"looked_up_handle", row.entry.looked_up_handle},
          {"source_handle", row.entry.source_handle},
          {"source_ip", ip_text(row.entry.source)},
          {"time", to_text_millis(row.entry.time)}};
}

std::optional<Row> row_from(const json::value& value) {
  const auto* object = value.if_object();
  if (object == nullptr || !has_exactly(*object, {"capable_devices", "direction", "handle", "looked_up_handle",
                                                  "source_handle", "source_ip", "time"}))
    return std::nullopt;
  const auto devices = number_of(*object, "capable_devices");
  const auto direction = text_of(*object, "direction"), handle = text_of(*object, "handle"),
             looked_up = text_of(*object, "looked_up_handle"), source = text_of(*object, "source_handle"),
             ip = text_of(*object, "source_ip"), time = text_of(*object, "time");
  if (!devices || *devices > UINT32_MAX || !direction || (*direction != "by" && *direction != "of") || !handle ||
      !looked_up || !source || !ip || !time)
    return std::nullopt;
  const auto at = time_millis_from(*time);
  const auto address = ip_from(*ip);
  if (!at || !address) return std::nullopt;
  Row out;
  out.target = *handle;
  out.direction = *direction == "by" ? Direction::by : Direction::of;
  out.entry = {.time = *at,
               .source_handle = *source,
               .source = *address,
               .looked_up_handle = *looked_up,
               .capable_devices = static_cast<std::uint32_t>(*devices)};
  return out;
}

std::string json_head(const CaseId& id) {
  return R"({"case":")" + to_text(id) + R"(","format":"opaline lookups 1","lookups":[)";
}

}  // namespace

Counts count(const std::vector<std::string>& handles, const std::vector<Row>& rows) {
  Counts out;
  for (const auto& handle : handles) out.push_back({handle, 0, 0});
  for (const auto& row : rows) {
    const auto at = std::ranges::find(out, row.target, &Count::handle);
    if (at != out.end()) ++(row.direction == Direction::by ? at->by : at->of);
  }
  return out;
}

// ---------------------------------------------------------------- files

SecretBytes csv_of(const std::vector<Row>& rows) {
  SecretBytes out;
  internal::append(out, kCsvHead);
  for (const auto& row : rows) {
    internal::add_cell(out, row.target, ',');
    internal::add_cell(out, name(row.direction), ',');
    internal::add_cell(out, to_text_millis(row.entry.time), ',');
    internal::add_cell(out, row.entry.source_handle, ',');
    internal::add_cell(out, ip_text(row.entry.source), ',');
    internal::add_cell(out, row.entry.looked_up_handle, ',');
    internal::add_cell(out, std::to_string(row.entry.capable_devices), '\n');
  }
  return out;
}

SecretBytes json_of(const CaseId& id, std::uint32_t number, const std::vector<Row>& rows) {
  SecretBytes out;
  internal::append(out, json_head(id));
  for (const auto& row : rows) {
    if (&row != rows.data()) internal::append(out, ",");
    internal::append(out, canonical_own(to_json(row)));
  }
  internal::append(out, R"(],"number":)" + std::to_string(number) + "}");
  return out;
}

std::optional<std::vector<Row>> rows_from(const CaseId& id, std::uint32_t number, ByteView text) {
  const auto value = parse_canonical(as_text(text));
  const auto* object = value ? value->if_object() : nullptr;
  if (object == nullptr || !has_exactly(*object, {"case", "format", "lookups", "number"})) return std::nullopt;
  const auto* lookups = array_of(*object, "lookups");
  if (text_of(*object, "case") != to_text(id) || text_of(*object, "format") != "opaline lookups 1" ||
      number_of(*object, "number") != number || lookups == nullptr || lookups->size() > kMaxRows)
    return std::nullopt;
  std::vector<Row> out;
  for (const auto& one : *lookups) {
    auto row = row_from(one);
    if (!row) return std::nullopt;
    out.push_back(std::move(*row));
  }
  return out;
}

// ---------------------------------------------------------------- the manifest

json::object core_of(const ProductionInput& input, const std::vector<File>& files) {
  json::array approvals;
  for (const auto& one : input.approvals) {
    approvals.push_back({{"at", to_text_millis(one.at)},
                         {"key", to_base64url(one.key.view())},
                         {"officer", one.officer},
                         {"signature", to_base64url(one.signature.view())}});
  }
  json::array names;
  for (const auto& file : files) {
    names.push_back({{"bytes", file.content.size()}, {"name", file.name}, {"sha256", sha256_hex(file.content)}});
  }
  json::array unreadable;
  for (const auto day : input.gaps.unreadable_days) unreadable.push_back(json::string(to_text(day)));
  return {{"approvals", std::move(approvals)},
          {"approved_counts", to_json(input.counts)},
          {"case", to_text(input.id)},
          {"counts", to_json(count(input.facts.handles, input.rows))},
          {"damaged", input.gaps.damaged},
          {"facts", to_json(input.facts)},
          {"files", std::move(names)},
          {"format", "opaline production 1"},
          {"from", to_text(input.from)},
          {"made", to_text(input.made)},
          {"number", input.number},
          {"retention_days", input.retention.count()},
          {"revision", input.revision},
          {"service", {{"key_sha256", input.service}, {"name", input.service_name}}},
          {"to", to_text(input.to)},
          {"unreadable_days", std::move(unreadable)}};
}

Production render(const ProductionInput& input, const ledger::Ledger& service) {
  Production out;
  out.files.push_back({std::string(kCsvName), csv_of(input.rows)});
  out.files.push_back({std::string(kJsonName), json_of(input.id, input.number, input.rows)});
  out.files.push_back({std::string(kStatementName), statement_of(input)});
  auto core = core_of(input, out.files);
  const auto text = canonical_own(core);
  out.core_sha256 = sha256_of(text);
  const auto signature = service.sign(kProductionLabel, as_view(text));
  const auto manifest = canonical_own(json::object{{"core", std::move(core)},
                                                   {"service_key", to_base64url(service.public_key().view())},
                                                   {"service_signature", to_base64url(signature.view())}});
  out.files.push_back({std::string(kManifestName), to_secret_bytes(as_view(manifest))});
  return out;
}

json::object to_json(const LedgerPart& part) {
  json::array events;
  for (const auto& event : part.events) {
    json::array proof;
    for (const auto& hash : event.proof) proof.push_back(json::string(to_hex(hash)));
    events.push_back({{"event", event.text},
                      {"index", event.index},
                      {"kind", event.kind},
                      {"proof", std::move(proof)},
                      {"salt", to_hex(event.salt)},
                      {"time", to_text_millis(event.time)}});
  }
  return {{"events", std::move(events)}, {"head", to_base64url(ledger::encode(part.head))}};
}

std::optional<LedgerPart> ledger_part_from(const json::object& object) {
  const auto* events = array_of(object, "events");
  const auto head = text_of(object, "head");
  const auto head_bytes = head ? from_base64url(*head) : std::nullopt;
  const auto signed_head = head_bytes ? ledger::decode_signed_head(*head_bytes) : std::nullopt;
  if (!has_exactly(object, {"events", "head"}) || events == nullptr || events->size() > 4 || !signed_head)
    return std::nullopt;
  LedgerPart out{.events = {}, .head = *signed_head};
  const auto hash_of = [](const std::optional<std::string>& hex) -> std::optional<ledger::Hash> {
    const auto bytes = hex ? from_hex(*hex) : std::nullopt;
    if (!bytes || bytes->size() != 32 || to_hex(*bytes) != *hex) return std::nullopt;  // lower case alone
    return to_array<32>(*bytes);
  };
  for (const auto& value : *events) {
    const auto* one = value.if_object();
    if (one == nullptr || !has_exactly(*one, {"event", "index", "kind", "proof", "salt", "time"})) return std::nullopt;
    const auto text = text_of(*one, "event"), time = text_of(*one, "time");
    const auto index = number_of(*one, "index"), kind = number_of(*one, "kind");
    const auto salt = hash_of(text_of(*one, "salt"));
    const auto* proof = array_of(*one, "proof");
    const auto at = time ? time_millis_from(*time) : std::nullopt;
    if (!text || !at || !index || !kind || *kind > 255 || !salt || proof == nullptr || proof->size() > 64)
      return std::nullopt;
    ProvenEvent event{*text, *salt, *index, *at, static_cast<std::uint8_t>(*kind), {}};
    for (const auto& hash : *proof) {
      const auto bytes = hash.is_string() ? hash_of(std::string(hash.get_string())) : std::nullopt;
      if (!bytes) return std::nullopt;
      event.proof.push_back(*bytes);
    }
    out.events.push_back(std::move(event));
  }
  return out;
}

std::optional<std::vector<File>> complete(std::vector<File> files, const LedgerPart& part) {
  const auto manifest = std::ranges::find(files, kManifestName, &File::name);
  if (manifest == files.end()) return std::nullopt;
  auto value = parse_canonical(as_text(manifest->content));
  if (!value || !value->is_object()) return std::nullopt;
  value->get_object()["ledger"] = to_json(part);
  manifest->content = to_secret_bytes(as_view(canonical_own(*value)));
  return files;
}

}  // namespace opaline::records
