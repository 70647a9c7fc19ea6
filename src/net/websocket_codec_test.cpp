#include "net/websocket_codec.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "base/random.hpp"

namespace opaline::net {
namespace {

using Kind = WebSocketEvent::Kind;

struct Seen {
  Kind kind = Kind::message;
  Bytes payload;
  std::uint16_t code = 0;
  friend bool operator==(const Seen&, const Seen&) = default;
};
struct Decoded {
  std::vector<Seen> events;
  std::uint16_t error = 0;
  bool incomplete = false;
};

/// Feeds `input` in pieces of the given sizes (repeated).
Decoded decode(Bytes input, WebSocketRole role = WebSocketRole::server, std::size_t limit = 65536,
               const std::vector<std::size_t>& pieces = {SIZE_MAX}) {
  WebSocketDecoder decoder(role, limit);
  Decoded out;
  std::size_t at = 0;
  for (std::size_t i = 0; at < input.size(); ++i) {
    const std::size_t size = std::min(pieces[i % pieces.size()], input.size() - at);
    std::span<std::byte> part = std::span(input).subspan(at, size);
    at += size;
    for (;;) {
      const auto event = decoder.next(part);
      if (!event) {
        out.error = event.error();
        return out;
      }
      if (!*event) break;
      out.events.push_back({(*event)->kind, to_bytes((*event)->payload), (*event)->close_code});
      if ((*event)->kind == Kind::close) return out;
    }
    EXPECT_TRUE(part.empty());
  }
  out.incomplete = decoder.incomplete();
  EXPECT_EQ(out.incomplete, decoder.buffered_bytes() != 0);
  return out;
}

Bytes hex(std::string_view text) {
  return *from_hex(text);
}

Bytes frame(unsigned first, ByteView payload, bool masked = true) {
  Bytes out;
  append_frame(
      out, static_cast<WebSocketOpcode>(first & 0x0f), {payload},
      masked ? std::optional(ByteArray<4>{std::byte{1}, std::byte{2}, std::byte{3}, std::byte{0xff}}) : std::nullopt);
  out[0] = static_cast<std::byte>(first);
  return out;
}

// RFC 6455 section 5.7, with the opcode changed from text to binary where it is a text.
TEST(WebSocketCodec, rfc_examples) {
  auto unmasked = decode(hex("820548656c6c6f"), WebSocketRole::client);
  ASSERT_EQ(unmasked.events.size(), 1U);
  EXPECT_EQ(to_string(unmasked.events[0].payload), "Hello");

  auto masked = decode(hex("828537fa213d7f9f4d5158"));
  ASSERT_EQ(masked.events.size(), 1U);
  EXPECT_EQ(to_string(masked.events[0].payload), "Hello");

  auto fragmented = decode(hex("020348656c80026c6f"), WebSocketRole::client);
  ASSERT_EQ(fragmented.events.size(), 1U);
  EXPECT_EQ(to_string(fragmented.events[0].payload), "Hello");

  auto ping = decode(hex("890548656c6c6f"), WebSocketRole::client);
  ASSERT_EQ(ping.events.size(), 1U);
  EXPECT_EQ(ping.events[0].kind, Kind::ping);
  auto pong = decode(hex("8a8537fa213d7f9f4d5158"));
  ASSERT_EQ(pong.events.size(), 1U);
  EXPECT_EQ(pong.events[0].kind, Kind::pong);
  EXPECT_EQ(to_string(pong.events[0].payload), "Hello");

  Bytes medium = hex("827e0100");
  medium.resize(medium.size() + 256, std::byte{7});
  EXPECT_EQ(decode(medium, WebSocketRole::client).events.at(0).payload.size(), 256U);
  Bytes large = hex("827f0000000000010000");
  large.resize(large.size() + 65536, std::byte{7});
  EXPECT_EQ(decode(large, WebSocketRole::client).events.at(0).payload.size(), 65536U);
}

TEST(WebSocketCodec, encoder_writes_the_rfc_examples) {
  Bytes out;
  append_frame(out, WebSocketOpcode::binary, {as_view("Hel"), as_view("lo")});
  EXPECT_EQ(to_hex(out), "820548656c6c6f");
  out.clear();
  append_frame(out, WebSocketOpcode::binary, {as_view("Hello")}, to_array<4>(hex("37fa213d")));
  EXPECT_EQ(to_hex(out), "828537fa213d7f9f4d5158");
  out.clear();
  append_close(out, 1001, "bye");
  EXPECT_EQ(to_hex(out), "880503e9627965");
  out.clear();
  append_close(out, 1005, "never sent");
  EXPECT_EQ(to_hex(out), "8800");
}

TEST(WebSocketCodec, text_is_refused_as_unsupported) {
  EXPECT_EQ(decode(hex("818537fa213d7f9f4d5158")).error, 1003);
}

TEST(WebSocketCodec, hostile_frames) {
  const auto error = [](std::string_view text, WebSocketRole role = WebSocketRole::server) {
    return decode(hex(text), role).error;
  };
  EXPECT_EQ(error("820548656c6c6f"), 1002) << "unmasked to a server";
  EXPECT_EQ(error("828537fa213d7f9f4d5158", WebSocketRole::client), 1002) << "masked to a client";
  for (const unsigned reserved : {0x40U, 0x20U, 0x10U}) {
    EXPECT_EQ(decode(frame(0x82 | reserved, {})).error, 1002) << "reserved bit";
  }
  for (const unsigned opcode : {3U, 4U, 5U, 6U, 7U, 11U, 12U, 13U, 14U, 15U}) {
    EXPECT_EQ(decode(frame(0x80 | opcode, {})).error, 1002) << "reserved opcode " << opcode;
  }
  EXPECT_EQ(error("82fe007d00000000"), 1002) << "125 in 16 bits";
  EXPECT_EQ(error("82ff000000000000ffff00000000"), 1002) << "65535 in 64 bits";
  EXPECT_EQ(error("82ff800000000000000000000000"), 1002) << "top bit of 64";
  EXPECT_EQ(error("82ff7fffffffffffffff00000000"), 1009) << "the largest length";
  EXPECT_EQ(decode(frame(0x80, as_view("x"))).error, 1002) << "continuation of nothing";
  Bytes interrupted = frame(0x02, as_view("x"));
  append(interrupted, frame(0x82, as_view("y")));
  EXPECT_EQ(decode(interrupted).error, 1002) << "a new message inside another";
  EXPECT_EQ(decode(frame(0x09, {})).error, 1002) << "a fragmented ping";
  EXPECT_EQ(error("89fe007e00000000"), 1002) << "a ping over 125 bytes";
}

TEST(WebSocketCodec, close_frames) {
  const auto closed = [](std::string_view payload_hex) { return decode(frame(0x88, hex(payload_hex))); };
  EXPECT_EQ(closed("").events.at(0).code, 1005);
  EXPECT_EQ(closed("03e8").events.at(0).code, 1000);
  const auto with_reason = closed("0fa0c3a9");
  EXPECT_EQ(with_reason.events.at(0).code, 4000);
  EXPECT_EQ(to_string(with_reason.events.at(0).payload), "\xc3\xa9");
  EXPECT_EQ(closed("03").error, 1002);
  for (const std::string_view bad : {"0000", "03e7", "03ec", "03ed", "03ee", "03f7", "0bb7", "1388", "ffff"}) {
    EXPECT_EQ(closed(bad).error, 1002) << bad;
  }
  EXPECT_EQ(closed("03e8ff").error, 1007);
  EXPECT_EQ(closed("03e8c3").error, 1007);
}

TEST(WebSocketCodec, close_reason_is_cut_at_a_character) {
  std::string reason(122, 'a');
  reason += "\xc3\xa9";  // bytes 123 and 124
  Bytes out;
  append_close(out, 1000, reason);
  const auto seen = decode(out, WebSocketRole::client);
  EXPECT_EQ(seen.events.at(0).payload.size(), 122U);
}

TEST(WebSocketCodec, limit_is_exact_also_over_fragments) {
  EXPECT_EQ(decode(frame(0x82, Bytes(100)), WebSocketRole::server, 100).events.size(), 1U);
  EXPECT_EQ(decode(frame(0x82, Bytes(101)), WebSocketRole::server, 100).error, 1009);
  Bytes two = frame(0x02, Bytes(60));
  append(two, frame(0x80, Bytes(40)));
  EXPECT_EQ(decode(two, WebSocketRole::server, 100).events.size(), 1U);
  two = frame(0x02, Bytes(60));
  append(two, frame(0x80, Bytes(41)));
  EXPECT_EQ(decode(two, WebSocketRole::server, 100).error, 1009);
}

TEST(WebSocketCodec, memory_is_bounded_by_what_came_not_by_what_was_announced) {
  WebSocketDecoder decoder(WebSocketRole::server, 1 << 20);
  Bytes begin = frame(0x82, Bytes(1 << 20));
  std::span<std::byte> part = std::span(begin).first(20);
  ASSERT_TRUE(decoder.next(part).has_value());
  EXPECT_TRUE(decoder.incomplete());
  EXPECT_LT(decoder.buffered_bytes(), 1024U);
}

TEST(WebSocketCodec, nothing_is_held_between_messages) {
  WebSocketDecoder decoder(WebSocketRole::server, 65536);
  Bytes input = frame(0x02, Bytes(1000));
  append(input, frame(0x89, as_view("now")));
  append(input, frame(0x80, Bytes(1000)));
  for (std::size_t i = 0; i < input.size(); ++i) {
    std::span<std::byte> part = std::span(input).subspan(i, 1);
    for (;;) {
      const auto event = decoder.next(part);
      ASSERT_TRUE(event.has_value());
      if (!*event) break;
    }
  }
  EXPECT_FALSE(decoder.incomplete());
  EXPECT_EQ(decoder.buffered_bytes(), 0U);
}

TEST(WebSocketCodec, mask_is_the_same_from_every_offset) {
  rc::check("apply_mask is XOR with the repeated key, wherever the piece begins", [] {
    const auto size = *rc::gen::inRange<std::size_t>(0, 300);
    const auto key = *rc::gen::container<std::vector<std::uint8_t>>(4, rc::gen::arbitrary<std::uint8_t>());
    const auto cut = *rc::gen::inRange<std::size_t>(0, size + 1);
    Bytes data(size);
    SeededRandom(size).fill(data);
    Bytes expected = data;
    for (std::size_t i = 0; i < size; ++i) expected[i] ^= std::byte{key[i % 4]};
    std::uint32_t mask = 0;
    std::memcpy(&mask, key.data(), 4);
    apply_mask(std::span(data).first(cut), mask, 0);
    apply_mask(std::span(data).subspan(cut), mask, cut);
    RC_ASSERT(data == expected);
  });
}

TEST(WebSocketCodec, any_message_survives_any_fragmentation_and_any_cuts) {
  rc::check([] {
    const bool to_server = *rc::gen::arbitrary<bool>();
    const auto sizes =
        *rc::gen::nonEmpty(rc::gen::container<std::vector<std::size_t>>(rc::gen::weightedOneOf<std::size_t>(
            {{6, rc::gen::inRange<std::size_t>(0, 300)}, {1, rc::gen::inRange<std::size_t>(65000, 66000)}})));
    const auto pieces =
        *rc::gen::nonEmpty(rc::gen::container<std::vector<std::size_t>>(rc::gen::inRange<std::size_t>(1, 5000)));
    SeededRandom random(*rc::gen::arbitrary<std::uint64_t>());
    Bytes wire;
    std::vector<Seen> expected;
    for (const std::size_t size : sizes) {
      Seen message{.kind = Kind::message, .payload = Bytes(size)};
      random.fill(message.payload);
      const std::size_t fragments = 1 + random.below(4);
      std::size_t at = 0;
      for (std::size_t i = 0; i < fragments; ++i) {
        const bool last = i + 1 == fragments;
        const std::size_t length = last ? size - at : random.below(size - at + 1);
        append(wire, frame((i == 0 ? 2U : 0U) | (last ? 0x80U : 0U), ByteView(message.payload).subspan(at, length),
                           to_server));
        at += length;
        if (last || random.below(3) != 0) continue;
        append(wire, frame(0x89, as_view("in between"), to_server));
        expected.push_back({.kind = Kind::ping, .payload = to_bytes("in between")});
      }
      expected.push_back(std::move(message));
    }
    const auto seen = decode(wire, to_server ? WebSocketRole::server : WebSocketRole::client, 1 << 17, pieces);
    RC_ASSERT(seen.error == 0);
    RC_ASSERT(!seen.incomplete);
    RC_ASSERT(seen.events == expected);
  });
}

TEST(WebSocketCodec, cuts_never_change_the_outcome_of_any_bytes) {
  rc::check("random bytes give the same events and error in one piece and in many", [] {
    const auto raw = *rc::gen::container<std::vector<std::uint8_t>>(rc::gen::weightedOneOf<std::uint8_t>(
        {{3, rc::gen::element<std::uint8_t>(0x82, 0x02, 0x80, 0x00, 0x89, 0x88, 0x8a, 0xfe, 0xff)},
         {3, rc::gen::inRange<std::uint8_t>(0x80, 0x88)},
         {2, rc::gen::arbitrary<std::uint8_t>()}}));
    const auto pieces =
        *rc::gen::nonEmpty(rc::gen::container<std::vector<std::size_t>>(rc::gen::inRange<std::size_t>(1, 9)));
    Bytes wire;
    for (const std::uint8_t b : raw) wire.push_back(std::byte{b});
    const auto whole = decode(wire, WebSocketRole::server, 64);
    const auto cut = decode(wire, WebSocketRole::server, 64, pieces);
    RC_ASSERT(whole.events == cut.events);
    RC_ASSERT(whole.error == cut.error);
    RC_ASSERT(whole.incomplete == cut.incomplete);
  });
}

}  // namespace
}  // namespace opaline::net
