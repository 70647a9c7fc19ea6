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
      if (complete_status_ != 0) return refused(complete_status_);
      if (lose_complete_) {
        HttpResponse nothing;
        nothing.status = 503;
        return nothing;
      }
      return ok(wire::v1::CompleteReply());
    };
  }
  session::Recovery recovery() {
    return {std::move(*primary_->account_key()), *primary_->own_list(), DeviceNumber{1}, clock_.now(), {}};
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
  session::Recovery later{std::move(*primary_->account_key()), third, DeviceNumber{1}, clock_.now(), {}};

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
  serve(to_bytes(second.bytes()));
  const auto stale = recovering().run(later);
  ASSERT_FALSE(stale) << "the file knows a later list than the service shows";
  EXPECT_EQ(stale.error().error, ClientError::bad_recovery_file);
  opens_ = 0;
  serve(to_bytes(third.bytes()), {to_bytes(second.bytes())});
  EXPECT_TRUE(recovering().run(recovery())) << "followed, list by list";
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
