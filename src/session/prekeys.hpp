#pragma once
// Prekeys (docs/protocol.md, section Prekeys): what a device leaves with the directory so that others can open sessions
// with it while it is away. One set: a signed X25519 prekey, an ML-KEM-768 prekey and a batch of one-time X25519
// prekeys, all under one hybrid signature; the one-time keys by the root of a Merkle tree, so that a bundle with one of
// them stays small.
#include <memory>
#include <vector>

#include "crypto/mlkem.hpp"
#include "session/device_list.hpp"

namespace opaline::session {

/// Numbers a device's prekey sets; never reused by that device.
enum class PrekeySetId : std::uint32_t {};
/// A one-time prekey of a set: its leaf in the tree.
enum class OneTimeIndex : std::uint16_t {};
/// SHA-256 of a set's signed bytes without the signature.
using PrekeySetHash = ByteId<struct PrekeySetHashTag, 32>;

/// The public half of a set, as signed.
struct PrekeySet {
  DeviceAddress owner;
  PrekeySetId id{};
  Time created;        ///< first offered
  Time offered_until;  ///< the directory hands it out until then
  crypto::X25519PublicKey signed_prekey;
  crypto::MlKem768EncapsulationKey kem_prekey;
  std::uint16_t one_time_count = 0;  ///< 0 or a power of two up to kMaxOneTimePrekeys
  ByteArray<32> one_time_root{};     ///< zero if there are none
  friend bool operator==(const PrekeySet&, const PrekeySet&) = default;
};

inline constexpr std::size_t kPrekeySetBodyBytes = 1 + AccountId::kSize + 4 + 4 + 8 + 8 +
                                                   crypto::X25519PublicKey::kSize +
                                                   crypto::MlKem768EncapsulationKey::kSize + 2 + 32;
inline constexpr std::size_t kPrekeySetBytes = kPrekeySetBodyBytes + crypto::HybridSignature::kSize;
inline constexpr std::size_t kMaxOneTimeBytes = 2 + crypto::X25519PublicKey::kSize + 8 * 32;

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
};

/// Makes and signs a set. `one_time_count` is 0 or a power of two up to kMaxOneTimePrekeys (asserted).
[[nodiscard]] NewPrekeys generate_prekeys(const DeviceIdentity& identity, const DeviceAddress& owner, PrekeySetId id,
                                          std::size_t one_time_count, Time now, RandomSource& random);

/// What the directory answers for one device. Its bytes are `signed_set || one_time`.
struct PrekeyBundle {
  Bytes signed_set;
  Bytes one_time;  ///< empty if the directory had none left
  friend bool operator==(const PrekeyBundle&, const PrekeyBundle&) = default;
};
[[nodiscard]] Bytes encode_bundle(const PrekeyBundle& bundle);
/// Structure of sizes only; verify_bundle checks the rest. malformed, too_large.
[[nodiscard]] Result<PrekeyBundle, Error> decode_bundle(ByteView bytes);

/// A peer device with prekeys that were checked: all that a handshake needs.
class VerifiedBundle {
 public:
  struct OneTime {
    OneTimeIndex index{};
    crypto::X25519PublicKey key;
  };
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
