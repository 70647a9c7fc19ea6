// Takeover of handles, and the PIN that prevents it.
#include <gtest/gtest.h>

#include "identity/identity_test_world.hpp"

namespace opaline::identity {
namespace {

using testing::ipv4;
using testing::Person;
using testing::text;
using testing::World;

constexpr const char* kHandle = "ada@example.org";
constexpr const char* kSecond = "+4915112345678";

template <class T>
calls::CallStatus status(const Answer<T>& answer) {
  return answer ? calls::CALL_STATUS_OK : answer.error().status;
}

class Takeover : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(world.enrol(old, kHandle)); }
  void add_handle(const Person& person, const char* handle, const std::string& pin = {}) {
    ASSERT_TRUE(finish_add(person, handle, pin));
  }
  Answer<calls::AccountReply> finish_add(const Person& person, const char* handle, const std::string& pin = {}) {
    calls::HandleAddStartRequest start;
    start.set_handle(handle);
    const auto started = world.service->handle_add_start(person.caller(), start);
    if (!started) return fail(started.error());
    calls::HandleAddFinishRequest finish;
    finish.set_verification(started->verification());
    finish.set_code(world.codes.codes[handle]);
    finish.set_pin(pin);
    return world.service->handle_add_finish(person.caller(), finish);
  }
  void set_pin(const Person& person, const std::string& pin) {
    calls::SetPinRequest request;
    request.set_pin(pin);
    ASSERT_TRUE(world.service->set_pin(person.caller(), request));
  }
  /// The newcomer's registration up to its last step, with this PIN.
  Answer<calls::CompleteReply> take(Person& person, const std::string& pin) {
    if (!checked) checked = *world.verify(kHandle);
    auto request = person.complete_request(*checked, world.clock.now());
    request.set_pin(pin);
    return world.service->complete(request);
  }
  [[nodiscard]] AccountId holder(const char* handle) {
    const auto account = world.service->find_account(*normalize_handle(handle));
    return account ? *account : AccountId();
  }
  World world;
  Person old{7}, newcomer{8};
  std::optional<calls::CheckReply> checked;
};

TEST_F(Takeover, MakesANewAccountAndDestroysTheOld) {
  ASSERT_TRUE(world.enrol(newcomer, kHandle));
  EXPECT_NE(newcomer.account, old.account);
  EXPECT_EQ(holder(kHandle), newcomer.account);
  EXPECT_EQ(status(world.service->account(old.caller())), calls::CALL_STATUS_NOT_FOUND);
  EXPECT_FALSE(world.authenticate(old));
  EXPECT_TRUE(world.authenticate(newcomer));
  EXPECT_TRUE(world.relay.has("destroy " + old.mailbox.hex()));
  EXPECT_TRUE(world.relay.has("disconnect " + old.account.hex() + " removed"));
  EXPECT_FALSE(world.relay.has("destroy " + newcomer.mailbox.hex()));
}

TEST_F(Takeover, LeavesNothingOfTheOldAccountBehind) {
  (void)world.lookup(old, {"x@example.org"});  // so that it has a bucket
  ASSERT_TRUE(world.enrol(newcomer, kHandle));
  for (const auto& [row, value] : world.disk.copy().rows) {
    const auto found =
        std::search(row.second.begin(), row.second.end(), old.account.array().begin(), old.account.array().end());
    EXPECT_EQ(found, row.second.end()) << row.first;
  }
}

TEST_F(Takeover, TheOldAccountKeepsItsOtherHandles) {
  add_handle(old, kSecond);
  world.relay.events.clear();
  ASSERT_TRUE(world.enrol(newcomer, kHandle));
  const auto account = world.service->account(old.caller());
  ASSERT_TRUE(account);
  ASSERT_EQ(account->handles_size(), 1);
  EXPECT_EQ(account->handles(0), kSecond);
  EXPECT_EQ(holder(kSecond), old.account);
  EXPECT_FALSE(world.relay.has("destroy " + old.mailbox.hex()));
  EXPECT_TRUE(world.relay.has("notify " + old.account.hex() + " 2"));
  calls::AccountReply notice;
  ASSERT_TRUE(notice.ParseFromString(world.relay.notices.back()));
  EXPECT_EQ(notice.handles_size(), 1);
}

TEST_F(Takeover, ByAddingTheHandleToAnExistingAccount) {
  ASSERT_TRUE(world.enrol(newcomer, "new@example.org"));
  const auto reply = finish_add(newcomer, kHandle);
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->handles_size(), 2);
  EXPECT_EQ(holder(kHandle), newcomer.account);
  EXPECT_TRUE(world.relay.has("destroy " + old.mailbox.hex()));
  EXPECT_EQ(world.service->counters().takeovers, 1u);
}

TEST_F(Takeover, DestroyedMailboxesAreToldAgainUntilNoTokenCanBeValid) {
  ASSERT_TRUE(world.enrol(newcomer, kHandle));
  world.relay.events.clear();
  world.clock.advance(std::chrono::days(8));
  world.restart();
  EXPECT_TRUE(world.relay.has("destroy " + old.mailbox.hex()));
  world.relay.events.clear();
  world.clock.advance(std::chrono::hours(1));
  world.restart();
  EXPECT_TRUE(world.relay.events.empty());
  for (const auto& [row, value] : world.disk.copy().rows) EXPECT_NE(row.first, tables::kRemoved) << "forgotten";
}

TEST_F(Takeover, ACrashBeforeTheWriteChangesNothing) {
  checked = *world.verify(kHandle);
  world.rows.next_write = {{.error = store::RowError::unknown, .stored = false}};
  EXPECT_EQ(status(take(newcomer, "")), calls::CALL_STATUS_UNAVAILABLE);
  world.restart();
  EXPECT_EQ(holder(kHandle), old.account);
  EXPECT_TRUE(world.authenticate(old));
  EXPECT_FALSE(world.relay.has("destroy " + old.mailbox.hex()));
}

TEST_F(Takeover, ACrashAfterTheWriteStillDestroysTheOldMailbox) {
  checked = *world.verify(kHandle);
  world.rows.next_write = {{.error = store::RowError::unknown, .stored = true}};
  EXPECT_EQ(status(take(newcomer, "")), calls::CALL_STATUS_UNAVAILABLE);
  EXPECT_FALSE(world.relay.has("destroy " + old.mailbox.hex()));
  world.restart();
  EXPECT_EQ(holder(kHandle), newcomer.account);
  EXPECT_TRUE(world.relay.has("destroy " + old.mailbox.hex()));
}

TEST_F(Takeover, AnUnknownOutcomeIsFoundOutByTheNextTick) {
  checked = *world.verify(kHandle);
  world.rows.next_write = {{.error = store::RowError::unknown, .stored = true}};
  EXPECT_EQ(status(take(newcomer, "")), calls::CALL_STATUS_UNAVAILABLE);
  world.service->tick();
  EXPECT_TRUE(world.relay.has("destroy " + old.mailbox.hex()));
  EXPECT_TRUE(world.relay.has("disconnect " + old.account.hex() + " removed"));
}

TEST_F(Takeover, AnUnknownOutcomeThatWasNothingDisconnectsNobody) {
  checked = *world.verify(kHandle);
  world.rows.next_write = {{.error = store::RowError::unknown, .stored = false}};
  EXPECT_EQ(status(take(newcomer, "")), calls::CALL_STATUS_UNAVAILABLE);
  world.service->tick();
  EXPECT_TRUE(world.relay.events.empty());
}

TEST_F(Takeover, WhoeverProvedTheHandleBeforeMustProveItAgain) {
  Person first(9);
  const auto earlier = world.verify(kHandle);
  const auto request = first.complete_request(*earlier, world.clock.now());
  ASSERT_TRUE(world.enrol(newcomer, kHandle));
  EXPECT_EQ(status(world.service->complete(request)), calls::CALL_STATUS_EXPIRED);
  EXPECT_EQ(holder(kHandle), newcomer.account);
}

// ---- the PIN
TEST_F(Takeover, APinIsAskedFor) {
  set_pin(old, "2468");
  checked = *world.verify(kHandle);
  EXPECT_TRUE(checked->pin_required());
  EXPECT_EQ(status(take(newcomer, "")), calls::CALL_STATUS_PIN_REQUIRED);
  const auto wrong = take(newcomer, "1357");
  EXPECT_EQ(status(wrong), calls::CALL_STATUS_WRONG_PIN);
  EXPECT_EQ(wrong.error().tries_left, 4u);
  EXPECT_EQ(holder(kHandle), old.account);
  EXPECT_TRUE(take(newcomer, "2468"));
  EXPECT_EQ(holder(kHandle), newcomer.account);
  EXPECT_FALSE(world.service->account(newcomer.caller())->pin_set()) << "a new account has none";
}

TEST_F(Takeover, APinIsAskedForWhereAHandleIsAdded) {
  set_pin(old, "2468");
  ASSERT_TRUE(world.enrol(newcomer, "new@example.org"));
  EXPECT_EQ(status(finish_add(newcomer, kHandle)), calls::CALL_STATUS_PIN_REQUIRED);
  EXPECT_EQ(status(finish_add(newcomer, kHandle, "1111")), calls::CALL_STATUS_WRONG_PIN);
  EXPECT_EQ(holder(kHandle), old.account);
  EXPECT_TRUE(finish_add(newcomer, kHandle, "2468"));
  EXPECT_EQ(holder(kHandle), newcomer.account);
}

TEST_F(Takeover, WrongPinsAreFiveAndThenOneADay) {
  set_pin(old, "2468");
  for (std::uint32_t left = 5; left-- > 0;) EXPECT_EQ(take(newcomer, "0000").error().tries_left, left);
  const auto hashed = world.crypto.hashed;
  const auto refused = take(newcomer, "2468");
  EXPECT_EQ(status(refused), calls::CALL_STATUS_WRONG_PIN) << "not even the right one";
  EXPECT_EQ(world.crypto.hashed, hashed) << "and it was not looked at";
  EXPECT_EQ(refused.error().retry_after, std::chrono::hours(16)) << "kStart is at 08:00 UTC";
  world.clock.advance(std::chrono::hours(16));
  checked.reset();
  EXPECT_EQ(take(newcomer, "0000").error().tries_left, 0u);
  EXPECT_EQ(status(take(newcomer, "2468")), calls::CALL_STATUS_WRONG_PIN);
  world.clock.advance(std::chrono::hours(24));
  checked.reset();
  EXPECT_TRUE(take(newcomer, "2468"));
}

TEST_F(Takeover, ATryIsUsedUpBeforeItIsLookedAt) {
  set_pin(old, "2468");
  checked = *world.verify(kHandle);
  const auto hashed = world.crypto.hashed;
  world.rows.before_write = [&] { EXPECT_EQ(world.crypto.hashed, hashed); };
  EXPECT_EQ(take(newcomer, "0000").error().tries_left, 4u);
  EXPECT_EQ(world.crypto.hashed, hashed + 1);
  world.rows.before_write = nullptr;
  world.rows.next_write = {{.error = store::RowError::full, .stored = false}};
  EXPECT_EQ(status(take(newcomer, "2468")), calls::CALL_STATUS_UNAVAILABLE)
      << "a try that cannot be counted is not made";
  world.restart();
  checked.reset();
  EXPECT_EQ(take(newcomer, "0000").error().tries_left, 3u) << "a restart gives none back";
}

TEST_F(Takeover, AClockThatGoesBackGivesNoTries) {
  set_pin(old, "2468");
  for (int i = 0; i < 5; ++i) (void)take(newcomer, "0000");
  world.clock.jump(-std::chrono::days(3));
  checked.reset();
  EXPECT_EQ(take(newcomer, "0000").error().tries_left, 0u);
  world.clock.jump(std::chrono::days(3));
  checked.reset();
  EXPECT_EQ(status(take(newcomer, "2468")), calls::CALL_STATUS_WRONG_PIN);
}

TEST_F(Takeover, APinCanBeChangedAndRemoved) {
  set_pin(old, "2468");
  EXPECT_TRUE(world.service->account(old.caller())->pin_set());
  set_pin(old, "correct horse");
  EXPECT_EQ(status(take(newcomer, "2468")), calls::CALL_STATUS_WRONG_PIN);
  set_pin(old, "");
  EXPECT_FALSE(world.service->account(old.caller())->pin_set());
  EXPECT_TRUE(take(newcomer, ""));
}

TEST_F(Takeover, PinsHaveALength) {
  for (const std::string& pin : {std::string("123"), std::string(65, 'x')}) {
    calls::SetPinRequest request;
    request.set_pin(pin);
    EXPECT_EQ(status(world.service->set_pin(old.caller(), request)), calls::CALL_STATUS_BAD_REQUEST);
  }
  EXPECT_EQ(world.crypto.hashed, 0u);
}

TEST_F(Takeover, APinLapsesWhenNoDeviceConnects) {
  set_pin(old, "2468");
  world.clock.advance(std::chrono::days(36));
  checked = *world.verify(kHandle);
  EXPECT_TRUE(checked->pin_required());
  EXPECT_EQ(status(take(newcomer, "")), calls::CALL_STATUS_PIN_REQUIRED);
  world.clock.advance(std::chrono::days(1));
  checked = *world.verify(kHandle);
  EXPECT_FALSE(checked->pin_required());
  EXPECT_TRUE(take(newcomer, ""));
}

TEST_F(Takeover, ConnectingKeepsThePin) {
  set_pin(old, "2468");
  for (int week = 0; week < 10; ++week) {
    world.clock.advance(std::chrono::days(7));
    ASSERT_TRUE(world.authenticate(old));
  }
  checked = *world.verify(kHandle);
  EXPECT_TRUE(checked->pin_required());
}

TEST_F(Takeover, WhenADeviceConnectedIsKeptCoarselyAndOnlyWithAPin) {
  const auto writes = world.rows.writes;
  for (int day = 0; day < 20; ++day) {
    world.clock.advance(std::chrono::days(1));
    ASSERT_TRUE(world.authenticate(old));
  }
  EXPECT_EQ(world.rows.writes, writes) << "no PIN: nothing is written";
  set_pin(old, "2468");
  const auto with_pin = world.rows.writes;
  for (int day = 0; day < 20; ++day) {
    world.clock.advance(std::chrono::days(1));
    ASSERT_TRUE(world.authenticate(old));
  }
  EXPECT_EQ(world.rows.writes, with_pin + 2) << "once in seven days";
}

}  // namespace
}  // namespace opaline::identity
