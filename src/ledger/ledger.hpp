#pragma once
// A Merkle log of commitments (docs/adr/0017-records.md): leaves without personal data, a signed head after each
// append, proofs for who kept an earlier head.
#include "base/random.hpp"
#include "ledger/head.hpp"
#include "store/key_vault.hpp"
#include "store/sealed_rows.hpp"

namespace opaline::ledger {

inline constexpr std::string_view kVaultPurpose = "ledger-sign";

/// u64 time (ms) || u8 kind || 32 commitment. What kinds there are is the caller's.
struct Leaf {
  Time time;
  std::uint8_t kind = 0;
  Hash commitment{};
  friend bool operator==(const Leaf&, const Leaf&) = default;
};
[[nodiscard]] Bytes encode(const Leaf& leaf);
[[nodiscard]] std::optional<Leaf> decode_leaf(ByteView bytes);

/// Opens a commitment: SHA-256(salt || event). Kept by the caller with its event; whoever is shown both can check the
/// leaf.
using Salt = ByteArray<32>;
[[nodiscard]] Hash commitment(const Salt& salt, ByteView event);

/// One thread. Everything must outlive it.
class Ledger {
 public:
  /// Makes the signing key at first use. unavailable; damaged: the newest head does not fit the leaves.
  [[nodiscard]] static Result<Ledger, Error> open(store::SealedRows& rows, store::KeyVault& vault, const Clock& clock,
                                                  RandomSource& random);

  struct Appended {
    std::uint64_t index = 0;  ///< of the leaf, from 0
    Salt salt{};              ///< to be kept with the event
    SignedHead head;          ///< over a tree that ends with this leaf
  };
  /// Makes the leaf of an event with a new salt and hands it to `changes`, which adds the caller's own rows (the event
  /// with index and salt); all of it is one atomic, synced write. unavailable: nothing was written, or the store broke
  /// and a restart shows which; the ledger reads its state again.
  using Changes = std::function<void(const Appended& appended, store::SealedRows::Batch& batch)>;
  [[nodiscard]] Result<Appended, Error> append(std::uint8_t kind, ByteView event, const Changes& changes);

  [[nodiscard]] std::uint64_t size() const { return size_; }
  // Each of these: unavailable; damaged: a row that must be there is not.
  /// The newest; over an empty tree before the first append.
  [[nodiscard]] Result<SignedHead, Error> head();
  /// Heads of sizes greater than `after`, oldest first, at most `limit`.
  [[nodiscard]] Result<std::vector<SignedHead>, Error> heads(std::uint64_t after, std::size_t limit);
  [[nodiscard]] Result<Leaf, Error> leaf(std::uint64_t index);
  [[nodiscard]] Result<Proof, Error> inclusion(std::uint64_t index, std::uint64_t size);
  [[nodiscard]] Result<Proof, Error> consistency(std::uint64_t first, std::uint64_t second);

  /// Builds the tree anew from its leaves and compares: every node, every head. False: somebody changed the rows. With
  /// `known`, a head that somebody kept: also whether this ledger goes on from it.
  struct Check {
    bool intact = false;  ///< false too where rows could not be read
    bool known_head_fits = true;
    std::uint64_t leaves = 0;
    std::uint64_t broken_at = 0;  ///< the first leaf or head size that does not fit, where not intact
  };
  [[nodiscard]] Check verify(const std::optional<SignedHead>& known = std::nullopt);

  [[nodiscard]] const crypto::HybridPublicKey& public_key() const { return public_key_; }
  /// For what else the service signs under this key; the label is the caller's own.
  [[nodiscard]] crypto::HybridSignature sign(std::string_view label, ByteView message) const;

 private:
  Ledger(store::SealedRows& rows, crypto::HybridSigner signer, const Clock& clock, RandomSource& random);
  [[nodiscard]] Result<void, Error> load();
  [[nodiscard]] Result<std::optional<SignedHead>, Error> stored_head(std::uint64_t size) const;
  [[nodiscard]] NodeReader reader() const;

  store::SealedRows* rows_;
  crypto::HybridSigner signer_;
  crypto::HybridPublicKey public_key_;
  const Clock* clock_;
  RandomSource* random_;
  std::uint64_t size_ = 0;
  bool stale_ = false;  ///< a write's outcome is not known: load before the next step
};

}  // namespace opaline::ledger
