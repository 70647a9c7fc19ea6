#include "net/internal/loop_core.hpp"

#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>

#include <algorithm>
#include <cerrno>

namespace opaline::net::internal {

/// Wakes epoll_wait from other threads.
class LoopCore::Wakeup final : public Watcher {
 public:
  Wakeup() : fd_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) { OPALINE_ASSERT(static_cast<bool>(fd_)); }
  void on_ready(std::uint32_t) override {
    std::uint64_t count = 0;
    while (::read(fd_.get(), &count, sizeof count) < 0 && errno == EINTR) {
    }
  }
  void signal() const {
    const std::uint64_t one = 1;
    const int saved = errno;
    while (::write(fd_.get(), &one, sizeof one) < 0 && errno == EINTR) {
    }
    errno = saved;
  }
  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  UniqueFd fd_;
};

/// Signals as readiness. The mask that was in force comes back when the loop goes.
class LoopCore::Signals final : public Watcher {
 public:
  Signals() { ::sigemptyset(&mask_); }
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;
  ~Signals() {
    if (blocked_) ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  bool add(LoopCore& core, int number, std::function<void()> task) {
    ::sigaddset(&mask_, number);
    sigset_t before;
    if (::pthread_sigmask(SIG_BLOCK, &mask_, &before) != 0) return false;
    if (!std::exchange(blocked_, true)) before_ = before;
    const int fd = ::signalfd(fd_.get(), &mask_, SFD_NONBLOCK | SFD_CLOEXEC);
    if (fd < 0) return false;
    if (!fd_) {
      fd_ = UniqueFd(fd);
      if (!core.watch(fd, EPOLLIN, *this)) return false;
    }
    tasks_[number] = std::move(task);
    return true;
  }
  void on_ready(std::uint32_t) override {
    signalfd_siginfo info{};
    while (::read(fd_.get(), &info, sizeof info) == sizeof info) {
      const auto found = tasks_.find(static_cast<int>(info.ssi_signo));
      if (found != tasks_.end() && found->second) {
        const std::function<void()> task = found->second;  // it may replace itself
        task();
      }
    }
  }

 private:
  sigset_t mask_{};
  sigset_t before_{};
  bool blocked_ = false;
  UniqueFd fd_;
  std::map<int, std::function<void()>> tasks_;
};

LoopCore::LoopCore(const Clock& clock)
    : clock_(clock),
      now_(clock.monotonic()),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      wakeup_(std::make_unique<Wakeup>()),
      signals_(std::make_unique<Signals>()) {
  OPALINE_ASSERT(static_cast<bool>(epoll_));
  OPALINE_ASSERT(watch(wakeup_->fd(), EPOLLIN, *wakeup_));
}

LoopCore::~LoopCore() {
  // What is still waiting is destroyed without running; its destructors may post, arm or dispose once more.
  while (!graveyard_.empty() || !after_round_.empty() || !posted_.empty() || !timers_.empty()) {
    const auto dead = std::exchange(graveyard_, {});
    const auto tasks = std::exchange(after_round_, {});
    const auto posted = std::exchange(posted_, {});
    if (timers_.empty()) continue;
    const auto armed = timers_.extract(timers_.begin());
    armed.mapped().timer->sequence_ = 0;
  }
}

void LoopCore::run() {
  while (!stop_.exchange(false)) round(std::chrono::hours(1));
}

bool LoopCore::run_until(const std::function<bool()>& done) {
  while (!done()) {
    if (stop_.exchange(false)) return false;
    round(std::chrono::hours(1));
  }
  return true;
}

void LoopCore::stop() {
  stop_.store(true);
  wakeup_->signal();
}

void LoopCore::post(Task task) {
  bool first = false;
  {
    const std::lock_guard lock(posted_mutex_);
    posted_.push_back(std::move(task));
    first = !has_posted_.exchange(true);
  }
  // The loop's own thread looks before it waits; others wake it once per batch.
  if (first && thread_.load(std::memory_order_relaxed) != std::this_thread::get_id()) wakeup_->signal();
}

Result<void, NetError> LoopCore::on_signal(int number, std::function<void()> task) {
  if (!signals_->add(*this, number, std::move(task))) return fail(NetError::resources_exhausted);
  return {};
}

bool LoopCore::watch(int fd, std::uint32_t events, Watcher& watcher) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = &watcher;
  return ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0;
}

void LoopCore::change(int fd, std::uint32_t events, Watcher& watcher) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = &watcher;
  OPALINE_ASSERT(::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event) == 0);
}

void LoopCore::unwatch(int fd, Watcher& watcher) {
  OPALINE_ASSERT(::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr) == 0);
  for (std::size_t i = 0; i < events_count_; ++i) {
    if (events_[i].data.ptr == &watcher) events_[i].data.ptr = nullptr;
  }
}

void LoopCore::mark_dirty(Flushable& flushable) {
  if (std::exchange(flushable.dirty_, true)) return;
  dirty_.push_back(&flushable);
}

void LoopCore::forget(Flushable& flushable) {
  std::ranges::replace(flushing_, &flushable, nullptr);
  if (!std::exchange(flushable.dirty_, false)) return;
  std::ranges::replace(dirty_, &flushable, nullptr);
}

void LoopCore::arm(Timer& timer, std::chrono::nanoseconds delay, Task task) {
  cancel(timer);
  // From the real time, not the round's: a round's work must not eat into a delay.
  timer.due_ = clock_.monotonic() + std::max(delay, std::chrono::nanoseconds(0));
  timer.sequence_ = ++last_sequence_;
  timers_.emplace(std::pair(timer.due_, timer.sequence_), ArmedTimer{&timer, std::move(task)});
}

void LoopCore::cancel(Timer& timer) {
  if (timer.sequence_ == 0) return;
  timers_.erase({timer.due_, std::exchange(timer.sequence_, 0)});
}

int LoopCore::wait_millis(std::chrono::nanoseconds longest) {
  if (stop_.load() || has_posted_.load() || !after_round_.empty() || !dirty_.empty() || !graveyard_.empty()) return 0;
  std::chrono::nanoseconds wait = std::max(longest, std::chrono::nanoseconds(0));
  if (!timers_.empty()) {
    wait = std::clamp(timers_.begin()->first.first - clock_.monotonic(), std::chrono::nanoseconds(0), wait);
  }
  return static_cast<int>(std::chrono::ceil<milliseconds>(wait).count());
}

void LoopCore::round(std::chrono::nanoseconds longest) {
  thread_.store(std::this_thread::get_id(), std::memory_order_relaxed);
  const int ready = ::epoll_wait(epoll_.get(), events_.data(), static_cast<int>(events_.size()), wait_millis(longest));
  OPALINE_ASSERT(ready >= 0 || errno == EINTR);
  now_ = clock_.monotonic();
  OPALINE_ASSERT(!std::exchange(in_round_, true));  // a task that runs the loop would break every promise about rounds
  dispatch(ready);
  run_timers();
  run_posted();
  end_round();
  in_round_ = false;
}

void LoopCore::dispatch(int ready) {
  events_count_ = static_cast<std::size_t>(std::max(ready, 0));
  for (std::size_t i = 0; i < events_count_; ++i) {
    if (auto* watcher = static_cast<Watcher*>(events_[i].data.ptr)) watcher->on_ready(events_[i].events);
  }
  events_count_ = 0;
}

void LoopCore::run_timers() {
  if (timers_.empty()) return;
  // Timers that these tasks arm have later numbers and wait for the next round, so that a zero delay cannot hold the
  // loop.
  const std::uint64_t last = last_sequence_;
  auto next = timers_.begin();
  while (next != timers_.end() && next->first.first <= now_) {
    if (next->first.second > last) {
      ++next;
      continue;
    }
    auto node = timers_.extract(next);
    node.mapped().timer->sequence_ = 0;
    node.mapped().task();
    next = timers_.begin();
  }
}

void LoopCore::run_posted() {
  if (!has_posted_.load()) return;
  {
    const std::lock_guard lock(posted_mutex_);
    running_tasks_.swap(posted_);
    has_posted_.store(false);
  }
  for (Task& task : running_tasks_) {
    Task running = std::move(task);  // so that what it holds goes as soon as it has run
    running();
  }
  running_tasks_.clear();
}

void LoopCore::end_round() {
  // A flush may close a connection whose handler then writes to others; after some turns the next round goes on with
  // it.
  for (int turn = 0; turn < 4; ++turn) {
    if (after_round_.empty() && dirty_.empty() && graveyard_.empty()) return;
    for (Task& task : std::exchange(after_round_, {})) task();
    flush_dirty();
    const auto dead = std::exchange(graveyard_, {});
  }
}

void LoopCore::flush_dirty() {
  flushing_.swap(dirty_);
  for (std::size_t i = 0; i < flushing_.size(); ++i) {
    Flushable* flushable = flushing_[i];
    if (flushable == nullptr) continue;
    flushable->dirty_ = false;
    flushable->flush();
  }
  flushing_.clear();
}

}  // namespace opaline::net::internal
