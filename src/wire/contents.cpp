#include "wire/contents.hpp"

#include <pb_decode.h>
#include <pb_encode.h>

#include "proto/content.pb.h"

namespace opaline::wire {
namespace {

using Message = opaline_content_v1_Content;

bool encode_view(pb_ostream_t* stream, const pb_field_t* field, void* const* arg) {
  const auto& view = *static_cast<const ByteView*>(*arg);
  return pb_encode_tag_for_field(stream, field) &&
         pb_encode_string(stream, reinterpret_cast<const pb_byte_t*>(view.data()), view.size());
}

/// nanopb's memory streams keep their position in `state`: the view borrows the input.
bool decode_view(pb_istream_t* stream, const pb_field_t*, void** arg) {
  *static_cast<ByteView*>(*arg) = ByteView(static_cast<const std::byte*>(stream->state), stream->bytes_left);
  return pb_read(stream, nullptr, stream->bytes_left);
}

void put(pb_byte_t* to, ByteView from) {
  std::memcpy(to, from.data(), from.size());
}
ByteView view16(const pb_byte_t* from) {
  return ByteView(reinterpret_cast<const std::byte*>(from), 16);
}

Result<void, ContentError> check(const Content& content) {
  if (const auto* text = std::get_if<Text>(&content.body)) {
    if (text->utf8.size() > kMaxTextBytes) return fail(ContentError::oversized);
    if (text->sender_handle.size() > kMaxHandleBytes) return fail(ContentError::oversized);
    if (!is_utf8(text->utf8) || !is_utf8(text->sender_handle)) return fail(ContentError::bad_utf8);
  } else if (const auto* receipt = std::get_if<Receipt>(&content.body)) {
    if (receipt->count == 0 || receipt->count > kMaxReceiptIds) return fail(ContentError::oversized);
  } else if (const auto* list = std::get_if<NewerList>(&content.body)) {
    if (list->signed_list.empty()) return fail(ContentError::malformed);
    if (list->signed_list.size() > kMaxContentListBytes) return fail(ContentError::oversized);
  }
  return {};
}

void fill_receipt(opaline_content_v1_Receipt& out, const Receipt& receipt) {
  out.kind = static_cast<opaline_content_v1_Receipt_Kind>(receipt.kind);
  out.message_ids_count = static_cast<pb_size_t>(receipt.count);
  for (std::size_t i = 0; i < receipt.count; ++i) put(out.message_ids[i], receipt.ids[i].view());
}

/// The views that callbacks point to must live as long as the encoding: they are in `content`.
void fill_body(Message& m, const Content& content) {
  struct Visitor {
    Message& m;
    void operator()(const UnknownBody&) const {}
    void operator()(const Text& body) const {
      m.has_text = true;
      m.text.text = {.funcs = {.encode = encode_view}, .arg = const_cast<ByteView*>(&body.utf8)};
      if (!body.sender_handle.empty())
        m.text.sender_handle = {.funcs = {.encode = encode_view}, .arg = const_cast<ByteView*>(&body.sender_handle)};
    }
    void operator()(const Receipt& body) const {
      m.has_receipt = true;
      fill_receipt(m.receipt, body);
    }
    void operator()(const Retry& body) const {
      m.has_retry = true;
      put(m.retry.envelope_id, body.envelope.view());
      m.retry.received_at_ms = static_cast<std::uint64_t>(unix_millis(body.received_at));
    }
    void operator()(const NewerList& body) const {
      m.has_device_list = true;
      m.device_list.signed_list = {.funcs = {.encode = encode_view}, .arg = const_cast<ByteView*>(&body.signed_list)};
    }
    void operator()(const Typing& body) const {
      m.has_typing = true;
      m.typing.active = body.active;
    }
    void operator()(const SessionHello&) const { m.has_hello = true; }
  };
  std::visit(Visitor{m}, content.body);
}

Result<Receipt, ContentError> read_receipt(const opaline_content_v1_Receipt& in) {
  Receipt out;
  out.count = in.message_ids_count;
  if (out.count == 0 || out.count > kMaxReceiptIds) return fail(ContentError::malformed);
  if (in.kind != opaline_content_v1_Receipt_Kind_DELIVERED && in.kind != opaline_content_v1_Receipt_Kind_READ)
    return fail(ContentError::malformed);
  out.kind = ReceiptKind(in.kind);
  for (std::size_t i = 0; i < out.count; ++i) out.ids[i] = *MessageId::from(view16(in.message_ids[i]));
  return out;
}

Result<Time, ContentError> read_time(std::uint64_t millis) {
  if (millis > INT64_MAX) return fail(ContentError::malformed);
  return from_unix_millis(static_cast<std::int64_t>(millis));
}

Result<void, ContentError> read_body(Content& out, const Message& m, const Text& text, ByteView list) {
  const int bodies = m.has_text + m.has_receipt + m.has_retry + m.has_device_list + m.has_typing + m.has_hello;
  if (bodies > 1) return fail(ContentError::malformed);
  if (m.has_text) out.body = text;
  if (m.has_typing) out.body = Typing{m.typing.active};
  if (m.has_hello) out.body = SessionHello{};
  if (m.has_device_list) out.body = NewerList{list};
  if (m.has_receipt) {
    OPALINE_TRY(const Receipt receipt, read_receipt(m.receipt));
    out.body = receipt;
  }
  if (m.has_retry) {
    OPALINE_TRY(const Time received_at, read_time(m.retry.received_at_ms));
    out.body = Retry{*EnvelopeId::from(view16(m.retry.envelope_id)), received_at};
  }
  return check(out);
}

}  // namespace

Result<void, ContentError> encode(SecretBytes& out, const Content& content) {
  OPALINE_CHECK(check(content));
  Message m = opaline_content_v1_Content_init_zero;
  put(m.message_id, content.message.view());
  m.list_number = static_cast<std::uint32_t>(content.list_number);
  m.own_list_number = static_cast<std::uint32_t>(content.own_list_number);
  m.sent_at_ms = static_cast<std::uint64_t>(unix_millis(content.sent_at));
  fill_body(m, content);
  std::size_t size = 0;
  OPALINE_ASSERT(pb_get_encoded_size(&size, opaline_content_v1_Content_fields, &m));
  const std::size_t start = out.size();
  out.resize(start + size);
  pb_ostream_t stream = pb_ostream_from_buffer(reinterpret_cast<pb_byte_t*>(out.data() + start), size);
  OPALINE_ASSERT(pb_encode(&stream, opaline_content_v1_Content_fields, &m));
  wipe(&m, sizeof(m));
  return {};
}

Result<Content, ContentError> decode_content(ByteView bytes) {
  Message m = opaline_content_v1_Content_init_zero;
  Text text;
  ByteView list;
  m.text.text = {.funcs = {.decode = decode_view}, .arg = &text.utf8};
  m.text.sender_handle = {.funcs = {.decode = decode_view}, .arg = &text.sender_handle};
  m.device_list.signed_list = {.funcs = {.decode = decode_view}, .arg = &list};
  pb_istream_t stream = pb_istream_from_buffer(reinterpret_cast<const pb_byte_t*>(bytes.data()), bytes.size());
  if (!pb_decode_ex(&stream, opaline_content_v1_Content_fields, &m, PB_DECODE_NOINIT))
    return fail(ContentError::malformed);
  Content out;
  out.message = *MessageId::from(view16(m.message_id));
  if (out.message.is_zero()) return fail(ContentError::malformed);
  out.list_number = ListNumber(m.list_number);
  out.own_list_number = ListNumber(m.own_list_number);
  OPALINE_TRY(out.sent_at, read_time(m.sent_at_ms));
  OPALINE_CHECK(read_body(out, m, text, list));
  wipe(&m, sizeof(m));
  return out;
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
