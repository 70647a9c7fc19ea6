#include "session/identity.hpp"

#include "base/codec.hpp"
#include "session/limits.hpp"

namespace opaline::session {
namespace {

SecretBytes with_version(std::initializer_list<ByteView> pieces) {
  SecretBytes out{std::byte{kVersion}};
  for (const ByteView piece : pieces) out.insert(out.end(), piece.begin(), piece.end());
  return out;
}

}  // namespace

DeviceIdentity::DeviceIdentity(crypto::HybridPrivateKey seeds, crypto::X25519PrivateKey agreement)
    : seeds_(std::move(seeds)),
      signer_(seeds_),
      agreement_(std::move(agreement)),
      public_keys_{.signing = signer_.public_key(), .agreement = crypto::x25519_public_of(agreement_)},
      hash_(public_keys_.hash()) {}

DeviceIdentity DeviceIdentity::generate(RandomSource& random) {
  crypto::HybridPrivateKey seeds = crypto::hybrid_generate(random);
  crypto::X25519KeyPair agreement = crypto::x25519_generate(random);
  return {std::move(seeds), std::move(agreement.private_key)};
}

SecretBytes DeviceIdentity::serialise() const {
  return with_version({seeds_.reveal(), agreement_.reveal()});
}

Result<DeviceIdentity, Error> DeviceIdentity::deserialise(ByteView stored) {
  Reader in(stored);
  const std::uint8_t version = in.u8();
  const ByteView seeds = in.bytes(crypto::HybridPrivateKey::kSize);
  const ByteView agreement = in.bytes(crypto::X25519PrivateKey::kSize);
  if (!stored.empty() && version != kVersion) return fail(Error::unsupported_version);
  if (!in.finished()) return fail(Error::bad_state);
  return DeviceIdentity(crypto::HybridPrivateKey(seeds.first<crypto::HybridPrivateKey::kSize>()),
                        crypto::X25519PrivateKey(agreement.first<crypto::X25519PrivateKey::kSize>()));
}

AccountKey::AccountKey(crypto::HybridPrivateKey seeds)
    : seeds_(std::move(seeds)), signer_(seeds_), public_key_(signer_.public_key()) {}

AccountKey AccountKey::generate(RandomSource& random) {
  return AccountKey(crypto::hybrid_generate(random));
}

SecretBytes AccountKey::serialise() const {
  return with_version({seeds_.reveal()});
}

Result<AccountKey, Error> AccountKey::deserialise(ByteView stored) {
  Reader in(stored);
  const std::uint8_t version = in.u8();
  const ByteView seeds = in.bytes(crypto::HybridPrivateKey::kSize);
  if (!stored.empty() && version != kVersion) return fail(Error::unsupported_version);
  if (!in.finished()) return fail(Error::bad_state);
  return AccountKey(crypto::HybridPrivateKey(seeds.first<crypto::HybridPrivateKey::kSize>()));
}

}  // namespace opaline::session
