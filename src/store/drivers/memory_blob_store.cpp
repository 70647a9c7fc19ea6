#include "store/drivers/memory_blob_store.hpp"

#include <algorithm>

namespace opaline::store {

using Blob = MemoryBlobs::Blob;

void MemoryBlobs::crash() {
  for (auto& [id, blob] : blobs) {
    if (blob.complete) continue;
    blob.received = blob.durable;
    std::fill(blob.content.begin() + static_cast<std::ptrdiff_t>(blob.durable), blob.content.end(), std::byte{0});
  }
}

Blob* MemoryBlobStore::find(const BlobId& id) {
  const auto found = blobs_.blobs.find(id);
  if (found == blobs_.blobs.end() || !vault_.existing_day_key(found->second.day)) return nullptr;
  return &found->second;
}

Result<Blob*, BlobError> MemoryBlobStore::own(const BlobId& id, const BlobTokenHash& upload) {
  if (blobs_.failed) return fail(BlobError::failed);
  Blob* const blob = find(id);
  if (blob == nullptr || blob->upload != upload) return fail(BlobError::not_found);
  return blob;
}

BlobProgress MemoryBlobStore::progress_of(const Blob& blob) const {
  return {blob.received, blob.content.size(), blob.complete,
          !blob.complete && blob.received - blob.durable >= checkpoint_bytes_};
}

Result<void, BlobError> MemoryBlobStore::create(const NewBlob& blob, Time now) {
  const std::lock_guard lock(mutex_);
  OPALINE_ASSERT(blob.size > 0 && blob.size <= kMaxBlobBytes);
  OPALINE_ASSERT(!blob.releases.empty() && blob.releases.size() <= kMaxBlobReleases);
  if (blobs_.failed) return fail(BlobError::failed);
  if (blobs_.full) return fail(BlobError::full);
  if (!vault_.day_key(day_of(now))) return fail(BlobError::failed);
  Blob& made = blobs_.blobs[blob.id];
  made = {};
  made.day = day_of(now);
  made.upload = blob.upload;
  made.content.resize(blob.size);
  made.touched = now;
  for (const BlobTokenHash& hash : blob.releases) made.releases.emplace(hash, false);
  return {};
}

Result<BlobAppended, BlobError> MemoryBlobStore::append(const BlobId& id, const BlobTokenHash& upload,
                                                        std::uint64_t offset, std::span<std::byte> piece, Time now) {
  const std::lock_guard lock(mutex_);
  OPALINE_TRY(Blob* const blob, own(id, upload));
  if (blob->complete || offset != blob->received) return BlobAppended{false, progress_of(*blob)};
  if (piece.size() > blob->content.size() - offset) return fail(BlobError::too_large);
  if (blobs_.full) return fail(BlobError::full);
  std::ranges::copy(piece, blob->content.begin() + static_cast<std::ptrdiff_t>(offset));
  std::ranges::fill(piece, std::byte{0});  // nobody may rely on what it holds afterwards
  blob->received += piece.size();
  blob->touched = now;
  blob->complete = blob->received == blob->content.size();
  if (blob->complete) blob->durable = blob->received;
  return BlobAppended{true, progress_of(*blob)};
}

void MemoryBlobStore::checkpoint(const BlobId& id, Time now) {
  const std::lock_guard lock(mutex_);
  Blob* const blob = find(id);
  if (blob == nullptr || blob->complete || blobs_.failed) return;
  blob->durable = blob->received;
  blob->touched = now;
}

Result<BlobProgress, BlobError> MemoryBlobStore::progress(const BlobId& id, const BlobTokenHash& upload) {
  const std::lock_guard lock(mutex_);
  OPALINE_TRY(const Blob* const blob, own(id, upload));
  return progress_of(*blob);
}

Result<BlobPiece, BlobError> MemoryBlobStore::read(const BlobId& id, std::uint64_t offset, std::size_t max_bytes,
                                                   Day oldest) {
  const std::lock_guard lock(mutex_);
  if (blobs_.failed) return fail(BlobError::failed);
  const Blob* const blob = find(id);
  if (blob == nullptr || !blob->complete || blob->day < oldest) return fail(BlobError::not_found);
  const ByteView all = blob->content;
  if (offset >= all.size()) return BlobPiece{all.size(), {}};
  const ByteView rest = all.subspan(static_cast<std::size_t>(offset));
  return BlobPiece{all.size(), to_bytes(rest.first(std::min(max_bytes, rest.size())))};
}

Result<bool, BlobError> MemoryBlobStore::release(const BlobId& id, const BlobTokenHash& release) {
  const std::lock_guard lock(mutex_);
  if (blobs_.failed) return fail(BlobError::failed);
  Blob* const blob = find(id);
  if (blob == nullptr || !blob->complete) return fail(BlobError::not_found);
  const auto found = blob->releases.find(release);
  if (found == blob->releases.end()) return fail(BlobError::not_found);
  found->second = true;
  if (!std::ranges::all_of(blob->releases, [](const auto& each) { return each.second; })) return false;
  blobs_.blobs.erase(id);
  return true;
}

Result<void, BlobError> MemoryBlobStore::add_releases(const BlobId& id, const BlobTokenHash& upload,
                                                      const std::vector<BlobTokenHash>& releases) {
  const std::lock_guard lock(mutex_);
  OPALINE_TRY(Blob* const blob, own(id, upload));
  auto all = blob->releases;
  for (const BlobTokenHash& hash : releases) all.emplace(hash, false);
  if (all.size() > kMaxBlobReleases) return fail(BlobError::too_large);
  blob->releases = std::move(all);
  return {};
}

Result<void, BlobError> MemoryBlobStore::remove(const BlobId& id, const BlobTokenHash& upload) {
  const std::lock_guard lock(mutex_);
  OPALINE_TRY(const Blob* const blob, own(id, upload));
  static_cast<void>(blob);
  blobs_.blobs.erase(id);
  return {};
}

bool MemoryBlobStore::is_unfinished(const BlobId& id) {
  const std::lock_guard lock(mutex_);
  const Blob* const blob = find(id);
  return blob != nullptr && !blob->complete;
}

Result<void, BlobError> MemoryBlobStore::expire_through(Day day) {
  const std::lock_guard lock(mutex_);
  if (blobs_.failed || !vault_.destroy_through(day)) return fail(BlobError::failed);
  std::erase_if(blobs_.blobs, [day](const auto& each) { return each.second.day <= day; });
  return {};
}

std::size_t MemoryBlobStore::drop_unfinished(Time before) {
  const std::lock_guard lock(mutex_);
  return std::erase_if(blobs_.blobs,
                       [before](const auto& each) { return !each.second.complete && each.second.touched < before; });
}

BlobUsage MemoryBlobStore::usage() const {
  const std::lock_guard lock(mutex_);
  BlobUsage out;
  for (const auto& [id, blob] : blobs_.blobs) {
    ++out.blobs;
    if (!blob.complete) ++out.unfinished;
    out.bytes += blob_charge(blob.content.size());
  }
  return out;
}

}  // namespace opaline::store
