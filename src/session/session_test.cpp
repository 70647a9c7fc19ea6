#include "session/session.hpp"

#include <gtest/gtest.h>

#include <rapidcheck.h>

#include <algorithm>
#include <set>

#include "session/internal/message.hpp"
#include "session/internal/state.hpp"
#include "session/testing.hpp"

namespace opaline::session {
namespace {

using testing::kStart;
using testing::TestDevice;

class Sessions : public ::testing::Test {
 protected:
  Sessions() : pair(testing::open_pair(a, b)) {}
  Bytes send(Session& from, std::string_view text = "text", Time now = kStart) {
    return *from.encrypt(as_view(text), {}, now, a.random);
  }
  /// The text, or the error's number.
  static std::string receive(Session& to, ByteView message, Time now = kStart) {
    const auto opened = to.decrypt(message, {}, now);
    return opened ? to_string(opened->plaintext) : "error " + std::to_string(static_cast<int>(opened.error()));
  }
  static Error refusal(Session& to, ByteView message, Time now = kStart) {
    const SecretBytes before = to.serialise();
    const auto opened = to.decrypt(message, {}, now);
    EXPECT_FALSE(opened.has_value());
    EXPECT_TRUE(equal(to.serialise(), before)) << "a failed decrypt changed the state";
    return opened.error();
  }
  /// `rounds` times there and back.
  void talk(int rounds, Time now = kStart) {
    for (int i = 0; i < rounds; ++i) {
      ASSERT_EQ(receive(pair.responder, send(pair.initiator, "ping", now), now), "ping");
      ASSERT_EQ(receive(pair.initiator, send(pair.responder, "pong", now), now), "pong");
    }
  }
  TestDevice a{1};
  TestDevice b{2};
  testing::TestPair pair;
};

TEST_F(Sessions, TalkInTurnsAndInARow) {
  talk(20);
  for (int i = 0; i < 100; ++i) ASSERT_EQ(receive(pair.responder, send(pair.initiator)), "text");
  talk(5);
}

TEST_F(Sessions, EveryLengthSurvivesAndShowsOnlyPadme) {
  std::set<std::size_t> sizes;
  for (std::size_t size : {0u, 1u, 254u, 255u, 256u, 257u, 300u, 1000u, 4096u, 32767u, 32768u}) {
    const Bytes text(size, std::byte{0});  // zeros, as the padding
    const auto message = pair.initiator.encrypt(text, {}, kStart, a.random);
    ASSERT_TRUE(message.has_value());
    EXPECT_EQ(message->size(), kMessageHeaderBytes + internal::padded_size(size + 1) + 16);
    EXPECT_LE(message->size(), kMaxMessageBytes);
    const auto opened = pair.responder.decrypt(*message, {}, kStart);
    ASSERT_TRUE(opened.has_value());
    EXPECT_TRUE(equal(opened->plaintext, text));
  }
  EXPECT_EQ(pair.initiator.encrypt(Bytes(kMaxPlaintextBytes + 1), {}, kStart, a.random).error(), Error::too_large);
  EXPECT_EQ(pair.initiator.encrypt({}, Bytes(kMaxAssociatedDataBytes + 1), kStart, a.random).error(), Error::too_large);
  EXPECT_EQ(pair.responder.decrypt(send(pair.initiator), Bytes(kMaxAssociatedDataBytes + 1), kStart).error(),
            Error::too_large);
}

TEST_F(Sessions, OutOfOrderWithinAndAcrossChains) {
  const Bytes m0 = send(pair.initiator, "0");
  const Bytes m1 = send(pair.initiator, "1");
  const Bytes m2 = send(pair.initiator, "2");
  EXPECT_EQ(receive(pair.responder, m2), "2");
  EXPECT_EQ(receive(pair.initiator, send(pair.responder, "back")), "back");
  const Bytes next = send(pair.initiator, "next chain");
  EXPECT_EQ(receive(pair.responder, next), "next chain");
  EXPECT_EQ(pair.responder.accepted_tags().size(), 2u);  // the new chain and the old one
  EXPECT_EQ(receive(pair.responder, m0), "0");
  EXPECT_EQ(receive(pair.responder, m1), "1");
  EXPECT_EQ(pair.responder.accepted_tags().size(), 1u);
  EXPECT_EQ(refusal(pair.responder, m1), Error::unknown_tag);
  EXPECT_EQ(refusal(pair.responder, next), Error::replayed);
}

TEST_F(Sessions, TagsFindTheSession) {
  const auto accepts = [](const Session& session, ByteView message) {
    const auto tags = session.accepted_tags();
    return std::ranges::find(tags, *peek_tag(message)) != tags.end();
  };
  SessionTag last;
  for (int i = 0; i < 5; ++i) {
    const Bytes there = send(pair.initiator);
    EXPECT_TRUE(accepts(pair.responder, there));
    EXPECT_FALSE(accepts(pair.initiator, there));
    EXPECT_NE(*peek_tag(there), last);
    last = *peek_tag(there);
    EXPECT_TRUE(pair.responder.decrypt(there, {}, kStart)->stepped);
    const Bytes again = send(pair.initiator);
    EXPECT_EQ(*peek_tag(again), last);
    EXPECT_FALSE(pair.responder.decrypt(again, {}, kStart)->stepped);
    const Bytes back = send(pair.responder);
    EXPECT_TRUE(accepts(pair.initiator, back));
    receive(pair.initiator, back);
  }
  EXPECT_FALSE(peek_tag(Bytes(15)).has_value());
  EXPECT_FALSE(peek_tag(Bytes(kHandshakeBytes + 15)).has_value());
}

TEST_F(Sessions, ReplaysAreRefused) {
  const Bytes message = send(pair.initiator);
  EXPECT_EQ(receive(pair.responder, message), "text");
  EXPECT_EQ(refusal(pair.responder, message), Error::replayed);
  talk(2);
  EXPECT_EQ(refusal(pair.responder, message), Error::unknown_tag);
}

TEST_F(Sessions, ReflectionsAreRefused) {
  EXPECT_EQ(refusal(pair.initiator, send(pair.initiator)), Error::unknown_tag);
  talk(1);
  // Even with the tag that the sender itself waits for.
  Bytes reflected = send(pair.initiator);
  const SessionTag awaited = pair.initiator.accepted_tags().back();
  std::memcpy(reflected.data(), awaited.view().data(), SessionTag::kSize);
  EXPECT_EQ(refusal(pair.initiator, reflected), Error::authentication_failed);
}

TEST_F(Sessions, WrongPeersAreRefused) {
  TestDevice c(3);
  auto other = testing::open_pair(a, c);
  EXPECT_EQ(refusal(other.responder, send(pair.initiator)), Error::unknown_tag);
  // The same state under another peer's name does not open: the names are in the associated data.
  SecretBytes stored = pair.responder.serialise();
  const std::size_t peer_device_at = 2 + 20 + 16 + 3;
  stored[peer_device_at] ^= std::byte{1};
  Session renamed = std::move(*Session::deserialise(stored));
  EXPECT_EQ(renamed.peer().device, DeviceNumber{0});
  EXPECT_EQ(refusal(renamed, send(pair.initiator)), Error::authentication_failed);
}

TEST_F(Sessions, AssociatedDataIsBound) {
  const Bytes message = *pair.initiator.encrypt(as_view("text"), as_view("one"), kStart, a.random);
  EXPECT_EQ(pair.responder.decrypt(message, as_view("two"), kStart).error(), Error::authentication_failed);
  EXPECT_EQ(pair.responder.decrypt(message, {}, kStart).error(), Error::authentication_failed);
  EXPECT_TRUE(pair.responder.decrypt(message, as_view("one"), kStart).has_value());
}

TEST_F(Sessions, EveryFlippedBitIsRefused) {
  const Bytes message = send(pair.initiator);
  Session& to = pair.responder;
  const SecretBytes before = to.serialise();
  for (std::size_t bit = 0; bit < 8 * message.size(); ++bit) {
    Bytes damaged = message;
    damaged[bit / 8] ^= std::byte(1u << bit % 8);
    ASSERT_FALSE(to.decrypt(damaged, {}, kStart).has_value()) << bit;
  }
  EXPECT_TRUE(equal(to.serialise(), before));
  EXPECT_EQ(receive(to, message), "text");
}

TEST_F(Sessions, TruncatedOrLongerIsRefused) {
  const Bytes message = send(pair.initiator);
  for (std::size_t size = 0; size < message.size(); ++size) {
    EXPECT_EQ(refusal(pair.responder, ByteView(message).first(size)), Error::malformed) << size;
  }
  Bytes longer = message;
  longer.push_back(std::byte{0});
  EXPECT_EQ(refusal(pair.responder, longer), Error::malformed);
  longer.resize(message.size() + 16);  // the next Padmé size
  EXPECT_EQ(refusal(pair.responder, longer), Error::authentication_failed);
  EXPECT_EQ(refusal(pair.responder, Bytes(kMaxMessageBytes + 1)), Error::too_large);
}

TEST_F(Sessions, SkipsUpToTheLimitAndNotBeyond) {
  Bytes first = send(pair.initiator, "first");
  for (std::uint32_t i = 1; i < kMaxSkippedPerChain; ++i) (void)send(pair.initiator);
  const Bytes at_limit = send(pair.initiator, "at the limit");
  const Bytes beyond = send(pair.initiator, "beyond");
  EXPECT_EQ(refusal(pair.responder, beyond), Error::gap_too_large);
  EXPECT_EQ(receive(pair.responder, at_limit), "at the limit");
  EXPECT_EQ(receive(pair.responder, beyond), "beyond");
  EXPECT_EQ(receive(pair.responder, first), "first");
  EXPECT_EQ(refusal(pair.responder, first), Error::replayed);
}

TEST_F(Sessions, SkipsWithinAChainUpToTheLimitAndNotBeyond) {
  EXPECT_EQ(receive(pair.responder, send(pair.initiator)), "text");
  const Bytes missing = send(pair.initiator, "missing");
  for (std::uint32_t i = 1; i < kMaxSkippedPerChain; ++i) (void)send(pair.initiator);
  const Bytes at_limit = send(pair.initiator, "at the limit");
  const Bytes beyond = send(pair.initiator, "beyond");
  EXPECT_EQ(refusal(pair.responder, beyond), Error::gap_too_large);
  EXPECT_EQ(receive(pair.responder, at_limit), "at the limit");
  EXPECT_EQ(receive(pair.responder, missing), "missing");
}

TEST_F(Sessions, APeerThatCountsLessThanWeHaveReceivedIsMissingNothing) {
  // Set back, it says that its last chain was shorter than it was.
  for (int i = 0; i < 5; ++i) EXPECT_EQ(receive(pair.responder, send(pair.initiator)), "text");
  EXPECT_EQ(receive(pair.initiator, send(pair.responder)), "text");
  internal::State set_back = std::move(*internal::deserialise_state(pair.initiator.serialise()));
  set_back.sent_before = 2;
  const auto message = internal::seal_message(set_back, false, as_view("short"), {}, kStart, a.random);
  const auto opened = pair.responder.decrypt(*message, {}, kStart);
  ASSERT_TRUE(opened.has_value());
  EXPECT_EQ(to_string(opened->plaintext), "short");
  EXPECT_TRUE(opened->set_back);
  EXPECT_EQ(opened->passed, 0u);
  EXPECT_EQ(pair.responder.accepted_tags().size(), 1u) << "nothing is kept of the old chain";
}

TEST_F(Sessions, APeerThatCountsWhatCameOrMoreIsNotSetBack) {
  for (int i = 0; i < 5; ++i) EXPECT_EQ(receive(pair.responder, send(pair.initiator)), "text");
  static_cast<void>(send(pair.initiator));  // lost
  EXPECT_EQ(receive(pair.initiator, send(pair.responder)), "text");
  const auto opened = pair.responder.decrypt(send(pair.initiator), {}, kStart);
  ASSERT_TRUE(opened.has_value());
  EXPECT_EQ(opened->passed, 1u);
  EXPECT_FALSE(opened->set_back);
}

TEST_F(Sessions, TheSmallerHashSends) {
  ByteArray<32> low{}, high{};
  low[31] = std::byte{0xff};
  high[0] = std::byte{1};
  EXPECT_TRUE(sends_before(HandshakeHash(low), HandshakeHash(high)));
  EXPECT_FALSE(sends_before(HandshakeHash(high), HandshakeHash(low)));
  EXPECT_FALSE(sends_before(HandshakeHash(low), HandshakeHash(low)));
}

TEST_F(Sessions, FinishedChainsMayBeShortUpToTheLimit) {
  EXPECT_EQ(receive(pair.responder, send(pair.initiator)), "text");
  const Bytes missing = send(pair.initiator, "missing");
  for (std::uint32_t i = 1; i < kMaxSkippedPerChain; ++i) (void)send(pair.initiator);
  EXPECT_EQ(receive(pair.initiator, send(pair.responder)), "text");
  EXPECT_EQ(receive(pair.responder, send(pair.initiator)), "text");
  EXPECT_EQ(receive(pair.responder, missing), "missing");

  for (std::uint32_t i = 0; i <= kMaxSkippedPerChain; ++i) (void)send(pair.initiator);
  EXPECT_EQ(receive(pair.initiator, send(pair.responder)), "text");
  EXPECT_EQ(refusal(pair.responder, send(pair.initiator)), Error::gap_too_large);
}

TEST_F(Sessions, KeysForLateMessagesAreBoundedOldestFirst) {
  std::vector<Bytes> firsts;
  for (int chain = 0; chain < 3; ++chain) {
    firsts.push_back(send(pair.initiator, "late"));
    for (std::uint32_t i = 1; i < kMaxSkippedPerChain; ++i) (void)send(pair.initiator);
    EXPECT_EQ(receive(pair.responder, send(pair.initiator)), "text");
    EXPECT_EQ(receive(pair.initiator, send(pair.responder)), "text");
  }
  EXPECT_EQ(refusal(pair.responder, firsts[0]), Error::unknown_tag);
  EXPECT_EQ(receive(pair.responder, firsts[1]), "late");
  EXPECT_EQ(receive(pair.responder, firsts[2]), "late");
  EXPECT_LT(pair.responder.serialise().size(), 85'000u);
}

TEST_F(Sessions, OldChainsAreBounded) {
  std::vector<Bytes> late;
  for (std::size_t chain = 0; chain <= kMaxOldChains; ++chain) {
    late.push_back(send(pair.initiator, "late"));
    EXPECT_EQ(receive(pair.responder, send(pair.initiator)), "text");
    EXPECT_EQ(receive(pair.initiator, send(pair.responder)), "text");
  }
  EXPECT_EQ(receive(pair.responder, send(pair.initiator)), "text");
  EXPECT_EQ(pair.responder.accepted_tags().size(), kMaxOldChains + 1);
  EXPECT_EQ(refusal(pair.responder, late[0]), Error::unknown_tag);
  EXPECT_EQ(receive(pair.responder, late[1]), "late");
}

TEST_F(Sessions, KeysForLateMessagesExpire) {
  const Bytes late = send(pair.initiator, "late");
  EXPECT_EQ(receive(pair.responder, send(pair.initiator)), "text");
  const Time then = kStart + kSkippedKeyLife + std::chrono::days(1);
  Session keeps = pair.responder.clone();
  EXPECT_EQ(receive(keeps, send(pair.initiator), then - std::chrono::days(1)), "text");
  EXPECT_EQ(receive(keeps, late, then - std::chrono::days(1)), "late");
  Session silent = pair.responder.clone();
  Session typed_to = pair.responder.clone();
  EXPECT_EQ(receive(pair.responder, send(pair.initiator), then), "text");
  EXPECT_EQ(refusal(pair.responder, late), Error::replayed);
  // Where only typing marks come, and where nothing does.
  const auto typing = pair.initiator.encrypt_ephemeral(as_view("typing"), {}, then, a.random);
  EXPECT_EQ(receive(typed_to, *typing, then), "typing");
  EXPECT_EQ(refusal(typed_to, late), Error::replayed);
  EXPECT_FALSE(silent.wipe_late(then - std::chrono::days(1)));
  EXPECT_TRUE(silent.wipe_late(then));
  EXPECT_FALSE(silent.wipe_late(then));
  EXPECT_EQ(refusal(silent, late), Error::replayed);
}

TEST_F(Sessions, StolenStateCannotReadOnAfterBothHaveStepped) {
  talk(3);
  Session stolen = pair.responder.clone();
  EXPECT_EQ(receive(stolen, send(pair.initiator)), "text") << "or else this test proves nothing";
  const Bytes taken = send(pair.initiator);
  receive(pair.responder, taken);
  const Bytes own = send(pair.responder);
  receive(pair.initiator, own);
  const Bytes healed = send(pair.initiator, "secret");
  EXPECT_NE(receive(stolen, healed), "secret");
  // Nor with the tag that it waits for.
  Bytes retagged = healed;
  std::memcpy(retagged.data(), peek_tag(taken)->view().data(), SessionTag::kSize);
  EXPECT_NE(receive(stolen, retagged), "secret");
  EXPECT_EQ(receive(pair.responder, healed), "secret");
}

TEST_F(Sessions, OldStateCannotBeReadFromANewerOne) {
  const Bytes old = send(pair.initiator, "old");
  receive(pair.responder, old);
  EXPECT_EQ(refusal(pair.responder, old), Error::replayed);
  EXPECT_EQ(refusal(pair.initiator, old), Error::unknown_tag);
}

TEST_F(Sessions, RolledBackStateRepeatsNothing) {
  (void)send(pair.initiator);
  Session rolled_back = pair.initiator.clone();
  const Bytes one = send(pair.initiator, "the same text");
  const Bytes two = send(rolled_back, "the same text");
  internal::State state = std::move(*internal::deserialise_state(pair.responder.serialise()));
  const auto m1 = *internal::parse_message(one);
  const auto m2 = *internal::parse_message(two);
  EXPECT_EQ(m1.header.number, m2.header.number);
  EXPECT_EQ(m1.header.tag, m2.header.tag);
  EXPECT_NE(m1.header.salt, m2.header.salt);
  // A repeated (key, nonce) would give the same key stream: equal ciphertexts of equal texts.
  EXPECT_FALSE(equal(m1.sealed.first(256), m2.sealed.first(256)));
  std::size_t equal_bytes = 0;
  for (std::size_t i = 0; i < 256; ++i) equal_bytes += m1.sealed[i] == m2.sealed[i];
  EXPECT_LT(equal_bytes, 16u);
  // The receiver takes either, once.
  EXPECT_EQ(receive(pair.responder, two), "the same text");
  EXPECT_EQ(refusal(pair.responder, one), Error::replayed);
}

}  // namespace
}  // namespace opaline::session
