#pragma once
// The few file operations of the vault, with everything synced. Names are relative to an open directory, so that nobody
// can swap the path under us.
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.hpp"
#include "base/random.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"

namespace opaline::store::internal {

/// Owns a descriptor.
class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  ~FileDescriptor();
  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] bool is_open() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

enum class FileError : std::uint8_t { missing, full, failed };

/// Begins the name of a file that is not finished; what begins so may be removed by who holds the directory's lock.
inline constexpr std::string_view kTemporaryPrefix = ".tmp-";

/// The whole file; failed if it is no regular file or longer than `max_bytes`.
[[nodiscard]] Result<SecretBytes, FileError> read_file(int directory, const std::string& name, std::size_t max_bytes);
/// Writes a temporary file (mode 0600), syncs it, gives it its name (replacing what has it) and syncs the directory. On
/// an error the old file is there, or, if only the last sync failed, the new one.
[[nodiscard]] Result<void, FileError> write_file_synced(int directory, const std::string& name, ByteView contents,
                                                        RandomSource& random);
/// Syncs the file and the directory that has it.
[[nodiscard]] Result<void, FileError> sync_file(int directory, const std::string& name);
/// Overwrites the file in place with zeros, syncs it, calls `between`, removes its name. The directory is not synced.
[[nodiscard]] Result<void, FileError> shred_file(int directory, const std::string& name, void (*between)());
/// Names in the directory, without "." and "..".
[[nodiscard]] Result<std::vector<std::string>, FileError> list_directory(int directory);
[[nodiscard]] Result<void, FileError> remove_file(int directory, const std::string& name);
[[nodiscard]] Result<void, FileError> sync_directory(int directory);

/// Holds the exclusive lock of the file `lock` in a directory, between threads' and processes' openings of it.
class DirectoryLock {
 public:
  [[nodiscard]] static Result<DirectoryLock, FileError> take(int directory);

 private:
  explicit DirectoryLock(FileDescriptor file) : file_(std::move(file)) {}
  FileDescriptor file_;
};

}  // namespace opaline::store::internal
