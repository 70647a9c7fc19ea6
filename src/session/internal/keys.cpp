#include "session/internal/keys.hpp"

#include "crypto/aead.hpp"
#include "crypto/hkdf.hpp"
#include "session/internal/labels.hpp"

namespace opaline::session::internal {
namespace {

constexpr std::byte kSeedStep{1};
constexpr std::byte kChainStep{2};

FixedView<crypto::kAeadKeyBytes> key_of(const SealKeys& keys) {
  return keys.reveal().first<crypto::kAeadKeyBytes>();
}
FixedView<crypto::kAeadNonceBytes> nonce_of(const SealKeys& keys) {
  return keys.reveal().last<crypto::kAeadNonceBytes>();
}

}  // namespace

SealKeys seal_keys(const MessageSeed& seed, FixedView<kSaltBytes> salt) {
  SealKeys out;
  crypto::hkdf_expand(seed.reveal(), {as_view(kMessageInfo), salt}, out.fill());
  return out;
}

ByteArray<32> kem_binding(ByteView encapsulation_key, ByteView ciphertext) {
  return crypto::sha256({as_view(kKemHashLabel), encapsulation_key, ciphertext});
}

RootStep root_step(const RootKey& root, const crypto::X25519SharedSecret& dh, const KemSecret* kem,
                   const crypto::X25519PublicKey& sender, const crypto::X25519PublicKey& receiver) {
  Secret<struct RootPrkTag, 32> prk;
  Secret<struct RootOutputTag, 32 + 32 + 32 + SessionTag::kSize> output;
  const std::byte with_kem{kem != nullptr};
  if (kem != nullptr) {
    crypto::hkdf_extract(root.reveal(), {dh.reveal(), kem->secret.reveal()}, prk.fill());
  } else {
    crypto::hkdf_extract(root.reveal(), dh.reveal(), prk.fill());
  }
  const ByteView binding = kem != nullptr ? ByteView(kem->binding) : ByteView();
  crypto::hkdf_expand(prk.reveal(),
                      {as_view(kRootStepInfo), ByteView(&with_kem, 1), sender.view(), receiver.view(), binding},
                      output.fill());
  const auto bytes = output.reveal();
  return {.root = RootKey(bytes.subspan<0, 32>()),
          .chain = ChainKey(bytes.subspan<32, 32>()),
          .ephemeral = EphemeralKey(bytes.subspan<64, 32>()),
          .next_tag = SessionTag(bytes.subspan<96, SessionTag::kSize>())};
}

void chain_step(ChainKey& chain, MessageSeed& seed) {
  const crypto::HmacSha256Key key(chain.reveal());
  key.mac_into(ByteView(&kSeedStep, 1), seed.fill());
  key.mac_into(ByteView(&kChainStep, 1), chain.fill());
}

MessageSeed ephemeral_seed(const EphemeralKey& key, std::uint32_t number) {
  const std::byte raw[] = {std::byte(number >> 24), std::byte(number >> 16 & 0xff), std::byte(number >> 8 & 0xff),
                           std::byte(number & 0xff)};
  MessageSeed seed;
  crypto::hmac_sha256_into(key.reveal(), ByteView(raw), seed.fill());
  return seed;
}

MessageContext::MessageContext(FixedView<32> session_context, bool from_initiator, ByteView header,
                               ByteView associated_data)
    : size_(32 + 1 + header.size() + associated_data.size()) {
  OPALINE_ASSERT(size_ <= kMaxBytes);
  std::byte* out = bytes_.data();
  std::memcpy(out, session_context.data(), 32);
  out[32] = std::byte{!from_initiator};
  std::memcpy(out + 33, header.data(), header.size());
  if (!associated_data.empty()) std::memcpy(out + 33 + header.size(), associated_data.data(), associated_data.size());
}

void seal_in_place(const MessageSeed& seed, FixedView<kSaltBytes> salt, const MessageContext& context,
                   std::span<std::byte> inout) {
  const SealKeys keys = seal_keys(seed, salt);
  crypto::aes256gcm_seal_into(key_of(keys), nonce_of(keys), context.view(),
                              inout.first(inout.size() - kSealOverheadBytes), inout);
}

Result<SecretBytes, Error> open_sealed(const MessageSeed& seed, FixedView<kSaltBytes> salt,
                                       const MessageContext& context, ByteView sealed) {
  const SealKeys keys = seal_keys(seed, salt);
  SecretBytes plaintext(sealed.size() - kSealOverheadBytes);
  if (!crypto::aes256gcm_open_into(key_of(keys), nonce_of(keys), context.view(), sealed, plaintext)) {
    return fail(Error::authentication_failed);
  }
  const auto size = unpadded_size(plaintext);
  if (!size) return fail(Error::malformed);
  plaintext.resize(*size);
  return plaintext;
}

}  // namespace opaline::session::internal
