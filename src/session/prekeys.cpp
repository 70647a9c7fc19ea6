#include "session/prekeys.hpp"

#include <bit>

#include "base/codec.hpp"
#include "session/internal/labels.hpp"

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
  for (std::size_t i = 0; i < one_time_count; ++i) {
    crypto::X25519KeyPair pair = crypto::x25519_generate(random);
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
  Bytes one_time_batch;
  if (one_time_count > 0) {
    const credentials::OneTimeTree tree(std::move(one_time_keys));
    set.one_time_root = tree.root();
    one_time_batch = tree.batch();
    for (std::size_t i = 0; i < one_time_count; ++i) {
      one_time.push_back(tree.entry(OneTimeIndex(static_cast<std::uint16_t>(i))));
    }
  }
  Bytes bytes = credentials::encode_prekey_set_body(set);
  append(bytes, identity.signer().sign(internal::kPrekeySetSignature, bytes, random).view());
  const PrekeySetHash hash = credentials::prekey_set_hash(bytes);
  return {.secrets = PrekeySecrets(id, hash, now, std::move(signed_prekey.private_key), std::move(kem_seed)),
          .one_time_secrets = std::move(one_time_secrets),
          .signed_set = std::move(bytes),
          .one_time = std::move(one_time),
          .one_time_batch = std::move(one_time_batch)};
}

Result<PrekeyBundle, Error> decode_bundle(ByteView bytes) {
  return lift(credentials::parse_bundle(bytes));
}

Result<VerifiedBundle, Error> verify_bundle(const VerifiedDeviceList& list, DeviceNumber device,
                                            const PrekeyBundle& bundle, Time now) {
  VerifiedBundle out;
  OPALINE_TRY(out.set_, lift(credentials::parse_prekey_set(bundle.signed_set)));
  const DeviceEntry* entry = list.find(device);
  if (entry == nullptr || out.set_.owner != DeviceAddress{list.list().account, device})
    return fail(Error::wrong_device);
  if (now + kClockSkew < out.set_.created || now > out.set_.offered_until + kPrekeyGrace) return fail(Error::expired);
  if (!bundle.one_time.empty()) {
    OPALINE_TRY(out.one_time_, lift(credentials::check_one_time_entry(out.set_, bundle.one_time)));
  }
  if (!credentials::prekey_set_signed_by(entry->keys.signing, bundle.signed_set)) return fail(Error::bad_signature);
  out.keys_ = entry->keys;
  out.list_ = list.reference();
  out.set_hash_ = credentials::prekey_set_hash(bundle.signed_set);
  return out;
}

}  // namespace opaline::session
