#include "msp/webhook.hpp"

#include <algorithm>

#include "msp/base64.hpp"
#include "msp/gzip.hpp"
#include "msp/internal/blob_fields.hpp"
#include "msp/internal/placeholders.hpp"

namespace opaline::msp {
namespace {

using internal::JsonWriter;

bool is_token(std::string_view text, std::size_t most) {
  return !text.empty() && text.size() <= most && std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~'; });
}
Result<void, Error> check_label(const Text& text, std::size_t most) {
  if (!is_text(text.view())) return fail(Error::malformed);
  if (count_characters(text.view()) > most) return fail(Error::oversized);
  return {};
}

Result<void, Error> check_blob(std::uint64_t size_bytes, std::string_view url, std::string_view owner) {
  if (size_bytes == 0 || size_bytes > kMaxAttachmentBytes) return fail(Error::oversized);
  if (!is_token(url, kMaxUrlBytes) || !is_token(owner, kMaxOwnerBytes)) return fail(Error::malformed);
  return {};
}

Result<void, Error> write_attachment(JsonWriter& json, const Attachment& attachment) {
  OPALINE_CHECK(check_blob(attachment.size_bytes, attachment.url, attachment.owner));
  OPALINE_CHECK(check_label(attachment.name, kMaxFileNameBytes));
  OPALINE_CHECK(check_label(attachment.mime_type, kMaxMediaTypeBytes));
  // Strict connectors want both of these.
  const std::string_view name = attachment.name.empty() ? "attachment" : attachment.name.view();
  const std::string_view type = attachment.mime_type.empty() ? "application/octet-stream" : attachment.mime_type.view();
  json.begin_object().key("name").string(name).key("mimeType").string(type);
  json.key("size").unsigned_integer(attachment.size_bytes);
  internal::write_signature(json, attachment.signature);
  json.key("url").string(attachment.url).key("owner").string(attachment.owner);
  internal::write_key(json, attachment.key);
  json.end_object();
  return {};
}

/// The members that a kind of message has of its own, `type` first.
struct ContentWriter {
  JsonWriter& json;

  Result<void, Error> operator()(const InboundText& text) {
    if (text.attachments.size() > kMaxAttachments) return fail(Error::oversized);
    OPALINE_CHECK(check_label(text.body, kMaxTextCharacters));
    const Text body = internal::with_placeholders(text.body.view(), text.attachments.size());
    if (body.empty()) return fail(Error::missing);
    json.key("type").string("text").key("body").string(body.view());
    if (text.attachments.empty()) return {};
    json.key("attachments").begin_array();
    for (const Attachment& one : text.attachments) OPALINE_CHECK(write_attachment(json, one));
    json.end_array();
    return {};
  }
  Result<void, Error> operator()(const InboundReply& reply) {
    OPALINE_CHECK(check_label(reply.body, kMaxLabelCharacters));
    auto checked = check_reply(reply.json);
    if (!checked) return fail(checked.error().error);
    json.key("type").string("interactive").member("body", reply.body.view());
    json.key("interactiveData").raw(*checked);
    return {};
  }
  Result<void, Error> operator()(const DataRef& ref) {
    OPALINE_CHECK(check_blob(ref.size_bytes, ref.url, ref.owner));
    OPALINE_CHECK(check_label(ref.title, kMaxLabelCharacters));
    if (!is_token(ref.bid, kMaxBidBytes)) return fail(Error::malformed);
    if (!ref.key) return fail(Error::missing);  // the MSP could not open it
    json.key("type").string("interactive").key("interactiveDataRef");
    internal::write_data_ref(json, ref);
    return {};
  }
  Result<void, Error> operator()(const Typing& typing) {
    json.key("type").string(typing.active ? "typing_start" : "typing_end");
    return {};
  }
  Result<void, Error> operator()(const Closed&) {
    json.key("type").string("close");
    return {};
  }
  Result<void, Error> operator()(const Status& status) {
    json.key("type").string("status").key("messageId").string(to_text(status.message));
    json.key("status").string(status.read ? "read" : "delivered");
    return {};
  }
};

}  // namespace

Result<Webhook, Error> write_webhook(const Inbound& message, const WebhookOptions& options) {
  if (!is_opaque_id(message.source)) return fail(Error::malformed);
  OPALINE_ASSERT(std::ranges::all_of(options.device_agent, [](char c) { return c >= ' ' && c <= '~'; }));
  OPALINE_CHECK(check_label(message.group, kMaxTagCharacters));
  OPALINE_CHECK(check_label(message.intent, kMaxTagCharacters));
  OPALINE_CHECK(check_label(message.locale, kMaxLocaleBytes));
  const std::string id = to_text(message.id);
  const std::string destination = to_text(message.destination);

  Webhook out;
  out.body.reserve(4096);  // most messages, so that nothing is copied and wiped on the way
  JsonWriter json(out.body);
  json.begin_object().key("v").integer(1).key("id").string(id);
  json.key("sourceId").string(message.source).key("destinationId").string(destination);
  OPALINE_CHECK(std::visit(ContentWriter{json}, message.content));
  json.member("group", message.group.view()).member("intent", message.intent.view());
  json.member("locale", message.locale.view()).end_object();

  out.headers = {{"Content-Type", "application/json"},
                 {"id", id},
                 {"source-id", message.source},
                 {"destination-id", destination},
                 {"capability-list", write_capabilities(options.capabilities)}};
  if (!options.device_agent.empty()) out.headers.push_back({"device-agent", std::string(options.device_agent)});
  if (options.gzip) {
    out.headers.push_back({"Content-Encoding", "gzip"});
    out.body = gzip(out.body);
  }
  return out;
}

WebhookSigner::WebhookSigner(const TokenKey& secret) : key_(secret.mac("opaline webhook signature v1")) {}

std::vector<Webhook::Header> WebhookSigner::sign(std::string_view id, Time now, ByteView body) const {
  const std::string timestamp = std::to_string(std::chrono::floor<seconds>(now).time_since_epoch().count());
  const auto mac = key_.mac({as_view(id), as_view("."), as_view(timestamp), as_view("."), body});
  return {
      {"webhook-id", std::string(id)}, {"webhook-timestamp", timestamp}, {"webhook-signature", "v1," + to_base64(mac)}};
}

}  // namespace opaline::msp
