#pragma once
// The one place that knows libphonenumber.
#include <optional>
#include <string>
#include <string_view>

namespace opaline::identity {

struct PhoneNumber {
  std::string e164;  ///< "+4915112345678"
  std::string
      region;  ///< ISO 3166-1 alpha-2 of the numbering plan, "001" for non-geographic ones, empty where it is not known
  friend bool operator==(const PhoneNumber&, const PhoneNumber&) = default;
};

/// nullopt: no international number of a possible length. Thread-safe.
[[nodiscard]] std::optional<PhoneNumber> normalize_phone(std::string_view text);

}  // namespace opaline::identity
