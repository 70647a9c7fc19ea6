#include "msp/internal/writing.hpp"

#include <charconv>

#include "msp/base64.hpp"

namespace opaline::msp::internal {

void JsonWriter::put(std::string_view text) {
  const ByteView bytes = as_view(text);
  out_.insert(out_.end(), bytes.begin(), bytes.end());
}

void JsonWriter::comma() {
  if (follows_) put(",");
  follows_ = true;
}

JsonWriter& JsonWriter::open(char bracket) {
  comma();
  put({&bracket, 1});
  follows_ = false;
  return *this;
}

JsonWriter& JsonWriter::close(char bracket) {
  put({&bracket, 1});
  follows_ = true;
  return *this;
}

JsonWriter& JsonWriter::value(std::string_view json) {
  comma();
  put(json);
  return *this;
}

JsonWriter& JsonWriter::key(std::string_view name) {
  string(name);
  put(":");
  follows_ = false;
  return *this;
}

/// RFC 8785 section 3.2.2.2: only what must be escaped is, and in the shortest way.
JsonWriter& JsonWriter::string(std::string_view utf8) {
  constexpr std::string_view kHex = "0123456789abcdef";
  constexpr std::string_view kShort = "btnvfr";  // U+0008 to U+000D; \v does not exist in JSON
  comma();
  put("\"");
  std::size_t from = 0;
  for (std::size_t i = 0; i < utf8.size(); ++i) {
    const auto c = static_cast<unsigned char>(utf8[i]);
    if (c >= 0x20 && c != '"' && c != '\\') continue;
    put(utf8.substr(from, i - from));
    from = i + 1;
    if (c == '"' || c == '\\') {
      put("\\");
      put(utf8.substr(i, 1));
    } else if (c >= 8 && c <= 13 && c != 11) {
      put("\\");
      put(kShort.substr(c - 8, 1));
    } else {
      put(c < 16 ? "\\u000" : "\\u001");
      put(kHex.substr(c & 15, 1));
    }
  }
  put(utf8.substr(from));
  put("\"");
  return *this;
}

JsonWriter& JsonWriter::integer(std::int64_t number) {
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof(digits), number).ptr;
  return value({digits, static_cast<std::size_t>(end - digits)});
}

JsonWriter& JsonWriter::unsigned_integer(std::uint64_t number) {
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof(digits), number).ptr;
  return value({digits, static_cast<std::size_t>(end - digits)});
}

JsonWriter& JsonWriter::number(double finite) {
  char digits[40];
  const auto end = std::to_chars(digits, digits + sizeof(digits), finite).ptr;
  return value({digits, static_cast<std::size_t>(end - digits)});
}

JsonWriter& JsonWriter::boolean(bool yes) {
  return value(yes ? "true" : "false");
}

JsonWriter& JsonWriter::base64(ByteView bytes) {
  comma();
  put("\"");
  append_base64(out_, bytes);
  put("\"");
  return *this;
}

JsonWriter& JsonWriter::upper_hex(ByteView bytes) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  comma();
  put("\"");
  for (const std::byte b : bytes) {
    put(kHex.substr(std::to_integer<std::size_t>(b) >> 4, 1));
    put(kHex.substr(std::to_integer<std::size_t>(b) & 15, 1));
  }
  put("\"");
  return *this;
}

}  // namespace opaline::msp::internal
