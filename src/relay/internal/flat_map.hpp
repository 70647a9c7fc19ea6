#pragma once
// Open addressing with linear probing and backward-shift deletion (Knuth 6.4, algorithm R): one cache line for most
// look-ups, no tombstones, no allocation but growth. Values are pointers; nullptr means "not there".
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/result.hpp"

namespace opaline::relay::internal {

/// `Hash` must spread its results over all bits. Owns nothing that the values point to. Pointers to slots do not exist;
/// iteration order means nothing.
template <class Key, class T, class Hash>
class FlatMap {
 public:
  [[nodiscard]] T* find(const Key& key) const {
    if (slots_.empty()) return nullptr;
    for (std::size_t i = home(key);; i = next(i)) {
      const Slot& slot = slots_[i];
      if (slot.value == nullptr) return nullptr;
      if (slot.key == key) return slot.value;
    }
  }

  /// `key` must not be there.
  void insert(const Key& key, T* value) {
    OPALINE_ASSERT(value != nullptr);
    if ((size_ + 1) * 4 > slots_.size() * 3) grow();
    place(key, value);
    ++size_;
  }

  /// The value that was there, or nullptr.
  T* erase(const Key& key) {
    if (slots_.empty()) return nullptr;
    std::size_t i = home(key);
    while (slots_[i].value != nullptr && slots_[i].key != key) i = next(i);
    T* const out = slots_[i].value;
    if (out == nullptr) return nullptr;
    --size_;
    // Close the hole: whatever follows without a gap and may lie at the hole moves into it.
    for (std::size_t j = next(i); slots_[j].value != nullptr; j = next(j)) {
      const std::size_t h = home(slots_[j].key);
      const bool may_move = i <= j ? (h <= i || h > j) : (h <= i && h > j);
      if (!may_move) continue;
      slots_[i] = slots_[j];
      i = j;
    }
    slots_[i] = Slot{};
    return out;
  }

  template <class F>
  void for_each(F f) const {
    for (const Slot& slot : slots_) {
      if (slot.value != nullptr) f(*slot.value);
    }
  }
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  struct Slot {
    Key key{};
    T* value = nullptr;
  };
  [[nodiscard]] std::size_t home(const Key& key) const { return Hash{}(key) & (slots_.size() - 1); }
  [[nodiscard]] std::size_t next(std::size_t i) const { return (i + 1) & (slots_.size() - 1); }
  void place(const Key& key, T* value) {
    std::size_t i = home(key);
    while (slots_[i].value != nullptr) i = next(i);
    slots_[i] = {key, value};
  }
  void grow() {
    std::vector<Slot> old(slots_.empty() ? 16 : slots_.size() * 2);
    old.swap(slots_);
    for (const Slot& slot : old) {
      if (slot.value != nullptr) place(slot.key, slot.value);
    }
  }

  std::vector<Slot> slots_;  // a power of two of them, or none
  std::size_t size_ = 0;
};

/// For numbers that were handed out in order.
struct NumberHash {
  template <class N>
  std::size_t operator()(N number) const {
    const auto mixed = static_cast<std::uint64_t>(number) * 0x9e3779b97f4a7c15;
    return static_cast<std::size_t>(mixed ^ mixed >> 32);
  }
};

}  // namespace opaline::relay::internal
