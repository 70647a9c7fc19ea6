#include "crypto/internal/openssl.hpp"

#include "base/result.hpp"
#include "base/secret.hpp"

namespace opaline::crypto {

void FreeKey::operator()(evp_pkey_st* key) const noexcept {
  EVP_PKEY_free(key);
}

namespace internal {

const Algorithms& algorithms() {
  static const Algorithms fetched = [] {
    const Algorithms out{
        .aes_256_gcm = EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr),
        .aes_256_gcm_siv = EVP_CIPHER_fetch(nullptr, "AES-256-GCM-SIV", nullptr),
        .aes_256_ctr = EVP_CIPHER_fetch(nullptr, "AES-256-CTR", nullptr),
        .argon2id = EVP_KDF_fetch(nullptr, "ARGON2ID", nullptr),
        .ed25519 = EVP_SIGNATURE_fetch(nullptr, "ED25519", nullptr),
        .ml_dsa_65 = EVP_SIGNATURE_fetch(nullptr, "ML-DSA-65", nullptr),
    };
    OPALINE_ASSERT(out.aes_256_gcm != nullptr && out.aes_256_gcm_siv != nullptr && out.aes_256_ctr != nullptr);
    OPALINE_ASSERT(out.argon2id != nullptr && out.ed25519 != nullptr && out.ml_dsa_65 != nullptr);
    return out;
  }();
  return fetched;
}

__attribute__((noinline)) void wipe_stack_below() {
  std::byte used[8 * 1024];  // what is larger than that, OpenSSL allocates, and wipes when it frees
  wipe(used, sizeof(used));
}

KeyContext context_of(const KeyHandle& key) {
  OPALINE_ASSERT(key != nullptr);  // a moved-from key object
  KeyContext context(EVP_PKEY_CTX_new_from_pkey(nullptr, key.get(), nullptr));
  OPALINE_ASSERT(context != nullptr);
  return context;
}

KeyHandle import_key(const char* algorithm, int selection, std::span<OSSL_PARAM> params) {
  const QuietErrors quiet;
  const KeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, algorithm, nullptr));
  OPALINE_ASSERT(context != nullptr && EVP_PKEY_fromdata_init(context.get()) == 1);
  EVP_PKEY* key = nullptr;
  if (EVP_PKEY_fromdata(context.get(), &key, selection, params.data()) != 1) return nullptr;
  return KeyHandle(key);
}

void export_public_key(const KeyHandle& key, std::span<std::byte> out) {
  std::size_t size = out.size();
  OPALINE_ASSERT(key != nullptr && EVP_PKEY_get_raw_public_key(key.get(), raw_out(out), &size) == 1);
  OPALINE_ASSERT(size == out.size());
}

}  // namespace internal
}  // namespace opaline::crypto
