#pragma once
// One byte form for everything that is signed or hashed: JSON in the form of RFC 8785, of strings, integers, arrays and
// objects alone.
#include <boost/json.hpp>
#include <optional>
#include <string>

#include "base/rfc3339.hpp"
#include "crypto/hash.hpp"

namespace opaline::records {

/// Longest text that parse() looks at, and how deep it goes.
inline constexpr std::size_t kMaxJsonBytes = std::size_t{192} << 20;
inline constexpr std::size_t kMaxJsonDepth = 12;

/// RFC 8785. nullopt: a value that is no string, integer of at most 2^53 - 1, array or object; a name that is not
/// ASCII; or text that is not UTF-8.
[[nodiscard]] std::optional<std::string> canonical(const boost::json::value& value);
/// Of what this program made itself: asserts that it has a canonical form.
[[nodiscard]] std::string canonical_own(const boost::json::value& value);
/// Exactly what canonical() gives, and nothing else: no other order, no space, no name twice.
[[nodiscard]] std::optional<boost::json::value> parse_canonical(std::string_view text);

[[nodiscard]] crypto::Sha256Digest sha256_of(std::string_view text);
[[nodiscard]] std::string sha256_hex(ByteView bytes);

// ---- fields of an object; nullopt: not there, or of another kind
[[nodiscard]] std::optional<std::string> text_of(const boost::json::object& object, std::string_view name);
[[nodiscard]] std::optional<std::uint64_t> number_of(const boost::json::object& object, std::string_view name);
[[nodiscard]] const boost::json::object* object_of(const boost::json::object& object, std::string_view name);
[[nodiscard]] const boost::json::array* array_of(const boost::json::object& object, std::string_view name);
/// Bytes as base64url, of exactly N.
template <class Id>
[[nodiscard]] std::optional<Id> id_of(const boost::json::object& object, std::string_view name) {
  const auto text = text_of(object, name);
  const auto bytes = text ? from_base64url(*text) : std::nullopt;
  return bytes ? Id::from(*bytes) : std::nullopt;
}
/// Whether these are its names, each of them and no other.
[[nodiscard]] bool has_exactly(const boost::json::object& object, std::initializer_list<std::string_view> names);

// ---- times, UTC
[[nodiscard]] inline std::string to_text(Time time) {
  return rfc3339(time);
}
[[nodiscard]] inline std::string to_text_millis(Time time) {
  return rfc3339_millis(time);
}
[[nodiscard]] inline std::string to_text(std::chrono::sys_days date) {
  return rfc3339_date(date);
}
/// Exactly the forms of base/rfc3339.hpp, of days that exist, years 1970 to 9999.
[[nodiscard]] std::optional<Time> time_from(std::string_view text);
[[nodiscard]] std::optional<Time> time_millis_from(std::string_view text);
[[nodiscard]] std::optional<std::chrono::sys_days> date_from(std::string_view text);

}  // namespace opaline::records
