#pragma once
// U+FFFC OBJECT REPLACEMENT CHARACTER: where in a text an attachment stands.
#include "msp/text.hpp"

namespace opaline::msp::internal {

inline constexpr std::string_view kPlaceholder = "\xef\xbf\xbc";

[[nodiscard]] inline std::size_t count_placeholders(std::string_view text) {
  std::size_t out = 0;
  for (std::size_t at = text.find(kPlaceholder); at != text.npos; at = text.find(kPlaceholder, at + 1)) ++out;
  return out;
}

/// Puts those that are missing at the end. False if there are too many; then `body` is as it was.
[[nodiscard]] inline bool complete_placeholders(Text& body, std::size_t attachments) {
  const std::size_t there = count_placeholders(body.view());
  for (std::size_t i = there; i < attachments; ++i) body.append(kPlaceholder);
  return there <= attachments;
}

/// A text with exactly `attachments` of them: surplus ones go, from the end; missing ones come, at the end.
[[nodiscard]] inline Text with_placeholders(std::string_view text, std::size_t attachments) {
  Text out;
  std::size_t kept = 0;
  while (!text.empty()) {
    const std::size_t at = text.find(kPlaceholder);
    out.append(text.substr(0, at));
    if (at == text.npos) break;
    if (kept++ < attachments) out.append(kPlaceholder);
    text.remove_prefix(at + kPlaceholder.size());
  }
  static_cast<void>(complete_placeholders(out, attachments));
  return out;
}

}  // namespace opaline::msp::internal
