#include "store/internal/blob_directory.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>

#include "crypto/compare.hpp"

namespace opaline::store::internal {
namespace {

constexpr const char* kMarkFile = "VAULT";
constexpr std::string_view kPart = ".part";

FileError last_error() {
  if (errno == ENOENT) return FileError::missing;
  return errno == ENOSPC || errno == EDQUOT ? FileError::full : FileError::failed;
}

std::string day_name(Day day) {
  return std::to_string(number(day));
}
std::string file_name(const BlobName& name, bool complete) {
  return complete ? name.hex() : name.hex() + std::string(kPart);
}
std::string path_of(Day day, const BlobName& name, bool complete) {
  return day_name(day) + "/" + file_name(name, complete);
}

std::optional<Day> parse_day(std::string_view name) {
  std::uint32_t out = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), out);
  if (error != std::errc() || end != name.data() + name.size() || day_name(Day(out)) != name) return std::nullopt;
  return Day(out);
}

std::optional<BlobDirectory::File> parse_file(std::string_view name) {
  BlobDirectory::File out;
  out.complete = !name.ends_with(kPart);
  if (!out.complete) name.remove_suffix(kPart.size());
  const auto id = BlobName::from_hex(name);
  if (!id || id->hex() != name) return std::nullopt;
  out.name = *id;
  return out;
}

OpenError problem(const std::filesystem::path& path, std::string_view what) {
  return {"the attachments in " + path.string() + " " + std::string(what)};
}

}  // namespace

Result<BlobDirectory, OpenError> BlobDirectory::open(const std::filesystem::path& path, ByteView mark,
                                                     RandomSource& random) {
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
    return fail(problem(path, "have no place: the directory cannot be made (" +
                                  std::error_code(errno, std::system_category()).message() + ")"));
  }
  FileDescriptor root(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!root.is_open()) return fail(problem(path, "cannot be reached: is it a directory that the server may enter?"));
  if (::flock(root.get(), LOCK_EX | LOCK_NB) != 0) return fail(problem(path, "are in use by another server"));
  const auto found = read_file(root.get(), kMarkFile, 64);
  if (!found && found.error() != FileError::missing) {
    return fail(problem(path,
                        "cannot be used: the file VAULT is damaged or cannot be read. Put it back from a copy of "
                        "this directory, or move the directory away to begin with an empty one"));
  }
  if (!found) {
    const auto names = list_directory(root.get());
    if (!names) return fail(problem(path, "cannot be read: the disk failed"));
    for (const std::string& name : *names) {
      if (name.starts_with(kTemporaryPrefix) || name == "lost+found") continue;
      return fail(problem(path,
                          "do not say which vault they belong to: the file VAULT is missing. Move the directory "
                          "away (what waits in it is lost) or put back the whole of it"));
    }
    if (!write_file_synced(root.get(), kMarkFile, mark, random)) {
      return fail(problem(path, "cannot be written: the disk is full or failed"));
    }
  } else if (!crypto::constant_time_equal(*found, mark)) {
    return fail(problem(path,
                        "belong to another vault: put back the vault that belongs to this data, or move the "
                        "directory away (what waits in it is lost)"));
  }
  BlobDirectory out(std::move(root));
  out.is_new_ = !found;
  return out;
}

Result<FileDescriptor, FileError> BlobDirectory::open_day(Day day) const {
  FileDescriptor out(::openat(root_.get(), day_name(day).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
  if (!out.is_open()) return fail(last_error());
  return out;
}

Result<void, FileError> BlobDirectory::make_day(Day day) const {
  if (::mkdirat(root_.get(), day_name(day).c_str(), 0700) == 0) return sync_directory(root_.get());
  if (errno == EEXIST) return {};
  return fail(last_error());
}

Result<FileDescriptor, FileError> BlobDirectory::create(Day day, const BlobName& name) const {
  FileDescriptor out(::openat(root_.get(), path_of(day, name, false).c_str(),
                              O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!out.is_open()) return fail(last_error());
  return out;
}

Result<FileDescriptor, FileError> BlobDirectory::open_file(Day day, const BlobName& name, bool complete,
                                                           bool to_write) const {
  const int flags = (to_write ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOATIME;
  FileDescriptor out(::openat(root_.get(), path_of(day, name, complete).c_str(), flags));
  if (!out.is_open()) return fail(last_error());
  return out;
}

Result<void, FileError> BlobDirectory::complete(Day day, const BlobName& name) const {
  if (::renameat(root_.get(), path_of(day, name, false).c_str(), root_.get(), path_of(day, name, true).c_str()) != 0)
    return fail(last_error());
  return {};
}

Result<void, FileError> BlobDirectory::remove(Day day, const BlobName& name, bool complete) const {
  return remove_file(root_.get(), path_of(day, name, complete));
}

Result<void, FileError> BlobDirectory::sync_day(Day day) const {
  OPALINE_TRY(const FileDescriptor directory, open_day(day));
  return sync_directory(directory.get());
}

std::uint64_t BlobDirectory::free_bytes() const {
  struct statvfs status{};
  if (::fstatvfs(root_.get(), &status) != 0) return 0;
  return std::uint64_t{status.f_bavail} * status.f_frsize;
}

Result<std::vector<Day>, FileError> BlobDirectory::days() const {
  OPALINE_TRY(const auto names, list_directory(root_.get()));
  std::vector<Day> out;
  for (const std::string& name : names) {
    if (const auto day = parse_day(name)) out.push_back(*day);
  }
  return out;
}

Result<BlobDirectory::Listing, FileError> BlobDirectory::files(Day day) const {
  OPALINE_TRY(const FileDescriptor directory, open_day(day));
  OPALINE_TRY(const auto names, list_directory(directory.get()));
  Listing out;
  for (const std::string& name : names) {
    auto file = parse_file(name);
    struct stat status{};
    if (!file || ::fstatat(directory.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0 ||
        !S_ISREG(status.st_mode)) {
      ++out.foreign;
      continue;
    }
    file->bytes = static_cast<std::uint64_t>(status.st_size);
    out.files.push_back(*file);
  }
  return out;
}

Result<void, FileError> BlobDirectory::remove_day(Day day, void (*between)()) const {
  auto directory = open_day(day);
  if (!directory && directory.error() == FileError::missing) return {};
  if (!directory) return fail(directory.error());
  OPALINE_TRY(const auto names, list_directory(directory->get()));
  for (const std::string& name : names) {
    OPALINE_CHECK(remove_file(directory->get(), name));
    between();
  }
  if (::unlinkat(root_.get(), day_name(day).c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT) return fail(last_error());
  return sync_directory(root_.get());
}

}  // namespace opaline::store::internal
