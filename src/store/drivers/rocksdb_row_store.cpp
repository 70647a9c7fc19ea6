// One column family; a row's key is u8 length of table || table || key.
#include "store/drivers/rocksdb_row_store.hpp"

#include <rocksdb/convenience.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>
#include <rocksdb/utilities/checkpoint.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <set>

#include "base/codec.hpp"
#include "base/fault_point.hpp"
#include "store/internal/rocksdb_common.hpp"

namespace opaline::store {
namespace {

using internal::slice;
using internal::view;

constexpr std::size_t kMaxTableBytes = 64;
constexpr std::string_view kMetaTable = "!";  // ours: no registered table is called so
constexpr std::string_view kFormat = "opaline rows 1";
constexpr std::chrono::hours kRewriteAfter{20};  // as in the mailbox store

Bytes row_key(std::string_view table, ByteView key) {
  Bytes out;
  out.reserve(1 + table.size() + key.size());
  Writer(out).u8(static_cast<std::uint8_t>(table.size())).bytes(as_view(table)).bytes(key);
  return out;
}

/// The first key after all that begin with `prefix`; `prefix` begins with a table's length, so there is one.
Bytes after_prefix(Bytes prefix) {
  while (prefix.back() == std::byte{255}) prefix.pop_back();
  prefix.back() = static_cast<std::byte>(std::to_integer<unsigned>(prefix.back()) + 1);
  return prefix;
}

RowError error_of(const rocksdb::Status& status) {
  return internal::is_full(status) ? RowError::full : RowError::failed;
}

rocksdb::ColumnFamilyOptions family_options() {
  rocksdb::ColumnFamilyOptions out;
  out.compression = rocksdb::kNoCompression;
  out.bottommost_compression = rocksdb::kNoCompression;
  out.ttl = 0;
  out.periodic_compaction_seconds = 0;
  out.memtable_whole_key_filtering = true;
  out.memtable_prefix_bloom_size_ratio = 0.02;
  rocksdb::BlockBasedTableOptions table;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  table.format_version = 5;
  table.block_cache = rocksdb::NewLRUCache(std::size_t{64} << 20);
  out.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return out;
}

}  // namespace

class RocksdbRowStore::Impl {
 public:
  Impl(const internal::DatabaseSettings& settings_of, const RocksdbRowOptions& options, internal::OpenDatabase opened,
       Log& log)
      : origin(settings_of),
        directory(options.directory),
        tables(options.tables.begin(), options.tables.end()),
        reserve_bytes(options.reserve_bytes),
        log(log),
        db(std::move(opened.db)),
        family(opened.handles.front()) {}
  ~Impl() {
    const std::uint64_t sequence = db->GetLatestSequenceNumber();
    db->DestroyColumnFamilyHandle(family);
    if (db->Close().ok() && !failure) internal::note_mark(origin, sequence);  // each write was synced
  }

  Result<void, OpenError> check_format(const internal::DatabaseSettings& settings);
  rocksdb::Status set_meta(std::string_view key, ByteView value);
  /// The reason for which nothing is written at the moment.
  Result<void, RowError> resume_if_failing();
  void note_failure(const rocksdb::Status& status);
  /// Says why, which names the file.
  RowError read_failed(const rocksdb::Status& status) {
    log.event(LogLevel::error, "rows.read_failed", {{"why", status.ToString()}});
    return error_of(status);
  }

  const internal::DatabaseSettings origin;
  const std::filesystem::path directory;
  const std::set<std::string, std::less<>> tables;
  std::atomic<std::uint64_t> reserve_bytes;
  Log& log;
  std::unique_ptr<rocksdb::DB> db;
  rocksdb::ColumnFamilyHandle* family;
  std::mutex maintaining;
  std::mutex failing;               // guards failure
  std::optional<RowError> failure;  // of the last write, until RocksDB writes again
};

rocksdb::Status RocksdbRowStore::Impl::set_meta(std::string_view key, ByteView value) {
  rocksdb::WriteOptions synced;
  synced.sync = true;
  return db->Put(synced, family, slice(row_key(kMetaTable, as_view(key))), slice(value));
}

Result<void, OpenError> RocksdbRowStore::Impl::check_format(const internal::DatabaseSettings& settings) {
  std::string found;
  const auto status = db->Get(rocksdb::ReadOptions(), family, slice(row_key(kMetaTable, as_view("format"))), &found);
  if (status.IsNotFound()) {
    const auto set = set_meta("format", as_view(kFormat));
    if (!set.ok()) return fail(internal::open_error(settings, set));
    return {};
  }
  if (!status.ok()) return fail(internal::open_error(settings, status));
  if (found != kFormat) {
    return fail(
        internal::open_error(settings, rocksdb::Status::NotSupported("written by another version of the program")));
  }
  return {};
}

Result<void, RowError> RocksdbRowStore::Impl::resume_if_failing() {
  const std::lock_guard lock(failing);
  if (!failure) return {};
  if (internal::free_bytes(directory) < reserve_bytes || !internal::resume(*db)) return fail(*failure);
  failure.reset();
  log.event(LogLevel::info, "rows.writes_again");
  return {};
}

void RocksdbRowStore::Impl::note_failure(const rocksdb::Status& status) {
  const std::lock_guard lock(failing);
  if (!failure) log.event(LogLevel::error, "rows.write_failed", {{"why", status.ToString()}});
  failure = error_of(status);
}

Result<std::unique_ptr<RocksdbRowStore>, OpenError> RocksdbRowStore::open(const RocksdbRowOptions& options, Log& log) {
  for (const std::string& table : options.tables) {
    OPALINE_ASSERT(!table.empty() && table.size() <= kMaxTableBytes && table != kMetaTable);
  }
  const internal::DatabaseSettings settings{.directory = options.directory,
                                            .what = "row store",
                                            .accept_damaged_log = options.accept_damaged_log,
                                            .env = options.env,
                                            .log = &log};
  auto database = internal::database_options(settings);
  OPALINE_TRY(auto opened, internal::open_database(settings, database, family_options()));
  if (opened.names.size() != 1) {
    for (auto* const handle : opened.handles) opened.db->DestroyColumnFamilyHandle(handle);
    return fail(internal::open_error(settings, rocksdb::Status::InvalidArgument("not a row store")));
  }
  auto impl = std::make_unique<Impl>(settings, options, std::move(opened), log);
  OPALINE_CHECK(impl->check_format(settings));
  return std::unique_ptr<RocksdbRowStore>(new RocksdbRowStore(std::move(impl)));
}

RocksdbRowStore::RocksdbRowStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
RocksdbRowStore::~RocksdbRowStore() = default;

Result<std::optional<Bytes>, RowError> RocksdbRowStore::get(std::string_view table, ByteView key) {
  OPALINE_ASSERT(impl_->tables.contains(table));
  rocksdb::PinnableSlice value;
  const auto status = impl_->db->Get(rocksdb::ReadOptions(), impl_->family, slice(row_key(table, key)), &value);
  if (status.IsNotFound()) return std::optional<Bytes>();
  if (!status.ok()) return fail(impl_->read_failed(status));
  return std::optional(internal::bytes_of(value));
}

Result<void, RowError> RocksdbRowStore::write(std::vector<RowChange> changes) {
  std::vector<std::pair<Bytes, const RowChange*>> sorted;
  sorted.reserve(changes.size());
  for (const RowChange& change : changes) {
    OPALINE_ASSERT(impl_->tables.contains(change.table) && change.key.size() <= kMaxRowKeyBytes);
    sorted.emplace_back(row_key(change.table, change.key), &change);
  }
  // RocksDB finds a row's place from that of the row before it, which is cheap where they are near. Changes of one row
  // keep their order: that of their addresses.
  std::ranges::sort(sorted);
  rocksdb::WriteBatch batch;
  bool adds = false;
  for (const auto& [key, change] : sorted) {
    if (change->value) {
      adds = true;
      batch.Put(impl_->family, slice(key), slice(*change->value));
    } else {
      batch.Delete(impl_->family, slice(key));
    }
  }
  OPALINE_CHECK(impl_->resume_if_failing());
  if (adds && internal::free_bytes(impl_->directory) < impl_->reserve_bytes) return fail(RowError::full);
  rocksdb::WriteOptions synced;
  synced.sync = true;
  fault_point("store.before_rows_sync");
  const auto status = impl_->db->Write(synced, &batch);
  fault_point("store.after_rows_sync");
  if (status.ok()) return {};
  impl_->note_failure(status);
  return fail(RowError::unknown);  // it is gone from the memory, but its bytes may be in the log
}

Result<std::vector<std::pair<Bytes, Bytes>>, RowError> RocksdbRowStore::scan(std::string_view table, ByteView prefix,
                                                                             ByteView after, std::size_t limit) {
  OPALINE_ASSERT(impl_->tables.contains(table));
  const Bytes from = row_key(table, prefix);
  const Bytes last = row_key(table, after);
  const Bytes end = after_prefix(from);
  const rocksdb::Slice upper = slice(end);
  rocksdb::ReadOptions options;
  options.iterate_upper_bound = &upper;
  const std::unique_ptr<rocksdb::Iterator> at(impl_->db->NewIterator(options, impl_->family));
  std::vector<std::pair<Bytes, Bytes>> out;
  const std::size_t skip = 1 + table.size();
  for (at->Seek(slice(std::max(from, last))); at->Valid() && out.size() < limit; at->Next()) {
    if (!after.empty() && equal(view(at->key()), last)) continue;
    out.emplace_back(to_bytes(view(at->key()).subspan(skip)), internal::bytes_of(at->value()));
  }
  if (!at->status().ok()) return fail(impl_->read_failed(at->status()));
  return out;
}

Result<std::vector<std::pair<Bytes, Bytes>>, RowError> RocksdbRowStore::scan_back(std::string_view table,
                                                                                  ByteView prefix, ByteView before,
                                                                                  std::size_t limit) {
  OPALINE_ASSERT(impl_->tables.contains(table));
  const Bytes from = row_key(table, prefix);
  const Bytes end = before.empty() ? after_prefix(from) : std::min(row_key(table, before), after_prefix(from));
  const rocksdb::Slice lower = slice(from);
  rocksdb::ReadOptions options;
  options.iterate_lower_bound = &lower;
  const std::unique_ptr<rocksdb::Iterator> at(impl_->db->NewIterator(options, impl_->family));
  std::vector<std::pair<Bytes, Bytes>> out;
  const std::size_t skip = 1 + table.size();
  for (at->SeekForPrev(slice(end)); at->Valid() && out.size() < limit; at->Prev()) {
    if (equal(view(at->key()), end)) continue;
    out.emplace_back(to_bytes(view(at->key()).subspan(skip)), internal::bytes_of(at->value()));
  }
  if (!at->status().ok()) return fail(impl_->read_failed(at->status()));
  return out;
}

Result<void, RowError> RocksdbRowStore::erase_range(std::string_view table, ByteView from, ByteView end) {
  OPALINE_ASSERT(impl_->tables.contains(table));
  const Bytes first = row_key(table, from);
  const Bytes last = row_key(table, end);
  if (first >= last) return {};
  OPALINE_CHECK(impl_->resume_if_failing());
  const rocksdb::Slice begin = slice(first);
  const rocksdb::Slice past = slice(last);
  rocksdb::WriteOptions synced;
  synced.sync = true;
  fault_point("rows.before_range_erased");
  // First the rows, durably; then the files that hold nothing else go whole, and what is left of the range in others is
  // rewritten.
  auto status = impl_->db->DeleteRange(synced, impl_->family, begin, past);
  if (!status.ok()) {
    impl_->note_failure(status);
    return fail(RowError::unknown);
  }
  fault_point("rows.after_range_erased");
  status = rocksdb::DeleteFilesInRange(impl_->db.get(), impl_->family, &begin, &past, false);
  rocksdb::CompactRangeOptions rest;
  rest.exclusive_manual_compaction = false;
  rest.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForce;
  if (status.ok()) status = impl_->db->CompactRange(rest, impl_->family, &begin, &past);
  if (!status.ok()) {
    impl_->log.event(LogLevel::error, "rows.maintenance_failed", {{"why", status.ToString()}});
    return fail(error_of(status));
  }
  return {};
}

void RocksdbRowStore::maintain(Time now) {
  const std::lock_guard one_at_a_time(impl_->maintaining);
  std::string stored;
  const auto got =
      impl_->db->Get(rocksdb::ReadOptions(), impl_->family, slice(row_key(kMetaTable, as_view("rewritten"))), &stored);
  if (got.ok()) {
    Reader in(as_view(stored));
    const auto last = from_unix_millis(static_cast<std::int64_t>(in.u64()));
    if (in.finished() && now >= last && now < last + kRewriteAfter) return;
    rocksdb::CompactRangeOptions whole;
    whole.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForce;
    whole.exclusive_manual_compaction = false;
    auto status = impl_->db->Flush(rocksdb::FlushOptions(), impl_->family);
    if (status.ok()) status = impl_->db->CompactRange(whole, impl_->family, nullptr, nullptr);
    if (!status.ok()) {
      impl_->log.event(LogLevel::error, "rows.maintenance_failed", {{"why", status.ToString()}});
      return;
    }
  }
  Bytes value;
  Writer(value).u64(static_cast<std::uint64_t>(unix_millis(now)));
  if (const auto set = impl_->set_meta("rewritten", value); !set.ok()) {
    impl_->log.event(LogLevel::error, "rows.maintenance_failed", {{"why", set.ToString()}});
  }
}

Result<void, RowError> RocksdbRowStore::checkpoint(const std::filesystem::path& directory) {
  rocksdb::Checkpoint* made = nullptr;
  auto status = rocksdb::Checkpoint::Create(impl_->db.get(), &made);
  const std::unique_ptr<rocksdb::Checkpoint> checkpoint(made);
  if (status.ok()) status = checkpoint->CreateCheckpoint(directory.string());
  if (!status.ok()) return fail(error_of(status));
  return {};
}

void RocksdbRowStore::set_reserve_bytes(std::uint64_t bytes) {
  impl_->reserve_bytes = bytes;
}

}  // namespace opaline::store
