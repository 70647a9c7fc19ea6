#pragma once
// Signatures: Ed25519 (RFC 8032), ML-DSA-65 (FIPS 204), and the hybrid of both that every identity uses. Private keys
// are stored as seeds; signers and verifiers are the decoded keys (decoding ML-DSA costs as much as verifying),
// move-only, and their const use is thread-safe. A failed verification has no reason.
#include "base/ids.hpp"
#include "base/random.hpp"
#include "base/secret.hpp"
#include "crypto/error.hpp"
#include "crypto/key_handle.hpp"

namespace opaline::crypto {

/// The secret key of RFC 8032 section 5.1.5, 32 uniform bytes.
using Ed25519PrivateKey = Secret<struct Ed25519PrivateKeyTag, 32>;
using Ed25519PublicKey = ByteId<struct Ed25519PublicKeyTag, 32>;
using Ed25519Signature = ByteId<struct Ed25519SignatureTag, 64>;

class Ed25519Signer {
 public:
  explicit Ed25519Signer(const Ed25519PrivateKey& seed);
  [[nodiscard]] Ed25519PublicKey public_key() const;
  [[nodiscard]] Ed25519Signature sign(ByteView message) const;

 private:
  KeyHandle key_;
};

class Ed25519Verifier {
 public:
  /// bad_key: not the canonical encoding of a y coordinate (RFC 8032 section 5.1.3), or a point of small order, under
  /// which one signature fits many messages.
  [[nodiscard]] static Result<Ed25519Verifier, Error> from(const Ed25519PublicKey& key);
  [[nodiscard]] bool verify(ByteView message, const Ed25519Signature& signature) const;

 private:
  explicit Ed25519Verifier(KeyHandle key) : key_(std::move(key)) {}
  KeyHandle key_;
};

/// The seed xi of FIPS 204 section 6.1, 32 uniform bytes.
using MlDsa65PrivateKey = Secret<struct MlDsa65PrivateKeyTag, 32>;
using MlDsa65PublicKey = ByteId<struct MlDsa65PublicKeyTag, 1952>;
using MlDsa65Signature = ByteId<struct MlDsa65SignatureTag, 3309>;
inline constexpr std::size_t kMaxMlDsaContextBytes = 255;  // FIPS 204 section 5.2

class MlDsa65Signer {
 public:
  explicit MlDsa65Signer(const MlDsa65PrivateKey& seed);
  [[nodiscard]] MlDsa65PublicKey public_key() const;
  /// FIPS 204 section 5.2, hedged: its 32 bytes `rnd` come from `random`. `context` has at most kMaxMlDsaContextBytes
  /// (asserted).
  [[nodiscard]] MlDsa65Signature sign(ByteView context, ByteView message, RandomSource& random) const;

 private:
  KeyHandle key_;
};

class MlDsa65Verifier {
 public:
  /// Every 1952 bytes are a public key (FIPS 204 section 7.2); bad_key is for what OpenSSL may refuse in the future.
  [[nodiscard]] static Result<MlDsa65Verifier, Error> from(const MlDsa65PublicKey& key);
  /// False too for a context longer than kMaxMlDsaContextBytes.
  [[nodiscard]] bool verify(ByteView context, ByteView message, const MlDsa65Signature& signature) const;

 private:
  explicit MlDsa65Verifier(KeyHandle key) : key_(std::move(key)) {}
  KeyHandle key_;
};

// The hybrid identity signature: both signatures over the same label and message, and both must verify. Its bytes:
//
//   private key  Ed25519 seed (32) || ML-DSA-65 seed (32)
//   public key   Ed25519 public key (32) || ML-DSA-65 public key (1952)
//   signature    Ed25519 signature (64) || ML-DSA-65 signature (3309)
//
//   Ed25519 signs    u8 length of label || label || message
//   ML-DSA-65 signs  message, with the context string (FIPS 204 section 5.2) label
//
// A label names one use ("opaline/1 device list"), is never empty and never made from input: so no signature made for
// one use is good for another.
using HybridPrivateKey = Secret<struct HybridPrivateKeyTag, 32 + 32>;
using HybridPublicKey = ByteId<struct HybridPublicKeyTag, 32 + 1952>;
using HybridSignature = ByteId<struct HybridSignatureTag, 64 + 3309>;
inline constexpr std::size_t kMaxLabelBytes = 255;

class HybridSigner {
 public:
  explicit HybridSigner(const HybridPrivateKey& seeds);
  [[nodiscard]] HybridPublicKey public_key() const;
  /// `label` has 1 to kMaxLabelBytes bytes (asserted).
  [[nodiscard]] HybridSignature sign(std::string_view label, ByteView message, RandomSource& random) const;

 private:
  Ed25519Signer ed25519_;
  MlDsa65Signer mldsa65_;
};

class HybridVerifier {
 public:
  /// bad_key: one of the two keys is (Ed25519Verifier::from, MlDsa65Verifier::from).
  [[nodiscard]] static Result<HybridVerifier, Error> from(const HybridPublicKey& key);
  /// `label` has 1 to kMaxLabelBytes bytes (asserted: it is the verifier's own constant).
  [[nodiscard]] bool verify(std::string_view label, ByteView message, const HybridSignature& signature) const;

 private:
  HybridVerifier(Ed25519Verifier ed25519, MlDsa65Verifier mldsa65)
      : ed25519_(std::move(ed25519)), mldsa65_(std::move(mldsa65)) {}
  Ed25519Verifier ed25519_;
  MlDsa65Verifier mldsa65_;
};

[[nodiscard]] HybridPrivateKey hybrid_generate(RandomSource& random);

}  // namespace opaline::crypto
