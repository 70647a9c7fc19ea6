#include "wire/contents.hpp"

#include "wire/internal/content_fields.hpp"

namespace opaline::wire {
namespace internal {

bool Borrowed::take(pb_istream_t* stream) {
  // nanopb's memory streams keep their position in `state`. A scalar where bytes should be comes in a buffer on
  // nanopb's stack instead: nothing of that may be borrowed.
  const auto* at = static_cast<const std::byte*>(stream->state);
  const std::less_equal<> le;
  if (!le(input.data(), at) || !le(at + stream->bytes_left, input.data() + input.size())) return false;
  view = ByteView(at, stream->bytes_left);
  ++times;
  return pb_read(stream, nullptr, stream->bytes_left);
}

pb_callback_t decoder(Borrowed& field) {
  const auto decode = [](pb_istream_t* stream, const pb_field_t*, void** arg) {
    return static_cast<Borrowed*>(*arg)->take(stream);
  };
  return {.funcs = {.decode = decode}, .arg = &field};
}

pb_callback_t encoder(const ByteView& view) {
  if (view.empty()) return {};
  const auto encode = [](pb_ostream_t* stream, const pb_field_t* field, void* const* arg) {
    const auto& bytes = *static_cast<const ByteView*>(*arg);
    return pb_encode_tag_for_field(stream, field) &&
           pb_encode_string(stream, reinterpret_cast<const pb_byte_t*>(bytes.data()), bytes.size());
  };
  return {.funcs = {.encode = encode}, .arg = const_cast<ByteView*>(&view)};
}

Result<Time, ContentError> read_time(std::uint64_t millis) {
  if (millis > INT64_MAX) return fail(ContentError::malformed);
  return from_unix_millis(static_cast<std::int64_t>(millis));
}

}  // namespace internal

namespace {

using namespace internal;
using Message = opaline_content_v1_Content;

struct Check {
  Result<void, ContentError> operator()(const UnknownBody&) const { return {}; }
  Result<void, ContentError> operator()(const Text& text) const { return check(text); }
  Result<void, ContentError> operator()(const Receipt& receipt) const {
    if (receipt.count == 0 || receipt.count > kMaxReceiptIds) return fail(ContentError::oversized);
    for (std::size_t i = 0; i < receipt.count; ++i) {
      if (receipt.ids[i].is_zero()) return fail(ContentError::malformed);
    }
    return {};
  }
  Result<void, ContentError> operator()(const Retry& retry) const {
    if (retry.envelope.is_zero()) return fail(ContentError::malformed);
    return check(retry.received_at);
  }
  Result<void, ContentError> operator()(const NewerList& list) const {
    if (list.signed_list.empty()) return fail(ContentError::malformed);
    if (list.signed_list.size() > kMaxContentListBytes) return fail(ContentError::oversized);
    return {};
  }
  Result<void, ContentError> operator()(const Typing&) const { return {}; }
  Result<void, ContentError> operator()(const SessionHello&) const { return {}; }
  Result<void, ContentError> operator()(const Sync& sync) const { return check(sync); }
};

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
    void operator()(const Text& body) const { m.text = part_encoder<fill_text>(body); }
    void operator()(const Receipt& body) const {
      m.has_receipt = true;
      fill_receipt(m.receipt, body);
    }
    void operator()(const Retry& body) const {
      m.has_retry = true;
      put(m.retry.envelope_id, body.envelope.view());
      m.retry.received_at_ms = to_wire(body.received_at);
      m.retry.passed_over = body.passed_over;
    }
    void operator()(const NewerList& body) const {
      m.has_device_list = true;
      m.device_list.signed_list = encoder(body.signed_list);
    }
    void operator()(const Typing& body) const {
      m.has_typing = true;
      m.typing.active = body.active;
    }
    void operator()(const SessionHello&) const { m.has_hello = true; }
    void operator()(const Sync& body) const { m.sync = part_encoder<fill_sync>(body); }
  };
  std::visit(Visitor{m}, content.body);
}

Result<Receipt, ContentError> read_receipt(const opaline_content_v1_Receipt& in) {
  Receipt out;
  out.count = in.message_ids_count;
  if (out.count == 0 || out.count > kMaxReceiptIds) return fail(ContentError::malformed);
  const std::uint32_t kind = number_of(in.kind);
  if (kind != opaline_content_v1_Receipt_Kind_DELIVERED && kind != opaline_content_v1_Receipt_Kind_READ)
    return fail(ContentError::malformed);
  out.kind = ReceiptKind(kind);
  for (std::size_t i = 0; i < out.count; ++i) out.ids[i] = read_id<MessageId>(in.message_ids[i]);
  return out;
}

/// What callbacks find of a Content.
struct Found {
  Borrowed text, list, sync;
};

Result<void, ContentError> read_body(Content& out, const Message& m, const Found& found) {
  const std::size_t bodies = found.text.times + found.sync.times + m.has_receipt + m.has_retry + m.has_device_list +
                             m.has_typing + m.has_hello;
  if (bodies > 1) return fail(ContentError::malformed);
  if (m.has_typing) out.body = Typing{m.typing.active};
  if (m.has_hello) out.body = SessionHello{};
  if (m.has_device_list) out.body = NewerList{found.list.view};
  if (found.text.times != 0) {
    OPALINE_TRY(out.body, read_text(found.text.view));
  }
  if (found.sync.times != 0) {
    OPALINE_TRY(out.body, read_sync(found.sync.view));
  }
  if (m.has_receipt) {
    OPALINE_TRY(out.body, read_receipt(m.receipt));
  }
  if (m.has_retry) {
    OPALINE_TRY(const Time received_at, read_time(m.retry.received_at_ms));
    out.body = Retry{read_id<EnvelopeId>(m.retry.envelope_id), received_at, m.retry.passed_over};
  }
  return std::visit(Check{}, out.body);
}

}  // namespace

Result<void, ContentError> encode(SecretBytes& out, const Content& content) {
  OPALINE_CHECK(check(content.sent_at));
  OPALINE_CHECK(std::visit(Check{}, content.body));
  Message m = opaline_content_v1_Content_init_zero;
  put(m.message_id, content.message.view());
  m.list_number = static_cast<std::uint32_t>(content.list_number);
  m.own_list_number = static_cast<std::uint32_t>(content.own_list_number);
  m.sent_at_ms = to_wire(content.sent_at);
  m.list_check = content.list_check;
  m.own_list_check = content.own_list_check;
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
  Found found{.text = {.input = bytes}, .list = {.input = bytes}, .sync = {.input = bytes}};
  m.text = decoder(found.text);
  m.device_list.signed_list = decoder(found.list);
  m.sync = decoder(found.sync);
  if (!decode(bytes, m)) return fail(ContentError::malformed);
  Content out;
  out.message = read_id<MessageId>(m.message_id);
  if (out.message.is_zero()) return fail(ContentError::malformed);
  out.list_number = ListNumber(m.list_number);
  out.own_list_number = ListNumber(m.own_list_number);
  out.list_check = m.list_check;
  out.own_list_check = m.own_list_check;
  OPALINE_TRY(out.sent_at, read_time(m.sent_at_ms));
  OPALINE_CHECK(read_body(out, m, found));
  wipe(&m, sizeof(m));
  return out;
}

}  // namespace opaline::wire
