#pragma once
// Handles: what people call each other by. One text per handle everywhere behind normalize_handle().
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.hpp"

namespace opaline::identity {

enum class HandleKind : std::uint8_t { phone = 1, email = 2 };

/// Longest handle as given and as stored: an e-mail address's path without its brackets (RFC 5321 section 4.5.3.1.3).
inline constexpr std::size_t kMaxHandleBytes = 254;

/// A normalised handle. Phone: E.164, '+' and up to 15 digits. E-mail: lower case throughout, ASCII.
class Handle {
 public:
  [[nodiscard]] HandleKind kind() const { return kind_; }
  [[nodiscard]] const std::string& text() const { return text_; }
  friend auto operator<=>(const Handle&, const Handle&) = default;

  /// A text that normalize_handle gave before (stored rows): only its kind is looked at.
  [[nodiscard]] static Handle from_stored(std::string text);

 private:
  friend std::optional<Handle> normalize_handle(std::string_view);
  Handle(HandleKind kind, std::string text) : kind_(kind), text_(std::move(text)) {}
  HandleKind kind_;
  std::string text_;
};

/// nullopt: neither a phone number nor an e-mail address that we take.
/// - Phone: '+', country code, number; spaces, '-', '.', '(', ')' and '/' between digits are dropped. The length must
/// be possible for the
///   country (libphonenumber's metadata); whether the number range is in use is not asked, for that changes faster than
///   packages do.
/// - E-mail: dot-atom local part of at most 64 bytes (RFC 5322 section 3.2.3; no quotes, no comments), '@', a domain of
/// two or more LDH
///   labels (RFC 5321 section 4.1.2, RFC 1123 section 2.1) that does not end in a number; ASCII only (internationalised
///   domains in their "xn--" form). The local part is lowered too, though RFC 5321 section 2.4 lets it be
///   case-sensitive: no provider in use tells addresses apart by case, and two handles that look alike would be a trap.
[[nodiscard]] std::optional<Handle> normalize_handle(std::string_view text);

}  // namespace opaline::identity
