#include "wire/business_part.hpp"

#include "base/utf8.hpp"
#include "wire/internal/content_fields.hpp"

namespace opaline::wire {
namespace {

using namespace internal;
using Message = opaline_content_v1_BusinessPart;

Result<void, ContentError> check_tag(ByteView tag) {
  if (tag.size() > kMaxTagBytes) return fail(ContentError::oversized);
  std::size_t characters = 0;
  if (!every_code_point(tag, [&](char32_t) { return ++characters > 0; })) return fail(ContentError::bad_utf8);
  if (characters > kMaxTagCharacters) return fail(ContentError::oversized);
  return {};
}

Result<void, ContentError> check_ascii(ByteView text, std::size_t limit) {
  if (text.size() > limit) return fail(ContentError::oversized);
  if (!is_printable_ascii(text)) return fail(ContentError::malformed);
  return {};
}

/// Where the kind says that there is JSON, it is either here or in the file; nowhere else there is any.
bool fits_kind(const BusinessPart& part) {
  switch (part.kind) {
    case PartKind::words:
      return part.json.empty();
    case PartKind::interactive:
    case PartKind::rich_link:
      return part.json.empty() == part.in_file;
    case PartKind::close:
      return part.json.empty() && !part.in_file;
    case PartKind::unknown:
      return true;
  }
  return false;
}

Result<void, ContentError> check(const BusinessPart& part) {
  OPALINE_CHECK(check_utf8(part.json, kMaxPartJsonBytes));
  OPALINE_CHECK(check_tag(part.intent));
  OPALINE_CHECK(check_tag(part.group));
  OPALINE_CHECK(check_ascii(part.locale, kMaxLocaleBytes));
  OPALINE_CHECK(check_ascii(part.device_agent, kMaxDeviceAgentBytes));
  OPALINE_CHECK(check_ascii(part.shared, kMaxSharedBytes));
  if (!part.opaque_id.empty() && part.opaque_id.size() != kOpaqueIdBytes) return fail(ContentError::malformed);
  if (part.answers && part.answers->is_zero()) return fail(ContentError::malformed);
  if (!fits_kind(part)) return fail(ContentError::malformed);
  return {};
}

}  // namespace

Result<void, ContentError> encode(SecretBytes& out, const BusinessPart& part) {
  if (part.kind == PartKind::unknown) return fail(ContentError::malformed);
  OPALINE_CHECK(check(part));
  const ByteView answers = part.answers ? ByteView(part.answers->view()) : ByteView();
  Message m = opaline_content_v1_BusinessPart_init_zero;
  m.kind = static_cast<opaline_content_v1_BusinessPart_Kind>(part.kind);
  m.json = encoder(part.json);
  m.in_file = part.in_file;
  m.answers = encoder(answers);
  m.opaque_id = encoder(part.opaque_id);
  m.intent = encoder(part.intent);
  m.group = encoder(part.group);
  m.locale = encoder(part.locale);
  m.device_agent = encoder(part.device_agent);
  m.capabilities = part.capabilities;
  m.shared = encoder(part.shared);
  m.automatic = part.automatic;
  std::size_t size = 0;
  OPALINE_ASSERT(pb_get_encoded_size(&size, opaline_content_v1_BusinessPart_fields, &m));
  if (size > kMaxPartBytes) return fail(ContentError::oversized);
  const std::size_t start = out.size();
  out.resize(start + size);
  pb_ostream_t stream = pb_ostream_from_buffer(reinterpret_cast<pb_byte_t*>(out.data() + start), size);
  OPALINE_ASSERT(pb_encode(&stream, opaline_content_v1_BusinessPart_fields, &m));
  return {};
}

Result<BusinessPart, ContentError> decode_business_part(ByteView bytes) {
  if (bytes.size() > kMaxPartBytes) return fail(ContentError::oversized);
  Borrowed json{bytes}, answers{bytes}, opaque_id{bytes}, intent{bytes}, group{bytes}, locale{bytes}, agent{bytes},
      shared{bytes};
  Message m = opaline_content_v1_BusinessPart_init_zero;
  m.json = decoder(json);
  m.answers = decoder(answers);
  m.opaque_id = decoder(opaque_id);
  m.intent = decoder(intent);
  m.group = decoder(group);
  m.locale = decoder(locale);
  m.device_agent = decoder(agent);
  m.shared = decoder(shared);
  if (!decode(bytes, m)) return fail(ContentError::malformed);
  BusinessPart out{.json = json.view,
                   .in_file = m.in_file,
                   .opaque_id = opaque_id.view,
                   .intent = intent.view,
                   .group = group.view,
                   .locale = locale.view,
                   .device_agent = agent.view,
                   .capabilities = m.capabilities,
                   .shared = shared.view,
                   .automatic = m.automatic};
  const std::uint32_t kind = number_of(m.kind);
  out.kind = kind > opaline_content_v1_BusinessPart_Kind_CLOSE ? PartKind::unknown : PartKind(kind);
  if (!answers.view.empty()) {
    out.answers = MessageId::from(answers.view);
    if (!out.answers) return fail(ContentError::malformed);
  }
  OPALINE_CHECK(check(out));
  return out;
}

}  // namespace opaline::wire
