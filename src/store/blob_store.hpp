#pragma once
// Port: blobs (attachments), whose contents the sender has encrypted. A blob is named by a capability of 32 random
// bytes: who has it may read, and no file, row or log has it. Written in pieces from front to back, then read at
// random, given up as its recipients release it, gone with its day. Blocking: used from threads of its own, never from
// an I/O thread.
#include <vector>

#include "base/bytes.hpp"
#include "base/ids.hpp"
#include "base/result.hpp"
#include "base/time.hpp"

namespace opaline::store {

/// The capability. A secret between the uploader and the recipients: never log it, never write it.
using BlobId = ByteId<struct BlobIdTag, 32>;
/// SHA-256 of a token (of release or upload). The store compares hashes in constant time and never sees tokens.
using BlobTokenHash = ByteId<struct BlobTokenHashTag, 32>;

inline constexpr std::uint64_t kMaxBlobBytes = 104'857'600;
/// Release hashes of one blob, added ones included: 10 devices of the recipient and of the sender, each linked anew
/// several times while the blob lives.
inline constexpr std::size_t kMaxBlobReleases = 64;

/// What a blob counts as in totals and quotas: its bytes and its file's head, at least 64 KiB, so that many small ones
/// are bounded in number too (an index entry, a file, a turn at expiry).
[[nodiscard]] constexpr std::uint64_t blob_charge(std::uint64_t size) {
  constexpr std::uint64_t kHead = 8192, kLeast = 65536;
  return size + kHead < kLeast ? kLeast : size + kHead;
}

enum class BlobError : std::uint8_t {
  not_found,  ///< never was, expired, released, removed, or the token is not its own; to readers also: not complete
  too_large,  ///< the piece goes beyond the blob's size, or there would be too many release hashes: nothing changed
  full,       ///< the disk has no room: nothing changed
  failed,     ///< the disk or the vault failed, or the file is damaged. A repetition is safe
};

struct NewBlob {
  BlobId id;
  BlobTokenHash upload;
  std::uint64_t size = 0;               ///< 1 to kMaxBlobBytes (asserted)
  std::vector<BlobTokenHash> releases;  ///< 1 to kMaxBlobReleases (asserted)
};

/// How far an upload is. `received` is what may be relied on: after a crash it may be less, and what is reported then
/// is there.
struct BlobProgress {
  std::uint64_t received = 0;
  std::uint64_t size = 0;
  /// On stable storage, all of it: readable. Not so before `received == size`.
  bool complete = false;
  /// Much was received since the last `checkpoint`: call it once the uploader has its answer.
  bool checkpoint_due = false;
  friend bool operator==(const BlobProgress&, const BlobProgress&) = default;
};
struct BlobAppended {
  bool appended = false;  ///< false: the offset was not where the upload stands; nothing changed
  BlobProgress progress;
};
struct BlobPiece {
  std::uint64_t size = 0;  ///< of the whole blob
  Bytes bytes;
};
/// Gauges. `bytes` is the sum of blob_charge() of all there are, unfinished ones included.
struct BlobUsage {
  std::uint64_t blobs = 0, unfinished = 0, bytes = 0;
  friend bool operator==(const BlobUsage&, const BlobUsage&) = default;
};

/// Thread-safe. Changes of one blob exclude each other; reads exclude nothing.
class BlobStore {
 public:
  virtual ~BlobStore() = default;

  /// Under the day of `now`. On stable storage when it returns.
  [[nodiscard]] virtual Result<void, BlobError> create(const NewBlob& blob, Time now) = 0;
  /// The next piece. `piece` is overwritten (encrypted in place). It is not on stable storage when this returns, unless
  /// it was the last: then all of it, and `complete` is set.
  [[nodiscard]] virtual Result<BlobAppended, BlobError> append(const BlobId& id, const BlobTokenHash& upload,
                                                               std::uint64_t offset, std::span<std::byte> piece,
                                                               Time now) = 0;
  /// Makes what was received durable, so that no crash takes it back.
  virtual void checkpoint(const BlobId& id, Time now) = 0;
  [[nodiscard]] virtual Result<BlobProgress, BlobError> progress(const BlobId& id, const BlobTokenHash& upload) = 0;
  /// Up to `max_bytes` from `offset` on; none at or beyond the end. The bytes are what the disk has: whether they are
  /// right is known to who has the hash (the recipient). `oldest`: blobs of earlier days are not found.
  [[nodiscard]] virtual Result<BlobPiece, BlobError> read(const BlobId& id, std::uint64_t offset, std::size_t max_bytes,
                                                          Day oldest) = 0;
  /// A recipient is done. True: it was the last, and the blob is gone. False: it was not, or was released before.
  /// not_found: also a hash that is not one of the blob's. On stable storage when it returns.
  [[nodiscard]] virtual Result<bool, BlobError> release(const BlobId& id, const BlobTokenHash& release) = 0;
  /// Further release hashes, complete or not; those it has already count once. On stable storage when it returns.
  [[nodiscard]] virtual Result<void, BlobError> add_releases(const BlobId& id, const BlobTokenHash& upload,
                                                             const std::vector<BlobTokenHash>& releases) = 0;
  /// Gone, on stable storage, when it returns.
  [[nodiscard]] virtual Result<void, BlobError> remove(const BlobId& id, const BlobTokenHash& upload) = 0;

  /// Whether it is there and not complete. Does not touch the disk.
  [[nodiscard]] virtual bool is_unfinished(const BlobId& id) = 0;
  /// Destroys the keys of all days up to and including `day`, then removes their files: cost follows what expires.
  /// failed: the vault or the disk failed; what could not be removed is not found all the same, and goes next time.
  [[nodiscard]] virtual Result<void, BlobError> expire_through(Day day) = 0;
  /// Removes uploads that nothing was added to since `before`; how many.
  virtual std::size_t drop_unfinished(Time before) = 0;
  [[nodiscard]] virtual BlobUsage usage() const = 0;
};

}  // namespace opaline::store
