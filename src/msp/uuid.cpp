#include "msp/uuid.hpp"

namespace opaline::msp {
namespace {

constexpr std::size_t kTextSize = 36;
constexpr bool is_hyphen_place(std::size_t i) {
  return i == 8 || i == 13 || i == 18 || i == 23;
}

}  // namespace

std::optional<Uuid> parse_uuid(std::string_view text) {
  if (text.size() != kTextSize) return std::nullopt;
  std::string digits;
  for (std::size_t i = 0; i < kTextSize; ++i) {
    if (!is_hyphen_place(i)) {
      digits += text[i];
    } else if (text[i] != '-') {
      return std::nullopt;
    }
  }
  return Uuid::from_hex(digits);
}

std::string to_text(const Uuid& uuid) {
  const std::string digits = uuid.hex();
  std::string out;
  out.reserve(kTextSize);
  for (const char c : digits) {
    if (is_hyphen_place(out.size())) out += '-';
    out += c;
  }
  return out;
}

}  // namespace opaline::msp
