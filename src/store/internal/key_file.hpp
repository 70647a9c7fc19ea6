#pragma once
// The vault's files. A key file, and the file `state`:
//
//   "OPALVLT1" || u8 kind || u16 length || file's name || nonce (12) || AES-256-GCM-SIV(wrapping key, nonce, payload,
//   aad)
//
// aad is all that comes before the nonce. kind 'k': payload is a key of 32 bytes. kind 's': payload is u8 1 || u32 the
// last day that was destroyed, or u8 0 if none was; then the purposes of the named keys there are, each u16 length ||
// text. The wrapping key is HKDF-SHA-256(salt "opaline vault", the master
// file's bytes, info "wrap 1").
#include <functional>
#include <set>
#include <string>

#include "base/random.hpp"
#include "base/secret.hpp"
#include "base/time.hpp"

namespace opaline::store::internal {

using WrapKey = Secret<struct WrapKeyTag, 32>;
inline constexpr std::uint8_t kKeyKind = 'k';
inline constexpr std::uint8_t kStateKind = 's';

[[nodiscard]] WrapKey wrap_key_of(ByteView master);
/// The whole file.
[[nodiscard]] Bytes wrap(const WrapKey& key, std::uint8_t kind, std::string_view name, ByteView payload,
                         RandomSource& random);
/// The payload; nullopt unless the file was made with this key, for this kind and name.
[[nodiscard]] std::optional<SecretBytes> unwrap(const WrapKey& key, std::uint8_t kind, std::string_view name,
                                                ByteView file);

/// The payload of the file `state`.
struct VaultState {
  std::optional<Day> destroyed;              ///< the last day that was destroyed
  std::set<std::string, std::less<>> named;  ///< purposes of the named keys that were made
};
[[nodiscard]] Bytes encode_state(const VaultState& state);
/// nullopt: malformed.
[[nodiscard]] std::optional<VaultState> decode_state(ByteView payload);

}  // namespace opaline::store::internal
