#include "store/drivers/file_blob_store.hpp"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <mutex>

#include "base/fault_point.hpp"
#include "crypto/compare.hpp"
#include "crypto/hash.hpp"
#include "store/internal/blob_directory.hpp"
#include "store/internal/blob_index.hpp"

namespace opaline::store {

using internal::BlobDirectory;
using internal::BlobEntry;
using internal::BlobIndex;
using internal::BlobKeys;
using internal::BlobMeta;
using internal::BlobName;
using internal::BlobPlace;
using internal::FileDescriptor;
using internal::FileError;
using internal::kBlobHeadBytes;

namespace {

bool same(const BlobTokenHash& a, const BlobTokenHash& b) {
  return crypto::constant_time_equal(a.view(), b.view());
}

}  // namespace

class FileBlobStore::Impl {
 public:
  Impl(const FileBlobOptions& options, BlobDirectory directory, const VaultKey& key, KeyVault& vault,
       RandomSource& random, Log& log)
      : directory_(std::move(directory)),
        index_key_(key.reveal()),
        vault_(vault),
        random_(random),
        log_(log),
        checkpoint_bytes_(options.checkpoint_bytes),
        reserve_bytes(options.reserve_bytes) {}

  [[nodiscard]] Result<void, OpenError> load(const std::filesystem::path& path);
  void close();

  [[nodiscard]] Result<void, BlobError> create(const NewBlob& blob, Time now);
  [[nodiscard]] Result<BlobAppended, BlobError> append(const BlobName& name, const BlobTokenHash& upload,
                                                       std::uint64_t offset, std::span<std::byte> piece, Time now);
  void checkpoint(const BlobName& name, Time now);
  [[nodiscard]] Result<BlobProgress, BlobError> progress(const BlobName& name, const BlobTokenHash& upload);
  [[nodiscard]] Result<BlobPiece, BlobError> read(const BlobName& name, std::uint64_t offset, std::size_t max_bytes,
                                                  Day oldest);
  [[nodiscard]] Result<bool, BlobError> release(const BlobName& name, const BlobTokenHash& release);
  [[nodiscard]] Result<void, BlobError> add_releases(const BlobName& name, const BlobTokenHash& upload,
                                                     const std::vector<BlobTokenHash>& releases);
  [[nodiscard]] Result<void, BlobError> remove(const BlobName& name, const BlobTokenHash& upload);
  [[nodiscard]] bool is_unfinished(const BlobName& name);
  [[nodiscard]] Result<void, BlobError> expire_through(Day day);
  std::size_t drop_unfinished(Time before);
  [[nodiscard]] BlobUsage usage() const;

  [[nodiscard]] BlobName name_of(const BlobId& id) const {
    const auto mac = index_key_.mac({as_view("name"), id.view()});
    return BlobName(FixedView<BlobName::kSize>(ByteView(mac).first<BlobName::kSize>()));
  }

 private:
  /// A blob that is being worked on: its file, its keys, what the file says.
  struct Open {
    BlobPlace place;
    BlobKeys keys;
    FileDescriptor file;
    BlobMeta meta;
  };
  [[nodiscard]] Result<Open, BlobError> open_blob(const BlobName& name, bool to_write);
  /// The same, if the upload token is the blob's.
  [[nodiscard]] Result<Open, BlobError> open_own(const BlobName& name, const BlobTokenHash& upload, bool to_write);
  [[nodiscard]] Result<FileDescriptor, BlobError> make_file(Day day, const BlobName& name, const BlobKeys& keys,
                                                            const BlobMeta& meta);
  [[nodiscard]] Result<void, BlobError> finish(Open& blob, const BlobName& name);
  [[nodiscard]] bool make_durable(Open& blob, const BlobName& name, Time touched);
  [[nodiscard]] Result<void, FileError> replace_slot(Open& blob, const BlobName& name);
  [[nodiscard]] Result<void, BlobError> unlink(const BlobPlace& place, const BlobName& name);
  void load_file(Day day, const DayKey& key, const BlobDirectory::File& file);
  [[nodiscard]] std::optional<BlobEntry> load_upload(Day day, const DayKey& key, const BlobDirectory::File& file);

  [[nodiscard]] std::optional<BlobPlace> find(const BlobName& name) const {
    const std::lock_guard lock(mutex_);
    return index_.find(name);
  }
  void update(const BlobPlace& place, const BlobName& name) {
    const std::lock_guard lock(mutex_);
    index_.update(place.day, name, place.entry);
  }
  [[nodiscard]] std::mutex& stripe(const BlobName& name) {
    return stripes_[std::to_integer<std::size_t>(name.array()[BlobName::kSize - 1]) % stripes_.size()];
  }
  [[nodiscard]] BlobProgress progress_of(const BlobEntry& entry) const {
    const std::uint64_t received = entry.complete ? entry.size : entry.received;
    return {received, entry.size, entry.complete, !entry.complete && received - entry.durable >= checkpoint_bytes_};
  }
  [[nodiscard]] BlobError trouble(FileError error, std::string_view what);
  [[nodiscard]] BlobError trouble(VaultError error);
  [[nodiscard]] BlobError damaged();

  const BlobDirectory directory_;
  const crypto::HmacSha256Key index_key_;
  KeyVault& vault_;
  RandomSource& random_;
  Log& log_;
  const std::uint64_t checkpoint_bytes_;
  mutable std::mutex mutex_;            // the index; held for no I/O
  std::array<std::mutex, 64> stripes_;  // changes of a blob; taken before mutex_
  BlobIndex index_;                     // guarded by mutex_

 public:
  std::atomic<std::uint64_t> reserve_bytes;
  std::atomic<std::uint64_t> failures = 0, full = 0, damages = 0;
};

// ---------------------------------------------------------------- trouble

BlobError FileBlobStore::Impl::trouble(FileError error, std::string_view what) {
  if (error == FileError::missing) return BlobError::not_found;  // it expired just now
  if (error == FileError::full) {
    ++full;
    log_.event(LogLevel::warning, "blobs.full", {{"what", what}});
    return BlobError::full;
  }
  ++failures;
  log_.event(LogLevel::error, "blobs.failed", {{"what", what}});
  return BlobError::failed;
}

BlobError FileBlobStore::Impl::trouble(VaultError error) {
  if (error == VaultError::destroyed) return BlobError::not_found;
  if (error == VaultError::full) return trouble(FileError::full, "vault");
  return trouble(FileError::failed, "vault");
}

BlobError FileBlobStore::Impl::damaged() {
  ++damages;
  log_.event(LogLevel::warning, "blobs.damaged", {});
  return BlobError::not_found;
}

// ---------------------------------------------------------------- opening and closing

Result<void, OpenError> FileBlobStore::Impl::load(const std::filesystem::path& path) {
  const OpenError unreadable{"the attachments in " + path.string() + " cannot be read: the disk failed"};
  const auto days = directory_.days();
  if (!days) return fail(unreadable);
  for (const Day day : *days) {
    const auto key = vault_.existing_day_key(day);
    if (!key && key.error() == VaultError::destroyed) continue;  // an old copy, or a crash: goes with the next expiry
    if (!key && key.error() == VaultError::missing) {
      log_.event(LogLevel::error, "blobs.day_key_missing", {{"day", number(day)}});
      continue;
    }
    if (!key) return fail(OpenError{"the vault cannot be read: its disk failed or its files are damaged"});
    const auto listing = directory_.files(day);
    if (!listing) return fail(unreadable);
    for (const auto& file : listing->files) load_file(day, *key, file);
    if (listing->foreign > 0) {
      log_.event(LogLevel::warning, "blobs.foreign_files",
                 {{"day", number(day)}, {"files", static_cast<std::int64_t>(listing->foreign)}});
    }
  }
  return {};
}

void FileBlobStore::Impl::load_file(Day day, const DayKey& key, const BlobDirectory::File& file) {
  if (file.bytes <= kBlobHeadBytes || file.bytes > kBlobHeadBytes + kMaxBlobBytes) {
    // An upload that a crash left so was never answered; anything else is damage, and goes with its day.
    if (file.complete) std::ignore = damaged();
    if (!file.complete) std::ignore = directory_.remove(day, file.name, false);
    return;
  }
  BlobEntry entry;
  entry.size = static_cast<std::uint32_t>(file.bytes - kBlobHeadBytes);
  entry.complete = file.complete;
  if (!file.complete) {
    const auto upload = load_upload(day, key, file);
    if (!upload) {
      std::ignore = directory_.remove(day, file.name, false);
      return;
    }
    entry = *upload;
  }
  const std::lock_guard lock(mutex_);
  index_.put(day, file.name, entry);
}

/// An upload goes on from what its file says was synced: bytes beyond it may be holes.
std::optional<BlobEntry> FileBlobStore::Impl::load_upload(Day day, const DayKey& key, const BlobDirectory::File& file) {
  const auto opened = directory_.open_file(day, file.name, false, false);
  if (!opened) return std::nullopt;
  Bytes head(kBlobHeadBytes);
  const auto read = internal::read_at(opened->get(), 0, head);
  if (!read || *read != head.size()) return std::nullopt;
  const auto meta = internal::open_slots(BlobKeys(key, file.name), file.name, head);
  if (!meta || meta->size != file.bytes - kBlobHeadBytes) {
    std::ignore = damaged();
    return std::nullopt;
  }
  BlobEntry out;
  out.size = static_cast<std::uint32_t>(meta->size);
  out.received = out.durable = static_cast<std::uint32_t>(meta->durable);
  out.touched = meta->touched;
  return out;
}

void FileBlobStore::Impl::close() {
  std::vector<BlobName> names;
  {
    const std::lock_guard lock(mutex_);
    names = index_.unfinished([](const BlobEntry& entry) { return entry.received > entry.durable; });
  }
  for (const BlobName& name : names) {
    const auto place = find(name);
    if (place) checkpoint(name, place->entry.touched);
  }
}

Result<FileBlobStore::Impl::Open, BlobError> FileBlobStore::Impl::open_blob(const BlobName& name, bool to_write) {
  const auto place = find(name);
  if (!place) return fail(BlobError::not_found);
  const auto key = vault_.existing_day_key(place->day);
  if (!key) return fail(trouble(key.error()));
  auto file = directory_.open_file(place->day, name, place->entry.complete, to_write);
  if (!file) return fail(trouble(file.error(), "open"));
  Open out{*place, BlobKeys(*key, name), std::move(*file), {}};
  Bytes head(kBlobHeadBytes);
  const auto read = internal::read_at(out.file.get(), 0, head);
  if (!read) return fail(trouble(read.error(), "read"));
  auto meta = *read == head.size() ? internal::open_slots(out.keys, name, head) : std::nullopt;
  if (!meta || meta->size != place->entry.size) return fail(damaged());
  out.meta = std::move(*meta);
  return out;
}

Result<FileBlobStore::Impl::Open, BlobError> FileBlobStore::Impl::open_own(const BlobName& name,
                                                                           const BlobTokenHash& upload, bool to_write) {
  OPALINE_TRY(Open out, open_blob(name, to_write));
  if (!same(out.meta.upload, upload)) return fail(BlobError::not_found);
  return out;
}

// ---------------------------------------------------------------- uploads

Result<void, BlobError> FileBlobStore::Impl::create(const NewBlob& blob, Time now) {
  OPALINE_ASSERT(blob.size > 0 && blob.size <= kMaxBlobBytes);
  OPALINE_ASSERT(!blob.releases.empty() && blob.releases.size() <= kMaxBlobReleases);
  const BlobName name = name_of(blob.id);
  const std::lock_guard lock(stripe(name));
  const Day day = day_of(now);
  if (directory_.free_bytes() < blob.size + reserve_bytes) return fail(trouble(FileError::full, "create"));
  const auto key = vault_.day_key(day);
  if (!key && key.error() == VaultError::destroyed) return fail(trouble(FileError::failed, "clock"));
  if (!key) return fail(trouble(key.error()));
  BlobMeta meta{.sequence = 0, .size = blob.size, .durable = 0, .touched = now, .upload = blob.upload, .releases = {}};
  for (const BlobTokenHash& hash : blob.releases) meta.releases.push_back({hash, false});
  OPALINE_CHECK(make_file(day, name, BlobKeys(*key, name), meta));
  BlobEntry entry;
  entry.size = static_cast<std::uint32_t>(blob.size);
  entry.touched = now;
  const std::lock_guard index_lock(mutex_);
  index_.put(day, name, entry);
  return {};
}

Result<FileDescriptor, BlobError> FileBlobStore::Impl::make_file(Day day, const BlobName& name, const BlobKeys& keys,
                                                                 const BlobMeta& meta) {
  const auto made = directory_.make_day(day);
  if (!made) return fail(trouble(made.error(), "create"));
  auto file = directory_.create(day, name);
  if (!file) return fail(trouble(file.error() == FileError::missing ? FileError::failed : file.error(), "create"));
  auto done = internal::reserve(file->get(), kBlobHeadBytes + meta.size);
  if (done) done = internal::write_at(file->get(), 0, internal::seal_slot(keys, name, meta, random_));
  fault_point("blobs.before_create_sync");
  if (done) done = internal::sync_data(file->get());
  if (done) done = directory_.sync_day(day);
  if (!done) {
    std::ignore = directory_.remove(day, name, false);
    return fail(trouble(done.error() == FileError::missing ? FileError::failed : done.error(), "create"));
  }
  fault_point("blobs.after_create");
  return std::move(*file);
}

Result<BlobAppended, BlobError> FileBlobStore::Impl::append(const BlobName& name, const BlobTokenHash& upload,
                                                            std::uint64_t offset, std::span<std::byte> piece,
                                                            Time now) {
  const std::lock_guard lock(stripe(name));
  OPALINE_TRY(Open blob, open_own(name, upload, true));
  BlobEntry& entry = blob.place.entry;
  if (entry.complete || offset != entry.received) return BlobAppended{false, progress_of(entry)};
  if (piece.size() > entry.size - offset) return fail(BlobError::too_large);
  internal::crypt_content(blob.keys, offset, piece);
  fault_point("blobs.before_piece");
  const auto written = internal::write_at(blob.file.get(), kBlobHeadBytes + offset, piece);
  if (!written) return fail(trouble(written.error(), "append"));
  // The kernel begins to write it out now, so that little is left to wait for at the end. A hint, no promise.
  ::sync_file_range(blob.file.get(), static_cast<off_t>(kBlobHeadBytes + offset), static_cast<off_t>(piece.size()),
                    SYNC_FILE_RANGE_WRITE);
  fault_point("blobs.after_piece");
  if (offset + piece.size() == entry.size) {
    OPALINE_CHECK(finish(blob, name));
  } else {
    entry.received += static_cast<std::uint32_t>(piece.size());
    entry.touched = now;
    update(blob.place, name);
  }
  return BlobAppended{true, progress_of(entry)};
}

/// The name says that a blob is complete, so it changes only after the content is on stable storage.
Result<void, BlobError> FileBlobStore::Impl::finish(Open& blob, const BlobName& name) {
  BlobEntry& entry = blob.place.entry;
  fault_point("blobs.before_content_sync");
  auto done = internal::sync_data(blob.file.get());
  if (!done) {
    // After a failed fsync the kernel takes the pages for clean: nothing since the last good one can be relied on.
    entry.received = entry.durable;
    update(blob.place, name);
    return fail(trouble(done.error(), "sync"));
  }
  fault_point("blobs.after_content_sync");
  done = directory_.complete(blob.place.day, name);
  if (!done) return fail(trouble(done.error(), "sync"));
  fault_point("blobs.after_complete_name");
  done = directory_.sync_day(blob.place.day);
  if (!done) {
    // Nobody knows which name a crash would leave: better no blob than one that was promised and goes.
    const std::lock_guard lock(mutex_);
    index_.erase(blob.place.day, name);
    return fail(trouble(done.error(), "sync"));
  }
  entry.complete = true;
  update(blob.place, name);
  fault_point("blobs.after_complete");
  return {};
}

void FileBlobStore::Impl::checkpoint(const BlobName& name, Time now) {
  const std::lock_guard lock(stripe(name));
  auto blob = open_blob(name, true);
  if (!blob || blob->place.entry.complete || blob->place.entry.received == blob->place.entry.durable) return;
  std::ignore = make_durable(*blob, name, now);
}

bool FileBlobStore::Impl::make_durable(Open& blob, const BlobName& name, Time touched) {
  BlobEntry& entry = blob.place.entry;
  blob.meta.durable = entry.received;
  blob.meta.touched = touched;
  const auto done = replace_slot(blob, name);
  if (done) {
    entry.durable = entry.received;
  } else {
    entry.received = entry.durable;
    std::ignore = trouble(done.error(), "sync");
  }
  update(blob.place, name);
  return done.has_value();
}

/// Everything before it is synced first: what the slot says is true whenever it reaches the disk, and so is the other
/// slot, which this one may not replace before it is there.
Result<void, FileError> FileBlobStore::Impl::replace_slot(Open& blob, const BlobName& name) {
  OPALINE_CHECK(internal::sync_data(blob.file.get()));
  fault_point("blobs.before_durable_mark");
  blob.meta.sequence += 1;
  const std::uint64_t at = blob.meta.sequence % 2 * internal::kSlotBytes;
  return internal::write_at(blob.file.get(), at, internal::seal_slot(blob.keys, name, blob.meta, random_));
}

Result<BlobProgress, BlobError> FileBlobStore::Impl::progress(const BlobName& name, const BlobTokenHash& upload) {
  const std::lock_guard lock(stripe(name));
  OPALINE_TRY(const Open blob, open_own(name, upload, false));
  return progress_of(blob.place.entry);
}

// ---------------------------------------------------------------- recipients

Result<BlobPiece, BlobError> FileBlobStore::Impl::read(const BlobName& name, std::uint64_t offset,
                                                       std::size_t max_bytes, Day oldest) {
  const auto place = find(name);
  if (!place || !place->entry.complete || place->day < oldest) return fail(BlobError::not_found);
  const auto key = vault_.existing_day_key(place->day);
  if (!key) return fail(trouble(key.error()));
  BlobPiece out{place->entry.size, {}};
  if (offset >= out.size) return out;
  const auto file = directory_.open_file(place->day, name, true, false);
  if (!file) return fail(trouble(file.error(), "open"));
  out.bytes.resize(static_cast<std::size_t>(std::min<std::uint64_t>(max_bytes, out.size - offset)));
  const auto got = internal::read_at(file->get(), kBlobHeadBytes + offset, out.bytes);
  if (!got) return fail(trouble(got.error(), "read"));
  if (*got != out.bytes.size()) return fail(damaged());  // cut off behind our back
  internal::crypt_content(BlobKeys(*key, name), offset, out.bytes);
  return out;
}

Result<bool, BlobError> FileBlobStore::Impl::release(const BlobName& name, const BlobTokenHash& release) {
  const std::lock_guard lock(stripe(name));
  if (const auto place = find(name); !place || !place->entry.complete) return fail(BlobError::not_found);
  OPALINE_TRY(Open blob, open_blob(name, true));
  bool known = false, news = false, last = true;
  for (internal::BlobRelease& each : blob.meta.releases) {
    if (same(each.hash, release)) {
      known = true;
      news = news || !each.released;
      each.released = true;
    }
    last = last && each.released;
  }
  if (!known) return fail(BlobError::not_found);
  if (last) {
    OPALINE_CHECK(unlink(blob.place, name));
    return true;
  }
  if (!news) return false;
  auto done = replace_slot(blob, name);
  fault_point("blobs.before_slot_sync");
  if (done) done = internal::sync_data(blob.file.get());
  if (!done) return fail(trouble(done.error(), "release"));
  fault_point("blobs.after_slot_sync");
  return false;
}

Result<void, BlobError> FileBlobStore::Impl::add_releases(const BlobName& name, const BlobTokenHash& upload,
                                                          const std::vector<BlobTokenHash>& releases) {
  const std::lock_guard lock(stripe(name));
  OPALINE_TRY(Open blob, open_own(name, upload, true));
  auto& known = blob.meta.releases;
  const std::size_t before = known.size();
  for (const BlobTokenHash& hash : releases) {
    if (std::ranges::any_of(known, [&](const auto& each) { return same(each.hash, hash); })) continue;
    if (known.size() == kMaxBlobReleases) return fail(BlobError::too_large);
    known.push_back({hash, false});
  }
  if (known.size() == before) return {};
  auto done = replace_slot(blob, name);
  fault_point("blobs.before_slot_sync");
  if (done) done = internal::sync_data(blob.file.get());
  if (!done) return fail(trouble(done.error(), "releases"));
  fault_point("blobs.after_slot_sync");
  return {};
}

Result<void, BlobError> FileBlobStore::Impl::remove(const BlobName& name, const BlobTokenHash& upload) {
  const std::lock_guard lock(stripe(name));
  OPALINE_TRY(const Open blob, open_own(name, upload, false));
  return unlink(blob.place, name);
}

Result<void, BlobError> FileBlobStore::Impl::unlink(const BlobPlace& place, const BlobName& name) {
  const auto removed = directory_.remove(place.day, name, place.entry.complete);
  if (!removed) return fail(trouble(removed.error(), "remove"));
  {
    const std::lock_guard lock(mutex_);
    index_.erase(place.day, name);
  }
  fault_point("blobs.after_unlink");
  const auto synced = directory_.sync_day(place.day);
  if (!synced) return fail(trouble(synced.error(), "remove"));
  return {};
}

// ---------------------------------------------------------------- upkeep

bool FileBlobStore::Impl::is_unfinished(const BlobName& name) {
  const auto place = find(name);
  return place && !place->entry.complete;
}

Result<void, BlobError> FileBlobStore::Impl::expire_through(Day day) {
  fault_point("blobs.before_expiry");
  const auto destroyed = vault_.destroy_through(day);
  {
    const std::lock_guard lock(mutex_);
    if (destroyed) index_.erase_through(day);
  }
  if (!destroyed) return fail(trouble(destroyed.error()));
  const auto days = directory_.days();
  if (!days) return fail(trouble(days.error(), "expire"));
  bool all = true;
  for (const Day each : *days) {
    if (each > day) continue;
    const auto removed = directory_.remove_day(each, [] { fault_point("blobs.after_expired_file"); });
    if (!removed) std::ignore = trouble(removed.error(), "expire");
    all = all && removed;
  }
  if (!all) return fail(BlobError::failed);
  return {};
}

std::size_t FileBlobStore::Impl::drop_unfinished(Time before) {
  const auto late = [before](const BlobEntry& entry) { return entry.touched < before; };
  std::vector<BlobName> names;
  {
    const std::lock_guard lock(mutex_);
    names = index_.unfinished(late);
  }
  std::size_t dropped = 0;
  for (const BlobName& name : names) {
    const std::lock_guard lock(stripe(name));
    const auto place = find(name);
    if (place && !place->entry.complete && late(place->entry) && unlink(*place, name)) ++dropped;
  }
  return dropped;
}

BlobUsage FileBlobStore::Impl::usage() const {
  const std::lock_guard lock(mutex_);
  return index_.usage();
}

// ---------------------------------------------------------------- the store

FileBlobStore::FileBlobStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
FileBlobStore::~FileBlobStore() {
  impl_->close();
}

Result<std::unique_ptr<FileBlobStore>, OpenError> FileBlobStore::open(const FileBlobOptions& options, KeyVault& vault,
                                                                      RandomSource& random, Log& log) {
  const auto key = vault.named_key("blobs");
  if (!key) return fail(OpenError{"the vault gives no key for attachments: its disk is full or failed"});
  const auto mark = crypto::hmac_sha256(key->reveal(), {as_view("opaline blobs directory 1")});
  OPALINE_TRY(BlobDirectory directory, BlobDirectory::open(options.directory, mark, random));
  if (directory.is_new()) log.event(LogLevel::info, "blobs.begins_empty", {{"directory", options.directory.native()}});
  auto impl = std::make_unique<Impl>(options, std::move(directory), *key, vault, random, log);
  OPALINE_CHECK(impl->load(options.directory));
  return std::unique_ptr<FileBlobStore>(new FileBlobStore(std::move(impl)));
}

Result<void, BlobError> FileBlobStore::create(const NewBlob& blob, Time now) {
  return impl_->create(blob, now);
}
Result<BlobAppended, BlobError> FileBlobStore::append(const BlobId& id, const BlobTokenHash& upload,
                                                      std::uint64_t offset, std::span<std::byte> piece, Time now) {
  return impl_->append(impl_->name_of(id), upload, offset, piece, now);
}
void FileBlobStore::checkpoint(const BlobId& id, Time now) {
  impl_->checkpoint(impl_->name_of(id), now);
}
Result<BlobProgress, BlobError> FileBlobStore::progress(const BlobId& id, const BlobTokenHash& upload) {
  return impl_->progress(impl_->name_of(id), upload);
}
Result<BlobPiece, BlobError> FileBlobStore::read(const BlobId& id, std::uint64_t offset, std::size_t max_bytes,
                                                 Day oldest) {
  return impl_->read(impl_->name_of(id), offset, max_bytes, oldest);
}
Result<bool, BlobError> FileBlobStore::release(const BlobId& id, const BlobTokenHash& release) {
  return impl_->release(impl_->name_of(id), release);
}
Result<void, BlobError> FileBlobStore::add_releases(const BlobId& id, const BlobTokenHash& upload,
                                                    const std::vector<BlobTokenHash>& releases) {
  return impl_->add_releases(impl_->name_of(id), upload, releases);
}
Result<void, BlobError> FileBlobStore::remove(const BlobId& id, const BlobTokenHash& upload) {
  return impl_->remove(impl_->name_of(id), upload);
}
bool FileBlobStore::is_unfinished(const BlobId& id) {
  return impl_->is_unfinished(impl_->name_of(id));
}
Result<void, BlobError> FileBlobStore::expire_through(Day day) {
  return impl_->expire_through(day);
}
std::size_t FileBlobStore::drop_unfinished(Time before) {
  return impl_->drop_unfinished(before);
}
BlobUsage FileBlobStore::usage() const {
  return impl_->usage();
}
FileBlobStore::Stats FileBlobStore::stats() const {
  return {impl_->failures, impl_->full, impl_->damages};
}
void FileBlobStore::set_reserve_bytes(std::uint64_t bytes) {
  impl_->reserve_bytes = bytes;
}

}  // namespace opaline::store
