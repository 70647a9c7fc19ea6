#include "gateway/internal/day_seal.hpp"

#include "base/codec.hpp"
#include "crypto/aead.hpp"

namespace opaline::gateway::internal {

using endpoint::StoreError;

namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kHeadBytes = 1 + 4 + crypto::kAeadNonceBytes;

}  // namespace

Result<Bytes, StoreError> DaySeal::seal(ByteView place, ByteView plain) {
  const Day today = day_of(clock_.now());
  const auto key = vault_.day_key(today);
  if (!key) return fail(key.error() == store::VaultError::full ? StoreError::full : StoreError::failed);
  Bytes out;
  Writer(out).u8(kVersion).u32(number(today));
  ByteArray<crypto::kAeadNonceBytes> nonce{};
  random_.fill(nonce);
  append(out, nonce);
  crypto::aes256gcmsiv_seal(key->reveal(), nonce, place, plain, out);
  return out;
}

Result<std::optional<SecretBytes>, StoreError> DaySeal::open(ByteView place, ByteView sealed) {
  if (sealed.size() < kHeadBytes) return std::optional<SecretBytes>();
  Reader in(sealed);
  const std::uint8_t version = in.u8();
  const Day day{in.u32()};
  const auto nonce = in.array<crypto::kAeadNonceBytes>();
  const bool over = number(day_of(expiry_.now())) >= number(day) + kWaitingDays;
  if (version != kVersion || over) return std::optional<SecretBytes>();
  const auto key = vault_.existing_day_key(day);
  if (!key) {
    if (key.error() == store::VaultError::destroyed || key.error() == store::VaultError::missing)
      return std::optional<SecretBytes>();
    return fail(StoreError::failed);
  }
  return crypto::aes256gcmsiv_open(key->reveal(), nonce, place, in.rest());
}

}  // namespace opaline::gateway::internal
