#pragma once
// What a gateway knows of a business: how its software is reached and who it is. Hosted: from the service's operator
// (docs/operations.md, "Businesses"). In the business's own house: from its own configuration.
#include "msp/settings.hpp"
#include "net/address.hpp"

namespace opaline::gateway {

struct BusinessConfig : msp::Settings {
  msp::Uuid id;
  std::string name;  ///< as people see it; the service has checked it
  net::Url webhook;  ///< "/message" is appended to its target
};

/// `settings_json`: msp/settings.hpp. The error is a sentence that names the member, never a value.
[[nodiscard]] Result<BusinessConfig, std::string> parse_business(const msp::Uuid& id, std::string_view name,
                                                                 std::string_view settings_json);

}  // namespace opaline::gateway
