#include "server/process.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <sstream>

namespace opaline::server {
namespace {

namespace fs = std::filesystem;

std::string why() {
  return std::error_code(errno, std::system_category()).message();
}

/// The running kernel's one-line or short files; empty if unreadable.
std::string read_text(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

std::string holder_of(int fd) {
  char text[32] = {};
  const ssize_t size = pread(fd, text, sizeof(text) - 1, 0);
  long pid = 0;
  if (size <= 0 || std::from_chars(text, text + size, pid).ec != std::errc{} || pid <= 0) return "another process";
  return fmt::format("process {}", pid);
}

/// The cgroup of this process below the unified hierarchy's root, such as "/system.slice/opalined.service".
std::string own_cgroup() {
  std::istringstream lines(read_text("/proc/self/cgroup"));
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("0::/")) return line.substr(4);
  }
  return {};
}

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

void sync_directory(const fs::path& directory) {
  const int fd = open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  fsync(fd);
  close(fd);
}

}  // namespace

Result<DirectoryLock, std::string> DirectoryLock::take(const fs::path& directory) {
  std::error_code error;
  if (fs::create_directories(directory, error); error) {
    return fail(fmt::format("cannot make the directory {}: {}", directory.string(), error.message()));
  }
  const auto file = directory / "lock";
  const int fd = open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return fail(fmt::format("cannot open {}: {}", file.string(), why()));
  DirectoryLock lock(fd);
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return fail(fmt::format("cannot lock {}: {}", file.string(), why()));
    return fail(fmt::format("{} is in use by {}: only one opalined may use a data directory", directory.string(),
                            holder_of(fd)));
  }
  const auto pid = fmt::format("{}\n", getpid());
  if (ftruncate(fd, 0) != 0 || !write_all(fd, pid))
    return fail(fmt::format("cannot write {}: {}", file.string(), why()));
  return lock;
}

DirectoryLock::~DirectoryLock() {
  if (fd_ >= 0) close(fd_);
}

void forbid_core_dumps() {
  const rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
#if !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer) && !__has_feature(leak_sanitizer)
  prctl(PR_SET_DUMPABLE, 0);  // the sanitizers trace their own process
#endif
}

std::uint64_t raise_file_limit() {
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) != 0) return 0;
  if (files.rlim_cur < files.rlim_max) {
    const rlimit raised{files.rlim_max, files.rlim_max};
    if (setrlimit(RLIMIT_NOFILE, &raised) == 0) files = raised;
  }
  return files.rlim_cur;
}

bool lists_swap(std::string_view proc_swaps) {
  const auto first_line = proc_swaps.find('\n');  // the heading
  return first_line != proc_swaps.npos && proc_swaps.find_first_not_of(" \n", first_line) != proc_swaps.npos;
}

bool cgroup_forbids_swap(const fs::path& cgroup_root, const fs::path& cgroup_directory) {
  for (fs::path at = cgroup_directory.lexically_normal();; at = at.parent_path()) {
    const auto limit = read_text(at / "memory.swap.max");
    if (limit == "0\n" || limit == "0") return true;
    if (at == cgroup_root || at == at.root_path() || at.empty()) return false;
  }
}

Result<SwapExposure, std::string> keep_out_of_swap(bool required) {
  SwapFacts facts;
  if (const auto swaps = read_text("/proc/swaps"); !swaps.empty()) facts.machine_has_swap = lists_swap(swaps);
  const fs::path root = "/sys/fs/cgroup";
  facts.cgroup_forbids = cgroup_forbids_swap(root, root / own_cgroup());
  rlimit locked{};
  if (exposure(facts) == SwapExposure::possible && getrlimit(RLIMIT_MEMLOCK, &locked) == 0 &&
      locked.rlim_cur == RLIM_INFINITY) {
    facts.memory_locked = mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0;
  }
  const auto out = exposure(facts);
  if (out == SwapExposure::possible && required) {
    return fail(
        std::string("server.require_no_swap is set, but memory could be written to swap: set MemorySwapMax=0 or "
                    "LimitMEMLOCK=infinity for this process, or switch swap off"));
  }
  return out;
}

SwapExposure exposure(const SwapFacts& facts) {
  const bool safe = !facts.machine_has_swap || facts.cgroup_forbids || facts.memory_locked;
  return safe ? SwapExposure::none : SwapExposure::possible;
}

void notify_service_manager(std::string_view state) {
  const char* path = std::getenv("NOTIFY_SOCKET");
  if (path == nullptr || (path[0] != '/' && path[0] != '@')) return;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::size_t size = std::strlen(path);
  if (size >= sizeof(address.sun_path)) return;
  std::memcpy(address.sun_path, path, size);
  if (path[0] == '@') address.sun_path[0] = '\0';  // abstract namespace
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return;
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + size);
  // Best effort: a service manager that is not there must not hold us up.
  std::ignore = sendto(fd, state.data(), state.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
                       reinterpret_cast<const sockaddr*>(&address), length);
  close(fd);
}

Result<void, std::string> write_file_atomically(const fs::path& file, std::string_view text, mode_t mode) {
  auto temporary = file;
  temporary += fmt::format(".{}.tmp", getpid());
  unlink(temporary.c_str());
  const int fd = open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
  if (fd < 0) return fail(fmt::format("cannot write {}: {}", file.string(), why()));
  const bool written = write_all(fd, text) && fchmod(fd, mode) == 0 && fsync(fd) == 0;
  auto reason = written ? std::string() : why();
  close(fd);
  if (written && rename(temporary.c_str(), file.c_str()) == 0) {
    sync_directory(file.parent_path());
    return {};
  }
  if (written) reason = why();
  unlink(temporary.c_str());
  return fail(fmt::format("cannot write {}: {}", file.string(), reason));
}

}  // namespace opaline::server
