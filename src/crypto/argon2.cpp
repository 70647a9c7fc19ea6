#include "crypto/argon2.hpp"

#include "crypto/internal/openssl.hpp"

namespace opaline::crypto {
namespace {

bool within_limits(const Argon2Input& input, const Argon2Cost& cost) {
  return cost.lanes >= 1 && cost.lanes <= kMaxArgon2Lanes && cost.passes >= 1 && cost.passes <= kMaxArgon2Passes &&
         cost.memory_kib >= 8 * cost.lanes && cost.memory_kib <= kMaxArgon2MemoryKib &&
         input.salt.size() >= kMinArgon2SaltBytes && input.salt.size() <= kMaxArgon2SaltBytes;
}

}  // namespace

Result<void, Error> argon2id(const Argon2Input& input, const Argon2Cost& cost, std::span<std::byte, 32> out) {
  using internal::octets;
  wipe(out.data(), out.size());
  if (!within_limits(input, cost)) return fail(Error::bad_parameters);
  const internal::QuietErrors quiet;
  const internal::KdfContext context(EVP_KDF_CTX_new(internal::algorithms().argon2id));
  OPALINE_ASSERT(context != nullptr);
  Argon2Cost copy = cost;
  std::uint32_t threads = 1;
  // OpenSSL takes an empty optional input for an error.
  OSSL_PARAM params[9];
  std::size_t count = 0;
  params[count++] = octets(OSSL_KDF_PARAM_PASSWORD, input.password);
  params[count++] = octets(OSSL_KDF_PARAM_SALT, input.salt);
  if (!input.secret.empty()) params[count++] = octets(OSSL_KDF_PARAM_SECRET, input.secret);
  if (!input.associated_data.empty()) params[count++] = octets(OSSL_KDF_PARAM_ARGON2_AD, input.associated_data);
  params[count++] = OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_ARGON2_MEMCOST, &copy.memory_kib);
  params[count++] = OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_ITER, &copy.passes);
  params[count++] = OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_ARGON2_LANES, &copy.lanes);
  params[count++] = OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_THREADS, &threads);
  params[count] = OSSL_PARAM_construct_end();
  if (EVP_KDF_derive(context.get(), internal::raw_out(out), out.size(), params) != 1) {
    wipe(out.data(), out.size());
    return fail(Error::out_of_memory);
  }
  return {};
}

}  // namespace opaline::crypto
