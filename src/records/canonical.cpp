#include "records/canonical.hpp"

#include <algorithm>
#include <charconv>

#include "base/result.hpp"
#include "base/utf8.hpp"

namespace opaline::records {
namespace {

namespace json = boost::json;

constexpr std::int64_t kMaxInteger = (std::int64_t{1} << 53) - 1;

bool write_text(std::string_view text, std::string& out) {
  if (!is_utf8(as_view(text))) return false;
  constexpr std::string_view kHex = "0123456789abcdef";
  out.push_back('"');
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      (out += '\\') += c;
    } else if (byte >= 0x20) {
      out.push_back(c);
    } else if (const auto at = std::string_view("\b\t\n\f\r").find(c); at != std::string_view::npos) {
      (out += '\\') += "btnfr"[at];
    } else {
      out += "\\u00";
      (out += kHex[byte >> 4]) += kHex[byte & 15];
    }
  }
  out.push_back('"');
  return true;
}

bool write(const json::value& value, std::size_t depth, std::string& out);

bool write_object(const json::object& object, std::size_t depth, std::string& out) {
  std::vector<std::string_view> names;
  names.reserve(object.size());
  for (const auto& field : object) names.push_back(field.key());
  std::ranges::sort(names);  // by UTF-16 code units, which of ASCII are the bytes
  out.push_back('{');
  for (const auto name : names) {
    if (std::ranges::any_of(name, [](char c) { return static_cast<unsigned char>(c) >= 0x80; })) return false;
    if (out.back() != '{') out.push_back(',');
    if (!write_text(name, out)) return false;
    out.push_back(':');
    if (!write(object.at(name), depth, out)) return false;
  }
  out.push_back('}');
  return true;
}

bool write(const json::value& value, std::size_t depth, std::string& out) {
  if (depth == 0) return false;
  if (const auto* text = value.if_string()) return write_text(*text, out);
  if (value.is_int64() || value.is_uint64()) {
    if (value.is_uint64() && value.get_uint64() > static_cast<std::uint64_t>(kMaxInteger)) return false;
    const auto number = value.is_uint64() ? static_cast<std::int64_t>(value.get_uint64()) : value.get_int64();
    if (number > kMaxInteger || number < -kMaxInteger) return false;
    out += std::to_string(number);
    return true;
  }
  if (const auto* array = value.if_array()) {
    out.push_back('[');
    for (const auto& one : *array) {
      if (&one != array->data()) out.push_back(',');
      if (!write(one, depth - 1, out)) return false;
    }
    out.push_back(']');
    return true;
  }
  if (const auto* object = value.if_object()) return write_object(*object, depth - 1, out);
  return false;
}

/// Digits alone, exactly `size` of them, from the front of `text`.
std::optional<int> digits(std::string_view& text, std::size_t size, char after) {
  if (text.size() < size + (after ? 1 : 0)) return std::nullopt;
  int out = 0;
  for (const char c : text.substr(0, size)) {
    if (c < '0' || c > '9') return std::nullopt;
    out = out * 10 + (c - '0');
  }
  if (after && text[size] != after) return std::nullopt;
  text.remove_prefix(size + (after ? 1 : 0));
  return out;
}

std::optional<std::chrono::sys_days> take_date(std::string_view& text, char after) {
  const auto year = digits(text, 4, '-'), month = digits(text, 2, '-'), day = digits(text, 2, after);
  if (!year || !month || !day || *year < 1970) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(*year), std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok()) return std::nullopt;
  return std::chrono::sys_days(date);
}

std::optional<Time> take_time(std::string_view text, bool millis) {
  const auto date = take_date(text, 'T');
  if (!date) return std::nullopt;
  const auto hour = digits(text, 2, ':'), minute = digits(text, 2, ':'), second = digits(text, 2, millis ? '.' : 'Z');
  const auto part = millis ? digits(text, 3, 'Z') : std::optional(0);
  if (!hour || !minute || !second || !part || !text.empty() || *hour > 23 || *minute > 59 || *second > 59)
    return std::nullopt;
  return Time(*date) + std::chrono::hours(*hour) + std::chrono::minutes(*minute) + seconds(*second) +
         milliseconds(*part);
}

}  // namespace

std::optional<std::string> canonical(const json::value& value) {
  std::string out;
  if (!write(value, kMaxJsonDepth, out)) return std::nullopt;
  return out;
}

std::string canonical_own(const json::value& value) {
  auto out = canonical(value);
  OPALINE_ASSERT(out.has_value());
  return std::move(*out);
}

std::optional<json::value> parse_canonical(std::string_view text) {
  if (text.size() > kMaxJsonBytes) return std::nullopt;
  json::parse_options options;
  options.max_depth = kMaxJsonDepth;
  boost::system::error_code error;
  auto value = json::parse(text, error, {}, options);
  if (error) return std::nullopt;
  const auto again = canonical(value);
  if (!again || *again != text) return std::nullopt;
  return value;
}

crypto::Sha256Digest sha256_of(std::string_view text) {
  return crypto::sha256(as_view(text));
}
std::string sha256_hex(ByteView bytes) {
  return to_hex(crypto::sha256(bytes));
}

std::optional<std::string> text_of(const json::object& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  if (!value || !value->is_string()) return std::nullopt;
  return std::string(value->get_string());
}

std::optional<std::uint64_t> number_of(const json::object& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  if (!value) return std::nullopt;
  if (value->is_uint64()) return value->get_uint64();
  if (value->is_int64() && value->get_int64() >= 0) return static_cast<std::uint64_t>(value->get_int64());
  return std::nullopt;
}

const json::object* object_of(const json::object& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  return value ? value->if_object() : nullptr;
}
const json::array* array_of(const json::object& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  return value ? value->if_array() : nullptr;
}

bool has_exactly(const json::object& object, std::initializer_list<std::string_view> names) {
  return object.size() == names.size() &&
         std::ranges::all_of(names, [&](std::string_view name) { return object.contains(name); });
}

std::optional<Time> time_from(std::string_view text) {
  return take_time(text, false);
}
std::optional<Time> time_millis_from(std::string_view text) {
  return take_time(text, true);
}
std::optional<std::chrono::sys_days> date_from(std::string_view text) {
  const auto out = take_date(text, '\0');
  return text.empty() ? out : std::nullopt;
}

}  // namespace opaline::records
