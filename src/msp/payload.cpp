#include "msp/payload.hpp"

#include "msp/gzip.hpp"
#include "msp/internal/interactive.hpp"
#include "msp/reply.hpp"

namespace opaline::msp {
namespace {

using internal::Field;
using internal::Findings;
using internal::Need;

Problem whole_body(unsigned status, Error error, std::string_view message) {
  return {.status = status, .error = error, .pointer = {}, .header = {}, .message = message};
}

/// A question or a reply. A question stays without a session identifier if it had none: none was chosen.
Result<SecretBytes, Problem> read_either(ByteView json) {
  auto question = parse_interactive(json, Uuid{});
  if (question) return internal::canonical(json);
  auto reply = check_reply(json);
  if (reply) return reply;
  // Of the two problems, that of what it looks like.
  const auto value = internal::read_json(json, {.bytes = kMaxPayloadBytes});
  const bool asks = value && value->is_object() && value->get_object().contains("receivedMessage");
  return asks ? fail(std::move(question.error())) : reply;
}

}  // namespace

SecretBytes pack_payload(ByteView interactive_json) {
  return gzip(interactive_json);
}

Result<SecretBytes, Problem> decode_payload(ByteView raw) {
  SecretBytes plain;
  if (is_gzip(raw)) {
    auto opened = gunzip(raw, kMaxPayloadBytes);
    if (!opened) {
      return fail(opened.error() == Error::oversized
                      ? whole_body(413, Error::oversized, "the payload is too large when its gzip is opened")
                      : whole_body(400, Error::malformed, "the gzip is damaged, cut short, or followed by more"));
    }
    plain = std::move(*opened);
  } else if (raw.size() > kMaxPayloadBytes) {
    return fail(whole_body(413, Error::oversized, "the payload is too large"));
  } else if (raw.empty() || raw.front() != std::byte{'{'}) {
    return fail(whole_body(400, Error::malformed,
                           "this is no payload: decrypt the blob with AES-256-CTR, 16 zero bytes as counter, and the "
                           "key without its 00, and send the result as it is"));
  } else {
    plain = to_secret_bytes(raw);
  }
  return read_either(plain);
}

Result<SecretBytes, Problem> encode_payload(ByteView body, const Uuid& session) {
  OPALINE_TRY(auto value, internal::read_json(body));
  Findings findings;
  Interactive interactive;
  {
    const Field root(findings, value);
    root.require_object();
    const Field version = root["v"];
    if (version.integer(INT64_MIN, INT64_MAX, 1) != 1) version.problem(Error::unsupported, "the only version is 1");
    const Field type = root["type"];
    if (type.label(Need::required).view() != "interactive") type.problem(Error::unsupported, "it must be interactive");
    interactive = internal::read_interactive(root["interactiveData"]);
  }
  if (!findings.good()) return fail(findings.take());
  internal::seal_interactive(interactive, value.at("interactiveData"), session);
  return pack_payload(interactive.json);
}

Result<ConstructRequest, Problem> parse_construct(ByteView body) {
  OPALINE_TRY(const auto value, internal::read_json(body));
  Findings findings;
  const Field root(findings, value);
  root.require_object();
  if (root["type"].label(Need::required).view() != "link") {
    root["type"].problem(Error::unsupported, "the only type is link");
  }
  if (root["version"].number(1, 1, Need::required) != 1) {
    root["version"].problem(Error::unsupported, "the only version is 1.0");
  }
  const Field link = root["link"];
  link.require_object();
  ConstructRequest out{.url = link["url"].text(kMaxUrlBytes, Need::required),
                       .store_region = link["storeRegion"].label()};
  if (!out.url.view().starts_with("https://") || !is_plain_text(out.url.view())) {
    link["url"].problem(Error::malformed, "it must be an https:// URL");
  }
  if (!findings.good()) return fail(findings.take());
  return out;
}

}  // namespace opaline::msp
