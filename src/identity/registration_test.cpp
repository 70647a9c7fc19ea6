#include <gtest/gtest.h>

#include "identity/identity_test_world.hpp"

namespace opaline::identity {
namespace {

using testing::ipv4;
using testing::Person;
using testing::text;
using testing::World;

constexpr const char* kAda = "ada@example.org";

calls::StartRequest start_request(const std::string& handle) {
  calls::StartRequest out;
  out.set_handle(handle);
  return out;
}
calls::CheckRequest check_request(const calls::StartReply& started, const std::string& code) {
  calls::CheckRequest out;
  out.set_verification(started.verification());
  out.set_code(code);
  return out;
}
std::string other_code(std::string code) {
  code[0] = code[0] == '9' ? '0' : static_cast<char>(code[0] + 1);
  return code;
}
template <class T>
calls::CallStatus status(const Answer<T>& answer) {
  return answer ? calls::CALL_STATUS_OK : answer.error().status;
}

TEST(Registration, ThreeStepsMakeAnAccount) {
  World world;
  Person ada(7);
  ASSERT_TRUE(world.enrol(ada, "Ada@Example.org"));
  const auto account = world.service->account(ada.caller());
  ASSERT_TRUE(account);
  ASSERT_EQ(account->handles_size(), 1);
  EXPECT_EQ(account->handles(0), kAda);
  EXPECT_EQ(account->list_number(), 1u);
  EXPECT_TRUE(account->people() && account->businesses() && account->calls());
  EXPECT_FALSE(account->pin_set());
  EXPECT_EQ(account->managed_by(), "");
  const auto device = world.authenticate(ada);
  ASSERT_TRUE(device);
  EXPECT_EQ(device->mailbox, ada.mailbox);
}

TEST(Registration, SurvivesARestart) {
  World world;
  Person ada(7);
  ASSERT_TRUE(world.enrol(ada, kAda));
  world.restart();
  EXPECT_TRUE(world.service->account(ada.caller()));
  EXPECT_TRUE(world.authenticate(ada));
}

TEST(Registration, StartAnswersTheSameForTakenAndFreeHandles) {
  World world;
  Person ada(7);
  ASSERT_TRUE(world.enrol(ada, kAda));
  const auto gets = world.rows.gets;
  const auto writes = world.rows.writes;
  const auto taken = world.service->start(ipv4(2), start_request(kAda));
  const auto free = world.service->start(ipv4(2), start_request("eve@example.org"));
  ASSERT_TRUE(taken && free);
  // The start of a registration does not look at the directory at all: there is nothing that could differ.
  EXPECT_EQ(world.rows.gets, gets);
  EXPECT_EQ(world.rows.writes, writes);
  EXPECT_EQ(world.crypto.verified + world.crypto.hashed, 0u);
  EXPECT_EQ(taken->ByteSizeLong(), free->ByteSizeLong());
  EXPECT_EQ(taken->valid_seconds(), free->valid_seconds());
  EXPECT_EQ(taken->verification().size(), free->verification().size());
}

TEST(Registration, CodesAreSixUniformDigits) {
  Config config;
  config.codes_per_source.capacity = config.codes_per_handle.capacity = 100'000;
  World world(config);
  std::array<std::array<int, 10>, 6> seen{};
  constexpr int kRuns = 3000;
  for (int i = 0; i < kRuns; ++i) {
    ASSERT_TRUE(world.service->start(ipv4(1), start_request(kAda)));
    const std::string& code = world.codes.codes[kAda];
    ASSERT_EQ(code.size(), 6u);
    for (std::size_t at = 0; at < 6; ++at) {
      ASSERT_TRUE(code[at] >= '0' && code[at] <= '9');
      ++seen[at][static_cast<std::size_t>(code[at] - '0')];
    }
  }
  // 300 expected; the seed is fixed, so this is no game of chance.
  for (const auto& place : seen) {
    for (const int count : place) EXPECT_TRUE(count > 220 && count < 380) << count;
  }
}

TEST(Registration, FiveWrongCodesEndAVerification) {
  World world;
  const auto started = world.service->start(ipv4(1), start_request(kAda));
  const std::string right = world.codes.codes[kAda];
  for (std::uint32_t left = 4;; --left) {
    const auto answer = world.service->check(check_request(*started, other_code(right)));
    ASSERT_EQ(status(answer), calls::CALL_STATUS_WRONG_CODE);
    EXPECT_EQ(answer.error().tries_left, left);
    if (left == 0) break;
  }
  EXPECT_EQ(status(world.service->check(check_request(*started, right))), calls::CALL_STATUS_EXPIRED);
}

TEST(Registration, TheFifthTryMayBeRight) {
  World world;
  const auto started = world.service->start(ipv4(1), start_request(kAda));
  const std::string right = world.codes.codes[kAda];
  for (int i = 0; i < 4; ++i) (void)world.service->check(check_request(*started, other_code(right)));
  EXPECT_TRUE(world.service->check(check_request(*started, right)));
}

TEST(Registration, MalformedCodesAreNoTries) {
  World world;
  const auto started = world.service->start(ipv4(1), start_request(kAda));
  for (const char* code : {"", "12345", "1234567", "12345a", "12 456", "-12345"}) {
    EXPECT_EQ(status(world.service->check(check_request(*started, code))), calls::CALL_STATUS_BAD_REQUEST) << code;
  }
  const auto wrong = world.service->check(check_request(*started, other_code(world.codes.codes[kAda])));
  EXPECT_EQ(wrong.error().tries_left, 4u);
}

TEST(Registration, CodesLiveTenMinutes) {
  World world;
  const auto started = world.service->start(ipv4(1), start_request(kAda));
  const auto again = world.service->start(ipv4(1), start_request("bob@example.org"));
  EXPECT_EQ(started->valid_seconds(), 600u);
  world.clock.advance(std::chrono::minutes(10) - milliseconds(1));
  EXPECT_TRUE(world.service->check(check_request(*again, world.codes.codes["bob@example.org"])));
  world.clock.advance(milliseconds(1));
  EXPECT_EQ(status(world.service->check(check_request(*started, world.codes.codes[kAda]))), calls::CALL_STATUS_EXPIRED);
}

TEST(Registration, AWallClockThatJumpsDoesNotProlongACode) {
  World world;
  const auto started = world.service->start(ipv4(1), start_request(kAda));
  world.clock.advance(std::chrono::minutes(11));
  world.clock.jump(-std::chrono::hours(1));
  EXPECT_EQ(status(world.service->check(check_request(*started, world.codes.codes[kAda]))), calls::CALL_STATUS_EXPIRED);
}

TEST(Registration, ACodeFitsItsOwnVerificationAlone) {
  World world;
  const auto one = world.service->start(ipv4(1), start_request(kAda));
  const std::string first = world.codes.codes[kAda];
  const auto two = world.service->start(ipv4(1), start_request("bob@example.org"));
  ASSERT_NE(first, world.codes.codes["bob@example.org"]);
  EXPECT_EQ(status(world.service->check(check_request(*two, first))), calls::CALL_STATUS_WRONG_CODE);
  EXPECT_TRUE(world.service->check(check_request(*one, first)));
}

TEST(Registration, CheckMayBeRepeatedAndAnswersTheSame) {
  World world;
  const auto started = world.service->start(ipv4(1), start_request(kAda));
  const auto request = check_request(*started, world.codes.codes[kAda]);
  const auto one = world.service->check(request);
  const auto two = world.service->check(request);
  ASSERT_TRUE(one && two);
  EXPECT_EQ(one->SerializeAsString(), two->SerializeAsString());
}

TEST(Registration, QuotaPerHandleCountsWhoeverAsks) {
  Config config;
  config.codes_per_handle = {.capacity = 3, .refill = std::chrono::hours(3)};
  World world(config);
  for (std::uint8_t i = 0; i < 3; ++i) ASSERT_TRUE(world.service->start(ipv4(i), start_request(kAda)));
  const auto refused = world.service->start(ipv4(9), start_request("ADA@example.org"));
  ASSERT_EQ(status(refused), calls::CALL_STATUS_QUOTA);
  EXPECT_EQ(refused.error().retry_after, std::chrono::hours(1));
  EXPECT_TRUE(world.service->start(ipv4(9), start_request("bob@example.org")));
  world.clock.advance(std::chrono::hours(1));
  EXPECT_TRUE(world.service->start(ipv4(9), start_request(kAda)));
  EXPECT_EQ(world.codes.sent, 5u);
}

TEST(Registration, QuotaPerSourceCountsWhateverIsAsked) {
  Config config;
  config.codes_per_source = {.capacity = 2, .refill = std::chrono::hours(1)};
  World world(config);
  EXPECT_TRUE(world.service->start(ipv4(1), start_request("a@example.org")));
  EXPECT_TRUE(world.service->start(ipv4(1), start_request("b@example.org")));
  EXPECT_EQ(status(world.service->start(ipv4(1), start_request("c@example.org"))), calls::CALL_STATUS_QUOTA);
  EXPECT_TRUE(world.service->start(ipv4(2), start_request("c@example.org")));
}

TEST(Registration, IPv6SourcesCountByTheirNetworks) {
  Config config;
  config.codes_per_source = {.capacity = 2, .refill = std::chrono::hours(1)};
  World world(config);
  const auto from = [&](std::uint8_t subnet, std::uint8_t host) {
    SourceAddress source;
    source.ip[0] = std::byte{0x20};
    source.ip[1] = std::byte{0x01};
    source.ip[7] = std::byte{subnet};
    source.ip[15] = std::byte{host};
    return status(world.service->start(source, start_request("h" + std::to_string(world.codes.sent) + "@example.org")));
  };
  EXPECT_EQ(from(1, 1), calls::CALL_STATUS_OK);
  EXPECT_EQ(from(1, 2), calls::CALL_STATUS_OK);
  EXPECT_EQ(from(1, 3), calls::CALL_STATUS_QUOTA) << "one /64";
  std::uint8_t subnet = 2;
  while (from(subnet, 1) == calls::CALL_STATUS_OK) ++subnet;
  EXPECT_EQ(world.codes.sent, 16u) << "one /48 has 8 times as many";
}

TEST(Registration, AnUnreachableHandleIsSaidToBe) {
  World world;
  world.codes.answer = CodeQueued::unsupported;
  EXPECT_EQ(status(world.service->start(ipv4(1), start_request("+4915112345678"))), calls::CALL_STATUS_BAD_REQUEST);
  world.codes.answer = CodeQueued::busy;
  EXPECT_EQ(status(world.service->start(ipv4(1), start_request(kAda))), calls::CALL_STATUS_UNAVAILABLE);
  EXPECT_EQ(world.service->counters().verifications, 0u);
  EXPECT_EQ(status(world.service->start(ipv4(1), start_request("not a handle"))), calls::CALL_STATUS_BAD_REQUEST);
}

TEST(Registration, WhereCodesDoNotArriveNobodyPaysForAsking) {
  Config config;
  config.codes_per_handle.capacity = 1;
  World world(config);
  world.codes.is_failing = true;
  for (int i = 0; i < 5; ++i) {
    const auto refused = world.service->start(ipv4(1), start_request(kAda));
    ASSERT_EQ(status(refused), calls::CALL_STATUS_UNAVAILABLE);
    EXPECT_EQ(refused.error().retry_after, seconds(60));
  }
  EXPECT_EQ(world.codes.sent, 0u);
  world.codes.is_failing = false;
  EXPECT_TRUE(world.service->start(ipv4(1), start_request(kAda)));
}

TEST(Registration, VerificationsAreBoundedAndTidied) {
  Config config;
  config.codes_per_source.capacity = 1'000'000;
  World world(config);
  for (std::size_t i = 0; i < kMaxVerifications; ++i) {
    ASSERT_TRUE(world.service->start(ipv4(1), start_request("h" + std::to_string(i) + "@example.org")));
  }
  EXPECT_EQ(status(world.service->start(ipv4(1), start_request(kAda))), calls::CALL_STATUS_UNAVAILABLE);
  world.clock.advance(std::chrono::minutes(10));
  EXPECT_TRUE(world.service->start(ipv4(1), start_request(kAda))) << "the old ones make room";
  world.clock.advance(std::chrono::minutes(10));
  world.service->tick();
  EXPECT_EQ(world.service->counters().verifications, 0u);
}

}  // namespace
}  // namespace opaline::identity
