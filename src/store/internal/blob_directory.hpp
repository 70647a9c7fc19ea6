#pragma once
// The files and directories of the blobs: names, locking, syncing. Knows nothing of what is in them.
#include <filesystem>

#include "store/internal/blob_file.hpp"
#include "store/open_error.hpp"

namespace opaline::store::internal {

/// Thread-safe: it holds one open directory, and each call is a few system calls.
class BlobDirectory {
 public:
  /// Makes it (0700) if it is missing, locks it, and checks that it belongs to the vault: `mark` is in its file VAULT,
  /// which an empty directory is given.
  [[nodiscard]] static Result<BlobDirectory, OpenError> open(const std::filesystem::path& path, ByteView mark,
                                                             RandomSource& random);

  /// It was empty, or was not there.
  [[nodiscard]] bool is_new() const { return is_new_; }

  /// Makes the day's directory, synced, if there is none.
  [[nodiscard]] Result<void, FileError> make_day(Day day) const;
  /// An upload's new file.
  [[nodiscard]] Result<FileDescriptor, FileError> create(Day day, const BlobName& name) const;
  [[nodiscard]] Result<FileDescriptor, FileError> open_file(Day day, const BlobName& name, bool complete,
                                                            bool to_write) const;
  /// Gives an upload the name of a complete blob. Not synced.
  [[nodiscard]] Result<void, FileError> complete(Day day, const BlobName& name) const;
  /// Takes the name away; fine if it has none. Not synced.
  [[nodiscard]] Result<void, FileError> remove(Day day, const BlobName& name, bool complete) const;
  [[nodiscard]] Result<void, FileError> sync_day(Day day) const;
  /// Bytes that this process may still write to the file system.
  [[nodiscard]] std::uint64_t free_bytes() const;

  [[nodiscard]] Result<std::vector<Day>, FileError> days() const;
  struct File {
    BlobName name;
    bool complete = false;
    std::uint64_t bytes = 0;
  };
  struct Listing {
    std::vector<File> files;
    std::size_t foreign = 0;  ///< what is none of ours
  };
  [[nodiscard]] Result<Listing, FileError> files(Day day) const;
  /// Removes the day's directory with all that is in it, ours or not, and calls `between` after each file. Synced.
  [[nodiscard]] Result<void, FileError> remove_day(Day day, void (*between)()) const;

 private:
  explicit BlobDirectory(FileDescriptor root) : root_(std::move(root)) {}
  [[nodiscard]] Result<FileDescriptor, FileError> open_day(Day day) const;
  FileDescriptor root_;
  bool is_new_ = false;
};

}  // namespace opaline::store::internal
