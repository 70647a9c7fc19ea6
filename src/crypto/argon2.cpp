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
  const OSSL_PARAM params[] = {octets(OSSL_KDF_PARAM_PASSWORD, input.password),
                               octets(OSSL_KDF_PARAM_SALT, input.salt),
                               octets(OSSL_KDF_PARAM_SECRET, input.secret),
                               octets(OSSL_KDF_PARAM_ARGON2_AD, input.associated_data),
                               OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_ARGON2_MEMCOST, &copy.memory_kib),
                               OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_ITER, &copy.passes),
                               OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_ARGON2_LANES, &copy.lanes),
                               OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_THREADS, &threads),
                               OSSL_PARAM_construct_end()};
  if (EVP_KDF_derive(context.get(), internal::raw_out(out), out.size(), params) != 1) {
    wipe(out.data(), out.size());
    return fail(Error::out_of_memory);
  }
  return {};
}

}  // namespace opaline::crypto
