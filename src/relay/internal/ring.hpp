#pragma once
// A queue of plain values in one block that grows by doubling; no block while it has never been used.
#include <cstdint>
#include <memory>
#include <type_traits>

#include "base/result.hpp"

namespace opaline::relay::internal {

template <class T>
class Ring {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] std::uint32_t size() const { return size_; }
  [[nodiscard]] T& operator[](std::uint32_t i) { return block_[(head_ + i) & mask()]; }
  [[nodiscard]] const T& operator[](std::uint32_t i) const { return block_[(head_ + i) & mask()]; }
  [[nodiscard]] T& front() { return block_[head_]; }
  [[nodiscard]] T& back() { return (*this)[size_ - 1]; }

  void push_back(const T& value) {
    if (size_ == capacity_) grow();
    block_[(head_ + size_) & mask()] = value;
    ++size_;
  }
  void pop_front() {
    OPALINE_ASSERT(size_ > 0);
    head_ = (head_ + 1) & mask();
    --size_;
  }
  void clear() { head_ = size_ = 0; }
  /// Gives a large block back if nothing is in it.
  void trim() {
    if (size_ != 0 || capacity_ <= kKept) return;
    block_.reset();
    head_ = capacity_ = 0;
  }

 private:
  static constexpr std::uint32_t kKept = 32;
  [[nodiscard]] std::uint32_t mask() const { return capacity_ - 1; }
  void grow() {
    const std::uint32_t larger = capacity_ == 0 ? 4 : capacity_ * 2;
    auto block = std::make_unique_for_overwrite<T[]>(larger);
    for (std::uint32_t i = 0; i < size_; ++i) block[i] = (*this)[i];
    block_ = std::move(block);
    head_ = 0;
    capacity_ = larger;
  }

  std::unique_ptr<T[]> block_;
  std::uint32_t head_ = 0, size_ = 0, capacity_ = 0;  // capacity: a power of two, or 0
};

}  // namespace opaline::relay::internal
