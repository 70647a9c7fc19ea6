#pragma once
// BlobStore in memory, for tests and the simulator.
#include <map>
#include <mutex>

#include "store/blob_store.hpp"
#include "store/key_vault.hpp"

namespace opaline::store {

/// What lies on the platter: stays when the store goes. Not thread-safe.
struct MemoryBlobs {
  struct Blob {
    Day day{};
    BlobTokenHash upload;
    Bytes content;  ///< as long as the whole
    std::uint64_t received = 0, durable = 0;
    bool complete = false;
    Time touched;
    std::map<BlobTokenHash, bool> releases;  ///< hash to whether it was released
  };
  std::map<BlobId, Blob> blobs;

  // What goes wrong, to be set by the test at any time.
  bool full = false;    ///< `create` and `append` answer `full`
  bool failed = false;  ///< all answer `failed`

  /// Power is lost: of each upload what was not durable is gone. Stores on this must have been destroyed.
  void crash();
};

/// Thread-safe. Borrows what it is given.
class MemoryBlobStore final : public BlobStore {
 public:
  explicit MemoryBlobStore(MemoryBlobs& blobs, KeyVault& vault, std::uint64_t checkpoint_bytes = 16 << 20)
      : blobs_(blobs), vault_(vault), checkpoint_bytes_(checkpoint_bytes) {}

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

 private:
  /// With the mutex held. nullptr: not there, or its day's key is gone.
  [[nodiscard]] MemoryBlobs::Blob* find(const BlobId& id);
  [[nodiscard]] Result<MemoryBlobs::Blob*, BlobError> own(const BlobId& id, const BlobTokenHash& upload);
  [[nodiscard]] BlobProgress progress_of(const MemoryBlobs::Blob& blob) const;

  mutable std::mutex mutex_;
  MemoryBlobs& blobs_;
  KeyVault& vault_;
  const std::uint64_t checkpoint_bytes_;
};

}  // namespace opaline::store
