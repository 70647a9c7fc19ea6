// Changes of an account's device list: what they do, repeated, in races, and how many.
#include <gtest/gtest.h>

#include <set>

#include "identity/devices_test_world.hpp"

namespace opaline::identity {
namespace {

using testing::DevicesTest;
using testing::ipv4;
using testing::Person;
using testing::status;

class Devices : public DevicesTest {};

// ---------------------------------------------------------------- what it does

TEST_F(Devices, AnAddedDeviceIsADevice) {
  ASSERT_TRUE(world.link(ada, laptop));
  EXPECT_EQ(laptop.device, DeviceNumber{2});
  const auto known = world.authenticate(laptop);
  ASSERT_TRUE(known);
  EXPECT_EQ(known->mailbox, laptop.mailbox);
  EXPECT_EQ(world.service->account(laptop.caller())->list_number(), 2u);
  EXPECT_EQ(world.service->prekey_status(laptop.caller())->one_time_left(), 4u);
  const auto reply = world.bundles(bob, ada.account);
  ASSERT_EQ(reply->devices_size(), 2);
  const auto list = session::verify_device_list(as_view(reply->device_list()));
  const auto bundle = session::decode_bundle(as_view(reply->devices(1).bundle()));
  const auto verified = session::verify_bundle(*list, DeviceNumber{2}, *bundle, world.clock.now());
  ASSERT_TRUE(verified);
  EXPECT_TRUE(verified->one_time());
  world.restart();
  EXPECT_TRUE(world.authenticate(laptop)) << "durable";
}

TEST_F(Devices, AnAddedWebDeviceMaySignInWithoutABinding) {
  auto request = world.add_request(ada, laptop, world.exchange(ada));
  request.set_web(true);
  ASSERT_TRUE(update(ada, request));
  const Bytes message = to_bytes("nonce");
  const Bytes signature = laptop.sign_auth(message);
  EXPECT_TRUE(world.service->authenticate({.account = laptop.account,
                                           .device = laptop.device,
                                           .binding = wire::Binding::none,
                                           .message = message,
                                           .signature = signature,
                                           .source = ipv4(1)}));
}

TEST_F(Devices, ARemovedDeviceIsGoneAtOnce) {
  ASSERT_TRUE(world.link(ada, laptop));
  world.relay.events.clear();
  ASSERT_TRUE(update(ada, world.remove_request(ada, laptop.device)));
  EXPECT_TRUE(world.relay.has("destroy " + laptop.mailbox.hex()));
  EXPECT_FALSE(world.relay.has("destroy " + ada.mailbox.hex()));
  EXPECT_TRUE(world.relay.has("disconnect " + ada.account.hex() + " removed"));
  EXPECT_EQ(world.relay.disconnected.back(), (credentials::DeviceAddress{ada.account, laptop.device}));
  EXPECT_FALSE(world.authenticate(laptop));
  EXPECT_EQ(status(world.service->account(laptop.caller())), calls::CALL_STATUS_NOT_FOUND);
  EXPECT_EQ(status(world.service->prekey_status(laptop.caller())), calls::CALL_STATUS_NOT_FOUND);
  EXPECT_EQ(world.bundles(bob, ada.account)->devices_size(), 1);
  world.relay.events.clear();
  world.restart();
  EXPECT_TRUE(world.relay.has("destroy " + laptop.mailbox.hex())) << "said again, as long as a token may be valid";
}

TEST_F(Devices, ARemovedDeviceCanChangeNothingAnyMore) {
  ASSERT_TRUE(world.link(ada, laptop));
  const auto before = world.list_of(ada);
  ASSERT_TRUE(update(ada, world.remove_request(ada, laptop.device)));
  calls::UpdateDevicesRequest request;
  sign(request, testing::list_without(before, ada.device, world.clock.now()), ada);
  EXPECT_EQ(status(update(laptop, request)), calls::CALL_STATUS_NOT_FOUND);
}

TEST_F(Devices, AllButTheCallerAreTold) {
  ASSERT_TRUE(world.link(ada, laptop));
  world.relay.notified.clear();
  world.relay.notices.clear();
  ASSERT_TRUE(world.link(ada, tablet));
  ASSERT_EQ(world.relay.notified.size(), 2u);
  EXPECT_EQ(world.relay.notified[0].device, laptop.device);
  EXPECT_EQ(world.relay.notified[1].device, tablet.device);
  calls::AccountReply notice;
  ASSERT_TRUE(notice.ParseFromString(world.relay.notices.front()));
  EXPECT_EQ(notice.list_number(), 3u);
}

TEST_F(Devices, OneListMayAddAndRemove) {
  ASSERT_TRUE(world.link(ada, laptop));
  auto request = world.add_request(ada, tablet, world.exchange(ada));
  auto list = list_in(request);
  std::erase_if(list.devices, [&](const auto& entry) { return entry.number == laptop.device; });
  sign(request, list, ada);
  ASSERT_TRUE(update(ada, request));
  EXPECT_FALSE(world.authenticate(laptop));
  EXPECT_TRUE(world.authenticate(tablet));
  EXPECT_EQ(tablet.device, DeviceNumber{3});
}

TEST_F(Devices, IsOneAtomicWrite) {
  ASSERT_TRUE(world.link(ada, laptop));
  auto request = world.add_request(ada, tablet, world.exchange(ada));
  auto list = list_in(request);
  std::erase_if(list.devices, [&](const auto& entry) { return entry.number == laptop.device; });
  sign(request, list, ada);
  const auto writes = world.rows.writes;
  ASSERT_TRUE(update(ada, request));
  EXPECT_EQ(world.rows.writes, writes + 1);
  std::set<std::string_view> tables;
  for (const auto& change : world.rows.last_write) tables.insert(change.table);
  EXPECT_EQ(tables, (std::set<std::string_view>{tables::kAccounts, tables::kDevices, tables::kLists, tables::kOneTime,
                                                tables::kPrekeys, tables::kRemoved}));
}

TEST_F(Devices, WorksWhereMessagesAreSwitchedOff) {
  ASSERT_TRUE(world.link(ada, laptop));
  const auto removal = world.remove_request(ada, laptop.device);
  ASSERT_TRUE(world.service->set_switches(ada.account, {.people = false, .businesses = true, .calls = true}));
  EXPECT_TRUE(update(ada, removal));
  EXPECT_FALSE(world.authenticate(laptop));
}

TEST_F(Devices, APinThatLapsesCountsTheNewDevice) {
  calls::SetPinRequest pin;
  pin.set_pin("2468");
  ASSERT_TRUE(world.service->set_pin(ada.caller(), pin));
  world.clock.advance(std::chrono::days(30));
  ASSERT_TRUE(world.link(ada, laptop));
  world.clock.advance(std::chrono::days(10));
  EXPECT_TRUE(world.verify("ada@example.org")->pin_required()) << "a device was there 10 days ago";
  world.clock.advance(std::chrono::days(27));
  EXPECT_FALSE(world.verify("ada@example.org")->pin_required());
}

// ---------------------------------------------------------------- sent again

TEST_F(Devices, TheStoredListAgainChangesNothing) {
  const auto request = world.add_request(ada, laptop, world.exchange(ada));
  ASSERT_TRUE(update(ada, request));
  const auto writes = world.rows.writes;
  const auto events = world.relay.events.size();
  world.clock.advance(std::chrono::minutes(11));  // the exchange is over
  EXPECT_EQ(update(ada, request)->list_number(), 2u);
  calls::UpdateDevicesRequest bare;
  bare.set_device_list(request.device_list());
  EXPECT_TRUE(update(ada, bare)) << "nothing else is needed with it";
  EXPECT_TRUE(update(laptop, bare)) << "by whatever device of the account";
  EXPECT_EQ(world.rows.writes, writes);
  EXPECT_EQ(world.relay.events.size(), events);
}

TEST_F(Devices, AFullDiskChangesNothing) {
  const auto request = world.add_request(ada, laptop, world.exchange(ada));
  const auto events = world.relay.events.size();
  world.rows.next_write = {{.error = store::RowError::full, .stored = false}};
  EXPECT_EQ(status(update(ada, request)), calls::CALL_STATUS_UNAVAILABLE);
  EXPECT_FALSE(world.authenticate(laptop));
  EXPECT_EQ(world.relay.events.size(), events);
  EXPECT_TRUE(update(ada, request)) << "the exchange is still there";
  EXPECT_TRUE(world.authenticate(laptop));
}

TEST_F(Devices, AnUnknownOutcomeIsResolvedByARetry) {
  for (const bool stored : {false, true}) {
    Person extra(stored ? 20 : 21);
    const auto request = world.add_request(ada, extra, world.exchange(ada));
    world.rows.next_write = {{.error = store::RowError::unknown, .stored = stored}};
    EXPECT_EQ(status(update(ada, request)), calls::CALL_STATUS_UNAVAILABLE);
    EXPECT_TRUE(update(ada, request));
    EXPECT_TRUE(world.authenticate(extra));
  }
}

TEST_F(Devices, ARemovalOfUnknownOutcomeTakesEffectWithTheRetry) {
  ASSERT_TRUE(world.link(ada, laptop));
  ASSERT_TRUE(world.link(ada, tablet));
  const auto removal = world.remove_request(ada, laptop.device);
  world.relay.events.clear();
  world.relay.notified.clear();
  world.rows.next_write = {{.error = store::RowError::unknown, .stored = true}};
  EXPECT_EQ(status(update(ada, removal)), calls::CALL_STATUS_UNAVAILABLE);
  EXPECT_TRUE(world.relay.events.empty()) << "nobody is told of what may not be";
  EXPECT_TRUE(update(ada, removal));
  EXPECT_TRUE(world.relay.has("destroy " + laptop.mailbox.hex()));
  EXPECT_TRUE(world.relay.has("disconnect " + ada.account.hex() + " removed"));
  EXPECT_TRUE(std::ranges::find(world.relay.notified, credentials::DeviceAddress{ada.account, tablet.device}) !=
              world.relay.notified.end());
}

TEST_F(Devices, ARemovalOfUnknownOutcomeThatWasNotStoredTellsNobody) {
  ASSERT_TRUE(world.link(ada, laptop));
  const auto removal = world.remove_request(ada, laptop.device);
  world.relay.events.clear();
  world.rows.next_write = {{.error = store::RowError::unknown, .stored = false}};
  EXPECT_EQ(status(update(ada, removal)), calls::CALL_STATUS_UNAVAILABLE);
  world.service->tick();
  EXPECT_FALSE(world.relay.has("destroy " + laptop.mailbox.hex()));
  EXPECT_FALSE(world.relay.has("disconnect " + ada.account.hex() + " removed"));
  EXPECT_TRUE(world.authenticate(laptop));
}

// ---------------------------------------------------------------- races and quotas

TEST_F(Devices, AnUpdateAfterATakeoverFindsNoAccount) {
  const auto request = world.add_request(ada, laptop, world.exchange(ada));
  Person thief(30);
  ASSERT_TRUE(world.enrol(thief, "ada@example.org"));
  const auto writes = world.rows.writes;
  EXPECT_EQ(status(update(ada, request)), calls::CALL_STATUS_NOT_FOUND);
  EXPECT_EQ(world.rows.writes, writes) << "nothing of the account comes back";
  EXPECT_FALSE(world.authenticate(laptop));
}

TEST_F(Devices, ATakeoverEndsAllDevices) {
  ASSERT_TRUE(world.link(ada, laptop));
  world.relay.disconnected.clear();
  Person thief(30);
  ASSERT_TRUE(world.enrol(thief, "ada@example.org"));
  EXPECT_TRUE(world.relay.has("destroy " + laptop.mailbox.hex()));
  EXPECT_EQ(world.relay.disconnected.size(), 2u);
  EXPECT_FALSE(world.authenticate(laptop));
  for (const auto& [row, value] : world.disk.copy().rows) {
    const auto found =
        std::search(row.second.begin(), row.second.end(), ada.account.array().begin(), ada.account.array().end());
    EXPECT_EQ(found, row.second.end()) << row.first << ": the list of before, too, is gone";
  }
}

TEST_F(Devices, OfTwoUpdatesFromOneListTheSecondConflicts) {
  ASSERT_TRUE(world.link(ada, laptop));
  const auto mine = world.add_request(ada, tablet, world.exchange(ada));
  const auto other = world.remove_request(ada, laptop.device);
  ASSERT_TRUE(update(ada, other));
  EXPECT_EQ(status(update(ada, mine)), calls::CALL_STATUS_CONFLICT);
  EXPECT_FALSE(world.authenticate(tablet));
}

class FewUpdates : public DevicesTest {
 protected:
  FewUpdates()
      : DevicesTest([] {
          Config config;
          config.list_updates = {.capacity = 2, .refill = std::chrono::hours(24)};
          return config;
        }()) {}
};
TEST_F(FewUpdates, ArePerDayAndAccount) {
  ASSERT_TRUE(world.link(ada, laptop));
  const auto last = world.add_request(ada, tablet, world.exchange(ada));
  ASSERT_TRUE(update(ada, last));
  const auto removal = world.remove_request(ada, laptop.device);
  const auto refused = update(ada, removal);
  ASSERT_EQ(status(refused), calls::CALL_STATUS_QUOTA);
  EXPECT_EQ(refused.error().retry_after, std::chrono::hours(12));
  EXPECT_TRUE(update(ada, last)) << "what is there already costs nothing";
  Person desk(30);
  EXPECT_TRUE(world.link(bob, desk));
  world.clock.advance(std::chrono::hours(12));
  EXPECT_TRUE(update(ada, removal));
}
TEST_F(FewUpdates, RefusedOnesCostNothing) {
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(add_after([](auto& request, auto&) { request.clear_prekeys(); }), calls::CALL_STATUS_BAD_REQUEST);
  }
  EXPECT_TRUE(world.link(ada, laptop));
  EXPECT_TRUE(world.link(ada, tablet));
}

TEST_F(Devices, TenAreTheMost) {
  std::vector<std::unique_ptr<Person>> people;
  for (std::uint64_t i = 0; i < 9; ++i) {
    people.push_back(std::make_unique<Person>(100 + i));
    ASSERT_TRUE(world.link(ada, *people.back())) << i;
  }
  const auto reply = world.bundles(bob, ada.account);
  EXPECT_EQ(reply->devices_size(), 10);
  EXPECT_LE(reply->ByteSizeLong(), 65'526u);
  for (const auto& person : people) EXPECT_TRUE(world.authenticate(*person));
}

}  // namespace
}  // namespace opaline::identity
