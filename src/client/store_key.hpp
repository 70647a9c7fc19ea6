#pragma once
// The key of a device's local store, and how it is kept (docs/cli.md, "What is on disk"): 32 random bytes, wrapped
// under a passphrase (Argon2id) or under a key file of mode 0600.
#include <filesystem>
#include <optional>

#include "base/random.hpp"
#include "client/error.hpp"
#include "crypto/argon2.hpp"

namespace opaline::client {

/// What opens a home: exactly one of the three.
struct Unlock {
  std::optional<SecretBytes> passphrase;   ///< UTF-8, not empty
  std::filesystem::path key_file;          ///< used if there is nothing else; made at first use
  std::optional<SecretBytes> within = {};  ///< for a home inside a home: the outer one's StoreKey::inner(), 32 bytes
};

/// Seals values of the local store. Const use is thread-safe.
class StoreKey {
 public:
  /// A new key, and how to store it (`wrapped`): u8 version (1), u8 kind (1 passphrase, 2 key file, 3 the outer home's
  /// key), Argon2 memory KiB u32, passes u32, lanes u32, salt[16], nonce[12], sealed key[48]. permissions,
  /// store_failed.
  struct Created;
  [[nodiscard]] static Result<Created, ClientError> create(const Unlock& unlock, RandomSource& random,
                                                           const crypto::Argon2Cost& cost = {});
  /// wrong_passphrase, passphrase_needed (it was made with one), permissions, store_damaged, store_newer.
  [[nodiscard]] static Result<StoreKey, ClientError> open(ByteView wrapped, const Unlock& unlock);
  /// True if `wrapped` was made with a passphrase.
  [[nodiscard]] static bool wants_passphrase(ByteView wrapped);

  /// nonce[12], AES-256-GCM-SIV ciphertext and tag. `place` (table and key) is bound, so that values cannot be swapped.
  [[nodiscard]] Bytes seal(ByteView place, ByteView plaintext, RandomSource& random) const;
  /// nullopt: changed by somebody else, or moved.
  [[nodiscard]] std::optional<SecretBytes> open_value(ByteView place, ByteView sealed) const;
  /// A name for a value that must be found again without being told: HMAC-SHA256, 16 bytes.
  [[nodiscard]] ByteArray<16> blind(ByteView value) const;
  /// What opens the home inside this one that has this name: HMAC-SHA256. Whoever opens this home opens that one.
  [[nodiscard]] SecretBytes inner(ByteView name) const;

 private:
  using Key = Secret<struct LocalStoreKeyTag, 32>;
  explicit StoreKey(Key key) : key_(std::move(key)) {}
  Key key_;
};

struct StoreKey::Created {
  StoreKey key;
  Bytes wrapped;
};

}  // namespace opaline::client
