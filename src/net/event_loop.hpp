#pragma once
// One thread's loop over readiness, timers and posted work, in rounds (why not an Asio io_context: docs/adr/0011).
//
// A round: wait; give every ready connection its bytes; run due timers; run posted tasks; run `after_round` tasks; then
// write out what each connection collected, in one write per connection. So everything that one round of input causes
// leaves in one TLS record and one system call per peer, and one message in flight costs no further wake-up.
#include <functional>
#include <memory>

#include "base/time.hpp"
#include "net/error.hpp"

namespace opaline::net {

using Task = std::move_only_function<void()>;

namespace internal {
class LoopCore;
}

class EventLoop;

/// A timer that fires once, on the loop's thread. Destroying or re-arming it cancels what was armed. Must not outlive
/// its loop. Loop thread only.
class Timer {
 public:
  explicit Timer(EventLoop& loop);
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  /// Runs `task` once, not before `delay` has passed. The task may destroy or re-arm this timer.
  void arm(std::chrono::nanoseconds delay, Task task);
  void cancel();
  [[nodiscard]] bool armed() const;

 private:
  friend class internal::LoopCore;
  internal::LoopCore& core_;
  Instant due_{};
  std::uint64_t sequence_ = 0;  // 0: not armed
};

/// Everything that belongs to a loop (servers, clients, connections, timers) is used on its thread alone and destroyed
/// before it. Only `post` and `stop` may be called from elsewhere.
class EventLoop {
 public:
  /// `clock` gives monotonic time for timers and must outlive the loop. With a ManualClock, call `post` after advancing
  /// so that the loop looks again.
  explicit EventLoop(const Clock& clock);
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  /// Runs rounds until `stop`. A stop that came before is honoured: the call then returns at once, and a later `run`
  /// starts afresh.
  void run();
  /// Runs rounds until `done()` is true, looked at after each round; false if `stop` came first. For tests and CLIs.
  bool run_until(const std::function<bool()>& done);
  /// One round that waits at most `longest` for something to do.
  void run_once(std::chrono::nanoseconds longest);
  /// Ends `run` after the current round. Thread-safe; safe in a signal handler.
  void stop();

  /// Runs `task` on the loop's thread in a following round. Thread-safe. Tasks of one thread keep their order. Tasks
  /// still waiting when the loop is destroyed are destroyed without running.
  void post(Task task);
  /// Runs `task` at the end of this round, before output is written; from outside a round, in the next one.
  void after_round(Task task);

  /// Calls `task` on the loop's thread at each arrival of a signal (SIGTERM, SIGINT, SIGHUP, ...). The process's
  /// handling of that signal is replaced (signalfd) until the loop is destroyed: call this on the main thread before
  /// threads start, so that they inherit the blocked mask.
  [[nodiscard]] Result<void, NetError> on_signal(int number, std::function<void()> task);

  /// Monotonic time as of the start of this round.
  [[nodiscard]] Instant now() const;
  [[nodiscard]] const Clock& clock() const;
  /// For this room's own parts.
  [[nodiscard]] internal::LoopCore& core() { return *core_; }

 private:
  std::unique_ptr<internal::LoopCore> core_;
};

}  // namespace opaline::net
