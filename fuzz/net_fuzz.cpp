// libFuzzer: the parsers that see a stranger's bytes first. However the bytes are cut, the outcome must be the same.
#include "fuzz/targets.hpp"
#include "net/address.hpp"
#include "net/internal/http_parser.hpp"
#include "net/websocket_codec.hpp"

namespace opaline::fuzz {
namespace {

using namespace opaline::net;

constexpr std::size_t kLimit = 4096;

/// What came out, as one comparable string of bytes.
Bytes decode_websocket(Bytes input, WebSocketRole role, std::size_t piece) {
  WebSocketDecoder decoder(role, kLimit);
  Bytes out;
  for (std::size_t at = 0; at < input.size(); at += piece) {
    std::span<std::byte> part = std::span(input).subspan(at, std::min(piece, input.size() - at));
    for (;;) {
      const auto event = decoder.next(part);
      OPALINE_ASSERT(decoder.buffered_bytes() < 4 * kLimit);
      if (!event) {
        append(out, as_view("error" + std::to_string(event.error())));
        return out;
      }
      if (!*event) break;
      OPALINE_ASSERT((*event)->payload.size() <= kLimit);
      append(out, as_view(std::to_string(static_cast<int>((*event)->kind)) + "/" +
                          std::to_string((*event)->close_code) + "/"));
      append(out, (*event)->payload);
      if ((*event)->kind == WebSocketEvent::Kind::close) return out;
    }
    OPALINE_ASSERT(part.empty());
  }
  return out;
}

/// One message; the rest of the input is left, as a server would for the next.
template <bool kIsRequest>
Bytes parse_http(ByteView input, std::size_t piece) {
  internal::HttpMessageParser<kIsRequest> parser(1024);
  Bytes unread;
  bool limited = false;
  for (std::size_t at = 0; at < input.size() && !parser.done(); at += piece) {
    append(unread, input.subspan(at, std::min(piece, input.size() - at)));
    std::size_t used = 1;
    while (used != 0 && !unread.empty() && !parser.done()) {
      const auto step = parser.feed(unread);
      if (!step) return to_bytes("error");
      used = *step;
      unread.erase(unread.begin(), unread.begin() + static_cast<std::ptrdiff_t>(used));
      if (parser.head_done() && !limited) {
        limited = true;
        if (!parser.set_body_limit(kLimit)) return to_bytes("error");
      }
    }
    OPALINE_ASSERT(parser.body.size() <= kLimit && unread.size() <= 1024 + piece);
  }
  if (!parser.done()) return to_bytes("error");  // a broken head is noticed early or late, by how it was cut
  Bytes out = to_bytes(parser.method + " " + parser.target + std::to_string(parser.status));
  for (const HttpHeader& header : parser.headers) append(out, as_view(header.name + ":" + header.value));
  append(out, parser.body);
  return out;
}

}  // namespace

void net(ByteView bytes) {
  if (bytes.size() < 2) return;
  const ByteView input = bytes.subspan(2);
  const std::size_t piece = 1 + std::to_integer<std::size_t>(bytes[1]);
  const auto what = std::to_integer<unsigned>(bytes[0]) % 4;
  switch (what) {
    case 0:
    case 1: {
      const WebSocketRole role = what == 0 ? WebSocketRole::server : WebSocketRole::client;
      OPALINE_ASSERT(decode_websocket(to_bytes(input), role, piece) ==
                     decode_websocket(to_bytes(input), role, SIZE_MAX / 2));
      break;
    }
    case 2:
      if (input.size() <= 1024) OPALINE_ASSERT(parse_http<true>(input, piece) == parse_http<true>(input, SIZE_MAX / 2));
      static_cast<void>(parse_http<false>(input, piece));
      break;
    case 3:
      if (const auto url = Url::parse(as_text(input))) {
        OPALINE_ASSERT(Url::parse("https://" + url->authority() + url->target).has_value());
      }
      static_cast<void>(ListenAddress::parse(as_text(input)));
      break;
  }
}

}  // namespace opaline::fuzz
