#pragma once
// Send tokens (docs/device-api.md, "Send tokens"): made by the identity service for (sender account, mailbox), checked
// by the relay.
//   u8 version (1) || u32 expiry, seconds since 1970 || first 16 bytes of
//   HMAC-SHA256(key, "opaline send token v1" || version || expiry || sender account || mailbox)
#include "base/ids.hpp"
#include "base/secret.hpp"
#include "base/time.hpp"
#include "wire/limits.hpp"

namespace opaline::wire {

using SendTokenKey = Secret<struct SendTokenKeyTag, 32>;
using SendToken = ByteArray<kSendTokenBytes>;
inline constexpr auto kSendTokenLifetime = std::chrono::days(7);

[[nodiscard]] SendToken make_send_token(const SendTokenKey& key, const AccountId& sender, const MailboxId& mailbox,
                                        Time expires);

enum class SendTokenCheck : std::uint8_t { valid, expired, forged };
[[nodiscard]] SendTokenCheck check_send_token(const SendTokenKey& key, const SendToken& token, const AccountId& sender,
                                              const MailboxId& mailbox, Time now);

}  // namespace opaline::wire
