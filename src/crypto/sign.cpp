#include "crypto/sign.hpp"

#include <algorithm>

#include "crypto/internal/openssl.hpp"

namespace opaline::crypto {
namespace {

using internal::algorithms;
using internal::octets;
using internal::raw;
using internal::raw_out;

void sign_into(const KeyHandle& key, EVP_SIGNATURE* algorithm, const OSSL_PARAM* params, ByteView message,
               std::span<std::byte> signature) {
  const internal::KeyContext context = internal::context_of(key);
  OPALINE_ASSERT(EVP_PKEY_sign_message_init(context.get(), algorithm, params) == 1);
  std::size_t size = signature.size();
  OPALINE_ASSERT(EVP_PKEY_sign(context.get(), raw_out(signature), &size, raw(message), message.size()) == 1);
  internal::wipe_stack_below();
  OPALINE_ASSERT(size == signature.size());
}

bool verify_with(const KeyHandle& key, EVP_SIGNATURE* algorithm, const OSSL_PARAM* params, ByteView message,
                 ByteView signature) {
  const internal::QuietErrors quiet;
  const internal::KeyContext context = internal::context_of(key);
  OPALINE_ASSERT(EVP_PKEY_verify_message_init(context.get(), algorithm, params) == 1);
  return EVP_PKEY_verify(context.get(), raw(signature), signature.size(), raw(message), message.size()) == 1;
}

/// The y coordinates of the points of order 1, 2, 4 and 8 (the sign bit of x cleared), little-endian. The remaining
/// encodings of such points are not canonical.
constexpr std::uint8_t kSmallOrderY[][32] = {
    {1},
    {0},
    {0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
    {0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
     0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05},
    {0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
     0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a},
};

bool is_acceptable_point(const Ed25519PublicKey& key) {
  auto y = key.array();
  y[31] &= std::byte{0x7f};
  for (const auto& small : kSmallOrderY) {
    if (equal(y, std::as_bytes(std::span(small)))) return false;
  }
  // y < p = 2^255 - 19: only the 19 values from ed ff .. ff 7f on are not.
  const bool top = y[31] == std::byte{0x7f} &&
                   std::all_of(y.begin() + 1, y.begin() + 31, [](std::byte b) { return b == std::byte{0xff}; });
  return !top || std::to_integer<int>(y[0]) < 0xed;
}

}  // namespace

Ed25519Signer::Ed25519Signer(const Ed25519PrivateKey& seed) {
  OSSL_PARAM params[] = {octets(OSSL_PKEY_PARAM_PRIV_KEY, seed.reveal()), OSSL_PARAM_construct_end()};
  key_ = internal::import_key("ED25519", EVP_PKEY_KEYPAIR, params);
  internal::wipe_stack_below();
  OPALINE_ASSERT(key_ != nullptr);
}

Ed25519PublicKey Ed25519Signer::public_key() const {
  ByteArray<Ed25519PublicKey::kSize> out;
  internal::export_public_key(key_, out);
  return Ed25519PublicKey(out);
}

Ed25519Signature Ed25519Signer::sign(ByteView message) const {
  ByteArray<Ed25519Signature::kSize> out;
  sign_into(key_, algorithms().ed25519, nullptr, message, out);
  return Ed25519Signature(out);
}

Result<Ed25519Verifier, Error> Ed25519Verifier::from(const Ed25519PublicKey& key) {
  if (!is_acceptable_point(key)) return fail(Error::bad_key);
  OSSL_PARAM params[] = {octets(OSSL_PKEY_PARAM_PUB_KEY, key.view()), OSSL_PARAM_construct_end()};
  KeyHandle handle = internal::import_key("ED25519", EVP_PKEY_PUBLIC_KEY, params);
  if (handle == nullptr) return fail(Error::bad_key);
  return Ed25519Verifier(std::move(handle));
}

bool Ed25519Verifier::verify(ByteView message, const Ed25519Signature& signature) const {
  return verify_with(key_, algorithms().ed25519, nullptr, message, signature.view());
}

MlDsa65Signer::MlDsa65Signer(const MlDsa65PrivateKey& seed) {
  OSSL_PARAM params[] = {octets(OSSL_PKEY_PARAM_ML_DSA_SEED, seed.reveal()), OSSL_PARAM_construct_end()};
  key_ = internal::import_key("ML-DSA-65", EVP_PKEY_KEYPAIR, params);
  internal::wipe_stack_below();
  OPALINE_ASSERT(key_ != nullptr);
}

MlDsa65PublicKey MlDsa65Signer::public_key() const {
  ByteArray<MlDsa65PublicKey::kSize> out;
  internal::export_public_key(key_, out);
  return MlDsa65PublicKey(out);
}

MlDsa65Signature MlDsa65Signer::sign(ByteView context, ByteView message, RandomSource& random) const {
  OPALINE_ASSERT(context.size() <= kMaxMlDsaContextBytes);
  Secret<struct MlDsaRndTag, 32> rnd;
  random.fill(rnd.fill());
  // The parameter's name speaks of tests; it is how OpenSSL takes rnd from the caller.
  const OSSL_PARAM params[] = {octets(OSSL_SIGNATURE_PARAM_CONTEXT_STRING, context),
                               octets(OSSL_SIGNATURE_PARAM_TEST_ENTROPY, rnd.reveal()), OSSL_PARAM_construct_end()};
  ByteArray<MlDsa65Signature::kSize> out;
  sign_into(key_, algorithms().ml_dsa_65, params, message, out);
  return MlDsa65Signature(out);
}

Result<MlDsa65Verifier, Error> MlDsa65Verifier::from(const MlDsa65PublicKey& key) {
  OSSL_PARAM params[] = {octets(OSSL_PKEY_PARAM_PUB_KEY, key.view()), OSSL_PARAM_construct_end()};
  KeyHandle handle = internal::import_key("ML-DSA-65", EVP_PKEY_PUBLIC_KEY, params);
  if (handle == nullptr) return fail(Error::bad_key);
  return MlDsa65Verifier(std::move(handle));
}

bool MlDsa65Verifier::verify(ByteView context, ByteView message, const MlDsa65Signature& signature) const {
  if (context.size() > kMaxMlDsaContextBytes) return false;
  const OSSL_PARAM params[] = {octets(OSSL_SIGNATURE_PARAM_CONTEXT_STRING, context), OSSL_PARAM_construct_end()};
  return verify_with(key_, algorithms().ml_dsa_65, params, message, signature.view());
}

namespace {

/// u8 length of label || label || message. The message may be confidential, so the copy is wiped.
SecretBytes ed25519_input(std::string_view label, ByteView message) {
  OPALINE_ASSERT(!label.empty() && label.size() <= kMaxLabelBytes);
  const ByteView text = as_view(label);
  SecretBytes out;
  out.reserve(1 + text.size() + message.size());
  out.push_back(static_cast<std::byte>(text.size()));
  out.insert(out.end(), text.begin(), text.end());
  out.insert(out.end(), message.begin(), message.end());
  return out;
}

}  // namespace

HybridSigner::HybridSigner(const HybridPrivateKey& seeds)
    : ed25519_(Ed25519PrivateKey(seeds.reveal().first<32>())), mldsa65_(MlDsa65PrivateKey(seeds.reveal().last<32>())) {}

HybridPublicKey HybridSigner::public_key() const {
  ByteArray<HybridPublicKey::kSize> out;
  const auto first = ed25519_.public_key();
  const auto second = mldsa65_.public_key();
  std::ranges::copy(second.view(), std::ranges::copy(first.view(), out.begin()).out);
  return HybridPublicKey(out);
}

HybridSignature HybridSigner::sign(std::string_view label, ByteView message, RandomSource& random) const {
  const auto first = ed25519_.sign(ed25519_input(label, message));
  const auto second = mldsa65_.sign(as_view(label), message, random);
  ByteArray<HybridSignature::kSize> out;
  std::ranges::copy(second.view(), std::ranges::copy(first.view(), out.begin()).out);
  return HybridSignature(out);
}

Result<HybridVerifier, Error> HybridVerifier::from(const HybridPublicKey& key) {
  OPALINE_TRY(auto ed25519, Ed25519Verifier::from(Ed25519PublicKey(key.view().first<Ed25519PublicKey::kSize>())));
  OPALINE_TRY(auto mldsa65, MlDsa65Verifier::from(MlDsa65PublicKey(key.view().last<MlDsa65PublicKey::kSize>())));
  return HybridVerifier(std::move(ed25519), std::move(mldsa65));
}

bool HybridVerifier::verify(std::string_view label, ByteView message, const HybridSignature& signature) const {
  const Ed25519Signature first(signature.view().first<Ed25519Signature::kSize>());
  const MlDsa65Signature second(signature.view().last<MlDsa65Signature::kSize>());
  return ed25519_.verify(ed25519_input(label, message), first) && mldsa65_.verify(as_view(label), message, second);
}

HybridPrivateKey hybrid_generate(RandomSource& random) {
  HybridPrivateKey out;
  random.fill(out.fill());
  return out;
}

}  // namespace opaline::crypto
