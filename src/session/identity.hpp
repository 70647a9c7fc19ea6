#pragma once
// Who a device is (docs/protocol.md, section Identities): a hybrid signing key, and beside it an X25519 identity key
// for handshakes, which the account's device list certifies. No key serves two algorithms. Private halves never leave
// their device.
#include "credentials/identity.hpp"
#include "session/error.hpp"

namespace opaline::session {

using credentials::DeviceAddress;
using credentials::DevicePublicKeys;
using credentials::IdentityHash;

/// A device's own keys, decoded and ready for use. Const use is thread-safe.
class DeviceIdentity {
 public:
  [[nodiscard]] static DeviceIdentity generate(RandomSource& random);
  /// Stored form: u8 kVersion || hybrid seeds (64) || X25519 private key (32).
  [[nodiscard]] SecretBytes serialise() const;
  /// unsupported_version, bad_state.
  [[nodiscard]] static Result<DeviceIdentity, Error> deserialise(ByteView stored);

  [[nodiscard]] const DevicePublicKeys& public_keys() const { return public_keys_; }
  [[nodiscard]] const IdentityHash& hash() const { return hash_; }
  [[nodiscard]] const crypto::HybridSigner& signer() const { return signer_; }
  [[nodiscard]] const crypto::X25519PrivateKey& agreement_key() const { return agreement_; }

 private:
  DeviceIdentity(crypto::HybridPrivateKey seeds, crypto::X25519PrivateKey agreement);
  crypto::HybridPrivateKey seeds_;
  crypto::HybridSigner signer_;
  crypto::X25519PrivateKey agreement_;
  DevicePublicKeys public_keys_;
  IdentityHash hash_;
};

/// The account key: signs device lists and the challenge of a recovery, nothing else. Held by the primary device and
/// the recovery file alone.
class AccountKey {
 public:
  [[nodiscard]] static AccountKey generate(RandomSource& random);
  /// Stored form: u8 kVersion || hybrid seeds (64).
  [[nodiscard]] SecretBytes serialise() const;
  /// unsupported_version, bad_state.
  [[nodiscard]] static Result<AccountKey, Error> deserialise(ByteView stored);

  [[nodiscard]] const crypto::HybridPublicKey& public_key() const { return public_key_; }
  [[nodiscard]] const crypto::HybridSigner& signer() const { return signer_; }

 private:
  explicit AccountKey(crypto::HybridPrivateKey seeds);
  crypto::HybridPrivateKey seeds_;
  crypto::HybridSigner signer_;
  crypto::HybridPublicKey public_key_;
};

}  // namespace opaline::session
