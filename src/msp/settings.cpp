#include "msp/settings.hpp"

#include <algorithm>
#include <bit>
#include <boost/json.hpp>

#include "msp/jwt.hpp"

namespace opaline::msp {
namespace {

namespace json = boost::json;
using Sentence = std::string;

constexpr std::string_view kMembers[] = {"webhook",
                                         "msp",
                                         "gzip",
                                         "max_token_age_seconds",
                                         "capabilities",
                                         "away_text",
                                         "hours",
                                         "status_webhooks",
                                         "signed_webhooks",
                                         "allow_private_webhooks"};
/// AUTH answers with what only the device of its own vendor can make; AUTH2 is the one that exists here.
constexpr std::string_view kAllCapabilities = "LIST,TIME,FORM,QUICK,AUTH2";

std::unexpected<Sentence> bad(std::string_view member, std::string_view message) {
  return fail(std::string(member) + " " + std::string(message));
}

Result<bool, Sentence> boolean(const json::object& object, std::string_view name, bool otherwise) {
  const json::value* const value = object.if_contains(name);
  if (value == nullptr) return otherwise;
  if (!value->is_bool()) return bad(name, "must be true or false");
  return value->get_bool();
}

/// nullopt: not there, or no string.
std::optional<std::string> string(const json::object& object, std::string_view name) {
  const json::value* const value = object.if_contains(name);
  if (value == nullptr || !value->is_string()) return std::nullopt;
  return std::string(value->get_string());
}

Result<std::string, Sentence> webhook(const json::object& object, bool allow_private, IsUrl is_url) {
  const auto text = string(object, "webhook");
  const bool plain = text && text->starts_with("http://");
  if (!text || text->size() > kMaxUrlBytes || !(plain || text->starts_with("https://")) ||
      text->find('?') != std::string::npos || !is_url(*text)) {
    return bad("webhook",
               "must be the URL that people's messages are sent to, such as https://shop.example/hook, without ?");
  }
  if (plain && !allow_private)
    return bad("webhook",
               "must begin with https:// (http:// only with allow_private_webhooks, for one's own machines)");
  return *text;
}

Result<void, Sentence> read_msp(const json::object& object, Settings& out) {
  const json::value* const value = object.if_contains("msp");
  if (value == nullptr || !value->is_object()) return bad("msp", R"(must be {"id": "...", "secret": "..."})");
  const json::object& msp = value->get_object();
  for (const auto& member : msp) {
    if (member.key() != "id" && member.key() != "secret") return bad("msp", "has only id and secret");
  }
  const auto id = string(msp, "id"), secret = string(msp, "secret");
  if (!id || id->empty() || id->size() > kMaxMspIdBytes ||
      !std::ranges::all_of(*id, [](char c) { return c > 0x20 && c < 0x7f; })) {
    return bad("msp.id", "must be 1 to 128 characters of printable ASCII without blanks");
  }
  if (!secret || !TokenKey::from_secret(*secret))
    return bad("msp.secret", "must be 32 to 256 bytes in base64 (RFC 4648 section 4, with padding)");
  out.msp_id = *id;
  out.msp_secret = *secret;
  return {};
}

Result<Capabilities, Sentence> capabilities(const json::object& object) {
  constexpr std::string_view kName = "capabilities", kForm = "must be a list of LIST, TIME, FORM, QUICK, AUTH2";
  const json::value* const value = object.if_contains(kName);
  if (value == nullptr) return parse_capabilities(kAllCapabilities);
  if (!value->is_array()) return bad(kName, kForm);
  Capabilities out;
  for (const json::value& one : value->get_array()) {
    if (!one.is_string()) return bad(kName, kForm);
    const auto parsed = parse_capabilities(one.get_string());
    if (!std::has_single_bit(parsed.bits) || write_capabilities(parsed) != one.get_string()) return bad(kName, kForm);
    if (parsed.has(Capability::auth))
      return bad(kName, "cannot have AUTH: its answers are encrypted to a key in the message; use AUTH2");
    if ((out.bits & parsed.bits) != 0) return bad(kName, "has one of them twice");
    out.bits |= parsed.bits;
  }
  return out;
}

Result<std::optional<seconds>, Sentence> max_token_age(const json::object& object) {
  constexpr std::string_view kName = "max_token_age_seconds";
  const json::value* const value = object.if_contains(kName);
  if (value == nullptr) return std::nullopt;
  boost::system::error_code inexact;
  const auto number = value->to_number<std::int64_t>(inexact);
  if (inexact || number < 0 || number > kMaxTokenAge.count())
    return bad(kName, "must be a whole number of seconds, at most 31622400; 0: any age");
  return number == 0 ? std::nullopt : std::optional(seconds(number));
}

Result<std::string, Sentence> away_text(const json::object& object) {
  constexpr std::string_view kName = "away_text";
  if (!object.contains(kName)) return std::string();
  auto text = string(object, kName);
  if (!text || !is_text(*text) || text->size() > kMaxAwayTextBytes)
    return bad(kName, "must be at most 2048 bytes of UTF-8");
  if (!is_plain_text(*text)) return bad(kName, "has characters that hide or reorder text");
  return std::move(*text);
}

Result<std::optional<OpeningHours>, Sentence> hours(const json::object& object) {
  constexpr std::string_view kName = "hours",
                             kForm = R"(must be {"zone": "Europe/Berlin", "open": ["Mon-Fri 09:00-17:30"]})";
  const json::value* const value = object.if_contains(kName);
  if (value == nullptr || value->is_null()) return std::nullopt;
  if (!value->is_object() || value->get_object().size() != 2) return bad(kName, kForm);
  const auto zone = string(value->get_object(), "zone");
  const json::value* const open = value->get_object().if_contains("open");
  if (!zone || open == nullptr || !open->is_array()) return bad(kName, kForm);
  std::vector<std::string> lines;
  for (const json::value& line : open->get_array()) {
    if (!line.is_string()) return bad(kName, kForm);
    lines.emplace_back(line.get_string());
  }
  auto table = OpeningHours::parse(*zone, lines);
  if (!table) return bad(kName, table.error());
  return std::optional(std::move(*table));
}

Result<void, Sentence> only_known(const json::object& object) {
  for (const auto& member : object) {
    const std::string_view name = member.key();
    if (std::ranges::find(kMembers, name) != std::end(kMembers)) continue;
    const bool plain =
        name.size() <= 40 && std::ranges::all_of(name, [](char c) {
          return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
        });
    return fail("the settings have no field '" + (plain ? std::string(name) : std::string("?")) + "'");
  }
  return {};
}

}  // namespace

Result<Settings, std::string> parse_settings(std::string_view text, SettingsOf whose, IsUrl is_url) {
  if (text.size() > kMaxSettingsBytes) return fail(Sentence("the settings are too large"));
  boost::system::error_code error;
  const json::value value = json::parse(text, error);
  if (error || !value.is_object()) return fail(Sentence("the settings must be a JSON object"));
  const json::object& object = value.get_object();
  OPALINE_CHECK(only_known(object));
  Settings out;
  OPALINE_TRY(out.allow_private_webhooks, boolean(object, "allow_private_webhooks", false));
  if (whose == SettingsOf::gateway) {
    OPALINE_TRY(out.webhook_url, webhook(object, out.allow_private_webhooks, is_url));
    OPALINE_CHECK(read_msp(object, out));
  } else if (object.contains("webhook") || object.contains("msp")) {
    return fail(
        Sentence("a business with its own gateway has webhook and msp in its own configuration: the service never "
                 "gets them"));
  }
  OPALINE_TRY(out.gzip, boolean(object, "gzip", true));
  OPALINE_TRY(out.max_token_age, max_token_age(object));
  OPALINE_TRY(out.capabilities, capabilities(object));
  OPALINE_TRY(out.away_text, away_text(object));
  OPALINE_TRY(out.hours, hours(object));
  OPALINE_TRY(out.status_webhooks, boolean(object, "status_webhooks", false));
  OPALINE_TRY(out.signed_webhooks, boolean(object, "signed_webhooks", false));
  return out;
}

}  // namespace opaline::msp
