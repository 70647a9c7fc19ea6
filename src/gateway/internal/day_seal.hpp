#pragma once
// What people and businesses write, sealed so that it ends with its day:
//   u8 version (1) || u32 day || 12 bytes nonce || AES-256-GCM-SIV(key of that day, nonce, place, plain)
#include "base/random.hpp"
#include "base/time.hpp"
#include "endpoint/endpoint_store.hpp"
#include "store/key_vault.hpp"

namespace opaline::gateway::internal {

/// As the relay keeps its ciphertexts (DESIGN, promise 4).
inline constexpr std::uint32_t kWaitingDays = 30;

/// Borrows all it is given.
class DaySeal {
 public:
  DaySeal(store::KeyVault& vault, const Clock& clock, const Clock& expiry, RandomSource& random)
      : vault_(vault), clock_(clock), expiry_(expiry), random_(random) {}

  /// Under today's key; `place` binds it to its row. full, failed: the vault has no key for today.
  [[nodiscard]] Result<Bytes, endpoint::StoreError> seal(ByteView place, ByteView plain);
  /// nullopt: its day is over, or it is not ours. failed: the vault cannot be read.
  [[nodiscard]] Result<std::optional<SecretBytes>, endpoint::StoreError> open(ByteView place, ByteView sealed);

 private:
  store::KeyVault& vault_;
  const Clock& clock_;
  const Clock& expiry_;
  RandomSource& random_;
};

}  // namespace opaline::gateway::internal
