#include "store/drivers/memory_key_vault.hpp"

namespace opaline::store {

Result<DayKey, VaultError> MemoryKeyVault::day_key(Day day) {
  auto existing = existing_day_key(day);
  if (existing || existing.error() != VaultError::missing) return existing;
  if (full) return fail(VaultError::full);
  DayKey key;
  random_.fill(key.fill());
  return days_.emplace(day, std::move(key)).first->second.clone();
}

Result<DayKey, VaultError> MemoryKeyVault::existing_day_key(Day day) {
  if (failed) return fail(VaultError::failed);
  if (destroyed_ && day <= *destroyed_) return fail(VaultError::destroyed);
  const auto found = days_.find(day);
  if (found == days_.end()) return fail(VaultError::missing);
  return found->second.clone();
}

Result<void, VaultError> MemoryKeyVault::destroy_through(Day day) {
  if (failed) return fail(VaultError::failed);
  if (!destroyed_ || *destroyed_ < day) destroyed_ = day;
  days_.erase(days_.begin(), days_.upper_bound(day));
  return {};
}

Result<VaultKey, VaultError> MemoryKeyVault::named_key(std::string_view purpose) {
  OPALINE_ASSERT(is_vault_purpose(purpose));
  if (failed) return fail(VaultError::failed);
  const auto found = named_.find(purpose);
  if (found != named_.end()) return found->second.clone();
  if (full) return fail(VaultError::full);
  VaultKey key;
  random_.fill(key.fill());
  return named_.emplace(std::string(purpose), std::move(key)).first->second.clone();
}

}  // namespace opaline::store
