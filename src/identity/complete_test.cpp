// The last step of a registration: what it takes, and what it refuses without a trace.
#include <gtest/gtest.h>

#include <set>

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
template <class T>
calls::CallStatus status(const Answer<T>& answer) {
  return answer ? calls::CALL_STATUS_OK : answer.error().status;
}

class Complete : public ::testing::Test {
 protected:
  void SetUp() override {
    checked = *world.verify(kAda);
    request = ada.complete_request(checked, world.clock.now());
  }
  [[nodiscard]] calls::CallStatus complete() { return status(world.service->complete(request)); }
  void sign(const session::DeviceList& list) {
    request.set_device_list(text(session::sign_device_list(list, ada.account_key, ada.random)));
  }
  /// Nothing was stored, and the honest request still works.
  void expect_refused_without_trace(calls::CallStatus expected = calls::CALL_STATUS_BAD_REQUEST) {
    const auto writes = world.rows.writes;
    EXPECT_EQ(complete(), expected);
    EXPECT_EQ(world.rows.writes, writes);
    request = ada.complete_request(checked, world.clock.now());
    EXPECT_EQ(complete(), calls::CALL_STATUS_OK);
  }
  World world;
  Person ada{7};
  calls::CheckReply checked;
  calls::CompleteRequest request;
};

TEST_F(Complete, RefusesADamagedList) {
  const std::string good = request.device_list();
  for (std::size_t at = 3; at < good.size(); at += good.size() / 15) {  // within a ticket's attempts
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 1);
    request.set_device_list(bad);
    EXPECT_EQ(complete(), calls::CALL_STATUS_BAD_REQUEST) << at;
  }
  request.set_device_list(good);
  EXPECT_EQ(complete(), calls::CALL_STATUS_OK);
}
TEST_F(Complete, RefusesADamagedPrekeySet) {
  const std::string good = request.prekeys().signed_prekeys();
  for (std::size_t at = 3; at < good.size(); at += good.size() / 15) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 1);
    request.mutable_prekeys()->set_signed_prekeys(bad);
    EXPECT_EQ(complete(), calls::CALL_STATUS_BAD_REQUEST) << at;
  }
  request.mutable_prekeys()->set_signed_prekeys(good);
  EXPECT_EQ(complete(), calls::CALL_STATUS_OK);
}
TEST_F(Complete, RefusesATruncatedList) {
  request.mutable_device_list()->pop_back();
  expect_refused_without_trace();
}
TEST_F(Complete, RefusesAnEmptyList) {
  request.clear_device_list();
  expect_refused_without_trace();
}
TEST_F(Complete, RefusesAnotherAccountsList) {
  auto list = ada.list(world.clock.now());
  list.account = ada.random.id<AccountId>();
  sign(list);
  expect_refused_without_trace();
}
TEST_F(Complete, RefusesAnotherMailbox) {
  auto list = ada.list(world.clock.now());
  list.devices[0].mailbox = ada.random.id<MailboxId>();
  sign(list);
  expect_refused_without_trace();
}
TEST_F(Complete, RefusesAHigherNumber) {
  auto list = ada.list(world.clock.now());
  list.number = ListNumber{2};
  list.previous = session::ListHash(ada.random.bytes<32>());
  sign(list);
  expect_refused_without_trace();
}
TEST_F(Complete, RefusesAnotherDeviceNumber) {
  auto list = ada.list(world.clock.now());
  list.devices[0].number = DeviceNumber{2};
  list.next_device = DeviceNumber{3};
  sign(list);
  expect_refused_without_trace();
}
TEST_F(Complete, RefusesASecondDevice) {
  auto list = ada.list(world.clock.now());
  list.devices.push_back(list.devices[0]);
  list.devices[1].number = DeviceNumber{2};
  list.devices[1].mailbox = ada.random.id<MailboxId>();
  list.next_device = DeviceNumber{3};
  sign(list);
  expect_refused_without_trace();
}
TEST_F(Complete, RefusesADeviceWithTheAccountKey) {
  auto list = ada.list(world.clock.now());
  list.devices[0].keys.signing = ada.account_key.public_key();
  sign(list);
  expect_refused_without_trace();
}
TEST_F(Complete, RefusesPrekeysOfAnotherDevice) {
  Person eve(8);
  eve.account = ada.account;
  *request.mutable_prekeys() = eve.make_prekeys(world.clock.now());
  expect_refused_without_trace();
}
TEST_F(Complete, RefusesOtherOneTimePrekeys) {
  *request.mutable_prekeys()->mutable_one_time_batch() = text(ada.random.bytes<128>());
  expect_refused_without_trace();
}
TEST_F(Complete, RefusesFewerOneTimePrekeys) {
  request.mutable_prekeys()->mutable_one_time_batch()->resize(32);
  expect_refused_without_trace();
}
TEST_F(Complete, RefusesPrekeysThatAreOver) {
  *request.mutable_prekeys() = ada.make_prekeys(world.clock.now() - std::chrono::days(8));
  expect_refused_without_trace();
}
TEST_F(Complete, RefusesPrekeysFromTheFuture) {
  *request.mutable_prekeys() = ada.make_prekeys(world.clock.now() + std::chrono::hours(25));
  expect_refused_without_trace();
}
TEST_F(Complete, RefusesALongPin) {
  request.set_pin(std::string(65, '1'));
  expect_refused_without_trace();
}

TEST_F(Complete, RefusesForgedTickets) {
  for (std::size_t at = 0; at < 32; ++at) {
    calls::CompleteRequest forged = request;
    (*forged.mutable_ticket())[at] = static_cast<char>(forged.ticket()[at] ^ 0x40);
    EXPECT_EQ(status(world.service->complete(forged)), calls::CALL_STATUS_EXPIRED) << at;
  }
  request.clear_ticket();
  expect_refused_without_trace(calls::CALL_STATUS_EXPIRED);
}

TEST_F(Complete, ATicketNeedsTheCode) {
  // The verification's id is known to who asked for the code; without the code there is no ticket to be made of it.
  const auto started = world.service->start(ipv4(1), start_request("bob@example.org"));
  request.set_ticket(started->verification() + std::string(16, '\0'));
  EXPECT_EQ(complete(), calls::CALL_STATUS_EXPIRED);
}

TEST_F(Complete, TicketsLiveTenMinutes) {
  world.clock.advance(std::chrono::minutes(10));
  EXPECT_EQ(complete(), calls::CALL_STATUS_EXPIRED);
}

TEST_F(Complete, TicketsHaveLimitedAttempts) {
  const std::string good = request.device_list();
  request.set_device_list("x");
  for (std::uint32_t i = 0; i < kTicketAttempts; ++i) EXPECT_EQ(complete(), calls::CALL_STATUS_BAD_REQUEST);
  request.set_device_list(good);
  EXPECT_EQ(complete(), calls::CALL_STATUS_EXPIRED);
}

TEST_F(Complete, MayBeRepeatedWithTheSameKeysAlone) {
  ASSERT_EQ(complete(), calls::CALL_STATUS_OK);
  const auto writes = world.rows.writes;
  EXPECT_EQ(complete(), calls::CALL_STATUS_OK);
  EXPECT_EQ(world.rows.writes, writes) << "a repeated request changes nothing";
  request = ada.complete_request(checked, world.clock.now() + milliseconds(1));
  EXPECT_EQ(complete(), calls::CALL_STATUS_CONFLICT);
}

TEST_F(Complete, AFullDiskChangesNothing) {
  world.rows.next_write = {{.error = store::RowError::full, .stored = false}};
  EXPECT_EQ(complete(), calls::CALL_STATUS_UNAVAILABLE);
  EXPECT_FALSE(world.service->account(ada.caller()));
  EXPECT_EQ(complete(), calls::CALL_STATUS_OK);
}

TEST_F(Complete, AnUnknownOutcomeIsResolvedByARetry) {
  for (const bool stored : {false, true}) {
    Person bob(stored ? 20 : 21);
    const std::string handle = stored ? "bob@example.org" : "carol@example.org";
    const auto bob_checked = world.verify(handle);
    const auto bob_request = bob.complete_request(*bob_checked, world.clock.now());
    world.rows.next_write = {{.error = store::RowError::unknown, .stored = stored}};
    EXPECT_EQ(status(world.service->complete(bob_request)), calls::CALL_STATUS_UNAVAILABLE);
    EXPECT_EQ(status(world.service->complete(bob_request)), calls::CALL_STATUS_OK);
    EXPECT_TRUE(world.authenticate(bob));
  }
}

TEST_F(Complete, IsOneAtomicWrite) {
  const auto writes = world.rows.writes;
  ASSERT_EQ(complete(), calls::CALL_STATUS_OK);
  EXPECT_EQ(world.rows.writes, writes + 1);
  std::set<std::string_view> tables;
  for (const auto& change : world.rows.last_write) tables.insert(change.table);
  EXPECT_EQ(tables, (std::set<std::string_view>{tables::kAccounts, tables::kDevices, tables::kHandles, tables::kOneTime,
                                                tables::kPrekeys}));
}

}  // namespace
}  // namespace opaline::identity
