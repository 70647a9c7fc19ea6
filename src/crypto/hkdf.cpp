#include "crypto/hkdf.hpp"

#include <algorithm>

#include "base/result.hpp"

namespace opaline::crypto {

void hkdf_extract(ByteView salt, const Pieces& ikm, std::span<std::byte, kSha256Bytes> prk) {
  // An empty HMAC key and 32 zero bytes are the same key: both are padded with zeros to a block.
  hmac_sha256_into(salt, ikm, prk);
}

void hkdf_expand(FixedView<kSha256Bytes> prk, const Pieces& info, std::span<std::byte> out) {
  OPALINE_ASSERT(out.size() <= kMaxHkdfBytes);
  const HmacSha256Key key(prk);
  // T(i) = HMAC(PRK, T(i-1) || info || i)
  std::byte block[kSha256Bytes];
  ByteView previous;
  HmacSha256 mac(key);
  for (std::uint8_t counter = 1; !out.empty(); ++counter) {
    const std::byte last{counter};
    mac.update(previous);
    for (const ByteView piece : info.list()) mac.update(piece);
    mac.update(ByteView(&last, 1)).finish_into(block);
    previous = block;
    const std::size_t size = std::min(out.size(), sizeof(block));
    std::memcpy(out.data(), block, size);
    out = out.subspan(size);
  }
  wipe(block, sizeof(block));
}

void hkdf(ByteView salt, const Pieces& ikm, const Pieces& info, std::span<std::byte> out) {
  Secret<struct HkdfPrkTag, kSha256Bytes> prk;
  hkdf_extract(salt, ikm, prk.fill());
  hkdf_expand(prk.reveal(), info, out);
}

}  // namespace opaline::crypto
