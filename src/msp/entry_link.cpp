#include "msp/entry_link.hpp"

#include <algorithm>

namespace opaline::msp {
namespace {

constexpr std::string_view kHttps = "https://";
constexpr std::string_view kUrn = "urn:biz:";
constexpr std::string_view kIntent = "biz-intent-id";
constexpr std::string_view kGroup = "biz-group-id";
constexpr std::string_view kBody = "body";
constexpr std::string_view kGateway = "opaline-gateway";
constexpr std::size_t kUuidCharacters = 36;
constexpr std::size_t kMaxHostBytes = 253 + 6;  // RFC 1035 section 2.3.4, and a port

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// RFC 3986 section 2.1, with CR LF as one line feed; nullopt: a '%' without two digits.
std::optional<Text> percent_decode(std::string_view text) {
  SecretBytes out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out.push_back(static_cast<std::byte>(text[i]));
      continue;
    }
    if (text.size() - i < 3) return std::nullopt;
    const int high = hex_value(text[i + 1]);
    const int low = hex_value(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    const auto byte = static_cast<std::byte>(high << 4 | low);
    if (byte == std::byte{'\n'} && !out.empty() && out.back() == std::byte{'\r'}) out.pop_back();
    out.push_back(byte);
    i += 2;
  }
  return Text(as_text(out));
}

/// All but the unreserved characters of RFC 3986 section 2.3.
void percent_encode(std::string& out, std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  for (const char c : text) {
    const bool unreserved = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
                            c == '.' || c == '_' || c == '~';
    if (unreserved) {
      out += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out += '%';
    out += kHex[byte >> 4];
    out += kHex[byte & 15];
  }
}

/// A DNS name, with a port or without; in lower case.
bool is_host(std::string_view host) {
  const std::size_t colon = host.find(':');
  const std::string_view port = colon == host.npos ? std::string_view{} : host.substr(colon + 1);
  if (colon != host.npos && (port.empty() || port.size() > 5 || port.find_first_not_of("0123456789") != port.npos)) {
    return false;
  }
  const std::string_view name = host.substr(0, colon);
  if (name.empty() || host.size() > kMaxHostBytes || name.starts_with('.') || name.starts_with('-')) return false;
  return std::ranges::all_of(
      name, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.'; });
}

Result<void, Error> check_text(std::string_view text, std::size_t most, bool lines) {
  if (!is_text(text)) return fail(Error::malformed);
  if (count_characters(text) > most) return fail(Error::oversized);
  if (!is_plain_text(text) || (!lines && text.find_first_of("\n\t") != text.npos)) return fail(Error::unsafe_text);
  return {};
}

/// A text field, given at most once.
Result<void, Error> take(Text& field, bool& seen, std::string_view value, std::size_t most, bool lines) {
  auto text = percent_decode(value);
  if (!text || std::exchange(seen, true)) return fail(Error::malformed);
  OPALINE_CHECK(check_text(text->view(), most, lines));
  field = std::move(*text);
  return {};
}

struct Seen {
  bool intent = false, group = false, body = false, gateway = false;
};

Result<void, Error> take_parameter(EntryLink& out, Seen& seen, std::string_view pair) {
  const std::size_t equals = pair.find('=');
  const std::string_view value = equals == pair.npos ? std::string_view{} : pair.substr(equals + 1);
  const auto name = percent_decode(pair.substr(0, equals));
  if (!name) return fail(Error::malformed);
  if (*name == kIntent) return take(out.intent, seen.intent, value, kMaxTagCharacters, false);
  if (*name == kGroup) return take(out.group, seen.group, value, kMaxTagCharacters, false);
  if (*name == kBody) return take(out.body, seen.body, value, kMaxPrefillCharacters, true);
  if (*name != kGateway) return {};
  if (std::exchange(seen.gateway, true)) return fail(Error::malformed);
  const auto text = percent_decode(value);
  const auto bytes = text ? from_base64url(text->view()) : std::nullopt;
  out.gateway = bytes ? GatewayFingerprint::from(*bytes) : std::nullopt;
  if (!out.gateway) return fail(Error::malformed);
  return {};
}

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}
/// Schemes have no case (RFC 3986 section 3.1, RFC 8141 section 3.1).
bool take_scheme(std::string_view& link, std::string_view scheme) {
  if (!std::ranges::equal(link.substr(0, scheme.size()), scheme, {}, lower)) return false;
  link.remove_prefix(scheme.size());
  return true;
}

/// `https://<host>/`, off the front; or nothing.
Result<void, Error> take_host(std::string_view& link, std::string& host) {
  if (!take_scheme(link, kHttps)) return {};
  const std::size_t slash = link.find('/');
  if (slash == link.npos) return fail(Error::malformed);
  std::ranges::transform(link.substr(0, slash), std::back_inserter(host), lower);
  if (!is_host(host)) return fail(Error::malformed);
  link.remove_prefix(slash + 1);
  return {};
}

}  // namespace

Result<EntryLink, Error> parse_entry_link(std::string_view link) {
  if (link.size() > kMaxEntryLinkBytes) return fail(Error::oversized);
  if (!std::ranges::all_of(link, [](char c) { return c > ' ' && c <= '~' && c != '#'; })) {
    return fail(Error::malformed);
  }
  EntryLink out;
  OPALINE_CHECK(take_host(link, out.host));
  if (!take_scheme(link, kUrn)) return fail(Error::malformed);
  const auto business = parse_uuid(link.substr(0, kUuidCharacters));
  if (!business) return fail(Error::malformed);
  out.business = *business;
  link.remove_prefix(kUuidCharacters);
  if (!link.empty() && !link.starts_with('?')) return fail(Error::malformed);
  if (!link.empty()) link.remove_prefix(1);
  Seen seen;
  while (!link.empty()) {
    const std::size_t end = std::min(link.find('&'), link.size());
    OPALINE_CHECK(take_parameter(out, seen, link.substr(0, end)));
    link.remove_prefix(std::min(end + 1, link.size()));
  }
  return out;
}

Result<std::string, Error> write_entry_link(const EntryLink& link) {
  if (!link.host.empty() && !is_host(link.host)) return fail(Error::malformed);
  OPALINE_CHECK(check_text(link.intent.view(), kMaxTagCharacters, false));
  OPALINE_CHECK(check_text(link.group.view(), kMaxTagCharacters, false));
  OPALINE_CHECK(check_text(link.body.view(), kMaxPrefillCharacters, true));
  std::string out = link.host.empty() ? std::string{} : std::string(kHttps) + link.host + '/';
  out += std::string(kUrn) + to_text(link.business);
  char separator = '?';
  const auto add = [&](std::string_view name, std::string_view value) {
    if (value.empty()) return;
    out += std::exchange(separator, '&');
    out += name;
    out += '=';
    percent_encode(out, value);
  };
  add(kIntent, link.intent.view());
  add(kGroup, link.group.view());
  add(kBody, link.body.view());
  if (link.gateway) add(kGateway, to_base64url(link.gateway->view()));
  if (out.size() > kMaxEntryLinkBytes) return fail(Error::oversized);
  return out;
}

}  // namespace opaline::msp
