#include "identity/internal/opaque_ids.hpp"

#include "base/codec.hpp"
#include "base/result.hpp"
#include "crypto/aead.hpp"

namespace opaline::identity::internal {
namespace {

constexpr ByteArray<crypto::kAeadNonceBytes> kZeroNonce{};

}  // namespace

OpaqueIds::OpaqueIds(std::vector<OpaqueIdKey> keys) : keys_(std::move(keys)) {
  OPALINE_ASSERT(!keys_.empty() && keys_.size() <= kMaxKeys);
}

credentials::OpaqueId OpaqueIds::make(std::uint8_t version, const AccountId& account, Generation generation,
                                      const AccountId& business) const {
  OPALINE_ASSERT(version >= 1 && version <= keys_.size());
  Bytes plain;
  Writer(plain).bytes(account.view()).u32(static_cast<std::uint32_t>(generation));
  Bytes out;
  Writer(out).u8(version);
  crypto::aes256gcmsiv_seal(keys_[version - 1].reveal(), kZeroNonce, business.view(), plain, out);
  return credentials::OpaqueId(to_array<credentials::kOpaqueIdBytes>(out));
}

std::optional<OpaqueIds::Opened> OpaqueIds::open(const credentials::OpaqueId& id, const AccountId& business) const {
  const auto version = std::to_integer<std::size_t>(id.bytes()[0]);
  if (version < 1 || version > keys_.size()) return std::nullopt;
  const auto plain = crypto::aes256gcmsiv_open(keys_[version - 1].reveal(), kZeroNonce, business.view(),
                                               ByteView(id.bytes()).subspan(1));
  if (!plain) return std::nullopt;
  Reader in(*plain);
  Opened out;
  out.account = AccountId(in.array<AccountId::kSize>());
  out.generation = Generation{in.u32()};
  return out;
}

}  // namespace opaline::identity::internal
