#pragma once
// Text that people wrote, for people to read: message bodies, titles, answers. Wiped when freed, and never in a
// std::string, whose short form lies on the stack unwiped.
#include <string_view>
#include <vector>

#include "base/secret.hpp"

namespace opaline::msp {

/// Valid UTF-8 without NUL, of any length its user allows. Copies are deep.
class Text {
 public:
  Text() = default;
  explicit Text(std::string_view utf8) : utf8_(utf8.begin(), utf8.end()) {}
  /// Valid as long as this object is, and unchanged.
  [[nodiscard]] std::string_view view() const { return {utf8_.data(), utf8_.size()}; }
  [[nodiscard]] bool empty() const { return utf8_.empty(); }
  void append(std::string_view more) { utf8_.insert(utf8_.end(), more.begin(), more.end()); }
  friend bool operator==(const Text&, const Text&) = default;
  friend bool operator==(const Text& a, std::string_view b) { return a.view() == b; }

 private:
  std::vector<char, WipingAllocator<char>> utf8_;
};

/// Valid UTF-8 (RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF) without NUL.
[[nodiscard]] bool is_text(std::string_view utf8);
/// Code points of valid UTF-8.
[[nodiscard]] std::size_t count_characters(std::string_view utf8);
/// True if a text has none of what hides, reorders or forges what a person reads: control characters (C0 but line feed
/// and tab, DEL, C1), line and paragraph separators, marks that turn the direction of writing, what has no width
/// but U+200C and U+200D (which scripts and emoji need), tags (U+E0000 to U+E007F) and the placeholder of attachments
/// (U+FFFC).
[[nodiscard]] bool is_plain_text(std::string_view utf8);

}  // namespace opaline::msp
