#pragma once
// The settings of a business, as the service's operator or the business itself gives them (docs/operations.md,
// "Businesses"): one JSON object, read here alone, so that what one program takes the other does not refuse.
//   {"webhook": "https://...", "msp": {"id": "...", "secret": "<base64 of 32 to 256 bytes>"}, "gzip": true,
//    "max_token_age_seconds": 0, "capabilities": ["LIST", "TIME", "FORM", "QUICK", "AUTH2"], "away_text": "",
//    "hours": null, "status_webhooks": false, "signed_webhooks": false, "allow_private_webhooks": false}
// `hours`: {"zone": "Europe/Berlin", "open": ["Mon-Fri 09:00-17:30", "Sat 10:00-14:00"]} (opening_hours.hpp).
#include "base/time.hpp"
#include "msp/headers.hpp"
#include "msp/opening_hours.hpp"

namespace opaline::msp {

struct Settings {
  std::string webhook_url;  ///< https://, or where private webhooks are allowed http://; no query
  std::string msp_id;
  std::string msp_secret;  ///< as given out: base64
  bool gzip = true;        ///< of webhook bodies
  std::optional<seconds> max_token_age;
  Capabilities capabilities;          ///< what the business may use; a webhook names what the person's device can, too
  std::string away_text;              ///< empty: none
  std::optional<OpeningHours> hours;  ///< while it is open the text is not sent; nullopt: it always is
  bool status_webhooks = false;
  bool signed_webhooks = false;
  bool allow_private_webhooks = false;  ///< may its webhook resolve to a private or loopback address?
};

enum class SettingsOf : std::uint8_t {
  gateway,  ///< all; `webhook` and `msp` are required
  service,  ///< what the service has of a business with a gateway in its own house: neither may be there
};
/// What a URL is, another room knows; true of what can be connected to.
using IsUrl = bool (*)(std::string_view text);

/// What may be left out has the value shown above. The error is a sentence that names the member, never a value.
[[nodiscard]] Result<Settings, std::string> parse_settings(std::string_view json, SettingsOf whose, IsUrl is_url);

}  // namespace opaline::msp
