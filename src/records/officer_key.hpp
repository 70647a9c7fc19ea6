#pragma once
// An officer's key: what approvals are signed with (hybrid), and what productions are sealed to (X25519 and
// ML-KEM-768). It lives in a file on the officer's machine, under a passphrase; the service has the public half.
//
//   public     hybrid public key (2016) || X25519 (32) || ML-KEM-768 encapsulation key (1184)
//   file       "opaline officer " || u8 version (1) || u32 memory (KiB) || u32 passes || u8 lanes || salt (16)
//              || AES-256-GCM(Argon2id(passphrase, salt), 0, hybrid seeds (64) || X25519 (32) || ML-KEM seed (64),
//                             aad = all that is before)
#include <string>

#include "crypto/argon2.hpp"
#include "crypto/mlkem.hpp"
#include "crypto/sign.hpp"
#include "crypto/x25519.hpp"

namespace opaline::records {

struct OfficerPublicKey {
  crypto::HybridPublicKey signing;
  crypto::X25519PublicKey x25519;
  crypto::MlKem768EncapsulationKey mlkem;
  friend bool operator==(const OfficerPublicKey&, const OfficerPublicKey&) = default;
};
[[nodiscard]] Bytes encode(const OfficerPublicKey& key);
/// nullopt: another length, or a part that is no key.
[[nodiscard]] std::optional<OfficerPublicKey> officer_public_key_from(ByteView bytes);
/// SHA-256 of the encoding: 64 hexadecimal digits, what officers compare.
[[nodiscard]] std::string fingerprint(const OfficerPublicKey& key);

class OfficerKey {
 public:
  [[nodiscard]] static OfficerKey generate(RandomSource& random);
  [[nodiscard]] const OfficerPublicKey& public_key() const { return public_; }
  [[nodiscard]] crypto::HybridSignature sign(std::string_view label, ByteView message, RandomSource& random) const {
    return signer_.sign(label, message, random);
  }
  [[nodiscard]] const crypto::X25519PrivateKey& x25519() const { return x25519_; }
  [[nodiscard]] const crypto::MlKem768Decapsulator& mlkem() const { return mlkem_; }

 private:
  friend Result<Bytes, crypto::Error> make_officer_key_file(const OfficerKey&, ByteView, RandomSource&,
                                                            const crypto::Argon2Cost&);
  friend class OfficerKeyFile;
  OfficerKey(crypto::HybridPrivateKey signing, crypto::X25519PrivateKey x25519, crypto::MlKem768PrivateKey mlkem);

  crypto::HybridPrivateKey signing_seed_;
  crypto::X25519PrivateKey x25519_;
  crypto::MlKem768PrivateKey mlkem_seed_;
  crypto::HybridSigner signer_;
  crypto::MlKem768Decapsulator mlkem_;
  OfficerPublicKey public_;
};

/// What proves that an officer has the private half: signed under "opaline officer key v1", over the canonical form of
/// {"key", "officer", "service"}.
inline constexpr std::string_view kOfficerKeyLabel = "opaline officer key v1";
[[nodiscard]] std::string registration_text(std::string_view service, std::string_view officer,
                                            const OfficerPublicKey& key);

inline constexpr crypto::Argon2Cost kOfficerKeyCost{.memory_kib = 128 * 1024, .passes = 4, .lanes = 4};
inline constexpr std::size_t kMinOfficerPassphraseBytes = 12;
inline constexpr std::size_t kMaxOfficerPassphraseBytes = 1024;
inline constexpr std::size_t kOfficerKeyFileBytes = 16 + 1 + 4 + 4 + 1 + 16 + 64 + 32 + 64 + 16;

enum class KeyFileError : std::uint8_t {
  not_a_key_file,    ///< another file, or a cut one
  newer_version,     ///< of a newer program
  too_costly,        ///< asks for more memory or work than is believed, or than is to be had
  wrong_passphrase,  ///< or damaged: that looks alike
  bad_passphrase,    ///< for making one: 12 to 1024 bytes
};
[[nodiscard]] std::string_view sentence(KeyFileError error);

/// bad_parameters: the passphrase is too short or too long; out_of_memory.
[[nodiscard]] Result<Bytes, crypto::Error> make_officer_key_file(const OfficerKey& key, ByteView passphrase,
                                                                 RandomSource& random,
                                                                 const crypto::Argon2Cost& cost = kOfficerKeyCost);
[[nodiscard]] Result<OfficerKey, KeyFileError> open_officer_key_file(ByteView file, ByteView passphrase);

}  // namespace opaline::records
