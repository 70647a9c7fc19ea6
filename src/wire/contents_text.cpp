// Texts and their attachments, and what may stand in them.
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
}

Result<Text, ContentError> read_text(ByteView bytes) {
  Text out;
  Borrowed utf8{bytes}, handle{bytes};
  Each attachments{bytes, [&out](ByteView element) {
                     return out.attachment_count < kMaxAttachments &&
                            read_attachment(element, out.attachments[out.attachment_count++]);
                   }};
  opaline_content_v1_Text m{};
  m.text = decoder(utf8);
  m.sender_handle = decoder(handle);
  m.attachments = decoder(attachments);
  if (!decode(bytes, m)) return fail(ContentError::malformed);
  out.utf8 = utf8.view;
  out.sender_handle = handle.view;
  return out;
}

Result<void, ContentError> check(const Text& text) {
  OPALINE_CHECK(check_utf8(text.utf8, kMaxTextBytes));
  OPALINE_CHECK(check_utf8(text.sender_handle, kMaxHandleBytes));
  if (text.attachment_count > kMaxAttachments) return fail(ContentError::oversized);
  if (text.utf8.empty() && text.attachment_count == 0) return fail(ContentError::malformed);
  for (std::size_t i = 0; i < text.attachment_count; ++i) OPALINE_CHECK(check(text.attachments[i]));
  return {};
}

Result<void, ContentError> check_utf8(ByteView text, std::size_t limit) {
  if (text.size() > limit) return fail(ContentError::oversized);
  if (!is_utf8(text)) return fail(ContentError::bad_utf8);
  return {};
}

}  // namespace internal

namespace {

/// The code point at `at`, which moves behind it; `text` is valid UTF-8.
char32_t next_code_point(ByteView text, std::size_t& at) {
  const auto lead = std::to_integer<char32_t>(text[at++]);
  if (lead < 0x80) return lead;
  const int more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
  char32_t out = lead & (0x3fU >> more);
  for (int k = 0; k < more; ++k) out = out << 6 | (std::to_integer<char32_t>(text[at++]) & 0x3f);
  return out;
}

/// Controls (Unicode category Cc), line and paragraph separators, and the characters of property Bidi_Control, with
/// which "gpj.exe" looks like "exe.jpg".
bool has_no_place_in_a_name(char32_t c) {
  if (c < 0x20 || (c >= 0x7f && c <= 0x9f)) return true;
  if (c == '/' || c == '\\') return true;
  if (c == 0x061c || c == 0x200e || c == 0x200f) return true;
  return (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

}  // namespace

bool is_file_name(ByteView name) {
  if (name.empty() || name.size() > kMaxFileNameBytes || !is_utf8(name)) return false;
  if (as_text(name) == "." || as_text(name) == "..") return false;
  for (std::size_t at = 0; at < name.size();) {
    if (has_no_place_in_a_name(next_code_point(name, at))) return false;
  }
  return true;
}

bool is_media_type(ByteView type) {
  if (type.size() > kMaxMediaTypeBytes) return false;
  for (const std::byte b : type) {
    if (b < std::byte{0x20} || b > std::byte{0x7e}) return false;
  }
  return true;
}

bool is_utf8(ByteView text) {
  std::size_t i = 0;
  const auto at = [&](std::size_t k) { return std::to_integer<unsigned>(text[k]); };
  while (i < text.size()) {
    const unsigned lead = at(i);
    if (lead < 0x80) {
      ++i;
      continue;
    }
    const std::size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || i + size > text.size()) return false;
    for (std::size_t k = 1; k < size; ++k) {
      if ((at(i + k) & 0xc0) != 0x80) return false;
    }
    // RFC 3629 section 4: the second byte's narrower ranges.
    const unsigned second = at(i + 1);
    if ((lead == 0xe0 && second < 0xa0) || (lead == 0xed && second > 0x9f) || (lead == 0xf0 && second < 0x90) ||
        (lead == 0xf4 && second > 0x8f))
      return false;
    i += size;
  }
  return true;
}

}  // namespace opaline::wire
