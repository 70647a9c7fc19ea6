#pragma once
// What processes cost: processor time, and the parts of it.
#include <sys/types.h>

namespace opaline::bench {

/// User and system seconds since the process began.
struct CpuSeconds {
  double user = 0, system = 0;
  [[nodiscard]] double sum() const { return user + system; }
  friend CpuSeconds operator-(CpuSeconds a, CpuSeconds b) { return {a.user - b.user, a.system - b.system}; }
};

[[nodiscard]] CpuSeconds own_cpu();
/// Of another process with all its threads, to 10 ms (/proc/PID/stat); zero for pid 0.
[[nodiscard]] CpuSeconds cpu_of(pid_t pid);

}  // namespace opaline::bench
