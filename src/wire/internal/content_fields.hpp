#pragma once
// How contents go through nanopb: bytes and messages inside messages are callbacks, so that views borrow the input and
// no message is larger than its fixed fields.
#include <pb_decode.h>
#include <pb_encode.h>

#include "proto/content.pb.h"
#include "wire/contents.hpp"

namespace opaline::wire::internal {

template <class Message>
const pb_msgdesc_t* fields() {
  return nanopb::MessageDescriptor<Message>::fields();
}

// ---- decoding

/// A bytes field or a message inside a message, as it lies in the input.
struct Borrowed {
  ByteView input;  ///< what is decoded
  ByteView view{};
  std::size_t times = 0;  ///< in how many fields it came; `view` is the last

  bool take(pb_istream_t* stream);
};
/// `field` must live until the decoding ends.
[[nodiscard]] pb_callback_t decoder(Borrowed& field);

/// Decodes a repeated field: `add` takes each element's bytes and says whether it was right.
template <class Add>
struct Each {
  ByteView input;
  Add add;
};
template <class Add>
[[nodiscard]] pb_callback_t decoder(Each<Add>& each) {
  const auto decode = [](pb_istream_t* stream, const pb_field_t*, void** arg) {
    auto& self = *static_cast<Each<Add>*>(*arg);
    Borrowed element{.input = self.input};
    return element.take(stream) && self.add(element.view);
  };
  return {.funcs = {.decode = decode}, .arg = &each};
}

/// `m` holds the callbacks already. False: malformed.
template <class Message>
[[nodiscard]] bool decode(ByteView bytes, Message& m) {
  pb_istream_t stream = pb_istream_from_buffer(reinterpret_cast<const pb_byte_t*>(bytes.data()), bytes.size());
  return pb_decode_ex(&stream, fields<Message>(), &m, PB_DECODE_NOINIT);
}

template <class Id>
[[nodiscard]] Id read_id(const pb_byte_t (&bytes)[Id::kSize]) {
  return *Id::from(std::as_bytes(std::span(bytes)));
}
/// nanopb puts any number into an enum's field; to read one that is no enumerator as the enum is undefined.
template <class Enum>
[[nodiscard]] std::uint32_t number_of(const Enum& field) {
  static_assert(sizeof(Enum) == sizeof(std::uint32_t));
  std::uint32_t out = 0;
  std::memcpy(&out, &field, sizeof(out));
  return out;
}
/// Malformed above 2^63 - 1.
[[nodiscard]] Result<Time, ContentError> read_time(std::uint64_t millis);

// ---- encoding

/// A bytes field; nothing is written if it is empty. `view` must live until the encoding ends.
[[nodiscard]] pb_callback_t encoder(const ByteView& view);

inline void put(pb_byte_t* to, ByteView from) {
  std::memcpy(to, from.data(), from.size());
}
[[nodiscard]] inline std::uint64_t to_wire(Time time) {
  return static_cast<std::uint64_t>(unix_millis(time));
}

template <class Message, class Value>
Message message_of(void (*)(Message&, const Value&));
/// Writes one message inside a message: kFill(Message&, const Value&) makes it.
template <auto kFill, class Value>
[[nodiscard]] bool encode_part(pb_ostream_t* stream, const pb_field_t* field, const Value& value) {
  using Message = decltype(message_of(kFill));
  Message m{};
  kFill(m, value);
  return pb_encode_tag_for_field(stream, field) && pb_encode_submessage(stream, fields<Message>(), &m);
}
/// A message inside a message. `value` must live until the encoding ends.
template <auto kFill, class Value>
[[nodiscard]] pb_callback_t part_encoder(const Value& value) {
  const auto encode = [](pb_ostream_t* stream, const pb_field_t* field, void* const* arg) {
    return encode_part<kFill>(stream, field, *static_cast<const Value*>(*arg));
  };
  return {.funcs = {.encode = encode}, .arg = const_cast<Value*>(&value)};
}

// ---- bodies

void fill_text(opaline_content_v1_Text& out, const Text& text);
void fill_sync(opaline_content_v1_Sync& out, const Sync& sync);

/// Structure alone: check() follows.
[[nodiscard]] Result<Text, ContentError> read_text(ByteView bytes);
[[nodiscard]] Result<Sync, ContentError> read_sync(ByteView bytes);

/// The rules of contents.hpp, for both directions.
[[nodiscard]] Result<void, ContentError> check(const Text& text);
[[nodiscard]] Result<void, ContentError> check(const Sync& sync);
/// A time that read_time() takes.
[[nodiscard]] inline Result<void, ContentError> check(Time time) {
  if (unix_millis(time) < 0) return fail(ContentError::malformed);
  return {};
}
/// At most `limit` bytes of UTF-8.
[[nodiscard]] Result<void, ContentError> check_utf8(ByteView text, std::size_t limit);
/// U+0020 to U+007E alone. Empty is.
[[nodiscard]] bool is_printable_ascii(ByteView text);

}  // namespace opaline::wire::internal
