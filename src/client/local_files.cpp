#include "client/local_files.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>

#include "base/fault_point.hpp"
#include "session/attachment.hpp"
#include "wire/contents.hpp"

namespace opaline::client {
namespace {

namespace fs = std::filesystem;

ClientError disk_error() {
  return errno == ENOSPC || errno == EDQUOT ? ClientError::store_full : ClientError::store_failed;
}

Failure unusable(const fs::path& path, std::string_view why) {
  return {ClientError::bad_attachment, "cannot attach " + path.string() + ": " + std::string(why)};
}

/// What says that a file is another now.
bool same(const struct stat& a, const struct stat& b) {
  return a.st_size == b.st_size && a.st_mtim.tv_sec == b.st_mtim.tv_sec && a.st_mtim.tv_nsec == b.st_mtim.tv_nsec &&
         a.st_ino == b.st_ino;
}

Result<OpenFile, Failure> open_regular(const fs::path& path, struct stat& info) {
  // Without waiting: a named pipe would keep us until somebody writes to it.
  OpenFile file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!file) {
    if (errno == ENOENT) return fail(unusable(path, "there is no such file"));
    return fail(unusable(path, errno == EACCES ? "you may not read it" : "it cannot be opened"));
  }
  if (::fstat(file.fd(), &info) != 0 || !S_ISREG(info.st_mode))
    return fail(unusable(path, S_ISDIR(info.st_mode) ? "it is a directory" : "it is no regular file"));
  return file;
}

/// A new locked file of mode 0600 with a random name in `folder`.
Result<OpenFile, ClientError> new_spool(const fs::path& folder, RandomSource& random, std::string& name) {
  for (int tries = 0; tries < 8; ++tries) {
    ByteArray<16> bytes{};
    random.fill(bytes);
    name = to_hex(bytes);
    OpenFile file(::open((folder / name).c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!file) return fail(disk_error());
    struct stat info{};
    // Whoever clears up may have been between the two calls.
    if (file.lock() && ::fstat(file.fd(), &info) == 0 && info.st_nlink == 1) return file;
  }
  return fail(ClientError::store_failed);
}

Failure spool_failure(ClientError error, const fs::path& folder, std::uint64_t size) {
  if (error == ClientError::store_full)
    return {error, "the disk that holds " + folder.parent_path().string() +
                       " is full: a file to be sent is kept there, encrypted, until it is at the service (" +
                       size_text(size) + " are needed); nothing was sent"};
  return {error, "the file could not be encrypted into " + folder.string() + "; nothing was sent"};
}

}  // namespace

OpenFile::~OpenFile() {
  if (fd_ >= 0) ::close(fd_);
}

std::optional<std::size_t> OpenFile::read(std::uint64_t offset, std::span<std::byte> out) const {
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t got = ::pread(fd_, out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return std::nullopt;
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  return done;
}

Result<void, ClientError> OpenFile::write(std::uint64_t offset, ByteView in) const {
  while (!in.empty()) {
    const ssize_t put = ::pwrite(fd_, in.data(), in.size(), static_cast<off_t>(offset));
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return fail(disk_error());
    in = in.subspan(static_cast<std::size_t>(put));
    offset += static_cast<std::uint64_t>(put);
  }
  return {};
}

void OpenFile::begin_sync(std::uint64_t offset, std::size_t size_bytes) const {
  std::ignore =
      ::sync_file_range(fd_, static_cast<off_t>(offset), static_cast<off_t>(size_bytes), SYNC_FILE_RANGE_WRITE);
}

Result<void, ClientError> OpenFile::sync() const {
  if (::fsync(fd_) != 0) return fail(disk_error());
  return {};
}

std::optional<std::uint64_t> OpenFile::size_bytes() const {
  struct stat info{};
  if (::fstat(fd_, &info) != 0) return std::nullopt;
  return static_cast<std::uint64_t>(info.st_size);
}

bool OpenFile::truncate() const {
  return ::ftruncate(fd_, 0) == 0;
}

bool OpenFile::lock() const {
  return ::flock(fd_, LOCK_EX | LOCK_NB) == 0;
}

Result<void, ClientError> sync_directory(const fs::path& directory) {
  const OpenFile file(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!file) return fail(ClientError::store_failed);
  // Some file systems know no sync of a directory.
  if (::fsync(file.fd()) != 0 && errno != EINVAL) return fail(disk_error());
  return {};
}

Result<fs::path, ClientError> home_folder(const Home& home, const char* name) {
  fs::path folder = home.directory() / name;
  if (::mkdir(folder.c_str(), 0700) == 0) {
    OPALINE_CHECK(sync_directory(home.directory()));
  } else if (errno != EEXIST) {
    return fail(disk_error());
  }
  return folder;
}

Result<LocalFile, Failure> look_at(const fs::path& path) {
  struct stat info{};
  OPALINE_TRY(const OpenFile file, open_regular(path, info));
  LocalFile out{path, path.filename().string(), {}, static_cast<std::uint64_t>(info.st_size)};
  if (out.size_bytes == 0) return fail(unusable(path, "it is empty"));
  if (out.size_bytes > session::kMaxAttachmentBytes)
    return fail(unusable(path, "it is larger than 100 MiB (104,857,600 bytes)"));
  if (!wire::is_file_name(as_view(out.name)))
    return fail(unusable(path, "its name is longer than 200 bytes, not UTF-8, or has control characters"));
  out.type = media_type_of(out.name);
  return out;
}

std::string media_type_of(std::string_view name) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 24> kTypes{{
      {"pdf", "application/pdf"}, {"zip", "application/zip"}, {"gz", "application/gzip"}, {"json", "application/json"},
      {"txt", "text/plain"},      {"md", "text/markdown"},    {"csv", "text/csv"},        {"html", "text/html"},
      {"jpg", "image/jpeg"},      {"jpeg", "image/jpeg"},     {"png", "image/png"},       {"gif", "image/gif"},
      {"webp", "image/webp"},     {"heic", "image/heic"},     {"svg", "image/svg+xml"},   {"mp3", "audio/mpeg"},
      {"m4a", "audio/mp4"},       {"ogg", "audio/ogg"},       {"wav", "audio/wav"},       {"mp4", "video/mp4"},
      {"mov", "video/quicktime"}, {"webm", "video/webm"},     {"vcf", "text/vcard"},      {"ics", "text/calendar"},
  }};
  const auto dot = name.rfind('.');
  if (dot == std::string_view::npos || dot == 0) return {};
  std::string end(name.substr(dot + 1));
  for (char& c : end)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  const auto* const found = std::ranges::find(kTypes, std::string_view(end), &decltype(kTypes)::value_type::first);
  return found == kTypes.end() ? std::string() : std::string(found->second);
}

namespace {

/// The bytes of a file, once, through the sealer into the spool. While a piece is sealed, which takes the longest, the
/// one before it is written and the next one is read.
class Pump {
 public:
  Pump(const LocalFile& what, const OpenFile& from, const OpenFile& to, const fs::path& folder,
       session::AttachmentSealer& sealer)
      : what_(what), from_(from), to_(to), folder_(folder), sealer_(sealer) {}

  [[nodiscard]] Result<void, Failure> run(const FileProgress& progress) {
    OPALINE_TRY(Piece sealing, read(0));
    Piece sealed;
    while (!sealing.bytes.empty()) {
      auto beside = std::async(kBeside, [&] { sealer_.seal(sealing.bytes, sealing.bytes); });
      const auto written = write(sealed);
      auto next = read(sealing.end());
      beside.get();
      OPALINE_CHECK(written);
      if (!next) return fail(next.error());
      sealed = std::exchange(sealing, std::move(*next));
      if (!progress(sealed.end())) return fail(Failure{ClientError::timed_out, "interrupted; nothing was sent"});
    }
    return write(sealed);
  }

 private:
  struct Piece {
    std::uint64_t at = 0;
    Bytes bytes;
    [[nodiscard]] std::uint64_t end() const { return at + bytes.size(); }
  };

  /// Empty at the end.
  [[nodiscard]] Result<Piece, Failure> read(std::uint64_t at) const {
    Piece out{at, Bytes(std::min<std::uint64_t>(kFilePieceBytes, what_.size_bytes - at))};
    const auto got = from_.read(at, out.bytes);
    if (!got) return fail(unusable(what_.path, "it could not be read to its end"));
    if (*got < out.bytes.size()) return fail(unusable(what_.path, "it changed while it was read; send it again"));
    return out;
  }

  [[nodiscard]] Result<void, Failure> write(const Piece& piece) const {
    if (piece.bytes.empty()) return {};
    if (const auto put = to_.write(piece.at, piece.bytes); !put)
      return fail(spool_failure(put.error(), folder_, what_.size_bytes));
    to_.begin_sync(piece.at, piece.bytes.size());
    return {};
  }

  const LocalFile& what_;
  const OpenFile &from_, &to_;
  const fs::path& folder_;
  session::AttachmentSealer& sealer_;
};

Result<void, ClientError> make_durable(const OpenFile& file, const fs::path& folder) {
  fault_point("files.before_spool_sync");
  OPALINE_CHECK(file.sync());
  return sync_directory(folder);
}

/// All but name and type.
endpoint::Attachment described(const session::AttachmentKey& key, session::AttachmentSealer& sealer,
                               std::uint64_t size_bytes, RandomSource& random) {
  endpoint::Attachment out;
  out.key = to_secret_bytes(key.reveal());
  out.sha256 = sealer.finish().array();
  out.size_bytes = size_bytes;
  out.release = to_secret_bytes(session::generate_release_secret(random).reveal());
  return out;
}

}  // namespace

Result<SealedFile, Failure> seal(const LocalFile& what, const fs::path& folder, RandomSource& random,
                                 const FileProgress& progress) {
  struct stat before{}, after{};
  OPALINE_TRY(const OpenFile from, open_regular(what.path, before));
  if (static_cast<std::uint64_t>(before.st_size) != what.size_bytes)
    return fail(unusable(what.path, "it changed while it was read; send it again"));
  SealedFile out;
  auto spool = new_spool(folder, random, out.spool);
  if (!spool) return fail(spool_failure(spool.error(), folder, what.size_bytes));
  const auto key = session::generate_attachment_key(random);
  session::AttachmentSealer sealer(key);
  const auto sealed = [&]() -> Result<void, Failure> {
    OPALINE_CHECK(Pump(what, from, *spool, folder, sealer).run(progress));
    if (::fstat(from.fd(), &after) != 0 || !same(before, after))
      return fail(unusable(what.path, "it changed while it was read; send it again"));
    if (const auto kept = make_durable(*spool, folder); !kept)
      return fail(spool_failure(kept.error(), folder, what.size_bytes));
    return {};
  }();
  if (!sealed) {
    ::unlink((folder / out.spool).c_str());
    return fail(sealed.error());
  }
  out.attachment = described(key, sealer, what.size_bytes, random);
  out.attachment.name = what.name;
  out.attachment.type = what.type;
  out.file = std::move(*spool);
  return out;
}

Result<SealedFile, Failure> seal(ByteView plain, std::string_view name, std::string_view type, const fs::path& folder,
                                 RandomSource& random) {
  SealedFile out;
  auto spool = new_spool(folder, random, out.spool);
  if (!spool) return fail(spool_failure(spool.error(), folder, plain.size()));
  const auto key = session::generate_attachment_key(random);
  session::AttachmentSealer sealer(key);
  Bytes ciphertext(plain.size());
  sealer.seal(plain, ciphertext);
  auto written = spool->write(0, ciphertext);
  if (written) written = make_durable(*spool, folder);
  if (!written) {
    ::unlink((folder / out.spool).c_str());
    return fail(spool_failure(written.error(), folder, plain.size()));
  }
  out.attachment = described(key, sealer, plain.size(), random);
  out.attachment.name = name;
  out.attachment.type = type;
  out.file = std::move(*spool);
  return out;
}

void remove_leftovers(const fs::path& folder, const std::function<bool(std::string_view)>& is_known) {
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    const std::string name = at->path().filename().string();
    const OpenFile file(::open(at->path().c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
    // Locked before it is asked for: a process that is still writing it has it locked until it is known.
    if (file && file.lock() && !is_known(name)) ::unlink(at->path().c_str());
  }
}

std::string safe_name(std::string_view name) {
  if (!wire::is_file_name(as_view(name))) return "file";
  std::string out(name);
  if (out.front() == '.' || out.front() == '-' || out.front() == ' ' || out.front() == '~') out.front() = '_';
  return out;
}

std::string numbered_name(std::string_view name, unsigned number) {
  if (number == 0) return std::string(name);
  const auto dot = name.rfind('.');
  const auto stem = dot == std::string_view::npos || dot == 0 ? name.size() : dot;
  return std::string(name.substr(0, stem)) + " (" + std::to_string(number) + ")" + std::string(name.substr(stem));
}

Placed place(const fs::path& folder, const std::string& from, const std::string& to) {
  const fs::path source = folder / from, target = folder / to;
  if (::renameat2(AT_FDCWD, source.c_str(), AT_FDCWD, target.c_str(), RENAME_NOREPLACE) == 0) return Placed::yes;
  if (errno == EEXIST) return Placed::taken;
  if (errno != EINVAL && errno != ENOSYS) return Placed::failed;
  // A file system without it: a second name is never made over another.
  if (::link(source.c_str(), target.c_str()) != 0) return errno == EEXIST ? Placed::taken : Placed::failed;
  ::unlink(source.c_str());
  return Placed::yes;
}

std::string size_text(std::uint64_t bytes) {
  if (bytes < 1000) return std::to_string(bytes) + " B";
  static constexpr std::array<const char*, 3> kUnits{"kB", "MB", "GB"};
  double value = static_cast<double>(bytes) / 1000;
  std::size_t unit = 0;
  for (; value >= 999.95 && unit + 1 < kUnits.size(); ++unit) value /= 1000;
  char text[32];
  std::snprintf(text, sizeof text, "%.1f %s", value, kUnits[unit]);
  return text;
}

}  // namespace opaline::client
