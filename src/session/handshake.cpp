#include "session/handshake.hpp"

#include "base/codec.hpp"
#include "crypto/aead.hpp"
#include "crypto/hkdf.hpp"
#include "session/internal/labels.hpp"
#include "session/internal/state.hpp"

namespace opaline::session {
namespace {

using Hash = ByteArray<32>;
using HandshakeKey = Secret<struct HandshakeKeyTag, 32>;

constexpr std::size_t kIdentityBytes = AccountId::kSize + 4 + 4 + ListHash::kSize + DevicePublicKeys::kSize + 4 + 32;
constexpr std::size_t kSealedIdentityBytes = kIdentityBytes + crypto::kAeadTagBytes;
constexpr std::size_t kSealedSignatureBytes = crypto::HybridSignature::kSize + crypto::kAeadTagBytes;

/// What both sides know of the responder and its prekeys, and what the initiator sends in the clear.
struct Opening {
  DeviceAddress responder;
  IdentityHash responder_identity;
  PrekeySetHash set_hash;
  PrekeySetId set{};
  bool with_one_time = false;
  OneTimeIndex one_time{};
  crypto::X25519PublicKey one_time_key{};  // zero without one
  crypto::X25519PublicKey ephemeral;
  crypto::MlKem768Ciphertext kem_ciphertext;
};

Bytes encode_opening(const Opening& opening) {
  Bytes out;
  out.reserve(kHandshakeBytes);
  Writer to(out);
  to.bytes(SessionTag{}.view()).u8(kVersion).u32(static_cast<std::uint32_t>(opening.set));
  to.u8(opening.with_one_time).u16(static_cast<std::uint16_t>(opening.one_time));
  to.bytes(opening.ephemeral.view()).bytes(opening.kem_ciphertext.view());
  return out;
}

/// T1: everything but the initiator.
Hash transcript1(const Opening& opening) {
  Bytes bytes;
  Writer(bytes)
      .bytes(as_view(internal::kTranscript1Label))
      .u8(kVersion)
      .bytes(opening.responder.account.view())
      .u32(static_cast<std::uint32_t>(opening.responder.device))
      .bytes(opening.responder_identity.view())
      .bytes(opening.set_hash.view())
      .u32(static_cast<std::uint32_t>(opening.set))
      .u8(opening.with_one_time)
      .u16(static_cast<std::uint16_t>(opening.one_time))
      .bytes(opening.one_time_key.view())
      .bytes(opening.ephemeral.view())
      .bytes(opening.kem_ciphertext.view());
  return crypto::sha256(bytes);
}

/// The secrets that need nothing of the initiator's identity, on either side.
struct OpeningSecrets {
  crypto::X25519SharedSecret with_identity;
  crypto::X25519SharedSecret with_signed_prekey;
  std::optional<crypto::X25519SharedSecret> with_one_time;
  crypto::MlKem768SharedSecret kem;
};

/// The keys under which the identity travels, and what goes on from there.
struct IdentityStage {
  Hash transcript{};  // T1
  HandshakeKey key{};
  HandshakeKey chain{};
};
IdentityStage identity_stage(const Opening& opening, const OpeningSecrets& secrets) {
  IdentityStage out{.transcript = transcript1(opening)};
  HandshakeKey prk;
  const ByteView one_time = secrets.with_one_time ? ByteView(secrets.with_one_time->reveal()) : ByteView();
  crypto::hkdf_extract(
      out.transcript,
      {secrets.with_identity.reveal(), secrets.with_signed_prekey.reveal(), one_time, secrets.kem.reveal()},
      prk.fill());
  crypto::hkdf_expand(prk.reveal(), as_view(internal::kIdentityKeyInfo), out.key.fill());
  crypto::hkdf_expand(prk.reveal(), as_view(internal::kIdentityChainInfo), out.chain.fill());
  return out;
}

/// The keys once the initiator is known.
struct SignatureStage {
  Hash transcript{};  // T2: what the initiator signs
  HandshakeKey prk{};
  HandshakeKey key{};
};
SignatureStage signature_stage(const IdentityStage& before, ByteView identity, const crypto::X25519SharedSecret& dh) {
  SignatureStage out{.transcript = crypto::sha256({as_view(internal::kTranscript2Label), before.transcript, identity})};
  crypto::hkdf_extract(before.chain.reveal(), dh.reveal(), out.prk.fill());
  crypto::hkdf_expand(out.prk.reveal(), as_view(internal::kSignatureKeyInfo), out.key.fill());
  return out;
}

/// Each handshake key seals once, so its nonce is zero.
constexpr ByteArray<crypto::kAeadNonceBytes> kZeroNonce{};

void seal_once(const HandshakeKey& key, const Hash& transcript, ByteView plaintext, Bytes& out) {
  crypto::aes256gcm_seal(key.reveal(), kZeroNonce, transcript, plaintext, out);
}

Bytes encode_identity(const LocalDevice& us, const ListReference& peer_list) {
  const DevicePublicKeys& keys = us.identity.public_keys();
  Bytes out;
  out.reserve(kIdentityBytes);
  Writer to(out);
  to.bytes(us.address.account.view()).u32(static_cast<std::uint32_t>(us.address.device));
  to.u32(static_cast<std::uint32_t>(us.list.number)).bytes(us.list.hash.view());
  to.bytes(keys.signing.view()).bytes(keys.agreement.view());
  to.u32(static_cast<std::uint32_t>(peer_list.number)).bytes(peer_list.hash.view());
  return out;
}

PeerClaim decode_identity(ByteView identity) {
  Reader in(identity);
  PeerClaim out;
  out.address.account = AccountId(in.array<AccountId::kSize>());
  out.address.device = DeviceNumber(in.u32());
  out.list.number = ListNumber(in.u32());
  out.list.hash = ListHash(in.array<ListHash::kSize>());
  out.keys.signing = crypto::HybridPublicKey(in.array<crypto::HybridPublicKey::kSize>());
  out.keys.agreement = crypto::X25519PublicKey(in.array<crypto::X25519PublicKey::kSize>());
  out.our_list.number = ListNumber(in.u32());
  out.our_list.hash = ListHash(in.array<ListHash::kSize>());
  OPALINE_ASSERT(in.finished());  // its size was checked
  return out;
}

HandshakeHash hash_of_handshake(ByteView handshake) {
  return HandshakeHash(crypto::sha256({as_view(internal::kHandshakeHashLabel), handshake}));
}

/// The part of the state that both sides have in common.
internal::State first_state(bool initiator, const DeviceAddress& us, const DeviceAddress& peer,
                            const IdentityHash& peer_identity, ByteView handshake, const SignatureStage& stage,
                            FixedView<crypto::HybridSignature::kSize> signature, Time now) {
  const Hash transcript3 = crypto::sha256({as_view(internal::kTranscript3Label), stage.transcript, signature});
  Secret<struct FirstKeysTag, 32 + SessionTag::kSize> keys;
  crypto::hkdf_expand(stage.prk.reveal(), {as_view(internal::kSessionInfo), transcript3}, keys.fill());
  internal::State state;
  state.initiator = initiator;
  state.us = us;
  state.peer = peer;
  state.peer_identity = peer_identity;
  state.handshake_hash = hash_of_handshake(handshake);
  state.context = initiator ? internal::session_context(us, peer, state.handshake_hash)
                            : internal::session_context(peer, us, state.handshake_hash);
  state.root = internal::RootKey(keys.reveal().first<32>());
  state.next_tag = SessionTag(keys.reveal().last<SessionTag::kSize>());
  state.last_kem = now;
  return state;
}

}  // namespace

Result<Session, Error> start_session(const LocalDevice& us, const VerifiedBundle& peer, Time now,
                                     RandomSource& random) {
  if (us.address == peer.owner()) return fail(Error::wrong_device);
  const auto encapsulator = crypto::MlKem768Encapsulator::from(peer.set().kem_prekey);
  if (!encapsulator) return fail(Error::bad_key);
  const crypto::X25519KeyPair ephemeral = crypto::x25519_generate(random);
  const auto agree = [](const crypto::X25519PrivateKey& ours, const crypto::X25519PublicKey& theirs) {
    return crypto::x25519_agree(ours, theirs);
  };
  auto with_identity = agree(ephemeral.private_key, peer.keys().agreement);
  auto with_signed_prekey = agree(ephemeral.private_key, peer.set().signed_prekey);
  const auto ours_with_signed_prekey = agree(us.identity.agreement_key(), peer.set().signed_prekey);
  if (!with_identity || !with_signed_prekey || !ours_with_signed_prekey) return fail(Error::bad_key);
  std::optional<crypto::X25519SharedSecret> with_one_time;
  if (peer.one_time()) {
    auto secret = agree(ephemeral.private_key, peer.one_time()->key);
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
  const IdentityStage first = identity_stage(opening, {.with_identity = std::move(*with_identity),
                                                       .with_signed_prekey = std::move(*with_signed_prekey),
                                                       .with_one_time = std::move(with_one_time),
                                                       .kem = std::move(kem.shared_secret)});
  const Bytes identity = encode_identity(us, peer.list());
  const SignatureStage second = signature_stage(first, identity, *ours_with_signed_prekey);
  const auto signature = us.identity.signer().sign(internal::kHandshakeSignature, second.transcript, random);

  Bytes handshake = encode_opening(opening);
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
  return hash_of_handshake(message.first(kHandshakeBytes));
}

namespace {

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
  out.sealed_identity = in.bytes(kSealedIdentityBytes);
  out.sealed_signature = in.bytes(kSealedSignatureBytes);
  if (!in.finished() || with_one_time > 1) return fail(Error::malformed);
  if (!opening.with_one_time && opening.one_time != OneTimeIndex{0}) return fail(Error::malformed);

  out.set = prekeys.find_set(opening.set);
  if (out.set == nullptr) return fail(Error::unknown_prekey);
  opening.set_hash = out.set->hash();
  if (opening.with_one_time) {
    const auto key = prekeys.find_one_time(opening.set, opening.one_time);
    if (!key) return fail(Error::unknown_prekey);
    opening.one_time_key = crypto::x25519_public_of(*key);
    OPALINE_ASSERT(out.set->id() == opening.set);
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

Result<AcceptedSession, Error> accept_session(const LocalDevice& us, PrekeySource& prekeys, ByteView message,
                                              ByteView associated_data, Time now) {
  OPALINE_TRY(const internal::ParsedMessage parsed, internal::parse_message(message));
  if (parsed.handshake.empty()) return fail(Error::malformed);
  OPALINE_TRY(ReceivedOpening received, read_opening(us, prekeys, parsed.handshake));
  const Opening& opening = received.opening;

  // Who speaks ...
  const IdentityStage first = identity_stage(opening, received.secrets);
  const auto identity =
      crypto::aes256gcm_open(first.key.reveal(), kZeroNonce, first.transcript, received.sealed_identity);
  if (!identity) return fail(Error::authentication_failed);
  PeerClaim claim = decode_identity(*identity);
  if (claim.address == us.address) return fail(Error::wrong_device);

  // ... and whether it really does.
  const auto dh = crypto::x25519_agree(received.set->signed_prekey(), claim.keys.agreement);
  if (!dh) return fail(Error::bad_key);
  const SignatureStage second = signature_stage(first, *identity, *dh);
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
