#include "msp/message.hpp"

#include <algorithm>

#include "msp/internal/blob_fields.hpp"
#include "msp/internal/interactive.hpp"
#include "msp/internal/placeholders.hpp"
#include "msp/internal/writing.hpp"

namespace opaline::msp {
namespace {

namespace json = internal::json;
using internal::Field;
using internal::Findings;
using internal::Need;

/// Headers and body name the same message, sender and recipient.
void check_same(const Field& body, const MessageHeaders& headers) {
  const Field id = body["id"];
  if (!id.present()) {
    id.problem(Error::missing, "it is required: the UUID of the header id");
  } else if (parse_uuid(id.raw_string()) != headers.id) {
    id.problem(Error::mismatch, "it must be the same UUID as in the header id");
  }
  // The headers decide: these two may be left out.
  const Field source = body["sourceId"];
  if (source.present() && parse_uuid(source.raw_string()) != headers.source) {
    source.problem(Error::mismatch, "it must be the same as in the header source-id");
  }
  const Field destination = body["destinationId"];
  if (destination.present() && destination.raw_string() != headers.destination) {
    destination.problem(Error::mismatch, "it must be the same as in the header destination-id");
  }
  const Field version = body["v"];
  if (!version.present()) {
    version.problem(Error::missing, "it is required: 1");
  } else if (version.integer(INT64_MIN, INT64_MAX, 0) != 1) {
    version.problem(Error::unsupported, "the only version is 1");
  }
}

Attachment read_attachment(const Field& field) {
  field.require_object();
  const Field media_type = field.either("mimeType", "mime-type");
  Attachment out{.name = field["name"].text(kMaxFileNameBytes, Need::optional),
                 .mime_type = media_type.text(kMaxMediaTypeBytes, Need::optional),
                 .size_bytes = internal::read_blob_size(field),
                 .signature = internal::read_signature(field),
                 .url = internal::read_token(field.either("url", "mmcs-url"), kMaxUrlBytes),
                 .owner = internal::read_token(field.either("owner", "mmcs-owner"), kMaxOwnerBytes),
                 .key = {}};
  if (out.name.view().size() > kMaxFileNameBytes) field["name"].problem(Error::oversized, "it has at most 200 bytes");
  if (!std::ranges::all_of(out.mime_type.view(), [](char c) { return c >= ' ' && c <= '~'; })) {
    media_type.problem(Error::malformed, "it must be a media type such as image/png");
  }
  if (auto key = internal::read_key(field, Need::required)) out.key = std::move(*key);
  return out;
}

TextMessage read_text(const Field& root) {
  const Field body = root["body"];
  TextMessage out{.body = body.text(kMaxTextCharacters, Need::optional), .attachments = {}};
  for (const Field& one : root["attachments"].elements(0, kMaxAttachments, "a message has at most 8 attachments")) {
    out.attachments.push_back(read_attachment(one));
  }
  if (out.body.empty() && out.attachments.empty()) {
    body.problem(Error::missing, "it is required where there are no attachments");
  }
  if (!internal::complete_placeholders(out.body, out.attachments.size())) {
    body.problem(Error::mismatch, "it has more U+FFFC than there are attachments; one was lost, or send none");
  }
  return out;
}

bool is_web_url(std::string_view url) {
  const std::size_t scheme = url.starts_with("https://") ? 8 : url.starts_with("http://") ? 7 : 0;
  return scheme != 0 && url.size() > scheme && url.find_first_of(" \n\t") == url.npos && is_plain_text(url);
}

RichLink read_rich_link(const Field& link) {
  link.require_object();
  const Field image = link["assets"]["image"];
  const Field video = link["assets"]["video"];
  RichLink out{.url = link["url"].text(kMaxUrlBytes, Need::required),
               .title = link["title"].label(Need::required),
               .image_type = {},
               .image = {},
               .video_url = {},
               .video_type = {}};
  if (!out.url.empty() && !is_web_url(out.url.view())) {
    link["url"].problem(Error::malformed, "it must be an https:// or http:// URL");
  }
  image.require_object();
  out.image = image["data"].base64(kMaxRichImageBytes, Need::required, "the image has at most 200 kB");
  out.image_type = image["mimeType"].text(kMaxMediaTypeBytes, Need::required);
  if (video.present()) {
    out.video_url = video["url"].text(kMaxUrlBytes, Need::required);
    out.video_type = video["mimeType"].text(kMaxMediaTypeBytes, Need::required);
    if (!out.video_url.empty() && !is_web_url(out.video_url.view())) {
      video["url"].problem(Error::malformed, "it must be an https:// or http:// URL");
    }
  }
  return out;
}

/// `interactiveData`, or `interactiveDataRef`, not both.
void read_interactive_content(const Field& root, Outbound& out) {
  const Field data = root["interactiveData"];
  const Field reference = root["interactiveDataRef"];
  if (data.present() && reference.present()) {
    reference.problem(Error::malformed, "send interactiveData or interactiveDataRef, not both");
  } else if (reference.present()) {
    out.content = internal::read_data_ref(reference);
  } else if (data.present()) {
    out.content = internal::read_interactive(data);
  } else {
    data.problem(Error::missing, "it, or interactiveDataRef, is required");
  }
}

void read_content(const Field& root, Outbound& out) {
  const Field type = root["type"];
  const std::string_view name = type.raw_string();
  if (name == "text") {
    out.content = read_text(root);
  } else if (name == "interactive") {
    read_interactive_content(root, out);
  } else if (name == "richLink") {
    out.content = read_rich_link(root["richLinkData"]);
  } else if (name == "typing_start" || name == "typing_end") {
    out.content = Typing{.active = name == "typing_start"};
  } else if (name == "close") {
    type.problem(Error::unsupported, "only a person closes a conversation");
  } else {
    type.problem(type.present() ? Error::unsupported : Error::missing,
                 "it must be text, interactive, richLink, typing_start or typing_end");
  }
}

/// Controls, separators of paths and lines, and what turns the direction of writing (wire::is_file_name has the same).
bool has_no_place_in_a_name(std::string_view character) {
  return !is_plain_text(character) || character.find_first_of("/\\\n\t") != character.npos;
}

}  // namespace

Text file_name(const Attachment& attachment) {
  const std::string_view name = attachment.name.view();
  Text out;
  for (std::size_t at = 0; at < name.size();) {
    std::size_t size = 1;
    while (at + size < name.size() && (static_cast<unsigned char>(name[at + size]) & 0xc0) == 0x80) ++size;
    const std::string_view character = name.substr(at, size);
    const std::string_view kept = has_no_place_in_a_name(character) ? "_" : character;
    if (out.view().size() + kept.size() > kMaxFileNameBytes) break;
    out.append(kept);
    at += size;
  }
  if (out.empty() || out == "." || out == "..") return Text("attachment");
  return out;
}

Result<RichLink, Problem> parse_rich_link(ByteView json) {
  OPALINE_TRY(const json::value value, internal::read_json(json));
  Findings findings;
  RichLink out = read_rich_link(Field(findings, value));
  if (!findings.good()) return fail(findings.take());
  return out;
}

SecretBytes write_rich_link(const RichLink& link) {
  SecretBytes out;
  internal::JsonWriter json(out);
  json.begin_object().key("assets").begin_object();
  json.key("image").begin_object().key("data").base64(link.image).key("mimeType").string(link.image_type.view());
  json.end_object();
  if (!link.video_url.empty()) {
    json.key("video").begin_object().key("mimeType").string(link.video_type.view());
    json.key("url").string(link.video_url.view()).end_object();
  }
  json.end_object().key("title").string(link.title.view()).key("url").string(link.url.view()).end_object();
  return out;
}

Result<Outbound, Problem> parse_message(HeaderFields fields, ByteView body) {
  OPALINE_TRY(MessageHeaders headers, parse_message_headers(fields));
  OPALINE_TRY(json::value value, internal::read_json(body));
  Findings findings;
  Outbound out;
  {
    const Field root(findings, value);
    root.require_object();
    check_same(root, headers);
    read_content(root, out);
    out.group = root["group"].text(kMaxTagCharacters, Need::optional);
    out.intent = root["intent"].text(kMaxTagCharacters, Need::optional);
    out.locale = root["locale"].text(kMaxLocaleBytes, Need::optional);
  }
  if (!findings.good()) return fail(findings.take());
  if (auto* const interactive = std::get_if<Interactive>(&out.content)) {
    internal::seal_interactive(*interactive, value.at("interactiveData"), headers.id);
  }
  out.headers = std::move(headers);
  return out;
}

Result<Outbound, Problem> parse_authenticate(HeaderFields fields, ByteView body) {
  OPALINE_TRY(Outbound out, parse_message(fields, body));
  const auto* const interactive = std::get_if<Interactive>(&out.content);
  if (interactive == nullptr || !std::holds_alternative<Authentication>(interactive->kind)) {
    return fail(Problem{.status = 400,
                        .error = Error::missing,
                        .pointer = "/interactiveData/data/authenticate",
                        .header = {},
                        .message = "this endpoint takes authentication requests; send others to /v1/message"});
  }
  return out;
}

}  // namespace opaline::msp
