#include "session/link_code.hpp"

#include "base/codec.hpp"
#include "session/limits.hpp"

namespace opaline::session {
namespace {

constexpr std::size_t kCodeBytes = 1 + LinkExchangeId::kSize + LinkSecret::kSize + LinkHelloHash::kSize;
static_assert(kLinkCodeCharacters == kLinkCodePrefix.size() + (kCodeBytes * 8 + 5) / 6);

constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

}  // namespace

// base64url of base/bytes.hpp, but into memory that is wiped.
SecretBytes encode_link_code(const LinkCode& code) {
  SecretBytes raw{std::byte{kVersion}};
  for (const ByteView piece :
       {ByteView(code.exchange.view()), ByteView(code.secret.reveal()), ByteView(code.hello.view())}) {
    raw.insert(raw.end(), piece.begin(), piece.end());
  }
  SecretBytes out = to_secret_bytes(as_view(kLinkCodePrefix));
  std::uint32_t bits = 0;
  int held = 0;
  for (const std::byte b : raw) {
    bits = (bits << 8 | std::to_integer<std::uint32_t>(b)) & 0xffff;
    for (held += 8; held >= 6; held -= 6) out.push_back(static_cast<std::byte>(kAlphabet[bits >> (held - 6) & 63]));
  }
  if (held > 0) out.push_back(static_cast<std::byte>(kAlphabet[bits << (6 - held) & 63]));
  return out;
}

Result<LinkCode, Error> decode_link_code(std::string_view text) {
  if (!text.starts_with(kLinkCodePrefix)) return fail(Error::wrong_kind);
  SecretBytes raw;
  raw.reserve(kCodeBytes);
  std::uint32_t bits = 0;
  int held = 0;
  for (const char c : text.substr(kLinkCodePrefix.size())) {
    const std::size_t digit = kAlphabet.find(c);
    if (digit == std::string_view::npos || raw.size() > kCodeBytes) return fail(Error::malformed);
    bits = (bits << 6 | static_cast<std::uint32_t>(digit)) & 0xffff;
    held += 6;
    if (held < 8) continue;
    held -= 8;
    raw.push_back(static_cast<std::byte>(bits >> held & 0xff));
  }
  if (held >= 6 || (bits & ((1u << held) - 1)) != 0) return fail(Error::malformed);  // one value, one text
  Reader in(raw);
  if (in.u8() != kVersion) return fail(raw.empty() ? Error::malformed : Error::unsupported_version);
  LinkCode code;
  code.exchange = LinkExchangeId(in.array<LinkExchangeId::kSize>());
  const ByteView secret = in.bytes(LinkSecret::kSize);
  code.hello = LinkHelloHash(in.array<LinkHelloHash::kSize>());
  if (!in.finished()) return fail(Error::malformed);
  code.secret = LinkSecret(secret.first<LinkSecret::kSize>());
  return code;
}

}  // namespace opaline::session
