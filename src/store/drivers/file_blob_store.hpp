#pragma once
// BlobStore on files: DIRECTORY/<number of the day>/<name>, `<name>.part` until the upload is complete, sealed under
// keys derived from the day's (layout: internal/blob_file.hpp, docs/storage.md). A name is a keyed hash of the
// capability. The file DIRECTORY/VAULT says which vault it belongs to.
#include <filesystem>
#include <memory>

#include "base/log.hpp"
#include "base/random.hpp"
#include "store/blob_store.hpp"
#include "store/key_vault.hpp"
#include "store/open_error.hpp"

namespace opaline::store {

struct FileBlobOptions {
  std::filesystem::path directory;  ///< made (0700) if its parent exists; may be a link to another disk
  /// With less than this and the blob's size free on the file system `create` answers `full`: twice what the mailboxes
  /// leave (RocksdbMailboxOptions), so that attachments never take the room of messages.
  std::uint64_t reserve_bytes = std::uint64_t{512} << 20;
  /// How much of an upload a crash may take back; then a checkpoint is due.
  std::uint64_t checkpoint_bytes = std::uint64_t{16} << 20;
};

/// What a stolen disk shows: how many blobs there are, their sizes to the byte, and when their files were made and
/// changed. No content, no name, no account.
class FileBlobStore final : public BlobStore {
 public:
  /// Looks at each file's size (and into unfinished ones): a few microseconds a blob. Errors: another server uses the
  /// directory, it belongs to another vault, or disk and vault fail. `vault`, `random` and `log` outlive the store and
  /// are thread-safe.
  [[nodiscard]] static Result<std::unique_ptr<FileBlobStore>, OpenError> open(const FileBlobOptions& options,
                                                                              KeyVault& vault, RandomSource& random,
                                                                              Log& log);
  /// Makes unfinished uploads durable as far as they are.
  ~FileBlobStore() override;

  [[nodiscard]] Result<void, BlobError> create(const NewBlob& blob, Time now) override;
  [[nodiscard]] Result<BlobAppended, BlobError> append(const BlobId& id, const BlobTokenHash& upload,
                                                       std::uint64_t offset, std::span<std::byte> piece,
                                                       Time now) override;
  void checkpoint(const BlobId& id, Time now) override;
  [[nodiscard]] Result<BlobProgress, BlobError> progress(const BlobId& id, const BlobTokenHash& upload) override;
  [[nodiscard]] Result<BlobPiece, BlobError> read(const BlobId& id, std::uint64_t offset, std::size_t max_bytes,
                                                  Day oldest) override;
  [[nodiscard]] Result<bool, BlobError> release(const BlobId& id, const BlobTokenHash& release) override;
  [[nodiscard]] Result<void, BlobError> add_releases(const BlobId& id, const BlobTokenHash& upload,
                                                     const std::vector<BlobTokenHash>& releases) override;
  [[nodiscard]] Result<void, BlobError> remove(const BlobId& id, const BlobTokenHash& upload) override;
  [[nodiscard]] bool is_unfinished(const BlobId& id) override;
  [[nodiscard]] Result<void, BlobError> expire_through(Day day) override;
  std::size_t drop_unfinished(Time before) override;
  [[nodiscard]] BlobUsage usage() const override;

  /// Since opening, for metrics.
  struct Stats {
    std::uint64_t failures = 0;  ///< of disk or vault
    std::uint64_t full = 0;      ///< refused for want of room
    std::uint64_t damaged = 0;   ///< files whose metadata is not authentic, or whose size is wrong
  };
  [[nodiscard]] Stats stats() const;
  /// For tests: as the option.
  void set_reserve_bytes(std::uint64_t bytes);

 private:
  class Impl;
  explicit FileBlobStore(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace opaline::store
