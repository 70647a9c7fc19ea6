#include "ledger/merkle.hpp"

#include <gmock/gmock.h>

#include <boost/json.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "base/random.hpp"

namespace opaline::ledger {
namespace {

// RFC 9162 section 2.1, word for word: the definitions by recursion over whole lists of leaves.
Hash defined_root(std::span<const Hash> leaves) {
  if (leaves.empty()) return empty_root();
  if (leaves.size() == 1) return leaves[0];
  std::size_t k = 1;
  while (k * 2 < leaves.size()) k *= 2;
  return node_hash(defined_root(leaves.first(k)), defined_root(leaves.subspan(k)));
}
Proof defined_path(std::size_t m, std::span<const Hash> leaves) {
  if (leaves.size() == 1) return {};
  std::size_t k = 1;
  while (k * 2 < leaves.size()) k *= 2;
  Proof out = m < k ? defined_path(m, leaves.first(k)) : defined_path(m - k, leaves.subspan(k));
  out.push_back(m < k ? defined_root(leaves.subspan(k)) : defined_root(leaves.first(k)));
  return out;
}
Proof defined_subproof(std::size_t m, std::span<const Hash> leaves, bool whole) {
  if (m == leaves.size()) return whole ? Proof{} : Proof{defined_root(leaves)};
  std::size_t k = 1;
  while (k * 2 < leaves.size()) k *= 2;
  Proof out = m <= k ? defined_subproof(m, leaves.first(k), whole) : defined_subproof(m - k, leaves.subspan(k), false);
  out.push_back(m <= k ? defined_root(leaves.subspan(k)) : defined_root(leaves.first(k)));
  return out;
}

class MerkleTest : public testing::Test {
 protected:
  static constexpr std::size_t kLeaves = 70;
  MerkleTest() {
    for (std::size_t i = 0; i < kLeaves; ++i) {
      const auto text = std::to_string(i);
      leaves_.push_back(leaf_hash(as_view(text)));
      const auto completed = nodes_completed_by(i, leaves_.back(), nodes_);
      for (const Node& node : completed.value()) stored_[{node.level, node.index}] = node.hash;
    }
  }
  std::span<const Hash> first(std::size_t size) const { return std::span(leaves_).first(size); }

  std::vector<Hash> leaves_;
  std::map<std::pair<unsigned, std::uint64_t>, Hash> stored_;
  NodeReader nodes_ = [this](unsigned level, std::uint64_t index) -> Result<Hash, Error> {
    const auto found = stored_.find({level, index});
    if (found == stored_.end()) return fail(Error::damaged);
    return found->second;
  };
};

TEST_F(MerkleTest, RootsAreAsDefined) {
  for (std::size_t size = 0; size <= kLeaves; ++size) EXPECT_EQ(root(size, nodes_), defined_root(first(size))) << size;
}

TEST_F(MerkleTest, InclusionProofsAreAsDefinedAndVerify) {
  for (std::size_t size = 1; size <= kLeaves; ++size) {
    for (std::size_t index = 0; index < size; ++index) {
      const auto proof = inclusion_proof(index, size, nodes_);
      ASSERT_EQ(proof, defined_path(index, first(size))) << index << " of " << size;
      ASSERT_TRUE(verify_inclusion(index, size, leaves_[index], *proof, defined_root(first(size))));
      ASSERT_FALSE(verify_inclusion(index, size, leaves_[(index + 1) % kLeaves], *proof, defined_root(first(size))));
    }
  }
  EXPECT_EQ(inclusion_proof(5, 5, nodes_), fail(Error::out_of_range));
}

TEST_F(MerkleTest, ConsistencyProofsAreAsDefinedAndVerify) {
  for (std::size_t second = 1; second <= kLeaves; ++second) {
    for (std::size_t from = 1; from <= second; ++from) {
      auto proof = consistency_proof(from, second, nodes_);
      ASSERT_EQ(proof, defined_subproof(from, first(second), true)) << from << " to " << second;
      const Hash before = defined_root(first(from));
      const Hash after = defined_root(first(second));
      ASSERT_TRUE(verify_consistency(from, second, before, after, *proof));
      if (from == second) continue;
      Hash other = before;
      other[0] ^= std::byte{1};
      ASSERT_FALSE(verify_consistency(from, second, other, after, *proof));
      for (Hash& hash : *proof) {
        hash[31] ^= std::byte{1};
        ASSERT_FALSE(verify_consistency(from, second, before, after, *proof));
        hash[31] ^= std::byte{1};
      }
      proof->push_back(other);
      ASSERT_FALSE(verify_consistency(from, second, before, after, *proof));
    }
  }
  EXPECT_EQ(consistency_proof(6, 5, nodes_), fail(Error::out_of_range));
  EXPECT_EQ(consistency_proof(0, 5, nodes_), fail(Error::out_of_range));
  EXPECT_FALSE(verify_consistency(0, 5, empty_root(), defined_root(first(5)), {}));
}

TEST_F(MerkleTest, HostileNumbersAndProofsEndInARefusal) {
  SeededRandom random(7);
  for (int i = 0; i < 20'000; ++i) {
    const auto bits = [&] { return random.u64() >> random.below(64); };
    Proof proof(random.below(66));
    for (Hash& hash : proof) hash = leaves_[random.below(kLeaves)];
    const Hash& one = leaves_[random.below(kLeaves)];
    const Hash& two = leaves_[random.below(kLeaves)];
    EXPECT_FALSE(verify_inclusion(bits(), bits(), one, proof, empty_root()));
    const std::uint64_t from = bits();
    const std::uint64_t to = bits();
    if (from != to) EXPECT_FALSE(verify_consistency(from, to, one, two, proof));
  }
}

// transparency-dev/merkle, testdata/: read where somebody has put them, not part of this repository.
std::vector<boost::json::object> vectors(std::string_view folder) {
  const char* const given = std::getenv("OPALINE_VECTORS");
  const std::filesystem::path root =
      std::filesystem::path(given != nullptr ? given : OPALINE_SOURCE_DIR "/../shared/vectors") / "merkle" / folder;
  std::vector<boost::json::object> out;
  if (!std::filesystem::exists(root)) return out;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
    if (entry.path().extension() != ".json") continue;
    std::ifstream in(entry.path());
    std::ostringstream text;
    text << in.rdbuf();
    out.push_back(boost::json::parse(text.str()).as_object());
  }
  return out;
}

/// Base64. A hash of another size ("don't care"), which our types cannot express, is hashed: so what was equal stays
/// so.
Hash decoded_hash(const boost::json::value& value, std::string_view what = "hash") {
  static constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  Bytes bytes;
  std::uint32_t bits = 0;
  int count = 0;
  if (value.is_null()) return {};
  for (const char c : value.as_string()) {
    if (c == '=') break;
    bits = bits << 6 | static_cast<std::uint32_t>(kDigits.find(c));
    count += 6;
    if (count >= 8) {
      count -= 8;
      bytes.push_back(static_cast<std::byte>(bits >> count & 255));
    }
  }
  if (bytes.size() != sizeof(Hash)) return crypto::sha256({as_view(what), bytes});
  Hash out{};
  std::copy(bytes.begin(), bytes.end(), out.begin());
  return out;
}
Proof decoded_proof(const boost::json::value& value) {
  Proof out;
  if (value.is_null()) return out;
  for (const auto& item : value.as_array()) out.push_back(decoded_hash(item));
  return out;
}
std::uint64_t number_of(const boost::json::object& vector, std::string_view name) {
  return vector.at(name).to_number<std::uint64_t>();
}

TEST(MerkleVectors, Inclusion) {
  const auto all = vectors("inclusion");
  if (all.empty()) GTEST_SKIP() << "no test vectors of third parties here";
  for (const auto& v : all) {
    const bool good =
        verify_inclusion(number_of(v, "leafIdx"), number_of(v, "treeSize"), decoded_hash(v.at("leafHash"), "leaf"),
                         decoded_proof(v.at("proof")), decoded_hash(v.at("root")));
    EXPECT_EQ(good, !v.at("wantErr").as_bool()) << boost::json::serialize(v);
  }
}

TEST(MerkleVectors, Consistency) {
  const auto all = vectors("consistency");
  if (all.empty()) GTEST_SKIP() << "no test vectors of third parties here";
  for (const auto& v : all) {
    const bool good = verify_consistency(number_of(v, "size1"), number_of(v, "size2"), decoded_hash(v.at("root1")),
                                         decoded_hash(v.at("root2")), decoded_proof(v.at("proof")));
    EXPECT_EQ(good, !v.at("wantErr").as_bool()) << boost::json::serialize(v);
  }
}

}  // namespace
}  // namespace opaline::ledger
