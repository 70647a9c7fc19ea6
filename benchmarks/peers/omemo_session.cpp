#include "peers/omemo_session.hpp"

#include <omemo/curve.h>
#include <omemo/key_helper.h>
#include <omemo/protocol.h>
#include <omemo/session_builder.h>
#include <omemo/session_cipher.h>
#include <omemo/session_pre_key.h>
#include <omemo/signal_protocol.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <map>
#include <string>

#include "load/die.hpp"

namespace opaline::bench {
namespace {

using Stored = std::basic_string<std::uint8_t>;

void must(int result, const char* what) {
  if (result < 0) die(std::string("libomemo-c: ") + what + " answered " + std::to_string(result));
}
signal_buffer* buffer_of(const std::uint8_t* data, std::size_t size) {
  return signal_buffer_create(data, size);
}

// ---- the cryptography that libomemo-c asks of its user: OpenSSL, as usual

int random_bytes(std::uint8_t* data, std::size_t size, void*) {
  return RAND_bytes(data, static_cast<int>(size)) == 1 ? 0 : SG_ERR_UNKNOWN;
}
int hmac_init(void** context, const std::uint8_t* key, std::size_t size, void*) {
  // The fetched algorithm and an initialised context are reused, as a careful user of the library would.
  static EVP_MAC* const mac = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
  static EVP_MAC_CTX* const ready = [] {
    EVP_MAC_CTX* made = EVP_MAC_CTX_new(mac);
    char digest[] = "SHA256";
    const OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string("digest", digest, 0), OSSL_PARAM_construct_end()};
    EVP_MAC_CTX_set_params(made, parameters);
    return made;
  }();
  EVP_MAC_CTX* fresh = EVP_MAC_CTX_dup(ready);
  *context = fresh;
  return EVP_MAC_init(fresh, key, size, nullptr) == 1 ? 0 : SG_ERR_UNKNOWN;
}
int hmac_update(void* context, const std::uint8_t* data, std::size_t size, void*) {
  return EVP_MAC_update(static_cast<EVP_MAC_CTX*>(context), data, size) == 1 ? 0 : SG_ERR_UNKNOWN;
}
int hmac_final(void* context, signal_buffer** output, void*) {
  std::uint8_t tag[32];
  std::size_t size = 0;
  if (EVP_MAC_final(static_cast<EVP_MAC_CTX*>(context), tag, &size, sizeof tag) != 1) return SG_ERR_UNKNOWN;
  *output = buffer_of(tag, size);
  return 0;
}
void hmac_cleanup(void* context, void*) {
  EVP_MAC_CTX_free(static_cast<EVP_MAC_CTX*>(context));
}
int sha512_init(void** context, void*) {
  EVP_MD_CTX* fresh = EVP_MD_CTX_new();
  *context = fresh;
  return EVP_DigestInit_ex(fresh, EVP_sha512(), nullptr) == 1 ? 0 : SG_ERR_UNKNOWN;
}
int sha512_update(void* context, const std::uint8_t* data, std::size_t size, void*) {
  return EVP_DigestUpdate(static_cast<EVP_MD_CTX*>(context), data, size) == 1 ? 0 : SG_ERR_UNKNOWN;
}
int sha512_final(void* context, signal_buffer** output, void*) {
  std::uint8_t hash[64];
  auto* digest = static_cast<EVP_MD_CTX*>(context);
  if (EVP_DigestFinal_ex(digest, hash, nullptr) != 1) return SG_ERR_UNKNOWN;
  *output = buffer_of(hash, sizeof hash);
  return EVP_DigestInit_ex(digest, EVP_sha512(), nullptr) == 1 ? 0 : SG_ERR_UNKNOWN;
}
void sha512_cleanup(void* context, void*) {
  EVP_MD_CTX_free(static_cast<EVP_MD_CTX*>(context));
}

int aes(bool encrypt, signal_buffer** output, int mode, const std::uint8_t* key, std::size_t key_size,
        const std::uint8_t* iv, const std::uint8_t* in, std::size_t in_size) {
  if (mode != SG_CIPHER_AES_CBC_PKCS5 || key_size != 32) return SG_ERR_INVAL;
  static const EVP_CIPHER* const cipher = EVP_CIPHER_fetch(nullptr, "AES-256-CBC", nullptr);
  static EVP_CIPHER_CTX* const context = EVP_CIPHER_CTX_new();
  Stored out(in_size + 16, 0);
  int first = 0, last = 0;
  if (EVP_CipherInit_ex(context, cipher, nullptr, key, iv, encrypt ? 1 : 0) != 1 ||
      EVP_CipherUpdate(context, out.data(), &first, in, static_cast<int>(in_size)) != 1 ||
      EVP_CipherFinal_ex(context, out.data() + first, &last) != 1)
    return SG_ERR_UNKNOWN;
  *output = buffer_of(out.data(), static_cast<std::size_t>(first) + static_cast<std::size_t>(last));
  return 0;
}
int aes_encrypt(signal_buffer** output, int mode, const std::uint8_t* key, std::size_t key_size, const std::uint8_t* iv,
                std::size_t, const std::uint8_t* in, std::size_t in_size, void*) {
  return aes(true, output, mode, key, key_size, iv, in, in_size);
}
int aes_decrypt(signal_buffer** output, int mode, const std::uint8_t* key, std::size_t key_size, const std::uint8_t* iv,
                std::size_t, const std::uint8_t* in, std::size_t in_size, void*) {
  return aes(false, output, mode, key, key_size, iv, in, in_size);
}

signal_context* library() {
  static signal_context* const context = [] {
    signal_context* made = nullptr;
    must(signal_context_create(&made, nullptr), "signal_context_create");
    const signal_crypto_provider provider{random_bytes,   hmac_init,   hmac_update,   hmac_final,
                                          hmac_cleanup,   sha512_init, sha512_update, sha512_final,
                                          sha512_cleanup, aes_encrypt, aes_decrypt,   nullptr};
    must(signal_context_set_crypto_provider(made, &provider), "signal_context_set_crypto_provider");
    return made;
  }();
  return context;
}

}  // namespace

/// One device and its stores, in memory.
struct OmemoDevice {
  explicit OmemoDevice(const char* own_name);
  OmemoDevice(const OmemoDevice&) = delete;
  OmemoDevice& operator=(const OmemoDevice&) = delete;
  void talk_to(const OmemoDevice& peer);

  signal_protocol_address address;
  signal_protocol_store_context* stores = nullptr;
  ratchet_identity_key_pair* identity = nullptr;
  session_signed_pre_key* signed_prekey = nullptr;
  session_pre_key* prekey = nullptr;
  session_cipher* cipher = nullptr;
  Stored session;
  std::map<std::uint32_t, Stored> prekeys, signed_prekeys;
};

namespace {

constexpr std::uint32_t kPrekeyId = 7, kSignedPrekeyId = 9, kRegistration = 1;

OmemoDevice& device(void* user) {
  return *static_cast<OmemoDevice*>(user);
}
int give(signal_buffer** out, const Stored& stored) {
  *out = buffer_of(stored.data(), stored.size());
  return SG_SUCCESS;
}

signal_protocol_session_store session_store(OmemoDevice* owner) {
  signal_protocol_session_store store{};
  store.load_session_func = [](signal_buffer** record, signal_buffer**, const signal_protocol_address*, void* user) {
    if (device(user).session.empty()) return 0;
    give(record, device(user).session);
    return 1;
  };
  store.store_session_func = [](const signal_protocol_address*, std::uint8_t* record, std::size_t size, std::uint8_t*,
                                std::size_t, void* user) {
    device(user).session.assign(record, size);
    return 0;
  };
  store.contains_session_func = [](const signal_protocol_address*, void* user) {
    return device(user).session.empty() ? 0 : 1;
  };
  store.user_data = owner;
  return store;
}
signal_protocol_pre_key_store prekey_store(OmemoDevice* owner) {
  signal_protocol_pre_key_store store{};
  store.load_pre_key = [](signal_buffer** record, std::uint32_t id, void* user) {
    const auto found = device(user).prekeys.find(id);
    return found == device(user).prekeys.end() ? SG_ERR_INVALID_KEY_ID : give(record, found->second);
  };
  store.contains_pre_key = [](std::uint32_t id, void* user) { return device(user).prekeys.contains(id) ? 1 : 0; };
  store.remove_pre_key = [](std::uint32_t id, void* user) {
    device(user).prekeys.erase(id);
    return 0;
  };
  store.user_data = owner;
  return store;
}
signal_protocol_signed_pre_key_store signed_prekey_store(OmemoDevice* owner) {
  signal_protocol_signed_pre_key_store store{};
  store.load_signed_pre_key = [](signal_buffer** record, std::uint32_t id, void* user) {
    const auto found = device(user).signed_prekeys.find(id);
    return found == device(user).signed_prekeys.end() ? SG_ERR_INVALID_KEY_ID : give(record, found->second);
  };
  store.user_data = owner;
  return store;
}
signal_protocol_identity_key_store identity_store(OmemoDevice* owner) {
  signal_protocol_identity_key_store store{};
  store.get_identity_key_pair = [](signal_buffer** public_data, signal_buffer** private_data, void* user) {
    ec_public_key_serialize(public_data, ratchet_identity_key_pair_get_public(device(user).identity));
    ec_private_key_serialize(private_data, ratchet_identity_key_pair_get_private(device(user).identity));
    return 0;
  };
  store.get_local_registration_id = [](void*, std::uint32_t* id) {
    *id = kRegistration;
    return 0;
  };
  store.save_identity = [](const signal_protocol_address*, std::uint8_t*, std::size_t, void*) { return 0; };
  store.is_trusted_identity = [](const signal_protocol_address*, std::uint8_t*, std::size_t, void*) { return 1; };
  store.user_data = owner;
  return store;
}

Stored stored_of(signal_buffer* buffer) {
  Stored out(signal_buffer_const_data(buffer), signal_buffer_len(buffer));
  signal_buffer_free(buffer);
  return out;
}

}  // namespace

OmemoDevice::OmemoDevice(const char* own_name) : address{own_name, std::char_traits<char>::length(own_name), 1} {
  must(signal_protocol_store_context_create(&stores, library()), "signal_protocol_store_context_create");
  const auto sessions = session_store(this);
  const auto one_time = prekey_store(this);
  const auto long_lived = signed_prekey_store(this);
  const auto identities = identity_store(this);
  signal_protocol_store_context_set_session_store(stores, &sessions);
  signal_protocol_store_context_set_pre_key_store(stores, &one_time);
  signal_protocol_store_context_set_signed_pre_key_store(stores, &long_lived);
  signal_protocol_store_context_set_identity_key_store(stores, &identities);
  must(signal_protocol_key_helper_generate_identity_key_pair(&identity, library()), "identity");
  must(signal_protocol_key_helper_generate_signed_pre_key(&signed_prekey, identity, kSignedPrekeyId, 0, library()),
       "signed prekey");
  ec_key_pair* pair = nullptr;
  must(curve_generate_key_pair(library(), &pair), "prekey");
  must(session_pre_key_create(&prekey, kPrekeyId, pair), "prekey");
  SIGNAL_UNREF(pair);
  signal_buffer* buffer = nullptr;
  must(session_pre_key_serialize(&buffer, prekey), "prekey");
  prekeys[kPrekeyId] = stored_of(buffer);
  must(session_signed_pre_key_serialize(&buffer, signed_prekey), "signed prekey");
  signed_prekeys[kSignedPrekeyId] = stored_of(buffer);
}

void OmemoDevice::talk_to(const OmemoDevice& peer) {
  must(session_cipher_create(&cipher, stores, &peer.address, library()), "session_cipher_create");
}

OmemoPair::OmemoPair() : one_(std::make_unique<OmemoDevice>("one")), other_(std::make_unique<OmemoDevice>("other")) {
  session_pre_key_bundle* bundle = nullptr;
  session_signed_pre_key* signed_prekey = other_->signed_prekey;
  must(session_pre_key_bundle_create(
           &bundle, kRegistration, 1, kPrekeyId, ec_key_pair_get_public(session_pre_key_get_key_pair(other_->prekey)),
           kSignedPrekeyId, ec_key_pair_get_public(session_signed_pre_key_get_key_pair(signed_prekey)),
           session_signed_pre_key_get_signature(signed_prekey), session_signed_pre_key_get_signature_len(signed_prekey),
           ratchet_identity_key_pair_get_public(other_->identity)),
       "bundle");
  session_builder* builder = nullptr;
  must(session_builder_create(&builder, one_->stores, &other_->address, library()), "builder");
  must(session_builder_process_pre_key_bundle(builder, bundle), "process bundle");
  session_builder_free(builder);
  SIGNAL_UNREF(bundle);
  one_->talk_to(*other_);
  other_->talk_to(*one_);
}

// The process ends soon: the library's objects are left to it.
OmemoPair::~OmemoPair() = default;

bool OmemoPair::pass(bool from_one, ByteView text) {
  session_cipher* const from = from_one ? one_->cipher : other_->cipher;
  session_cipher* const to = from_one ? other_->cipher : one_->cipher;
  ciphertext_message* sent = nullptr;
  must(session_cipher_encrypt(from, reinterpret_cast<const std::uint8_t*>(text.data()), text.size(), &sent), "encrypt");
  signal_buffer* const bytes = ciphertext_message_get_serialized(sent);
  signal_buffer* plain = nullptr;
  if (ciphertext_message_get_type(sent) == CIPHERTEXT_PREKEY_TYPE) {
    pre_key_signal_message* message = nullptr;
    must(pre_key_signal_message_deserialize(&message, signal_buffer_const_data(bytes), signal_buffer_len(bytes),
                                            library()),
         "deserialize");
    must(session_cipher_decrypt_pre_key_signal_message(to, message, nullptr, &plain), "decrypt");
    SIGNAL_UNREF(message);
  } else {
    signal_message* message = nullptr;
    must(signal_message_deserialize(&message, signal_buffer_const_data(bytes), signal_buffer_len(bytes), library()),
         "deserialize");
    must(session_cipher_decrypt_signal_message(to, message, nullptr, &plain), "decrypt");
    SIGNAL_UNREF(message);
  }
  const bool same = signal_buffer_len(plain) == text.size() &&
                    std::memcmp(signal_buffer_const_data(plain), text.data(), text.size()) == 0;
  signal_buffer_free(plain);
  SIGNAL_UNREF(sent);
  return same;
}

}  // namespace opaline::bench
