#include "session/prekeys.hpp"

#include <bit>

#include "base/codec.hpp"
#include "crypto/hash.hpp"
#include "session/internal/labels.hpp"
#include "session/internal/merkle.hpp"

namespace opaline::session {
namespace {

constexpr std::size_t kSecretsBytes =
    1 + 4 + PrekeySetHash::kSize + 8 + crypto::X25519PrivateKey::kSize + crypto::MlKem768PrivateKey::kSize;

std::uint64_t raw(Time time) {
  return static_cast<std::uint64_t>(unix_millis(time));
}
Time read_time(Reader& in) {
  return from_unix_millis(static_cast<std::int64_t>(in.u64()));
}

Bytes encode_set(const PrekeySet& set) {
  Bytes out;
  out.reserve(kPrekeySetBytes);
  Writer to(out);
  to.u8(kVersion).bytes(set.owner.account.view()).u32(static_cast<std::uint32_t>(set.owner.device));
  to.u32(static_cast<std::uint32_t>(set.id)).u64(raw(set.created)).u64(raw(set.offered_until));
  to.bytes(set.signed_prekey.view()).bytes(set.kem_prekey.view()).u16(set.one_time_count).bytes(set.one_time_root);
  return out;
}

Result<PrekeySet, Error> decode_set(ByteView body) {
  Reader in(body);
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

PrekeySetHash hash_of(ByteView body) {
  return PrekeySetHash(crypto::sha256({as_view(internal::kPrekeySetHashLabel), body}));
}

/// Checks a one-time key against the signed root.
Result<VerifiedBundle::OneTime, Error> verify_one_time(const PrekeySet& set, ByteView bytes) {
  Reader in(bytes);
  const std::uint16_t index = in.u16();
  const crypto::X25519PublicKey key(in.array<crypto::X25519PublicKey::kSize>());
  const auto depth = static_cast<std::size_t>(std::countr_zero(set.one_time_count));
  if (in.failed() || index >= set.one_time_count || in.left() != depth * 32) return fail(Error::malformed);
  const auto leaf = internal::merkle_leaf(OneTimeIndex{index}, key);
  if (internal::merkle_root_of(leaf, index, in.rest()) != set.one_time_root) return fail(Error::bad_signature);
  return VerifiedBundle::OneTime{OneTimeIndex{index}, key};
}

}  // namespace

PrekeySecrets::PrekeySecrets(PrekeySetId id, const PrekeySetHash& hash, Time created,
                             crypto::X25519PrivateKey signed_prekey, crypto::MlKem768PrivateKey kem_seed)
    : id_(id),
      hash_(hash),
      created_(created),
      signed_prekey_(std::move(signed_prekey)),
      signed_prekey_public_(crypto::x25519_public_of(signed_prekey_)),
      kem_seed_(std::move(kem_seed)),
      kem_(kem_seed_) {}

SecretBytes PrekeySecrets::serialise() const {
  Bytes head;
  Writer(head).u8(kVersion).u32(static_cast<std::uint32_t>(id_)).bytes(hash_.view()).u64(raw(created_));
  SecretBytes out;
  out.reserve(kSecretsBytes);
  for (const ByteView piece : {ByteView(head), ByteView(signed_prekey_.reveal()), ByteView(kem_seed_.reveal())}) {
    out.insert(out.end(), piece.begin(), piece.end());
  }
  return out;
}

Result<PrekeySecrets, Error> PrekeySecrets::deserialise(ByteView stored) {
  if (stored.empty()) return fail(Error::bad_state);
  Reader in(stored);
  if (in.u8() != kVersion) return fail(Error::unsupported_version);
  if (stored.size() != kSecretsBytes) return fail(Error::bad_state);
  const PrekeySetId id{in.u32()};
  const PrekeySetHash hash(in.array<PrekeySetHash::kSize>());
  const Time created = read_time(in);
  if (unix_millis(created) < 0) return fail(Error::bad_state);
  const ByteView signed_prekey = in.bytes(crypto::X25519PrivateKey::kSize);
  const ByteView seed = in.bytes(crypto::MlKem768PrivateKey::kSize);
  return PrekeySecrets(id, hash, created,
                       crypto::X25519PrivateKey(signed_prekey.first<crypto::X25519PrivateKey::kSize>()),
                       crypto::MlKem768PrivateKey(seed.first<crypto::MlKem768PrivateKey::kSize>()));
}

NewPrekeys generate_prekeys(const DeviceIdentity& identity, const DeviceAddress& owner, PrekeySetId id,
                            std::size_t one_time_count, Time now, RandomSource& random) {
  OPALINE_ASSERT(one_time_count == 0 || (std::has_single_bit(one_time_count) && one_time_count <= kMaxOneTimePrekeys));
  crypto::X25519KeyPair signed_prekey = crypto::x25519_generate(random);
  crypto::MlKem768PrivateKey kem_seed = crypto::mlkem768_generate(random);
  std::vector<crypto::X25519PrivateKey> one_time_secrets;
  std::vector<crypto::X25519PublicKey> one_time_keys;
  std::vector<internal::MerkleHash> leaves;
  for (std::size_t i = 0; i < one_time_count; ++i) {
    crypto::X25519KeyPair pair = crypto::x25519_generate(random);
    leaves.push_back(internal::merkle_leaf(OneTimeIndex(static_cast<std::uint16_t>(i)), pair.public_key));
    one_time_keys.push_back(pair.public_key);
    one_time_secrets.push_back(std::move(pair.private_key));
  }
  PrekeySet set{.owner = owner,
                .id = id,
                .created = now,
                .offered_until = now + kPrekeyOffered,
                .signed_prekey = signed_prekey.public_key,
                .kem_prekey = crypto::MlKem768Decapsulator(kem_seed).encapsulation_key(),
                .one_time_count = static_cast<std::uint16_t>(one_time_count)};
  std::vector<Bytes> one_time;
  if (one_time_count > 0) {
    const internal::MerkleTree tree(std::move(leaves));
    set.one_time_root = tree.root();
    for (std::size_t i = 0; i < one_time_count; ++i) {
      Bytes& out = one_time.emplace_back();
      Writer(out).u16(static_cast<std::uint16_t>(i)).bytes(one_time_keys[i].view()).bytes(tree.path(i));
    }
  }
  Bytes bytes = encode_set(set);
  const PrekeySetHash hash = hash_of(bytes);
  append(bytes, identity.signer().sign(internal::kPrekeySetSignature, bytes, random).view());
  return {.secrets = PrekeySecrets(id, hash, now, std::move(signed_prekey.private_key), std::move(kem_seed)),
          .one_time_secrets = std::move(one_time_secrets),
          .signed_set = std::move(bytes),
          .one_time = std::move(one_time)};
}

Bytes encode_bundle(const PrekeyBundle& bundle) {
  Bytes out = bundle.signed_set;
  append(out, bundle.one_time);
  return out;
}

Result<PrekeyBundle, Error> decode_bundle(ByteView bytes) {
  if (bytes.size() > kPrekeySetBytes + kMaxOneTimeBytes) return fail(Error::too_large);
  if (bytes.size() < kPrekeySetBytes) return fail(Error::malformed);
  return PrekeyBundle{.signed_set = to_bytes(bytes.first(kPrekeySetBytes)),
                      .one_time = to_bytes(bytes.subspan(kPrekeySetBytes))};
}

Result<VerifiedBundle, Error> verify_bundle(const VerifiedDeviceList& list, DeviceNumber device,
                                            const PrekeyBundle& bundle, Time now) {
  if (bundle.signed_set.size() != kPrekeySetBytes) return fail(Error::malformed);
  const ByteView body = ByteView(bundle.signed_set).first(kPrekeySetBodyBytes);
  VerifiedBundle out;
  OPALINE_TRY(out.set_, decode_set(body));
  const DeviceEntry* entry = list.find(device);
  if (entry == nullptr || out.set_.owner != DeviceAddress{list.list().account, device})
    return fail(Error::wrong_device);
  if (now + kClockSkew < out.set_.created || now > out.set_.offered_until + kPrekeyGrace) return fail(Error::expired);
  if (!bundle.one_time.empty()) {
    if (out.set_.one_time_count == 0) return fail(Error::malformed);
    OPALINE_TRY(out.one_time_, verify_one_time(out.set_, bundle.one_time));
  }
  const auto verifier = crypto::HybridVerifier::from(entry->keys.signing);
  const crypto::HybridSignature signature(ByteView(bundle.signed_set).last<crypto::HybridSignature::kSize>());
  if (!verifier || !verifier->verify(internal::kPrekeySetSignature, body, signature)) return fail(Error::bad_signature);
  out.keys_ = entry->keys;
  out.list_ = list.reference();
  out.set_hash_ = hash_of(body);
  return out;
}

}  // namespace opaline::session
