#pragma once
// An Executor whose tasks run on the thread that waits for them, for benchmarks of a store by itself.
#include <condition_variable>
#include <mutex>
#include <utility>
#include <vector>

#include "store/executor.hpp"

namespace opaline::store {

class TaskLoop {
 public:
  /// Must not outlive the loop. The tasks may come from any thread.
  Executor executor() {
    return [this](std::move_only_function<void()> task) {
      const std::lock_guard lock(mutex_);
      tasks_.push_back(std::move(task));
      ready_.notify_one();
    };
  }
  /// Runs tasks as they come, until `until()`.
  template <class Until>
  void run(Until until) {
    while (!until()) {
      std::unique_lock lock(mutex_);
      ready_.wait(lock, [&] { return !tasks_.empty(); });
      auto tasks = std::exchange(tasks_, {});
      lock.unlock();
      for (auto& task : tasks) task();
    }
  }

 private:
  std::mutex mutex_;
  std::condition_variable ready_;
  std::vector<std::move_only_function<void()>> tasks_;
};

}  // namespace opaline::store
