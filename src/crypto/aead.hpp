#pragma once
// AES-256-GCM (NIST SP 800-38D) and AES-256-GCM-SIV (RFC 8452), 12-byte nonces, the 16-byte tag at the end.
// Thread-safe. A (key, nonce) pair must never seal two different messages with GCM; with GCM-SIV a repetition tells
// only whether the two messages were equal. A failed opening has no reason, and no byte of what was not authentic
// leaves.
#include "base/secret.hpp"

namespace opaline::crypto {

inline constexpr std::size_t kAeadKeyBytes = 32;
inline constexpr std::size_t kAeadNonceBytes = 12;
inline constexpr std::size_t kAeadTagBytes = 16;
/// Longest plaintext and associated data. Sealing more is our own bug (asserted); opening more fails.
inline constexpr std::size_t kMaxAeadBytes = std::size_t{1} << 30;

/// Appends ciphertext and tag (plaintext.size() + kAeadTagBytes bytes) to `out`, which must not be what `plaintext`
/// views.
void aes256gcm_seal(FixedView<kAeadKeyBytes> key, FixedView<kAeadNonceBytes> nonce, ByteView aad, ByteView plaintext,
                    Bytes& out);
/// nullopt: too short, too long, or not authentic.
[[nodiscard]] std::optional<SecretBytes> aes256gcm_open(FixedView<kAeadKeyBytes> key, FixedView<kAeadNonceBytes> nonce,
                                                        ByteView aad, ByteView sealed);
/// Without allocation: `out` is exactly plaintext.size() + kAeadTagBytes long (asserted). `plaintext` may be the front
/// of `out`, else they may not overlap.
void aes256gcm_seal_into(FixedView<kAeadKeyBytes> key, FixedView<kAeadNonceBytes> nonce, ByteView aad,
                         ByteView plaintext, std::span<std::byte> out);
/// Without allocation: `out` is exactly sealed.size() - kAeadTagBytes long, or empty where `sealed` is shorter than a
/// tag (asserted). On false `out` is all zero. `out` may be the front of `sealed`, else they may not overlap.
[[nodiscard]] bool aes256gcm_open_into(FixedView<kAeadKeyBytes> key, FixedView<kAeadNonceBytes> nonce, ByteView aad,
                                       ByteView sealed, std::span<std::byte> out);

/// As the four above.
void aes256gcmsiv_seal(FixedView<kAeadKeyBytes> key, FixedView<kAeadNonceBytes> nonce, ByteView aad, ByteView plaintext,
                       Bytes& out);
[[nodiscard]] std::optional<SecretBytes> aes256gcmsiv_open(FixedView<kAeadKeyBytes> key,
                                                           FixedView<kAeadNonceBytes> nonce, ByteView aad,
                                                           ByteView sealed);
void aes256gcmsiv_seal_into(FixedView<kAeadKeyBytes> key, FixedView<kAeadNonceBytes> nonce, ByteView aad,
                            ByteView plaintext, std::span<std::byte> out);
[[nodiscard]] bool aes256gcmsiv_open_into(FixedView<kAeadKeyBytes> key, FixedView<kAeadNonceBytes> nonce, ByteView aad,
                                          ByteView sealed, std::span<std::byte> out);

}  // namespace opaline::crypto
