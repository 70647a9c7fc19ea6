#pragma once
// A byte queue without zero-filling: bytes are appended at the back and consumed at the front.
#include <algorithm>
#include <cstring>
#include <memory>

#include "base/bytes.hpp"

namespace opaline::bench {

class ByteBuffer {
 public:
  [[nodiscard]] bool empty() const { return begin_ == end_; }
  [[nodiscard]] std::size_t size() const { return end_ - begin_; }
  [[nodiscard]] std::byte* data() { return store_.get() + begin_; }
  [[nodiscard]] ByteView view() const { return {store_.get() + begin_, size()}; }

  /// Room for `size` bytes behind the last one; valid until the next call. `commit` makes them part of the queue.
  [[nodiscard]] std::byte* room(std::size_t size) {
    if (capacity_ - end_ < size) make_room(size);
    return store_.get() + end_;
  }
  void commit(std::size_t size) { end_ += size; }
  /// Takes the last `size` bytes back.
  void uncommit(std::size_t size) { end_ -= size; }
  void append(ByteView bytes) {
    std::memcpy(room(bytes.size()), bytes.data(), bytes.size());
    commit(bytes.size());
  }
  void consume(std::size_t size) {
    begin_ += size;
    if (begin_ == end_) begin_ = end_ = 0;
  }
  void clear() { begin_ = end_ = 0; }

 private:
  void make_room(std::size_t size) {
    const std::size_t used = this->size();
    if (capacity_ - used < size) {
      const std::size_t capacity = std::max<std::size_t>({2 * capacity_, used + size, 4096});
      std::unique_ptr<std::byte[]> grown(new std::byte[capacity]);  // not value-initialised
      if (used != 0) std::memcpy(grown.get(), data(), used);
      store_ = std::move(grown);
      capacity_ = capacity;
    } else {
      std::memmove(store_.get(), data(), used);
    }
    begin_ = 0;
    end_ = used;
  }

  std::unique_ptr<std::byte[]> store_;
  std::size_t capacity_ = 0, begin_ = 0, end_ = 0;
};

}  // namespace opaline::bench
