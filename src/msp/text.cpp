#include "msp/text.hpp"

namespace opaline::msp {
namespace {

/// The code point at `at`, which moves behind it; nullopt: not UTF-8 there.
std::optional<char32_t> next(std::string_view text, std::size_t& at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned lead = byte(at);
  if (lead < 0x80) {
    ++at;
    return lead;
  }
  if (lead < 0xc2 || lead > 0xf4) return std::nullopt;
  const std::size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (text.size() - at < size) return std::nullopt;
  char32_t out = lead & (0xffU >> (size + 1));
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(at + i) & 0xc0) != 0x80) return std::nullopt;
    out = out << 6 | (byte(at + i) & 0x3f);
  }
  // RFC 3629 section 3: no overlong form, no surrogate, nothing above U+10FFFF.
  constexpr char32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  if (out < kLeast[size] || out > 0x10ffff || (out >= 0xd800 && out <= 0xdfff)) return std::nullopt;
  at += size;
  return out;
}

bool hides_something(char32_t c) {
  if ((c < 0x20 && c != '\n' && c != '\t') || (c >= 0x7f && c <= 0x9f)) return true;
  if (c == 0x00ad || c == 0x061c || c == 0x180e || c == 0xfeff || c == 0xfffc) return true;
  if (c == 0x200b || c == 0x200e || c == 0x200f)
    return true;  // not the joiners U+200C, U+200D: scripts and emoji need them
  return (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || (c >= 0xfff9 && c <= 0xfffb) ||
         (c >= 0xe0000 && c <= 0xe007f);
}

}  // namespace

bool is_text(std::string_view utf8) {
  for (std::size_t at = 0; at < utf8.size();) {
    const auto c = next(utf8, at);
    if (!c || *c == 0) return false;
  }
  return true;
}

std::size_t count_characters(std::string_view utf8) {
  std::size_t out = 0;
  for (const char c : utf8) out += (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  return out;
}

bool is_plain_text(std::string_view utf8) {
  for (std::size_t at = 0; at < utf8.size();) {
    const auto c = next(utf8, at);
    if (!c || hides_something(*c)) return false;
  }
  return true;
}

}  // namespace opaline::msp
