#include "net/event_loop.hpp"

#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <thread>

#include "net/internal/loop_core.hpp"

namespace opaline::net {
namespace {

TEST(EventLoop, posted_tasks_run_in_order_and_stop_ends_the_run) {
  SystemClock clock;
  EventLoop loop(clock);
  std::vector<int> seen;
  for (int i = 0; i < 3; ++i) loop.post([&seen, i] { seen.push_back(i); });
  loop.post([&] { loop.stop(); });
  loop.run();
  EXPECT_EQ(seen, (std::vector{0, 1, 2}));
}

TEST(EventLoop, a_stop_before_the_run_counts_once) {
  SystemClock clock;
  EventLoop loop(clock);
  bool ran = false;
  loop.stop();
  loop.run();
  loop.post([&] {
    ran = true;
    loop.stop();
  });
  loop.run();
  EXPECT_TRUE(ran);
}

TEST(EventLoop, posts_from_other_threads_wake_it) {
  SystemClock clock;
  EventLoop loop(clock);
  constexpr int kThreads = 4;
  constexpr int kEach = 500;
  std::vector<std::vector<int>> seen(kThreads);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&loop, &seen, t] {
      for (int i = 0; i < kEach; ++i) loop.post([&seen, t, i] { seen[static_cast<std::size_t>(t)].push_back(i); });
    });
  }
  EXPECT_TRUE(
      loop.run_until([&] { return std::ranges::all_of(seen, [](const auto& one) { return one.size() == kEach; }); }));
  for (auto& thread : threads) thread.join();
  for (const auto& one : seen) EXPECT_TRUE(std::ranges::is_sorted(one));
}

TEST(EventLoop, a_round_runs_timers_posts_and_then_after_round) {
  SystemClock clock;
  EventLoop loop(clock);
  std::string seen;
  Timer timer(loop);
  timer.arm(std::chrono::nanoseconds(0), [&] {
    seen += "timer ";
    loop.after_round([&] { seen += "after "; });
  });
  loop.post([&] { seen += "posted "; });
  loop.run_once(seconds(1));
  EXPECT_EQ(seen, "timer posted after ");
}

TEST(EventLoop, timers_fire_in_order_of_time_and_can_be_cancelled) {
  ManualClock clock{Time{}};
  EventLoop loop(clock);
  std::string seen;
  Timer a(loop);
  Timer b(loop);
  Timer c(loop);
  a.arm(seconds(30), [&] { seen += "a"; });
  b.arm(seconds(10), [&] { seen += "b"; });
  c.arm(seconds(20), [&] { seen += "c"; });
  loop.run_once(milliseconds(0));
  EXPECT_EQ(seen, "");
  c.cancel();
  clock.advance(seconds(29));
  loop.run_once(milliseconds(0));
  EXPECT_EQ(seen, "b");
  clock.advance(seconds(1));
  loop.run_once(milliseconds(0));
  EXPECT_EQ(seen, "ba");
  EXPECT_FALSE(a.armed());
}

TEST(EventLoop, a_timer_may_rearm_and_destroy_itself) {
  ManualClock clock{Time{}};
  EventLoop loop(clock);
  int fired = 0;
  auto timer = std::make_unique<Timer>(loop);
  timer->arm(milliseconds(0), [&] {
    ++fired;
    timer->arm(milliseconds(0), [&] {
      ++fired;
      timer.reset();
    });
  });
  loop.run_once(milliseconds(0));
  EXPECT_EQ(fired, 1) << "a zero delay waits for the next round";
  loop.run_once(milliseconds(0));
  EXPECT_EQ(fired, 2);
  EXPECT_EQ(timer, nullptr);
}

TEST(EventLoop, unrun_work_is_destroyed_with_the_loop) {
  SystemClock clock;
  auto token = std::make_shared<int>(1);
  {
    EventLoop loop(clock);
    loop.post([token] {});
    loop.after_round([token] {});
    EXPECT_EQ(token.use_count(), 3);
  }
  EXPECT_EQ(token.use_count(), 1);
}

TEST(EventLoop, signals_become_calls) {
  SystemClock clock;
  int hangups = 0;
  sigset_t before;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &before);
  {
    EventLoop loop(clock);
    ASSERT_TRUE(loop.on_signal(SIGHUP, [&] { ++hangups; }).has_value());
    ASSERT_TRUE(loop.on_signal(SIGUSR1, [&] { loop.stop(); }).has_value());
    ::raise(SIGHUP);
    loop.run_until([&] { return hangups == 1; });
    ::raise(SIGUSR1);
    loop.run();
  }
  EXPECT_EQ(hangups, 1);
  sigset_t after;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &after);
  EXPECT_EQ(::sigismember(&after, SIGHUP), ::sigismember(&before, SIGHUP));
}

class Flusher final : public internal::Flushable {
 public:
  explicit Flusher(std::function<void()> task) : task_(std::move(task)) {}
  void flush() override { task_(); }

 private:
  std::function<void()> task_;
};

TEST(EventLoop, flushes_come_after_after_round_and_forgotten_ones_not_at_all) {
  SystemClock clock;
  EventLoop loop(clock);
  std::string seen;
  Flusher second([&] { seen += "second "; });
  Flusher third([&] { seen += "third "; });
  Flusher first([&] {
    seen += "first ";
    loop.core().forget(second);
    loop.core().mark_dirty(third);
  });
  loop.core().mark_dirty(first);
  loop.core().mark_dirty(second);
  loop.after_round([&] { seen += "after "; });
  loop.run_once(milliseconds(0));
  EXPECT_EQ(seen, "after first third ");
}

}  // namespace
}  // namespace opaline::net
