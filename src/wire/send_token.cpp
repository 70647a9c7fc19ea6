#include "wire/send_token.hpp"

#include "base/codec.hpp"
#include "crypto/compare.hpp"
#include "crypto/hash.hpp"

namespace opaline::wire {
namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kTagBytes = 16;
constexpr std::size_t kTagOffset = 5;  // version, expiry
static_assert(kTagOffset + kTagBytes == kSendTokenBytes);

/// The tag over a token's first kTagOffset bytes.
ByteArray<kTagBytes> tag(const SendTokenKey& key, ByteView head, const AccountId& sender, const MailboxId& mailbox) {
  const auto mac =
      crypto::hmac_sha256(key.reveal(), {as_view("opaline send token v1"), head, sender.view(), mailbox.view()});
  return to_array<kTagBytes>(ByteView(mac).first(kTagBytes));
}

}  // namespace

SendToken make_send_token(const SendTokenKey& key, const AccountId& sender, const MailboxId& mailbox, Time expires) {
  Bytes out;
  const auto seconds = std::chrono::floor<std::chrono::seconds>(expires).time_since_epoch().count();
  Writer(out).u8(kVersion).u32(static_cast<std::uint32_t>(seconds));
  append(out, tag(key, out, sender, mailbox));
  return to_array<kSendTokenBytes>(out);
}

SendTokenCheck check_send_token(const SendTokenKey& key, const SendToken& token, const AccountId& sender,
                                const MailboxId& mailbox, Time now) {
  const ByteView view(token);
  Reader in(view);
  const std::uint8_t version = in.u8();
  const Time expires{std::chrono::seconds(in.u32())};
  const auto expected = tag(key, view.first(kTagOffset), sender, mailbox);
  const bool genuine = crypto::constant_time_equal(expected, view.subspan(kTagOffset)) && version == kVersion;
  if (!genuine) return SendTokenCheck::forged;
  return now < expires ? SendTokenCheck::valid : SendTokenCheck::expired;
}

}  // namespace opaline::wire
