#pragma once
// Files on this machine's disk: what is sent is sealed into the home once, what came is placed without overwriting.
#include <filesystem>
#include <functional>
#include <future>

#include "base/random.hpp"
#include "client/home.hpp"
#include "endpoint/endpoint_store.hpp"

namespace opaline::client {

/// An open file descriptor; closed when it goes.
class OpenFile {
 public:
  OpenFile() = default;
  explicit OpenFile(int fd) : fd_(fd) {}
  OpenFile(OpenFile&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  OpenFile& operator=(OpenFile&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~OpenFile();
  [[nodiscard]] int fd() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  /// As many bytes as there are from `offset` on, up to the size of `out`; nullopt: an I/O error.
  [[nodiscard]] std::optional<std::size_t> read(std::uint64_t offset, std::span<std::byte> out) const;
  /// All of it, or store_full, store_failed.
  [[nodiscard]] Result<void, ClientError> write(std::uint64_t offset, ByteView in) const;
  /// Begins to put on the disk what was written, so that sync() has less to wait for. A hint.
  void begin_sync(std::uint64_t offset, std::size_t size_bytes) const;
  [[nodiscard]] Result<void, ClientError> sync() const;
  /// nullopt: an I/O error.
  [[nodiscard]] std::optional<std::uint64_t> size_bytes() const;
  [[nodiscard]] bool truncate() const;
  /// False: another process holds it.
  [[nodiscard]] bool lock() const;

 private:
  int fd_ = -1;
};

/// The size of the pieces that are read, sealed and opened at a time.
inline constexpr std::size_t kFilePieceBytes = 1 << 20;

/// For work beside the caller's: on a thread of its own, or in get() where there can be no further one.
inline constexpr std::launch kBeside = std::launch::async | std::launch::deferred;

/// Makes the names in a directory durable. store_full, store_failed.
[[nodiscard]] Result<void, ClientError> sync_directory(const std::filesystem::path& directory);
/// A folder of the home (`outgoing`, `incoming`), made 0700 if missing; its name is durable.
[[nodiscard]] Result<std::filesystem::path, ClientError> home_folder(const Home& home, const char* name);

/// A file that may be attached: looked at, nothing read yet.
struct LocalFile {
  std::filesystem::path path;
  std::string name;  ///< wire::is_file_name
  std::string type;  ///< by the end of the name; empty: not known
  std::uint64_t size_bytes = 0;
};
/// bad_attachment, with what is wrong: no regular file, not readable, empty, larger than 100 MiB, an impossible name.
[[nodiscard]] Result<LocalFile, Failure> look_at(const std::filesystem::path& path);
/// By a small table of well-known ends; empty where it is not there.
[[nodiscard]] std::string media_type_of(std::string_view name);

/// Told after each piece; false ends the work.
using FileProgress = std::function<bool(std::uint64_t done_bytes)>;

/// A file's ciphertext in the home, and how to open it; `blob` of the attachment is zero.
struct SealedFile {
  endpoint::Attachment attachment;
  std::string spool;  ///< its name in `outgoing`
  OpenFile file;      ///< locked: nobody takes it for a leftover while this is open
};
/// Reads the file once and seals it under a key of its own, so that whatever happens to it meanwhile there is one text
/// under one key. The result is on stable storage, mode 0600; on an error nothing is left. bad_attachment: it changed
/// while it was read, or cannot be read; store_full, store_failed; timed_out: `progress` ended it.
[[nodiscard]] Result<SealedFile, Failure> seal(const LocalFile& file, const std::filesystem::path& folder,
                                               RandomSource& random, const FileProgress& progress);
/// The same of what is in memory, not empty. store_full, store_failed.
[[nodiscard]] Result<SealedFile, Failure> seal(ByteView plain, std::string_view name, std::string_view type,
                                               const std::filesystem::path& folder, RandomSource& random);
/// Removes the files in `folder` that no process has locked and `is_known` does not know.
void remove_leftovers(const std::filesystem::path& folder, const std::function<bool(std::string_view)>& is_known);

/// The name under which a file from somebody else is placed: without path parts, control and direction characters, not
/// hidden, and not like an option.
[[nodiscard]] std::string safe_name(std::string_view name);
/// "report.pdf", "report (1).pdf", ...
[[nodiscard]] std::string numbered_name(std::string_view name, unsigned number);
enum class Placed : std::uint8_t { yes, taken, failed };
/// Gives a file in `folder` another name there, never over one that is taken.
[[nodiscard]] Placed place(const std::filesystem::path& folder, const std::string& from, const std::string& to);
/// "1.2 MB"
[[nodiscard]] std::string size_text(std::uint64_t bytes);

}  // namespace opaline::client
