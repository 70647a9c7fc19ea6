#include "server/business_settings.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>

#include "base/utf8.hpp"
#include "identity/limits.hpp"
#include "msp/base64.hpp"
#include "net/address.hpp"

namespace opaline::server {

namespace json = boost::json;

namespace {

constexpr std::size_t kMaxWebhookBytes = 2'048;
constexpr std::size_t kMaxMspIdBytes = 100;
constexpr std::size_t kMinSecretBytes = 32;
constexpr std::size_t kMaxSecretBytes = 256;
constexpr std::int64_t kMaxTokenAgeSeconds = 86'400;
constexpr std::array<std::string_view, 6> kCapabilities{"LIST", "TIME", "FORM", "QUICK", "AUTH", "AUTH2"};
constexpr std::array<std::string_view, 4> kSwitches{"gzip", "status_webhooks", "signed_webhooks",
                                                    "allow_private_webhooks"};

json::object defaults(GatewayKind kind, RandomSource& random) {
  json::object out{{"gzip", true},
                   {"max_token_age_seconds", 0},
                   {"capabilities", {"LIST", "TIME", "FORM", "QUICK", "AUTH2"}},
                   {"away_text", ""},
                   {"status_webhooks", false},
                   {"signed_webhooks", false},
                   {"allow_private_webhooks", false}};
  if (kind == GatewayKind::hosted) {
    out["msp"] = {{"id", "msp-" + to_hex(random.bytes<8>())}, {"secret", make_msp_secret(random)}};
  }
  return out;
}

std::optional<std::string> check_msp(const json::object& msp) {
  for (const auto& field : msp) {
    if (field.key() != "id" && field.key() != "secret") return fmt::format("msp has no field '{}'", field.key());
  }
  const auto* id = msp.if_contains("id");
  const bool printable = id && id->is_string() && !id->get_string().empty() &&
                         id->get_string().size() <= kMaxMspIdBytes &&
                         std::ranges::all_of(id->get_string(), [](char c) { return c > 0x20 && c < 0x7f; });
  if (!printable) return "msp.id must be 1 to 100 characters of printable ASCII without blanks";
  const auto* secret = msp.if_contains("secret");
  const auto size = secret && secret->is_string() ? msp::base64_size(secret->get_string()) : std::nullopt;
  if (!size || *size < kMinSecretBytes || *size > kMaxSecretBytes)
    return "msp.secret must be 32 to 256 bytes in base64 (RFC 4648 section 4, with padding)";
  return std::nullopt;
}

std::optional<std::string> check_webhook(const json::object& settings) {
  const auto* webhook = settings.if_contains("webhook");
  if (!webhook) return "webhook is missing: the URL that people's messages are sent to, as https://example.org/hook";
  if (!webhook->is_string() || webhook->get_string().size() > kMaxWebhookBytes) return "webhook must be a URL";
  const auto url = net::Url::parse(webhook->get_string());
  if (!url) return "webhook must be a URL, as https://example.org/hook";
  const bool may_be_plain = settings.at("allow_private_webhooks").as_bool();
  if (!url->tls && !may_be_plain)
    return "webhook must begin with https:// (http:// only with allow_private_webhooks, for one's own machines)";
  return std::nullopt;
}

std::optional<std::string> check_capabilities(const json::value& list) {
  if (!list.is_array()) return "capabilities must be a list";
  std::vector<std::string_view> seen;
  for (const auto& one : list.get_array()) {
    const std::string_view name = one.is_string() ? std::string_view(one.get_string()) : "";
    if (std::ranges::find(kCapabilities, name) == kCapabilities.end())
      return "capabilities are LIST, TIME, FORM, QUICK, AUTH and AUTH2";
    if (std::ranges::find(seen, name) != seen.end()) return fmt::format("capabilities has {} twice", name);
    seen.push_back(name);
  }
  return std::nullopt;
}

/// Of whole settings.
std::optional<std::string> check(const json::object& settings, GatewayKind kind) {
  for (const std::string_view name : kSwitches) {
    if (!settings.at(name).is_bool()) return fmt::format("{} must be true or false", name);
  }
  const auto& age = settings.at("max_token_age_seconds");
  if (!age.is_int64() || age.get_int64() < 0 || age.get_int64() > kMaxTokenAgeSeconds)
    return "max_token_age_seconds must be 0 (any age) to 86400";
  if (auto problem = check_capabilities(settings.at("capabilities"))) return problem;
  const auto& away = settings.at("away_text");
  if (!away.is_string() || away.get_string().size() > identity::kMaxAwayTextBytes)
    return fmt::format("away_text must be at most {} bytes", identity::kMaxAwayTextBytes);
  if (kind == GatewayKind::own) {
    if (settings.contains("webhook") || settings.contains("msp"))
      return "a business with its own gateway has webhook and msp in its own configuration: the service never gets "
             "them";
    return std::nullopt;
  }
  if (auto problem = check_webhook(settings)) return problem;
  return check_msp(settings.at("msp").as_object());
}

}  // namespace

std::string make_msp_secret(RandomSource& random) {
  return msp::to_base64(random.bytes<kMinSecretBytes>());
}

Result<json::object, std::string> change_settings(json::object present, const json::object& changes, GatewayKind kind,
                                                  RandomSource& random) {
  json::object out = present.empty() ? defaults(kind, random) : std::move(present);
  for (const auto& field : changes) {
    const std::string_view name = field.key();
    const bool known = name == "webhook" || name == "msp" || name == "max_token_age_seconds" ||
                       name == "capabilities" || name == "away_text" ||
                       std::ranges::find(kSwitches, name) != kSwitches.end();
    if (!known) return fail(fmt::format("the settings have no field '{}'", name));
    if (name != "msp" || !out.contains("msp")) {
      out[name] = field.value();
      continue;
    }
    if (!field.value().is_object()) return fail(std::string(R"(msp must be {"id": "...", "secret": "..."})"));
    for (const auto& part : field.value().get_object()) out["msp"].as_object()[part.key()] = part.value();
  }
  if (auto problem = check(out, kind)) return fail(std::move(*problem));
  return out;
}

}  // namespace opaline::server
