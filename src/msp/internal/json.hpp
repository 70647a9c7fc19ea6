#pragma once
// JSON from strangers: bounded, without duplicate members, without NUL, in memory that is wiped. Boost.JSON has the
// grammar, UTF-8 and surrogates; everything else is here.
#include <boost/json/value.hpp>

#include "base/secret.hpp"
#include "msp/error.hpp"
#include "msp/limits.hpp"

namespace opaline::msp::internal {

namespace json = boost::json;

struct JsonLimits {
  std::size_t bytes = kMaxBodyBytes;
  std::size_t depth = kMaxJsonDepth;
  std::size_t nodes = kMaxJsonNodes;
};

/// The value, in wiped memory of its own, without members that are null: null is as absent. `at` begins the pointers of
/// problems. oversized (413): more bytes or nodes than allowed. malformed (400): all else, depth included.
[[nodiscard]] Result<json::value, Problem> read_json(ByteView text, const JsonLimits& limits = {},
                                                     std::string_view at = {});

/// RFC 8785 in its spirit: no white space, members in the order of their names' UTF-8 bytes, shortest numbers and
/// escapes. read_json of it and this again give the same bytes.
[[nodiscard]] SecretBytes canonical(const json::value& value);
/// As canonical, of JSON that we have written (asserted to be JSON).
[[nodiscard]] SecretBytes canonical(ByteView written);

/// True for the names of the contract: a pointer may hold no others, since a name, too, can be somebody's secret.
[[nodiscard]] bool is_known_name(std::string_view name);
/// Appends "/" and a known name, else "/?".
void append_name(std::string& pointer, std::string_view name);

}  // namespace opaline::msp::internal
