#pragma once
// Merkle trees as RFC 9162 section 2.1 defines them, over SHA-256: roots, inclusion and consistency proofs, and their
// verification. No state, no I/O.
#include <functional>
#include <span>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "crypto/hash.hpp"
#include "ledger/error.hpp"

namespace opaline::ledger {

using Hash = crypto::Sha256Digest;
/// Never longer than 64 hashes.
using Proof = std::vector<Hash>;

/// RFC 9162 section 2.1.1: SHA-256(0x00 || leaf).
[[nodiscard]] Hash leaf_hash(ByteView leaf);
/// RFC 9162 section 2.1.1: SHA-256(0x01 || left || right).
[[nodiscard]] Hash node_hash(const Hash& left, const Hash& right);
/// The root of no leaves: SHA-256 of nothing.
[[nodiscard]] Hash empty_root();

/// Hash of the complete subtree of 2^level leaves whose first is leaf index * 2^level.
using NodeReader = std::function<Result<Hash, Error>(unsigned level, std::uint64_t index)>;

/// The nodes that a leaf completes, bottom up, its own (level 0) first: what a store writes with it. `index` is the
/// leaf's; complete nodes to the left come from `nodes`.
struct Node {
  unsigned level = 0;
  std::uint64_t index = 0;
  Hash hash{};
};
[[nodiscard]] Result<std::vector<Node>, Error> nodes_completed_by(std::uint64_t index, const Hash& leaf,
                                                                  const NodeReader& nodes);

/// The root over the first `size` leaves, from O(log size) nodes.
[[nodiscard]] Result<Hash, Error> root(std::uint64_t size, const NodeReader& nodes);
/// RFC 9162 section 2.1.3.1. out_of_range: no leaf `index` in a tree of `size`.
[[nodiscard]] Result<Proof, Error> inclusion_proof(std::uint64_t index, std::uint64_t size, const NodeReader& nodes);
/// RFC 9162 section 2.1.4.1; empty for equal sizes. out_of_range: `first` is 0 or greater than `second`.
[[nodiscard]] Result<Proof, Error> consistency_proof(std::uint64_t first, std::uint64_t second,
                                                     const NodeReader& nodes);

/// RFC 9162 section 2.1.3.2.
[[nodiscard]] bool verify_inclusion(std::uint64_t index, std::uint64_t size, const Hash& leaf,
                                    std::span<const Hash> proof, const Hash& root);
/// RFC 9162 section 2.1.4.2. Of equal sizes the roots must be equal and the proof empty. False for `first` 0: every
/// tree goes on from the empty one, so there is nothing to prove.
[[nodiscard]] bool verify_consistency(std::uint64_t first, std::uint64_t second, const Hash& first_root,
                                      const Hash& second_root, std::span<const Hash> proof);

}  // namespace opaline::ledger
