// Another root for a persona: after a device was removed, where it was closed, and at a service that was set back.
#include "identity/personas_test_world.hpp"

namespace opaline::identity {
namespace {

using namespace testing;

class Roots : public PersonasTest {
 protected:
  void SetUp() override {
    PersonasTest::SetUp();
    ada_joins();
    ASSERT_TRUE(world.link(ada, laptop));
  }
  void laptop_joins() { ASSERT_TRUE(world.join(laptop, shop, ada_root, laptop_there)); }
  void laptop_is_removed() {
    ASSERT_TRUE(world.service->update_devices(ada.caller(), world.remove_request(ada, laptop.device)));
  }
  [[nodiscard]] session::DeviceList next() {
    return session::next_device_list(*session::verify_device_list(as_view(world.open(ada, shop)->device_list())),
                                     world.clock.now());
  }
  /// Signed by `root`, without a device that is added.
  [[nodiscard]] calls::PersonaJoinRequest renewal(session::DeviceList list, Person& root) {
    list.account_key = root.account_key.public_key();
    calls::PersonaJoinRequest out;
    out.set_business(text(shop.view()));
    out.set_device_list(text(session::sign_device_list(list, root.account_key, root.random)));
    return out;
  }
  Person other{50};
};

TEST_F(Roots, AnyDeviceOfTheAccountRenewsTheRootAndTheOthersStay) {
  laptop_joins();
  const auto request = renewal(next(), other);
  const auto events = world.relay.events.size();
  const auto told = notices(calls::NOTICE_ACCOUNT_CHANGED);
  ASSERT_TRUE(world.join(ada, request));
  EXPECT_EQ(notices(calls::NOTICE_ACCOUNT_CHANGED), told + 2) << "both of the persona's devices are told";
  EXPECT_EQ(world.relay.events.size(), events + 2) << "and nobody is put out";
  EXPECT_TRUE(world.authenticate(ada_there));
  EXPECT_TRUE(world.authenticate(laptop_there));
  EXPECT_EQ(world.bundles(shop_gateway, persona)->device_list(), request.device_list());
  Person fresh(51);
  EXPECT_TRUE(world.join(ada, shop, other, fresh)) << "and the next one comes in by it";
}

TEST_F(Roots, WhoIsGoneIsSaidAndLeftOut) {
  laptop_joins();
  EXPECT_EQ(world.open(ada, shop)->gone_size(), 0);
  laptop_is_removed();
  const auto opened = world.open(ada, shop);
  ASSERT_EQ(opened->gone_size(), 1);
  EXPECT_EQ(opened->gone(0), static_cast<std::uint32_t>(laptop_there.device));
  auto list = next();
  EXPECT_EQ(status(world.join(ada, renewal(list, other))), calls::CALL_STATUS_CONFLICT) << "it is named";
  std::erase_if(list.devices, [&](const auto& entry) { return entry.number == laptop_there.device; });
  EXPECT_EQ(status(world.join(laptop, renewal(list, other))), calls::CALL_STATUS_NOT_FOUND) << "by who is gone";
  ASSERT_TRUE(world.join(ada, renewal(list, other)));
  EXPECT_EQ(world.bundles(shop_gateway, persona)->devices_size(), 1);
  EXPECT_EQ(world.open(ada, shop)->gone_size(), 0);
}

TEST_F(Roots, WhatDoesNotFollowIsRefusedUnderAnyRoot) {
  laptop_joins();
  const auto refused = [&](const session::DeviceList& list, const char* what) {
    const auto writes = world.rows.writes;
    EXPECT_NE(status(world.join(ada, renewal(list, other))), calls::CALL_STATUS_OK) << what;
    EXPECT_EQ(world.rows.writes, writes) << what;
  };
  auto list = next();
  list.number = ListNumber{static_cast<std::uint32_t>(list.number) - 1};
  refused(list, "the stored number");
  list = next();
  list.devices[0].keys = other.identity.public_keys();
  refused(list, "a device with other keys");
  list = next();
  list.devices.push_back(list.devices[0]);
  list.devices.back().number = list.next_device;
  list.next_device = DeviceNumber{static_cast<std::uint32_t>(list.next_device) + 1};
  refused(list, "a device without prekeys");
  list = next();
  list.account = bob.account;
  refused(list, "of another account");
  list = next();
  auto same_root = renewal(list, ada_root);
  EXPECT_EQ(status(world.join(ada, same_root)), calls::CALL_STATUS_BAD_REQUEST) << "under its root it must add one";
  ASSERT_TRUE(world.close(ada, shop));
  EXPECT_NE(status(world.join(ada, renewal(next(), other))), calls::CALL_STATUS_OK)
      << "a closed one is opened by a device";
}

TEST_F(Roots, AClosedOneIsOpenedUnderAnyRoot) {
  ASSERT_TRUE(world.close(ada, shop));
  Person fresh(51);
  ASSERT_TRUE(world.join(ada, shop, other, fresh));
  EXPECT_EQ(fresh.account, persona);
  EXPECT_TRUE(world.authenticate(fresh));
}

TEST_F(Roots, AServiceThatWasSetBackTakesAListFromAfterItsOwn) {
  // It has list 1 of one device. The laptop was in list 5, which it lost: that device is 4.
  Person back(51);
  const auto opened = world.open(laptop, shop);
  auto request = world.join_request(*opened, shop, other, back);
  auto list = session::load_device_list(as_view(request.device_list()))->list();
  list.number = ListNumber{6};
  list.next_device = DeviceNumber{6};
  list.devices.back().number = back.device = DeviceNumber{5};
  request.set_device_list(text(session::sign_device_list(list, other.account_key, other.random)));
  *request.mutable_prekeys() = back.make_prekeys(world.clock.now());
  ASSERT_TRUE(world.join(laptop, request));
  EXPECT_TRUE(world.join(laptop, request)) << "and once more";
  EXPECT_TRUE(world.authenticate(back));
  EXPECT_TRUE(world.authenticate(ada_there)) << "whom it knew";
  EXPECT_EQ(world.bundles(shop_gateway, persona)->devices_size(), 2);

  // Of the bank it knows nothing any more.
  Person alone(52);
  const auto bank_opened = world.open(ada, bank);
  auto first = world.join_request(*bank_opened, bank, other, alone);
  auto later = session::load_device_list(as_view(first.device_list()))->list();
  later.number = ListNumber{9};
  later.previous = credentials::ListHash(ByteArray<32>{std::byte{1}});
  later.devices.back().number = alone.device = DeviceNumber{7};
  later.next_device = DeviceNumber{8};
  first.set_device_list(text(session::sign_device_list(later, other.account_key, other.random)));
  *first.mutable_prekeys() = alone.make_prekeys(world.clock.now());
  ASSERT_TRUE(world.join(ada, first));
  EXPECT_TRUE(world.join(ada, first)) << "and once more";
  EXPECT_TRUE(world.authenticate(alone));
}

}  // namespace
}  // namespace opaline::identity
