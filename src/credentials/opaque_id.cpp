#include "credentials/opaque_id.hpp"

#include "credentials/labels.hpp"
#include "crypto/hash.hpp"

namespace opaline::credentials {

std::optional<OpaqueId> OpaqueId::parse(std::string_view text) {
  if (!text.starts_with(kOpaqueIdPrefix)) return std::nullopt;
  const auto bytes = from_base64url(text.substr(kOpaqueIdPrefix.size()));
  if (!bytes || bytes->size() != kOpaqueIdBytes) return std::nullopt;
  const OpaqueId out(to_array<kOpaqueIdBytes>(*bytes));
  if (out.text() != text) return std::nullopt;  // bits beyond the last byte
  return out;
}

std::string OpaqueId::text() const {
  return std::string(kOpaqueIdPrefix) + to_base64url(bytes_);
}

AccountId OpaqueId::persona() const {
  const auto digest = crypto::sha256({as_view(kPersonaLabel), bytes_});
  return AccountId(FixedView<32>(digest).first<AccountId::kSize>());
}

}  // namespace opaline::credentials
