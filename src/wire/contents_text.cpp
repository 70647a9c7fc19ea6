// Texts and their attachments, and what may stand in them.
#include <algorithm>

#include "base/utf8.hpp"
#include "wire/contents.hpp"
#include "wire/internal/content_fields.hpp"

namespace opaline::wire {
namespace internal {
namespace {

void fill_attachment(opaline_content_v1_Attachment& out, const Attachment& attachment) {
  out.blob = encoder(attachment.blob);
  out.key = encoder(attachment.key);
  out.sha256 = encoder(attachment.sha256);
  out.size = attachment.size_bytes;
  out.name = encoder(attachment.name);
  out.type = encoder(attachment.type);
  out.release = encoder(attachment.release);
}

bool encode_attachments(pb_ostream_t* stream, const pb_field_t* field, void* const* arg) {
  const auto& text = *static_cast<const Text*>(*arg);
  for (std::size_t i = 0; i < text.attachment_count; ++i) {
    if (!encode_part<fill_attachment>(stream, field, text.attachments[i])) return false;
  }
  return true;
}

bool read_attachment(ByteView bytes, Attachment& out) {
  Borrowed blob{bytes}, key{bytes}, sha256{bytes}, name{bytes}, type{bytes}, release{bytes};
  opaline_content_v1_Attachment m{};
  m.blob = decoder(blob);
  m.key = decoder(key);
  m.sha256 = decoder(sha256);
  m.name = decoder(name);
  m.type = decoder(type);
  m.release = decoder(release);
  if (!decode(bytes, m)) return false;
  out = {.blob = blob.view,
         .key = key.view,
         .sha256 = sha256.view,
         .size_bytes = m.size,
         .name = name.view,
         .type = type.view,
         .release = release.view};
  return true;
}

Result<void, ContentError> check(const Attachment& attachment) {
  for (const ByteView part : {attachment.blob, attachment.key, attachment.sha256, attachment.release}) {
    if (part.size() != kAttachmentPartBytes) return fail(ContentError::malformed);
  }
  if (attachment.size_bytes == 0) return fail(ContentError::malformed);
  if (attachment.size_bytes > kMaxAttachmentBytes) return fail(ContentError::oversized);
  OPALINE_CHECK(check_utf8(attachment.name, kMaxFileNameBytes));
  if (attachment.type.size() > kMaxMediaTypeBytes) return fail(ContentError::oversized);
  if (!is_file_name(attachment.name) || !is_media_type(attachment.type)) return fail(ContentError::malformed);
  return {};
}

}  // namespace

void fill_text(opaline_content_v1_Text& out, const Text& text) {
  out.text = encoder(text.utf8);
  out.sender_handle = encoder(text.sender_handle);
  out.attachments = {.funcs = {.encode = encode_attachments}, .arg = const_cast<Text*>(&text)};
  out.part = encoder(text.part);
}

Result<Text, ContentError> read_text(ByteView bytes) {
  Text out;
  Borrowed utf8{bytes}, handle{bytes}, part{bytes};
  Each attachments{bytes, [&out](ByteView element) {
                     return out.attachment_count < kMaxAttachments &&
                            read_attachment(element, out.attachments[out.attachment_count++]);
                   }};
  opaline_content_v1_Text m{};
  m.text = decoder(utf8);
  m.sender_handle = decoder(handle);
  m.attachments = decoder(attachments);
  m.part = decoder(part);
  if (!decode(bytes, m)) return fail(ContentError::malformed);
  out.utf8 = utf8.view;
  out.sender_handle = handle.view;
  out.part = part.view;
  return out;
}

Result<void, ContentError> check(const Text& text) {
  OPALINE_CHECK(check_utf8(text.utf8, kMaxTextBytes));
  OPALINE_CHECK(check_utf8(text.sender_handle, kMaxHandleBytes));
  if (text.attachment_count > kMaxAttachments) return fail(ContentError::oversized);
  if (text.part.size() > kMaxPartBytes || text.utf8.size() + text.part.size() > kMaxTextAndPartBytes)
    return fail(ContentError::oversized);
  if (text.utf8.empty() && text.attachment_count == 0 && text.part.empty()) return fail(ContentError::malformed);
  for (std::size_t i = 0; i < text.attachment_count; ++i) OPALINE_CHECK(check(text.attachments[i]));
  return {};
}

Result<void, ContentError> check_utf8(ByteView text, std::size_t limit) {
  if (text.size() > limit) return fail(ContentError::oversized);
  if (!is_utf8(text)) return fail(ContentError::bad_utf8);
  return {};
}

bool is_printable_ascii(ByteView text) {
  return std::ranges::all_of(text, [](std::byte b) { return b >= std::byte{0x20} && b <= std::byte{0x7e}; });
}

}  // namespace internal

bool is_file_name(ByteView name) {
  if (name.empty() || name.size() > kMaxFileNameBytes) return false;
  if (as_text(name) == "." || as_text(name) == "..") return false;
  return every_code_point(name, [](char32_t c) { return c != '/' && c != '\\' && !is_control(c); });
}

bool is_media_type(ByteView type) {
  return type.size() <= kMaxMediaTypeBytes && internal::is_printable_ascii(type);
}

}  // namespace opaline::wire
