#pragma once
// The file of one blob (docs/storage.md, "Blobs"). Two slots hold its metadata by turns, so that a write that a crash
// tears harms only what nobody was told yet; then the content, at random access:
//
//   slot 0 (4096) || slot 1 (4096) || content: AES-256-CTR(content key, from counter block 0)
//   slot     "OPALBLB1" || nonce (12) || AES-256-GCM-SIV(slot key, nonce, payload (4060), aad)
//   aad      "OPALBLB1" || u8 slot (0 or 1) || name (20)
//   payload  u64 sequence || u64 size || u64 durable || u64 touched (ms) || upload hash (32)
//            || u8 count || { u8 released || hash (32) } || zeros
//   keys     HKDF-SHA-256(salt "opaline blobs", day key, info "content 1" or "slot 1" || name)
//   name     HMAC-SHA-256(vault key "blobs", "name" || blob id), first 20 bytes
//
// The authentic slot with the higher sequence counts. Contents are not authenticated: the recipient's hash is.
#include <optional>

#include "base/random.hpp"
#include "base/secret.hpp"
#include "store/blob_store.hpp"
#include "store/internal/posix_files.hpp"
#include "store/key_vault.hpp"

namespace opaline::store::internal {

/// What stands for a blob in its file's name: tells nothing of the capability to who has not got the vault.
using BlobName = ByteId<struct BlobNameTag, 20>;
using BlobKey = Secret<struct BlobKeyTag, 32>;

inline constexpr std::size_t kSlotBytes = 4096;
inline constexpr std::uint64_t kBlobHeadBytes = 2 * kSlotBytes;

/// The keys of one file.
struct BlobKeys {
  BlobKeys(const DayKey& day, const BlobName& name);
  BlobKey content, slot;
};

struct BlobRelease {
  BlobTokenHash hash;
  bool released = false;
  friend bool operator==(const BlobRelease&, const BlobRelease&) = default;
};
struct BlobMeta {
  std::uint64_t sequence = 0;
  std::uint64_t size = 0;
  std::uint64_t durable = 0;  ///< of an upload: so many bytes were synced before this was written
  Time touched;               ///< when something was last added
  BlobTokenHash upload;
  std::vector<BlobRelease> releases;
  friend bool operator==(const BlobMeta&, const BlobMeta&) = default;
};

/// kSlotBytes for the slot that the meta's sequence says.
[[nodiscard]] Bytes seal_slot(const BlobKeys& keys, const BlobName& name, const BlobMeta& meta, RandomSource& random);
/// `head` is both slots. nullopt: neither is authentic and well-formed.
[[nodiscard]] std::optional<BlobMeta> open_slots(const BlobKeys& keys, const BlobName& name, ByteView head);

/// Encrypts or decrypts what lies at `offset` of the content, in place.
void crypt_content(const BlobKeys& keys, std::uint64_t offset, std::span<std::byte> bytes);

/// full or failed (with errno as it was), or how many bytes were read: fewer at the file's end.
[[nodiscard]] Result<void, FileError> write_at(int fd, std::uint64_t at, ByteView bytes);
[[nodiscard]] Result<std::size_t, FileError> read_at(int fd, std::uint64_t at, std::span<std::byte> out);
[[nodiscard]] Result<void, FileError> sync_data(int fd);
/// Makes the file `size` long with its blocks laid hold of, where the file system can do so: a later write then finds
/// its room.
[[nodiscard]] Result<void, FileError> reserve(int fd, std::uint64_t size);

}  // namespace opaline::store::internal
