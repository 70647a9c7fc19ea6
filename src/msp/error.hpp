#pragma once
// What can be wrong with what others send.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace opaline::msp {

enum class Error : std::uint8_t {
  missing,          ///< a required field or header is not there
  malformed,        ///< it has not the form that it must have
  oversized,        ///< a limit of limits.hpp is exceeded
  mismatch,         ///< two places that must say the same do not
  unsupported,      ///< it is well-formed and does not exist here (Apple Pay; a token's algorithm)
  unauthorized,     ///< no Authorization at all
  forbidden,        ///< Authorization that does not allow this; says no more to the peer
  wrong_signature,  ///< a token that was not made with this secret
  wrong_party,      ///< a token for another MSP
  too_old,          ///< a token older than allowed, or past its own `exp`
  from_future,      ///< a token whose time has not come
  unsafe_text,      ///< a prefilled text that hides what it says (is_plain_text)
  not_offered,      ///< an answer that was not among the offered ones
  incomplete,       ///< an answer without something that was required
  unknown,          ///< a destination that cannot exist
  closed,           ///< the person has closed the conversation
  quota,            ///< too much in too short a time; later
  unavailable,      ///< not now; later
  internal,         ///< our fault
};
/// "missing", "malformed", ...: stable, for programs.
[[nodiscard]] std::string_view name(Error error);

/// Why a request is refused, in a way that its sender can act on. Never holds a value of what was sent: `pointer` has
/// only names that the contract knows and array indexes, `message` is a fixed sentence.
struct Problem {
  unsigned status = 400;                         ///< HTTP: 400, 401, 403, 404 or 413; of a gateway any
  Error error{};                                 ///< for programs
  std::string pointer;                           ///< RFC 6901, into the body; empty: the whole of it, or a header
  std::string_view header;                       ///< the header it is about, in lower case; empty: none
  std::string_view message;                      ///< what is wrong and what to do; of static storage
  std::optional<std::size_t> offset_bytes = {};  ///< where the body stops being JSON

  friend bool operator==(const Problem&, const Problem&) = default;
};
/// `{"error": "...", "message": "...", "pointer": "..."}` (or `"header"` in place of `"pointer"`; where the body is no
/// JSON also `"offset"`): the body of the answer, application/json.
[[nodiscard]] std::string to_json(const Problem& problem);

}  // namespace opaline::msp
