#include "crypto/aead.hpp"

#include "base/result.hpp"
#include "crypto/internal/openssl.hpp"

namespace opaline::crypto {
namespace {

using internal::algorithms;
using internal::octets;
using internal::raw;
using internal::raw_out;

using Key = FixedView<kAeadKeyBytes>;
using Nonce = FixedView<kAeadNonceBytes>;

/// A context ready for `cipher`, and what becomes of it after the message.
class Context {
 public:
  Context(EVP_CIPHER* cipher, bool sealing) {
    if (cipher == algorithms().aes_256_gcm) {
      // A thread keeps one for each direction: making one costs as much as sealing a short message.
      thread_local internal::CipherContext kept[2];
      if (kept[sealing] == nullptr) kept[sealing] = make(cipher, sealing);
      context_ = kept[sealing].get();
    } else {
      // OpenSSL's GCM-SIV does not forget the associated data when it is given a new key: a context is used once.
      owned_ = make(cipher, sealing);
      context_ = owned_.get();
    }
  }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  /// A kept context's expanded key is overwritten: message keys are used once and must not be found in memory
  /// afterwards.
  ~Context() {
    static constexpr unsigned char kZeros[kAeadKeyBytes] = {};
    if (owned_ == nullptr) OPALINE_ASSERT(EVP_CipherInit_ex2(context_, nullptr, kZeros, nullptr, -1, nullptr) == 1);
  }
  [[nodiscard]] EVP_CIPHER_CTX* get() const { return context_; }

 private:
  static internal::CipherContext make(EVP_CIPHER* cipher, bool sealing) {
    internal::CipherContext context(EVP_CIPHER_CTX_new());
    OPALINE_ASSERT(context != nullptr);
    OPALINE_ASSERT(EVP_CipherInit_ex2(context.get(), cipher, nullptr, nullptr, sealing ? 1 : 0, nullptr) == 1);
    return context;
  }
  internal::CipherContext owned_;
  EVP_CIPHER_CTX* context_;
};

void seal_into(EVP_CIPHER* cipher, Key key, Nonce nonce, ByteView aad, ByteView plaintext, std::span<std::byte> out) {
  OPALINE_ASSERT(plaintext.size() <= kMaxAeadBytes && aad.size() <= kMaxAeadBytes);
  OPALINE_ASSERT(out.size() == plaintext.size() + kAeadTagBytes);
  const Context kept(cipher, true);
  EVP_CIPHER_CTX* const context = kept.get();
  OPALINE_ASSERT(EVP_EncryptInit_ex2(context, nullptr, raw(key), raw(nonce), nullptr) == 1);
  int size = 0;
  if (!aad.empty()) {
    OPALINE_ASSERT(EVP_EncryptUpdate(context, nullptr, &size, raw(aad), static_cast<int>(aad.size())) == 1);
  }
  if (!plaintext.empty()) {
    OPALINE_ASSERT(
        EVP_EncryptUpdate(context, raw_out(out), &size, raw(plaintext), static_cast<int>(plaintext.size())) == 1);
  }
  const std::span<std::byte> tag = out.last(kAeadTagBytes);
  OPALINE_ASSERT(EVP_EncryptFinal_ex(context, raw_out(tag), &size) == 1);
  OSSL_PARAM get_tag[] = {octets(OSSL_CIPHER_PARAM_AEAD_TAG, tag), OSSL_PARAM_construct_end()};
  OPALINE_ASSERT(EVP_CIPHER_CTX_get_params(context, get_tag) == 1);
}

bool open_into(EVP_CIPHER* cipher, Key key, Nonce nonce, ByteView aad, ByteView sealed, std::span<std::byte> out) {
  if (sealed.size() < kAeadTagBytes || sealed.size() - kAeadTagBytes > kMaxAeadBytes || aad.size() > kMaxAeadBytes) {
    wipe(out.data(), out.size());
    return false;
  }
  OPALINE_ASSERT(out.size() == sealed.size() - kAeadTagBytes);
  const internal::QuietErrors quiet;
  const ByteView ciphertext = sealed.first(out.size());
  const Context kept(cipher, false);
  EVP_CIPHER_CTX* const context = kept.get();
  const OSSL_PARAM set_tag[] = {octets(OSSL_CIPHER_PARAM_AEAD_TAG, sealed.last(kAeadTagBytes)),
                                OSSL_PARAM_construct_end()};
  OPALINE_ASSERT(EVP_DecryptInit_ex2(context, nullptr, raw(key), raw(nonce), set_tag) == 1);
  int size = 0;
  bool good = aad.empty() || EVP_DecryptUpdate(context, nullptr, &size, raw(aad), static_cast<int>(aad.size())) == 1;
  good = good && (ciphertext.empty() || EVP_DecryptUpdate(context, raw_out(out), &size, raw(ciphertext),
                                                          static_cast<int>(ciphertext.size())) == 1);
  unsigned char nothing[kAeadTagBytes];  // neither mode holds anything back for the end
  good = good && EVP_DecryptFinal_ex(context, nothing, &size) == 1;
  if (!good) wipe(out.data(), out.size());
  return good;
}

void seal(EVP_CIPHER* cipher, Key key, Nonce nonce, ByteView aad, ByteView plaintext, Bytes& out) {
  const std::size_t before = out.size();
  out.resize(before + plaintext.size() + kAeadTagBytes);
  seal_into(cipher, key, nonce, aad, plaintext, std::span(out).subspan(before));
}

std::optional<SecretBytes> open(EVP_CIPHER* cipher, Key key, Nonce nonce, ByteView aad, ByteView sealed) {
  if (sealed.size() < kAeadTagBytes || sealed.size() - kAeadTagBytes > kMaxAeadBytes) return std::nullopt;
  SecretBytes out(sealed.size() - kAeadTagBytes);
  if (!open_into(cipher, key, nonce, aad, sealed, out)) return std::nullopt;
  return out;
}

}  // namespace

void aes256gcm_seal(Key key, Nonce nonce, ByteView aad, ByteView plaintext, Bytes& out) {
  seal(algorithms().aes_256_gcm, key, nonce, aad, plaintext, out);
}
std::optional<SecretBytes> aes256gcm_open(Key key, Nonce nonce, ByteView aad, ByteView sealed) {
  return open(algorithms().aes_256_gcm, key, nonce, aad, sealed);
}
void aes256gcm_seal_into(Key key, Nonce nonce, ByteView aad, ByteView plaintext, std::span<std::byte> out) {
  seal_into(algorithms().aes_256_gcm, key, nonce, aad, plaintext, out);
}
bool aes256gcm_open_into(Key key, Nonce nonce, ByteView aad, ByteView sealed, std::span<std::byte> out) {
  return open_into(algorithms().aes_256_gcm, key, nonce, aad, sealed, out);
}

void aes256gcmsiv_seal(Key key, Nonce nonce, ByteView aad, ByteView plaintext, Bytes& out) {
  seal(algorithms().aes_256_gcm_siv, key, nonce, aad, plaintext, out);
}
std::optional<SecretBytes> aes256gcmsiv_open(Key key, Nonce nonce, ByteView aad, ByteView sealed) {
  return open(algorithms().aes_256_gcm_siv, key, nonce, aad, sealed);
}
void aes256gcmsiv_seal_into(Key key, Nonce nonce, ByteView aad, ByteView plaintext, std::span<std::byte> out) {
  seal_into(algorithms().aes_256_gcm_siv, key, nonce, aad, plaintext, out);
}
bool aes256gcmsiv_open_into(Key key, Nonce nonce, ByteView aad, ByteView sealed, std::span<std::byte> out) {
  return open_into(algorithms().aes_256_gcm_siv, key, nonce, aad, sealed, out);
}

}  // namespace opaline::crypto
