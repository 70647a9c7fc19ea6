#include "base/time.hpp"

#include <time.h>

namespace opaline {
namespace {

std::chrono::nanoseconds read(clockid_t id) {
  timespec ts{};
  clock_gettime(id, &ts);
  return std::chrono::seconds(ts.tv_sec) + std::chrono::nanoseconds(ts.tv_nsec);
}

}  // namespace

Time SystemClock::now() const {
  return Time(std::chrono::duration_cast<milliseconds>(read(CLOCK_REALTIME)));
}
Instant SystemClock::monotonic() const {
  return Instant(read(CLOCK_MONOTONIC));
}

}  // namespace opaline
