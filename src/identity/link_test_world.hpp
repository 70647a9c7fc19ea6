#pragma once
// For the tests of link exchanges: Ada and Bob, and what new devices ask for.
#include <gtest/gtest.h>

#include "identity/identity_test_world.hpp"

namespace opaline::identity::testing {

template <class T>
calls::CallStatus status(const Answer<T>& answer) {
  return answer ? calls::CALL_STATUS_OK : answer.error().status;
}
inline std::vector<std::string> messages(const Answer<calls::LinkTurnReply>& reply) {
  if (!reply) return {"refused: " + reply.error().message};
  return {reply->messages().begin(), reply->messages().end()};
}
using Sent = std::vector<std::string>;

class LinkTest : public ::testing::Test {
 protected:
  explicit LinkTest(Config config = {}) : world(config) {}
  void SetUp() override {
    ASSERT_TRUE(world.enrol(ada, "ada@example.org"));
    ASSERT_TRUE(world.enrol(bob, "bob@example.org"));
  }
  Answer<calls::LinkOpenReply> open(const Sent& send = {}, std::uint8_t source = 50) {
    calls::LinkOpenRequest request;
    for (const std::string& message : send) request.add_send(message);
    return world.service->link_open(ipv4(source), request);
  }
  Answer<calls::LinkJoinReply> join(const Person& by, const std::string& exchange, const std::string& number = {}) {
    calls::LinkJoinRequest request;
    request.set_exchange(exchange);
    request.set_number(number);
    return world.service->link_join(by.caller(), request);
  }
  struct Turn {
    std::uint32_t received = 0, sent = 0;
    Sent send = {};
    bool end = false;
  };
  [[nodiscard]] static calls::LinkTurnRequest turn_request(const std::string& exchange, const Turn& turn) {
    calls::LinkTurnRequest request;
    request.set_exchange(exchange);
    request.set_received(turn.received);
    request.set_sent(turn.sent);
    for (const std::string& message : turn.send) request.add_send(message);
    request.set_end(turn.end);
    return request;
  }
  /// The new device's turn in `opened`.
  Answer<calls::LinkTurnReply> fresh(const Turn& turn) {
    auto request = turn_request(opened.exchange(), turn);
    request.set_secret(opened.secret());
    return world.service->new_device_turn(request);
  }
  Answer<calls::LinkTurnReply> turn(const Person& by, const Turn& turn) {
    return world.service->link_turn(by.caller(), turn_request(opened.exchange(), turn));
  }
  /// `opened` is an exchange that Ada has joined.
  void meet(const Sent& first = {}) {
    opened = *open(first);
    ASSERT_TRUE(join(ada, opened.exchange()));
  }
  World world;
  Person ada{7}, bob{8};
  calls::LinkOpenReply opened;
};

}  // namespace opaline::identity::testing
