#include "ledger/merkle.hpp"

#include <bit>

namespace opaline::ledger {
namespace {

constexpr std::byte kLeafPrefix{0};
constexpr std::byte kNodePrefix{1};

/// The largest power of two smaller than `size`, which is 2 or more.
std::uint64_t split_of(std::uint64_t size) {
  return std::bit_floor(size - 1);
}

/// MTH of the leaves [begin, begin + size), where begin is a multiple of the smallest power of two that is not below
/// size: as all ranges of the recursions below are.
Result<Hash, Error> range_root(std::uint64_t begin, std::uint64_t size, const NodeReader& nodes) {
  if (std::has_single_bit(size)) {
    const auto level = static_cast<unsigned>(std::countr_zero(size));
    return nodes(level, begin >> level);
  }
  const std::uint64_t left_size = split_of(size);
  OPALINE_TRY(const Hash left, range_root(begin, left_size, nodes));
  OPALINE_TRY(const Hash right, range_root(begin + left_size, size - left_size, nodes));
  return node_hash(left, right);
}

}  // namespace

std::string_view name(Error error) {
  switch (error) {
    case Error::unavailable:
      return "unavailable";
    case Error::damaged:
      return "damaged";
    case Error::out_of_range:
      return "out_of_range";
  }
  return "unknown";
}

Hash leaf_hash(ByteView leaf) {
  return crypto::sha256({ByteView(&kLeafPrefix, 1), leaf});
}
Hash node_hash(const Hash& left, const Hash& right) {
  return crypto::sha256({ByteView(&kNodePrefix, 1), left, right});
}
Hash empty_root() {
  return crypto::sha256({});
}

Result<std::vector<Node>, Error> nodes_completed_by(std::uint64_t index, const Hash& leaf, const NodeReader& nodes) {
  std::vector<Node> out{{.level = 0, .index = index, .hash = leaf}};
  while (out.back().index % 2 == 1) {
    const Node& right = out.back();
    OPALINE_TRY(const Hash left, nodes(right.level, right.index - 1));
    out.push_back({.level = right.level + 1, .index = right.index / 2, .hash = node_hash(left, right.hash)});
  }
  return out;
}

Result<Hash, Error> root(std::uint64_t size, const NodeReader& nodes) {
  if (size == 0) return empty_root();
  return range_root(0, size, nodes);
}

Result<Proof, Error> inclusion_proof(std::uint64_t index, std::uint64_t size, const NodeReader& nodes) {
  if (index >= size) return fail(Error::out_of_range);
  Proof top_down;
  std::uint64_t begin = 0;
  while (size > 1) {
    const std::uint64_t left = split_of(size);
    const bool goes_left = index - begin < left;
    OPALINE_TRY(const Hash other,
                goes_left ? range_root(begin + left, size - left, nodes) : range_root(begin, left, nodes));
    top_down.push_back(other);
    if (!goes_left) begin += left;
    size = goes_left ? left : size - left;
  }
  return Proof(top_down.rbegin(), top_down.rend());
}

Result<Proof, Error> consistency_proof(std::uint64_t first, std::uint64_t second, const NodeReader& nodes) {
  if (first == 0 || first > second) return fail(Error::out_of_range);
  Proof top_down;
  std::uint64_t begin = 0;
  bool whole = true;  // the subtree in hand is the first tree itself: its root is known to whoever asks
  while (first != second) {
    const std::uint64_t left = split_of(second);
    if (first <= left) {
      OPALINE_TRY(const Hash right, range_root(begin + left, second - left, nodes));
      top_down.push_back(right);
      second = left;
    } else {
      OPALINE_TRY(const Hash whole_left, range_root(begin, left, nodes));
      top_down.push_back(whole_left);
      begin += left;
      first -= left;
      second -= left;
      whole = false;
    }
  }
  if (!whole) {
    OPALINE_TRY(const Hash own, range_root(begin, second, nodes));
    top_down.push_back(own);
  }
  return Proof(top_down.rbegin(), top_down.rend());
}

bool verify_inclusion(std::uint64_t index, std::uint64_t size, const Hash& leaf, std::span<const Hash> proof,
                      const Hash& expected) {
  if (index >= size) return false;
  std::uint64_t at = index;
  std::uint64_t last = size - 1;
  Hash hash = leaf;
  for (const Hash& other : proof) {
    if (last == 0) return false;
    if (at % 2 == 1 || at == last) {
      hash = node_hash(other, hash);
      while (at % 2 == 0 && at != 0) {
        at >>= 1;
        last >>= 1;
      }
    } else {
      hash = node_hash(hash, other);
    }
    at >>= 1;
    last >>= 1;
  }
  return last == 0 && hash == expected;
}

bool verify_consistency(std::uint64_t first, std::uint64_t second, const Hash& first_root, const Hash& second_root,
                        std::span<const Hash> proof) {
  if (first == 0 || first > second) return false;
  if (first == second) return proof.empty() && first_root == second_root;
  if (proof.empty()) return false;
  std::uint64_t at = first - 1;
  std::uint64_t last = second - 1;
  while (at % 2 == 1) {
    at >>= 1;
    last >>= 1;
  }
  // Where the first tree is complete its own root stands for the first element.
  const bool complete = std::has_single_bit(first);
  Hash old_hash = complete ? first_root : proof.front();
  Hash new_hash = old_hash;
  for (const Hash& other : proof.subspan(complete ? 0 : 1)) {
    if (last == 0) return false;
    if (at % 2 == 1 || at == last) {
      old_hash = node_hash(other, old_hash);
      new_hash = node_hash(other, new_hash);
      while (at % 2 == 0 && at != 0) {
        at >>= 1;
        last >>= 1;
      }
    } else {
      new_hash = node_hash(new_hash, other);
    }
    at >>= 1;
    last >>= 1;
  }
  return last == 0 && old_hash == first_root && new_hash == second_root;
}

}  // namespace opaline::ledger
