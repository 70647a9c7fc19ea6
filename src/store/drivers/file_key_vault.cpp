// master.key: "OPALMST1" || 32 random bytes || the first 8 bytes of SHA-256 of both. The other files:
// internal/key_file.hpp. Whoever changes files holds the lock of the file `lock`.
#include "store/drivers/file_key_vault.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>

#include "base/codec.hpp"
#include "base/fault_point.hpp"
#include "crypto/hash.hpp"
#include "store/internal/key_file.hpp"
#include "store/internal/posix_files.hpp"

namespace opaline::store {
namespace {

using internal::FileDescriptor;
using internal::FileError;
using internal::kKeyKind;
using internal::kStateKind;
using internal::unwrap;
using internal::wrap;
using internal::WrapKey;

constexpr std::string_view kMasterMagic = "OPALMST1";
constexpr std::string_view kNamedPrefix = "named-";
constexpr std::string_view kKeySuffix = ".key";
constexpr std::size_t kMasterSumBytes = 8;
constexpr std::size_t kMaxFileBytes = 4096;
constexpr std::size_t kMinMasterBytes = 32;

VaultError vault_error(FileError error) {
  switch (error) {
    case FileError::missing:
      return VaultError::missing;
    case FileError::full:
      return VaultError::full;
    case FileError::failed:
      break;
  }
  return VaultError::failed;
}

std::string day_file(Day day) {
  return "day-" + std::to_string(number(day)) + ".key";
}
std::string named_file(std::string_view purpose) {
  return std::string(kNamedPrefix) + std::string(purpose) + std::string(kKeySuffix);
}
/// The day of a day key's file name.
std::optional<Day> day_of_file(std::string_view name) {
  if (!name.starts_with("day-") || !name.ends_with(".key")) return std::nullopt;
  name = name.substr(4, name.size() - 8);
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), value);
  if (error != std::errc() || end != name.data() + name.size()) return std::nullopt;
  return Day(value);
}

std::string reason() {
  return std::strerror(errno);
}

/// Opens the directory, making it if need be, and refuses one that is not ours alone.
Result<FileDescriptor, OpenError> open_directory(const std::filesystem::path& path) {
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
    return fail(OpenError{"key vault " + path.string() + ": cannot make the directory: " + reason()});
  }
  FileDescriptor directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
  struct stat status{};
  if (!directory.is_open() || ::fstat(directory.get(), &status) != 0) {
    return fail(
        OpenError{"key vault " + path.string() + ": cannot open the directory (it may not be a link): " + reason()});
  }
  if (status.st_uid != ::geteuid()) {
    return fail(OpenError{"key vault " + path.string() +
                          ": the directory belongs to another user: chown it to the one that runs the server"});
  }
  if ((status.st_mode & 077) != 0) {
    return fail(
        OpenError{"key vault " + path.string() + ": others may enter the directory: chmod 700 " + path.string()});
  }
  return directory;
}

/// The master file elsewhere. A systemd credential's mode may show its group bits (the mask of an ACL), never those of
/// others.
Result<SecretBytes, OpenError> read_credential(const std::filesystem::path& path) {
  const std::string where = "key vault: master key file " + path.string() + ": ";
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) return fail(OpenError{where + reason()});
  if ((status.st_mode & 07) != 0) return fail(OpenError{where + "everybody may read it: chmod 400 " + path.string()});
  const FileDescriptor directory(
      ::open(path.parent_path().empty() ? "." : path.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory.is_open()) return fail(OpenError{where + reason()});
  auto out = internal::read_file(directory.get(), path.filename().string(), kMaxFileBytes);
  if (!out) return fail(OpenError{where + "cannot be read, is no regular file or is longer than 4096 bytes"});
  if (out->size() < kMinMasterBytes) return fail(OpenError{where + "has fewer than 32 bytes"});
  return std::move(*out);
}

}  // namespace

std::optional<std::filesystem::path> systemd_credential(std::string_view name) {
  const char* const directory = std::getenv("CREDENTIALS_DIRECTORY");
  if (directory == nullptr) return std::nullopt;
  std::filesystem::path path = std::filesystem::path(directory) / name;
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return std::nullopt;
  return path;
}

class FileKeyVault::Impl {
 public:
  Impl(FileDescriptor directory, RandomSource& random) : directory_(std::move(directory)), random_(random) {}

  Result<void, OpenError> open(const FileKeyVaultOptions& options);
  Result<DayKey, VaultError> day_key(Day day, bool make);
  Result<void, VaultError> destroy_through(Day day);
  Result<VaultKey, VaultError> named_key(std::string_view purpose);
  Result<std::vector<std::string>, VaultError> named_purposes();
  Result<bool, VaultError> import_named_key(std::string_view purpose, const VaultKey& key);
  Result<std::optional<Day>, VaultError> destroyed_through();

 private:
  Result<SecretBytes, OpenError> own_master(const std::string& where, bool fresh);
  Result<void, OpenError> open_state(const std::string& where, bool fresh);
  Result<void, VaultError> load_state();
  Result<void, VaultError> save_state(internal::VaultState state);
  Result<void, VaultError> remember(std::string_view purpose);
  Result<void, OpenError> check_keys(const FileKeyVaultOptions& options, const std::string& where,
                                     const std::vector<std::string>& names);
  Result<void, VaultError> shred_destroyed();
  template <class Key>
  Result<Key, VaultError> load(const std::string& name);
  template <class Key>
  Result<Key, VaultError> make(const std::string& name);

  std::mutex mutex_;  // guards everything below but the descriptor
  FileDescriptor directory_;
  RandomSource& random_;
  WrapKey wrap_;
  internal::VaultState state_;
  std::map<Day, DayKey> days_;
  std::map<std::string, VaultKey, std::less<>> named_;
};

Result<SecretBytes, OpenError> FileKeyVault::Impl::own_master(const std::string& where, bool fresh) {
  const auto sum = [](ByteView key) { return crypto::sha256({as_view(kMasterMagic), key}); };
  const auto stored = internal::read_file(directory_.get(), "master.key", kMaxFileBytes);
  if (stored) {
    Reader in(*stored);
    const bool magic = equal(in.bytes(kMasterMagic.size()), as_view(kMasterMagic));
    const ByteView key = in.bytes(kMinMasterBytes);
    const ByteView check = in.bytes(kMasterSumBytes);
    if (!in.finished() || !magic || !equal(check, ByteView(sum(key)).first(kMasterSumBytes))) {
      return fail(OpenError{
          where + "master.key is damaged: put back a copy of it; without it no key of this vault can be read"});
    }
    return to_secret_bytes(key);
  }
  if (stored.error() != FileError::missing || !fresh) {
    return fail(OpenError{
        where +
        (stored.error() == FileError::missing
             ? "master.key is missing, but there are keys: put it back, or name the master key file that was used"
             : "master.key cannot be read")});
  }
  SecretBytes key(kMinMasterBytes);
  random_.fill(key);
  SecretBytes file = to_secret_bytes(as_view(kMasterMagic));
  file.insert(file.end(), key.begin(), key.end());
  const auto check = sum(key);
  file.insert(file.end(), check.begin(), check.begin() + kMasterSumBytes);
  if (!internal::write_file_synced(directory_.get(), "master.key", file, random_)) {
    return fail(OpenError{where + "master.key cannot be written: the disk is full or failed"});
  }
  return key;
}

Result<void, OpenError> FileKeyVault::Impl::open_state(const std::string& where, bool fresh) {
  const auto stored = internal::read_file(directory_.get(), "state", kMaxFileBytes);
  if (!stored && stored.error() == FileError::missing && fresh) {
    if (!save_state({})) {
      return fail(OpenError{where + "cannot be written: the disk is full or failed"});
    }
    return {};
  }
  if (!stored)
    return fail(
        OpenError{where + "the file `state` is missing or cannot be read: put back the whole directory from one copy"});
  if (!load_state()) {
    return fail(OpenError{where + "the master key does not open the file `state`: it is not this vault's master key, "
                                  "or the file is damaged: put back "
                                  "the whole directory from one copy"});
  }
  return {};
}

Result<void, OpenError> FileKeyVault::Impl::open(const FileKeyVaultOptions& options) {
  const std::string where = "key vault " + options.directory.string() + ": ";
  const auto lock = internal::DirectoryLock::take(directory_.get());
  if (!lock)
    return fail(OpenError{where + "cannot be locked: the disk is full or failed, or the file system has no locks"});
  const auto names = internal::list_directory(directory_.get());
  if (!names) return fail(OpenError{where + "cannot be listed"});
  bool fresh = true;
  for (const std::string& name : *names) {
    if (name.starts_with(internal::kTemporaryPrefix)) {
      if (!internal::remove_file(directory_.get(), name)) return fail(OpenError{where + "cannot be written"});
    } else if (name == "state" || name.ends_with(".key")) {
      fresh = fresh && name == "master.key";  // a crash at the very first opening leaves it alone
    }
  }
  OPALINE_TRY(const SecretBytes master,
              options.master_key_file ? read_credential(*options.master_key_file) : own_master(where, fresh));
  wrap_ = internal::wrap_key_of(master);
  OPALINE_CHECK(open_state(where, fresh));
  if (!shred_destroyed())
    return fail(OpenError{where + "keys of destroyed days cannot be removed: is the disk read-only?"});
  return check_keys(options, where, *names);
}

Result<void, VaultError> FileKeyVault::Impl::load_state() {
  const auto stored = internal::read_file(directory_.get(), "state", kMaxFileBytes);
  if (!stored) return fail(VaultError::failed);
  const auto payload = unwrap(wrap_, kStateKind, "state", *stored);
  if (!payload) return fail(VaultError::failed);
  auto state = internal::decode_state(*payload);
  if (!state) return fail(VaultError::failed);
  state_ = std::move(*state);
  return {};
}

Result<void, VaultError> FileKeyVault::Impl::save_state(internal::VaultState state) {
  const Bytes payload = internal::encode_state(state);
  const auto saved = internal::write_file_synced(directory_.get(), "state",
                                                 wrap(wrap_, kStateKind, "state", payload, random_), random_);
  if (!saved) return fail(saved.error() == FileError::full ? VaultError::full : VaultError::failed);
  state_ = std::move(state);
  return {};
}

/// Notes that there is a named key, so that its loss is noticed. The state is loaded and the directory locked.
Result<void, VaultError> FileKeyVault::Impl::remember(std::string_view purpose) {
  if (state_.named.contains(purpose)) return {};
  auto next = state_;
  next.named.emplace(purpose);
  return save_state(std::move(next));
}

/// Every file is read once, so that damage is found at the start and not when somebody waits for what it seals.
Result<void, OpenError> FileKeyVault::Impl::check_keys(const FileKeyVaultOptions& options, const std::string& where,
                                                       const std::vector<std::string>& names) {
  for (const std::string& purpose : state_.named) {
    if (std::ranges::find(names, named_file(purpose)) != names.end()) continue;
    return fail(OpenError{where + named_file(purpose) +
                          " is missing: put it back from a copy; another one cannot take its place"});
  }
  for (const std::string& name : names) {
    const auto day = day_of_file(name);
    const bool is_named = name.starts_with(kNamedPrefix) && name.ends_with(kKeySuffix);
    if (is_named && !load<VaultKey>(name))
      return fail(OpenError{where + name + " is damaged: put it back from a copy; another one cannot take its place"});
    if (!day || (state_.destroyed && *day <= *state_.destroyed) || load<DayKey>(name)) continue;
    if (options.give_up_damaged_days && internal::remove_file(directory_.get(), name)) continue;
    return fail(OpenError{where + name +
                          " is damaged: put it back from a copy; without it what waits from that day cannot be read. "
                          "`opalined --set paths.accept_damage=true` gives that up, for good"});
  }
  return {};
}

/// Ends what a crash may have interrupted, too.
Result<void, VaultError> FileKeyVault::Impl::shred_destroyed() {
  if (!state_.destroyed) return {};
  const auto names = internal::list_directory(directory_.get());
  if (!names) return fail(VaultError::failed);
  for (const std::string& name : *names) {
    const auto day = day_of_file(name);
    if (!day || *day > *state_.destroyed) continue;
    if (!internal::shred_file(directory_.get(), name, [] { fault_point("vault.after_overwrite"); })) {
      return fail(VaultError::failed);
    }
  }
  if (!internal::sync_directory(directory_.get())) return fail(VaultError::failed);
  return {};
}

template <class Key>
Result<Key, VaultError> FileKeyVault::Impl::load(const std::string& name) {
  const auto file = internal::read_file(directory_.get(), name, kMaxFileBytes);
  if (!file) return fail(vault_error(file.error()));
  const auto payload = unwrap(wrap_, kKeyKind, name, *file);
  if (!payload || payload->size() != Key::kSize) return fail(VaultError::failed);
  return Key(FixedView<Key::kSize>(payload->data(), Key::kSize));
}

template <class Key>
Result<Key, VaultError> FileKeyVault::Impl::make(const std::string& name) {
  Key key;
  random_.fill(key.fill());
  const auto written =
      internal::write_file_synced(directory_.get(), name, wrap(wrap_, kKeyKind, name, key.reveal(), random_), random_);
  if (!written) return fail(written.error() == FileError::full ? VaultError::full : VaultError::failed);
  return key;
}

Result<DayKey, VaultError> FileKeyVault::Impl::day_key(Day day, bool make_it) {
  const std::lock_guard guard(mutex_);
  if (state_.destroyed && day <= *state_.destroyed) return fail(VaultError::destroyed);
  if (const auto cached = days_.find(day); cached != days_.end()) return cached->second.clone();
  const std::string name = day_file(day);
  auto key = load<DayKey>(name);
  if (!key && key.error() == VaultError::missing) {
    const auto lock = internal::DirectoryLock::take(directory_.get());
    if (!lock) return fail(lock.error() == FileError::full ? VaultError::full : VaultError::failed);
    OPALINE_CHECK(load_state());  // another process may have destroyed days, or made the key, a moment ago
    if (state_.destroyed && day <= *state_.destroyed) return fail(VaultError::destroyed);
    key = load<DayKey>(name);
    if (!key && key.error() == VaultError::missing && make_it) key = make<DayKey>(name);
  } else if (key && !internal::sync_file(directory_.get(), name)) {
    return fail(VaultError::failed);  // it may be from before a crash that came between its name and its sync
  }
  if (!key) return fail(key.error());
  return days_.emplace(day, std::move(*key)).first->second.clone();
}

Result<void, VaultError> FileKeyVault::Impl::destroy_through(Day day) {
  const std::lock_guard guard(mutex_);
  const auto lock = internal::DirectoryLock::take(directory_.get());
  if (!lock) return fail(lock.error() == FileError::full ? VaultError::full : VaultError::failed);
  OPALINE_CHECK(load_state());
  if (!state_.destroyed || *state_.destroyed < day) {
    fault_point("vault.before_destroy_mark");
    auto next = state_;
    next.destroyed = day;
    OPALINE_CHECK(save_state(std::move(next)));
    fault_point("vault.after_destroy_mark");
  }
  days_.erase(days_.begin(), days_.upper_bound(*state_.destroyed));
  return shred_destroyed();
}

Result<VaultKey, VaultError> FileKeyVault::Impl::named_key(std::string_view purpose) {
  OPALINE_ASSERT(is_vault_purpose(purpose));
  const std::lock_guard guard(mutex_);
  if (const auto cached = named_.find(purpose); cached != named_.end()) return cached->second.clone();
  const std::string name = named_file(purpose);
  const auto lock = internal::DirectoryLock::take(directory_.get());
  if (!lock) return fail(lock.error() == FileError::full ? VaultError::full : VaultError::failed);
  OPALINE_CHECK(load_state());
  auto key = load<VaultKey>(name);
  if (!key && key.error() == VaultError::missing) {
    if (state_.named.contains(purpose)) return fail(VaultError::failed);  // never another in the place of one that was
    key = make<VaultKey>(name);
  }
  if (!key) return fail(key.error());
  if (!internal::sync_file(directory_.get(), name)) return fail(VaultError::failed);
  OPALINE_CHECK(remember(purpose));
  return named_.emplace(std::string(purpose), std::move(*key)).first->second.clone();
}

Result<std::vector<std::string>, VaultError> FileKeyVault::Impl::named_purposes() {
  const auto names = internal::list_directory(directory_.get());
  if (!names) return fail(VaultError::failed);
  std::vector<std::string> out;
  for (const std::string_view name : *names) {
    if (!name.starts_with(kNamedPrefix) || !name.ends_with(kKeySuffix)) continue;
    const auto purpose = name.substr(kNamedPrefix.size(), name.size() - kNamedPrefix.size() - kKeySuffix.size());
    if (is_vault_purpose(purpose)) out.emplace_back(purpose);
  }
  std::ranges::sort(out);
  return out;
}

Result<bool, VaultError> FileKeyVault::Impl::import_named_key(std::string_view purpose, const VaultKey& key) {
  OPALINE_ASSERT(is_vault_purpose(purpose));
  const std::lock_guard guard(mutex_);
  const std::string name = named_file(purpose);
  const auto lock = internal::DirectoryLock::take(directory_.get());
  if (!lock) return fail(lock.error() == FileError::full ? VaultError::full : VaultError::failed);
  const auto present = load<VaultKey>(name);
  if (present) return false;
  if (present.error() != VaultError::missing) return fail(present.error());
  const auto written =
      internal::write_file_synced(directory_.get(), name, wrap(wrap_, kKeyKind, name, key.reveal(), random_), random_);
  if (!written) return fail(written.error() == FileError::full ? VaultError::full : VaultError::failed);
  OPALINE_CHECK(load_state());
  OPALINE_CHECK(remember(purpose));
  return true;
}

Result<std::optional<Day>, VaultError> FileKeyVault::Impl::destroyed_through() {
  const std::lock_guard guard(mutex_);
  OPALINE_CHECK(load_state());
  return state_.destroyed;
}

Result<std::unique_ptr<FileKeyVault>, OpenError> FileKeyVault::open(const FileKeyVaultOptions& options,
                                                                    RandomSource& random) {
  OPALINE_TRY(FileDescriptor directory, open_directory(options.directory));
  auto impl = std::make_unique<Impl>(std::move(directory), random);
  OPALINE_CHECK(impl->open(options));
  return std::unique_ptr<FileKeyVault>(new FileKeyVault(std::move(impl)));
}

FileKeyVault::FileKeyVault(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
FileKeyVault::~FileKeyVault() = default;

Result<DayKey, VaultError> FileKeyVault::day_key(Day day) {
  return impl_->day_key(day, true);
}
Result<DayKey, VaultError> FileKeyVault::existing_day_key(Day day) {
  return impl_->day_key(day, false);
}
Result<void, VaultError> FileKeyVault::destroy_through(Day day) {
  return impl_->destroy_through(day);
}
Result<VaultKey, VaultError> FileKeyVault::named_key(std::string_view purpose) {
  return impl_->named_key(purpose);
}
Result<std::vector<std::string>, VaultError> FileKeyVault::named_purposes() {
  return impl_->named_purposes();
}
Result<bool, VaultError> FileKeyVault::import_named_key(std::string_view purpose, const VaultKey& key) {
  return impl_->import_named_key(purpose, key);
}
Result<std::optional<Day>, VaultError> FileKeyVault::destroyed_through() {
  return impl_->destroyed_through();
}

}  // namespace opaline::store
