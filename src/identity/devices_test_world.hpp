#pragma once
// For the tests of device lists: Ada and Bob with a device each, and further devices of Ada's to be.
#include <gtest/gtest.h>

#include "identity/identity_test_world.hpp"

namespace opaline::identity::testing {

template <class T>
calls::CallStatus status(const Answer<T>& answer) {
  return answer ? calls::CALL_STATUS_OK : answer.error().status;
}

class DevicesTest : public ::testing::Test {
 protected:
  explicit DevicesTest(Config config = {}) : world(config) {}
  void SetUp() override {
    ASSERT_TRUE(world.enrol(ada, "ada@example.org"));
    ASSERT_TRUE(world.enrol(bob, "bob@example.org"));
  }
  Answer<calls::AccountReply> update(const Person& by, const calls::UpdateDevicesRequest& request) {
    return world.service->update_devices(by.caller(), request);
  }
  void sign(calls::UpdateDevicesRequest& request, const session::DeviceList& list, Person& signer) {
    request.set_device_list(text(session::sign_device_list(list, signer.account_key, signer.random)));
  }
  [[nodiscard]] static session::DeviceList list_in(const calls::UpdateDevicesRequest& request) {
    return session::load_device_list(as_view(request.device_list()))->list();
  }
  /// Ada adds her laptop by an honest request, after this was done to it.
  calls::CallStatus add_after(const std::function<void(calls::UpdateDevicesRequest&, session::DeviceList&)>& change) {
    auto request = world.add_request(ada, laptop, world.exchange(ada));
    auto list = list_in(request);
    change(request, list);
    if (list != list_in(request)) sign(request, list, ada);
    return status(update(ada, request));
  }
  /// Nothing was stored, and an honest request still works.
  void expect_no_trace(const std::function<void(calls::UpdateDevicesRequest&, session::DeviceList&)>& change,
                       calls::CallStatus expected = calls::CALL_STATUS_BAD_REQUEST) {
    const auto before = world.list_of(ada).bytes();
    const auto writes = world.rows.writes;
    const auto events = world.relay.events.size();
    EXPECT_EQ(add_after(change), expected);
    EXPECT_EQ(world.rows.writes, writes);
    EXPECT_EQ(world.relay.events.size(), events);
    EXPECT_EQ(world.list_of(ada).bytes(), before);
    EXPECT_TRUE(world.link(ada, laptop));
  }
  World world;
  Person ada{7}, bob{8}, laptop{9}, tablet{10};
};

}  // namespace opaline::identity::testing
