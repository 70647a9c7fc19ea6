#pragma once
// The bounded way from one loop to another.
#include <atomic>
#include <memory>

#include "net/event_loop.hpp"

namespace opaline::server {

/// Posts work to a loop, at most `limit` pieces waiting at once: what is full says so to whoever asks for more, instead
/// of growing. Thread-safe. Must not outlive the loop.
class Hop {
 public:
  Hop(net::EventLoop& to, std::size_t limit) : to_(to), limit_(limit) {}
  Hop(const Hop&) = delete;
  Hop& operator=(const Hop&) = delete;

  /// False: full; `task` is destroyed unrun.
  [[nodiscard]] bool try_post(net::Task task) {
    if (waiting_->fetch_add(1, std::memory_order_relaxed) >= limit_) {
      waiting_->fetch_sub(1, std::memory_order_relaxed);
      refused_.fetch_add(1, std::memory_order_relaxed);
      return false;
    }
    to_.post(counted(std::move(task)));
    return true;
  }
  /// For answers and orders whose number is bounded by what caused them: never refused.
  void post(net::Task task) {
    waiting_->fetch_add(1, std::memory_order_relaxed);
    to_.post(counted(std::move(task)));
  }

  [[nodiscard]] std::size_t waiting() const { return waiting_->load(std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t refused() const { return refused_.load(std::memory_order_relaxed); }

 private:
  net::Task counted(net::Task task) {
    return [waiting = waiting_, task = std::move(task)]() mutable {
      waiting->fetch_sub(1, std::memory_order_relaxed);
      task();
    };
  }
  net::EventLoop& to_;
  const std::size_t limit_;
  std::shared_ptr<std::atomic<std::size_t>> waiting_ = std::make_shared<std::atomic<std::size_t>>(0);
  std::atomic<std::uint64_t> refused_ = 0;
};

}  // namespace opaline::server
