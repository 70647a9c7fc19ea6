#pragma once
// What the process does about itself: limits, core dumps, swap, one instance per data directory, readiness.
#include <sys/types.h>

#include <filesystem>
#include <string>

#include "base/result.hpp"

namespace opaline::server {

/// An exclusive lock on a data directory; released when destroyed, and by the kernel when the process ends in any way.
class DirectoryLock {
 public:
  /// Makes `directory` (mode 0700) where it is missing. The error is a sentence for people: who holds it, or what is
  /// wrong with the directory.
  [[nodiscard]] static Result<DirectoryLock, std::string> take(const std::filesystem::path& directory);
  DirectoryLock(DirectoryLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  DirectoryLock& operator=(DirectoryLock&&) = delete;
  ~DirectoryLock();

 private:
  explicit DirectoryLock(int fd) : fd_(fd) {}
  int fd_;
};

/// No core dumps, and nobody but root may trace or read this process's memory.
void forbid_core_dumps();

/// Raises the soft limit of open files to the hard one; returns what it is now.
std::uint64_t raise_file_limit();

/// Whether memory of this process can reach a disk through swap.
enum class SwapExposure : std::uint8_t {
  none,      ///< no swap on this machine, or the service's cgroup may use none, or all memory is locked
  possible,  ///< swap is there and nothing keeps this process out of it
};
struct SwapFacts {
  bool machine_has_swap = true;
  bool cgroup_forbids = false;
  bool memory_locked = false;
};
[[nodiscard]] SwapExposure exposure(const SwapFacts& facts);
/// Locks all memory, present and future, where the limit allows that (LimitMEMLOCK=infinity, or root), and looks at
/// /proc/swaps and the cgroup's memory.swap.max. Where the limit is finite nothing is locked: a lock that ends in the
/// middle would make allocations fail later. `required` (server.require_no_swap): the sentence is the error where swap
/// stays possible.
[[nodiscard]] Result<SwapExposure, std::string> keep_out_of_swap(bool required);
/// The parts of keep_out_of_swap that read texts: true if /proc/swaps lists an area; true if any memory.swap.max from
/// `cgroup_directory` up to `cgroup_root` is 0.
[[nodiscard]] bool lists_swap(std::string_view proc_swaps);
[[nodiscard]] bool cgroup_forbids_swap(const std::filesystem::path& cgroup_root,
                                       const std::filesystem::path& cgroup_directory);

/// sd_notify(3) without its library: one datagram to $NOTIFY_SOCKET; nothing where that is not set. `state` such as
/// "READY=1".
void notify_service_manager(std::string_view state);

/// Writes a file whole or not at all: a temporary beside it, synced, renamed, the directory synced. Mode as given.
[[nodiscard]] Result<void, std::string> write_file_atomically(const std::filesystem::path& file, std::string_view text,
                                                              mode_t mode);

}  // namespace opaline::server
