#include "client/business_profile.hpp"

#include <algorithm>

#include "base/utf8.hpp"
#include "client/persona_home.hpp"
#include "client/replies.hpp"
#include "msp/text.hpp"
#include "net/address.hpp"
#include "proto/device.pb.h"

namespace opaline::client {
namespace {

/// A bare host name: what is shown as one, and asked, can be nothing else (a path, a port, another name before an @).
bool is_host(std::string_view text) {
  const bool plain = !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
  });
  if (!plain) return false;
  const auto url = net::Url::parse("https://" + std::string(text) + "/");
  return url && url->host == text;
}

}  // namespace

std::string one_line(std::string_view utf8, std::size_t max_characters) {
  std::string out;
  ByteView rest = as_view(utf8);
  for (std::size_t used = 0; used < max_characters; ++used) {
    const auto c = first_code_point(rest);
    if (!c) break;
    const std::string_view one = as_text(rest.first(c->bytes));
    if (c->value == '\n' || c->value == '\t')
      out += ' ';
    else
      out += msp::is_plain_text(one) ? one : "\xef\xbf\xbd";
    rest = rest.subspan(c->bytes);
  }
  return out;
}

Result<BusinessProfile, Failure> read_profile(const AccountId& business, ByteView body) {
  wire::v1::BusinessProfile said;
  if (body.size() > kMaxProfileBytes || !said.ParseFromArray(body.data(), static_cast<int>(body.size())))
    return fail(senseless_answer());
  if (!equal(as_view(said.business()), business.view())) return fail(senseless_answer());
  BusinessProfile out;
  if (!said.gateway().empty()) {
    if (said.gateway().size() != out.gateway.size()) return fail(senseless_answer());
    std::ranges::copy(as_view(said.gateway()), out.gateway.begin());
    if (!out.has_gateway()) return fail(senseless_answer());
  }
  out.own_gateway = said.own_gateway();
  out.carrier = said.carrier();
  out.name = one_line(said.name(), kMaxProfileNameCharacters);
  const bool blank = std::ranges::all_of(out.name, [](char c) { return c == ' '; });
  if (blank) out.name = business_urn(business);
  if (is_host(said.website())) out.website = said.website();
  out.away_text = one_line(said.away_text(), kMaxProfileAwayTextCharacters);
  return out;
}

}  // namespace opaline::client
