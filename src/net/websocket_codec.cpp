#include "net/websocket_codec.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "base/codec.hpp"
#include "base/utf8.hpp"

namespace opaline::net {
namespace {

constexpr std::size_t kMaxControlBytes = 125;  // RFC 6455 section 5.5
constexpr std::uint16_t kProtocolError = 1002;
constexpr std::uint16_t kUnsupportedData = 1003;
constexpr std::uint16_t kNoCode = 1005;
constexpr std::uint16_t kInvalidPayload = 1007;
constexpr std::uint16_t kTooBig = 1009;

bool is_control(WebSocketOpcode opcode) {
  return (static_cast<unsigned>(opcode) & 8) != 0;
}

std::uint64_t load64(const std::byte* from) {
  std::uint64_t out = 0;
  std::memcpy(&out, from, sizeof out);
  return out;
}
void store64(std::byte* to, std::uint64_t value) {
  std::memcpy(to, &value, sizeof value);
}

}  // namespace

void apply_mask(std::span<std::byte> data, std::uint32_t mask, std::uint64_t offset) {
  if (mask == 0) return;
  ByteArray<8> key{};
  for (std::size_t i = 0; i < 8; ++i) {
    const auto shift = 8 * ((offset + i) % 4);
    const std::uint32_t in_order = std::endian::native == std::endian::little ? mask : __builtin_bswap32(mask);
    key[i] = static_cast<std::byte>(in_order >> shift & 255);
  }
  const std::uint64_t wide = load64(key.data());
  std::byte* at = data.data();
  std::size_t left = data.size();
  for (; left >= 32; left -= 32, at += 32) {
    store64(at, load64(at) ^ wide);
    store64(at + 8, load64(at + 8) ^ wide);
    store64(at + 16, load64(at + 16) ^ wide);
    store64(at + 24, load64(at + 24) ^ wide);
  }
  for (; left >= 8; left -= 8, at += 8) store64(at, load64(at) ^ wide);
  for (std::size_t i = 0; i < left; ++i) at[i] ^= key[i];
}

// ---- decoding

WebSocketDecoder::Partial& WebSocketDecoder::partial() {
  if (!partial_) partial_ = std::make_unique<Partial>();
  return *partial_;
}

std::size_t WebSocketDecoder::buffered_bytes() const {
  if (!partial_) return 0;
  return sizeof(Partial) + partial_->message.capacity() + partial_->control.capacity();
}

/// nullopt: more bytes are needed to know the header.
Result<std::optional<WebSocketDecoder::Header>, std::uint16_t> WebSocketDecoder::parse_header(ByteView bytes) const {
  if (bytes.size() < 2) return std::nullopt;
  Reader in(bytes);
  const unsigned first = in.u8();
  const unsigned second = in.u8();
  Header out;
  out.final = (first & 0x80) != 0;
  if ((first & 0x70) != 0) return fail(kProtocolError);  // no extension was agreed
  const unsigned opcode = first & 0x0f;
  if ((opcode > 2 && opcode < 8) || opcode > 10) return fail(kProtocolError);
  out.opcode = static_cast<WebSocketOpcode>(opcode);
  const bool masked = (second & 0x80) != 0;
  if (masked != (role_ == WebSocketRole::server)) return fail(kProtocolError);
  out.length = second & 0x7f;
  out.size = 2 + (masked ? 4U : 0U);
  if (out.length >= 126) {
    const bool wide = out.length == 127;
    out.size += wide ? 8 : 2;
    if (bytes.size() < out.size) return std::nullopt;
    out.length = wide ? in.u64() : in.u16();
    // "the minimal number of bytes MUST be used"; the top bit of 64 must be 0
    if (out.length < (wide ? 0x10000U : 126U) || out.length >> 63 != 0) return fail(kProtocolError);
  }
  if (bytes.size() < out.size) return std::nullopt;
  if (masked) std::memcpy(&out.mask, in.bytes(4).data(), 4);
  OPALINE_CHECK(check(out));
  return out;
}

Result<void, std::uint16_t> WebSocketDecoder::check(const Header& header) const {
  if (is_control(header.opcode)) {
    if (!header.final || header.length > kMaxControlBytes) return fail(kProtocolError);
    return {};
  }
  const bool in_message = partial_ && partial_->in_message;
  const bool continues = header.opcode == WebSocketOpcode::continuation;
  if (continues != in_message) return fail(kProtocolError);
  if (header.opcode == WebSocketOpcode::text) return fail(kUnsupportedData);
  const std::size_t before = in_message ? partial_->message.size() : 0;
  if (header.length > max_message_bytes_ - before) return fail(kTooBig);
  return {};
}

/// True once `header` is known; its bytes are then taken from `input`.
Result<bool, std::uint16_t> WebSocketDecoder::take_header(std::span<std::byte>& input, Header& header) {
  const std::size_t had = partial_ ? partial_->head_size : 0;
  if (had == 0) {
    OPALINE_TRY(const auto parsed, parse_header(input));
    if (parsed) {
      header = *parsed;
      input = input.subspan(header.size);
      return true;
    }
    if (input.empty()) return false;
  }
  Partial& state = partial();
  const std::size_t take = std::min(state.head.size() - had, input.size());
  std::copy_n(input.begin(), take, state.head.begin() + static_cast<std::ptrdiff_t>(had));
  const auto parsed = parse_header(ByteView(state.head).first(had + take));
  if (!parsed) return fail(parsed.error());
  if (!*parsed) {
    state.head_size = had + take;
    input = input.subspan(take);
    return false;
  }
  header = **parsed;
  state.head_size = 0;
  input = input.subspan(header.size - had);
  return true;
}

WebSocketDecoder::Outcome WebSocketDecoder::next(std::span<std::byte>& input) {
  if (partial_ && std::exchange(partial_->delivered, false)) partial_->message = {};
  release_if_idle();
  for (;;) {
    if (!partial_ || !partial_->in_frame) {
      Header header;
      OPALINE_TRY(const bool known, take_header(input, header));
      if (!known) return std::nullopt;
      const bool whole = header.length <= input.size();
      const bool alone = is_control(header.opcode) || (header.final && !(partial_ && partial_->in_message));
      if (whole && alone) {  // the usual case: nothing is copied
        const std::span<std::byte> payload = input.first(static_cast<std::size_t>(header.length));
        input = input.subspan(payload.size());
        apply_mask(payload, header.mask, 0);
        release_if_idle();
        return finish_frame(header, payload);
      }
      Partial& state = partial();
      state.frame = header;
      state.received = 0;
      state.in_frame = true;
      if (is_control(header.opcode)) state.control.clear();
    }
    OPALINE_TRY(const auto event, take_payload(input));
    if (event || partial_->in_frame) return event;
  }
}

/// Moves bytes of a frame that is incomplete or belongs to a fragmented message into the decoder.
WebSocketDecoder::Outcome WebSocketDecoder::take_payload(std::span<std::byte>& input) {
  Partial& state = *partial_;
  const std::size_t take =
      static_cast<std::size_t>(std::min<std::uint64_t>(state.frame.length - state.received, input.size()));
  const std::span<std::byte> part = input.first(take);
  input = input.subspan(take);
  apply_mask(part, state.frame.mask, state.received);
  const bool control = is_control(state.frame.opcode);
  append(control ? state.control : state.message, part);
  state.received += take;
  if (state.received < state.frame.length) return std::nullopt;
  state.in_frame = false;
  const Header header = state.frame;
  if (control) return finish_frame(header, state.control);
  state.in_message = !header.final;
  if (!header.final) return std::nullopt;
  state.delivered = true;
  return WebSocketEvent{.kind = WebSocketEvent::Kind::message, .payload = state.message};
}

WebSocketDecoder::Outcome WebSocketDecoder::finish_frame(const Header& header, ByteView whole) {
  switch (header.opcode) {
    case WebSocketOpcode::binary:
    case WebSocketOpcode::continuation:
    case WebSocketOpcode::text:
      return WebSocketEvent{.kind = WebSocketEvent::Kind::message, .payload = whole};
    case WebSocketOpcode::ping:
      return WebSocketEvent{.kind = WebSocketEvent::Kind::ping, .payload = whole};
    case WebSocketOpcode::pong:
      return WebSocketEvent{.kind = WebSocketEvent::Kind::pong, .payload = whole};
    case WebSocketOpcode::close:
      break;
  }
  if (whole.empty()) return WebSocketEvent{.kind = WebSocketEvent::Kind::close, .payload = {}, .close_code = kNoCode};
  if (whole.size() == 1) return fail(kProtocolError);
  Reader in(whole);
  const std::uint16_t code = in.u16();
  if (!is_valid_close_code(code)) return fail(kProtocolError);
  const ByteView reason = in.rest();
  if (!is_utf8(reason)) return fail(kInvalidPayload);
  return WebSocketEvent{.kind = WebSocketEvent::Kind::close, .payload = reason, .close_code = code};
}

void WebSocketDecoder::release_if_idle() {
  if (partial_ && !partial_->in_frame && !partial_->in_message && partial_->head_size == 0) partial_.reset();
}

// ---- encoding

void append_frame(Bytes& out, WebSocketOpcode opcode, std::initializer_list<ByteView> payload,
                  std::optional<ByteArray<4>> mask) {
  std::size_t size = 0;
  for (const ByteView part : payload) size += part.size();
  const unsigned mask_bit = mask ? 0x80 : 0;
  const auto short_size = [mask_bit](std::size_t value) { return static_cast<std::uint8_t>(mask_bit | value); };
  Writer to(out);
  to.u8(static_cast<std::uint8_t>(0x80 | static_cast<unsigned>(opcode)));
  if (size < 126) {
    to.u8(short_size(size));
  } else if (size <= 0xffff) {
    to.u8(short_size(126)).u16(static_cast<std::uint16_t>(size));
  } else {
    to.u8(short_size(127)).u64(size);
  }
  if (mask) to.bytes(*mask);
  const std::size_t start = out.size();
  for (const ByteView part : payload) to.bytes(part);
  if (!mask) return;
  std::uint32_t key = 0;
  std::memcpy(&key, mask->data(), 4);
  apply_mask(std::span(out).subspan(start), key, 0);
}

void append_close(Bytes& out, std::uint16_t code, std::string_view reason, std::optional<ByteArray<4>> mask) {
  if (code == kNoCode) return append_frame(out, WebSocketOpcode::close, {}, mask);
  std::size_t size = std::min(reason.size(), kMaxControlBytes - 2);
  while (size > 0 && size < reason.size() && (static_cast<unsigned char>(reason[size]) & 0xc0) == 0x80) --size;
  const ByteArray<2> head{static_cast<std::byte>(code >> 8), static_cast<std::byte>(code & 255)};
  append_frame(out, WebSocketOpcode::close, {head, as_view(reason.substr(0, size))}, mask);
}

bool is_valid_close_code(std::uint16_t code) {
  if (code >= 3000 && code <= 4999) return true;
  return code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006;
}

}  // namespace opaline::net
