#include "server/hop.hpp"

#include <gtest/gtest.h>

#include <thread>

namespace opaline::server {
namespace {

TEST(Hop, KeepsOrderAndBounds) {
  const SystemClock clock;
  net::EventLoop loop(clock);
  Hop hop(loop, 3);
  std::vector<int> seen;
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(hop.try_post([&seen, i] { seen.push_back(i); }), i < 3) << i;
  }
  EXPECT_EQ(hop.waiting(), 3U);
  EXPECT_EQ(hop.refused(), 2U);
  hop.post([&seen] { seen.push_back(99); });  // never refused
  loop.run_until([&] { return seen.size() == 4; });
  EXPECT_EQ(seen, (std::vector<int>{0, 1, 2, 99}));
  EXPECT_EQ(hop.waiting(), 0U);
  EXPECT_TRUE(hop.try_post([] {}));
}

TEST(Hop, TakesFromManyThreadsAtOnce) {
  const SystemClock clock;
  net::EventLoop loop(clock);
  constexpr int kEach = 5000;
  Hop hop(loop, 100);
  int run = 0;
  std::atomic<int> taken = 0;
  std::atomic<int> finished = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kEach; ++i) taken += hop.try_post([&run] { ++run; }) ? 1 : 0;
      ++finished;
      hop.post([] {});
    });
  }
  loop.run_until([&] { return finished == 2 && hop.waiting() == 0; });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(run, taken);
  EXPECT_EQ(static_cast<std::uint64_t>(2 * kEach - taken), hop.refused());
}

}  // namespace
}  // namespace opaline::server
