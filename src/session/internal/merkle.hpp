#pragma once
// The Merkle tree over a set's one-time prekeys (RFC 9162 section 2.1 hashing; always a full tree).
#include <vector>

#include "session/prekeys.hpp"

namespace opaline::session::internal {

using MerkleHash = ByteArray<32>;

/// SHA-256(0x00 || u16 index || key).
[[nodiscard]] MerkleHash merkle_leaf(OneTimeIndex index, const crypto::X25519PublicKey& key);

/// A tree over 2^n leaves, n from 0 to 8.
class MerkleTree {
 public:
  /// `leaves` has 2^n entries (asserted).
  explicit MerkleTree(std::vector<MerkleHash> leaves);
  [[nodiscard]] const MerkleHash& root() const { return levels_.back().front(); }
  /// The siblings from the leaf up, n * 32 bytes.
  [[nodiscard]] Bytes path(std::size_t index) const;

 private:
  std::vector<std::vector<MerkleHash>> levels_;
};

/// The root that `leaf` at `index` has under `path` (a multiple of 32 bytes, asserted).
[[nodiscard]] MerkleHash merkle_root_of(const MerkleHash& leaf, std::size_t index, ByteView path);

}  // namespace opaline::session::internal
