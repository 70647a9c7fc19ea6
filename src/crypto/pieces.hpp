#pragma once
// A byte string that lies in several places.
#include <concepts>
#include <initializer_list>

#include "base/bytes.hpp"

namespace opaline::crypto {

/// A borrowed list of views, taken as their concatenation: `sha256({label, id, body})` or simply `sha256(body)`.
/// Only for parameters: a Pieces made from a braced list must not outlive the call that it is written in.
class Pieces {
 public:
  Pieces() = default;
  template <std::convertible_to<ByteView> T>
  explicit(false) Pieces(const T& whole) : one_(whole), is_one_(true) {}
  explicit(false) Pieces(std::initializer_list<ByteView> list) : many_(list.begin(), list.size()) {}
  explicit(false) Pieces(std::span<const ByteView> list) : many_(list) {}

  /// The pieces in order. Valid as long as this object is, and what it borrows.
  [[nodiscard]] std::span<const ByteView> list() const { return is_one_ ? std::span<const ByteView>(&one_, 1) : many_; }
  /// The size of the concatenation.
  [[nodiscard]] std::size_t size() const {
    std::size_t total = 0;
    for (const ByteView piece : list()) total += piece.size();
    return total;
  }

 private:
  ByteView one_;
  std::span<const ByteView> many_;
  bool is_one_ = false;
};

}  // namespace opaline::crypto
