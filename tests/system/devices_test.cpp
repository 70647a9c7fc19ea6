// Several devices of one account against a real opalined: linked over HTTPS and the device connection, told of changes,
// unlinked at once.
#include <gtest/gtest.h>

#include "server/test_support/temporary_directory.hpp"
#include "system/device_client.hpp"
#include "system/server_process.hpp"

namespace opaline::system_test {
namespace {

namespace calls = identity::calls;
using identity::testing::list_with;
using identity::testing::list_without;
using identity::testing::text;

class DevicesSystemTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(server_.wait_ready()) << server_.log();
    ASSERT_EQ(anna_.register_as("anna@example.org"), 200U);
    ASSERT_TRUE(anna_.connect());
  }
  session::VerifiedDeviceList list() {
    calls::SendTokensRequest request;
    request.set_account(text(anna_.account().view()));
    const auto reply = anna_.call<calls::SendTokensReply>(calls::METHOD_SEND_TOKENS, request);
    return *session::verify_device_list(as_view(reply->device_list()));
  }
  std::string sign(const session::DeviceList& list) {
    return text(session::sign_device_list(list, anna_.person().account_key, anna_.person().random));
  }
  /// The laptop opens, Anna joins by the number, both take a turn, and Anna's list takes it in.
  bool link() {
    calls::LinkOpenRequest open;
    open.add_send("a commitment");
    calls::LinkOpenReply opened;
    if (!opened.ParseFromString(laptop_.post("link/open", open).body)) return false;
    calls::LinkJoinRequest join;
    join.set_number(opened.number());
    const auto joined = anna_.call<calls::LinkJoinReply>(calls::METHOD_LINK_JOIN, join);
    if (!joined || joined->messages_size() != 1 || joined->messages(0) != "a commitment") return false;
    calls::LinkTurnRequest turn;
    turn.set_exchange(opened.exchange());
    turn.set_received(1);
    turn.add_send(std::string(identity::kMaxLinkMessageBytes, 'k'));
    if (!anna_.call<calls::LinkTurnReply>(calls::METHOD_LINK_TURN, turn)) return false;
    calls::LinkTurnRequest answer;
    answer.set_exchange(opened.exchange());
    answer.set_secret(opened.secret());
    answer.set_sent(1);
    calls::LinkTurnReply heard;
    if (!heard.ParseFromString(laptop_.post("link/turn", answer).body)) return false;
    if (!heard.joined() || heard.messages_size() != 1 || heard.messages(0) != turn.send(0)) return false;
    calls::UpdateDevicesRequest update;
    update.set_device_list(sign(list_with(list(), laptop_.person(), as_view(joined->mailbox()), SystemClock().now())));
    update.set_exchange(opened.exchange());
    *update.mutable_prekeys() = laptop_.person().make_prekeys(SystemClock().now());
    return anna_.call<calls::AccountReply>(calls::METHOD_UPDATE_DEVICES, update).has_value();
  }
  bool unlink() {
    calls::UpdateDevicesRequest update;
    update.set_device_list(sign(list_without(list(), laptop_.person().device, SystemClock().now())));
    return anna_.call<calls::AccountReply>(calls::METHOD_UPDATE_DEVICES, update).has_value();
  }

  server::TemporaryDirectory dir_;
  ServerProcess server_{dir_.path() / "server"};
  DeviceClient anna_{dir_.path() / "server", 1}, laptop_{dir_.path() / "server", 2}, ben_{dir_.path() / "server", 3};
};

TEST_F(DevicesSystemTest, ALinkedDeviceConnectsAndReceives) {
  EXPECT_FALSE(laptop_.connect()) << "nobody yet";
  ASSERT_TRUE(link());
  ASSERT_TRUE(laptop_.connect());
  ASSERT_EQ(ben_.register_as("ben@example.org"), 200U);
  ASSERT_TRUE(ben_.connect());
  const auto number = ben_.submit(laptop_, ben_.new_id(), "to the laptop");
  const auto pushed = laptop_.receive();
  ASSERT_TRUE(pushed);
  EXPECT_EQ(pushed->ciphertext, "to the laptop");
  EXPECT_EQ(ben_.wait_result(number), wire::SubmitStatus::accepted);
}

TEST_F(DevicesSystemTest, AnUnlinkedDeviceIsGoneAtOnce) {
  ASSERT_TRUE(link());
  ASSERT_TRUE(laptop_.connect());
  ASSERT_EQ(ben_.register_as("ben@example.org"), 200U);
  ASSERT_TRUE(ben_.connect());
  const auto first = ben_.submit(laptop_, ben_.new_id(), "before");
  ASSERT_TRUE(laptop_.receive());
  ASSERT_EQ(ben_.wait_result(first), wire::SubmitStatus::accepted);
  ASSERT_TRUE(unlink());
  laptop_.wait_end();
  EXPECT_EQ(laptop_.goodbye(), wire::GoodbyeCode::removed);
  EXPECT_FALSE(laptop_.connect());
  EXPECT_EQ(laptop_.goodbye(), wire::GoodbyeCode::auth_failed);
  EXPECT_EQ(ben_.send(laptop_, ben_.new_id(), "after"), wire::SubmitStatus::gone) << "by the route and token of before";
  EXPECT_EQ(server_.stop(), 0);
  ASSERT_TRUE(ServerProcess(dir_.path() / "server").wait_ready()) << "and it starts again";
}

TEST_F(DevicesSystemTest, TheOtherDevicesAreToldAndARestartForgetsNothing) {
  ASSERT_TRUE(link());
  ASSERT_TRUE(laptop_.connect());
  // The laptop changes the list (whoever has the account key may): Anna's phone hears of it.
  calls::UpdateDevicesRequest update;
  update.set_device_list(sign(session::next_device_list(list(), SystemClock().now())));
  ASSERT_TRUE(laptop_.call<calls::AccountReply>(calls::METHOD_UPDATE_DEVICES, update));
  EXPECT_EQ(anna_.wait_list_notice(), 3U);
  EXPECT_EQ(server_.stop(), 0);
  ServerProcess again(dir_.path() / "server");
  ASSERT_TRUE(again.wait_ready()) << again.log();
  EXPECT_TRUE(anna_.connect());
  EXPECT_TRUE(laptop_.connect());
}

}  // namespace
}  // namespace opaline::system_test
