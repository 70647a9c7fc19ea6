#pragma once
// Secrets: wiped when they go, not comparable, not printable. `grep reveal` lists every reader.
#include <memory>

#include "base/bytes.hpp"

namespace opaline {

/// Overwrites memory in a way that the optimiser keeps.
void wipe(void* data, std::size_t size) noexcept;

/// N secret bytes of one kind (`Tag`). Move-only; moved-from and destroyed objects are wiped.
template <class Tag, std::size_t N>
class Secret {
 public:
  static constexpr std::size_t kSize = N;
  Secret() = default;  // all zero, to be filled through `fill()`
  explicit Secret(FixedView<N> bytes) { std::memcpy(bytes_.data(), bytes.data(), N); }
  Secret(Secret&& other) noexcept : bytes_(other.bytes_) { wipe(other.bytes_.data(), N); }
  Secret& operator=(Secret&& other) noexcept {
    if (this != &other) {
      bytes_ = other.bytes_;
      wipe(other.bytes_.data(), N);
    }
    return *this;
  }
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret() { wipe(bytes_.data(), N); }

  /// A second copy, made knowingly.
  [[nodiscard]] Secret clone() const { return Secret(reveal()); }
  /// The only way out: every call is on the audit list.
  [[nodiscard]] FixedView<N> reveal() const { return FixedView<N>(bytes_); }
  /// The only way in after construction: the bytes to be written by a KDF or a random source.
  [[nodiscard]] std::span<std::byte, N> fill() { return std::span<std::byte, N>(bytes_); }

 private:
  ByteArray<N> bytes_{};
};

/// An allocator that wipes every block it frees, so that a vector that grows leaves no copies behind.
template <class T>
struct WipingAllocator {
  using value_type = T;
  WipingAllocator() = default;
  template <class U>
  explicit(false) WipingAllocator(const WipingAllocator<U>&) noexcept {}
  [[nodiscard]] T* allocate(std::size_t n) { return std::allocator<T>{}.allocate(n); }
  void deallocate(T* p, std::size_t n) noexcept {
    wipe(p, n * sizeof(T));
    std::allocator<T>{}.deallocate(p, n);
  }
  friend bool operator==(const WipingAllocator&, const WipingAllocator&) { return true; }
};

/// Secret bytes of a length known at run time: plaintexts, serialised state.
using SecretBytes = std::vector<std::byte, WipingAllocator<std::byte>>;
[[nodiscard]] inline SecretBytes to_secret_bytes(ByteView view) {
  return {view.begin(), view.end()};
}

}  // namespace opaline
