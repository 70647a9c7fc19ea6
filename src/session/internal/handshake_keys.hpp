#pragma once
// The bytes and key schedule of the handshake (docs/protocol.md, section Handshake).
#include "crypto/aead.hpp"
#include "session/handshake.hpp"
#include "session/internal/state.hpp"

namespace opaline::session::internal {

using TranscriptHash = ByteArray<32>;
using HandshakeKey = Secret<struct HandshakeKeyTag, 32>;

inline constexpr std::size_t kIdentityBytes =
    AccountId::kSize + 4 + 4 + ListHash::kSize + DevicePublicKeys::kSize + 4 + ListHash::kSize;
inline constexpr std::size_t kSealedIdentityBytes = kIdentityBytes + crypto::kAeadTagBytes;
inline constexpr std::size_t kSealedSignatureBytes = crypto::HybridSignature::kSize + crypto::kAeadTagBytes;

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
/// The clear part of a handshake.
[[nodiscard]] Bytes encode_opening(const Opening& opening);

/// The secrets that need nothing of the initiator's identity, on either side.
struct OpeningSecrets {
  crypto::X25519SharedSecret with_identity;
  crypto::X25519SharedSecret with_signed_prekey;
  std::optional<crypto::X25519SharedSecret> with_one_time;
  crypto::MlKem768SharedSecret kem;
};

/// The keys under which the initiator's identity travels, and what goes on from there.
struct IdentityStage {
  TranscriptHash transcript{};  ///< T1: everything but the initiator
  HandshakeKey key{};
  HandshakeKey chain{};
};
[[nodiscard]] IdentityStage identity_stage(const Opening& opening, const OpeningSecrets& secrets);

/// The initiator's identity, kIdentityBytes.
[[nodiscard]] Bytes encode_identity(const LocalDevice& us, const ListReference& peer_list);
[[nodiscard]] PeerClaim decode_identity(ByteView identity);

/// The keys once the initiator is known. `dh`: its X25519 identity key with the signed prekey.
struct SignatureStage {
  TranscriptHash transcript{};  ///< T2: what the initiator signs
  HandshakeKey prk{};
  HandshakeKey key{};
};
[[nodiscard]] SignatureStage signature_stage(const IdentityStage& before, ByteView identity,
                                             const crypto::X25519SharedSecret& dh);

/// What the ratchet begins with.
struct FirstKeys {
  TranscriptHash transcript{};  ///< T3
  RootKey root{};
  SessionTag tag;  ///< of the initiator's first chain
};
[[nodiscard]] FirstKeys first_keys(const SignatureStage& stage, FixedView<crypto::HybridSignature::kSize> signature);

[[nodiscard]] HandshakeHash hash_of_handshake(ByteView handshake);

}  // namespace opaline::session::internal
