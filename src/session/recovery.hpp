#pragma once
// The recovery file (docs/protocol.md, section Recovery): the account key under a passphrase, for the day when the
// primary device is lost. Whoever has file and passphrase has the account.
#include <string>
#include <vector>

#include "crypto/argon2.hpp"
#include "session/device_list.hpp"

namespace opaline::session {

/// What a guess costs, at making. A file says what it was made with; see kMaxRecovery... for what is believed.
inline constexpr crypto::Argon2Cost kRecoveryCost{.memory_kib = 128 * 1024, .passes = 4, .lanes = 4};
/// A file cannot make us take more memory than this ...
inline constexpr std::uint32_t kMaxRecoveryMemoryKib = 512 * 1024;
/// ... or go over more than this in all (memory times passes): some 5 s.
inline constexpr std::uint64_t kMaxRecoveryWorkKib = 4 * 1024 * 1024;
/// A passphrase: bytes as typed.
inline constexpr std::size_t kMinRecoveryPassphraseBytes = 12;
inline constexpr std::size_t kMaxRecoveryPassphraseBytes = 1024;
inline constexpr std::size_t kMaxRecoveryHandles = 16;
inline constexpr std::size_t kMaxRecoveryHandleBytes = 254;
/// Longest file, of any version: to be looked at before it is read.
inline constexpr std::size_t kMaxRecoveryFileBytes = 64 * 1024;

/// What is in a file. The account is the list's.
struct Recovery {
  AccountKey account_key;
  VerifiedDeviceList list;  ///< when the file was made: the pin from which later lists are followed
  DeviceNumber primary{};   ///< the device that made the file
  Time created;
  std::vector<std::string> handles;  ///< to be shown; up to kMaxRecoveryHandles
};

/// Whether make_recovery_file takes it: kMin... to kMaxRecoveryPassphraseBytes. How good it is, the caller judges.
[[nodiscard]] bool is_recovery_passphrase(ByteView passphrase);

struct RecoveryInput {
  const AccountKey& account_key;  ///< the list's (asserted)
  const VerifiedDeviceList& list;
  DeviceNumber primary{};
  Time created;
  std::vector<std::string_view> handles;  ///< UTF-8, 1 to kMaxRecoveryHandleBytes each, up to kMaxRecoveryHandles
  crypto::Argon2Cost cost = kRecoveryCost;
};
/// The file's bytes. `passphrase` is_recovery_passphrase (asserted). too_costly: the memory was not to be had.
[[nodiscard]] Result<Bytes, Error> make_recovery_file(const RecoveryInput& input, ByteView passphrase,
                                                      RandomSource& random);

/// wrong_kind: no recovery file. unsupported_version: a newer program's. too_costly: it asks for more work or memory
/// than is believed, or than is to be had. malformed: damaged or cut off. authentication_failed: not this passphrase.
/// Damage is told from a wrong passphrase by a checksum, which protects from accidents only.
[[nodiscard]] Result<Recovery, Error> open_recovery_file(ByteView file, ByteView passphrase);

/// The answer to /v1/recovery/start's challenge (docs/device-api.md): signed over `challenge || account`.
[[nodiscard]] crypto::HybridSignature sign_recovery_challenge(const AccountKey& key, FixedView<32> challenge,
                                                              const AccountId& account, RandomSource& random);

}  // namespace opaline::session
