#include "credentials/prekey_set.hpp"

#include <bit>

#include "base/codec.hpp"
#include "credentials/labels.hpp"
#include "crypto/hash.hpp"

namespace opaline::credentials {
namespace {

using TreeHash = ByteArray<32>;
constexpr std::byte kLeafPrefix{0};  // RFC 9162 section 2.1.1
constexpr std::byte kNodePrefix{1};

/// SHA-256(0x00 || u16 index || key).
TreeHash leaf_hash(OneTimeIndex index, const crypto::X25519PublicKey& key) {
  const auto number = static_cast<std::uint16_t>(index);
  const std::byte head[] = {kLeafPrefix, std::byte(number >> 8), std::byte(number & 0xff)};
  return crypto::sha256({ByteView(head), key.view()});
}
TreeHash node_hash(const TreeHash& left, const TreeHash& right) {
  return crypto::sha256({ByteView(&kNodePrefix, 1), left, right});
}

std::uint64_t raw(Time time) {
  return static_cast<std::uint64_t>(unix_millis(time));
}
Time read_time(Reader& in) {
  return from_unix_millis(static_cast<std::int64_t>(in.u64()));
}

}  // namespace

Bytes encode_prekey_set_body(const PrekeySet& set) {
  Bytes out;
  out.reserve(kPrekeySetBytes);
  Writer to(out);
  to.u8(kVersion).bytes(set.owner.account.view()).u32(static_cast<std::uint32_t>(set.owner.device));
  to.u32(static_cast<std::uint32_t>(set.id)).u64(raw(set.created)).u64(raw(set.offered_until));
  to.bytes(set.signed_prekey.view()).bytes(set.kem_prekey.view()).u16(set.one_time_count).bytes(set.one_time_root);
  return out;
}

Result<PrekeySet, Error> parse_prekey_set(ByteView signed_set) {
  if (signed_set.size() != kPrekeySetBytes) return fail(Error::malformed);
  Reader in(signed_set.first(kPrekeySetBodyBytes));
  if (in.u8() != kVersion) return fail(Error::unsupported_version);
  PrekeySet set;
  set.owner.account = AccountId(in.array<AccountId::kSize>());
  set.owner.device = DeviceNumber(in.u32());
  set.id = PrekeySetId(in.u32());
  set.created = read_time(in);
  set.offered_until = read_time(in);
  set.signed_prekey = crypto::X25519PublicKey(in.array<crypto::X25519PublicKey::kSize>());
  set.kem_prekey = crypto::MlKem768EncapsulationKey(in.array<crypto::MlKem768EncapsulationKey::kSize>());
  set.one_time_count = in.u16();
  set.one_time_root = in.array<32>();
  if (!in.finished()) return fail(Error::malformed);
  const bool count_fits = set.one_time_count == 0
                              ? set.one_time_root == ByteArray<32>{}
                              : std::has_single_bit(set.one_time_count) && set.one_time_count <= kMaxOneTimePrekeys;
  const bool times_fit = unix_millis(set.created) >= 0 && unix_millis(set.offered_until) >= 0 &&
                         set.created <= set.offered_until && set.offered_until - set.created <= kPrekeyOffered;
  if (!count_fits || !times_fit) return fail(Error::malformed);
  return set;
}

PrekeySetHash prekey_set_hash(ByteView signed_set) {
  OPALINE_ASSERT(signed_set.size() == kPrekeySetBytes);
  return PrekeySetHash(crypto::sha256({as_view(kPrekeySetHashLabel), signed_set.first(kPrekeySetBodyBytes)}));
}

bool prekey_set_signed_by(const crypto::HybridPublicKey& device_key, ByteView signed_set) {
  if (signed_set.size() != kPrekeySetBytes) return false;
  const auto verifier = crypto::HybridVerifier::from(device_key);
  const crypto::HybridSignature signature(signed_set.last<crypto::HybridSignature::kSize>());
  return verifier && verifier->verify(kPrekeySetSignature, signed_set.first(kPrekeySetBodyBytes), signature);
}

OneTimeTree::OneTimeTree(std::vector<crypto::X25519PublicKey> keys) : keys_(std::move(keys)) {
  OPALINE_ASSERT(std::has_single_bit(keys_.size()) && keys_.size() <= kMaxOneTimePrekeys);
  std::vector<TreeHash> leaves;
  leaves.reserve(keys_.size());
  for (std::size_t i = 0; i < keys_.size(); ++i) {
    leaves.push_back(leaf_hash(OneTimeIndex(static_cast<std::uint16_t>(i)), keys_[i]));
  }
  levels_.push_back(std::move(leaves));
  while (levels_.back().size() > 1) {
    const auto& below = levels_.back();
    std::vector<TreeHash> level;
    level.reserve(below.size() / 2);
    for (std::size_t i = 0; i < below.size(); i += 2) level.push_back(node_hash(below[i], below[i + 1]));
    levels_.push_back(std::move(level));
  }
}
OneTimeTree::~OneTimeTree() = default;
OneTimeTree::OneTimeTree(OneTimeTree&&) noexcept = default;
OneTimeTree& OneTimeTree::operator=(OneTimeTree&&) noexcept = default;

Bytes OneTimeTree::entry(OneTimeIndex index) const {
  const auto at = static_cast<std::size_t>(index);
  OPALINE_ASSERT(at < keys_.size());
  Bytes out;
  Writer to(out);
  to.u16(static_cast<std::uint16_t>(index)).bytes(keys_[at].view());
  for (std::size_t level = 0; level + 1 < levels_.size(); ++level) to.bytes(levels_[level][(at >> level) ^ 1]);
  return out;
}

Bytes OneTimeTree::batch() const {
  Bytes out;
  for (const crypto::X25519PublicKey& key : keys_) append(out, key.view());
  return out;
}

Result<std::optional<OneTimeTree>, Error> check_one_time_batch(const PrekeySet& set, ByteView batch) {
  if (batch.size() != set.one_time_count * crypto::X25519PublicKey::kSize) return fail(Error::malformed);
  if (batch.empty()) return std::optional<OneTimeTree>{};
  std::vector<crypto::X25519PublicKey> keys;
  keys.reserve(set.one_time_count);
  for (Reader in(batch); in.left() > 0;) keys.emplace_back(in.array<crypto::X25519PublicKey::kSize>());
  OneTimeTree tree(std::move(keys));
  if (tree.root() != set.one_time_root) return fail(Error::bad_signature);
  return std::optional<OneTimeTree>(std::move(tree));
}

Result<OneTimePrekey, Error> check_one_time_entry(const PrekeySet& set, ByteView entry) {
  if (set.one_time_count == 0) return fail(Error::malformed);
  Reader in(entry);
  std::size_t index = in.u16();
  const OneTimePrekey out{OneTimeIndex(static_cast<std::uint16_t>(index)),
                          crypto::X25519PublicKey(in.array<crypto::X25519PublicKey::kSize>())};
  const auto depth = static_cast<std::size_t>(std::countr_zero(set.one_time_count));
  if (in.failed() || index >= set.one_time_count || in.left() != depth * sizeof(TreeHash))
    return fail(Error::malformed);
  TreeHash hash = leaf_hash(out.index, out.key);
  for (; in.left() > 0; index >>= 1) {
    const auto sibling = in.array<sizeof(TreeHash)>();
    hash = (index & 1) != 0 ? node_hash(sibling, hash) : node_hash(hash, sibling);
  }
  if (hash != set.one_time_root) return fail(Error::bad_signature);
  return out;
}

Bytes encode_bundle(const PrekeyBundle& bundle) {
  Bytes out = bundle.signed_set;
  append(out, bundle.one_time);
  return out;
}

Result<PrekeyBundle, Error> parse_bundle(ByteView bytes) {
  if (bytes.size() > kPrekeySetBytes + kMaxOneTimeBytes) return fail(Error::too_large);
  if (bytes.size() < kPrekeySetBytes) return fail(Error::malformed);
  return PrekeyBundle{.signed_set = to_bytes(bytes.first(kPrekeySetBytes)),
                      .one_time = to_bytes(bytes.subspan(kPrekeySetBytes))};
}

}  // namespace opaline::credentials
