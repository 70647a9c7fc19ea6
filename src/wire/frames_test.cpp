#include "wire/frames.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "base/random.hpp"

namespace opaline::wire {
namespace {

Bytes filled(std::size_t size, int value = 0x5a) {
  return Bytes(size, static_cast<std::byte>(value));
}

/// One of each frame, in the order of FrameType.
struct Samples {
  SeededRandom random{11};
  Bytes signature = filled(kAuthSignatureBytes), text = to_bytes("try again later"), ciphertext = filled(300);
  Bytes all() {
    Bytes out;
    Hello hello;
    hello.nonce = random.bytes<kNonceBytes>();
    hello.server_name = as_view("chat.example.org");
    encode(out, hello);
    encode(out, Auth{.account = random.id<AccountId>(), .device = DeviceNumber(1), .signature = signature});
    encode(out, Ready{from_unix_millis(1'800'000'000'123), 512, 1 << 20, random.id<MailboxId>()});
    encode(out, Route{.route = 7, .mailbox = random.id<MailboxId>(), .token = random.bytes<kSendTokenBytes>()});
    encode(out, Submit{7, EnvelopeClass::ephemeral, random.id<EnvelopeId>(), ciphertext});
    const ResultRange ranges[] = {{1, 200, SubmitStatus::accepted}, {201, 1, SubmitStatus::full}};
    encode_results(out, ranges);
    encode(out, Clear{7});
    encode(out, Push{0, true, random.id<EnvelopeId>(), ciphertext});
    encode(out, Ack{0xfffffffe});
    encode(out, Drained{0});
    encode(out, Credit{10, 20});
    encode(out, Call{3, 1, text});
    encode(out, Reply{3, 0, text});
    encode(out, Notice{1, text});
    encode(out, Goodbye{GoodbyeCode::shutting_down, text});
    return out;
  }
};

/// Encodes again what was parsed.
Bytes again(ByteView batch) {
  Bytes out;
  for (FrameReader in(batch); !in.done();) {
    const auto frame = in.next();
    if (!frame) return {};
    std::visit(
        [&](const auto& f) {
          if constexpr (std::is_same_v<std::decay_t<decltype(f)>, ResultFrame>) {
            std::vector<ResultRange> ranges;
            for (std::size_t i = 0; i < f.size(); ++i) ranges.push_back(f.at(i));
            encode_results(out, ranges);
          } else {
            encode(out, f);
          }
        },
        *frame);
  }
  return out;
}

TEST(Frames, EveryKindRoundTripsToTheSameBytes) {
  const Bytes batch = Samples().all();
  int count = 0;
  for (FrameReader in(batch); !in.done(); ++count) ASSERT_TRUE(in.next().has_value()) << count;
  EXPECT_EQ(count, 15);
  EXPECT_EQ(to_hex(again(batch)), to_hex(batch));
}

TEST(Frames, TheLayoutOfSubmitIsAsDocumented) {
  Bytes out;
  encode(out, Submit{0x0102, EnvelopeClass::normal, EnvelopeId(ByteArray<16>{std::byte{0xaa}}), as_view("xyz")});
  EXPECT_EQ(to_hex(out),
            "11000016"
            "0102"
            "00"
            "aa000000000000000000000000000000"
            "78797a");
  EXPECT_EQ(out.size(), kSubmitOverheadBytes + 3);
}

TEST(Frames, NoTruncationOfABatchParsesWhole) {
  const Bytes batch = Samples().all();
  const auto whole_frames = [](ByteView part) {
    std::size_t used = 0;
    for (FrameReader in(part); !in.done();) {
      const auto frame = in.next();
      if (!frame) return std::pair(used, frame.error() == FrameError::truncated);
      ++used;
    }
    return std::pair(used, true);
  };
  for (std::size_t size = 0; size < batch.size(); ++size) {
    const auto [used, clean] = whole_frames(ByteView(batch).first(size));
    EXPECT_LT(used, 15U);
    EXPECT_TRUE(clean) << "only `truncated` may end a cut batch, at " << size;
  }
}

TEST(Frames, HostileBytesNeverBreakTheReader) {
  EXPECT_TRUE(rc::check([](const std::vector<std::uint8_t>& raw) {
    const ByteView batch = std::as_bytes(std::span(raw));
    std::size_t frames = 0;
    for (FrameReader in(batch); !in.done(); ++frames) {
      if (!in.next()) break;
    }
    RC_ASSERT(frames <= raw.size() / kFrameHeaderBytes);
  }));
}

TEST(Frames, WhatParsesIsCanonical) {
  // Flip every byte of a batch in turn: what still parses must encode to the very bytes that were read.
  const Bytes batch = Samples().all();
  for (std::size_t i = 0; i < batch.size(); ++i) {
    Bytes bad = batch;
    bad[i] ^= std::byte{0x81};
    const Bytes out = again(bad);
    if (!out.empty()) EXPECT_TRUE(equal(out, bad)) << "byte " << i;
  }
}

TEST(Frames, LimitsAreEnforced) {
  const auto error_of = [](ByteView batch) { return FrameReader(batch).next().error(); };
  Bytes big;
  Writer(big)
      .u8(0x11)
      .u24(2 + 1 + 16 + kMaxEnvelopeBytes + 1)
      .u16(0)
      .u8(0)
      .bytes(filled(16))
      .bytes(filled(kMaxEnvelopeBytes + 1));
  EXPECT_EQ(error_of(big), FrameError::oversized);
  Bytes empty;
  Writer(empty).u8(0x11).u24(19).u16(0).u8(0).bytes(filled(16));
  EXPECT_EQ(error_of(empty), FrameError::malformed);
  Bytes huge;
  Writer(huge).u8(0x40).u24(kMaxFrameBodyBytes + 1);
  EXPECT_EQ(error_of(huge), FrameError::oversized);
  Bytes unknown;
  Writer(unknown).u8(0x6e).u24(0);
  EXPECT_EQ(error_of(unknown), FrameError::unknown_type);
  Bytes bad_class;
  Writer(bad_class).u8(0x11).u24(20).u16(0).u8(2).bytes(filled(17));
  EXPECT_EQ(error_of(bad_class), FrameError::malformed);
  Bytes no_count;
  Writer(no_count).u8(0x12).u24(7).u32(1).u16(0).u8(0);
  EXPECT_EQ(error_of(no_count), FrameError::malformed);
}

TEST(AuthMessage, CoversEverythingThatIsAgreed) {
  SeededRandom random(3);
  Hello hello;
  hello.nonce = random.bytes<kNonceBytes>();
  hello.server_name = as_view("a.example");
  Auth auth{.account = random.id<AccountId>(), .device = DeviceNumber(1), .signature = {}};
  const auto binding = random.bytes<kBindingBytes>();
  const Bytes base = auth_message(auth, hello, binding);
  Hello other = hello;
  other.nonce[31] ^= std::byte{1};
  EXPECT_FALSE(equal(base, auth_message(auth, other, binding)));
  other = hello;
  other.server_name = as_view("b.example");
  EXPECT_FALSE(equal(base, auth_message(auth, other, binding)));
  auth.device = DeviceNumber(2);
  EXPECT_FALSE(equal(base, auth_message(auth, hello, binding)));
}

}  // namespace
}  // namespace opaline::wire
