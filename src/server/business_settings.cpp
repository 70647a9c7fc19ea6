#include "server/business_settings.hpp"

#include <boost/json.hpp>

#include "identity/limits.hpp"
#include "msp/base64.hpp"
#include "msp/settings.hpp"
#include "net/address.hpp"

namespace opaline::server {

namespace json = boost::json;

namespace {

constexpr std::size_t kSecretBytes = 32;
static_assert(msp::kMaxAwayTextBytes == identity::kMaxAwayTextBytes);

json::object defaults(GatewayKind kind, RandomSource& random) {
  json::object out{{"gzip", true},
                   {"max_token_age_seconds", 0},
                   {"capabilities", {"LIST", "TIME", "FORM", "QUICK", "AUTH2"}},
                   {"away_text", ""},
                   {"hours", nullptr},
                   {"status_webhooks", false},
                   {"signed_webhooks", false},
                   {"allow_private_webhooks", false}};
  if (kind == GatewayKind::hosted) {
    out["msp"] = {{"id", "msp-" + to_hex(random.bytes<8>())}, {"secret", make_msp_secret(random)}};
  }
  return out;
}

}  // namespace

std::string make_msp_secret(RandomSource& random) {
  return msp::to_base64(random.bytes<kSecretBytes>());
}

Result<json::object, std::string> change_settings(json::object present, const json::object& changes, GatewayKind kind,
                                                  RandomSource& random) {
  json::object out = present.empty() ? defaults(kind, random) : std::move(present);
  for (const auto& field : changes) {
    auto* const msp = field.key() == "msp" ? out.if_contains("msp") : nullptr;
    if (msp != nullptr && msp->is_object() && field.value().is_object()) {
      for (const auto& part : field.value().get_object()) msp->get_object()[part.key()] = part.value();
    } else {
      out[field.key()] = field.value();
    }
  }
  std::string text = json::serialize(out);
  const auto whose = kind == GatewayKind::own ? msp::SettingsOf::service : msp::SettingsOf::gateway;
  const auto parsed =
      msp::parse_settings(text, whose, [](std::string_view url) { return net::Url::parse(url).has_value(); });
  wipe(text.data(), text.size());
  if (!parsed) return fail(parsed.error());
  return out;
}

}  // namespace opaline::server
