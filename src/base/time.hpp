#pragma once
// Time is an input. Programs pass the real clock in; tests and the simulator their own.
#include <chrono>
#include <cstdint>

namespace opaline {

/// UTC in milliseconds since 1970 (no leap seconds). What is stored and sent.
using Time = std::chrono::sys_time<std::chrono::milliseconds>;
/// Monotonic time for deadlines and rates; its zero means nothing.
using Instant = std::chrono::time_point<struct MonotonicClockTag, std::chrono::nanoseconds>;
using std::chrono::milliseconds;
using std::chrono::seconds;

/// A UTC day, counted from 1970-01-01 as day 0.
enum class Day : std::uint32_t {};
[[nodiscard]] constexpr Day day_of(Time t) {
  return Day(static_cast<std::uint32_t>(std::chrono::floor<std::chrono::days>(t).time_since_epoch().count()));
}
[[nodiscard]] constexpr std::uint32_t number(Day d) {
  return static_cast<std::uint32_t>(d);
}
[[nodiscard]] constexpr std::int64_t unix_millis(Time t) {
  return t.time_since_epoch().count();
}
[[nodiscard]] constexpr Time from_unix_millis(std::int64_t ms) {
  return Time(std::chrono::milliseconds(ms));
}

class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual Time now() const = 0;           ///< wall clock; may jump either way
  [[nodiscard]] virtual Instant monotonic() const = 0;  ///< never goes back
};

/// The operating system's clocks. Thread-safe.
class SystemClock final : public Clock {
 public:
  [[nodiscard]] Time now() const override;
  [[nodiscard]] Instant monotonic() const override;
};

/// A clock that moves only when told. Not thread-safe.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(Time start) : now_(start) {}
  [[nodiscard]] Time now() const override { return now_; }
  [[nodiscard]] Instant monotonic() const override { return monotonic_; }
  void advance(std::chrono::nanoseconds by) {
    monotonic_ += by;
    now_ += std::chrono::duration_cast<milliseconds>(by);
  }
  /// Moves the wall clock alone, as an operator or a broken time server would.
  void jump(milliseconds by) { now_ += by; }

 private:
  Time now_;
  Instant monotonic_{};
};

}  // namespace opaline
