#pragma once
// Prekeys (docs/protocol.md, section Prekeys): what a device leaves with the directory so that others can open sessions
// with it while it is away. One set: a signed X25519 prekey, an ML-KEM-768 prekey and a batch of one-time X25519
// prekeys, all under one hybrid signature; the one-time keys by the root of a Merkle tree, so that a bundle with one of
// them stays small.
#include <memory>
#include <vector>

#include "credentials/prekey_set.hpp"
#include "session/device_list.hpp"
#include "session/limits.hpp"

namespace opaline::session {

using credentials::encode_bundle;
using credentials::kMaxOneTimeBytes;
using credentials::kPrekeySetBodyBytes;
using credentials::kPrekeySetBytes;
using credentials::OneTimeIndex;
using credentials::PrekeyBundle;
using credentials::PrekeySet;
using credentials::PrekeySetHash;
using credentials::PrekeySetId;

/// The private halves of a set, one-time keys aside. Kept until `wipe_after`, then destroyed.
class PrekeySecrets {
 public:
  PrekeySecrets(PrekeySetId id, const PrekeySetHash& hash, Time created, crypto::X25519PrivateKey signed_prekey,
                crypto::MlKem768PrivateKey kem_seed);
  [[nodiscard]] PrekeySetId id() const { return id_; }
  [[nodiscard]] const PrekeySetHash& hash() const { return hash_; }
  [[nodiscard]] Time created() const { return created_; }
  /// When the private halves must be gone, one-time keys included.
  [[nodiscard]] Time wipe_after() const { return created_ + kPrekeyLife; }
  [[nodiscard]] const crypto::X25519PrivateKey& signed_prekey() const { return signed_prekey_; }
  [[nodiscard]] const crypto::X25519PublicKey& signed_prekey_public() const { return signed_prekey_public_; }
  [[nodiscard]] const crypto::MlKem768Decapsulator& kem() const { return kem_; }

  /// Stored form: u8 kVersion || u32 id || hash (32) || u64 created || X25519 private key (32) || ML-KEM seed (64).
  [[nodiscard]] SecretBytes serialise() const;
  /// unsupported_version, bad_state.
  [[nodiscard]] static Result<PrekeySecrets, Error> deserialise(ByteView stored);

 private:
  PrekeySetId id_;
  PrekeySetHash hash_;
  Time created_;
  crypto::X25519PrivateKey signed_prekey_;
  crypto::X25519PublicKey signed_prekey_public_;
  crypto::MlKem768PrivateKey kem_seed_;
  crypto::MlKem768Decapsulator kem_;
};

/// A set just made. `secrets` and `one_time_secrets` go to the device's own store before the public parts go to the
/// directory.
struct NewPrekeys {
  PrekeySecrets secrets;
  std::vector<crypto::X25519PrivateKey> one_time_secrets;  ///< by index
  Bytes signed_set;                                        ///< kPrekeySetBytes, handed out to everybody
  std::vector<Bytes> one_time;                             ///< by index: each is handed out once, as it is
  Bytes one_time_batch;  ///< what the directory is given: the public keys, from which it makes `one_time` itself
};

/// Makes and signs a set. `one_time_count` is 0 or a power of two up to kMaxOneTimePrekeys (asserted).
[[nodiscard]] NewPrekeys generate_prekeys(const DeviceIdentity& identity, const DeviceAddress& owner, PrekeySetId id,
                                          std::size_t one_time_count, Time now, RandomSource& random);

/// Structure of sizes only; verify_bundle checks the rest. malformed, too_large.
[[nodiscard]] Result<PrekeyBundle, Error> decode_bundle(ByteView bytes);

/// A peer device with prekeys that were checked: all that a handshake needs.
class VerifiedBundle {
 public:
  using OneTime = credentials::OneTimePrekey;
  [[nodiscard]] const DeviceAddress& owner() const { return set_.owner; }
  [[nodiscard]] const DevicePublicKeys& keys() const { return keys_; }
  /// The list in which the device was found.
  [[nodiscard]] const ListReference& list() const { return list_; }
  [[nodiscard]] const PrekeySet& set() const { return set_; }
  [[nodiscard]] const PrekeySetHash& set_hash() const { return set_hash_; }
  [[nodiscard]] const std::optional<OneTime>& one_time() const { return one_time_; }

 private:
  friend Result<VerifiedBundle, Error> verify_bundle(const VerifiedDeviceList&, DeviceNumber, const PrekeyBundle&,
                                                     Time);
  VerifiedBundle() = default;
  DevicePublicKeys keys_;
  ListReference list_;
  PrekeySet set_;
  PrekeySetHash set_hash_;
  std::optional<OneTime> one_time_;
};

/// Checks a bundle for the device `device` of `list`: structure, owner, times (with kPrekeyGrace and kClockSkew), the
/// device's signature, the one-time key's path. A list pinned earlier may be used: sets are bound to the device, not to
/// a list number. malformed, unsupported_version, wrong_device (also: not in the list), expired, bad_signature (also:
/// path does not fit).
[[nodiscard]] Result<VerifiedBundle, Error> verify_bundle(const VerifiedDeviceList& list, DeviceNumber device,
                                                          const PrekeyBundle& bundle, Time now);

/// Where accept_session finds private halves. The endpoint implements it over its store.
class PrekeySource {
 public:
  virtual ~PrekeySource() = default;
  /// Null: never had, or wiped. Stays valid until the call that asked returns.
  [[nodiscard]] virtual const PrekeySecrets* find_set(PrekeySetId id) = 0;
  /// A copy of the one-time key, or nullopt if it was used or wiped. Looking does not use it up: the caller of
  /// accept_session deletes it in the commit that keeps the new session.
  [[nodiscard]] virtual std::optional<crypto::X25519PrivateKey> find_one_time(PrekeySetId id, OneTimeIndex index) = 0;
};

}  // namespace opaline::session
