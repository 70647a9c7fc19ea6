// What somebody gets who asks the directory for everybody: with many accounts, from many addresses (docs/lookups.md).
#include <gtest/gtest.h>

#include "identity/identity_test_world.hpp"

namespace opaline::identity {
namespace {

using testing::ipv4;
using testing::Person;
using testing::World;

class Crawler : public ::testing::Test {
 protected:
  /// Handles that one account can ask for now, from there; in requests as large as there can be.
  std::uint64_t ask_on(const Person& person, const SourceAddress& source) {
    std::uint64_t answered = 0;
    for (std::uint32_t size = 100; size > 0;) {
      calls::LookupRequest request;
      for (std::uint32_t i = 0; i < size; ++i)
        request.add_items()->set_handle("a" + std::to_string(++asked_) + "@example.org");
      const auto reply =
          world_.service->lookup({.account = person.account, .device = person.device, .source = source}, request);
      if (reply) {
        answered += size;
        continue;
      }
      EXPECT_EQ(reply.error().status, calls::CALL_STATUS_QUOTA) << reply.error().message;
      EXPECT_GT(reply.error().retry_after, seconds(0)) << "it says when to come back";
      EXPECT_LE(reply.error().retry_after, std::chrono::days(1));
      size /= 2;
    }
    return answered;
  }
  std::vector<std::unique_ptr<Person>> accounts(std::size_t count) {
    std::vector<std::unique_ptr<Person>> out;
    for (std::size_t i = 0; i < count; ++i) {
      out.push_back(std::make_unique<Person>(100 + i));
      EXPECT_TRUE(world_.enrol(*out.back(), "crawler" + std::to_string(i) + "@example.org"));
    }
    return out;
  }
  World world_;
  std::uint64_t asked_ = 0;
};

TEST_F(Crawler, EachAccountHasABucketOnceAndThenItsRefill) {
  const auto many = accounts(8);
  constexpr std::uint64_t kDays = 4;
  std::uint64_t total = 0;
  for (std::uint64_t day = 0; day < kDays; ++day) {
    for (std::size_t i = 0; i < many.size(); ++i) {
      // A calls bucket of 6,000 an hour is no limit here: the lookups are.
      const auto got = ask_on(*many[i], ipv4(static_cast<std::uint8_t>(10 + i)));
      EXPECT_EQ(got, day == 0 ? 2'000U : 100U) << "account " << i << " on day " << day;
      total += got;
    }
    world_.clock.advance(std::chrono::days(1));
  }
  EXPECT_EQ(total, many.size() * (2'000 + (kDays - 1) * 100));
}

TEST_F(Crawler, MoreAccountsBehindOneAddressAreNoFaster) {
  const auto many = accounts(15);
  std::uint64_t first_day = 0;
  for (const auto& each : many) first_day += ask_on(*each, ipv4(77));
  EXPECT_EQ(first_day, 20'000U);
  EXPECT_EQ(ask_on(*many.back(), ipv4(78)), 2'000U) << "somebody elsewhere is not held up";
}

TEST_F(Crawler, KnownContactsAreNotHeldUpByOthersAtTheirAddress) {
  const auto many = accounts(12);
  const auto first = world_.lookup(*many[0], {"crawler1@example.org"});
  ASSERT_TRUE(first);
  for (const auto& each : many) (void)ask_on(*each, ipv4(1));
  EXPECT_FALSE(world_.lookup(*many[0], {"crawler1@example.org"}));
  EXPECT_TRUE(world_.lookup(*many[0], {"crawler1@example.org"}, {first->items(0).renewal_token()}));
}

TEST_F(Crawler, OneAddressRegistersSoManyAccountsADay) {
  // 30 at once, then one each two minutes: a crawler's accounts cost it an address, a handle each, and time.
  std::uint64_t registered = 0;
  for (int minute = 0; minute < 12 * 60; ++minute) {
    while (world_.verify("r" + std::to_string(registered) + "@example.org", ipv4(77))) ++registered;
    world_.clock.advance(std::chrono::minutes(1));
  }
  EXPECT_EQ(registered, 30U + 12 * 30 - 1);
}

}  // namespace
}  // namespace opaline::identity
