#include "gateway/away.hpp"

#include <algorithm>

#include "crypto/hash.hpp"
#include "wire/business_part.hpp"

namespace opaline::gateway {
namespace {

constexpr std::size_t kRandomBytes = 8;
static_assert(MessageId::kSize == 2 * kRandomBytes);

/// Random bytes, and as many of their hash.
MessageId own_id(const ByteArray<kRandomBytes>& fresh) {
  const auto hash = crypto::sha256({as_view("opaline gateway message"), fresh});
  ByteArray<MessageId::kSize> out{};
  std::ranges::copy(fresh, out.begin());
  std::ranges::copy(ByteView(hash).first(kRandomBytes), out.begin() + kRandomBytes);
  return MessageId(out);
}

}  // namespace

MessageId make_own_id(RandomSource& random) {
  return own_id(random.bytes<kRandomBytes>());
}

bool is_own_id(const MessageId& id) {
  ByteArray<kRandomBytes> fresh{};
  std::ranges::copy(id.view().first(kRandomBytes), fresh.begin());
  return own_id(fresh) == id;
}

SecretBytes automatic_part(const std::optional<MessageId>& answers) {
  SecretBytes out;
  wire::BusinessPart part;
  part.automatic = true;
  part.answers = answers;
  const auto encoded = wire::encode(out, part);
  OPALINE_ASSERT(encoded.has_value());
  return out;
}

}  // namespace opaline::gateway
