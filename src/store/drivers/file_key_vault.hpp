#pragma once
// KeyVault in a directory of its own (mode 0700), one file (0600) a key, each sealed under a wrapping key derived from
// a master key. The master key is `master.key` in the same directory, or a file elsewhere: a systemd credential
// ($CREDENTIALS_DIRECTORY/<name>, which systemd can in turn bind to a TPM). A TPM is not spoken to directly. Layout:
// file_key_vault.cpp, docs/storage.md.
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "store/key_vault.hpp"
#include "store/open_error.hpp"

namespace opaline::store {

struct FileKeyVaultOptions {
  std::filesystem::path directory;  ///< made (0700) if its parent exists; refused where others may enter it
  /// A file of 32 to 4096 bytes of key material; nullopt: `master.key` in the directory, made at first use.
  std::optional<std::filesystem::path> master_key_file;
  bool give_up_damaged_days = false;  ///< removes day keys that cannot be read, instead of refusing to open
};

/// $CREDENTIALS_DIRECTORY/`name` if systemd gave the service such a credential (systemd.exec(5),
/// LoadCredentialEncrypted=).
[[nodiscard]] std::optional<std::filesystem::path> systemd_credential(std::string_view name);

/// Thread-safe; several processes may share a directory. Day keys once read are kept in RAM until destroyed.
/// Destroying overwrites a file before it is unlinked; that a disk which remaps blocks (SSD, copy-on-write file
/// systems, snapshots) keeps no older copy is beyond us: what such a copy needs besides is the master key.
class FileKeyVault final : public KeyVault {
 public:
  /// `random` outlives the vault and is thread-safe.
  [[nodiscard]] static Result<std::unique_ptr<FileKeyVault>, OpenError> open(const FileKeyVaultOptions& options,
                                                                             RandomSource& random);
  ~FileKeyVault() override;

  [[nodiscard]] Result<DayKey, VaultError> day_key(Day day) override;
  [[nodiscard]] Result<DayKey, VaultError> existing_day_key(Day day) override;
  [[nodiscard]] Result<void, VaultError> destroy_through(Day day) override;
  [[nodiscard]] Result<VaultKey, VaultError> named_key(std::string_view purpose) override;
  /// The purposes of all named keys there are, sorted: what a backup has to take along.
  [[nodiscard]] Result<std::vector<std::string>, VaultError> named_purposes();
  /// Puts a key from a backup in place, synced when it returns. False: there is one of that purpose, and it stays.
  [[nodiscard]] Result<bool, VaultError> import_named_key(std::string_view purpose, const VaultKey& key);
  /// The last day that was destroyed; nullopt: none yet.
  [[nodiscard]] Result<std::optional<Day>, VaultError> destroyed_through();

 private:
  class Impl;
  explicit FileKeyVault(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace opaline::store
