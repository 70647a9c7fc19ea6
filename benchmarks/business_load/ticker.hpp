#pragma once
// An open loop's clock: so many ticks a second, whatever the program is busy with; those that it is late for come
// together.
#include <sys/timerfd.h>
#include <unistd.h>

#include <functional>

#include "load/die.hpp"
#include "load/engine.hpp"

namespace opaline::bench {

class Ticker {
 public:
  /// `tick` is told when it was due. Runs until the Ticker is destroyed; the engine may outlive it.
  Ticker(Engine& engine, double per_second, std::function<void(Nanos due)> tick)
      : gap_(static_cast<Nanos>(1e9 / per_second)),
        next_(now_ns() + gap_),
        timer_(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)),
        tick_(std::move(tick)) {
    const Nanos every = std::max<Nanos>(gap_, 50'000);
    const timespec gap{static_cast<time_t>(every / 1'000'000'000), static_cast<long>(every % 1'000'000'000)};
    const itimerspec times{gap, gap};
    if (timer_ < 0 || ::timerfd_settime(timer_, 0, &times, nullptr) != 0) die_errno("timerfd");
    engine.add(timer_, [this] { ready(); });
  }
  ~Ticker() { ::close(timer_); }
  Ticker(const Ticker&) = delete;
  Ticker& operator=(const Ticker&) = delete;

 private:
  void ready() {
    std::uint64_t expirations = 0;
    (void)!::read(timer_, &expirations, sizeof expirations);
    for (const Nanos now = now_ns(); next_ <= now; next_ += gap_) tick_(next_);
  }
  Nanos gap_, next_;
  int timer_;
  std::function<void(Nanos)> tick_;
};

}  // namespace opaline::bench
