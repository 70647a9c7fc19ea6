// Who is who: pinned lists, alarms, first contact, a directory that lies.
#include <gtest/gtest.h>

#include "endpoint/testing/world.hpp"

namespace opaline::endpoint {
namespace {

using testing::Device;
using testing::World;
using Texts = std::vector<std::string>;

class TrustTest : public ::testing::Test {
 protected:
  void SetUp() override {
    world.connect(anna);
    world.connect(ben);
  }
  void get_to_know() {
    world.send(anna, ben, "hello");
    ASSERT_TRUE(world.settle());
    world.send(ben, anna, "hi");
    ASSERT_TRUE(world.settle());
  }
  World world{4};
  Device& anna = world.add("anna");
  Device& ben = world.add("ben");
};

TEST_F(TrustTest, ASwappedIdentityIsAnAlarmAndNothingIsSentToIt) {
  get_to_know();
  const std::string before = *anna.endpoint->safety_number(ben.address.account);
  ASSERT_TRUE(anna.endpoint->set_verified(ben.address.account, true));
  world.round(anna);
  Device& mallory = world.impostor(ben, "mallory");
  world.connect(mallory);
  // The directory is asked again when the relay says that the device is gone.
  world.mailboxes[ben.mailbox].gone = true;
  const MessageId id = world.send(anna, ben, "for ben alone");
  ASSERT_TRUE(world.pass(std::chrono::hours(3)));
  EXPECT_EQ(anna.notices(NoticeKind::identity_changed), 1u);
  EXPECT_EQ(anna.notices(NoticeKind::verify_again), 1u);
  EXPECT_EQ(anna.state_of(id), MessageState::queued);
  EXPECT_EQ(anna.reason_of(id), Reason::identity_changed);
  EXPECT_TRUE(mallory.texts().empty());
  const PeerStatus status = *anna.endpoint->peer_status(ben.address.account);
  EXPECT_TRUE(status.alarmed && status.verify_again && !status.verified);
  EXPECT_NE(*anna.endpoint->safety_number(ben.address.account), before);

  // What the new identity says waits too.
  mallory.endpoint->set_handle("ben");
  world.send(mallory, anna, "it is me, ben");
  ASSERT_TRUE(world.pass(std::chrono::hours(1)));
  EXPECT_EQ(anna.texts(), Texts{"hi"});

  // Survives a restart; then the person agrees.
  world.crash(anna);
  world.connect(anna);
  ASSERT_TRUE(world.pass(std::chrono::hours(1)));
  EXPECT_TRUE(mallory.texts().empty());
  ASSERT_TRUE(anna.endpoint->accept_changed_identity(ben.address.account));
  EXPECT_EQ(anna.endpoint->accept_changed_identity(ben.address.account).error(), Error::no_alarm);
  world.round(anna);
  ASSERT_TRUE(world.pass(std::chrono::hours(1)));
  EXPECT_EQ(mallory.texts(), Texts{"for ben alone"});
  EXPECT_EQ(anna.texts(), (Texts{"hi", "it is me, ben"}));
  EXPECT_EQ(anna.notices(NoticeKind::identity_changed), 1u);
}

TEST_F(TrustTest, AnAcceptedIdentityGetsNothingThatWasSentToTheOldOne) {
  get_to_know();
  const EnvelopeId old = [&] {
    // The server knows every envelope id.
    EnvelopeId seen;
    world.on_submit = [&](const Device& from, const EnvelopeId& id) -> std::optional<wire::SubmitStatus> {
      if (&from == &anna) seen = id;
      return std::nullopt;
    };
    world.send(anna, ben, "secret");
    static_cast<void>(world.settle());
    world.on_submit = nullptr;
    return seen;
  }();
  Device& mallory = world.impostor(ben, "mallory");
  world.connect(mallory);
  anna.endpoint->refresh_peer(ben.address.account);
  world.round(anna);
  ASSERT_TRUE(world.settle());
  ASSERT_TRUE(anna.endpoint->accept_changed_identity(ben.address.account));
  world.round(anna);
  world.send(mallory, anna, "hello");
  ASSERT_TRUE(world.settle());
  // Mallory plays a device that could not open it: the relay hands it the old envelope.
  world.mailboxes[mallory.mailbox].waiting.push_back({old, Bytes(600, std::byte{1}), anna.address.account});
  world.cut(mallory);
  world.connect(mallory);
  ASSERT_TRUE(world.pass(std::chrono::hours(1)));
  EXPECT_GT(anna.endpoint->counters().retries_refused, 0u);
  for (const std::string& text : mallory.texts()) EXPECT_NE(text, "secret");
}

TEST_F(TrustTest, ADirectoryThatGoesBackToTheTruthEndsTheAlarm) {
  get_to_know();
  const auto truth = world.accounts[ben.address.account];
  world.impostor(ben, "mallory");
  anna.endpoint->refresh_peer(ben.address.account);
  world.round(anna);
  ASSERT_TRUE(world.settle());
  const MessageId id = world.send(anna, ben, "waits");
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(anna.state_of(id), MessageState::queued);
  world.accounts[ben.address.account] = truth;
  anna.endpoint->refresh_peer(ben.address.account);
  world.round(anna);
  ASSERT_TRUE(world.pass(std::chrono::minutes(10)));
  EXPECT_EQ(ben.texts(), (Texts{"hello", "waits"}));
  EXPECT_EQ(anna.notices(NoticeKind::identity_changed), 1u);  // it stands in the history
}

TEST_F(TrustTest, AForgedClaimIsDroppedWhenTheDirectoryDoesNotConfirmIt) {
  get_to_know();
  const auto truth = world.accounts[ben.address.account];
  Device& mallory = world.impostor(ben, "mallory");
  world.accounts[ben.address.account] = truth;  // nobody vouches for her
  world.connect(mallory);
  world.send(mallory, anna, "it is me, ben");
  ASSERT_TRUE(world.pass(std::chrono::hours(2)));
  EXPECT_EQ(anna.texts(), Texts{"hi"});
  EXPECT_GT(anna.endpoint->counters().unconfirmed, 0u);
  EXPECT_EQ(anna.notices(NoticeKind::identity_changed), 0u);
  // The real one is not disturbed.
  world.send(ben, anna, "still here");
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(anna.texts(), (Texts{"hi", "still here"}));
}

TEST_F(TrustTest, StrangersWaitForTheDirectoryAndStrangersToItAreDropped) {
  World& w = world;
  w.send(ben, anna, "one");
  w.send(ben, anna, "two");
  w.serve(ben, 100), w.deliver(ben, 100), w.round(ben), w.serve(ben, 100);
  w.directory_out = true;
  ASSERT_TRUE(w.settle());
  EXPECT_TRUE(anna.texts().empty());
  EXPECT_EQ(anna.store.rows(Table::parked), 2u);
  EXPECT_TRUE(w.mailboxes[anna.mailbox].pushed.empty());  // kept here, so acknowledged
  w.crash(anna);
  w.connect(anna);
  ASSERT_TRUE(w.settle());
  w.send(ben, anna, "three");
  ASSERT_TRUE(w.settle());
  EXPECT_TRUE(anna.texts().empty());
  w.directory_out = false;
  ASSERT_TRUE(w.pass(std::chrono::hours(1)));
  EXPECT_EQ(anna.texts(), (Texts{"one", "two", "three"}));
  EXPECT_EQ(anna.store.rows(Table::parked), 0u);

  Device& ghost = w.add("ghost");
  w.connect(ghost);
  w.send(ghost, anna, "boo");
  w.serve(ghost, 100), w.deliver(ghost, 100), w.round(ghost), w.serve(ghost, 100);
  w.accounts.erase(ghost.address.account);
  ASSERT_TRUE(w.pass(std::chrono::hours(1)));
  EXPECT_EQ(anna.texts().size(), 3u);
  EXPECT_EQ(anna.count_events<StrangersDropped>(), 1u);
  EXPECT_EQ(anna.store.rows(Table::parked), 0u);
}

TEST_F(TrustTest, AnOldListIsAnAlarmOnceAndIsNotUsed) {
  get_to_know();
  Device& tablet = world.link(ben, "tablet");
  world.connect(ben);
  world.connect(tablet);
  anna.endpoint->refresh_peer(ben.address.account);
  world.round(anna);
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(anna.endpoint->peer_status(ben.address.account)->devices, 2u);
  EXPECT_EQ(anna.notices(NoticeKind::device_list_changed), 1u);
  const Bytes first = world.accounts[ben.address.account].lists.front();
  world.falsify = [&](DevicesReply& reply, const AccountId&) { reply.signed_list = first; };
  for (int i = 0; i < 3; ++i) {
    anna.endpoint->refresh_peer(ben.address.account);
    world.round(anna);
    ASSERT_TRUE(world.pass(std::chrono::hours(5)));
  }
  EXPECT_EQ(anna.notices(NoticeKind::list_rolled_back), 1u);
  EXPECT_EQ(anna.endpoint->peer_status(ben.address.account)->devices, 2u);
  EXPECT_FALSE(anna.endpoint->peer_status(ben.address.account)->alarmed);
}

TEST_F(TrustTest, TwoSuccessorsOfOneListAreAnAlarm) {
  get_to_know();
  const auto before_ben = ben.store.backup();
  world.link(ben, "tablet");
  const auto one = world.accounts[ben.address.account];
  anna.endpoint->refresh_peer(ben.address.account);
  world.round(anna);
  ASSERT_TRUE(world.settle());
  world.accounts[ben.address.account].lists.pop_back();
  world.restore(ben, before_ben);
  world.link(ben, "other tablet");
  anna.endpoint->refresh_peer(ben.address.account);
  world.round(anna);
  ASSERT_TRUE(world.pass(std::chrono::minutes(1)));
  EXPECT_EQ(anna.notices(NoticeKind::list_forked), 1u);
  EXPECT_EQ(anna.endpoint->peer_status(ben.address.account)->devices, 2u);
}

TEST_F(TrustTest, DamagedListsAndBundlesAreNotUsed) {
  for (int what = 0; what < 6; ++what) {
    World w(100 + static_cast<std::uint64_t>(what));
    Device& a = w.add("a");
    Device& b = w.add("b");
    w.connect(a);
    w.connect(b);
    bool bad = true;
    w.falsify = [&](DevicesReply& reply, const AccountId& about) {
      if (!bad || about != b.address.account) return;
      switch (what) {
        case 0:
          reply.signed_list[reply.signed_list.size() / 2] ^= std::byte{1};
          break;
        case 1:
          reply.signed_list.pop_back();
          break;
        case 2:
          if (!reply.devices.empty() && !reply.devices[0].bundle.empty()) reply.devices[0].bundle[200] ^= std::byte{1};
          break;
        case 3:
          reply.devices.clear();
          break;
        case 4:
          reply.signed_list = w.accounts[a.address.account].lists.back();
          break;
        default:
          reply.devices[0].mailbox = w.random.id<MailboxId>();
      }
    };
    const MessageId id = w.send(a, b, "hello");
    ASSERT_TRUE(w.settle());
    EXPECT_EQ(a.state_of(id), MessageState::queued) << what;
    EXPECT_TRUE(b.texts().empty()) << what;
    bad = false;
    ASSERT_TRUE(w.pass(std::chrono::hours(6)));
    EXPECT_EQ(b.texts(), Texts{"hello"}) << what;
  }
}

TEST_F(TrustTest, AForgedViewOfOurOwnListIsNoticed) {
  // Ben is shown another list of anna: his handshake says so.
  Device& false_anna = world.impostor(anna, "false anna");
  static_cast<void>(false_anna);
  world.mailboxes[false_anna.mailbox].owner = &anna;
  world.connect(ben);
  world.send(ben, anna, "hello");
  ASSERT_TRUE(world.settle());
  EXPECT_TRUE(anna.texts().empty());  // it was made for other keys
}

TEST_F(TrustTest, FanOutReachesEveryDeviceAndFollowsTheList) {
  Device& tablet = world.link(ben, "tablet");
  world.connect(ben);
  world.connect(tablet);
  const MessageId id = world.send(anna, ben, "to both");
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(ben.texts(), Texts{"to both"});
  EXPECT_EQ(tablet.texts(), Texts{"to both"});
  EXPECT_EQ(anna.state_of(id), MessageState::delivered);
  // A device that anna does not know of yet: ben says so, and she sends what is missing.
  world.clock.advance(std::chrono::hours(1));
  Device& phone = world.link(ben, "phone");
  world.connect(ben);
  world.connect(phone);
  world.send(anna, ben, "to all three");
  ASSERT_TRUE(world.pass(std::chrono::minutes(30)));
  EXPECT_EQ(ben.texts().back(), "to all three");
  EXPECT_EQ(tablet.texts().back(), "to all three");
  EXPECT_EQ(phone.texts(), Texts{"to all three"});
  // One that leaves: gone, without an alarm, and its words are not believed any more.
  world.unlink(ben, tablet);
  world.connect(ben);
  const MessageId last = world.send(anna, ben, "to two");
  ASSERT_TRUE(world.pass(std::chrono::minutes(30)));
  EXPECT_EQ(tablet.texts().size(), 2u);
  EXPECT_EQ(phone.texts().back(), "to two");
  EXPECT_EQ(anna.state_of(last), MessageState::delivered);
  EXPECT_EQ(anna.endpoint->peer_status(ben.address.account)->devices, 2u);
  world.send(tablet, anna, "I was removed");
  ASSERT_TRUE(world.pass(std::chrono::minutes(30)));
  EXPECT_TRUE(anna.texts().empty());
  EXPECT_EQ(anna.notices(NoticeKind::list_forked) + anna.notices(NoticeKind::list_rolled_back), 0u);
}

TEST_F(TrustTest, WhenEveryDeviceIsGoneAnOutageOfTheDirectoryIsNotTheEnd) {
  get_to_know();
  Device& laptop = world.link(ben, "laptop");
  world.connect(laptop);
  world.unlink(ben, ben);
  world.directory_out = true;
  const MessageId id = world.send(anna, ben, "to whom it may concern");
  ASSERT_TRUE(world.pass(std::chrono::hours(1)));
  EXPECT_EQ(anna.state_of(id), MessageState::queued);
  world.directory_out = false;
  ASSERT_TRUE(world.pass(std::chrono::hours(6)));
  EXPECT_EQ(laptop.texts().back(), "to whom it may concern");
}

TEST_F(TrustTest, WhenEveryDeviceIsGoneTheMessageSaysSo) {
  get_to_know();
  world.mailboxes[ben.mailbox].gone = true;
  const MessageId id = world.send(anna, ben, "anybody?");
  ASSERT_TRUE(world.pass(std::chrono::minutes(5)));
  EXPECT_EQ(anna.state_of(id), MessageState::failed);
  EXPECT_EQ(anna.reason_of(id), Reason::no_device);
}

}  // namespace
}  // namespace opaline::endpoint
