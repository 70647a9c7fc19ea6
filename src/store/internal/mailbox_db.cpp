#include "store/internal/mailbox_db.hpp"

#include <rocksdb/filter_policy.h>
#include <rocksdb/slice_transform.h>
#include <rocksdb/table.h>

#include <charconv>

#include "base/fault_point.hpp"

namespace opaline::store::internal {
namespace {

// 30 are kept; the others are room for a clock that is set wrong. Each costs a little at every look-up.
constexpr std::size_t kMaxDays = 40;
constexpr std::size_t kMaxRunKeys = 64;                     // runs whose keys a day keeps at hand
constexpr std::size_t kCacheBytes = std::size_t{64} << 20;  // filters and indices of 10^7 envelopes take about half
constexpr std::string_view kFormat = "opaline mailbox store 1";
/// Removed bytes must be gone within 24 hours: rewriting begins after 20, is looked at hourly, and may take its time.
constexpr std::chrono::hours kRewriteAfter{20};

std::string family_name(Day day) {
  return "day-" + std::to_string(number(day));
}
std::optional<Day> day_of_family(std::string_view name) {
  if (!name.starts_with("day-")) return std::nullopt;
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(name.data() + 4, name.data() + name.size(), value);
  if (error != std::errc() || end != name.data() + name.size()) return std::nullopt;
  return Day(value);
}

/// Whether anything was deleted from a flushed family and still lies in its files.
bool has_deletions(rocksdb::DB& db, rocksdb::ColumnFamilyHandle* family) {
  rocksdb::TablePropertiesCollection tables;
  if (!db.GetPropertiesOfAllTables(family, &tables).ok()) return true;
  for (const auto& [file, properties] : tables) {
    if (properties->num_deletions > 0 || properties->num_range_deletions > 0) return true;
  }
  return false;
}

}  // namespace

rocksdb::ColumnFamilyOptions day_family_options(const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::ColumnFamilyOptions out;
  out.compression = rocksdb::kNoCompression;
  out.bottommost_compression = rocksdb::kNoCompression;
  out.write_buffer_size = std::size_t{64} << 20;
  out.max_write_buffer_number = 4;
  out.prefix_extractor.reset(rocksdb::NewFixedPrefixTransform(kMailboxHashBytes));
  out.memtable_prefix_bloom_size_ratio = 0.004;
  // Rows live for a day at most between their arrival and their end as a file: rewriting them seldom costs less than
  // order gains.
  out.compaction_style = rocksdb::kCompactionStyleUniversal;
  out.compaction_options_universal.size_ratio = 20;
  out.compaction_options_universal.min_merge_width = 4;
  out.level0_file_num_compaction_trigger = 8;
  out.level0_slowdown_writes_trigger = 40;
  out.level0_stop_writes_trigger = 60;
  out.ttl = 0;
  out.periodic_compaction_seconds = 0;
  rocksdb::BlockBasedTableOptions table;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  table.whole_key_filtering = false;  // all look-ups are by mailbox
  table.format_version = 5;
  table.block_size = 16 << 10;
  table.block_cache = cache;
  table.cache_index_and_filter_blocks = true;
  table.pin_l0_filter_and_index_blocks_in_cache = true;
  out.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return out;
}

Result<std::shared_ptr<const RowSealKey>, VaultError> DayFamily::key_of(const Run& run, KeyVault& vault) {
  const std::lock_guard lock(mutex_);
  const auto found = keys_.find(run);
  if (found != keys_.end()) return found->second;
  OPALINE_TRY(const DayKey day_key, vault.existing_day_key(day_));
  if (keys_.size() >= kMaxRunKeys) keys_.clear();
  return keys_.emplace(run, std::make_shared<const RowSealKey>(row_seal_key(day_key, day_, run))).first->second;
}

MailboxDb::MailboxDb(const DatabaseSettings& settings, KeyVault& vault, RandomSource& random, Log& log,
                     const VaultKey& index_key)
    : settings_(settings),
      directory_(settings.directory),
      vault_(vault),
      log_(log),
      index_key_(index_key.reveal()),
      run_(random.bytes<kRunBytes>()) {}

Result<std::unique_ptr<MailboxDb>, OpenError> MailboxDb::open(const DatabaseSettings& settings, KeyVault& vault,
                                                              RandomSource& random, Log& log) {
  const auto index_key = vault.named_key("mailbox-index");
  if (!index_key) {
    return fail(OpenError{
        "the key vault gives no key for the mailbox store: its disk is full or failed, or its files are damaged"});
  }
  const auto cache = rocksdb::NewLRUCache(kCacheBytes);
  OPALINE_TRY(OpenDatabase opened, open_database(settings, database_options(settings), day_family_options(cache)));
  std::unique_ptr<MailboxDb> out(new MailboxDb(settings, vault, random, log, *index_key));
  out->cache_ = cache;
  OPALINE_CHECK(out->adopt(std::move(opened), settings));
  OPALINE_CHECK(out->check_meta(settings));
  // What a crash left between the destroying of keys and the dropping of rows, or an old copy brought back.
  const auto all = out->days();
  for (const auto& [day, family] : *all) {
    const auto key = vault.existing_day_key(day);
    if (!key && key.error() == VaultError::missing && !settings.accept_damaged_log) {
      return fail(
          OpenError{std::string(settings.what) + " " + settings.directory.string() + ": the key vault's file day-" +
                    std::to_string(number(day)) +
                    ".key is missing: put it back; without it what waits from that day cannot be read. `opalined --set "
                    "paths.accept_damage=true` gives that up, for good"});
    }
    const bool gone = !key && (key.error() == VaultError::destroyed || key.error() == VaultError::missing);
    if (gone && !out->drop(family)) {
      return fail(OpenError{std::string(settings.what) + " " + settings.directory.string() +
                            ": an expired day cannot be dropped"});
    }
  }
  return out;
}

Result<void, OpenError> MailboxDb::adopt(OpenDatabase opened, const DatabaseSettings& settings) {
  db_ = std::move(opened.db);
  Days days;
  std::string foreign;
  for (std::size_t i = 0; i < opened.names.size(); ++i) {
    const std::string& name = opened.names[i];
    const auto day = day_of_family(name);
    if (name == rocksdb::kDefaultColumnFamilyName) {
      meta_ = opened.handles[i];
    } else if (day) {
      days.emplace(*day, std::make_shared<DayFamily>(*db_, opened.handles[i], *day));
    } else {
      db_->DestroyColumnFamilyHandle(opened.handles[i]);
      foreign = name;
    }
  }
  publish(std::move(days));
  if (!foreign.empty())
    return fail(open_error(settings, rocksdb::Status::InvalidArgument("not a mailbox store: family", foreign)));
  return {};
}

Result<void, OpenError> MailboxDb::check_meta(const DatabaseSettings& settings) {
  const auto mark = index_key_.mac(as_view("opaline mailbox store check"));
  const auto format = meta("format");
  const auto vault = meta("vault");
  const auto epoch = meta("epoch");
  for (const auto* each : {&format, &vault, &epoch}) {
    if (!*each) return fail(open_error(settings, each->error()));
  }
  if (!*format && !*vault) {
    for (const auto& status : {set_meta("format", as_view(kFormat)), set_meta("vault", mark)}) {
      if (!status.ok()) return fail(open_error(settings, status));
    }
  } else {
    if (!*format || !equal(**format, as_view(kFormat))) {
      return fail(open_error(settings, rocksdb::Status::NotSupported("written by another version of the program")));
    }
    if (!*vault || !equal(**vault, mark)) {
      return fail(OpenError{
          std::string(settings.what) + " " + settings.directory.string() +
          ": it was written with another key vault: put back the vault that belongs to it, or move the store away "
          "to start with an empty one (what waits in it cannot be read without its vault)"});
    }
  }
  if (*epoch) {
    Reader in(**epoch);
    epoch_ = in.u64();
    if (!in.finished()) return fail(open_error(settings, rocksdb::Status::Corruption("epoch")));
  }
  return {};
}

MailboxDb::~MailboxDb() {
  if (db_ == nullptr) return;
  days_.reset();
  // Removals are not synced by themselves. (Not SyncWAL: it asserts after a write that failed.)
  const bool synced = set_meta("closed", {}).ok();
  if (!synced) log_.event(LogLevel::warning, "store.not_synced_at_closing");
  const std::uint64_t sequence = db_->GetLatestSequenceNumber();
  if (meta_ != nullptr) db_->DestroyColumnFamilyHandle(meta_);
  if (db_->Close().ok() && synced) note_mark(settings_, sequence);
}

Result<std::optional<Bytes>, rocksdb::Status> MailboxDb::meta(std::string_view key) {
  std::string value;
  const auto status = db_->Get(rocksdb::ReadOptions(), meta_, rocksdb::Slice(key.data(), key.size()), &value);
  if (status.IsNotFound()) return std::optional<Bytes>();
  if (!status.ok()) return fail(status);
  return std::optional(to_bytes(std::string_view(value)));
}

rocksdb::Status MailboxDb::set_meta(std::string_view key, ByteView value) {
  rocksdb::WriteOptions synced;
  synced.sync = true;
  return db_->Put(synced, meta_, rocksdb::Slice(key.data(), key.size()), slice(value));
}

std::shared_ptr<const MailboxDb::Days> MailboxDb::days() const {
  const std::lock_guard lock(mutex_);
  return days_;
}

void MailboxDb::publish(Days days) {
  auto next = std::make_shared<const Days>(std::move(days));
  const std::lock_guard lock(mutex_);
  days_.swap(next);
}

Result<DayFamilyPtr, MailboxDb::DayError> MailboxDb::make_day(Day day) {
  const auto all = days();
  if (const auto found = all->find(day); found != all->end()) return found->second;
  if (all->size() >= kMaxDays) {
    log_.event(LogLevel::error, "store.too_many_days", {{"day", std::int64_t{number(day)}}});
    return fail(DayError::unusable);
  }
  fault_point("store.before_day_key");
  const auto key = vault_.day_key(day);
  if (!key) {
    log_.event(LogLevel::error, "store.no_day_key", {{"day", std::int64_t{number(day)}}});
    return fail(key.error() == VaultError::full ? DayError::full : DayError::unusable);
  }
  fault_point("store.before_day_family");
  rocksdb::ColumnFamilyHandle* handle = nullptr;
  const auto made = db_->CreateColumnFamily(day_family_options(cache_), family_name(day), &handle);
  if (!made.ok()) {
    log_.event(LogLevel::error, "store.no_day_family", {{"day", std::int64_t{number(day)}}, {"why", made.ToString()}});
    return fail(is_full(made) ? DayError::full : DayError::unusable);
  }
  Days next = *all;
  const auto family = std::make_shared<DayFamily>(*db_, handle, day);
  next.emplace(day, family);
  publish(std::move(next));
  return family;
}

bool MailboxDb::drop(const DayFamilyPtr& family) {
  const auto dropped = db_->DropColumnFamily(family->handle());
  if (!dropped.ok()) {
    log_.event(LogLevel::error, "store.day_not_dropped",
               {{"day", std::int64_t{number(family->day())}}, {"why", dropped.ToString()}});
  }
  // Either way nobody may use it any more: its key is gone. What could not be dropped is dropped by the next start.
  Days next = *days();
  next.erase(family->day());
  publish(std::move(next));
  fault_point("store.after_day_dropped");
  return dropped.ok();
}

rocksdb::Status MailboxDb::flush_all() {
  // A log ends where a family that has something in it is flushed: so that there is one, whatever was dropped.
  if (const auto set = set_meta("flushed", {}); !set.ok()) return set;
  std::vector<rocksdb::ColumnFamilyHandle*> handles = {meta_};
  const auto all = days();
  for (const auto& [day, family] : *all) handles.push_back(family->handle());
  return db_->Flush(rocksdb::FlushOptions(), handles);
}

bool MailboxDb::expire_through(Day day, bool disk_is_full) {
  fault_point("store.before_expiry");
  if (!vault_.destroy_through(day)) {
    log_.event(LogLevel::error, "store.keys_not_destroyed", {{"day", std::int64_t{number(day)}}});
    return false;
  }
  fault_point("store.after_keys_destroyed");
  const auto all = days();
  bool dropped = true;
  for (const auto& [each, family] : *all) {
    if (each <= day) dropped = drop(family) && dropped;
  }
  // The dropped rows still lie in the log, which otherwise goes when it is long enough.
  if (disk_is_full) static_cast<void>(flush_all());
  return dropped;
}

std::optional<OwnerEpoch> MailboxDb::take() {
  const std::lock_guard lock(mutex_);
  Bytes value;
  Writer(value).u64(++epoch_);  // also after a failed write, of which nobody knows whether it is on the disk
  if (!set_meta("epoch", value).ok()) return std::nullopt;
  owner_.store(OwnerEpoch(epoch_), std::memory_order_release);
  return OwnerEpoch(epoch_);
}

void MailboxDb::maintain(Time now) {
  const std::lock_guard one_at_a_time(maintaining_);
  const auto stored = meta("rewritten");
  std::optional<Time> last;
  if (stored && *stored) {
    Reader in(**stored);
    const auto time = from_unix_millis(static_cast<std::int64_t>(in.u64()));
    if (in.finished()) last = time;
  }
  if (last && now >= *last && now < *last + kRewriteAfter) return;
  const auto all = days();
  if (last) {
    // Empties the log, too: a log is deleted when all it holds is in files.
    if (const auto flushed = flush_all(); !flushed.ok()) {
      log_.event(LogLevel::error, "store.maintenance_failed", {{"why", flushed.ToString()}});
      return;
    }
    for (const auto& [day, family] : *all) {
      if (!has_deletions(*db_, family->handle())) continue;
      rocksdb::CompactRangeOptions whole;
      whole.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForce;
      whole.exclusive_manual_compaction = false;
      const auto compacted = db_->CompactRange(whole, family->handle(), nullptr, nullptr);
      if (!compacted.ok() && !compacted.IsColumnFamilyDropped() && !compacted.IsShutdownInProgress()) {
        log_.event(LogLevel::error, "store.maintenance_failed", {{"why", compacted.ToString()}});
        return;
      }
    }
  }
  Bytes value;
  Writer(value).u64(static_cast<std::uint64_t>(unix_millis(now)));
  if (const auto set = set_meta("rewritten", value); !set.ok()) {
    log_.event(LogLevel::error, "store.maintenance_failed", {{"why", set.ToString()}});
  }
}

}  // namespace opaline::store::internal
