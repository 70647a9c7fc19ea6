#pragma once
// What the sources of this room share of OpenSSL. Not for other rooms.
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include "base/bytes.hpp"
#include "crypto/key_handle.hpp"

namespace opaline::crypto::internal {

inline const unsigned char* raw(ByteView view) {
  return reinterpret_cast<const unsigned char*>(view.data());
}
inline unsigned char* raw_out(std::span<std::byte> bytes) {
  return reinterpret_cast<unsigned char*>(bytes.data());
}

/// Algorithms fetched from the provider once: a fetch takes locks and a search. Immutable, shared by all threads, never
/// freed (OpenSSL's own exit handler must not find them gone).
struct Algorithms {
  EVP_CIPHER* aes_256_gcm;
  EVP_CIPHER* aes_256_gcm_siv;
  EVP_CIPHER* aes_256_ctr;
  EVP_KDF* argon2id;
  EVP_SIGNATURE* ed25519;
  EVP_SIGNATURE* ml_dsa_65;
};
/// Ends the program if this OpenSSL lacks one of them.
[[nodiscard]] const Algorithms& algorithms();

/// OpenSSL leaves the reasons of failures in a queue of the thread, where TLS code would later take them for its own.
/// Whatever may fail because of input stands under one of these.
class QuietErrors {
 public:
  QuietErrors() { ERR_set_mark(); }
  QuietErrors(const QuietErrors&) = delete;
  QuietErrors& operator=(const QuietErrors&) = delete;
  ~QuietErrors() { ERR_pop_to_mark(); }
};

struct FreeContext {
  void operator()(EVP_PKEY_CTX* context) const noexcept { EVP_PKEY_CTX_free(context); }
  void operator()(EVP_CIPHER_CTX* context) const noexcept { EVP_CIPHER_CTX_free(context); }
  void operator()(EVP_KDF_CTX* context) const noexcept { EVP_KDF_CTX_free(context); }
};
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, FreeContext>;
using CipherContext = std::unique_ptr<EVP_CIPHER_CTX, FreeContext>;
using KdfContext = std::unique_ptr<EVP_KDF_CTX, FreeContext>;

/// Overwrites what the calls before it left on the stack below: OpenSSL's X25519, for one, leaves the shared secret
/// there. For operations on keys that take microseconds anyway.
void wipe_stack_below();

/// A context for one use of `key`.
[[nodiscard]] KeyContext context_of(const KeyHandle& key);
/// An octet string parameter. OpenSSL does not write through it where it is an input, and takes a null pointer for an
/// error even where the string may be empty.
[[nodiscard]] inline OSSL_PARAM octets(const char* name, ByteView value) {
  static std::byte nothing{};
  std::byte* const data = value.empty() ? &nothing : const_cast<std::byte*>(value.data());
  return OSSL_PARAM_construct_octet_string(name, data, value.size());
}
/// Null if OpenSSL refuses the parameters. `selection` is EVP_PKEY_KEYPAIR or EVP_PKEY_PUBLIC_KEY.
[[nodiscard]] KeyHandle import_key(const char* algorithm, int selection, std::span<OSSL_PARAM> params);
/// The public key, which must have exactly out.size() bytes.
void export_public_key(const KeyHandle& key, std::span<std::byte> out);

}  // namespace opaline::crypto::internal
