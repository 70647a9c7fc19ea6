#include "crypto/x25519.hpp"

#include "crypto/internal/openssl.hpp"

namespace opaline::crypto {
namespace {

using internal::octets;
using internal::raw;
using internal::raw_out;

KeyHandle private_of(const X25519PrivateKey& key, ByteView public_key) {
  OSSL_PARAM params[] = {octets(OSSL_PKEY_PARAM_PRIV_KEY, key.reveal()), octets(OSSL_PKEY_PARAM_PUB_KEY, public_key),
                         OSSL_PARAM_construct_end()};
  KeyHandle handle = internal::import_key("X25519", EVP_PKEY_KEYPAIR, params);
  OPALINE_ASSERT(handle != nullptr);
  return handle;
}

}  // namespace

X25519PublicKey x25519_public_of(const X25519PrivateKey& private_key) {
  OSSL_PARAM params[] = {octets(OSSL_PKEY_PARAM_PRIV_KEY, private_key.reveal()), OSSL_PARAM_construct_end()};
  const KeyHandle handle = internal::import_key("X25519", EVP_PKEY_KEYPAIR, params);
  ByteArray<kX25519Bytes> out{};
  internal::export_public_key(handle, out);
  internal::wipe_stack_below();
  return X25519PublicKey(out);
}

X25519KeyPair x25519_generate(RandomSource& random) {
  X25519KeyPair out;
  random.fill(out.private_key.fill());
  out.public_key = x25519_public_of(out.private_key);
  return out;
}

Result<X25519SharedSecret, Error> x25519_agree(const X25519PrivateKey& ours, const X25519PublicKey& theirs) {
  const internal::QuietErrors quiet;
  OSSL_PARAM params[] = {octets(OSSL_PKEY_PARAM_PUB_KEY, theirs.view()), OSSL_PARAM_construct_end()};
  const KeyHandle peer = internal::import_key("X25519", EVP_PKEY_PUBLIC_KEY, params);
  if (peer == nullptr) return fail(Error::bad_key);
  // Our own public key has no part in the agreement, but without one OpenSSL computes it, for half the cost of the
  // agreement: so it is told the peer's.
  const KeyHandle key = private_of(ours, theirs.view());
  const internal::KeyContext context = internal::context_of(key);
  OPALINE_ASSERT(EVP_PKEY_derive_init(context.get()) == 1);
  if (EVP_PKEY_derive_set_peer_ex(context.get(), peer.get(), 0) != 1) return fail(Error::bad_key);
  X25519SharedSecret out;
  std::size_t size = kX25519Bytes;
  // OpenSSL refuses an all-zero result.
  const bool good = EVP_PKEY_derive(context.get(), raw_out(out.fill()), &size) == 1 && size == kX25519Bytes;
  internal::wipe_stack_below();
  if (!good) return fail(Error::bad_key);
  return out;
}

}  // namespace opaline::crypto
