#include "msp/internal/json.hpp"

#include <algorithm>
#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/value_stack.hpp>
#include <charconv>
#include <cmath>

#include "msp/internal/writing.hpp"
#include "msp/text.hpp"

namespace opaline::msp::internal {
namespace {

constexpr std::size_t kParserStackBytes = 16 * 1024;

/// Boost.JSON unescapes strings in buffers on the stack: overwrites what its frames left there.
[[gnu::noinline]] void wipe_stack_below() {
  std::byte below[kParserStackBytes];
  wipe(below, sizeof(below));
}

/// Boost.JSON does not free names with the alignment that it asked for, so there is one for all.
class WipingResource final : public json::memory_resource {
 private:
  void* do_allocate(std::size_t bytes, std::size_t alignment) override {
    OPALINE_ASSERT(alignment <= __STDCPP_DEFAULT_NEW_ALIGNMENT__);
    return ::operator new(bytes);
  }
  void do_deallocate(void* memory, std::size_t bytes, std::size_t /*alignment*/) override {
    wipe(memory, bytes);
    ::operator delete(memory, bytes);
  }
  bool do_is_equal(const json::memory_resource& other) const noexcept override {
    return dynamic_cast<const WipingResource*>(&other) != nullptr;
  }
};

json::storage_ptr wiping_storage() {
  return json::make_shared_resource<WipingResource>();
}

/// What Boost's parser calls. A false ends the parsing; the problem is then in `found`.
class Handler {
 public:
  static constexpr std::size_t max_object_size = std::size_t(-1);
  static constexpr std::size_t max_array_size = std::size_t(-1);
  static constexpr std::size_t max_key_size = std::size_t(-1);
  static constexpr std::size_t max_string_size = std::size_t(-1);

  Handler(const JsonLimits& limits, std::string_view at) : limits_(limits), at_(at), values_(wiping_storage()) {
    values_.reset(wiping_storage());
  }

  std::optional<Problem> found;

  /// Where the parser is.
  [[nodiscard]] std::string pointer() const {
    std::string out(at_);
    for (const Frame& frame : frames_) {
      if (frame.is_object) {
        if (!frame.names.empty()) append_name(out, frame.names.back().view());
      } else {
        out += '/' + std::to_string(frame.index);
      }
    }
    return out;
  }
  [[nodiscard]] json::value release() { return values_.release(); }

  using Code = boost::system::error_code;
  bool on_document_begin(Code&) { return true; }
  bool on_document_end(Code&) { return true; }
  bool on_object_begin(Code& code) { return open(true, code); }
  bool on_array_begin(Code& code) { return open(false, code); }
  bool on_object_end(std::size_t, Code&) {
    const std::size_t size = frames_.back().kept;
    frames_.pop_back();
    values_.push_object(size);
    return ended();
  }
  bool on_array_end(std::size_t size, Code&) {
    frames_.pop_back();
    values_.push_array(size);
    return ended();
  }
  bool on_key_part(json::string_view part, std::size_t size, Code& code) {
    if (size > kMaxJsonKeyBytes) return refuse(Error::malformed, "a member's name is too long", code);
    scratch_.append(part);
    return true;
  }
  bool on_key(json::string_view part, std::size_t size, Code& code) {
    if (!on_key_part(part, size, code)) return false;
    Frame& frame = frames_.back();
    if (!is_text(scratch_.view())) return refuse(Error::malformed, "a member's name has NUL or no UTF-8", code);
    if (std::ranges::find(frame.names, scratch_) != frame.names.end()) {
      frame.names.push_back(std::exchange(scratch_, {}));
      return refuse(Error::malformed, "a member is there twice; send each once", code);
    }
    if (frame.names.size() == kMaxJsonMembers) return refuse(Error::malformed, "an object has too many members", code);
    frame.names.push_back(std::exchange(scratch_, {}));
    return true;
  }
  bool on_string_part(json::string_view part, std::size_t, Code&) {
    scratch_.append(part);
    return true;
  }
  bool on_string(json::string_view part, std::size_t, Code& code) {
    scratch_.append(part);
    const Text text = std::exchange(scratch_, {});
    if (!is_text(text.view())) return refuse(Error::malformed, "a string has NUL or no UTF-8", code);
    if (!begin_value(code)) return false;
    values_.push_string(text.view());
    return ended();
  }
  bool on_number_part(json::string_view, Code&) { return true; }
  bool on_int64(std::int64_t number, json::string_view, Code& code) {
    if (!begin_value(code)) return false;
    values_.push_int64(number);
    return ended();
  }
  bool on_uint64(std::uint64_t number, json::string_view, Code& code) {
    if (!begin_value(code)) return false;
    values_.push_uint64(number);
    return ended();
  }
  bool on_double(double, json::string_view literal, Code& code) {
    // This version of Boost.JSON does not round correctly.
    double number = 0;
    const auto [end, error] = std::from_chars(literal.data(), literal.data() + literal.size(), number);
    if (error != std::errc{} || end != literal.data() + literal.size() || !std::isfinite(number)) {
      return refuse(Error::malformed, "a number is out of range", code);
    }
    if (!begin_value(code)) return false;
    values_.push_double(number);
    return ended();
  }
  bool on_bool(bool yes, Code& code) {
    if (!begin_value(code)) return false;
    values_.push_bool(yes);
    return ended();
  }
  bool on_null(Code& code) {
    if (!count(code)) return false;
    if (!frames_.empty() && frames_.back().is_object) return ended();  // null is as absent: its name was not pushed
    values_.push_null();
    return ended();
  }
  bool on_comment_part(json::string_view, Code&) { return true; }
  bool on_comment(json::string_view, Code&) { return true; }

 private:
  struct Frame {
    bool is_object = false;
    std::size_t index = 0;  // of the array's next element
    std::size_t kept = 0;   // members that are not null
    std::vector<Text> names;
  };

  bool refuse(Error error, std::string_view message, Code& code) {
    found = Problem{.status = error == Error::oversized ? 413U : 400U,
                    .error = error,
                    .pointer = pointer(),
                    .header = {},
                    .message = message};
    code = json::error::exception;
    return false;
  }
  bool count(Code& code) {
    if (++nodes_ > limits_.nodes) return refuse(Error::oversized, "there are too many values", code);
    return true;
  }
  bool begin_value(Code& code) {
    if (!count(code)) return false;
    if (!frames_.empty() && frames_.back().is_object) {
      values_.push_key(frames_.back().names.back().view());
      ++frames_.back().kept;
    }
    return true;
  }
  bool open(bool is_object, Code& code) {
    if (!begin_value(code)) return false;
    if (frames_.size() == limits_.depth) return refuse(Error::malformed, "it is nested too deeply", code);
    frames_.push_back(Frame{.is_object = is_object, .index = 0, .kept = 0, .names = {}});
    return true;
  }
  bool ended() {
    if (!frames_.empty()) ++frames_.back().index;
    return true;
  }

  const JsonLimits limits_;
  const std::string_view at_;
  json::value_stack values_;
  std::vector<Frame> frames_;
  Text scratch_;
  std::size_t nodes_ = 0;
};

[[gnu::noinline]] Result<json::value, Problem> parse(ByteView text, const JsonLimits& limits, std::string_view at) {
  json::parse_options options;
  options.max_depth = limits.depth + 1;  // ours comes first, and knows where
  json::basic_parser<Handler> parser(options, limits, at);
  boost::system::error_code code;
  const std::string_view chars = as_text(text);
  const std::size_t read = parser.write_some(false, chars.data(), chars.size(), code);
  if (parser.handler().found) return fail(std::move(*parser.handler().found));
  if (code || read != chars.size()) {
    return fail(Problem{.status = 400,
                        .error = Error::malformed,
                        .pointer = parser.handler().pointer(),
                        .header = {},
                        .message = "this is not JSON in UTF-8 (RFC 8259)",
                        .offset_bytes = read});
  }
  return parser.handler().release();
}

void write(JsonWriter& out, const json::value& value);

void write(JsonWriter& out, const json::object& object) {
  std::vector<const json::key_value_pair*> members;
  members.reserve(object.size());
  for (const auto& member : object) members.push_back(&member);
  std::ranges::sort(members, {}, [](const auto* member) { return std::string_view(member->key()); });
  out.begin_object();
  for (const auto* member : members) {
    out.key(member->key());
    write(out, member->value());
  }
  out.end_object();
}

void write(JsonWriter& out, const json::value& value) {
  switch (value.kind()) {
    case json::kind::null:
      out.null();
      break;
    case json::kind::bool_:
      out.boolean(value.get_bool());
      break;
    case json::kind::int64:
      out.integer(value.get_int64());
      break;
    case json::kind::uint64:
      out.unsigned_integer(value.get_uint64());
      break;
    case json::kind::double_:
      out.number(value.get_double() == 0 ? 0 : value.get_double());  // no -0: RFC 8785 section 3.2.2.3
      break;
    case json::kind::string:
      out.string(value.get_string());
      break;
    case json::kind::array:
      out.begin_array();
      for (const auto& element : value.get_array()) write(out, element);
      out.end_array();
      break;
    case json::kind::object:
      write(out, value.get_object());
      break;
  }
}

}  // namespace

Result<json::value, Problem> read_json(ByteView text, const JsonLimits& limits, std::string_view at) {
  if (text.size() > limits.bytes) {
    return fail(Problem{.status = 413,
                        .error = Error::oversized,
                        .pointer = std::string(at),
                        .header = {},
                        .message = "the body is too large"});
  }
  auto out = parse(text, limits, at);
  wipe_stack_below();
  return out;
}

SecretBytes canonical(const json::value& value) {
  SecretBytes out;
  JsonWriter writer(out);
  write(writer, value);
  return out;
}

SecretBytes canonical(ByteView written) {
  const auto value =
      read_json(written, {.bytes = 4 * kMaxBodyBytes, .depth = kMaxJsonDepth, .nodes = 4 * kMaxJsonNodes});
  OPALINE_ASSERT(value.has_value());
  return canonical(*value);
}

}  // namespace opaline::msp::internal
