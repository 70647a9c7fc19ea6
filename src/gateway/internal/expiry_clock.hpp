#pragma once
// The clock by which what waits is over. It stands still where the wall clock jumped (store::ExpiryGuard): what a wrong
// time drops is gone for ever.
#include <optional>

#include "store/expiry_guard.hpp"

namespace opaline::gateway::internal {

class ExpiryClock final : public Clock {
 public:
  explicit ExpiryClock(const Clock& wall) : wall_(wall) {}
  /// `tick` was right: the operator or the guard has said so.
  void trust(Time tick) { trusted_ = tick; }

  [[nodiscard]] Time now() const override {
    const Time now = wall_.now();
    return trusted_ && now - *trusted_ > store::kMaxClockStep ? *trusted_ : now;
  }
  [[nodiscard]] Instant monotonic() const override { return wall_.monotonic(); }

 private:
  const Clock& wall_;
  std::optional<Time> trusted_;
};

}  // namespace opaline::gateway::internal
