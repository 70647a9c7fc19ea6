#pragma once
// Files sealed to several officers, each of whom can open them alone; whoever made the bundle cannot.
//
//   piece 0    "opaline bundle 1" || u8 recipients || for each: fingerprint (32) || X25519 ephemeral (32)
//              || ML-KEM-768 ciphertext (1088) || AES-256-GCM(wrapping key, 0, content key) (48)
//   piece i    AES-256-GCM(content key, u32 last (0 or 1) || u64 i, up to kBundlePieceBytes of the stream, aad =
//              SHA-256(piece 0))
//   stream     u32 files || for each: u8 length || name || u64 size || content
//   wrapping   HKDF-SHA-256(salt = SHA-256(recipient's public key || ephemeral || ciphertext), X25519 secret || ML-KEM
//              secret, "opaline bundle v1")
#include "base/secret.hpp"
#include "records/officer_key.hpp"

namespace opaline::records {

inline constexpr std::size_t kBundlePieceBytes = 256 * 1024;
inline constexpr std::size_t kMaxBundlePieces = 4096;
inline constexpr std::size_t kMaxBundleFiles = 16;
inline constexpr std::size_t kMaxRecipients = 16;

struct File {
  std::string name;  ///< 1 to 64 bytes
  SecretBytes content;
};

struct Bundle {
  std::vector<Bytes> pieces;  ///< at least two
  /// SHA-256 of the pieces' SHA-256, one after the other.
  [[nodiscard]] ByteArray<32> digest() const;
};

/// Public keys are what officer_public_key_from gave, 1 to kMaxRecipients (asserted). nullopt: too much for one bundle.
[[nodiscard]] std::optional<Bundle> seal_bundle(const std::vector<File>& files,
                                                const std::vector<OfficerPublicKey>& recipients, RandomSource& random);
/// nullopt: not sealed to this key, damaged, or not all of it.
[[nodiscard]] std::optional<std::vector<File>> open_bundle(const std::vector<Bytes>& pieces, const OfficerKey& key);

}  // namespace opaline::records
