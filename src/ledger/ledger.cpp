#include "ledger/ledger.hpp"

#include "base/codec.hpp"
#include "crypto/hkdf.hpp"
#include "ledger/tables.hpp"

namespace opaline::ledger {
namespace {

constexpr std::size_t kPage = 1000;

store::SealedKey number_key(std::uint64_t number) {
  Bytes key;
  Writer(key).u64(number);
  return store::clear(key);
}
store::SealedKey node_key(unsigned level, std::uint64_t index) {
  Bytes key;
  Writer(key).u8(static_cast<std::uint8_t>(level)).u64(index);
  return store::clear(key);
}

/// The vault's key is 32 bytes, the signer's seeds are 64.
crypto::HybridPrivateKey seeds_of(const store::VaultKey& key) {
  crypto::HybridPrivateKey out;
  crypto::hkdf({}, {key.reveal()}, {as_view("opaline ledger signing seeds v1")}, out.fill());
  return out;
}

/// Keeps the complete subtrees that end at the newest leaf: a tree that only grows, in O(log size) memory.
class Growing {
 public:
  std::vector<Node> add(const Hash& leaf) {
    auto completed = nodes_completed_by(size_++, leaf, reader());
    OPALINE_ASSERT(completed);  // its reader knows every complete subtree there is
    edge_.resize(std::max<std::size_t>(edge_.size(), completed->size()));
    for (const Node& node : *completed) edge_[node.level] = node;
    return std::move(*completed);
  }
  [[nodiscard]] Hash root() const { return *ledger::root(size_, reader()); }

 private:
  [[nodiscard]] NodeReader reader() const {
    return [this](unsigned level, std::uint64_t index) -> Result<Hash, Error> {
      if (level >= edge_.size() || edge_[level].index != index) return fail(Error::damaged);
      return edge_[level].hash;
    };
  }
  std::uint64_t size_ = 0;
  std::vector<Node> edge_;  // by level: the newest complete subtree
};

}  // namespace

Bytes encode(const Leaf& leaf) {
  Bytes out;
  Writer(out).u64(static_cast<std::uint64_t>(unix_millis(leaf.time))).u8(leaf.kind).bytes(leaf.commitment);
  return out;
}

std::optional<Leaf> decode_leaf(ByteView bytes) {
  Reader in(bytes);
  Leaf out;
  out.time = from_unix_millis(static_cast<std::int64_t>(in.u64()));
  out.kind = in.u8();
  out.commitment = in.array<32>();
  if (!in.finished()) return std::nullopt;
  return out;
}

Hash commitment(const Salt& salt, ByteView event) {
  return crypto::sha256({salt, event});
}

Ledger::Ledger(store::SealedRows& rows, crypto::HybridSigner signer, const Clock& clock, RandomSource& random)
    : rows_(&rows), signer_(std::move(signer)), public_key_(signer_.public_key()), clock_(&clock), random_(&random) {}

Result<Ledger, Error> Ledger::open(store::SealedRows& rows, store::KeyVault& vault, const Clock& clock,
                                   RandomSource& random) {
  const auto key = vault.named_key(kVaultPurpose);
  if (!key) return fail(Error::unavailable);
  Ledger out(rows, crypto::HybridSigner(seeds_of(*key)), clock, random);
  OPALINE_CHECK(out.load());
  return out;
}

Result<std::optional<SignedHead>, Error> Ledger::stored_head(std::uint64_t size) const {
  const auto row = rows_->get(tables::kHeads, number_key(size));
  if (!row) return fail(Error::unavailable);
  if (!*row) return std::optional<SignedHead>();
  auto head = decode_signed_head(**row);
  if (!head || head->head.size != size) return fail(Error::damaged);
  return head;
}

NodeReader Ledger::reader() const {
  return [this](unsigned level, std::uint64_t index) -> Result<Hash, Error> {
    const auto row = rows_->get(tables::kNodes, node_key(level, index));
    if (!row) return fail(Error::unavailable);
    if (!*row) return fail(Error::damaged);
    Reader in(**row);
    const Hash hash = in.array<32>();
    if (!in.finished()) return fail(Error::damaged);
    return hash;
  };
}

Result<void, Error> Ledger::load() {
  const auto row = rows_->get(tables::kHeads, number_key(0));
  if (!row) return fail(Error::unavailable);
  std::uint64_t newest = 0;
  if (*row) {
    Reader in(**row);
    newest = in.u64();
    if (!in.finished() || newest == 0) return fail(Error::damaged);
    OPALINE_TRY(const auto stored, stored_head(newest));
    OPALINE_TRY(const Hash built, ledger::root(newest, reader()));
    if (!stored || stored->head.root != built || !verify_head(*stored, public_key_)) return fail(Error::damaged);
  }
  size_ = newest;
  stale_ = false;
  return {};
}

Result<Ledger::Appended, Error> Ledger::append(std::uint8_t kind, ByteView event, const Changes& changes) {
  if (stale_) OPALINE_CHECK(load());
  Appended out;
  out.index = size_;
  random_->fill(out.salt);
  const Leaf leaf{.time = clock_->now(), .kind = kind, .commitment = commitment(out.salt, event)};
  const Bytes encoded = encode(leaf);
  OPALINE_TRY(const auto completed, nodes_completed_by(size_, leaf_hash(encoded), reader()));

  const NodeReader stored = reader();
  const NodeReader with_new = [&](unsigned level, std::uint64_t index) -> Result<Hash, Error> {
    if (level < completed.size() && completed[level].index == index) return completed[level].hash;
    return stored(level, index);
  };
  OPALINE_TRY(const Hash new_root, ledger::root(size_ + 1, with_new));
  out.head = sign_head({.size = size_ + 1, .root = new_root, .time = leaf.time}, signer_, *random_);

  auto batch = rows_->batch();
  batch.put(tables::kLeaves, number_key(size_), encoded);
  for (const Node& node : completed) batch.put(tables::kNodes, node_key(node.level, node.index), node.hash);
  batch.put(tables::kHeads, number_key(size_ + 1), encode(out.head));
  Bytes newest;
  Writer(newest).u64(size_ + 1);
  batch.put(tables::kHeads, number_key(0), newest);
  changes(out, batch);
  if (!rows_->write(std::move(batch))) {
    stale_ = true;
    return fail(Error::unavailable);
  }
  ++size_;
  return out;
}

Result<SignedHead, Error> Ledger::head() {
  if (stale_) OPALINE_CHECK(load());
  if (size_ == 0) return sign_head({.size = 0, .root = empty_root(), .time = clock_->now()}, signer_, *random_);
  OPALINE_TRY(const auto stored, stored_head(size_));
  if (!stored) return fail(Error::damaged);
  return *stored;
}

Result<std::vector<SignedHead>, Error> Ledger::heads(std::uint64_t after, std::size_t limit) {
  const auto rows = rows_->scan(tables::kHeads, {}, number_key(after).bytes, limit);
  if (!rows) return fail(Error::unavailable);
  std::vector<SignedHead> out;
  for (const auto& row : *rows) {
    auto head = decode_signed_head(row.value);
    if (!head) return fail(Error::damaged);
    out.push_back(std::move(*head));
  }
  return out;
}

Result<Leaf, Error> Ledger::leaf(std::uint64_t index) {
  if (index >= size_) return fail(Error::out_of_range);
  const auto row = rows_->get(tables::kLeaves, number_key(index));
  if (!row) return fail(Error::unavailable);
  if (!*row) return fail(Error::damaged);
  const auto leaf = decode_leaf(**row);
  if (!leaf) return fail(Error::damaged);
  return *leaf;
}

Result<Proof, Error> Ledger::inclusion(std::uint64_t index, std::uint64_t size) {
  if (size > size_) return fail(Error::out_of_range);
  return inclusion_proof(index, size, reader());
}

Result<Proof, Error> Ledger::consistency(std::uint64_t first, std::uint64_t second) {
  if (second > size_) return fail(Error::out_of_range);
  return consistency_proof(first, second, reader());
}

Ledger::Check Ledger::verify(const std::optional<SignedHead>& known) {
  Check out;
  const auto broken = [&](std::uint64_t at) {
    out.intact = false;
    out.broken_at = at;
    return out;
  };
  if (stale_ && !load()) return broken(size_);
  const auto is_known = [&](std::uint64_t size, const Hash& root) {
    return !known || known->head.size != size || known->head.root == root;
  };
  out.known_head_fits =
      !known || (known->head.size <= size_ && verify_head(*known, public_key_) && is_known(0, empty_root()));
  const NodeReader stored = reader();
  Growing tree;
  Bytes after;
  while (true) {
    const auto rows = rows_->scan(tables::kLeaves, {}, after, kPage);
    if (!rows) return broken(out.leaves);
    for (const auto& row : *rows) {
      const std::uint64_t index = out.leaves;
      if (row.key != number_key(index).bytes || index >= size_ || !decode_leaf(row.value)) return broken(index);
      for (const Node& node : tree.add(leaf_hash(row.value))) {
        const auto hash = stored(node.level, node.index);
        if (!hash || *hash != node.hash) return broken(index);
      }
      ++out.leaves;
      const Hash root = tree.root();
      const auto head = stored_head(out.leaves);
      if (!head || !*head || (*head)->head.root != root || !verify_head(**head, public_key_)) return broken(index);
      if (!is_known(out.leaves, root)) out.known_head_fits = false;
      after = row.key;
    }
    if (rows->size() < kPage) break;
  }
  if (out.leaves != size_) return broken(out.leaves);
  out.intact = true;
  return out;
}

crypto::HybridSignature Ledger::sign(std::string_view label, ByteView message) const {
  return signer_.sign(label, message, *random_);
}

}  // namespace opaline::ledger
