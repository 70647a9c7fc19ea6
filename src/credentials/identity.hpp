#pragma once
// Who a device is to others (docs/protocol.md, section Identities): a hybrid signing key, and beside it an X25519
// identity key for handshakes, which the account's device list certifies. No key serves two algorithms.
#include "crypto/sign.hpp"
#include "crypto/x25519.hpp"

namespace opaline::credentials {

/// One device of one account. The number is never reused within the account.
struct DeviceAddress {
  AccountId account;
  DeviceNumber device{};
  friend auto operator<=>(const DeviceAddress&, const DeviceAddress&) = default;
};

/// SHA-256 of a device's public keys: names the device's keys where the keys themselves are too long.
using IdentityHash = ByteId<struct IdentityHashTag, 32>;

struct DevicePublicKeys {
  static constexpr std::size_t kSize = crypto::HybridPublicKey::kSize + crypto::X25519PublicKey::kSize;
  crypto::HybridPublicKey signing;
  crypto::X25519PublicKey agreement;
  friend bool operator==(const DevicePublicKeys&, const DevicePublicKeys&) = default;
  /// SHA-256("opaline/1 device identity" || signing || agreement).
  [[nodiscard]] IdentityHash hash() const;
};

}  // namespace opaline::credentials
