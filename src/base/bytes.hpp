#pragma once
// Byte strings: the one vocabulary that all rooms share. No I/O, no exceptions thrown by our code.
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace opaline {

using Bytes = std::vector<std::byte>;
/// A borrowed view; valid until the call it is passed to returns, unless that call's declaration says otherwise.
using ByteView = std::span<const std::byte>;
template <std::size_t N>
using ByteArray = std::array<std::byte, N>;
template <std::size_t N>
using FixedView = std::span<const std::byte, N>;

/// The bytes of a text, without a terminator. The view borrows `text`.
[[nodiscard]] inline ByteView as_view(std::string_view text) {
  return std::as_bytes(std::span<const char>(text.data(), text.size()));
}
[[nodiscard]] inline std::string_view as_text(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
[[nodiscard]] inline Bytes to_bytes(ByteView view) {
  return {view.begin(), view.end()};
}
[[nodiscard]] inline Bytes to_bytes(std::string_view text) {
  return to_bytes(as_view(text));
}
[[nodiscard]] inline std::string to_string(ByteView view) {
  return std::string(as_text(view));
}
inline void append(Bytes& out, ByteView more) {
  out.insert(out.end(), more.begin(), more.end());
}
[[nodiscard]] inline bool equal(ByteView a, ByteView b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0);
}
/// Copies exactly N bytes; `view.size()` must be N (asserted).
template <std::size_t N>
[[nodiscard]] ByteArray<N> to_array(ByteView view) {
  ByteArray<N> out{};
  if (view.size() != N) __builtin_trap();
  std::memcpy(out.data(), view.data(), N);
  return out;
}

/// Lower-case hexadecimal (RFC 4648 section 8, in lower case).
[[nodiscard]] std::string to_hex(ByteView bytes);
/// Accepts both cases; nullopt for an odd length or any other character.
[[nodiscard]] std::optional<Bytes> from_hex(std::string_view hex);
/// base64url without padding (RFC 4648 section 5).
[[nodiscard]] std::string to_base64url(ByteView bytes);
/// Canonical only: no padding, no stray bits in the last character; nullopt otherwise.
[[nodiscard]] std::optional<Bytes> from_base64url(std::string_view text);

}  // namespace opaline
