#pragma once
// The backup file: a stream of records, encrypted under a passphrase (docs/operations.md, "The backup file").
//
//   header   "OPALBKP1" || u32 memory KiB || u32 passes || u32 lanes || 16 salt
//   key      HKDF-SHA-256(salt: header, ikm: Argon2id(passphrase, salt, costs), info: "opaline backup v1"), 32 bytes
//   chunk    u32 size of what follows || AES-256-GCM(key, nonce, plaintext of 1 to 64 KiB), tag last
//   nonce    u64 number of the chunk, from 0 || u8 1 in the last chunk, else 0 || 3 zero
//
// So a file cannot be changed, cut off, prolonged or put together from two, and the costs in its header cannot be
// lowered. The plaintexts joined are records, each u8 kind || u32 size || body:
//   1 info   u64 time (ms) || u16-prefixed server name || u16-prefixed version of the program
//   2 key    u16-prefixed purpose || 32
//   3 row    u16-prefixed table || u16-prefixed key || rest: value, as stored (sealed)
//   4 end    u64 number of keys || u64 number of rows; nothing follows
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <variant>

#include "base/random.hpp"
#include "base/secret.hpp"
#include "base/time.hpp"
#include "crypto/argon2.hpp"
#include "store/key_vault.hpp"

namespace opaline::server {

enum class BackupError : std::uint8_t {
  not_a_backup,  ///< the first bytes are not ours, or those of a version that this program does not know
  refused,       ///< a wrong passphrase, or the file was changed: nobody can tell which
  truncated,     ///< the file ends too early
  malformed,     ///< authentic, but not as this version writes it
  too_costly,    ///< the costs in the header are beyond the limits, or the memory for them is not to be had
  input_output,  ///< the file could not be read or written
};
[[nodiscard]] std::string_view describe(BackupError error);

inline constexpr std::size_t kBackupChunkBytes = 64 * 1024;
inline constexpr std::size_t kMaxBackupRecordBytes = 16 * 1024 * 1024;

using BackupKey = Secret<struct BackupKeyTag, 32>;

struct BackupInfo {
  Time made;
  std::string server_name;
  std::string version;
  friend bool operator==(const BackupInfo&, const BackupInfo&) = default;
};
struct BackupNamedKey {
  std::string purpose;
  store::VaultKey key;
};
struct BackupRow {
  std::string table;
  Bytes key;
  Bytes value;
  friend bool operator==(const BackupRow&, const BackupRow&) = default;
};
struct BackupEnd {
  std::uint64_t keys = 0, rows = 0;
};
using BackupRecord = std::variant<BackupInfo, BackupNamedKey, BackupRow, BackupEnd>;

/// Takes all bytes; false: could not.
using BackupSink = std::function<bool(ByteView)>;
/// Fills the front of `out` and returns how much; 0: the end; nullopt: could not read.
using BackupSource = std::function<std::optional<std::size_t>(std::span<std::byte> out)>;

class BackupWriter {
 public:
  /// Writes the header. Errors: too_costly, input_output.
  [[nodiscard]] static Result<BackupWriter, BackupError> start(BackupSink sink, ByteView passphrase,
                                                               const crypto::Argon2Cost& cost, RandomSource& random);
  // Errors: input_output; the file is then worthless.
  [[nodiscard]] Result<void, BackupError> info(const BackupInfo& info);
  [[nodiscard]] Result<void, BackupError> key(std::string_view purpose, const store::VaultKey& key);
  [[nodiscard]] Result<void, BackupError> row(std::string_view table, ByteView key, ByteView value);
  /// Writes the end and the last chunk. Without it the file is refused as truncated.
  [[nodiscard]] Result<BackupEnd, BackupError> finish();

 private:
  BackupWriter(BackupSink sink, BackupKey key) : sink_(std::move(sink)), key_(std::move(key)) {}
  Result<void, BackupError> record(std::uint8_t kind, ByteView body);
  Result<void, BackupError> chunk(ByteView plaintext, bool last);

  BackupSink sink_;
  BackupKey key_;
  SecretBytes pending_;
  std::uint64_t chunks_ = 0;
  BackupEnd counts_;
};

class BackupReader {
 public:
  /// Reads the header. A wrong passphrase shows at the first `next`. Errors: not_a_backup, truncated, too_costly,
  /// input_output.
  [[nodiscard]] static Result<BackupReader, BackupError> open(BackupSource source, ByteView passphrase);
  /// The next record. BackupEnd comes last, once, and means that the file was whole and authentic; do not call again
  /// after it or after an error. What came before it is authentic, but perhaps not all.
  [[nodiscard]] Result<BackupRecord, BackupError> next();

 private:
  BackupReader(BackupSource source, BackupKey key) : source_(std::move(source)), key_(std::move(key)) {}
  Result<void, BackupError> more();
  Result<BackupRecord, BackupError> decode(std::uint8_t kind, ByteView body);

  BackupSource source_;
  BackupKey key_;
  SecretBytes buffer_;  // plaintext not yet taken, from `taken_` on
  std::size_t taken_ = 0;
  std::uint64_t chunks_ = 0;
  bool last_seen_ = false;
  bool info_seen_ = false;
  BackupEnd counts_;
};

}  // namespace opaline::server
