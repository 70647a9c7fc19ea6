#include "session/handshake.hpp"

#include <gtest/gtest.h>

#include <rapidcheck.h>

#include <algorithm>

#include "session/internal/handshake_keys.hpp"
#include "session/internal/labels.hpp"
#include "session/testing.hpp"

namespace opaline::session {
namespace {

using testing::kStart;
using testing::TestDevice;

class Handshake : public ::testing::Test {
 protected:
  Session start(std::optional<std::size_t> one_time = 0) {
    return std::move(*start_session(alice.local(), bob.bundle(one_time), kStart, alice.random));
  }
  Bytes hello(Session& session) { return *session.encrypt(as_view("hello"), {}, kStart, alice.random); }
  Result<AcceptedSession, Error> accept(ByteView message) {
    return accept_session(bob.local(), bob.prekeys, message, {}, kStart);
  }
  TestDevice alice{1};
  TestDevice bob{2};
};

TEST_F(Handshake, FirstMessageOpensASession) {
  for (const std::optional<std::size_t> one_time : {std::optional<std::size_t>(2), std::optional<std::size_t>()}) {
    Session ours = start(one_time);
    EXPECT_TRUE(ours.is_initiator());
    EXPECT_FALSE(ours.is_established());
    const Bytes message = hello(ours);
    EXPECT_TRUE(is_handshake(message));
    EXPECT_EQ(*handshake_hash_of(message), ours.handshake_hash());

    auto accepted = accept(message);
    ASSERT_TRUE(accepted.has_value());
    EXPECT_EQ(as_text(accepted->first.plaintext), "hello");
    EXPECT_EQ(accepted->claim.address, alice.address());
    EXPECT_EQ(accepted->claim.keys, alice.identity.public_keys());
    EXPECT_EQ(accepted->claim.list, alice.list.reference());
    EXPECT_EQ(accepted->claim.our_list, bob.list.reference());
    EXPECT_EQ(accepted->prekey_set, PrekeySetId{1});
    EXPECT_EQ(accepted->one_time.has_value(), one_time.has_value());
    if (one_time) {
      EXPECT_EQ(accepted->one_time, OneTimeIndex{2});
    }

    Session& theirs = accepted->session;
    EXPECT_TRUE(theirs.is_established());
    EXPECT_FALSE(theirs.is_initiator());
    EXPECT_EQ(theirs.handshake_hash(), ours.handshake_hash());
    EXPECT_EQ(theirs.peer(), alice.address());
    EXPECT_EQ(theirs.peer_identity(), alice.identity.hash());
    EXPECT_EQ(ours.peer_identity(), bob.identity.hash());
    const Bytes answer = *theirs.encrypt(as_view("answer"), {}, kStart, bob.random);
    EXPECT_FALSE(is_handshake(answer));
    EXPECT_EQ(as_text(ours.decrypt(answer, {}, kStart)->plaintext), "answer");
    EXPECT_TRUE(ours.is_established());
    EXPECT_FALSE(is_handshake(hello(ours)));
  }
}

TEST_F(Handshake, IsRepeatedUntilTheAnswerAndFoundByTag) {
  Session ours = start();
  const Bytes first = hello(ours);
  const Bytes second = hello(ours);
  const Bytes third = hello(ours);
  EXPECT_TRUE(is_handshake(third));
  EXPECT_TRUE(equal(ByteView(first).first(kHandshakeBytes), ByteView(third).first(kHandshakeBytes)));

  auto accepted = accept(third);  // the first two are late
  ASSERT_TRUE(accepted.has_value());
  Session& theirs = accepted->session;
  EXPECT_EQ(theirs.accepted_tags(), std::vector{*peek_tag(first)});
  EXPECT_TRUE(theirs.decrypt(first, {}, kStart).has_value());
  EXPECT_TRUE(theirs.decrypt(second, {}, kStart).has_value());
  EXPECT_EQ(theirs.decrypt(second, {}, kStart).error(), Error::replayed);
}

TEST_F(Handshake, EveryFlippedBitIsRefused) {
  Session ours = start();
  const Bytes message = hello(ours);
  EXPECT_TRUE(rc::check("flip", [&] {
    Bytes damaged = message;
    const auto bit = *rc::gen::inRange<std::size_t>(0, 8 * message.size());
    damaged[bit / 8] ^= std::byte(1u << bit % 8);
    RC_ASSERT(!accept(damaged).has_value());
  }));
  for (std::size_t i = 0; i < 24 + 32 + 8; ++i) {  // the clear part, whole
    for (unsigned bit = 0; bit < 8; ++bit) {
      Bytes damaged = message;
      damaged[i] ^= std::byte(1u << bit);
      EXPECT_FALSE(accept(damaged).has_value()) << i;
    }
  }
}

TEST_F(Handshake, RepeatedHandshakeMustBeTheSame) {
  Session ours = start();
  auto accepted = accept(hello(ours));
  ASSERT_TRUE(accepted.has_value());
  const Bytes second = hello(ours);
  const SecretBytes before = accepted->session.serialise();
  EXPECT_TRUE(rc::check("flip", [&] {
    Bytes damaged = second;
    const auto bit = *rc::gen::inRange<std::size_t>(0, 8 * second.size());
    damaged[bit / 8] ^= std::byte(1u << bit % 8);
    RC_ASSERT(!accepted->session.decrypt(damaged, {}, kStart).has_value());
    RC_ASSERT(equal(accepted->session.serialise(), before));
  }));
  // Taken off, it is missed.
  EXPECT_EQ(accepted->session.decrypt(ByteView(second).subspan(kHandshakeBytes), {}, kStart).error(), Error::malformed);
  // Another session's does not fit.
  Session again = start();
  Bytes mixed = to_bytes(ByteView(hello(again)).first(kHandshakeBytes));
  append(mixed, ByteView(second).subspan(kHandshakeBytes));
  EXPECT_EQ(accepted->session.decrypt(mixed, {}, kStart).error(), Error::authentication_failed);
  EXPECT_EQ(accept(mixed).error(), Error::authentication_failed);
}

TEST_F(Handshake, TruncatedOrLongerIsRefused) {
  Session ours = start();
  const Bytes message = hello(ours);
  for (std::size_t size = 0; size < message.size(); size += size < 120 ? 1 : 131) {
    EXPECT_EQ(accept(ByteView(message).first(size)).error(), Error::malformed) << size;
  }
  Bytes longer = message;
  longer.push_back(std::byte{0});
  EXPECT_EQ(accept(longer).error(), Error::malformed);
  longer.resize(kMaxMessageBytes + 1);
  EXPECT_EQ(accept(longer).error(), Error::too_large);
}

TEST_F(Handshake, OtherVersionsAreRefused) {
  Session ours = start();
  Bytes message = hello(ours);
  for (const unsigned version : {0u, 2u, 255u}) {
    message[SessionTag::kSize] = std::byte(version);
    EXPECT_EQ(accept(message).error(), Error::unsupported_version);
  }
}

TEST_F(Handshake, WrongReceiversCannotOpen) {
  Session ours = start();
  const Bytes message = hello(ours);
  TestDevice carol(3);
  EXPECT_EQ(accept_session(carol.local(), carol.prekeys, message, {}, kStart).error(), Error::authentication_failed);
  // Carol with Bob's prekeys, but not his identity; and Bob's keys under another name.
  EXPECT_EQ(accept_session(carol.local(), bob.prekeys, message, {}, kStart).error(), Error::authentication_failed);
  const LocalDevice renumbered{bob.identity, {bob.account, DeviceNumber{2}}, bob.list.reference()};
  EXPECT_EQ(accept_session(renumbered, bob.prekeys, message, {}, kStart).error(), Error::authentication_failed);
  const LocalDevice renamed{bob.identity, {carol.account, DeviceNumber{1}}, bob.list.reference()};
  EXPECT_EQ(accept_session(renamed, bob.prekeys, message, {}, kStart).error(), Error::authentication_failed);
  // Reflected to Alice herself.
  EXPECT_EQ(accept_session(alice.local(), alice.prekeys, message, {}, kStart).error(), Error::authentication_failed);
  EXPECT_EQ(ours.decrypt(message, {}, kStart).error(), Error::malformed);
  EXPECT_TRUE(accept(message).has_value());
}

TEST_F(Handshake, AssociatedDataIsBound) {
  Session ours = start();
  const Bytes message = *ours.encrypt(as_view("hello"), as_view("envelope 1"), kStart, alice.random);
  const auto with = [&](std::string_view data) {
    return accept_session(bob.local(), bob.prekeys, message, as_view(data), kStart);
  };
  EXPECT_EQ(with("envelope 2").error(), Error::authentication_failed);
  EXPECT_EQ(with("").error(), Error::authentication_failed);
  EXPECT_TRUE(with("envelope 1").has_value());
}

TEST_F(Handshake, MissingPrekeysAreSaid) {
  Session ours = start(1);
  const Bytes message = hello(ours);
  bob.prekeys.one_time.erase({PrekeySetId{1}, OneTimeIndex{1}});
  EXPECT_EQ(accept(message).error(), Error::unknown_prekey);
  bob.prekeys.sets.clear();
  EXPECT_EQ(accept(message).error(), Error::unknown_prekey);
}

TEST_F(Handshake, WithoutTheOneTimeKeyItsBytesDoNotOpen) {
  // Somebody who strikes the one-time key out of the handshake changes the transcript.
  Session ours = start(0);
  Bytes message = hello(ours);
  message[SessionTag::kSize + 1 + 4] = std::byte{0};
  EXPECT_EQ(accept(message).error(), Error::authentication_failed);
  message[SessionTag::kSize + 1 + 4] = std::byte{2};
  EXPECT_EQ(accept(message).error(), Error::malformed);
}

TEST_F(Handshake, WithoutAOneTimeKeyThereIsNoIndex) {
  Session ours = start(std::nullopt);
  Bytes message = hello(ours);
  message[SessionTag::kSize + 1 + 4 + 2] = std::byte{1};
  EXPECT_EQ(accept(message).error(), Error::malformed);
}

TEST_F(Handshake, ReplayHasTheSameHash) {
  Session ours = start(std::nullopt);
  const Bytes message = hello(ours);
  const auto one = accept(message);
  const auto again = accept(message);  // what the endpoint must refuse: without a one-time key nothing else does
  ASSERT_TRUE(one.has_value() && again.has_value());
  EXPECT_EQ(one->session.handshake_hash(), again->session.handshake_hash());
  EXPECT_EQ(one->session.handshake_hash(), *handshake_hash_of(message));
  EXPECT_EQ(handshake_hash_of(ByteView(message).first(kHandshakeBytes - 1)).error(), Error::malformed);
  EXPECT_EQ(handshake_hash_of(ByteView(message).subspan(kHandshakeBytes)).error(), Error::malformed);
}

TEST_F(Handshake, ClaimsAreCheckedAgainstTheList) {
  Session ours = start();
  const PeerClaim claim = accept(hello(ours))->claim;
  EXPECT_EQ(check_claim(alice.list, claim), ClaimCheck::confirmed);
  EXPECT_EQ(check_claim(bob.list, claim), ClaimCheck::other_account);
  PeerClaim newer = claim;
  newer.list.number = ListNumber{2};
  EXPECT_EQ(check_claim(alice.list, newer), ClaimCheck::newer_list);
  PeerClaim forked = claim;
  forked.list.hash = ListHash(alice.random.bytes<32>());
  EXPECT_EQ(check_claim(alice.list, forked), ClaimCheck::forked_list);
  PeerClaim unknown = claim;
  unknown.address.device = DeviceNumber{2};
  EXPECT_EQ(check_claim(alice.list, unknown), ClaimCheck::not_in_list);
  PeerClaim other_keys = claim;
  other_keys.keys = bob.identity.public_keys();
  EXPECT_EQ(check_claim(alice.list, other_keys), ClaimCheck::wrong_keys);
  // One of the two is not enough: who stole bob's prekeys can use alice's agreement key against him, not sign as her.
  other_keys.keys = {.signing = bob.identity.public_keys().signing, .agreement = claim.keys.agreement};
  EXPECT_EQ(check_claim(alice.list, other_keys), ClaimCheck::wrong_keys);
  other_keys.keys = {.signing = claim.keys.signing, .agreement = bob.identity.public_keys().agreement};
  EXPECT_EQ(check_claim(alice.list, other_keys), ClaimCheck::wrong_keys);
}

TEST_F(Handshake, ImpostorsAreFoundByTheirKeys) {
  // Mallory claims to be Alice's device with keys of her own: her signature fits, the list says no.
  const TestDevice mallory(4);
  const LocalDevice as_alice{mallory.identity, alice.address(), alice.list.reference()};
  Session session = std::move(*start_session(as_alice, bob.bundle(), kStart, alice.random));
  const auto accepted = accept(hello(session));
  ASSERT_TRUE(accepted.has_value());
  EXPECT_EQ(check_claim(alice.list, accepted->claim), ClaimCheck::wrong_keys);
}

/// A first message in which everything is derived as it should be, but by an initiator that is free in what it says of
/// itself and who signs. `signer` signs under `label`.
Bytes forge(const LocalDevice& says, const crypto::X25519PrivateKey& agreement, const crypto::HybridSigner& signer,
            std::string_view label, const VerifiedBundle& peer, RandomSource& random) {
  const auto ephemeral = crypto::x25519_generate(random);
  auto kem = crypto::MlKem768Encapsulator::from(peer.set().kem_prekey)->encapsulate(random);
  const internal::Opening opening{.responder = peer.owner(),
                                  .responder_identity = peer.keys().hash(),
                                  .set_hash = peer.set_hash(),
                                  .set = peer.set().id,
                                  .ephemeral = ephemeral.public_key,
                                  .kem_ciphertext = kem.ciphertext};
  internal::OpeningSecrets secrets;
  secrets.with_identity = std::move(*crypto::x25519_agree(ephemeral.private_key, peer.keys().agreement));
  secrets.with_signed_prekey = std::move(*crypto::x25519_agree(ephemeral.private_key, peer.set().signed_prekey));
  secrets.kem = std::move(kem.shared_secret);
  const internal::IdentityStage first = internal::identity_stage(opening, secrets);
  const Bytes identity = internal::encode_identity(says, peer.list());
  const auto dh = crypto::x25519_agree(agreement, peer.set().signed_prekey);
  const internal::SignatureStage second = internal::signature_stage(first, identity, *dh);
  const auto signature = signer.sign(label, second.transcript, random);
  Bytes message = internal::encode_opening(opening);
  const ByteArray<12> nonce{};
  crypto::aes256gcm_seal(first.key.reveal(), nonce, first.transcript, identity, message);
  crypto::aes256gcm_seal(second.key.reveal(), nonce, second.transcript, signature.view(), message);

  internal::FirstKeys keys = internal::first_keys(second, signature.view());
  internal::State state;
  state.initiator = true;
  state.us = says.address;
  state.peer = peer.owner();
  state.handshake_hash = internal::hash_of_handshake(message);
  state.context = internal::session_context(state.us, state.peer, state.handshake_hash);
  state.root = std::move(keys.root);
  state.next_tag = keys.tag;
  state.peer_ratchet = peer.set().signed_prekey;
  state.last_kem = kStart;
  state.handshake = std::move(message);
  return *internal::seal_message(state, false, as_view("hello"), {}, kStart, random);
}

TEST_F(Handshake, SignatureMustBeTheClaimedDevices) {
  const auto forged = [&](const crypto::HybridSigner& signer, std::string_view label) {
    return accept(
        forge(alice.local(), alice.identity.agreement_key(), signer, label, bob.bundle(std::nullopt), alice.random));
  };
  // The helper is right: with the right signer all is well.
  ASSERT_TRUE(forged(alice.identity.signer(), internal::kHandshakeSignature).has_value());
  const TestDevice mallory(4);
  EXPECT_EQ(forged(mallory.identity.signer(), internal::kHandshakeSignature).error(), Error::authentication_failed);
  EXPECT_EQ(forged(alice.account_key.signer(), internal::kHandshakeSignature).error(), Error::authentication_failed);
  EXPECT_EQ(forged(alice.identity.signer(), internal::kPrekeySetSignature).error(), Error::authentication_failed);
}

TEST_F(Handshake, AgreementKeyMustBeTheClaimedDevices) {
  const TestDevice mallory(4);
  EXPECT_EQ(accept(forge(alice.local(), mallory.identity.agreement_key(), alice.identity.signer(),
                         internal::kHandshakeSignature, bob.bundle(std::nullopt), alice.random))
                .error(),
            Error::authentication_failed);
}

TEST_F(Handshake, WithOurselvesIsRefused) {
  EXPECT_EQ(start_session(bob.local(), bob.bundle(), kStart, bob.random).error(), Error::wrong_device);
  const LocalDevice as_bob{alice.identity, bob.address(), bob.list.reference()};
  EXPECT_EQ(accept(forge(as_bob, alice.identity.agreement_key(), alice.identity.signer(), internal::kHandshakeSignature,
                         bob.bundle(std::nullopt), alice.random))
                .error(),
            Error::wrong_device);
}

TEST_F(Handshake, BothAtOnceReceiveBoth) {
  Session from_alice = start();
  Session from_bob = std::move(*start_session(bob.local(), alice.bundle(), kStart, bob.random));
  const Bytes to_bob = hello(from_alice);
  const Bytes to_alice = *from_bob.encrypt(as_view("hi"), {}, kStart, bob.random);
  auto at_bob = accept(to_bob);
  auto at_alice = accept_session(alice.local(), alice.prekeys, to_alice, {}, kStart);
  ASSERT_TRUE(at_bob.has_value() && at_alice.has_value());
  // Both choose the same one.
  const bool alices = sends_before(from_alice.handshake_hash(), at_alice->session.handshake_hash());
  EXPECT_EQ(alices, sends_before(at_bob->session.handshake_hash(), from_bob.handshake_hash()));
  Session& alice_sends = alices ? from_alice : at_alice->session;
  Session& bob_sends = alices ? at_bob->session : from_bob;
  const Bytes one = *alice_sends.encrypt(as_view("one"), {}, kStart, alice.random);
  EXPECT_EQ(as_text(bob_sends.decrypt(one, {}, kStart)->plaintext), "one");
  const Bytes two = *bob_sends.encrypt(as_view("two"), {}, kStart, bob.random);
  EXPECT_EQ(as_text(alice_sends.decrypt(two, {}, kStart)->plaintext), "two");
}

TEST_F(Handshake, HidesWhoTheInitiatorIs) {
  Session ours = start();
  const Bytes message = hello(ours);
  const auto contains = [&](ByteView part) {
    return std::search(message.begin(), message.end(), part.begin(), part.end()) != message.end();
  };
  EXPECT_FALSE(contains(alice.account.view()));
  EXPECT_FALSE(contains(alice.identity.public_keys().agreement.view()));
  EXPECT_FALSE(contains(alice.identity.public_keys().signing.view().first<32>()));
}

}  // namespace
}  // namespace opaline::session
