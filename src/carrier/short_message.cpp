#include "sms/short_message.hpp"

#include <algorithm>

#include "base/result.hpp"
#include "base/utf8.hpp"

namespace opaline::sms {
namespace {

// 3GPP TS 23.038 section 6.2.1, beyond ASCII letters and digits.
constexpr std::u32string_view kBasic = U"@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./:;<=>?¡ÄÖÑÜ§¿äöñüà";
// Section 6.2.1.1: behind an escape, so two septets each.
constexpr std::u32string_view kExtension = U"\f^{}\\[~]|€";

constexpr std::size_t kOneSeptets = 160, kEachSeptets = 153;
constexpr std::size_t kOneUnits = 70, kEachUnits = 67;

/// 0: not in the alphabet.
std::size_t septets_of(char32_t c) {
  if ((c >= U'a' && c <= U'z') || (c >= U'A' && c <= U'Z') || (c >= U'0' && c <= U'9')) return 1;
  if (kBasic.find(c) != kBasic.npos) return 1;
  return kExtension.find(c) != kExtension.npos ? 2 : 0;
}

std::size_t units_of(char32_t c) {
  return c > 0xffff ? 2 : 1;
}

/// Neither an escape with its character nor a surrogate pair is torn apart.
class Parts {
 public:
  Parts(std::size_t one, std::size_t each) : one_(one), each_(each) {}
  void add(std::size_t size) {
    all_ += size;
    if (filled_ + size > each_) {
      ++parts_;
      filled_ = 0;
    }
    filled_ += size;
  }
  [[nodiscard]] std::size_t count() const { return all_ <= one_ ? 1 : parts_; }

 private:
  std::size_t one_, each_, all_ = 0, filled_ = 0, parts_ = 1;
};

}  // namespace

std::optional<Shape> shape_of(ByteView utf8) {
  if (utf8.empty()) return std::nullopt;
  Parts septets(kOneSeptets, kEachSeptets);
  Parts units(kOneUnits, kEachUnits);
  bool fits_gsm7 = true;
  const bool valid = every_code_point(utf8, [&](char32_t c) {
    const std::size_t size = septets_of(c);
    fits_gsm7 = fits_gsm7 && size > 0;
    septets.add(size);
    units.add(units_of(c));
    return true;
  });
  if (!valid) return std::nullopt;
  const Shape out = fits_gsm7 ? Shape{Alphabet::gsm7, septets.count()} : Shape{Alphabet::ucs2, units.count()};
  if (out.parts > kMaxParts) return std::nullopt;
  return out;
}

SecretBytes to_utf16(ByteView utf8) {
  SecretBytes out;
  out.reserve(2 * utf8.size());
  const auto unit = [&out](char32_t value) {
    out.push_back(static_cast<std::byte>(value >> 8 & 255));
    out.push_back(static_cast<std::byte>(value & 255));
  };
  const bool valid = every_code_point(utf8, [&](char32_t c) {
    if (c > 0xffff) {
      unit(0xd800 + ((c - 0x10000) >> 10));
      unit(0xdc00 + ((c - 0x10000) & 0x3ff));
    } else {
      unit(c);
    }
    return true;
  });
  OPALINE_ASSERT(valid);
  return out;
}

}  // namespace opaline::sms
