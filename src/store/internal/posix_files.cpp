#include "store/internal/posix_files.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <memory>

#include "base/fault_point.hpp"

namespace opaline::store::internal {
namespace {

FileError error_of(int code) {
  if (code == ENOENT) return FileError::missing;
  return code == ENOSPC || code == EDQUOT ? FileError::full : FileError::failed;
}

bool write_all(int fd, ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t size = ::write(fd, bytes.data(), bytes.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(size));
  }
  return true;
}

}  // namespace

FileDescriptor::~FileDescriptor() {
  if (fd_ >= 0) ::close(fd_);
}

Result<SecretBytes, FileError> read_file(int directory, const std::string& name, std::size_t max_bytes) {
  const FileDescriptor file(::openat(directory, name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!file.is_open()) return fail(error_of(errno));
  struct stat status{};
  if (::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) return fail(FileError::failed);
  if (status.st_size < 0 || static_cast<std::size_t>(status.st_size) > max_bytes) return fail(FileError::failed);
  SecretBytes out(static_cast<std::size_t>(status.st_size));
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t size = ::read(file.get(), out.data() + done, out.size() - done);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return fail(FileError::failed);
    done += static_cast<std::size_t>(size);
  }
  return out;
}

Result<void, FileError> sync_directory(int directory) {
  if (::fsync(directory) != 0) return fail(error_of(errno));
  return {};
}

Result<void, FileError> write_file_synced(int directory, const std::string& name, ByteView contents,
                                          RandomSource& random) {
  const std::string temporary = std::string(kTemporaryPrefix) + to_hex(random.bytes<8>());
  int code = 0;
  {
    const FileDescriptor file(
        ::openat(directory, temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!file.is_open()) return fail(error_of(errno));
    if (!write_all(file.get(), contents)) code = errno;
    fault_point("vault.before_key_sync");
    if (code == 0 && ::fsync(file.get()) != 0) code = errno;
  }
  if (code == 0 && ::renameat(directory, temporary.c_str(), directory, name.c_str()) != 0) code = errno;
  if (code != 0) {
    ::unlinkat(directory, temporary.c_str(), 0);
    return fail(error_of(code));
  }
  OPALINE_CHECK(sync_directory(directory));
  fault_point("vault.after_key_sync");
  return {};
}

Result<void, FileError> sync_file(int directory, const std::string& name) {
  const FileDescriptor file(::openat(directory, name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!file.is_open() || ::fsync(file.get()) != 0) return fail(error_of(errno));
  return sync_directory(directory);
}

Result<void, FileError> shred_file(int directory, const std::string& name, void (*between)()) {
  {
    const FileDescriptor file(::openat(directory, name.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!file.is_open()) return fail(error_of(errno));
    struct stat status{};
    if (::fstat(file.get(), &status) != 0) return fail(FileError::failed);
    const Bytes zeros(static_cast<std::size_t>(status.st_size));
    if (!write_all(file.get(), zeros) || ::fsync(file.get()) != 0) return fail(error_of(errno));
  }
  between();
  return remove_file(directory, name);
}

Result<std::vector<std::string>, FileError> list_directory(int directory) {
  const int copy = ::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (copy < 0) return fail(error_of(errno));
  const std::unique_ptr<DIR, int (*)(DIR*)> entries(::fdopendir(copy), ::closedir);
  if (entries == nullptr) {
    ::close(copy);
    return fail(FileError::failed);
  }
  std::vector<std::string> out;
  errno = 0;
  while (const dirent* const entry = ::readdir(entries.get())) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") out.emplace_back(name);
  }
  if (errno != 0) return fail(FileError::failed);
  return out;
}

Result<void, FileError> remove_file(int directory, const std::string& name) {
  if (::unlinkat(directory, name.c_str(), 0) != 0 && errno != ENOENT) return fail(error_of(errno));
  return {};
}

Result<DirectoryLock, FileError> DirectoryLock::take(int directory) {
  FileDescriptor file(::openat(directory, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file.is_open()) return fail(error_of(errno));
  while (::flock(file.get(), LOCK_EX) != 0) {
    if (errno != EINTR) return fail(FileError::failed);
  }
  return DirectoryLock(std::move(file));
}

}  // namespace opaline::store::internal
