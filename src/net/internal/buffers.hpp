#pragma once
// Buffers that the connections of one thread share, so that an idle connection holds none.
#include <memory>
#include <vector>

#include "base/bytes.hpp"
#include "base/secret.hpp"

namespace opaline::net::internal {

/// What one read takes from the kernel at most.
inline constexpr std::size_t kReadBytes = 64 * 1024;
/// Decrypted bytes of one read: never more than the read, plus one record that had been incomplete (RFC 8446
/// section 5.1).
inline constexpr std::size_t kPlainBytes = kReadBytes + 17 * 1024;
/// Plaintext that is encrypted for one write to the kernel.
inline constexpr std::size_t kWriteBytes = 256 * 1024;

class SharedBuffers {
 public:
  SharedBuffers()
      : received_(std::make_unique_for_overwrite<std::byte[]>(kReadBytes)),
        plain_(std::make_unique_for_overwrite<std::byte[]>(kPlainBytes)) {}
  SharedBuffers(const SharedBuffers&) = delete;
  SharedBuffers& operator=(const SharedBuffers&) = delete;
  ~SharedBuffers() {
    if (cleanse_) wipe(plain_.get(), kPlainBytes);
  }

  [[nodiscard]] std::span<std::byte> received() { return {received_.get(), kReadBytes}; }
  [[nodiscard]] std::span<std::byte> plain() { return {plain_.get(), kPlainBytes}; }
  /// Records on their way to one send(); empty between connections.
  [[nodiscard]] Bytes& records() { return records_; }

  /// An empty buffer, with capacity if one is spare.
  [[nodiscard]] Bytes take() {
    if (spare_.empty()) return {};
    Bytes out = std::move(spare_.back());
    spare_.pop_back();
    return out;
  }
  void give(Bytes&& buffer) {
    Bytes taken = std::move(buffer);
    if (cleanse_) {
      taken.resize(taken.capacity());  // what was sent is beyond the end by now
      wipe(taken.data(), taken.size());
    }
    taken.clear();
    if (taken.capacity() != 0 && taken.capacity() <= kSpareBytes && spare_.size() < kSpares) {
      spare_.push_back(std::move(taken));
    }
  }

  /// From now on whatever held plaintext is wiped after use.
  void cleanse_from_now() { cleanse_ = true; }
  [[nodiscard]] bool cleanses() const { return cleanse_; }

 private:
  static constexpr std::size_t kSpares = 64;
  static constexpr std::size_t kSpareBytes = 128 * 1024;
  std::unique_ptr<std::byte[]> received_;
  std::unique_ptr<std::byte[]> plain_;
  Bytes records_;
  std::vector<Bytes> spare_;
  bool cleanse_ = false;
};

}  // namespace opaline::net::internal
