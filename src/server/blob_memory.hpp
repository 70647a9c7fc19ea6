#pragma once
// How much memory attachments may have between a socket and the disk, whatever the number of connections: pieces that
// wait for the disk, and answers that wait for slow readers.
#include <algorithm>
#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include "base/bytes.hpp"

namespace opaline::server {

/// Thread-safe.
class BlobMemory {
 public:
  /// An IPv6 /64 or an IPv4 address.
  using Source = ByteArray<16>;

  BlobMemory(std::size_t total, std::size_t per_source) : core_(std::make_shared<Core>(total, per_source)) {}

  struct Share {
    std::size_t bytes = 0;
    std::shared_ptr<void> hold;  ///< gives it back when the last copy goes; may outlive this object
  };
  /// As much as `most`, less while there is little: a quarter of what is left to this source and to all, but not below
  /// `least`. nullopt: `least` is not to be had. Nothing is held for `most` = 0.
  [[nodiscard]] std::optional<Share> take(const Source& source, std::size_t least, std::size_t most) {
    if (most == 0) return Share{};
    const std::lock_guard lock(core_->mutex);
    const std::size_t own = core_->sources.contains(source) ? core_->sources[source] : 0;
    const std::size_t left = std::min(core_->total - core_->used, core_->per_source - own);
    if (left < least) return std::nullopt;
    const std::size_t bytes = std::clamp(left / 4, least, std::max(least, most));
    core_->used += bytes;
    core_->sources[source] += bytes;
    return Share{bytes, std::shared_ptr<void>(nullptr, [core = core_, source, bytes](void*) {
                   const std::lock_guard relock(core->mutex);
                   core->used -= bytes;
                   const auto found = core->sources.find(source);
                   found->second -= bytes;
                   if (found->second == 0) core->sources.erase(found);
                 })};
  }
  [[nodiscard]] std::size_t used() const {
    const std::lock_guard lock(core_->mutex);
    return core_->used;
  }

 private:
  struct Core {
    Core(std::size_t all, std::size_t each) : total(all), per_source(each) {}
    const std::size_t total, per_source;
    std::mutex mutex;
    std::size_t used = 0;
    std::map<Source, std::size_t> sources;
  };
  std::shared_ptr<Core> core_;
};

/// What counts as one source.
[[nodiscard]] inline BlobMemory::Source blob_source(const ByteArray<16>& ip) {
  BlobMemory::Source out = ip;
  const bool is_v4 =
      std::ranges::all_of(out.begin(), out.begin() + 10, [](std::byte b) { return b == std::byte{0}; }) &&
      out[10] == std::byte{0xff} && out[11] == std::byte{0xff};
  if (!is_v4) std::fill(out.begin() + 8, out.end(), std::byte{0});
  return out;
}

}  // namespace opaline::server
