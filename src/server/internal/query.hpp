#pragma once
// Parameters of a request's query (RFC 3986 section 3.4), for those of ours that are numbers and hexadecimal: nothing
// is decoded.
#include <charconv>
#include <cstdint>
#include <optional>
#include <string_view>

namespace opaline::server::internal {

/// The value of the first parameter of that name; nullopt if it is not there.
[[nodiscard]] inline std::optional<std::string_view> parameter(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    const auto end = query.find('&');
    const auto pair = query.substr(0, end);
    if (pair.starts_with(name) && pair.substr(name.size()).starts_with('=')) return pair.substr(name.size() + 1);
    query = end == query.npos ? std::string_view{} : query.substr(end + 1);
  }
  return std::nullopt;
}

/// Decimal digits and nothing else.
[[nodiscard]] inline std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc{} || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return out;
}

}  // namespace opaline::server::internal
