#include "identity/handle.hpp"

#include <algorithm>

#include "base/result.hpp"
#include "identity/phone_number.hpp"

namespace opaline::identity {
namespace {

constexpr std::size_t kMaxLocalPartBytes = 64;  // RFC 5321 section 4.5.3.1.1
constexpr std::size_t kMaxLabelBytes = 63;      // RFC 1035 section 2.3.4

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_lower(char c) {
  return c >= 'a' && c <= 'z';
}
/// RFC 5322 section 3.2.3, atext, already lowered.
bool is_atext(char c) {
  return is_lower(c) || is_digit(c) || std::string_view("!#$%&'*+-/=?^_`{|}~").find(c) != std::string_view::npos;
}

/// Calls `piece` for each part between dots; false as soon as it says so.
template <class F>
bool all_dotted(std::string_view text, F piece) {
  for (;;) {
    const std::size_t dot = text.find('.');
    if (!piece(text.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    text.remove_prefix(dot + 1);
  }
}

bool is_dot_atom(std::string_view local) {
  return local.size() <= kMaxLocalPartBytes &&
         all_dotted(local, [](std::string_view atom) { return !atom.empty() && std::ranges::all_of(atom, is_atext); });
}

bool is_domain(std::string_view domain) {
  const std::size_t last_dot = domain.rfind('.');
  if (last_dot == std::string_view::npos || domain.size() > 253) return false;
  if (std::ranges::all_of(domain.substr(last_dot + 1), is_digit)) return false;  // an IPv4 address
  return all_dotted(domain, [](std::string_view label) {
    return !label.empty() && label.size() <= kMaxLabelBytes && label.front() != '-' && label.back() != '-' &&
           std::ranges::all_of(label, [](char c) { return is_lower(c) || is_digit(c) || c == '-'; });
  });
}

}  // namespace

Handle Handle::from_stored(std::string text) {
  const HandleKind kind = text.starts_with('+') ? HandleKind::phone : HandleKind::email;
  return {kind, std::move(text)};
}

std::optional<Handle> normalize_handle(std::string_view text) {
  if (text.empty() || text.size() > kMaxHandleBytes) return std::nullopt;
  if (text.starts_with('+') && text.find('@') == std::string_view::npos) {
    auto phone = normalize_phone(text);
    if (!phone) return std::nullopt;
    return Handle(HandleKind::phone, std::move(phone->e164));
  }
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');  // ASCII alone, whatever the locale
  }
  // '+' in front would make a stored address look like a number; no provider hands such addresses out.
  const std::size_t at = lower.find('@');
  if (at == std::string::npos || lower.front() == '+') return std::nullopt;
  const std::string_view whole(lower);
  if (!is_dot_atom(whole.substr(0, at)) || !is_domain(whole.substr(at + 1))) return std::nullopt;
  return Handle(HandleKind::email, std::move(lower));
}

}  // namespace opaline::identity
