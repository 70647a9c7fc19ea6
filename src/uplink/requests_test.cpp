// What the service's answers mean to a device.
#include "uplink/requests.hpp"

#include <gtest/gtest.h>

#include "base/random.hpp"
#include "endpoint/memory_endpoint_store.hpp"
#include "proto/device.pb.h"

namespace opaline::uplink {
namespace {

using endpoint::Endpoint;

/// A device that wants to write to somebody and has asked for the list.
class AnswerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const endpoint::Enrolment enrolment{random_.id<AccountId>(), DeviceNumber{1}, random_.id<MailboxId>()};
    ASSERT_TRUE(Endpoint::create(store_, random_, clock_, enrolment));
    ASSERT_TRUE(Endpoint::confirm_registration(store_));
    device_ = std::move(*Endpoint::load(store_, random_, clock_));
    device_->connected({clock_.now(), wire::kInitialCreditEnvelopes, wire::kInitialCreditBytes, enrolment.mailbox});
    message_ = *device_->send_text(random_.id<AccountId>(), "hello");
    const auto actions = device_->commit_round();
    ASSERT_TRUE(actions);
    for (const endpoint::Action& action : *actions) {
      const auto* request = std::get_if<endpoint::Request>(&action);
      if (request == nullptr || !std::holds_alternative<endpoint::FetchBundles>(request->body)) continue;
      id_ = request->id;
      EXPECT_EQ(encode_request(request->body).method, wire::v1::METHOD_BUNDLES);
    }
    ASSERT_NE(id_, endpoint::RequestId{});
  }
  /// What became of the message.
  std::pair<endpoint::MessageState, endpoint::Reason> after(std::uint16_t method, int status, Bytes body = {}) {
    give_reply(*device_, id_, method, {static_cast<std::uint16_t>(status), std::move(body)});
    EXPECT_TRUE(device_->commit_round());
    const auto* message = store_.history().find(message_);
    return {message->state, message->reason};
  }
  SeededRandom random_{3};
  ManualClock clock_{from_unix_millis(1'700'000'000'000)};
  endpoint::MemoryEndpointStore store_;
  std::unique_ptr<Endpoint> device_;
  MessageId message_;
  endpoint::RequestId id_{};
};

using endpoint::MessageState;
using endpoint::Reason;

TEST_F(AnswerTest, ClosedFailsWhatWaits) {
  EXPECT_EQ(after(wire::v1::METHOD_BUNDLES, wire::v1::CALL_STATUS_CLOSED),
            std::pair(MessageState::failed, Reason::closed));
  EXPECT_EQ(device_->waiting(), 0U);
}
TEST_F(AnswerTest, ClosedIsTheAnswerToTokensToo) {
  EXPECT_EQ(after(wire::v1::METHOD_SEND_TOKENS, wire::v1::CALL_STATUS_CLOSED),
            std::pair(MessageState::failed, Reason::closed));
}
TEST_F(AnswerTest, AnUnknownAccountFailsItToo) {
  EXPECT_EQ(after(wire::v1::METHOD_BUNDLES, wire::v1::CALL_STATUS_NOT_FOUND),
            std::pair(MessageState::failed, Reason::no_such_account));
}
TEST_F(AnswerTest, TroubleThatPassesKeepsIt) {
  EXPECT_EQ(after(wire::v1::METHOD_BUNDLES, wire::v1::CALL_STATUS_QUOTA),
            std::pair(MessageState::queued, Reason::directory_unavailable));
}
TEST_F(AnswerTest, AStatusOfTheFutureKeepsIt) {
  EXPECT_EQ(after(wire::v1::METHOD_BUNDLES, 9999), std::pair(MessageState::queued, Reason::directory_unavailable));
}
TEST_F(AnswerTest, AnAnswerThatMakesNoSenseKeepsIt) {
  EXPECT_EQ(after(wire::v1::METHOD_BUNDLES, wire::v1::CALL_STATUS_OK, Bytes(7, std::byte{0xff})),
            std::pair(MessageState::queued, Reason::directory_unavailable));
}

}  // namespace
}  // namespace opaline::uplink
