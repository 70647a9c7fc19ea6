#pragma once
// Text in HTML pages, in elements and in quoted attributes.
#include <string>
#include <string_view>

namespace opaline {

/// What stands for a character that HTML gives a meaning; empty: the character itself.
[[nodiscard]] constexpr std::string_view html_entity(char c) {
  switch (c) {
    case '&':
      return "&amp;";
    case '<':
      return "&lt;";
    case '>':
      return "&gt;";
    case '"':
      return "&quot;";
    case '\'':
      return "&#39;";
    default:
      return {};
  }
}

[[nodiscard]] inline std::string escape_html(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    const auto entity = html_entity(c);
    entity.empty() ? out.push_back(c) : void(out += entity);
  }
  return out;
}

}  // namespace opaline
