// What a service says of a business: whatever it is, one line each of text that hides nothing, and a host name.
#include "base/utf8.hpp"
#include "client/business_profile.hpp"
#include "fuzz/targets.hpp"
#include "msp/text.hpp"
#include "proto/device.pb.h"

namespace opaline::fuzz {
namespace {

void check_line(std::string_view text, std::size_t max_characters) {
  OPALINE_ASSERT(msp::is_text(text) && msp::is_plain_text(text));
  OPALINE_ASSERT(text.find('\n') == std::string_view::npos && text.find('\t') == std::string_view::npos);
  OPALINE_ASSERT(msp::count_characters(text) <= max_characters);
}

void check(const AccountId& business, ByteView body) {
  const auto profile = client::read_profile(business, body);
  if (!profile) return;
  check_line(profile->name, client::kMaxProfileNameCharacters);
  OPALINE_ASSERT(!profile->name.empty());
  check_line(profile->away_text, client::kMaxProfileAwayTextCharacters);
  for (const char c : profile->website)
    OPALINE_ASSERT((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.');
}

}  // namespace

void profile(ByteView input) {
  constexpr std::string_view kId = "0123456789abcdef";
  const auto [what, rest] = choose(input, 3);
  const AccountId business = *AccountId::from(as_view(kId));
  wire::v1::BusinessProfile said;
  if (what == 0) return check(business, rest);
  if (what == 1) {  // the right business, whatever else is said
    said.set_business(std::string(kId));
    Bytes body = to_bytes(said.SerializeAsString());
    append(body, rest);
    return check(business, body);
  }
  check_line(client::one_line(as_text(rest), 50), 50);
}

}  // namespace opaline::fuzz
