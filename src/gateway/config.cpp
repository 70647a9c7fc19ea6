#include "gateway/config.hpp"

namespace opaline::gateway {

Result<BusinessConfig, std::string> parse_business(const msp::Uuid& id, std::string_view name,
                                                   std::string_view settings_json) {
  BusinessConfig out;
  OPALINE_TRY(static_cast<msp::Settings&>(out),
              msp::parse_settings(settings_json, msp::SettingsOf::gateway,
                                  [](std::string_view text) { return net::Url::parse(text).has_value(); }));
  out.webhook = *net::Url::parse(out.webhook_url);
  while (out.webhook.target.ends_with('/')) out.webhook.target.pop_back();  // "/message" is appended
  out.id = id;
  out.name = name;
  return out;
}

}  // namespace opaline::gateway
