// The ML-KEM ratchet, ephemeral messages, stored states.
#include <gtest/gtest.h>

#include <rapidcheck.h>

#include "session/internal/message.hpp"
#include "session/internal/state.hpp"
#include "session/testing.hpp"

namespace opaline::session {
namespace {

using testing::kStart;
using testing::TestDevice;

class SessionParts : public ::testing::Test {
 protected:
  SessionParts() : pair(testing::open_pair(a, b)) {}
  Bytes send(Session& from, Time now = kStart) { return *from.encrypt(as_view("text"), {}, now, a.random); }
  Bytes send_ephemeral(Session& from) { return *from.encrypt_ephemeral(as_view("typing"), {}, kStart, a.random); }
  static Result<Decrypted, Error> receive(Session& to, ByteView message, Time now = kStart) {
    const SecretBytes before = to.serialise();
    auto opened = to.decrypt(message, {}, now);
    EXPECT_EQ(opened.has_value(), !equal(to.serialise(), before)) << "changed if and only if opened";
    return opened;
  }
  static bool arrives(Session& to, ByteView message, Time now = kStart) {
    return receive(to, message, now).has_value();
  }
  static std::uint8_t flags(ByteView message) { return internal::parse_message(message)->header.flags; }
  /// Until a message of the initiator carries an offer, which is returned undelivered. Nothing else is in flight.
  Bytes until_offer() {
    for (int i = 0; i < 100; ++i) {
      Bytes message = send(pair.initiator);
      if ((flags(message) & internal::kFlagOffer) != 0) return message;
      EXPECT_TRUE(arrives(pair.responder, message));
      EXPECT_TRUE(arrives(pair.initiator, send(pair.responder)));
    }
    ADD_FAILURE() << "no offer";
    return {};
  }
  static internal::State take_apart(const Session& session) {
    return std::move(*internal::deserialise_state(session.serialise()));
  }
  TestDevice a{1};
  TestDevice b{2};
  testing::TestPair pair;
};

TEST_F(SessionParts, KemIsOfferedAfterFiftyMessages) {
  int messages = 2;  // "hello" and its answer
  for (;; ++messages) {
    Session& from = messages % 2 == 0 ? pair.initiator : pair.responder;
    Session& to = messages % 2 == 0 ? pair.responder : pair.initiator;
    const Bytes message = send(from);
    const bool offers = (flags(message) & internal::kFlagOffer) != 0;
    ASSERT_TRUE(arrives(to, message));
    if (offers) break;
    ASSERT_LT(messages, 60);
  }
  EXPECT_EQ(messages, 50);
}

TEST_F(SessionParts, KemIsOfferedAfterSevenDays) {
  const Time later = kStart + kKemOfferAfter;
  EXPECT_EQ(flags(send(pair.initiator, later - std::chrono::milliseconds(1))) & internal::kFlagOffer, 0);
  EXPECT_TRUE(arrives(pair.responder, send(pair.initiator)));
  EXPECT_NE(flags(send(pair.responder, later)) & internal::kFlagOffer, 0);
}

TEST_F(SessionParts, OfferAndAnswerAreRepeatedAndAnyCopyWillDo) {
  (void)until_offer();  // lost
  const Bytes second = send(pair.initiator);
  EXPECT_NE(flags(second) & internal::kFlagOffer, 0);
  EXPECT_TRUE(arrives(pair.responder, second));
  const Bytes answer_one = send(pair.responder);
  const Bytes answer_two = send(pair.responder);
  EXPECT_EQ(flags(answer_one), internal::kFlagAnswer);
  EXPECT_EQ(flags(answer_two), internal::kFlagAnswer);
  EXPECT_TRUE(arrives(pair.initiator, answer_two));
  EXPECT_TRUE(arrives(pair.initiator, answer_one));
  const Bytes after = send(pair.initiator);
  EXPECT_EQ(flags(after), 0);
  EXPECT_TRUE(arrives(pair.responder, after));
}

TEST_F(SessionParts, KemSecretGoesIntoTheRootKey) {
  ASSERT_TRUE(arrives(pair.responder, until_offer()));
  // Everything of the initiator's state but the KEM key: what a quantum computer would have of it.
  internal::State thief = take_apart(pair.initiator);
  thief.send->offer->seed = crypto::mlkem768_generate(a.random);
  const Bytes answer = send(pair.responder);
  EXPECT_EQ(internal::open_message(thief, *internal::parse_message(answer), {}, kStart).error(),
            Error::authentication_failed);
  EXPECT_TRUE(arrives(pair.initiator, answer));
}

TEST_F(SessionParts, AnswerWithoutEncapsulationIsADowngrade) {
  ASSERT_TRUE(arrives(pair.responder, until_offer()));
  // A peer that ignores the offer, with otherwise the right keys.
  internal::State cheat = take_apart(pair.responder);
  cheat.receive->offer.reset();
  const auto message = internal::seal_message(cheat, false, as_view("text"), {}, kStart, b.random);
  EXPECT_EQ(flags(*message) & internal::kFlagAnswer, 0);
  EXPECT_EQ(receive(pair.initiator, *message).error(), Error::encapsulation_missing);
  // Who merely leaves it out, without the keys, does not bring the session down.
  const Bytes honest = send(pair.responder);
  Bytes stripped = to_bytes(ByteView(honest).first(kMessageHeaderBytes));
  append(stripped, ByteView(honest).subspan(internal::header_bytes(internal::kFlagAnswer)));
  stripped[32] &= std::byte{static_cast<std::uint8_t>(~internal::kFlagAnswer & 0xff)};
  EXPECT_EQ(receive(pair.initiator, stripped).error(), Error::authentication_failed);
  EXPECT_TRUE(arrives(pair.initiator, honest));
}

TEST_F(SessionParts, EncapsulationThatNobodyAskedForIsRefused) {
  EXPECT_TRUE(arrives(pair.responder, send(pair.initiator)));
  internal::State state = take_apart(pair.responder);
  const auto seed = crypto::mlkem768_generate(b.random);
  const auto key = crypto::MlKem768Decapsulator(seed).encapsulation_key();
  state.receive->offer =
      std::make_unique<internal::PeerOffer>(key, std::move(*crypto::MlKem768Encapsulator::from(key)));
  const auto message = internal::seal_message(state, false, as_view("text"), {}, kStart, b.random);
  EXPECT_EQ(receive(pair.initiator, *message).error(), Error::malformed);
}

TEST_F(SessionParts, BadOfferIsRefused) {
  const Bytes offer = until_offer();
  // The sender's own state, with an encapsulation key whose first coefficient is not reduced (FIPS 203 section 7.2).
  internal::State state = take_apart(pair.initiator);
  auto bytes = state.send->offer->key.array();
  bytes[0] = std::byte{0xff};
  bytes[1] = std::byte{0xff};
  state.send->offer->key = crypto::MlKem768EncapsulationKey(bytes);
  const auto message = internal::seal_message(state, false, as_view("text"), {}, kStart, a.random);
  EXPECT_EQ(receive(pair.responder, *message).error(), Error::bad_key);
  EXPECT_TRUE(arrives(pair.responder, offer));
}

TEST_F(SessionParts, EveryFlippedBitWithKemFieldsIsRefused) {
  const Bytes offer = until_offer();
  const auto refuses_flips = [](Session& to, const Bytes& message) {
    const SecretBytes before = to.serialise();
    EXPECT_TRUE(rc::check("flip", [&] {
      Bytes damaged = message;
      const auto bit = *rc::gen::inRange<std::size_t>(0, 8 * message.size());
      damaged[bit / 8] ^= std::byte(1u << bit % 8);
      RC_ASSERT(!to.decrypt(damaged, {}, kStart).has_value());
      RC_ASSERT(equal(to.serialise(), before));
    }));
  };
  refuses_flips(pair.responder, offer);
  EXPECT_TRUE(arrives(pair.responder, offer));
  const Bytes answer = send(pair.responder);
  refuses_flips(pair.initiator, answer);
  EXPECT_TRUE(arrives(pair.initiator, answer));
}

TEST_F(SessionParts, SmallOrderRatchetKeyIsRefused) {
  Bytes message = send(pair.initiator);
  std::memset(message.data() + 41, 0, crypto::X25519PublicKey::kSize);
  EXPECT_EQ(receive(pair.responder, message).error(), Error::bad_key);
}

/// A message with this padded text, sealed with the right keys by a sender that pads as it likes.
Bytes seal_padded(internal::State& state, const Bytes& padded, std::uint8_t flags = 0) {
  internal::Header header{.tag = state.send->tag,
                          .flags = flags,
                          .number = state.send->next++,
                          .previous = state.sent_before,
                          .ratchet_key = state.send->ratchet_public};
  internal::MessageSeed seed;
  internal::chain_step(state.send->key, seed);
  Bytes message(kMessageHeaderBytes);
  internal::write_header(header, std::span(message).first<kMessageHeaderBytes>());
  const internal::MessageContext context(state.context, state.initiator, message, {});
  Bytes sealed = padded;
  sealed.resize(padded.size() + internal::kSealOverheadBytes);
  internal::seal_in_place(seed, header.salt, context, sealed);
  append(message, sealed);
  return message;
}

TEST_F(SessionParts, PaddingMustBeCanonical) {
  EXPECT_TRUE(arrives(pair.responder, send(pair.initiator)));
  internal::State state = take_apart(pair.initiator);
  const Bytes no_mark(256);
  Bytes stray_byte(256);
  stray_byte[10] = std::byte{0x80};
  stray_byte[255] = std::byte{1};
  Bytes too_long(512);
  too_long[3] = std::byte{0x80};
  for (const Bytes& padded : {no_mark, stray_byte, too_long}) {
    internal::State copy = internal::clone_state(state);
    EXPECT_EQ(receive(pair.responder, seal_padded(copy, padded)).error(), Error::malformed);
  }
  Bytes right(256);
  right[3] = std::byte{0x80};
  EXPECT_EQ(receive(pair.responder, seal_padded(state, right))->plaintext.size(), 3u);
}

TEST_F(SessionParts, UnknownFlagsAreRefused) {
  EXPECT_TRUE(arrives(pair.responder, send(pair.initiator)));
  Bytes padded(256);
  padded[3] = std::byte{0x80};
  for (const std::uint8_t flag : {16, 32, 64, 128}) {
    internal::State state = take_apart(pair.initiator);
    EXPECT_EQ(receive(pair.responder, seal_padded(state, padded, flag)).error(), Error::malformed);
  }
}

TEST_F(SessionParts, NumbersHaveAnEnd) {
  const Bytes message = send(pair.initiator);
  const auto refusal_with = [&](std::size_t at, std::uint32_t value) {
    Bytes changed = message;
    for (std::size_t i = 0; i < 4; ++i) changed[at + i] = static_cast<std::byte>(value >> (24 - 8 * i) & 0xff);
    return receive(pair.responder, changed).error();
  };
  EXPECT_EQ(refusal_with(33, kMaxChainMessages), Error::malformed);
  EXPECT_EQ(refusal_with(33, UINT32_MAX), Error::malformed);
  EXPECT_EQ(refusal_with(33, kMaxChainMessages - 1), Error::gap_too_large);
  EXPECT_EQ(refusal_with(37, kMaxChainMessages + 1), Error::malformed);
  EXPECT_EQ(refusal_with(37, kMaxChainMessages), Error::gap_too_large);
}

TEST_F(SessionParts, StatesThatBreakTheirOwnRulesAreRefused) {
  (void)send(pair.initiator);
  (void)send(pair.initiator);
  EXPECT_TRUE(arrives(pair.responder, send(pair.initiator)));
  const auto loads = [&](auto change) {
    internal::State state = take_apart(pair.responder);
    change(state);
    return Session::deserialise(internal::serialise_state(state)).has_value();
  };
  EXPECT_TRUE(loads([](internal::State&) {}));
  EXPECT_FALSE(loads([](internal::State& s) { std::swap(s.receive->skipped[0], s.receive->skipped[1]); }));
  EXPECT_FALSE(loads([](internal::State& s) { s.receive->skipped[1].number = 3; })) << "not passed over yet";
  EXPECT_FALSE(loads([](internal::State& s) { s.receive->tag = {}; }));
  EXPECT_FALSE(loads([](internal::State& s) { s.next_tag = {}; }));
  EXPECT_FALSE(loads([](internal::State& s) { s.peer = s.us; }));
  EXPECT_FALSE(loads([](internal::State& s) { s.since_kem = kKemOfferAfterMessages + 1; }));
  EXPECT_FALSE(loads([](internal::State& s) { s.last_kem = from_unix_millis(-1); }));
  EXPECT_FALSE(loads([](internal::State& s) { s.receive->next = kMaxChainMessages + 1; }));
  EXPECT_FALSE(loads([](internal::State& s) { s.receive.reset(); })) << "a responder has received";
  EXPECT_FALSE(loads([](internal::State& s) { s.handshake.resize(kHandshakeBytes); })) << "only an initiator's";
  EXPECT_FALSE(loads([](internal::State& s) { s.old.emplace_back().tag = s.receive->tag; })) << "an empty chain";
}

TEST_F(SessionParts, OneChainHasOneRatchetKey) {
  EXPECT_TRUE(arrives(pair.responder, send(pair.initiator)));
  internal::State state = take_apart(pair.initiator);
  state.send->ratchet_public = crypto::x25519_generate(a.random).public_key;
  const auto message = internal::seal_message(state, false, as_view("text"), {}, kStart, a.random);
  EXPECT_EQ(receive(pair.responder, *message).error(), Error::authentication_failed);
}

TEST_F(SessionParts, EphemeralMessagesGetLostWithoutTrace) {
  EXPECT_TRUE(arrives(pair.responder, send(pair.initiator)));
  const Bytes lost = send_ephemeral(pair.initiator);
  EXPECT_TRUE(peek_ephemeral(lost));
  EXPECT_FALSE(peek_ephemeral(*pair.initiator.encrypt(as_view("kept"), {}, kStart, a.random)));
  EXPECT_FALSE(peek_ephemeral(ByteView(lost).first(32)));
  for (int i = 0; i < 5000; ++i) (void)send_ephemeral(pair.initiator);
  const std::size_t size = pair.responder.serialise().size();
  const auto opened = receive(pair.responder, send_ephemeral(pair.initiator));
  ASSERT_TRUE(opened.has_value());
  EXPECT_TRUE(opened->ephemeral);
  EXPECT_EQ(as_text(opened->plaintext), "typing");
  EXPECT_EQ(pair.responder.serialise().size(), size) << "nothing is kept for those that did not come";
  EXPECT_EQ(receive(pair.responder, lost).error(), Error::replayed);
  EXPECT_TRUE(arrives(pair.responder, send(pair.initiator)));
}

TEST_F(SessionParts, EphemeralMessagesDoNotRepeat) {
  EXPECT_TRUE(arrives(pair.responder, send(pair.initiator)));
  const Bytes one = send_ephemeral(pair.initiator);
  EXPECT_TRUE(arrives(pair.responder, one));
  EXPECT_EQ(receive(pair.responder, one).error(), Error::replayed);
  const Bytes two = send_ephemeral(pair.initiator);
  EXPECT_TRUE(arrives(pair.initiator, send(pair.responder)));
  EXPECT_TRUE(arrives(pair.responder, send(pair.initiator)));
  EXPECT_EQ(receive(pair.responder, two).error(), Error::unknown_tag) << "its chain is over";
}

TEST_F(SessionParts, EphemeralOfAnOldChainIsDropped) {
  EXPECT_TRUE(arrives(pair.responder, send(pair.initiator)));
  const Bytes typing = send_ephemeral(pair.initiator);
  const Bytes late = send(pair.initiator);
  EXPECT_TRUE(arrives(pair.initiator, send(pair.responder)));
  EXPECT_TRUE(arrives(pair.responder, send(pair.initiator)));
  EXPECT_EQ(receive(pair.responder, typing).error(), Error::replayed);
  EXPECT_TRUE(arrives(pair.responder, late));
}

TEST_F(SessionParts, EphemeralMessageMayBeginAChain) {
  const Bytes typing = send_ephemeral(pair.initiator);
  const Bytes text = send(pair.initiator);
  EXPECT_TRUE(receive(pair.responder, typing)->stepped);
  EXPECT_TRUE(arrives(pair.responder, text));
  EXPECT_TRUE(arrives(pair.initiator, send(pair.responder)));
  // Or not arrive.
  (void)send_ephemeral(pair.initiator);
  EXPECT_TRUE(receive(pair.responder, send(pair.initiator))->stepped);
}

TEST_F(SessionParts, EphemeralAndTextDoNotStandForEachOther) {
  EXPECT_TRUE(arrives(pair.responder, send(pair.initiator)));
  Bytes typing = send_ephemeral(pair.initiator);
  typing[32] ^= std::byte{internal::kFlagEphemeral};
  EXPECT_FALSE(receive(pair.responder, typing).has_value());
  Bytes text = send(pair.initiator);
  text[32] ^= std::byte{internal::kFlagEphemeral};
  EXPECT_EQ(receive(pair.responder, text).error(), Error::authentication_failed);
}

TEST_F(SessionParts, NothingEphemeralBeforeTheAnswer) {
  Session session = std::move(*start_session(a.local(), b.bundle(), kStart, a.random));
  EXPECT_EQ(session.encrypt_ephemeral(as_view("typing"), {}, kStart, a.random).error(), Error::not_established);
  Bytes message = *session.encrypt(as_view("text"), {}, kStart, a.random);
  message[kHandshakeBytes + 32] |= std::byte{internal::kFlagEphemeral};
  EXPECT_EQ(accept_session(b.local(), b.prekeys, message, {}, kStart).error(), Error::malformed);
}

TEST_F(SessionParts, ChainsEnd) {
  (void)send(pair.initiator);
  internal::State state = take_apart(pair.initiator);
  state.send->next = kMaxChainMessages - 1;
  const auto last = internal::seal_message(state, false, {}, {}, kStart, a.random);
  EXPECT_TRUE(last.has_value());
  EXPECT_EQ(internal::seal_message(state, false, {}, {}, kStart, a.random).error(), Error::chain_exhausted);
  EXPECT_TRUE(internal::seal_message(state, true, {}, {}, kStart, a.random).has_value());
}

TEST_F(SessionParts, StatesSurviveStoring) {
  // In every kind of state: waiting, offering, answering, with keys for late messages.
  Session waiting = std::move(*start_session(a.local(), b.bundle(), kStart, a.random));
  const auto survives = [](const Session& session) {
    const SecretBytes stored = session.serialise();
    const auto again = Session::deserialise(stored);
    ASSERT_TRUE(again.has_value());
    EXPECT_TRUE(equal(again->serialise(), stored));
  };
  survives(waiting);
  (void)send(waiting);
  survives(waiting);
  const Bytes offer = until_offer();
  survives(pair.initiator);
  EXPECT_TRUE(arrives(pair.responder, offer));
  survives(pair.responder);
  (void)send(pair.responder);
  EXPECT_TRUE(arrives(pair.initiator, send(pair.responder)));
  survives(pair.responder);
  survives(pair.initiator);
  // An offer answered after loading: the key is decoded anew.
  const Bytes again = until_offer();
  pair.initiator = std::move(*Session::deserialise(pair.initiator.serialise()));
  pair.responder = std::move(*Session::deserialise(pair.responder.serialise()));
  EXPECT_TRUE(arrives(pair.responder, again));
  EXPECT_TRUE(arrives(pair.initiator, send(pair.responder)));
}

TEST_F(SessionParts, DamagedStatesAreRefusedOrHarmless) {
  (void)until_offer();
  Bytes late = send(pair.initiator);
  EXPECT_TRUE(arrives(pair.responder, send(pair.initiator)));
  for (Session* session : {&pair.initiator, &pair.responder}) {
    const SecretBytes stored = session->serialise();
    for (std::size_t size = 0; size < stored.size(); ++size) {
      ASSERT_EQ(Session::deserialise(ByteView(stored).first(size)).error(), Error::bad_state) << size;
    }
    SecretBytes longer = stored;
    longer.push_back(std::byte{0});
    EXPECT_EQ(Session::deserialise(longer).error(), Error::bad_state);
    SecretBytes newer = stored;
    newer[0] = std::byte{2};
    EXPECT_EQ(Session::deserialise(newer).error(), Error::unsupported_version);
    // Whatever still loads is canonical and does not crash.
    EXPECT_TRUE(rc::check("flip", [&] {
      SecretBytes damaged = stored;
      const auto bit = *rc::gen::inRange<std::size_t>(8, 8 * stored.size());
      damaged[bit / 8] ^= std::byte(1u << bit % 8);
      auto loaded = Session::deserialise(damaged);
      if (!loaded) return;
      RC_ASSERT(equal(loaded->serialise(), damaged));
      (void)loaded->decrypt(late, {}, kStart);
    }));
  }
}

}  // namespace
}  // namespace opaline::session
