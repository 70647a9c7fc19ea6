#include "identity/phone_number.hpp"

#include <phonenumbers/phonenumberutil.h>

namespace opaline::identity {
namespace {

using i18n::phonenumbers::PhoneNumberUtil;

/// Fifteen digits and their punctuation; the parser is not to be fed anything longer.
constexpr std::size_t kMaxPhoneTextBytes = 32;

/// '+' and digits, punctuation dropped; empty for anything else. The parser takes letters, extensions and other
/// scripts' digits: we do not.
std::string only_digits(std::string_view text) {
  if (text.size() > kMaxPhoneTextBytes || !text.starts_with('+')) return {};
  std::string out = "+";
  for (const char c : text.substr(1)) {
    if (c >= '0' && c <= '9') {
      out += c;
    } else if (std::string_view(" -.()/").find(c) == std::string_view::npos) {
      return {};
    }
  }
  return out;
}

/// `digits` as the library understands them.
std::optional<PhoneNumber> understand(const std::string& digits) {
  const PhoneNumberUtil& util = *PhoneNumberUtil::GetInstance();
  i18n::phonenumbers::PhoneNumber number;
  if (util.Parse(digits, "ZZ", &number) != PhoneNumberUtil::NO_PARSING_ERROR) return std::nullopt;
  if (!util.IsPossibleNumber(number)) return std::nullopt;
  PhoneNumber out;
  util.Format(number, PhoneNumberUtil::E164, &out.e164);
  if (out.e164.size() > 16) return std::nullopt;  // ITU-T E.164 section 6.2.1: 15 digits
  util.GetRegionCodeForNumber(number, &out.region);
  if (out.region == "ZZ") out.region.clear();
  out.country_code = static_cast<std::uint32_t>(number.country_code());
  return out;
}

}  // namespace

std::optional<PhoneNumber> normalize_phone(std::string_view text) {
  const std::string digits = only_digits(text);
  if (digits.empty()) return std::nullopt;
  auto out = understand(digits);
  // The library takes one trunk prefix off: what begins with two of them would be another number each time it is read.
  if (!out || (out->e164 != digits && understand(out->e164) != out)) return std::nullopt;
  return out;
}

}  // namespace opaline::identity
