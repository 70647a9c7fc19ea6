#include "session/safety_number.hpp"

#include <algorithm>

#include "base/codec.hpp"
#include "crypto/hash.hpp"
#include "session/internal/labels.hpp"

namespace opaline::session {
namespace {

Bytes party_bytes(const SafetyParty& party) {
  Bytes out;
  Writer(out).bytes(party.account.view()).bytes(party.account_key.view());
  return out;
}

}  // namespace

ByteArray<kSafetyDigits> safety_number(const SafetyParty& one, const SafetyParty& other) {
  const Bytes a = party_bytes(one);
  const Bytes b = party_bytes(other);
  const auto& [lower, higher] = std::minmax(a, b);
  const auto digest = crypto::sha512({as_view(internal::kSafetyNumberLabel), lower, higher});
  ByteArray<kSafetyDigits> out;
  for (std::size_t group = 0; group < kSafetyDigits / 5; ++group) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < 5; ++i) value = value << 8 | std::to_integer<std::uint64_t>(digest[5 * group + i]);
    value %= 100'000;
    for (std::size_t i = 5; i-- > 0; value /= 10) out[5 * group + i] = std::byte('0' + value % 10);
  }
  return out;
}

}  // namespace opaline::session
