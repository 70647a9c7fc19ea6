#pragma once
// Bounds-checked readers and writers for our own byte layouts. Integers are big-endian (network order).
#include "base/bytes.hpp"

namespace opaline {

/// Reads a borrowed byte string front to back. A read past the end sets `failed()` and yields zeros or empty views from
/// then on, so a parser may read a whole structure and check once: `if (!in.finished()) return error`.
class Reader {
 public:
  explicit Reader(ByteView bytes) : rest_(bytes) {}

  [[nodiscard]] std::uint8_t u8() { return static_cast<std::uint8_t>(integer(1)); }
  [[nodiscard]] std::uint16_t u16() { return static_cast<std::uint16_t>(integer(2)); }
  [[nodiscard]] std::uint32_t u24() { return static_cast<std::uint32_t>(integer(3)); }
  [[nodiscard]] std::uint32_t u32() { return static_cast<std::uint32_t>(integer(4)); }
  [[nodiscard]] std::uint64_t u64() { return integer(8); }
  /// A view of the next `size` bytes into the source.
  [[nodiscard]] ByteView bytes(std::size_t size) {
    if (size > rest_.size()) {
      failed_ = true;
      rest_ = {};
      return {};
    }
    const ByteView out = rest_.first(size);
    rest_ = rest_.subspan(size);
    return out;
  }
  template <std::size_t N>
  [[nodiscard]] ByteArray<N> array() {
    ByteArray<N> out{};
    const ByteView view = bytes(N);
    if (view.size() == N) std::memcpy(out.data(), view.data(), N);
    return out;
  }
  /// A byte string with its length in front (u16 or u32).
  [[nodiscard]] ByteView bytes16() { return bytes(u16()); }
  [[nodiscard]] ByteView bytes32() { return bytes(u32()); }
  /// All that is left; may be empty.
  [[nodiscard]] ByteView rest() { return bytes(rest_.size()); }

  [[nodiscard]] std::size_t left() const { return rest_.size(); }
  [[nodiscard]] bool failed() const { return failed_; }
  /// True if everything was there and nothing is left: canonical codecs refuse trailing bytes.
  [[nodiscard]] bool finished() const { return !failed_ && rest_.empty(); }

 private:
  std::uint64_t integer(std::size_t size) {
    std::uint64_t value = 0;
    for (const std::byte b : bytes(size)) value = value << 8 | std::to_integer<std::uint64_t>(b);
    return value;
  }
  ByteView rest_;
  bool failed_ = false;
};

/// Appends to a buffer that the caller owns and keeps alive.
class Writer {
 public:
  explicit Writer(Bytes& out) : out_(out) {}

  Writer& u8(std::uint8_t value) { return integer(value, 1); }
  Writer& u16(std::uint16_t value) { return integer(value, 2); }
  Writer& u24(std::uint32_t value) { return integer(value, 3); }
  Writer& u32(std::uint32_t value) { return integer(value, 4); }
  Writer& u64(std::uint64_t value) { return integer(value, 8); }
  Writer& bytes(ByteView value) {
    append(out_, value);
    return *this;
  }
  /// A byte string with its length in front; the length must fit (asserted: our own bug otherwise).
  Writer& bytes16(ByteView value) {
    if (value.size() > 0xffff) __builtin_trap();
    return u16(static_cast<std::uint16_t>(value.size())).bytes(value);
  }
  Writer& bytes32(ByteView value) {
    if (value.size() > 0xffffffff) __builtin_trap();
    return u32(static_cast<std::uint32_t>(value.size())).bytes(value);
  }

 private:
  Writer& integer(std::uint64_t value, int size) {
    std::byte raw[8];
    for (int i = 0; i < size; ++i) raw[i] = static_cast<std::byte>(value >> (8 * (size - 1 - i)) & 255);
    append(out_, ByteView(raw, static_cast<std::size_t>(size)));
    return *this;
  }
  Bytes& out_;
};

}  // namespace opaline
