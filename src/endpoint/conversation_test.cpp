// Two people write to each other: the plain cases, and what a message shows.
#include <gtest/gtest.h>

#include "endpoint/testing/world.hpp"

namespace opaline::endpoint {
namespace {

using testing::Device;
using testing::World;
using Texts = std::vector<std::string>;

class ConversationTest : public ::testing::Test {
 protected:
  void connect_both() {
    world.connect(anna);
    world.connect(ben);
  }
  World world{1};
  Device& anna = world.add("anna");
  Device& ben = world.add("ben");
};

TEST_F(ConversationTest, AFirstMessageArrivesAndIsReported) {
  connect_both();
  const MessageId id = world.send(anna, ben, "hello");
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(ben.texts(), Texts{"hello"});
  EXPECT_EQ(anna.state_of(id), MessageState::delivered);
  EXPECT_EQ(ben.notices(NoticeKind::first_contact), 1u);
  EXPECT_EQ(anna.notices(NoticeKind::first_contact), 1u);
  EXPECT_EQ(anna.endpoint->waiting(), 0u);
  const std::vector<MessageId> read{id};
  ben.endpoint->mark_read(anna.address.account, read);
  world.round(ben);
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(anna.state_of(id), MessageState::read);
  EXPECT_EQ(*anna.endpoint->safety_number(ben.address.account), *ben.endpoint->safety_number(anna.address.account));
}

TEST_F(ConversationTest, MessagesWrittenOfflineGoOutLaterInOrder) {
  Texts sent;
  for (int i = 0; i < 100; ++i) {
    sent.push_back("message " + std::to_string(i));
    world.send(anna, ben, sent.back());
  }
  EXPECT_EQ(anna.endpoint->waiting(), 100u);
  world.crash(anna);
  EXPECT_EQ(anna.endpoint->waiting(), 100u);
  world.connect(anna);
  ASSERT_TRUE(world.settle());
  for (const auto& out : anna.store.history().outgoing) EXPECT_EQ(out.state, MessageState::sent);
  EXPECT_TRUE(ben.texts().empty());
  world.connect(ben);
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(ben.texts(), sent);
  for (const auto& out : anna.store.history().outgoing) EXPECT_EQ(out.state, MessageState::delivered);
  // 100 receipts went in few envelopes.
  EXPECT_LE(ben.endpoint->counters().submitted, 4u);
  EXPECT_EQ(anna.store.rows(Table::outbox) + anna.store.rows(Table::envelope), 0u);
}

TEST_F(ConversationTest, ALongConversationWithSteps) {
  connect_both();
  for (int i = 0; i < 150; ++i) {
    world.send(i % 3 == 0 ? ben : anna, i % 3 == 0 ? anna : ben, std::to_string(i));
    if (i % 4 == 0) {
      ASSERT_TRUE(world.settle());
    }
  }
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(ben.texts().size(), 100u);
  EXPECT_EQ(anna.texts().size(), 50u);
  for (const Device* d : {&anna, &ben}) {
    EXPECT_EQ(d->endpoint->counters().undecryptable, 0u);
    EXPECT_EQ(d->endpoint->counters().orphans, 0u);
    EXPECT_EQ(d->endpoint->counters().sessions_opened + d->endpoint->counters().sessions_accepted, 1u);
  }
}

TEST_F(ConversationTest, ReceiptsCanBeSwitchedOff) {
  connect_both();
  ben.endpoint->set_receipts(false);
  world.round(ben);
  world.crash(ben);
  world.connect(ben);
  const MessageId id = world.send(anna, ben, "psst");
  ASSERT_TRUE(world.settle());
  const std::vector<MessageId> read{id};
  ben.endpoint->mark_read(anna.address.account, read);
  world.round(ben);
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(ben.texts(), Texts{"psst"});
  EXPECT_EQ(anna.state_of(id), MessageState::sent);
  EXPECT_EQ(ben.endpoint->counters().submitted, 0u);
}

TEST_F(ConversationTest, TypingIsShownAndNeverStored) {
  connect_both();
  world.send(anna, ben, "hello");
  ASSERT_TRUE(world.settle());
  world.send(ben, anna, "hi");
  ASSERT_TRUE(world.settle());
  anna.endpoint->send_typing(ben.address.account, true);
  world.round(anna);
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(ben.count_events<TypingChanged>(), 1u);
  world.cut(ben);
  // A week of typing at somebody who is away costs nothing but the envelopes.
  for (int i = 0; i < 3000; ++i) {
    anna.endpoint->send_typing(ben.address.account, i % 2 == 0);
    world.round(anna);
    ASSERT_TRUE(world.settle());
  }
  world.clock.advance(std::chrono::days(6));
  world.send(anna, ben, "are you there?");
  ASSERT_TRUE(world.settle());
  world.connect(ben);
  ASSERT_TRUE(world.settle());
  anna.endpoint->send_typing(ben.address.account, true);
  world.round(anna);
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(ben.count_events<TypingChanged>(), 2u);
  EXPECT_EQ(ben.texts(), (Texts{"hello", "are you there?"}));
  EXPECT_EQ(ben.endpoint->counters().undecryptable, 0u);
}

TEST_F(ConversationTest, BadTextsAreRefusedAndChangeNothing) {
  const AccountId peer = ben.address.account;
  EXPECT_EQ(anna.endpoint->send_text(peer, "").error(), Error::too_large);
  EXPECT_EQ(anna.endpoint->send_text(peer, std::string(wire::kMaxTextBytes + 1, 'a')).error(), Error::too_large);
  EXPECT_EQ(anna.endpoint->send_text(peer, "\xff").error(), Error::bad_text);
  EXPECT_EQ(anna.endpoint->send_text(anna.address.account, "me").error(), Error::to_self);
  EXPECT_EQ(anna.endpoint->waiting(), 0u);
  EXPECT_EQ(anna.endpoint->peer_status(peer).error(), Error::unknown_peer);
  connect_both();
  const std::string longest(wire::kMaxTextBytes, 'x');
  world.send(anna, ben, longest);
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(ben.texts(), Texts{longest});
}

TEST_F(ConversationTest, AnUnknownAccountFails) {
  connect_both();
  Device stranger(world.clock);
  stranger.address.account = world.random.id<AccountId>();
  const MessageId id = world.send(anna, stranger, "anybody?");
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(anna.state_of(id), MessageState::failed);
  EXPECT_EQ(anna.reason_of(id), Reason::no_such_account);
  EXPECT_EQ(anna.endpoint->waiting(), 0u);
}

TEST_F(ConversationTest, TheSendersHandleComesAlong) {
  anna.endpoint->set_handle("+491511234567");
  connect_both();
  world.send(anna, ben, "hello");
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(ben.store.history().incoming.at(0).sender_handle, "+491511234567");
}

TEST_F(ConversationTest, RegistrationIsMadeOnce) {
  MemoryEndpointStore store;
  const Enrolment enrolment{world.random.id<AccountId>(), DeviceNumber{1}, world.random.id<MailboxId>()};
  EXPECT_EQ(Endpoint::load(store, world.random, world.clock).error(), Error::not_registered);
  EXPECT_EQ(Endpoint::pending_registration(store).error(), Error::not_registered);
  EXPECT_EQ(Endpoint::confirm_registration(store).error(), Error::not_registered);
  EXPECT_EQ(Endpoint::create(store, world.random, world.clock, {enrolment.account, DeviceNumber{2}, enrolment.mailbox})
                .error(),
            Error::bad_enrolment);
  const auto made = Endpoint::create(store, world.random, world.clock, enrolment);
  ASSERT_TRUE(made);
  EXPECT_EQ(Endpoint::load(store, world.random, world.clock).error(), Error::not_registered);
  const auto again = Endpoint::pending_registration(store);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->device_list, made->device_list);
  EXPECT_EQ(again->prekeys.signed_set, made->prekeys.signed_set);
  EXPECT_EQ(again->prekeys.one_time_batch, made->prekeys.one_time_batch);
  ASSERT_TRUE(Endpoint::confirm_registration(store));
  EXPECT_EQ(Endpoint::create(store, world.random, world.clock, enrolment).error(), Error::registered);
  auto loaded = Endpoint::load(store, world.random, world.clock);
  ASSERT_TRUE(loaded);
  EXPECT_EQ((*loaded)->address(), (session::DeviceAddress{enrolment.account, DeviceNumber{1}}));
  EXPECT_EQ((*loaded)->sign_auth(as_view("message")).size(), wire::kAuthSignatureBytes);
}

}  // namespace
}  // namespace opaline::endpoint
