#pragma once
#include <mutex>

#include "store/drivers/memory_key_vault.hpp"

namespace opaline::store::conformance {

/// A MemoryKeyVault that several threads may use, and whose faults a test sets.
class FaultyVault final : public KeyVault {
 public:
  explicit FaultyVault(std::uint64_t seed) : random_(seed), vault_(random_) {}

  void set_full(bool on) {
    const std::lock_guard lock(mutex_);
    vault_.full = on;
  }
  void set_failed(bool on) {
    const std::lock_guard lock(mutex_);
    vault_.failed = on;
  }
  [[nodiscard]] Result<DayKey, VaultError> day_key(Day day) override {
    const std::lock_guard lock(mutex_);
    return vault_.day_key(day);
  }
  [[nodiscard]] Result<DayKey, VaultError> existing_day_key(Day day) override {
    const std::lock_guard lock(mutex_);
    return vault_.existing_day_key(day);
  }
  [[nodiscard]] Result<void, VaultError> destroy_through(Day day) override {
    const std::lock_guard lock(mutex_);
    return vault_.destroy_through(day);
  }
  [[nodiscard]] Result<VaultKey, VaultError> named_key(std::string_view purpose) override {
    const std::lock_guard lock(mutex_);
    return vault_.named_key(purpose);
  }

 private:
  std::mutex mutex_;
  SeededRandom random_;
  MemoryKeyVault vault_;
};

}  // namespace opaline::store::conformance
