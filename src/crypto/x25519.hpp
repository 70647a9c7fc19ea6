#pragma once
// X25519 (RFC 7748). Thread-safe.
#include "base/ids.hpp"
#include "base/random.hpp"
#include "base/secret.hpp"
#include "crypto/error.hpp"

namespace opaline::crypto {

inline constexpr std::size_t kX25519Bytes = 32;
/// 32 uniform bytes, clamped where they are used (RFC 7748 section 5).
using X25519PrivateKey = Secret<struct X25519PrivateKeyTag, kX25519Bytes>;
/// Every 32 bytes are a public key; what is wrong with one shows in x25519_agree.
using X25519PublicKey = ByteId<struct X25519PublicKeyTag, kX25519Bytes>;
using X25519SharedSecret = Secret<struct X25519SharedSecretTag, kX25519Bytes>;

struct X25519KeyPair {
  X25519PrivateKey private_key;
  X25519PublicKey public_key;
};

[[nodiscard]] X25519KeyPair x25519_generate(RandomSource& random);
[[nodiscard]] X25519PublicKey x25519_public_of(const X25519PrivateKey& private_key);
/// bad_key: the peer's key is of small order, so that the shared secret would be zero whatever our key is (RFC 7748
/// section 6.1). The secret is no uniform key: it goes through hkdf, together with both public keys.
[[nodiscard]] Result<X25519SharedSecret, Error> x25519_agree(const X25519PrivateKey& ours,
                                                             const X25519PublicKey& theirs);

}  // namespace opaline::crypto
