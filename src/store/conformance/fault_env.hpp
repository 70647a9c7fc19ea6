#pragma once
// A file system below RocksDB whose disk fills up or breaks when the test says so.
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

#include <atomic>
#include <memory>

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

  rocksdb::IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* out,
                                    rocksdb::IODebugContext* context) override {
    if (auto status = check(); !status.ok()) return status;
    auto status = FileSystemWrapper::NewWritableFile(name, options, out, context);
    if (status.ok()) *out = std::make_unique<File>(std::move(*out), *this);
    return status;
  }

 private:
  class File final : public rocksdb::FSWritableFileOwnerWrapper {
   public:
    File(std::unique_ptr<rocksdb::FSWritableFile>&& target, FaultFileSystem& disk)
        : FSWritableFileOwnerWrapper(std::move(target)), disk_(disk) {}
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
      return FSWritableFileOwnerWrapper::Sync(options, context);
    }
    rocksdb::IOStatus Fsync(const rocksdb::IOOptions& options, rocksdb::IODebugContext* context) override {
      if (auto status = disk_.check(); !status.ok()) return status;
      return FSWritableFileOwnerWrapper::Fsync(options, context);
    }

   private:
    FaultFileSystem& disk_;
  };

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
};

/// Owns both. Outlives the stores on it.
struct FaultEnv {
  std::shared_ptr<FaultFileSystem> disk = std::make_shared<FaultFileSystem>();
  std::unique_ptr<rocksdb::Env> env = rocksdb::NewCompositeEnv(disk);
};

}  // namespace opaline::store::conformance
