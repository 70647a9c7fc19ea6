#include "session/internal/merkle.hpp"

#include <bit>

#include "base/codec.hpp"
#include "crypto/hash.hpp"

namespace opaline::session::internal {
namespace {

constexpr std::byte kLeafPrefix{0};
constexpr std::byte kNodePrefix{1};

MerkleHash node(const MerkleHash& left, const MerkleHash& right) {
  return crypto::sha256({ByteView(&kNodePrefix, 1), left, right});
}

}  // namespace

MerkleHash merkle_leaf(OneTimeIndex index, const crypto::X25519PublicKey& key) {
  const auto number = static_cast<std::uint16_t>(index);
  const std::byte head[] = {kLeafPrefix, std::byte(number >> 8), std::byte(number & 0xff)};
  return crypto::sha256({ByteView(head), key.view()});
}

MerkleTree::MerkleTree(std::vector<MerkleHash> leaves) {
  OPALINE_ASSERT(std::has_single_bit(leaves.size()) && leaves.size() <= kMaxOneTimePrekeys);
  levels_.push_back(std::move(leaves));
  while (levels_.back().size() > 1) {
    const auto& below = levels_.back();
    std::vector<MerkleHash> level;
    for (std::size_t i = 0; i < below.size(); i += 2) level.push_back(node(below[i], below[i + 1]));
    levels_.push_back(std::move(level));
  }
}

Bytes MerkleTree::path(std::size_t index) const {
  OPALINE_ASSERT(index < levels_.front().size());
  Bytes out;
  for (std::size_t level = 0; level + 1 < levels_.size(); ++level) append(out, levels_[level][(index >> level) ^ 1]);
  return out;
}

MerkleHash merkle_root_of(const MerkleHash& leaf, std::size_t index, ByteView path) {
  OPALINE_ASSERT(path.size() % sizeof(MerkleHash) == 0);
  MerkleHash hash = leaf;
  for (; !path.empty(); path = path.subspan(sizeof(MerkleHash)), index >>= 1) {
    const auto sibling = to_array<sizeof(MerkleHash)>(path.first(sizeof(MerkleHash)));
    hash = (index & 1) != 0 ? node(sibling, hash) : node(hash, sibling);
  }
  return hash;
}

}  // namespace opaline::session::internal
