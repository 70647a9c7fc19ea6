#include "gateway/away.hpp"

#include <algorithm>

#include "crypto/hash.hpp"
#include "wire/business_part.hpp"

namespace opaline::gateway {
namespace {

constexpr std::size_t kRandomBytes = 8;
static_assert(MessageId::kSize == 2 * kRandomBytes);

/// Random bytes, and as many of their hash.
MessageId away_id(const ByteArray<kRandomBytes>& fresh) {
  const auto hash = crypto::sha256({as_view("opaline away text"), fresh});
  ByteArray<MessageId::kSize> out{};
  std::ranges::copy(fresh, out.begin());
  std::ranges::copy(ByteView(hash).first(kRandomBytes), out.begin() + kRandomBytes);
  return MessageId(out);
}

}  // namespace

MessageId make_away_id(RandomSource& random) {
  return away_id(random.bytes<kRandomBytes>());
}

bool is_away_id(const MessageId& id) {
  ByteArray<kRandomBytes> fresh{};
  std::ranges::copy(id.view().first(kRandomBytes), fresh.begin());
  return away_id(fresh) == id;
}

SecretBytes away_part() {
  SecretBytes out;
  wire::BusinessPart part;
  part.automatic = true;
  const auto encoded = wire::encode(out, part);
  OPALINE_ASSERT(encoded.has_value());
  return out;
}

}  // namespace opaline::gateway
