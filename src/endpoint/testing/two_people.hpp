#pragma once
// For this room's tests: two people who are connected, each with one device at first.
#include <gtest/gtest.h>

#include "endpoint/testing/world.hpp"

namespace opaline::endpoint::testing {

using Texts = std::vector<std::string>;

class TwoPeople : public ::testing::Test {
 protected:
  explicit TwoPeople(std::uint64_t seed = 7) : world(seed) {}
  void SetUp() override {
    world.connect(anna);
    world.connect(ben);
    ASSERT_TRUE(world.settle());
  }
  MessageId say(Device& from, const Device& to, std::string_view text) {
    const MessageId id = world.send(from, to, text);
    EXPECT_TRUE(world.settle());
    return id;
  }
  static Texts written(const Device& device) {
    Texts out;
    for (const auto& o : device.store.history().outgoing) out.push_back(to_string(o.message.body.text));
    return out;
  }
  static bool is_read(const Device& device, const MessageId& id) {
    for (const IncomingMessage& m : device.store.history().incoming)
      if (m.id == id) return m.read;
    return false;
  }
  World world;
  Device& anna = world.add("anna");
  Device& ben = world.add("ben");
};

}  // namespace opaline::endpoint::testing
