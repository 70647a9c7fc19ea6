#include "gateway/config.hpp"

#include <algorithm>
#include <bit>
#include <boost/json.hpp>

namespace opaline::gateway {
namespace {

namespace json = boost::json;
using Error = std::string;

constexpr std::size_t kMaxSettingsBytes = 64 * 1024;
constexpr std::size_t kMaxNameCharacters = 128;
constexpr std::size_t kMaxAwayCharacters = 1'000;
constexpr std::int64_t kMaxTokenAgeSeconds = std::int64_t{10} * 366 * 86'400;
/// AUTH answers with what only the device of its own vendor can make; AUTH2 is the one that exists here.
constexpr std::string_view kAllCapabilities = "LIST,TIME,FORM,QUICK,AUTH2";

constexpr std::string_view kMembers[] = {"webhook",
                                         "msp",
                                         "gzip",
                                         "max_token_age_seconds",
                                         "capabilities",
                                         "away_text",
                                         "status_webhooks",
                                         "signed_webhooks",
                                         "allow_private_webhooks"};

std::unexpected<Error> bad(std::string_view member, std::string_view message) {
  return fail("\"" + std::string(member) + "\" " + std::string(message));
}

const json::value* find(const json::object& object, std::string_view name) {
  return object.if_contains(name);
}

Result<bool, Error> boolean(const json::object& object, std::string_view name, bool otherwise) {
  const json::value* const value = find(object, name);
  if (value == nullptr) return otherwise;
  if (!value->is_bool()) return bad(name, "must be true or false");
  return value->get_bool();
}

Result<std::string, Error> string(const json::object& object, std::string_view name) {
  const json::value* const value = find(object, name);
  if (value == nullptr) return bad(name, "is required");
  if (!value->is_string()) return bad(name, "must be a string");
  return std::string(value->get_string());
}

Result<net::Url, Error> webhook(const json::object& object, bool allow_private) {
  OPALINE_TRY(const std::string text, string(object, "webhook"));
  auto url = net::Url::parse(text);
  const bool web = text.starts_with("https://") || text.starts_with("http://");
  if (!url || !web || text.size() > msp::kMaxUrlBytes || url->target.find('?') != std::string::npos) {
    return bad("webhook", "must be a URL such as https://shop.example/opaline, without ?");
  }
  if (!url->tls && !allow_private) {
    return bad("webhook", "must be https://; http:// goes to this machine alone, with \"allow_private_webhooks\"");
  }
  while (url->target.ends_with('/')) url->target.pop_back();  // "/message" is appended
  return std::move(*url);
}

Result<void, Error> read_msp(const json::object& object, BusinessConfig& out) {
  const json::value* const value = find(object, "msp");
  if (value == nullptr) return bad("msp", "is required");
  if (!value->is_object()) return bad("msp", "must be an object with id and secret");
  const json::object& msp = value->get_object();
  for (const auto& member : msp) {
    if (member.key() != "id" && member.key() != "secret") return bad("msp", "has a member that is not known");
  }
  const json::value *const id = find(msp, "id"), *const secret = find(msp, "secret");
  if (id == nullptr || !id->is_string()) return bad("msp.id", "is required: a string");
  if (secret == nullptr || !secret->is_string()) return bad("msp.secret", "is required: a string");
  out.msp_id = id->get_string();
  out.msp_secret = secret->get_string();
  if (out.msp_id.empty() || out.msp_id.size() > msp::kMaxMspIdBytes || !msp::is_plain_text(out.msp_id) ||
      out.msp_id.find_first_of("\n\t") != std::string::npos) {
    return bad("msp.id", "must be a text of 1 to 128 bytes on one line");
  }
  if (!msp::TokenKey::from_secret(out.msp_secret)) {
    return bad("msp.secret", "must be 32 to 256 bytes in standard base64 with padding");
  }
  return {};
}

Result<msp::Capabilities, Error> capabilities(const json::object& object) {
  constexpr std::string_view kForm = "must be a list of LIST, TIME, FORM, QUICK, AUTH2";
  const json::value* const value = find(object, "capabilities");
  if (value == nullptr) return msp::parse_capabilities(kAllCapabilities);
  if (!value->is_array()) return bad("capabilities", kForm);
  msp::Capabilities out;
  for (const json::value& one : value->get_array()) {
    if (!one.is_string()) return bad("capabilities", kForm);
    const auto capability = msp::parse_capabilities(one.get_string());
    if (std::has_single_bit(capability.bits) && capability.has(msp::Capability::auth)) {
      return bad("capabilities", "cannot have AUTH: its answers are encrypted to a key in the message; use AUTH2");
    }
    if (!std::has_single_bit(capability.bits)) return bad("capabilities", kForm);
    out.bits |= capability.bits;
  }
  return out;
}

Result<std::optional<seconds>, Error> max_token_age(const json::object& object) {
  constexpr std::string_view kName = "max_token_age_seconds";
  const json::value* const value = find(object, kName);
  if (value == nullptr) return std::nullopt;
  boost::system::error_code inexact;
  const auto number = value->to_number<std::int64_t>(inexact);
  if (inexact || number < 0 || number > kMaxTokenAgeSeconds) {
    return bad(kName, "must be a whole number of seconds; 0: no maximum");
  }
  return number == 0 ? std::nullopt : std::optional(seconds(number));
}

Result<std::string, Error> away_text(const json::object& object) {
  constexpr std::string_view kName = "away_text";
  if (find(object, kName) == nullptr) return std::string();
  OPALINE_TRY(std::string text, string(object, kName));
  if (!msp::is_plain_text(text)) return bad(kName, "has characters that hide or reorder text");
  if (msp::count_characters(text) > kMaxAwayCharacters) return bad(kName, "has at most 1000 characters");
  return text;
}

}  // namespace

Result<BusinessConfig, std::string> parse_business(const msp::Uuid& id, std::string_view name,
                                                   std::string_view settings_json) {
  if (name.empty() || !msp::is_text(name) || msp::count_characters(name) > kMaxNameCharacters ||
      !msp::is_plain_text(name)) {
    return bad("name", "must be a text of 1 to 128 characters");
  }
  if (settings_json.size() > kMaxSettingsBytes) return fail(Error("the settings are too large"));
  boost::system::error_code error;
  const json::value value = json::parse(settings_json, error);
  if (error || !value.is_object()) return fail(Error("the settings must be a JSON object"));
  const json::object& object = value.get_object();
  for (const auto& member : object) {
    if (std::ranges::find(kMembers, std::string_view(member.key())) == std::end(kMembers)) {
      return fail(Error("there is a member that is not known; misspelt?"));
    }
  }
  BusinessConfig out;
  out.id = id;
  out.name = name;
  OPALINE_TRY(out.allow_private_webhooks, boolean(object, "allow_private_webhooks", false));
  OPALINE_TRY(out.webhook, webhook(object, out.allow_private_webhooks));
  OPALINE_CHECK(read_msp(object, out));
  OPALINE_TRY(out.gzip, boolean(object, "gzip", true));
  OPALINE_TRY(out.max_token_age, max_token_age(object));
  OPALINE_TRY(out.capabilities, capabilities(object));
  OPALINE_TRY(out.away_text, away_text(object));
  OPALINE_TRY(out.status_webhooks, boolean(object, "status_webhooks", false));
  OPALINE_TRY(out.signed_webhooks, boolean(object, "signed_webhooks", false));
  return out;
}

}  // namespace opaline::gateway
