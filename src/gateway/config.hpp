#pragma once
// What a gateway knows of a business: how its software is reached and who it is. Hosted: from the service's operator
// (docs/operations.md, "Businesses"). In the business's own house: from its own configuration.
#include <map>

#include "msp/headers.hpp"
#include "msp/jwt.hpp"
#include "net/address.hpp"

namespace opaline::gateway {

struct BusinessConfig {
  msp::Uuid id;
  std::string name;
  net::Url webhook;  ///< "/message" is appended to its target
  std::string msp_id;
  std::string msp_secret;  ///< as given out: base64
  bool gzip = true;        ///< of webhook bodies
  std::optional<seconds> max_token_age;
  msp::Capabilities capabilities;  ///< what the business may use; a webhook names what the person's device can, too
  std::string away_text;           ///< empty: none
  bool status_webhooks = false;
  bool signed_webhooks = false;
  bool allow_private_webhooks = false;  ///< may its webhook resolve to a private or loopback address?
};

/// From the JSON object that `opalined admin business` stores (docs/operations.md, "Businesses"): `webhook` and `msp`
/// ({"id", "secret"}) are required; `gzip` (true), `max_token_age_seconds` (0: none), `capabilities` (all that there
/// are), `away_text` (""), `status_webhooks`, `signed_webhooks` and `allow_private_webhooks` (false) are not. A webhook
/// is https://, or where private ones are allowed http://. The error is a sentence that names the member, never a
/// value.
[[nodiscard]] Result<BusinessConfig, std::string> parse_business(const msp::Uuid& id, std::string_view name,
                                                                 std::string_view settings_json);

}  // namespace opaline::gateway
