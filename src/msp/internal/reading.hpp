#pragma once
// Typed access to JSON that was read. A reader goes through all fields and asks once, at the end, whether one of them
// was wrong: the first problem stays, later values are empty.
#include <deque>
#include <span>

#include "msp/internal/json.hpp"
#include "msp/text.hpp"

namespace opaline::msp::internal {

/// A place in the body, as a chain to its root.
struct Place {
  const Place* up = nullptr;
  std::string_view name;  // of a member; empty: an element, or the root, whose pointer it is
  std::size_t index = 0;
};

/// What one parse has found. Everything that reads borrows it.
class Findings {
 public:
  /// `at` begins all pointers.
  explicit Findings(std::string_view at = {}) : at_(at) {}
  Findings(const Findings&) = delete;
  Findings& operator=(const Findings&) = delete;

  [[nodiscard]] bool good() const { return !problem_; }
  [[nodiscard]] Problem take() { return std::move(*problem_); }
  void add(const Place& place, Error error, std::string_view message, unsigned status = 400);
  const Place& keep(Place place) { return places_.emplace_back(place); }

 private:
  std::string at_;
  std::deque<Place> places_;
  std::optional<Problem> problem_;
};

enum class Need : std::uint8_t { optional, required };

/// A value at a place, which may not be there. Names must outlive the Findings: they are our constants.
class Field {
 public:
  /// The root.
  Field(Findings& findings, const json::value& value) : Field(findings, &value, findings.keep({})) {}

  /// A member; absent if it, or this, is not there. A problem if this is there and no object.
  [[nodiscard]] Field operator[](std::string_view name) const;
  /// The member under its name, or, where that is not there, under one that older connectors give it.
  [[nodiscard]] Field either(std::string_view name, std::string_view older) const;
  [[nodiscard]] bool present() const { return value_ != nullptr; }
  [[nodiscard]] bool is_string() const { return value_ != nullptr && value_->is_string(); }
  [[nodiscard]] const json::value* value() const { return value_; }
  /// A problem if it is not there, or no object.
  void require_object() const;
  /// The elements of an array of `least` to `most`; none, and a problem, otherwise. Absent is as empty.
  [[nodiscard]] std::vector<Field> elements(std::size_t least, std::size_t most, std::string_view message) const;

  /// A string of at most `most` code points. Required: not empty. Numbers, where `or_number`, become their digits.
  [[nodiscard]] Text text(std::size_t most, Need need, bool or_number = false) const;
  [[nodiscard]] Text label(Need need = Need::optional) const { return text(kMaxLabelCharacters, need); }
  [[nodiscard]] Text identifier(Need need = Need::optional) const { return text(kMaxIdentifierCharacters, need, true); }
  /// The string's own memory, unbounded; empty if there is none.
  [[nodiscard]] std::string_view raw_string() const;
  /// A whole number in [least, most], also as a string of digits or with a zero fraction; `otherwise` if absent.
  [[nodiscard]] std::int64_t integer(std::int64_t least, std::int64_t most, std::int64_t otherwise) const;
  [[nodiscard]] double number(double least, double most, Need need) const;
  /// true, false, or one of them as a string.
  [[nodiscard]] bool boolean(bool otherwise = false) const;
  /// Bytes in canonical base64, 1 to `most`. Line breaks in it are passed over: some encoders put them there.
  [[nodiscard]] SecretBytes base64(std::size_t most, Need need, std::string_view too_large) const;

  void problem(Error error, std::string_view message, unsigned status = 400) const {
    findings_->add(*place_, error, message, status);
  }

 private:
  Field(Findings& findings, const json::value* value, const Place& place)
      : findings_(&findings), value_(value), place_(&place) {}
  Findings* findings_;
  const json::value* value_;
  const Place* place_;
};

}  // namespace opaline::msp::internal
