#pragma once
// Port: the keys that make stored bytes readable. Lives outside the data directory and its backups (DESIGN: promise 4).
#include <string_view>

#include "base/result.hpp"
#include "base/secret.hpp"
#include "base/time.hpp"

namespace opaline::store {

using DayKey = Secret<struct DayKeyTag, 32>;
using VaultKey = Secret<struct VaultKeyTag, 32>;

enum class VaultError : std::uint8_t {
  destroyed,  ///< there was such a key; it is gone for ever
  missing,    ///< there is no such key, and it was not destroyed
  full,       ///< the vault's disk is full: no key was made
  failed,     ///< the vault's disk failed or its files are damaged
};

/// Whether a named key may be called so: 1 to 64 of a-z 0-9 and -. Anything else is our own bug (asserted).
[[nodiscard]] constexpr bool is_vault_purpose(std::string_view purpose) {
  for (const char c : purpose) {
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-')) return false;
  }
  return !purpose.empty() && purpose.size() <= 64;
}

/// Thread-safe.
class KeyVault {
 public:
  virtual ~KeyVault() = default;
  /// The key of a day; made and synced to stable storage at first use unless that day or a later one was destroyed.
  [[nodiscard]] virtual Result<DayKey, VaultError> day_key(Day day) = 0;
  /// As day_key, but never makes one: `missing` where there is none.
  [[nodiscard]] virtual Result<DayKey, VaultError> existing_day_key(Day day) = 0;
  /// Overwrites and removes the keys of all days up to and including `day`; synced when it returns.
  [[nodiscard]] virtual Result<void, VaultError> destroy_through(Day day) = 0;
  /// A long-lived key with a purpose ("rows", "index", "send-token", ...: 1 to 64 of a-z 0-9 and -); made and synced at
  /// first use.
  [[nodiscard]] virtual Result<VaultKey, VaultError> named_key(std::string_view purpose) = 0;
};

}  // namespace opaline::store
