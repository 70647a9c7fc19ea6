#pragma once
// Writes JSON into memory that is wiped. Strings must be valid UTF-8; what is written is compact, and canonical if
// members come in order.
#include <cstdint>
#include <string_view>

#include "base/secret.hpp"

namespace opaline::msp::internal {

class JsonWriter {
 public:
  explicit JsonWriter(SecretBytes& out) : out_(out) {}

  JsonWriter& begin_object() { return open('{'); }
  JsonWriter& end_object() { return close('}'); }
  JsonWriter& begin_array() { return open('['); }
  JsonWriter& end_array() { return close(']'); }
  JsonWriter& key(std::string_view name);
  JsonWriter& string(std::string_view utf8);
  JsonWriter& integer(std::int64_t value);
  JsonWriter& unsigned_integer(std::uint64_t value);
  JsonWriter& number(double finite);  ///< the shortest text that reads as the same number
  JsonWriter& boolean(bool value);
  JsonWriter& null() { return value("null"); }
  JsonWriter& base64(ByteView bytes);
  JsonWriter& upper_hex(ByteView bytes);
  /// JSON as it is.
  JsonWriter& raw(ByteView json) { return value(as_text(json)); }

  /// A member; nothing if `utf8` is empty.
  JsonWriter& member(std::string_view name, std::string_view utf8) {
    return utf8.empty() ? *this : key(name).string(utf8);
  }

 private:
  JsonWriter& open(char bracket);
  JsonWriter& close(char bracket);
  JsonWriter& value(std::string_view json);
  void comma();
  void put(std::string_view text);

  SecretBytes& out_;
  bool follows_ = false;  // a value was written here before: the next needs a comma
};

}  // namespace opaline::msp::internal
