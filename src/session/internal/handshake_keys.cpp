#include "session/internal/handshake_keys.hpp"

#include "base/codec.hpp"
#include "crypto/hkdf.hpp"
#include "session/internal/labels.hpp"

namespace opaline::session::internal {
namespace {

/// T1: everything but the initiator.
TranscriptHash transcript1(const Opening& opening) {
  Bytes bytes;
  Writer(bytes)
      .bytes(as_view(kTranscript1Label))
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

}  // namespace

Bytes encode_opening(const Opening& opening) {
  Bytes out;
  out.reserve(kHandshakeBytes);
  Writer to(out);
  to.bytes(SessionTag{}.view()).u8(kVersion).u32(static_cast<std::uint32_t>(opening.set));
  to.u8(opening.with_one_time).u16(static_cast<std::uint16_t>(opening.one_time));
  to.bytes(opening.ephemeral.view()).bytes(opening.kem_ciphertext.view());
  return out;
}

IdentityStage identity_stage(const Opening& opening, const OpeningSecrets& secrets) {
  IdentityStage out{.transcript = transcript1(opening)};
  HandshakeKey prk;
  const ByteView one_time = secrets.with_one_time ? ByteView(secrets.with_one_time->reveal()) : ByteView();
  crypto::hkdf_extract(
      out.transcript,
      {secrets.with_identity.reveal(), secrets.with_signed_prekey.reveal(), one_time, secrets.kem.reveal()},
      prk.fill());
  crypto::hkdf_expand(prk.reveal(), as_view(kIdentityKeyInfo), out.key.fill());
  crypto::hkdf_expand(prk.reveal(), as_view(kIdentityChainInfo), out.chain.fill());
  return out;
}

SignatureStage signature_stage(const IdentityStage& before, ByteView identity, const crypto::X25519SharedSecret& dh) {
  SignatureStage out{.transcript = crypto::sha256({as_view(kTranscript2Label), before.transcript, identity})};
  crypto::hkdf_extract(before.chain.reveal(), dh.reveal(), out.prk.fill());
  crypto::hkdf_expand(out.prk.reveal(), as_view(kSignatureKeyInfo), out.key.fill());
  return out;
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

FirstKeys first_keys(const SignatureStage& stage, FixedView<crypto::HybridSignature::kSize> signature) {
  FirstKeys out{.transcript = crypto::sha256({as_view(kTranscript3Label), stage.transcript, signature}), .tag = {}};
  Secret<struct FirstKeysTag, 32 + SessionTag::kSize> keys;
  crypto::hkdf_expand(stage.prk.reveal(), {as_view(kSessionInfo), out.transcript}, keys.fill());
  out.root = RootKey(keys.reveal().first<32>());
  out.tag = SessionTag(keys.reveal().last<SessionTag::kSize>());
  return out;
}

HandshakeHash hash_of_handshake(ByteView handshake) {
  return HandshakeHash(crypto::sha256({as_view(kHandshakeHashLabel), handshake}));
}

}  // namespace opaline::session::internal
