#pragma once
// `opalined backup` and `opalined restore`: the directory, the operators and the long-lived keys; never mailboxes, day
// keys or prekeys. Devices upload new prekeys when they next connect: a prekey from a backup could be handed out twice.
#include <string>

#include "base/log.hpp"
#include "base/random.hpp"
#include "server/backup_file.hpp"
#include "server/config.hpp"

namespace opaline::server {

/// The tables that a backup holds: all of row_tables() but those that must not be brought back.
[[nodiscard]] std::vector<std::string> backed_up_tables();

struct BackupPorts {
  const Clock& clock;
  RandomSource& random;
  Log& log;
};

struct BackupReport {
  BackupInfo info;
  BackupEnd counts;
};

/// Writes `file` (mode 0600, whole or not at all; refused if it exists). A running server is asked for a consistent
/// copy over its admin socket; else the data directory is locked and read. The error is a sentence.
[[nodiscard]] Result<BackupReport, std::string> make_backup(const Config& config, const std::filesystem::path& file,
                                                            ByteView passphrase, const crypto::Argon2Cost& cost,
                                                            const BackupPorts& ports);

/// Puts a backup into an empty data directory and vault. The whole file is read and found authentic before anything is
/// written. If it is interrupted after that, the server refuses to start and says what to do. The error is a sentence.
[[nodiscard]] Result<BackupReport, std::string> restore_backup(const Config& config, const std::filesystem::path& file,
                                                               ByteView passphrase, const BackupPorts& ports);

}  // namespace opaline::server
