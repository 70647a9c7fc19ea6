#pragma once
// A BlobStore that a test may stop, crash and open again, whatever the driver.
#include <gtest/gtest.h>

#include "crypto/hash.hpp"
#include "crypto/random.hpp"
#include "store/conformance/temp_directory.hpp"
#include "store/drivers/file_blob_store.hpp"
#include "store/drivers/memory_blob_store.hpp"
#include "store/drivers/memory_key_vault.hpp"

namespace opaline::store::conformance {

inline constexpr std::uint64_t kCheckpoint = 1000;  ///< so that small uploads come to it

class BlobHarness {
 public:
  virtual ~BlobHarness() = default;
  [[nodiscard]] virtual BlobStore& store() = 0;
  /// As after an orderly end.
  virtual void reopen() = 0;
  crypto::SystemRandom random;
  MemoryKeyVault vault{random};
};

class MemoryBlobHarness final : public BlobHarness {
 public:
  BlobStore& store() override { return *store_; }
  void reopen() override { store_ = std::make_unique<MemoryBlobStore>(blobs, vault, kCheckpoint); }
  MemoryBlobs blobs;

 private:
  std::unique_ptr<MemoryBlobStore> store_ = std::make_unique<MemoryBlobStore>(blobs, vault, kCheckpoint);
};

class FileBlobHarness final : public BlobHarness {
 public:
  FileBlobHarness() { reopen(); }
  BlobStore& store() override { return *files; }
  void reopen() override {
    files.reset();
    auto opened = open();
    if (!opened) ADD_FAILURE() << opened.error().message;
    files = std::move(*opened);
  }
  Result<std::unique_ptr<FileBlobStore>, OpenError> open() {
    return FileBlobStore::open({.directory = path(), .reserve_bytes = 0, .checkpoint_bytes = kCheckpoint}, vault,
                               random, log);
  }
  [[nodiscard]] std::filesystem::path path() const { return directory.path() / "blobs"; }
  TempDirectory directory;
  NullLog log;
  std::unique_ptr<FileBlobStore> files;
};

// ---- blobs that tests make

inline BlobTokenHash hash_of(std::string_view token) {
  return BlobTokenHash(crypto::sha256({as_view(token)}));
}
inline BlobId blob_id(std::uint64_t number) {
  SeededRandom random(number + 1000);
  return random.id<BlobId>();
}
inline NewBlob new_blob(std::uint64_t number, std::uint64_t size, std::size_t recipients = 2) {
  NewBlob out{blob_id(number), hash_of("upload " + std::to_string(number)), size, {}};
  for (std::size_t i = 0; i < recipients; ++i) out.releases.push_back(hash_of("release " + std::to_string(i)));
  return out;
}
/// Deterministic bytes of blob `number` from `from` on.
inline Bytes content(std::uint64_t number, std::uint64_t from, std::uint64_t size) {
  Bytes out(size);
  for (std::uint64_t i = 0; i < size; ++i) {
    const std::uint64_t at = from + i;
    out[i] = static_cast<std::byte>((at * 2654435761U + number * 97 + (at >> 8)) >> 3 & 255);
  }
  return out;
}

}  // namespace opaline::store::conformance
