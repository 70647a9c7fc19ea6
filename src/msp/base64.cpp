#include "msp/base64.hpp"

namespace opaline::msp {
namespace {

constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int value_of(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+') return 62;
  if (c == '/') return 63;
  return -1;
}

template <class Put>
void encode(ByteView bytes, Put put) {
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t count = bytes.size() - i < 3 ? bytes.size() - i : 3;
    std::uint32_t bits = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      bits = bits << 8 | (k < count ? std::to_integer<std::uint32_t>(bytes[i + k]) : 0);
    }
    for (std::size_t k = 0; k < 4; ++k) put(k <= count ? kAlphabet[bits >> (18 - 6 * k) & 63] : '=');
  }
}

}  // namespace

std::string to_base64(ByteView bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  encode(bytes, [&](char c) { out += c; });
  return out;
}

void append_base64(SecretBytes& out, ByteView bytes) {
  out.reserve(out.size() + (bytes.size() + 2) / 3 * 4);
  encode(bytes, [&](char c) { out.push_back(static_cast<std::byte>(c)); });
}

std::optional<std::size_t> base64_size(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  if (text.empty()) return 0;
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  const std::string_view digits = text.substr(0, text.size() - padding);
  for (const char c : digits) {
    if (value_of(c) < 0) return std::nullopt;
  }
  // RFC 4648 section 3.5: the bits that are left over are zero.
  const int stray = padding == 2 ? 15 : padding == 1 ? 3 : 0;
  if ((value_of(digits.back()) & stray) != 0) return std::nullopt;
  return text.size() / 4 * 3 - padding;
}

std::optional<SecretBytes> from_base64(std::string_view text) {
  const auto size = base64_size(text);
  if (!size) return std::nullopt;
  SecretBytes out;
  out.reserve(*size);
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    if (c == '=') break;
    bits = bits << 6 | static_cast<std::uint32_t>(value_of(c));
    count += 6;
    if (count < 8) continue;
    count -= 8;
    out.push_back(static_cast<std::byte>(bits >> count & 255));
  }
  return out;
}

}  // namespace opaline::msp
