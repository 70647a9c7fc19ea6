#include "gateway/translate.hpp"

#include "crypto/aes_ctr.hpp"
#include "crypto/hash.hpp"
#include "gateway/files.hpp"
#include "msp/payload.hpp"

namespace opaline::gateway {
namespace {

using msp::Error;
using msp::Problem;

// Both rooms have the limits that the other's are made to fit.
static_assert(msp::kMaxAttachments == wire::kMaxAttachments);
static_assert(msp::kMaxAttachmentBytes == wire::kMaxAttachmentBytes);
static_assert(msp::kMaxFileNameBytes == wire::kMaxFileNameBytes);
static_assert(msp::kMaxMediaTypeBytes == wire::kMaxMediaTypeBytes);
static_assert(msp::kMaxInlineInteractiveBytes == wire::kMaxPartJsonBytes);

constexpr std::string_view kPlaceholder = "\xef\xbf\xbc";  // U+FFFC
constexpr std::string_view kPayloadName = "interactive.json.gz", kPayloadType = "application/gzip";

SecretBytes bytes_of(const msp::Text& text) {
  return to_secret_bytes(as_view(text.view()));
}

Problem at(std::string_view pointer, Error error, std::string_view message, unsigned status = 400) {
  return {.status = status, .error = error, .pointer = std::string(pointer), .header = {}, .message = message};
}

constexpr std::string_view kForeignUrl = "it is no file of this service; send the url as preUpload gave it";

// ---------------------------------------------------------------- to the person

/// Nobody has release tokens of files that came through the gateway: the service keeps them for its 30 days.
SecretBytes no_release() {
  return SecretBytes(wire::kAttachmentPartBytes);
}

Result<endpoint::Attachment, Problem> take(const msp::Attachment& from, std::size_t index, const net::Url& service) {
  const auto blob = blob_of(from.url, service);
  if (!blob) return fail(at("/attachments/" + std::to_string(index) + "/url", Error::malformed, kForeignUrl));
  return endpoint::Attachment{.blob = *blob,
                              .key = to_secret_bytes(from.key.reveal()),
                              .sha256 = from.signature,
                              .size_bytes = from.size_bytes,
                              .name = std::string(msp::file_name(from).view()),
                              .type = std::string(from.mime_type.view()),
                              .release = no_release()};
}

/// The words without the U+FFFC at their end, which say nothing: files that stand nowhere stand at the end.
std::string_view without_last_places(std::string_view text) {
  while (text.ends_with(kPlaceholder)) text.remove_suffix(kPlaceholder.size());
  return text;
}

struct Preparation {
  std::optional<endpoint::Attachment> large;
  const net::Url& service;
  Prepared& out;
  wire::BusinessPart part{};
  SecretBytes json{};  // what `part` borrows

  Result<void, Problem> operator()(const msp::TextMessage& text) {
    if (text.attachments.size() + (large ? 1 : 0) > wire::kMaxAttachments) {
      return fail(at("/body", Error::oversized, "a text of more than 16384 bytes leaves room for 7 attachments", 413));
    }
    for (std::size_t i = 0; i < text.attachments.size(); ++i) {
      OPALINE_TRY(auto one, take(text.attachments[i], i, service));
      out.attachments.push_back(std::move(one));
    }
    if (!large) out.text = to_secret_bytes(as_view(without_last_places(text.body.view())));
    add_large();
    return {};
  }
  Result<void, Problem> operator()(const msp::Interactive& interactive) {
    part.kind = wire::PartKind::interactive;
    if (!large) part.json = interactive.json;
    add_large();
    return {};
  }
  Result<void, Problem> operator()(const msp::DataRef& ref) {
    const auto blob = blob_of(ref.url, service);
    if (!blob) return fail(at("/interactiveDataRef/url", Error::malformed, kForeignUrl));
    if (!ref.key) {
      return fail(at("/interactiveDataRef/key", Error::missing,
                     "send the key, or the dataRef with its dataRefSig as this business was answered with it"));
    }
    part.kind = wire::PartKind::interactive;
    large = endpoint::Attachment{.blob = *blob,
                                 .key = to_secret_bytes(ref.key->reveal()),
                                 .sha256 = ref.signature,
                                 .size_bytes = ref.size_bytes,
                                 .name = std::string(kPayloadName),
                                 .type = std::string(kPayloadType),
                                 .release = no_release()};
    add_large();
    return {};
  }
  Result<void, Problem> operator()(const msp::RichLink& link) {
    part.kind = wire::PartKind::rich_link;
    if (!large) json = msp::write_rich_link(link);
    part.json = json;
    add_large();
    return {};
  }
  Result<void, Problem> operator()(const msp::Typing&) {
    OPALINE_ASSERT(!"typing is nothing to prepare");
    return {};
  }

  void add_large() {
    if (!large) return;
    part.in_file = true;
    out.attachments.push_back(std::move(*large));
  }
};

// ---------------------------------------------------------------- to the business

constexpr struct {
  wire::Capability device;
  msp::Capability named;
} kCapabilities[] = {
    {wire::Capability::auth, msp::Capability::auth},   {wire::Capability::list, msp::Capability::list},
    {wire::Capability::time, msp::Capability::time},   {wire::Capability::form, msp::Capability::form},
    {wire::Capability::quick, msp::Capability::quick}, {wire::Capability::auth2, msp::Capability::auth2}};

msp::Capabilities both(std::uint32_t device, msp::Capabilities business) {
  msp::Capabilities out;
  for (const auto& one : kCapabilities) {
    if ((device & static_cast<std::uint32_t>(one.device)) != 0 && business.has(one.named)) out.add(one.named);
  }
  return out;
}

/// Signature, size, key and place of a file, as the MSP's form has them; what is wrong with them write_webhook finds.
Result<msp::AttachmentKey, Error> key_of(const endpoint::Attachment& file) {
  if (file.key.size() != msp::kAttachmentKeyBytes) return fail(Error::malformed);
  return msp::AttachmentKey(ByteView(file.key).first<msp::kAttachmentKeyBytes>());
}

struct Writing {
  const Received& received;
  const BusinessConfig& business;
  const net::Url& service;
  const wire::BusinessPart& part;

  using Content = decltype(msp::Inbound::content);

  Result<Content, Error> content() const {
    switch (received.kind) {
      case Received::Kind::typing_start:
        return msp::Typing{.active = true};
      case Received::Kind::typing_end:
        return msp::Typing{.active = false};
      case Received::Kind::closed:
        return msp::Closed{};
      case Received::Kind::delivered:
        return msp::Status{.message = received.about, .read = false};
      case Received::Kind::read:
        return msp::Status{.message = received.about, .read = true};
      case Received::Kind::message:
        break;
    }
    switch (part.kind) {
      case wire::PartKind::words:
        return words();
      case wire::PartKind::unknown:  // of a newer client: its words are for who cannot read the rest
        return words();
      case wire::PartKind::interactive:
        return reply();
      case wire::PartKind::close:
        return msp::Closed{};
      case wire::PartKind::rich_link:
        break;
    }
    return fail(Error::unsupported);  // only a business sends rich links
  }

 private:
  Result<Content, Error> words() const {
    // A text in a file stays one: it is the last attachment, of type text/plain.
    msp::InboundText out{.body = msp::Text(as_text(received.text)), .attachments = {}};
    for (const endpoint::Attachment& file : received.attachments) {
      OPALINE_TRY(msp::AttachmentKey key, key_of(file));
      out.attachments.push_back(msp::Attachment{.name = msp::Text(file.name),
                                                .mime_type = msp::Text(file.type),
                                                .size_bytes = file.size_bytes,
                                                .signature = file.sha256,
                                                .url = url_of(file.blob, service),
                                                .owner = msp::to_text(business.id),
                                                .key = std::move(key)});
    }
    return out;
  }

  Result<Content, Error> reply() const {
    // The API has no answer with files; one that had them would lose them here.
    if (received.attachments.size() != (part.in_file ? 1 : 0)) return fail(Error::mismatch);
    if (!part.in_file) {
      return msp::InboundReply{.body = msp::Text(as_text(received.text)), .json = to_secret_bytes(part.json)};
    }
    const endpoint::Attachment& file = received.attachments.front();
    OPALINE_TRY(msp::AttachmentKey key, key_of(file));
    return msp::DataRef{.bid = std::string(msp::kBusinessExtension),  // custom apps have no answers
                        .owner = msp::to_text(business.id),
                        .url = url_of(file.blob, service),
                        .title = msp::Text(as_text(received.text)),
                        .size_bytes = file.size_bytes,
                        .signature = file.sha256,
                        .service_signature = {},
                        .key = std::move(key)};
  }
};

}  // namespace

LargePart payload_part(const msp::Interactive& interactive) {
  return {.plain = msp::pack_payload(interactive.json),
          .name = std::string(kPayloadName),
          .type = std::string(kPayloadType)};
}

std::optional<LargePart> large_part(const msp::Outbound& message) {
  if (const auto* const text = std::get_if<msp::TextMessage>(&message.content)) {
    if (without_last_places(text->body.view()).size() <= wire::kMaxTextBytes) return std::nullopt;
    return LargePart{.plain = bytes_of(text->body), .name = "message.txt", .type = "text/plain; charset=utf-8"};
  }
  if (const auto* const interactive = std::get_if<msp::Interactive>(&message.content)) {
    if (interactive->json.size() <= msp::kMaxInlineInteractiveBytes) return std::nullopt;
    return payload_part(*interactive);
  }
  if (const auto* const link = std::get_if<msp::RichLink>(&message.content)) {
    SecretBytes json = msp::write_rich_link(*link);
    if (json.size() <= wire::kMaxPartJsonBytes) return std::nullopt;
    return LargePart{.plain = std::move(json), .name = "link.json", .type = "application/json"};
  }
  return std::nullopt;
}

SealedFile seal_file(LargePart part, RandomSource& random) {
  SecretBytes key(wire::kAttachmentPartBytes);
  random.fill(key);
  SealedFile out{.ciphertext = Bytes(part.plain.size()), .attachment = {}};
  crypto::Aes256Ctr(ByteView(key).first<crypto::Aes256Ctr::kKeyBytes>()).apply(part.plain, out.ciphertext);
  out.attachment = endpoint::Attachment{.blob = {},
                                        .key = std::move(key),
                                        .sha256 = crypto::sha256({out.ciphertext}),
                                        .size_bytes = out.ciphertext.size(),
                                        .name = std::move(part.name),
                                        .type = std::move(part.type),
                                        .release = no_release()};
  return out;
}

Result<Prepared, msp::Problem> prepare(const msp::Outbound& message, std::optional<endpoint::Attachment> large,
                                       const net::Url& service) {
  const auto to = credentials::OpaqueId::parse(message.headers.destination);
  if (!to) {
    return fail(Problem{.status = 404,
                        .error = Error::unknown,
                        .pointer = {},
                        .header = "destination-id",
                        .message = "there is nobody of this id; send it as it came in source-id"});
  }
  Prepared out{.id = message.headers.id, .to = *to, .text = {}, .attachments = {}, .part = {}};
  Preparation preparation{.large = std::move(large), .service = service, .out = out};
  OPALINE_CHECK(std::visit([&](const auto& content) { return preparation(content); }, message.content));
  wire::BusinessPart& part = preparation.part;
  part.automatic = message.headers.auto_reply;
  if (part.kind != wire::PartKind::words || part.in_file || part.automatic) {
    const auto encoded = wire::encode(out.part, part);
    OPALINE_ASSERT(encoded.has_value());  // all that is in it was held to smaller limits
  }
  return out;
}

Result<msp::Webhook, msp::Error> webhook_for(const Received& received, const BusinessConfig& business,
                                             const net::Url& service) {
  wire::BusinessPart part;
  if (!received.part.empty()) {
    const auto decoded = wire::decode_business_part(received.part);
    if (!decoded) return fail(decoded.error() == wire::ContentError::oversized ? Error::oversized : Error::malformed);
    part = *decoded;
  }
  if (!part.opaque_id.empty()) {
    const auto id = credentials::OpaqueId::parse(received.opaque_id);
    if (!id || !equal(id->bytes(), part.opaque_id)) return fail(Error::mismatch);
  }
  if (!msp::is_text(as_text(received.text))) return fail(Error::malformed);
  msp::Inbound out{.id = received.id,
                   .source = received.opaque_id,
                   .destination = business.id,
                   .group = msp::Text(as_text(part.group)),
                   .intent = msp::Text(as_text(part.intent)),
                   .locale = msp::Text(as_text(part.locale)),
                   .content = msp::Closed{}};
  OPALINE_TRY(out.content, (Writing{received, business, service, part}.content()));
  const bool said = !received.part.empty();
  return msp::write_webhook(
      out, {.capabilities = said ? both(part.capabilities, business.capabilities) : business.capabilities,
            .device_agent = as_text(part.device_agent),
            .gzip = business.gzip});
}

}  // namespace opaline::gateway
