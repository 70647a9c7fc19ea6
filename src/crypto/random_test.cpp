#include "crypto/random.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <set>
#include <thread>

#include "crypto/version.hpp"

namespace opaline::crypto {
namespace {

TEST(SystemRandom, FillsEverySizeAndNeverRepeats) {
  SystemRandom random;
  random.fill({});
  std::set<ByteArray<16>> seen;
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(seen.insert(random.bytes<16>()).second);
  for (std::size_t size = 64; size < 200'000; size *= 3) {
    Bytes out(size + 16);
    random.fill(std::span(out).first(size));
    EXPECT_FALSE(equal(ByteView(out).subspan(size - 16, 16), Bytes(16))) << "filled up to the end";
    EXPECT_TRUE(equal(ByteView(out).last(16), Bytes(16))) << "and not beyond";
  }
}

TEST(SystemRandom, ThreadsGetDifferentBytes) {
  std::array<ByteArray<32>, 8> got{};
  SystemRandom random;
  std::vector<std::thread> threads;
  for (auto& out : got) threads.emplace_back([&] { out = random.bytes<32>(); });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(std::set(got.begin(), got.end()).size(), got.size());
}

TEST(SystemRandom, AForkedChildDoesNotRepeatItsParent) {
  SystemRandom random;
  static_cast<void>(random.u64());
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const pid_t child = fork();
  if (child == 0) {
    const auto bytes = random.bytes<32>();
    _exit(write(ends[1], bytes.data(), bytes.size()) == 32 ? 0 : 1);
  }
  const auto ours = random.bytes<32>();
  ByteArray<32> theirs{};
  ASSERT_EQ(read(ends[0], theirs.data(), theirs.size()), 32);
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_NE(ours, theirs);
  close(ends[0]);
  close(ends[1]);
}

TEST(Version, IsTheOneWeNeed) {
  EXPECT_EQ(openssl_version().substr(0, 8), "OpenSSL ");
  EXPECT_GE(openssl_version_number(), 0x30500000U);
}

}  // namespace
}  // namespace opaline::crypto
