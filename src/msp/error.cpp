#include "msp/error.hpp"

#include "msp/internal/writing.hpp"

namespace opaline::msp {

std::string_view name(Error error) {
  switch (error) {
    case Error::missing:
      return "missing";
    case Error::malformed:
      return "malformed";
    case Error::oversized:
      return "oversized";
    case Error::mismatch:
      return "mismatch";
    case Error::unsupported:
      return "unsupported";
    case Error::unauthorized:
      return "unauthorized";
    case Error::forbidden:
      return "forbidden";
    case Error::wrong_signature:
      return "wrong_signature";
    case Error::wrong_party:
      return "wrong_party";
    case Error::too_old:
      return "too_old";
    case Error::from_future:
      return "from_future";
    case Error::unsafe_text:
      return "unsafe_text";
    case Error::not_offered:
      return "not_offered";
    case Error::incomplete:
      return "incomplete";
    case Error::unknown:
      return "unknown";
    case Error::closed:
      return "closed";
    case Error::quota:
      return "quota";
    case Error::unavailable:
      return "unavailable";
    case Error::internal:
      return "internal";
  }
  return "malformed";
}

std::string to_json(const Problem& problem) {
  SecretBytes out;
  internal::JsonWriter json(out);
  json.begin_object().member("error", name(problem.error)).member("message", problem.message);
  if (!problem.header.empty()) {
    json.member("header", problem.header);
  } else {
    json.key("pointer").string(problem.pointer);
  }
  if (problem.offset_bytes) json.key("offset").unsigned_integer(*problem.offset_bytes);
  json.end_object();
  return to_string(out);
}

}  // namespace opaline::msp
