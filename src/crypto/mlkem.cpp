#include "crypto/mlkem.hpp"

#include "crypto/internal/openssl.hpp"

namespace opaline::crypto {

using internal::octets;
using internal::raw;
using internal::raw_out;

Result<MlKem768Encapsulator, Error> MlKem768Encapsulator::from(const MlKem768EncapsulationKey& key) {
  OSSL_PARAM params[] = {octets(OSSL_PKEY_PARAM_PUB_KEY, key.view()), OSSL_PARAM_construct_end()};
  KeyHandle handle = internal::import_key("ML-KEM-768", EVP_PKEY_PUBLIC_KEY, params);
  if (handle == nullptr) return fail(Error::bad_key);
  return MlKem768Encapsulator(std::move(handle));
}

MlKem768Encapsulation MlKem768Encapsulator::encapsulate(RandomSource& random) const {
  Secret<struct MlKem768RandomnessTag, 32> m;
  random.fill(m.fill());
  const internal::KeyContext context = internal::context_of(key_);
  const OSSL_PARAM params[] = {octets(OSSL_KEM_PARAM_IKME, m.reveal()), OSSL_PARAM_construct_end()};
  OPALINE_ASSERT(EVP_PKEY_encapsulate_init(context.get(), params) == 1);
  MlKem768Encapsulation out;
  ByteArray<MlKem768Ciphertext::kSize> ciphertext;
  std::size_t ciphertext_size = ciphertext.size();
  std::size_t secret_size = MlKem768SharedSecret::kSize;
  OPALINE_ASSERT(EVP_PKEY_encapsulate(context.get(), raw_out(ciphertext), &ciphertext_size,
                                      raw_out(out.shared_secret.fill()), &secret_size) == 1);
  internal::wipe_stack_below();
  OPALINE_ASSERT(ciphertext_size == ciphertext.size() && secret_size == MlKem768SharedSecret::kSize);
  out.ciphertext = MlKem768Ciphertext(ciphertext);
  return out;
}

MlKem768Decapsulator::MlKem768Decapsulator(const MlKem768PrivateKey& seed) {
  // Generation from a given seed, not import: that would also try an encapsulation, for twice the cost of the
  // expansion.
  const internal::KeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, "ML-KEM-768", nullptr));
  OPALINE_ASSERT(context != nullptr && EVP_PKEY_keygen_init(context.get()) == 1);
  const OSSL_PARAM params[] = {octets(OSSL_PKEY_PARAM_ML_KEM_SEED, seed.reveal()), OSSL_PARAM_construct_end()};
  OPALINE_ASSERT(EVP_PKEY_CTX_set_params(context.get(), params) == 1);
  EVP_PKEY* key = nullptr;
  OPALINE_ASSERT(EVP_PKEY_generate(context.get(), &key) == 1);
  key_.reset(key);
  internal::wipe_stack_below();
}

MlKem768EncapsulationKey MlKem768Decapsulator::encapsulation_key() const {
  ByteArray<MlKem768EncapsulationKey::kSize> out;
  internal::export_public_key(key_, out);
  return MlKem768EncapsulationKey(out);
}

MlKem768SharedSecret MlKem768Decapsulator::decapsulate(const MlKem768Ciphertext& ciphertext) const {
  const internal::KeyContext context = internal::context_of(key_);
  OPALINE_ASSERT(EVP_PKEY_decapsulate_init(context.get(), nullptr) == 1);
  MlKem768SharedSecret out;
  std::size_t size = MlKem768SharedSecret::kSize;
  OPALINE_ASSERT(EVP_PKEY_decapsulate(context.get(), raw_out(out.fill()), &size, raw(ciphertext.view()),
                                      MlKem768Ciphertext::kSize) == 1);
  internal::wipe_stack_below();
  OPALINE_ASSERT(size == MlKem768SharedSecret::kSize);
  return out;
}

MlKem768PrivateKey mlkem768_generate(RandomSource& random) {
  MlKem768PrivateKey out;
  random.fill(out.fill());
  return out;
}

}  // namespace opaline::crypto
