#include "msp/connector.hpp"

#include "msp/gzip.hpp"
#include "msp/internal/reading.hpp"
#include "msp/internal/writing.hpp"

namespace opaline::msp {
namespace {

using internal::Field;
using internal::Findings;
using internal::Need;

Problem bad(Error error, std::string_view header, std::string_view message, unsigned status = 400) {
  return {.status = status, .error = error, .pointer = {}, .header = header, .message = message};
}

struct Heads {
  Uuid id, business;
  std::string person;
  bool zipped = false;
};
Result<Heads, Problem> read_heads(HeaderFields fields) {
  OPALINE_TRY(const auto id_text, find_header(fields, "id"));
  OPALINE_TRY(const auto source, find_header(fields, "source-id"));
  OPALINE_TRY(const auto destination, find_header(fields, "destination-id"));
  OPALINE_TRY(const auto encoding, find_header(fields, "content-encoding"));
  const auto id = parse_uuid(id_text);
  if (!id) return fail(bad(Error::malformed, "id", "it must be a UUID"));
  if (!is_opaque_id(source)) return fail(bad(Error::malformed, "source-id", "it must be an opaque id"));
  const auto business = parse_uuid(destination);
  if (!business) return fail(bad(Error::malformed, "destination-id", "it must be a UUID"));
  if (!encoding.empty() && encoding != "gzip")
    return fail(bad(Error::unsupported, "content-encoding", "it must be gzip, or not there"));
  return Heads{.id = *id, .business = *business, .person = std::string(source), .zipped = !encoding.empty()};
}

void check_same(const Field& body, const Heads& heads) {
  if (const Field id = body["id"]; parse_uuid(id.raw_string()) != heads.id)
    id.problem(Error::mismatch, "it must be the same UUID as in the header id");
  if (const Field source = body["sourceId"]; source.present() && source.raw_string() != heads.person)
    source.problem(Error::mismatch, "it must be the same as in the header source-id");
  if (const Field to = body["destinationId"]; to.present() && parse_uuid(to.raw_string()) != heads.business)
    to.problem(Error::mismatch, "it must be the same as in the header destination-id");
  if (const Field version = body["v"]; version.integer(INT64_MIN, INT64_MAX, 0) != 1)
    version.problem(Error::unsupported, "the only version is 1");
}

}  // namespace

Result<FromPerson, Problem> read_webhook(HeaderFields fields, ByteView body) {
  OPALINE_TRY(Heads heads, read_heads(fields));
  SecretBytes opened;
  if (heads.zipped) {
    auto plain = gunzip(body, kMaxBodyBytes);
    if (!plain) {
      const bool large = plain.error() == Error::oversized;
      return fail(bad(plain.error(), {}, "the body is no gzip of a message", large ? 413 : 400));
    }
    opened = std::move(*plain);
    body = opened;
  }
  OPALINE_TRY(const auto document, internal::read_json(body));
  Findings findings;
  const Field root(findings, document);
  root.require_object();
  check_same(root, heads);
  FromPerson out{.id = heads.id, .person = std::move(heads.person), .business = heads.business, .content = {}};
  const std::string_view type = root["type"].raw_string();
  if (type == "text") {
    PersonText text{.body = root["body"].text(kMaxTextCharacters, Need::optional), .attachments = 0};
    text.attachments = root["attachments"].elements(0, kMaxAttachments, "a message has at most 8 attachments").size();
    out.content = std::move(text);
  } else if (type == "close") {
    out.content = Closed{};
  } else {
    out.content = OtherContent{};
    if (type.empty()) root["type"].problem(Error::missing, "it is required");
  }
  if (!findings.good()) return fail(findings.take());
  return out;
}

Webhook write_text(const Uuid& id, const Uuid& business, std::string_view person, std::string_view text) {
  OPALINE_ASSERT(is_text(text) && !text.empty() && count_characters(text) <= kMaxTextCharacters);
  const std::string id_text = to_text(id), from = to_text(business);
  Webhook out;
  out.body.reserve(512 + text.size());
  internal::JsonWriter json(out.body);
  json.begin_object().key("v").integer(1).key("id").string(id_text).key("sourceId").string(from);
  json.key("destinationId").string(person).key("type").string("text").key("body").string(text).end_object();
  out.headers = {{"Content-Type", "application/json"},
                 {"id", id_text},
                 {"source-id", from},
                 {"destination-id", std::string(person)}};
  return out;
}

}  // namespace opaline::msp
