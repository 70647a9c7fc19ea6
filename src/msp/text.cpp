#include "msp/text.hpp"

#include "base/utf8.hpp"

namespace opaline::msp {
namespace {

/// What has no width, but the joiners U+200C and U+200D, which scripts and emoji need.
bool is_invisible(char32_t c) {
  return c == 0x00ad || c == 0x180e || c == 0x200b || c == 0xfeff || (c >= 0x2060 && c <= 0x206f) ||
         (c >= 0xfff9 && c <= 0xfffb) || (c >= 0xe0000 && c <= 0xe007f);
}

}  // namespace

bool is_text(std::string_view utf8) {
  // Most is ASCII: without the decoder up to the first byte that is not.
  std::size_t ascii = 0;
  while (ascii < utf8.size() && utf8[ascii] != 0 && static_cast<unsigned char>(utf8[ascii]) < 0x80) ++ascii;
  utf8.remove_prefix(ascii);
  return every_code_point(as_view(utf8), [](char32_t c) { return c != 0; });
}

std::size_t count_characters(std::string_view utf8) {
  std::size_t out = 0;
  for (const char c : utf8) out += (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  return out;
}

bool is_plain_text(std::string_view utf8) {
  constexpr char32_t kPlaceholder = 0xfffc;
  return every_code_point(as_view(utf8), [](char32_t c) {
    return c == '\n' || c == '\t' || (!is_control(c) && !is_invisible(c) && c != kPlaceholder);
  });
}

}  // namespace opaline::msp
