#pragma once
// Renewal tokens (docs/device-api.md, "Renewal tokens"): proof that this account has paid for asking about this handle,
// or this account, before. Stateless:
//   u8 version (1) || u32 expiry, seconds since 1970 || tag of the handle (16) || tag of the account (16)
//   tag = first 16 bytes of HMAC-SHA256(key, "opaline renewal token v1" || version || expiry || u8 kind || asking
//   account || subject)
// kind 1: subject is the normalised handle (none: empty); kind 2: subject is the account id (a negative answer's:
// zero).
#include <string_view>

#include "base/ids.hpp"
#include "base/secret.hpp"
#include "base/time.hpp"

namespace opaline::identity::internal {

using RenewalTokenKey = Secret<struct RenewalTokenKeyTag, 32>;
inline constexpr std::size_t kRenewalTokenBytes = 1 + 4 + 16 + 16;
using RenewalToken = ByteArray<kRenewalTokenBytes>;

[[nodiscard]] RenewalToken make_renewal_token(const RenewalTokenKey& key, const AccountId& asker,
                                              std::string_view handle, const AccountId& account, Time expires);
/// False for any other length, asker, subject, or time.
[[nodiscard]] bool renews_handle(const RenewalTokenKey& key, ByteView token, const AccountId& asker,
                                 std::string_view handle, Time now);
[[nodiscard]] bool renews_account(const RenewalTokenKey& key, ByteView token, const AccountId& asker,
                                  const AccountId& account, Time now);

}  // namespace opaline::identity::internal
