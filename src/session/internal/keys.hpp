#pragma once
// The key schedule of the ratchet (docs/protocol.md, section Key schedule).
#include "crypto/mlkem.hpp"
#include "session/internal/message.hpp"

namespace opaline::session::internal {

using RootKey = Secret<struct RootKeyTag, 32>;
using ChainKey = Secret<struct ChainKeyTag, 32>;
using EphemeralKey = Secret<struct EphemeralKeyTag, 32>;
/// From this and the salt in a header come a message's key and nonce.
using MessageSeed = Secret<struct MessageSeedTag, 32>;

/// A KEM secret with the hash of the encapsulation key and ciphertext that it came from.
struct KemSecret {
  crypto::MlKem768SharedSecret secret;
  ByteArray<32> binding{};
};
[[nodiscard]] ByteArray<32> kem_binding(ByteView encapsulation_key, ByteView ciphertext);

struct RootStep {
  RootKey root;
  ChainKey chain;
  EphemeralKey ephemeral;
  SessionTag next_tag;  ///< of the chain that answers this one
};
/// One step of the root key: takes in a DH secret and, if there is one, a KEM secret.
[[nodiscard]] RootStep root_step(const RootKey& root, const crypto::X25519SharedSecret& dh, const KemSecret* kem,
                                 const crypto::X25519PublicKey& sender, const crypto::X25519PublicKey& receiver);

/// Takes a message's seed off a chain and moves the chain on.
void chain_step(ChainKey& chain, MessageSeed& seed);
/// The seed of the ephemeral message `number`; any order, nothing moves on.
[[nodiscard]] MessageSeed ephemeral_seed(const EphemeralKey& key, std::uint32_t number);

/// AES-256-GCM key (32) || nonce (12) of one message.
using SealKeys = Secret<struct SealKeysTag, 32 + 12>;
[[nodiscard]] SealKeys seal_keys(const MessageSeed& seed, FixedView<kSaltBytes> salt);

/// The associated data of a message: session context || u8 direction || header || what the caller adds.
class MessageContext {
 public:
  MessageContext(FixedView<32> session_context, bool from_initiator, ByteView header, ByteView associated_data);
  [[nodiscard]] ByteView view() const { return ByteView(bytes_).first(size_); }

 private:
  static constexpr std::size_t kMaxBytes = 32 + 1 + header_bytes(kFlagOffer | kFlagAnswer) + kMaxAssociatedDataBytes;
  std::array<std::byte, kMaxBytes> bytes_;  // only the first size_ are written
  std::size_t size_;
};

/// Seals the front of `inout` (all but the last kSealOverheadBytes) in place.
void seal_in_place(const MessageSeed& seed, FixedView<kSaltBytes> salt, const MessageContext& context,
                   std::span<std::byte> inout);
/// Opens and unpads; authentication_failed if it is not authentic, malformed if the (authentic) padding is not
/// canonical.
[[nodiscard]] Result<SecretBytes, Error> open_sealed(const MessageSeed& seed, FixedView<kSaltBytes> salt,
                                                     const MessageContext& context, ByteView sealed);

}  // namespace opaline::session::internal
