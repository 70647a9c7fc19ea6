// What is left of a device that was removed, or never heard of again.
#include <algorithm>

#include "endpoint/internal/records.hpp"
#include "endpoint/testing/rogue.hpp"
#include "endpoint/testing/two_people.hpp"

namespace opaline::endpoint {
namespace {

using testing::Device;
using testing::Texts;

class RemovalTest : public testing::TwoPeople {
 protected:
  /// The tablet writes to Ben and nothing of it goes out; the copies do.
  MessageId write_in_vain(Device& tablet) {
    world.full_for = ben.mailbox;
    const MessageId id = say(tablet, ben, "did it go out?");
    EXPECT_TRUE(world.pass(std::chrono::minutes(1)));
    world.cut(tablet);
    world.full_for = {};
    EXPECT_EQ(anna.state_of(id), MessageState::queued);
    return id;
  }
  void remove(const Device& device) {
    ASSERT_TRUE(anna.endpoint->remove_device(device.address.device).has_value());
    world.round(anna);
    ASSERT_TRUE(world.settle());
  }
  static std::size_t rows_of(const Device& at, Table table, const Bytes& key) {
    return at.store.contents().rows.count({table, key});
  }
};

TEST_F(RemovalTest, WhatADeviceWroteDoesNotWaitForEverOnTheOthersWhenItIsRemoved) {
  Device& tablet = world.link_live(anna, "tablet");
  Device& laptop = world.link_live(anna, "laptop");
  const MessageId by_phone = say(anna, ben, "this did");
  const MessageId id = write_in_vain(tablet);
  remove(tablet);
  for (const Device* device : {&anna, &laptop}) {
    EXPECT_EQ(device->state_of(id), MessageState::failed) << device->name;
    EXPECT_EQ(device->reason_of(id), Reason::not_confirmed) << device->name;
    EXPECT_EQ(device->state_of(by_phone), MessageState::delivered) << device->name;
  }
  // It went out after all: its recipient says so, also to a program that has begun anew.
  world.crash(anna);
  wire::Receipt receipt{.kind = wire::ReceiptKind::delivered, .count = 1};
  receipt.ids[0] = id;
  testing::Rogue(world, ben, anna).say(receipt);
  EXPECT_EQ(anna.state_of(id), MessageState::delivered);
}

TEST_F(RemovalTest, WhatARemovedDeviceWroteMayStillBeDelivered) {
  Device& tablet = world.link_live(anna, "tablet");
  say(tablet, ben, "hello");
  world.cut(ben);
  // It went out, but the news of that does not come.
  world.full_for = anna.mailbox;
  const MessageId id = say(tablet, ben, "to ben");
  world.cut(tablet);
  world.full_for = {};
  remove(tablet);
  world.connect(ben);
  ASSERT_TRUE(world.pass(std::chrono::minutes(10)));
  if (anna.store.history().find(id) != nullptr) EXPECT_EQ(anna.state_of(id), MessageState::delivered);
  EXPECT_EQ(ben.texts(), (Texts{"hello", "to ben"}));
}

TEST_F(RemovalTest, NorWhenItIsNeverHeardOfAgain) {
  Device& tablet = world.link_live(anna, "tablet");
  const MessageId id = write_in_vain(tablet);
  ASSERT_TRUE(world.pass(kResendFor - std::chrono::days(1), std::chrono::hours(12)));
  EXPECT_EQ(anna.state_of(id), MessageState::queued);
  ASSERT_TRUE(world.pass(std::chrono::days(3), std::chrono::hours(12)));
  EXPECT_EQ(anna.state_of(id), MessageState::failed);
  EXPECT_EQ(anna.reason_of(id), Reason::not_confirmed);
}

TEST_F(RemovalTest, NothingOfARemovedDeviceIsKept) {
  Device& tablet = world.link_live(anna, "tablet");
  Device& laptop = world.link_live(anna, "laptop");
  say(ben, anna, "to all");
  say(tablet, ben, "from the tablet");
  ASSERT_TRUE(world.pass(std::chrono::minutes(5)));
  const Bytes key = internal::device_key(tablet.address);
  for (const Device* device : {&anna, &laptop, &ben}) ASSERT_EQ(rows_of(*device, Table::peer_device, key), 1u);
  ASSERT_EQ(rows_of(laptop, Table::own_device, internal::own_device_key(tablet.address.device)), 1u);
  const std::size_t sessions = ben.store.rows(Table::session);
  remove(tablet);
  say(ben, anna, "to those that are left");
  ASSERT_TRUE(world.pass(std::chrono::hours(2)));
  for (const Device* device : {&anna, &laptop, &ben})
    EXPECT_EQ(rows_of(*device, Table::peer_device, key), 0u) << device->name;
  for (const Device* device : {&anna, &laptop})
    EXPECT_EQ(rows_of(*device, Table::own_device, internal::own_device_key(tablet.address.device)), 0u) << device->name;
  EXPECT_LT(ben.store.rows(Table::session), sessions);
  EXPECT_EQ(rows_of(ben, Table::peer_device, internal::device_key(laptop.address)), 1u);
  EXPECT_EQ(laptop.texts().back(), "to those that are left");
}

TEST_F(RemovalTest, ADeviceThatGoesWhileSomethingIsUnderWayToItIsForgottenToo) {
  Device& tablet = world.link_live(anna, "tablet");
  say(ben, anna, "to all");
  say(tablet, ben, "hi");
  ASSERT_TRUE(world.pass(std::chrono::minutes(5)));
  const Bytes key = internal::device_key(tablet.address);
  world.send(ben, anna, "under way");  // submitted, not answered
  remove(tablet);
  ASSERT_TRUE(world.pass(std::chrono::hours(2)));
  say(anna, ben, "it is gone");
  EXPECT_EQ(rows_of(ben, Table::peer_device, key), 0u);
  EXPECT_EQ(anna.texts().back(), "under way");
}

}  // namespace
}  // namespace opaline::endpoint
