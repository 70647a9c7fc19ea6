#pragma once
// A file system below RocksDB whose disk fills up, breaks or loses power when the test says so.
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

#include <atomic>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>

namespace opaline::store::conformance {

enum class DiskState : int { good, full, broken };

/// Thread-safe. Writes, syncs and new files answer as the state says; reads and deletions go on.
class FaultFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  FaultFileSystem() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}
  [[nodiscard]] const char* Name() const override { return "opaline-fault"; }
  void set(DiskState state) {
    writes_left_ = 0;
    state_ = state;
  }
  /// Counts down with each write; at zero the disk is full.
  void fill_up_after(long writes) { writes_left_ = writes; }

  /// What a power cut leaves of a directory: every file as long as it was when it was last synced. (Names are taken to
  /// be safe.)
  void copy_as_after_power_cut(const std::filesystem::path& from, const std::filesystem::path& to) {
    std::filesystem::copy(from, to);
    const std::lock_guard lock(mutex_);
    for (const auto& entry : std::filesystem::directory_iterator(to)) {
      const auto found = synced_bytes_.find((from / entry.path().filename()).string());
      if (found != synced_bytes_.end() && found->second < entry.file_size()) {
        std::filesystem::resize_file(entry.path(), found->second);
      }
    }
  }
  rocksdb::IOStatus RenameFile(const std::string& from, const std::string& to, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* context) override {
    {
      const std::lock_guard lock(mutex_);
      synced_bytes_[to] = synced_bytes_[from];
      synced_bytes_.erase(from);
    }
    return FileSystemWrapper::RenameFile(from, to, options, context);
  }

  rocksdb::IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* out,
                                    rocksdb::IODebugContext* context) override {
    if (auto status = check(); !status.ok()) return status;
    auto status = FileSystemWrapper::NewWritableFile(name, options, out, context);
    if (status.ok()) {
      *out = std::make_unique<File>(std::move(*out), *this, name);
      const std::lock_guard lock(mutex_);
      synced_bytes_[name] = 0;
    }
    return status;
  }

 private:
  class File final : public rocksdb::FSWritableFileOwnerWrapper {
   public:
    File(std::unique_ptr<rocksdb::FSWritableFile>&& target, FaultFileSystem& disk, std::string name)
        : FSWritableFileOwnerWrapper(std::move(target)), disk_(disk), name_(std::move(name)) {}
    rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                             rocksdb::IODebugContext* context) override {
      if (auto status = disk_.check(); !status.ok()) {
        // As a real disk does: some of it is there.
        static_cast<void>(FSWritableFileOwnerWrapper::Append({data.data(), data.size() / 2}, options, context));
        return status;
      }
      return FSWritableFileOwnerWrapper::Append(data, options, context);
    }
    rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                             const rocksdb::DataVerificationInfo&, rocksdb::IODebugContext* context) override {
      return Append(data, options, context);
    }
    rocksdb::IOStatus Sync(const rocksdb::IOOptions& options, rocksdb::IODebugContext* context) override {
      if (auto status = disk_.check(); !status.ok()) return status;
      const std::uint64_t size = GetFileSize(options, context);
      auto status = FSWritableFileOwnerWrapper::Sync(options, context);
      if (status.ok()) disk_.synced(name_, size);
      return status;
    }
    rocksdb::IOStatus Fsync(const rocksdb::IOOptions& options, rocksdb::IODebugContext* context) override {
      if (auto status = disk_.check(); !status.ok()) return status;
      const std::uint64_t size = GetFileSize(options, context);
      auto status = FSWritableFileOwnerWrapper::Fsync(options, context);
      if (status.ok()) disk_.synced(name_, size);
      return status;
    }

   private:
    FaultFileSystem& disk_;
    const std::string name_;
  };
  void synced(const std::string& name, std::uint64_t bytes) {
    const std::lock_guard lock(mutex_);
    synced_bytes_[name] = bytes;
  }

  rocksdb::IOStatus check() {
    if (writes_left_ > 0 && --writes_left_ == 0) state_ = DiskState::full;
    switch (state_.load()) {
      case DiskState::good:
        return rocksdb::IOStatus::OK();
      case DiskState::full:
        return rocksdb::IOStatus::NoSpace("no space left on the test's disk");
      case DiskState::broken:
        break;
    }
    return rocksdb::IOStatus::IOError("the test's disk is broken");
  }

  std::atomic<DiskState> state_ = DiskState::good;
  std::atomic<long> writes_left_ = 0;
  std::mutex mutex_;
  std::map<std::string, std::uint64_t> synced_bytes_;  // guarded by mutex_
};

/// Owns both. Outlives the stores on it.
struct FaultEnv {
  std::shared_ptr<FaultFileSystem> disk = std::make_shared<FaultFileSystem>();
  std::unique_ptr<rocksdb::Env> env = rocksdb::NewCompositeEnv(disk);
};

}  // namespace opaline::store::conformance
