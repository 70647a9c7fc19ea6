#include "session/handshake.hpp"

#include "base/codec.hpp"
#include "session/internal/handshake_keys.hpp"
#include "session/internal/labels.hpp"

namespace opaline::session {
namespace {

using internal::HandshakeKey;
using internal::IdentityStage;
using internal::Opening;
using internal::OpeningSecrets;
using internal::SignatureStage;
using internal::TranscriptHash;

/// Each handshake key seals once, so its nonce is zero.
constexpr ByteArray<crypto::kAeadNonceBytes> kZeroNonce{};

void seal_once(const HandshakeKey& key, const TranscriptHash& transcript, ByteView plaintext, Bytes& out) {
  crypto::aes256gcm_seal(key.reveal(), kZeroNonce, transcript, plaintext, out);
}

/// The part of the state that both sides have in common.
internal::State first_state(bool initiator, const DeviceAddress& us, const DeviceAddress& peer,
                            const IdentityHash& peer_identity, ByteView handshake, const SignatureStage& stage,
                            FixedView<crypto::HybridSignature::kSize> signature, Time now) {
  internal::FirstKeys first = internal::first_keys(stage, signature);
  internal::State state;
  state.initiator = initiator;
  state.us = us;
  state.peer = peer;
  state.peer_identity = peer_identity;
  state.handshake_hash = internal::hash_of_handshake(handshake);
  state.context = initiator ? internal::session_context(us, peer, state.handshake_hash)
                            : internal::session_context(peer, us, state.handshake_hash);
  state.root = std::move(first.root);
  state.next_tag = first.tag;
  state.last_kem = now;
  return state;
}

/// The responder's view of an opening, with its secrets.
struct ReceivedOpening {
  Opening opening;
  ByteView sealed_identity;
  ByteView sealed_signature;
  const PrekeySecrets* set = nullptr;
  OpeningSecrets secrets;
};

Result<ReceivedOpening, Error> read_opening(const LocalDevice& us, PrekeySource& prekeys, ByteView handshake) {
  Reader in(handshake);
  (void)in.bytes(SessionTag::kSize + 1);  // parse_message has checked them
  ReceivedOpening out;
  Opening& opening = out.opening;
  opening.responder = us.address;
  opening.responder_identity = us.identity.hash();
  opening.set = PrekeySetId{in.u32()};
  const std::uint8_t with_one_time = in.u8();
  opening.with_one_time = with_one_time == 1;
  opening.one_time = OneTimeIndex{in.u16()};
  opening.ephemeral = crypto::X25519PublicKey(in.array<crypto::X25519PublicKey::kSize>());
  opening.kem_ciphertext = crypto::MlKem768Ciphertext(in.array<crypto::MlKem768Ciphertext::kSize>());
  out.sealed_identity = in.bytes(internal::kSealedIdentityBytes);
  out.sealed_signature = in.bytes(internal::kSealedSignatureBytes);
  if (!in.finished() || with_one_time > 1) return fail(Error::malformed);
  if (!opening.with_one_time && opening.one_time != OneTimeIndex{0}) return fail(Error::malformed);

  out.set = prekeys.find_set(opening.set);
  if (out.set == nullptr) return fail(Error::unknown_prekey);
  OPALINE_ASSERT(out.set->id() == opening.set);  // the source's bug
  opening.set_hash = out.set->hash();
  if (opening.with_one_time) {
    const auto key = prekeys.find_one_time(opening.set, opening.one_time);
    if (!key) return fail(Error::unknown_prekey);
    opening.one_time_key = crypto::x25519_public_of(*key);
    auto secret = crypto::x25519_agree(*key, opening.ephemeral);
    if (!secret) return fail(Error::bad_key);
    out.secrets.with_one_time = std::move(*secret);
  }
  auto with_identity = crypto::x25519_agree(us.identity.agreement_key(), opening.ephemeral);
  auto with_signed_prekey = crypto::x25519_agree(out.set->signed_prekey(), opening.ephemeral);
  if (!with_identity || !with_signed_prekey) return fail(Error::bad_key);
  out.secrets.with_identity = std::move(*with_identity);
  out.secrets.with_signed_prekey = std::move(*with_signed_prekey);
  out.secrets.kem = out.set->kem().decapsulate(opening.kem_ciphertext);
  return out;
}

}  // namespace

Result<Session, Error> start_session(const LocalDevice& us, const VerifiedBundle& peer, Time now,
                                     RandomSource& random) {
  if (us.address == peer.owner()) return fail(Error::wrong_device);
  const auto encapsulator = crypto::MlKem768Encapsulator::from(peer.set().kem_prekey);
  if (!encapsulator) return fail(Error::bad_key);
  const crypto::X25519KeyPair ephemeral = crypto::x25519_generate(random);
  auto with_identity = crypto::x25519_agree(ephemeral.private_key, peer.keys().agreement);
  auto with_signed_prekey = crypto::x25519_agree(ephemeral.private_key, peer.set().signed_prekey);
  const auto ours_with_signed_prekey = crypto::x25519_agree(us.identity.agreement_key(), peer.set().signed_prekey);
  if (!with_identity || !with_signed_prekey || !ours_with_signed_prekey) return fail(Error::bad_key);
  std::optional<crypto::X25519SharedSecret> with_one_time;
  if (peer.one_time()) {
    auto secret = crypto::x25519_agree(ephemeral.private_key, peer.one_time()->key);
    if (!secret) return fail(Error::bad_key);
    with_one_time = std::move(*secret);
  }
  crypto::MlKem768Encapsulation kem = encapsulator->encapsulate(random);

  Opening opening{.responder = peer.owner(),
                  .responder_identity = peer.keys().hash(),
                  .set_hash = peer.set_hash(),
                  .set = peer.set().id,
                  .ephemeral = ephemeral.public_key,
                  .kem_ciphertext = kem.ciphertext};
  if (peer.one_time()) {
    opening.with_one_time = true;
    opening.one_time = peer.one_time()->index;
    opening.one_time_key = peer.one_time()->key;
  }
  const IdentityStage first = internal::identity_stage(opening, {.with_identity = std::move(*with_identity),
                                                                 .with_signed_prekey = std::move(*with_signed_prekey),
                                                                 .with_one_time = std::move(with_one_time),
                                                                 .kem = std::move(kem.shared_secret)});
  const Bytes identity = internal::encode_identity(us, peer.list());
  const SignatureStage second = internal::signature_stage(first, identity, *ours_with_signed_prekey);
  const auto signature = us.identity.signer().sign(internal::kHandshakeSignature, second.transcript, random);

  Bytes handshake = internal::encode_opening(opening);
  seal_once(first.key, first.transcript, identity, handshake);
  seal_once(second.key, second.transcript, signature.view(), handshake);
  OPALINE_ASSERT(handshake.size() == kHandshakeBytes);
  internal::State state =
      first_state(true, us.address, peer.owner(), opening.responder_identity, handshake, second, signature.view(), now);
  state.peer_ratchet = peer.set().signed_prekey;
  state.handshake = std::move(handshake);
  return SessionFactory::make(std::move(state));
}

Result<HandshakeHash, Error> handshake_hash_of(ByteView message) {
  if (!is_handshake(message) || message.size() < kHandshakeBytes) return fail(Error::malformed);
  return internal::hash_of_handshake(message.first(kHandshakeBytes));
}

Result<AcceptedSession, Error> accept_session(const LocalDevice& us, PrekeySource& prekeys, ByteView message,
                                              ByteView associated_data, Time now) {
  OPALINE_TRY(const internal::ParsedMessage parsed, internal::parse_message(message));
  if (parsed.handshake.empty()) return fail(Error::malformed);
  OPALINE_TRY(ReceivedOpening received, read_opening(us, prekeys, parsed.handshake));
  const Opening& opening = received.opening;

  // Who speaks ...
  const IdentityStage first = internal::identity_stage(opening, received.secrets);
  const auto identity =
      crypto::aes256gcm_open(first.key.reveal(), kZeroNonce, first.transcript, received.sealed_identity);
  if (!identity) return fail(Error::authentication_failed);
  PeerClaim claim = internal::decode_identity(*identity);
  if (claim.address == us.address) return fail(Error::wrong_device);

  // ... and whether it really does.
  const auto dh = crypto::x25519_agree(received.set->signed_prekey(), claim.keys.agreement);
  if (!dh) return fail(Error::bad_key);
  const SignatureStage second = internal::signature_stage(first, *identity, *dh);
  const auto signature =
      crypto::aes256gcm_open(second.key.reveal(), kZeroNonce, second.transcript, received.sealed_signature);
  if (!signature) return fail(Error::authentication_failed);
  const auto signature_view = ByteView(*signature).first<crypto::HybridSignature::kSize>();
  const auto verifier = crypto::HybridVerifier::from(claim.keys.signing);
  if (!verifier ||
      !verifier->verify(internal::kHandshakeSignature, second.transcript, crypto::HybridSignature(signature_view))) {
    return fail(Error::authentication_failed);
  }

  // The signed prekey stands for the ratchet key of a sending chain that never sends: the message in hand answers it.
  internal::State state =
      first_state(false, us.address, claim.address, claim.keys.hash(), parsed.handshake, second, signature_view, now);
  internal::SendChain& chain = state.send.emplace();
  chain.ratchet_private = received.set->signed_prekey().clone();
  chain.ratchet_public = received.set->signed_prekey_public();
  if (parsed.header.tag != state.next_tag) return fail(Error::authentication_failed);
  OPALINE_TRY(Decrypted opened, internal::open_message(state, parsed, associated_data, now));
  return AcceptedSession{.session = SessionFactory::make(std::move(state)),
                         .claim = std::move(claim),
                         .first = std::move(opened),
                         .prekey_set = opening.set,
                         .one_time = opening.with_one_time ? std::optional(opening.one_time) : std::nullopt};
}

ClaimCheck check_claim(const VerifiedDeviceList& list, const PeerClaim& claim) {
  if (list.list().account != claim.address.account) return ClaimCheck::other_account;
  if (claim.list.number > list.list().number) return ClaimCheck::newer_list;
  if (claim.list.number == list.list().number && claim.list.hash != list.hash()) return ClaimCheck::forked_list;
  const DeviceEntry* entry = list.find(claim.address.device);
  if (entry == nullptr) return ClaimCheck::not_in_list;
  return entry->keys == claim.keys ? ClaimCheck::confirmed : ClaimCheck::wrong_keys;
}

}  // namespace opaline::session
