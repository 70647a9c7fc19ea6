#include "msp/internal/reading.hpp"

#include <charconv>
#include <cmath>

#include "msp/base64.hpp"

namespace opaline::msp::internal {
namespace {

void append_place(std::string& out, const Place& place) {
  if (place.up == nullptr) return;
  append_place(out, *place.up);
  if (place.name.empty()) {
    out += '/' + std::to_string(place.index);
  } else {
    append_name(out, place.name);
  }
}

/// A number without a fraction, or a string that is one.
std::optional<std::int64_t> whole(const json::value& value) {
  constexpr double kExact = 9'007'199'254'740'992;  // 2^53
  if (value.is_int64()) return value.get_int64();
  if (value.is_double()) {
    const double number = value.get_double();
    if (std::abs(number) > kExact || std::trunc(number) != number) return std::nullopt;
    return static_cast<std::int64_t>(number);
  }
  if (!value.is_string()) return std::nullopt;
  const std::string_view digits = value.get_string();
  std::int64_t out = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), out);
  if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  return out;
}

}  // namespace

void Findings::add(const Place& place, Error error, std::string_view message, unsigned status) {
  if (problem_) return;
  std::string pointer = at_;
  append_place(pointer, place);
  problem_ = Problem{.status = status, .error = error, .pointer = std::move(pointer), .header = {}, .message = message};
}

Field Field::operator[](std::string_view name) const {
  const Place& place = findings_->keep({.up = place_, .name = name, .index = 0});
  if (value_ != nullptr && !value_->is_object()) problem(Error::malformed, "it must be an object");
  const json::value* member =
      value_ != nullptr && value_->is_object() ? value_->get_object().if_contains(name) : nullptr;
  return Field(*findings_, member, place);
}

Field Field::either(std::string_view name, std::string_view older) const {
  const Field found = (*this)[name];
  if (found.present()) return found;
  const Field other = (*this)[older];
  return other.present() ? other : found;
}

void Field::require_object() const {
  if (value_ == nullptr) {
    problem(Error::missing, "it is required");
  } else if (!value_->is_object()) {
    problem(Error::malformed, "it must be an object");
  }
}

std::vector<Field> Field::elements(std::size_t least, std::size_t most, std::string_view message) const {
  std::vector<Field> out;
  if (value_ == nullptr) {
    if (least > 0) problem(Error::missing, message);
    return out;
  }
  if (!value_->is_array()) {
    problem(Error::malformed, "it must be an array");
    return out;
  }
  const json::array& array = value_->get_array();
  if (array.size() < least || array.size() > most) {
    problem(array.size() < least ? Error::missing : Error::oversized, message);
    return out;
  }
  for (std::size_t i = 0; i < array.size(); ++i) {
    out.push_back(Field(*findings_, &array[i], findings_->keep({.up = place_, .name = {}, .index = i})));
  }
  return out;
}

std::string_view Field::raw_string() const {
  return is_string() ? std::string_view(value_->get_string()) : std::string_view{};
}

Text Field::text(std::size_t most, Need need, bool or_number) const {
  if (value_ == nullptr) {
    if (need == Need::required) problem(Error::missing, "it is required");
    return {};
  }
  if (or_number && (value_->is_int64() || value_->is_uint64())) {
    const std::string digits =
        value_->is_int64() ? std::to_string(value_->get_int64()) : std::to_string(value_->get_uint64());
    return Text(digits);
  }
  if (!value_->is_string()) {
    problem(Error::malformed, "it must be a string");
    return {};
  }
  const std::string_view string = value_->get_string();
  if (string.empty() && need == Need::required) problem(Error::missing, "it must not be empty");
  if (string.size() > most * 4 || count_characters(string) > most) {
    problem(Error::oversized, "it is too long; see docs/business-api.md, Limits");
    return {};
  }
  return Text(string);
}

std::int64_t Field::integer(std::int64_t least, std::int64_t most, std::int64_t otherwise) const {
  if (value_ == nullptr) return otherwise;
  const auto out = whole(*value_);
  if (!out) {
    problem(Error::malformed, "it must be a whole number");
    return otherwise;
  }
  if (*out < least || *out > most) {
    problem(Error::malformed, "it is out of range");
    return otherwise;
  }
  return *out;
}

double Field::number(double least, double most, Need need) const {
  if (value_ == nullptr) {
    if (need == Need::required) problem(Error::missing, "it is required");
    return 0;
  }
  if (!value_->is_number()) {
    problem(Error::malformed, "it must be a number");
    return 0;
  }
  const double out = value_->is_int64()    ? static_cast<double>(value_->get_int64())
                     : value_->is_uint64() ? static_cast<double>(value_->get_uint64())
                                           : value_->get_double();
  if (out < least || out > most) {
    problem(Error::malformed, "it is out of range");
    return 0;
  }
  return out;
}

bool Field::boolean(bool otherwise) const {
  if (value_ == nullptr) return otherwise;
  if (value_->is_bool()) return value_->get_bool();
  if (raw_string() == "true") return true;
  if (raw_string() == "false") return false;
  problem(Error::malformed, "it must be true or false");
  return otherwise;
}

SecretBytes Field::base64(std::size_t most, Need need, std::string_view too_large) const {
  if (value_ == nullptr || raw_string().empty()) {
    if (value_ != nullptr && !is_string()) {
      problem(Error::malformed, "it must be a string of base64");
    } else if (need == Need::required) {
      problem(Error::missing, "it is required: bytes in base64");
    }
    return {};
  }
  Text joined;
  std::string_view digits = raw_string();
  if (digits.find_first_of("\r\n") != digits.npos) {
    for (std::size_t end = 0; !digits.empty(); digits.remove_prefix(std::min(end + 1, digits.size()))) {
      end = std::min(digits.find_first_of("\r\n"), digits.size());
      joined.append(digits.substr(0, end));
    }
    digits = joined.view();
  }
  const auto size = base64_size(digits);
  if (!size || *size == 0) {
    problem(Error::malformed, "it must be base64 of the standard alphabet, padded");
    return {};
  }
  if (*size > most) {
    problem(Error::oversized, too_large);
    return {};
  }
  return std::move(*from_base64(digits));
}

}  // namespace opaline::msp::internal
