#pragma once
#include <map>
#include <string>

#include "base/random.hpp"
#include "store/key_vault.hpp"

namespace opaline::store {

/// KeyVault in RAM, for tests and the simulator: its contents survive a simulated crash, as synced files do, for as
/// long as this object lives. Not thread-safe.
class MemoryKeyVault final : public KeyVault {
 public:
  explicit MemoryKeyVault(RandomSource& random) : random_(random) {}

  [[nodiscard]] Result<DayKey, VaultError> day_key(Day day) override;
  [[nodiscard]] Result<DayKey, VaultError> existing_day_key(Day day) override;
  [[nodiscard]] Result<void, VaultError> destroy_through(Day day) override;
  [[nodiscard]] Result<VaultKey, VaultError> named_key(std::string_view purpose) override;

  // What goes wrong, to be set by the test at any time.
  bool full = false;    ///< no new key is made
  bool failed = false;  ///< every call fails

 private:
  RandomSource& random_;
  std::map<Day, DayKey> days_;
  std::map<std::string, VaultKey, std::less<>> named_;
  std::optional<Day> destroyed_;
};

}  // namespace opaline::store
