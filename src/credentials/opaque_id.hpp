#pragma once
// Opaque ids (docs/adr/0015-personas.md): what a business knows a person by.
#include <compare>
#include <optional>
#include <string>
#include <string_view>

#include "base/ids.hpp"

namespace opaline::credentials {

inline constexpr std::string_view kOpaqueIdPrefix = "urn:mbid:";
/// u8 key version, then the sealed (account (16), u32 generation) with its tag (16).
inline constexpr std::size_t kOpaqueIdBytes = 1 + 16 + 4 + 16;

/// Well-formed; whether it is anybody's is known to the identity service alone. Compared as a string, as its businesses
/// do.
class OpaqueId {
 public:
  explicit OpaqueId(const ByteArray<kOpaqueIdBytes>& bytes) : bytes_(bytes) {}
  /// "urn:mbid:" and 50 characters of base64url, in the one way of writing that there is; else nullopt.
  [[nodiscard]] static std::optional<OpaqueId> parse(std::string_view text);
  [[nodiscard]] std::string text() const;
  [[nodiscard]] const ByteArray<kOpaqueIdBytes>& bytes() const { return bytes_; }
  /// The account id that the persona has in sessions: the first 16 bytes of SHA-256(label || bytes). Both sides compute
  /// it, so that a session is bound to the opaque id.
  [[nodiscard]] AccountId persona() const;
  friend auto operator<=>(const OpaqueId&, const OpaqueId&) = default;

 private:
  ByteArray<kOpaqueIdBytes> bytes_;
};

}  // namespace opaline::credentials
