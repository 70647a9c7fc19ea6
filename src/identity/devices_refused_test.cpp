// Changes of an account's device list that are refused, without a trace.
#include <gtest/gtest.h>

#include "identity/devices_test_world.hpp"

namespace opaline::identity {
namespace {

using testing::DevicesTest;
using testing::ipv4;
using testing::status;
using testing::text;

class DevicesRefused : public DevicesTest {};

// ---------------------------------------------------------------- refused: the list

TEST_F(DevicesRefused, ADamagedList) {
  auto request = world.add_request(ada, laptop, world.exchange(ada));
  const std::string good = request.device_list();
  for (std::size_t at = 3; at < good.size(); at += good.size() / 25) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 1);
    request.set_device_list(bad);
    EXPECT_EQ(status(update(ada, request)), calls::CALL_STATUS_BAD_REQUEST) << at;
  }
  for (const std::string& bad : {good.substr(0, good.size() - 1), good + "x", std::string()}) {
    request.set_device_list(bad);
    EXPECT_EQ(status(update(ada, request)), calls::CALL_STATUS_BAD_REQUEST);
  }
  request.set_device_list(good);
  EXPECT_TRUE(update(ada, request));
}
TEST_F(DevicesRefused, AListByAnotherKey) {
  expect_no_trace(
      [&](auto& request, auto& list) {
        auto forged = list;
        forged.account_key = bob.account_key.public_key();
        sign(request, forged, bob);
        list = forged;
      },
      calls::CALL_STATUS_CONFLICT);
}
TEST_F(DevicesRefused, AnotherAccountsList) {
  expect_no_trace([](auto&, auto& list) { list.account = AccountId(ByteArray<16>{std::byte{1}}); },
                  calls::CALL_STATUS_CONFLICT);
}
TEST_F(DevicesRefused, AJump) {
  expect_no_trace([](auto&, auto& list) { list.number = ListNumber{3}; }, calls::CALL_STATUS_CONFLICT);
}
TEST_F(DevicesRefused, AnotherPredecessor) {
  expect_no_trace([&](auto&, auto& list) { list.previous = session::ListHash(ada.random.bytes<32>()); },
                  calls::CALL_STATUS_CONFLICT);
}
TEST_F(DevicesRefused, AnotherListOfTheSameNumber) {
  ASSERT_TRUE(world.link(ada, tablet));
  expect_no_trace(
      [&](auto&, auto& list) {
        list.number = ListNumber{2};
        list.previous = session::ListHash(ada.random.bytes<32>());
      },
      calls::CALL_STATUS_CONFLICT);
}
TEST_F(DevicesRefused, ANumberThatWasUsed) {
  ASSERT_TRUE(world.link(ada, tablet));
  ASSERT_TRUE(update(ada, world.remove_request(ada, tablet.device)));
  expect_no_trace([&](auto&, auto& list) { list.devices.back().number = tablet.device; }, calls::CALL_STATUS_CONFLICT);
}
TEST_F(DevicesRefused, OtherKeysForADeviceThatStays) {
  expect_no_trace([&](auto&, auto& list) { list.devices.front().keys = bob.identity.public_keys(); },
                  calls::CALL_STATUS_CONFLICT);
}
TEST_F(DevicesRefused, AnotherMailboxForADeviceThatStays) {
  expect_no_trace([&](auto&, auto& list) { list.devices.front().mailbox = ada.random.template id<MailboxId>(); },
                  calls::CALL_STATUS_CONFLICT);
}
TEST_F(DevicesRefused, AListOfBefore) {
  const auto first = text(world.list_of(ada).bytes());
  ASSERT_TRUE(world.link(ada, tablet));
  calls::UpdateDevicesRequest stale;
  stale.set_device_list(first);
  EXPECT_EQ(status(update(ada, stale)), calls::CALL_STATUS_CONFLICT);
  EXPECT_TRUE(world.authenticate(tablet));
}
TEST_F(DevicesRefused, TwoNewDevicesAtOnce) {
  expect_no_trace([&](auto&, auto& list) {
    auto second = list.devices.back();
    second.number = list.next_device;
    second.mailbox = ada.random.template id<MailboxId>();
    second.keys = tablet.identity.public_keys();
    list.devices.push_back(second);
    list.next_device = DeviceNumber{static_cast<std::uint32_t>(second.number) + 1};
  });
}
TEST_F(DevicesRefused, ToLoseTheCaller) {
  ASSERT_TRUE(world.link(ada, tablet));
  EXPECT_EQ(status(update(tablet, world.remove_request(ada, tablet.device))), calls::CALL_STATUS_FORBIDDEN);
  EXPECT_TRUE(world.authenticate(tablet));
  EXPECT_TRUE(update(ada, world.remove_request(ada, tablet.device)));
}

// ---------------------------------------------------------------- refused: the new device

TEST_F(DevicesRefused, AMailboxOfOnesOwnChoice) {
  expect_no_trace([&](auto&, auto& list) { list.devices.back().mailbox = ada.random.template id<MailboxId>(); });
}
TEST_F(DevicesRefused, TheMailboxOfAnotherAccount) {
  expect_no_trace([&](auto&, auto& list) { list.devices.back().mailbox = bob.mailbox; });
}
TEST_F(DevicesRefused, TheMailboxOfAnotherExchange) {
  const auto other = world.exchange(ada);
  expect_no_trace([&](auto&, auto& list) { list.devices.back().mailbox = *MailboxId::from(as_view(other.mailbox())); });
}
TEST_F(DevicesRefused, TheSameMailboxTwice) {
  const auto joined = world.exchange(ada);
  ASSERT_TRUE(update(ada, world.add_request(ada, laptop, joined)));
  EXPECT_EQ(status(update(ada, world.add_request(ada, tablet, joined))), calls::CALL_STATUS_BAD_REQUEST);
  ASSERT_TRUE(update(ada, world.remove_request(ada, laptop.device)));
  EXPECT_EQ(status(update(ada, world.add_request(ada, tablet, joined))), calls::CALL_STATUS_BAD_REQUEST)
      << "it answers `gone`";
}
TEST_F(DevicesRefused, TheAccountKeyAsADevices) {
  expect_no_trace([&](auto&, auto& list) { list.devices.back().keys.signing = ada.account_key.public_key(); });
}
TEST_F(DevicesRefused, AnotherDevicesKey) {
  expect_no_trace([&](auto&, auto& list) { list.devices.back().keys.signing = ada.identity.public_keys().signing; });
}
TEST_F(DevicesRefused, AnUnknownExchange) {
  expect_no_trace([&](auto& request, auto&) { request.set_exchange(text(ada.random.template bytes<16>())); },
                  calls::CALL_STATUS_NOT_FOUND);
}
TEST_F(DevicesRefused, NoExchange) {
  expect_no_trace([](auto& request, auto&) { request.clear_exchange(); }, calls::CALL_STATUS_NOT_FOUND);
}
TEST_F(DevicesRefused, AnExchangeThatIsOver) {
  const auto request = world.add_request(ada, laptop, world.exchange(ada));
  world.clock.advance(std::chrono::minutes(10));
  EXPECT_EQ(status(update(ada, request)), calls::CALL_STATUS_NOT_FOUND);
  EXPECT_FALSE(world.authenticate(laptop));
}
TEST_F(DevicesRefused, AnExchangeThatAnotherAccountJoined) {
  const auto joined = world.exchange(bob);
  EXPECT_EQ(status(update(ada, world.add_request(ada, laptop, joined))), calls::CALL_STATUS_NOT_FOUND);
}
TEST_F(DevicesRefused, AnExchangeThatAnotherDeviceOfTheAccountJoined) {
  ASSERT_TRUE(world.link(ada, tablet));
  const auto joined = world.exchange(tablet);
  const auto request = world.add_request(ada, laptop, joined);
  EXPECT_EQ(status(update(ada, request)), calls::CALL_STATUS_NOT_FOUND);
  EXPECT_TRUE(update(tablet, request)) << "who holds the account key is not the server's to know";
}
TEST_F(DevicesRefused, AnExchangeThatNobodyJoined) {
  const auto opened = world.service->link_open(ipv4(5), {});
  auto joined = world.exchange(ada);
  joined.set_exchange(opened->exchange());
  EXPECT_EQ(status(update(ada, world.add_request(ada, laptop, joined))), calls::CALL_STATUS_NOT_FOUND);
}
TEST_F(DevicesRefused, NoPrekeys) {
  expect_no_trace([](auto& request, auto&) { request.clear_prekeys(); });
}
TEST_F(DevicesRefused, AnotherDevicesPrekeys) {
  expect_no_trace([&](auto& request, auto&) { *request.mutable_prekeys() = ada.make_prekeys(world.clock.now()); });
}
TEST_F(DevicesRefused, PrekeysThatAreOver) {
  expect_no_trace([&](auto& request, auto&) {
    *request.mutable_prekeys() = laptop.make_prekeys(world.clock.now() - std::chrono::days(8));
  });
}
TEST_F(DevicesRefused, ADamagedPrekeySet) {
  auto request = world.add_request(ada, laptop, world.exchange(ada));
  const std::string good = request.prekeys().signed_prekeys();
  for (std::size_t at = 3; at < good.size(); at += good.size() / 20) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 1);
    request.mutable_prekeys()->set_signed_prekeys(bad);
    EXPECT_EQ(status(update(ada, request)), calls::CALL_STATUS_BAD_REQUEST) << at;
  }
  request.mutable_prekeys()->set_signed_prekeys(good);
  EXPECT_TRUE(update(ada, request));
}

}  // namespace
}  // namespace opaline::identity
