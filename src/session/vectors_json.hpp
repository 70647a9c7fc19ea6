#pragma once
// What the generators of test vectors share (session/vectors.hpp).
#include <string>
#include <vector>

#include "base/random.hpp"

namespace opaline::session::vectors {

/// JSON with the members in the order written, two spaces a level. Names and values need no escapes.
class Json {
 public:
  Json& open(std::string_view name, char bracket = '{') {
    line(name);
    out_ += bracket;
    closers_ += bracket == '{' ? '}' : ']';
    first_ = true;
    return *this;
  }
  Json& close() {
    const char closer = closers_.back();
    closers_.pop_back();
    out_ += '\n' + std::string(2 * closers_.size(), ' ') + closer;
    first_ = false;
    return *this;
  }
  Json& text(std::string_view name, std::string_view value) {
    line(name);
    out_.append("\"").append(value).append("\"");
    return *this;
  }
  Json& hex(std::string_view name, ByteView value) { return text(name, to_hex(value)); }
  Json& number(std::string_view name, std::int64_t value) {
    line(name);
    out_ += std::to_string(value);
    return *this;
  }
  std::string take() { return std::move(out_) + '\n'; }

 private:
  void line(std::string_view name) {
    if (!closers_.empty()) out_ += (first_ ? "\n" : ",\n") + std::string(2 * closers_.size(), ' ');
    if (!name.empty()) out_.append("\"").append(name).append("\": ");
    first_ = false;
  }
  std::string out_;
  std::string closers_;
  bool first_ = true;
};

/// A device's source, that also remembers what it gave out.
class Recorded final : public RandomSource {
 public:
  explicit Recorded(SeededRandom& source) : source_(source) {}
  void fill(std::span<std::byte> out) override {
    source_.fill(out);
    drawn.push_back(to_bytes(out));
  }
  std::vector<Bytes> drawn;

 private:
  SeededRandom& source_;
};

}  // namespace opaline::session::vectors
