#pragma once
// The one place that knows libphonenumber.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace opaline::identity {

struct PhoneNumber {
  std::string e164;  ///< "+4915112345678"
  std::string
      region;  ///< ISO 3166-1 alpha-2 of the numbering plan, "001" for non-geographic ones, empty where it is not known
  std::uint32_t country_code = 0;  ///< ITU-T E.164 section 6.2.1: 49
  friend bool operator==(const PhoneNumber&, const PhoneNumber&) = default;
};

/// nullopt: no international number of a possible length. Thread-safe.
[[nodiscard]] std::optional<PhoneNumber> normalize_phone(std::string_view text);

}  // namespace opaline::identity
