#pragma once
// The inside of EventLoop: epoll, the round, and the buffers that all connections of the thread share.
#include <sys/epoll.h>

#include <array>
#include <atomic>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include "net/event_loop.hpp"
#include "net/internal/buffers.hpp"
#include "net/internal/unique_fd.hpp"

namespace opaline::net::internal {

/// Gets the readiness of one descriptor (level-triggered).
class Watcher {
 public:
  virtual void on_ready(std::uint32_t epoll_events) = 0;

 protected:
  ~Watcher() = default;
};

/// Has output to write at the end of the round.
class Flushable {
 public:
  virtual void flush() = 0;

 protected:
  ~Flushable() = default;

 private:
  friend class LoopCore;
  bool dirty_ = false;
};

/// Destroyed at the end of the round, when no call of it is on the stack any more.
class Disposable {
 public:
  virtual ~Disposable() = default;
};

class LoopCore {
 public:
  explicit LoopCore(const Clock& clock);
  ~LoopCore();
  LoopCore(const LoopCore&) = delete;
  LoopCore& operator=(const LoopCore&) = delete;

  void run();
  bool run_until(const std::function<bool()>& done);
  void round(std::chrono::nanoseconds longest);
  void stop();
  void post(Task task);
  void after_round(Task task) { after_round_.push_back(std::move(task)); }
  Result<void, NetError> on_signal(int number, std::function<void()> task);
  [[nodiscard]] Instant now() const { return now_; }
  [[nodiscard]] const Clock& clock() const { return clock_; }

  /// False if the kernel has no room for another watch.
  [[nodiscard]] bool watch(int fd, std::uint32_t events, Watcher& watcher);
  void change(int fd, std::uint32_t events, Watcher& watcher);
  /// The watcher gets nothing any more, also of the events already fetched. Call before closing `fd`.
  void unwatch(int fd, Watcher& watcher);

  void mark_dirty(Flushable& flushable);
  void forget(Flushable& flushable);
  /// At the end of the round; at once between rounds.
  void dispose(std::unique_ptr<Disposable> object) {
    if (object && in_round_) graveyard_.push_back(std::move(object));
  }

  void arm(Timer& timer, std::chrono::nanoseconds delay, Task task);
  void cancel(Timer& timer);

  [[nodiscard]] SharedBuffers& buffers() { return buffers_; }

 private:
  class Wakeup;
  class Signals;
  struct ArmedTimer {
    Timer* timer;
    Task task;
  };
  [[nodiscard]] int wait_millis(std::chrono::nanoseconds longest);
  void dispatch(int ready);
  void run_timers();
  void run_posted();
  void end_round();
  void flush_dirty();
  void wake();

  const Clock& clock_;
  Instant now_;
  UniqueFd epoll_;
  std::unique_ptr<Wakeup> wakeup_;
  std::unique_ptr<Signals> signals_;
  std::atomic<bool> stop_{false};
  std::atomic<std::thread::id> thread_{};

  std::array<epoll_event, 256> events_{};
  std::size_t events_count_ = 0;
  bool in_round_ = false;

  std::map<std::pair<Instant, std::uint64_t>, ArmedTimer> timers_;
  std::uint64_t last_sequence_ = 0;

  std::mutex posted_mutex_;
  std::vector<Task> posted_;
  std::atomic<bool> has_posted_{false};
  std::vector<Task> running_tasks_;

  std::vector<Task> after_round_;
  std::vector<Flushable*> dirty_;
  std::vector<Flushable*> flushing_;
  std::vector<std::unique_ptr<Disposable>> graveyard_;
  SharedBuffers buffers_;
};

}  // namespace opaline::net::internal
