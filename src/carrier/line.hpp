#pragma once
// What a person's device and the carrier's software (room sms) write to each other: ordinary texts of a conversation
// with a business, that begin with a line which names a telephone number (docs/sms.md, "The lines"). Strict: what does
// not have the form is no such text, and two programs that read it agree.
//   to the carrier    NUMBER LF TEXT
//   from the carrier  NUMBER SP "reply" LF TEXT
//                     NUMBER SP ("delivered" / "failed" / "unknown" / "too_long") SP ID
//                     NUMBER SP "over_budget" SP ID SP "later=" SECONDS
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/ids.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"
#include "base/time.hpp"

namespace opaline::carrier {

/// '+', then 7 to 15 digits of which the first is no 0 (ITU-T E.164 section 6.2.1).
[[nodiscard]] bool is_number(std::string_view text);

/// A text for a number. `text` is not empty, and UTF-8 without NUL; what fits into short messages shape_of() tells.
struct ToCarrier {
  std::string number;
  SecretBytes text;
  friend bool operator==(const ToCarrier&, const ToCarrier&) = default;
};
/// For what parse_to_carrier takes (asserted).
[[nodiscard]] SecretBytes write(const ToCarrier& message);
[[nodiscard]] std::optional<ToCarrier> parse_to_carrier(ByteView text);

/// What became of a text.
enum class Fate : std::uint8_t {
  delivered,    ///< the carrier says that the telephone has it
  failed,       ///< it was not taken, or the carrier says that it did not arrive
  unknown,      ///< it may have gone out: nobody can say. It is not repeated
  too_long,     ///< no carrier takes it: more than kMaxParts
  over_budget,  ///< it was never tried; `later` says when it can be
};
/// The word in a line.
[[nodiscard]] std::string_view name(Fate fate);

struct Report {
  std::string number;
  Fate fate{};
  MessageId message;  ///< of the person's text
  seconds later{};    ///< of over_budget alone: 1 to 86,400
  friend bool operator==(const Report&, const Report&) = default;
};
/// Somebody at that number has written. `text` as in ToCarrier, but may be empty.
struct Reply {
  std::string number;
  SecretBytes text;
  friend bool operator==(const Reply&, const Reply&) = default;
};
using FromCarrier = std::variant<Report, Reply>;
/// For what parse_from_carrier takes (asserted).
[[nodiscard]] SecretBytes write(const FromCarrier& message);
[[nodiscard]] std::optional<FromCarrier> parse_from_carrier(ByteView text);

/// `sms:` link to write the text with another program (RFC 5724 section 2): for where nobody hands texts to carriers.
[[nodiscard]] SecretBytes sms_link(std::string_view number, ByteView text);

}  // namespace opaline::carrier
