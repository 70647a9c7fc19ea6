#pragma once
// Prekey sets (docs/protocol.md, section Prekeys): what a device leaves with the directory so that others can open
// sessions with it while it is away. One set: a signed X25519 prekey, an ML-KEM-768 prekey and a batch of one-time
// X25519 prekeys, all under one hybrid signature; the one-time keys by the root of a Merkle tree, so that a bundle with
// one of them stays small. Pure functions and values; thread-safe.
#include <vector>

#include "base/time.hpp"
#include "credentials/error.hpp"
#include "credentials/identity.hpp"
#include "credentials/limits.hpp"
#include "crypto/mlkem.hpp"

namespace opaline::credentials {

/// Numbers a device's prekey sets, rising; never reused by that device.
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

/// The bytes that are signed.
[[nodiscard]] Bytes encode_prekey_set_body(const PrekeySet& set);
/// Structure only, of a set with its signature: kPrekeySetBytes. malformed, unsupported_version.
[[nodiscard]] Result<PrekeySet, Error> parse_prekey_set(ByteView signed_set);
/// Of a set with its signature, whose size was checked (asserted).
[[nodiscard]] PrekeySetHash prekey_set_hash(ByteView signed_set);
/// Whether this device key signed it; false for a wrong size too.
[[nodiscard]] bool prekey_set_signed_by(const crypto::HybridPublicKey& device_key, ByteView signed_set);

/// The public keys of a set's one-time prekeys as a device leaves them with the directory: 32 bytes each, by index.
inline constexpr std::size_t kMaxOneTimeBatchBytes = kMaxOneTimePrekeys * crypto::X25519PublicKey::kSize;

/// The tree over a set's one-time prekeys: its root is signed, its entries are handed out.
class OneTimeTree {
 public:
  /// `keys` has 2^n entries, at most kMaxOneTimePrekeys (asserted).
  explicit OneTimeTree(std::vector<crypto::X25519PublicKey> keys);
  ~OneTimeTree();
  OneTimeTree(OneTimeTree&&) noexcept;
  OneTimeTree& operator=(OneTimeTree&&) noexcept;
  [[nodiscard]] std::size_t size() const { return keys_.size(); }
  [[nodiscard]] const ByteArray<32>& root() const { return levels_.back().front(); }
  /// What a bundle carries: u16 index || key || path. `index` is below size() (asserted).
  [[nodiscard]] Bytes entry(OneTimeIndex index) const;
  /// The keys as kept by the directory.
  [[nodiscard]] Bytes batch() const;

 private:
  std::vector<crypto::X25519PublicKey> keys_;
  std::vector<std::vector<ByteArray<32>>> levels_;
};

/// Checks a directory's batch against the set: malformed (the count is not the set's), bad_signature (another root).
/// nullopt where the set has no one-time prekeys and the batch is empty.
[[nodiscard]] Result<std::optional<OneTimeTree>, Error> check_one_time_batch(const PrekeySet& set, ByteView batch);

struct OneTimePrekey {
  OneTimeIndex index{};
  crypto::X25519PublicKey key;
  friend bool operator==(const OneTimePrekey&, const OneTimePrekey&) = default;
};
/// Checks what a bundle carries against the set's root. malformed, bad_signature.
[[nodiscard]] Result<OneTimePrekey, Error> check_one_time_entry(const PrekeySet& set, ByteView entry);

/// What the directory answers for one device. Its bytes are `signed_set || one_time`.
struct PrekeyBundle {
  Bytes signed_set;
  Bytes one_time;  ///< empty if the directory had none left
  friend bool operator==(const PrekeyBundle&, const PrekeyBundle&) = default;
};
[[nodiscard]] Bytes encode_bundle(const PrekeyBundle& bundle);
/// Structure of sizes only. malformed, too_large.
[[nodiscard]] Result<PrekeyBundle, Error> parse_bundle(ByteView bytes);

}  // namespace opaline::credentials
