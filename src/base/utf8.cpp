#include "base/utf8.hpp"

namespace opaline {

std::optional<CodePoint> first_code_point(ByteView text) {
  if (text.empty()) return std::nullopt;
  const auto at = [&](std::size_t i) { return std::to_integer<char32_t>(text[i]); };
  const char32_t lead = at(0);
  if (lead < 0x80) return CodePoint{lead, 1};
  if (lead < 0xc2 || lead > 0xf4) return std::nullopt;
  const std::size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (text.size() < size) return std::nullopt;
  char32_t value = lead & (0xffU >> (size + 1));
  for (std::size_t i = 1; i < size; ++i) {
    if ((at(i) & 0xc0) != 0x80) return std::nullopt;
    value = value << 6 | (at(i) & 0x3f);
  }
  constexpr char32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  if (value < kLeast[size] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff)) return std::nullopt;
  return CodePoint{value, size};
}

bool is_utf8(ByteView text) {
  return every_code_point(text, [](char32_t) { return true; });
}

}  // namespace opaline
