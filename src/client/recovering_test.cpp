// Recovery at the client: what it takes from a service, and what it makes of lost answers; over real sockets.
#include "client/linking_test_support.hpp"

namespace opaline::client {
namespace {

using namespace client::testing;

class RecoveringTest : public LinkingTest {
 protected:
  /// The service's part, with the given lists as what it has.
  void serve(Bytes stored, std::vector<Bytes> between = {}) {
    recovery_ = [this, stored = std::move(stored), between = std::move(between)](const net::HttpRequest& request) {
      if (request.path() == "/v1/recovery/start") {
        wire::v1::RecoveryStartReply reply;
        reply.set_challenge(std::string(challenge_bytes_, 'c'));
        return ok(reply);
      }
      if (request.path() == "/v1/recovery/open") {
        wire::v1::RecoveryOpenReply reply;
        reply.set_ticket(std::string(ticket_bytes_, 't'));
        reply.set_mailbox(std::string(16, 'm'));
        reply.set_device_list(to_string(stored));
        if (opens_++ == 0)
          for (const Bytes& list : between) reply.add_list_history(to_string(list));
        return ok(reply);
      }
      ++completes_;
      asked_ = read<wire::v1::RecoveryCompleteRequest>(request.body);
      if (complete_status_ != 0) return refused(complete_status_);
      if (lose_complete_) {
        HttpResponse nothing;
        nothing.status = 503;
        return nothing;
      }
      return ok(wire::v1::CompleteReply());
    };
  }
  session::Recovery recovery() { return recovery(*primary_->own_list()); }
  /// A file that was made when this was the list.
  session::Recovery recovery(const session::VerifiedDeviceList& list) {
    return {std::move(*primary_->account_key()), list, DeviceNumber{1}, clock_.now(), {}};
  }
  /// The next list, with one device number used up.
  [[nodiscard]] session::VerifiedDeviceList next(const session::VerifiedDeviceList& before,
                                                 const session::AccountKey& key) {
    session::DeviceList list = before.list();
    list.number = ListNumber{static_cast<std::uint32_t>(list.number) + 1};
    list.previous = before.hash();
    list.next_device = DeviceNumber{static_cast<std::uint32_t>(list.next_device) + 1};
    return *session::verify_device_list(session::sign_device_list(list, key, random_));
  }
  Recovering recovering() { return Recovering(parts()); }
  wire::v1::RecoveryCompleteRequest asked_;
  std::size_t challenge_bytes_ = 32, ticket_bytes_ = 32;
  int opens_ = 0, completes_ = 0, complete_status_ = 0;
  bool lose_complete_ = false;
};

TEST_F(RecoveringTest, TakesThePrimaryDevicesPlace) {
  const auto list = *primary_->own_list();
  serve(to_bytes(list.bytes()));
  EXPECT_FALSE(*recovering().resume()) << "nothing was begun";
  const auto done = recovering().run(recovery());
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_TRUE(is_device());
  EXPECT_TRUE(*Recovering::unfinished(*store_, random_));
  ASSERT_TRUE(Recovering::finish(*store_, random_));
  EXPECT_FALSE(*Recovering::unfinished(*store_, random_));
}

TEST_F(RecoveringTest, ListsThatDoNotFollowTheFilesAreRefused) {
  const auto first = *primary_->own_list();
  const auto key = *primary_->account_key();
  const auto second = next(first, key), third = next(second, key);
  endpoint::MemoryEndpointStore other_rows;
  ASSERT_TRUE(
      endpoint::Endpoint::create(other_rows, random_, clock_, {account_, DeviceNumber{1}, random_.id<MailboxId>()}));
  ASSERT_TRUE(endpoint::Endpoint::confirm_registration(other_rows));
  const auto other = *(*endpoint::Endpoint::load(other_rows, random_, clock_))->own_list();
  Bytes flipped = to_bytes(second.bytes()), cut = to_bytes(second.bytes());
  flipped[flipped.size() / 2] ^= std::byte{1};
  cut.pop_back();
  struct Case {
    const char* what;
    Bytes stored;
    std::vector<Bytes> between;
  };
  for (const Case& c : {Case{"a flipped bit", flipped, {}}, Case{"a cut", cut, {}}, Case{"nothing", {}, {}},
                        Case{"another account key", to_bytes(other.bytes()), {}},
                        Case{"a flipped list in between", to_bytes(third.bytes()), {flipped}}}) {
    opens_ = 0;
    serve(c.stored, c.between);
    const auto done = recovering().run(recovery());
    ASSERT_FALSE(done) << c.what;
    EXPECT_EQ(done.error().error, ClientError::bad_recovery_file) << c.what;
    EXPECT_EQ(completes_, 0) << c.what;
    EXPECT_FALSE(*Recovering::unfinished(*store_, random_)) << c.what;
  }
  opens_ = 0;
  serve(to_bytes(third.bytes()), {to_bytes(second.bytes())});
  EXPECT_TRUE(recovering().run(recovery())) << "followed, list by list";
}

TEST_F(RecoveringTest, AServiceThatWasSetBackIsGivenTheFilesList) {
  const auto first = *primary_->own_list();
  const auto key = *primary_->account_key();
  session::DeviceList with = next(first, key).list();
  with.devices.push_back(with.devices.front());
  with.devices.back().number = DeviceNumber{2};
  with.devices.back().mailbox = random_.id<MailboxId>();
  with.devices.back().keys = session::DeviceIdentity::generate(random_).public_keys();
  const auto second = *session::verify_device_list(session::sign_device_list(with, key, random_));
  serve(to_bytes(first.bytes()));
  lose_complete_ = true;
  ASSERT_FALSE(recovering().run(recovery(second)));
  const auto lost = asked_.SerializeAsString();
  lose_complete_ = false;
  EXPECT_TRUE(*recovering().resume());
  EXPECT_EQ(asked_.SerializeAsString(), lost) << "after a lost answer the same is asked again";
  ASSERT_EQ(asked_.between_size(), 1);
  EXPECT_EQ(asked_.between(0), to_string(second.bytes()));
  const auto made = session::verify_device_list(as_view(asked_.device_list()));
  ASSERT_TRUE(made);
  EXPECT_EQ(session::compare_lists(second, *made), session::ListChange::successor);
  ASSERT_EQ(made->list().devices.size(), 1U)
      << "the second device is not known there, and cannot be added with this one";
  EXPECT_EQ(made->list().devices[0].number, DeviceNumber{3});

  new_home();
  const auto done = recovering().run(recovery(second));
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_TRUE(done->set_back);
  EXPECT_EQ(done->lost, std::vector{DeviceNumber{2}}) << "which is said";
}

TEST_F(RecoveringTest, AServiceThatWasSetBackFurtherIsNotGivenAChainWithAHole) {
  const auto first = *primary_->own_list();
  const auto key = *primary_->account_key();
  const auto second = next(first, key), third = next(second, key);
  serve(to_bytes(first.bytes()));
  const auto far = recovering().run(recovery(third));
  ASSERT_FALSE(far);
  EXPECT_EQ(far.error().error, ClientError::bad_recovery_file);
  EXPECT_NE(far.error().message.find("restored from a copy"), std::string::npos) << far.error().message;
  // Another list of the same number than the one that the file's follows.
  session::DeviceList other = first.list();
  other.created += 1s;
  serve(session::sign_device_list(other, key, random_));
  const auto forked = recovering().run(recovery(second));
  ASSERT_FALSE(forked);
  EXPECT_NE(forked.error().message.find("WARNING"), std::string::npos) << forked.error().message;
  opens_ = 0;
  serve(to_bytes(first.bytes()), {to_bytes(second.bytes())});
  EXPECT_FALSE(recovering().run(recovery(second))) << "an older list after one that follows";
  EXPECT_EQ(completes_, 0);
  EXPECT_FALSE(*Recovering::unfinished(*store_, random_));
}

TEST_F(RecoveringTest, AnswersOfAnotherShapeAreRefused) {
  serve(to_bytes(primary_->own_list()->bytes()));
  for (const std::size_t size : {0, 31, 33}) {
    challenge_bytes_ = size;
    EXPECT_EQ(recovering().run(recovery()).error().error, ClientError::protocol);
    challenge_bytes_ = 32;
    ticket_bytes_ = size;
    EXPECT_EQ(recovering().run(recovery()).error().error, ClientError::protocol);
    ticket_bytes_ = 32;
  }
  EXPECT_FALSE(*Recovering::unfinished(*store_, random_));
}

TEST_F(RecoveringTest, GoesOnAfterALostAnswer) {
  serve(to_bytes(primary_->own_list()->bytes()));
  lose_complete_ = true;
  ASSERT_FALSE(recovering().run(recovery()));
  EXPECT_FALSE(is_device());
  EXPECT_FALSE(recovering().resume()) << "still no answer: not known";
  EXPECT_TRUE(*Recovering::unfinished(*store_, random_));
  lose_complete_ = false;
  EXPECT_TRUE(*recovering().resume());
  EXPECT_TRUE(is_device());
  EXPECT_EQ(completes_, 3);
}

TEST_F(RecoveringTest, ATicketThatIsOverStartsOverUnlessItCameThrough) {
  serve(to_bytes(primary_->own_list()->bytes()));
  complete_status_ = wire::v1::CALL_STATUS_EXPIRED;
  ASSERT_FALSE(recovering().run(recovery()));
  EXPECT_FALSE(recovering().resume()) << "the service does not answer whether it came through";
  EXPECT_TRUE(*Recovering::unfinished(*store_, random_));
  known_ = false;
  EXPECT_FALSE(*recovering().resume());
  EXPECT_FALSE(*Recovering::unfinished(*store_, random_));
  EXPECT_FALSE(is_device());
  ASSERT_FALSE(recovering().run(recovery()));
  known_ = true;
  EXPECT_TRUE(*recovering().resume()) << "it had come through";
  EXPECT_TRUE(is_device());
}

}  // namespace
}  // namespace opaline::client
