#pragma once
// ML-KEM-768 (FIPS 203). A stored private key is its 64-byte seed; expanding it costs about as much as using it, so
// keep the decoded objects for as long as the key is in use. Const use of one object is thread-safe.
#include "base/ids.hpp"
#include "base/random.hpp"
#include "base/secret.hpp"
#include "crypto/error.hpp"
#include "crypto/key_handle.hpp"

namespace opaline::crypto {

/// d || z of FIPS 203 section 7.1, 64 uniform bytes.
using MlKem768PrivateKey = Secret<struct MlKem768PrivateKeyTag, 64>;
using MlKem768EncapsulationKey = ByteId<struct MlKem768EncapsulationKeyTag, 1184>;
using MlKem768Ciphertext = ByteId<struct MlKem768CiphertextTag, 1088>;
using MlKem768SharedSecret = Secret<struct MlKem768SharedSecretTag, 32>;

struct MlKem768Encapsulation {
  MlKem768SharedSecret shared_secret;
  MlKem768Ciphertext ciphertext;
};

/// Whoever holds this can make secrets for the owner of the key.
class MlKem768Encapsulator {
 public:
  /// bad_key: fails the check of FIPS 203 section 7.2 (a coefficient is not reduced).
  [[nodiscard]] static Result<MlKem768Encapsulator, Error> from(const MlKem768EncapsulationKey& key);
  /// FIPS 203 section 7.2, with the 32 random bytes `m` from `random`.
  [[nodiscard]] MlKem768Encapsulation encapsulate(RandomSource& random) const;

 private:
  explicit MlKem768Encapsulator(KeyHandle key) : key_(std::move(key)) {}
  KeyHandle key_;
};

/// The owner's side.
class MlKem768Decapsulator {
 public:
  explicit MlKem768Decapsulator(const MlKem768PrivateKey& seed);
  [[nodiscard]] MlKem768EncapsulationKey encapsulation_key() const;
  /// FIPS 203 section 7.3. Never fails: a ciphertext that was not made for this key gives a secret that nobody else
  /// knows (implicit rejection), and the first MAC made with it shows that.
  [[nodiscard]] MlKem768SharedSecret decapsulate(const MlKem768Ciphertext& ciphertext) const;

 private:
  KeyHandle key_;
};

[[nodiscard]] MlKem768PrivateKey mlkem768_generate(RandomSource& random);

}  // namespace opaline::crypto
