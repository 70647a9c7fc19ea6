#include "identity/internal/renewal_token.hpp"

#include "base/codec.hpp"
#include "crypto/compare.hpp"
#include "crypto/hash.hpp"

namespace opaline::identity::internal {
namespace {

constexpr std::string_view kLabel = "opaline renewal token v1";
constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kHeadBytes = 5;
constexpr std::size_t kTagBytes = 16;
enum class Kind : std::uint8_t { handle = 1, account = 2 };

/// `head` is version and expiry.
ByteArray<kTagBytes> tag(const RenewalTokenKey& key, ByteView head, Kind kind, const AccountId& asker,
                         ByteView subject) {
  const auto kind_byte = std::byte(static_cast<std::uint8_t>(kind));
  const auto mac =
      crypto::hmac_sha256(key.reveal(), {as_view(kLabel), head, ByteView(&kind_byte, 1), asker.view(), subject});
  return to_array<kTagBytes>(ByteView(mac).first(kTagBytes));
}

bool renews(const RenewalTokenKey& key, ByteView token, Kind kind, const AccountId& asker, ByteView subject, Time now) {
  if (token.size() != kRenewalTokenBytes) return false;
  Reader in(token);
  const bool known = in.u8() == kVersion;
  const auto expires = Time(seconds(in.u32()));
  const ByteView handle_tag = in.bytes(kTagBytes), account_tag = in.bytes(kTagBytes);
  const auto expected = tag(key, token.first(kHeadBytes), kind, asker, subject);
  const bool fits = crypto::constant_time_equal(expected, kind == Kind::handle ? handle_tag : account_tag);
  return known && fits && now < expires;
}

}  // namespace

RenewalToken make_renewal_token(const RenewalTokenKey& key, const AccountId& asker, std::string_view handle,
                                const AccountId& account, Time expires) {
  Bytes out;
  Writer(out).u8(kVersion).u32(
      static_cast<std::uint32_t>(std::chrono::floor<seconds>(expires).time_since_epoch().count()));
  const Bytes head = out;
  append(out, tag(key, head, Kind::handle, asker, as_view(handle)));
  append(out, tag(key, head, Kind::account, asker, account.view()));
  return to_array<kRenewalTokenBytes>(out);
}

bool renews_handle(const RenewalTokenKey& key, ByteView token, const AccountId& asker, std::string_view handle,
                   Time now) {
  return renews(key, token, Kind::handle, asker, as_view(handle), now);
}

bool renews_account(const RenewalTokenKey& key, ByteView token, const AccountId& asker, const AccountId& account,
                    Time now) {
  return renews(key, token, Kind::account, asker, account.view(), now);
}

}  // namespace opaline::identity::internal
