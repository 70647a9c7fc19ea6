#include "carrier/short_message.hpp"

#include <algorithm>

#include "base/result.hpp"
#include "base/utf8.hpp"

namespace opaline::carrier {
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

namespace {

void add_utf8(SecretBytes& out, char32_t c) {
  const auto byte = [&out](char32_t value) { out.push_back(static_cast<std::byte>(value)); };
  if (c < 0x80) return byte(c);
  if (c < 0x800) {
    byte(0xc0 | c >> 6);
  } else {
    if (c < 0x10000) {
      byte(0xe0 | c >> 12);
    } else {
      byte(0xf0 | c >> 18);
      byte(0x80 | (c >> 12 & 63));
    }
    byte(0x80 | (c >> 6 & 63));
  }
  byte(0x80 | (c & 63));
}

}  // namespace

std::optional<SecretBytes> from_utf16(ByteView utf16) {
  constexpr char32_t kReplacement = 0xfffd;
  if (utf16.size() % 2 != 0) return std::nullopt;
  SecretBytes out;
  out.reserve(utf16.size() * 3 / 2);
  const auto unit = [&](std::size_t at) {
    return std::to_integer<char32_t>(utf16[at]) << 8 | std::to_integer<char32_t>(utf16[at + 1]);
  };
  for (std::size_t at = 0; at < utf16.size(); at += 2) {
    const char32_t first = unit(at);
    if (first < 0xd800 || first > 0xdfff) {
      add_utf8(out, first);
      continue;
    }
    const char32_t second = at + 2 < utf16.size() ? unit(at + 2) : 0;
    if (first > 0xdbff || second < 0xdc00 || second > 0xdfff) {
      add_utf8(out, kReplacement);
      continue;
    }
    add_utf8(out, 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00));
    at += 2;
  }
  return out;
}

}  // namespace opaline::carrier
