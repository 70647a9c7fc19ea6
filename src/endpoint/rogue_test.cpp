// Peers that authenticate and do as they like; lists that nobody signed; what an alarm stops.
#include <gtest/gtest.h>

#include "credentials/labels.hpp"
#include "endpoint/testing/rogue.hpp"

namespace opaline::endpoint {
namespace {

using testing::Device;
using testing::Rogue;
using testing::World;
using Texts = std::vector<std::string>;

class RogueTest : public ::testing::Test {
 protected:
  void SetUp() override {
    world.connect(anna);
    world.connect(ben);
    world.connect(carl);
    for (Device* device : {&ben, &carl}) {
      world.send(anna, *device, "hello");
      ASSERT_TRUE(world.settle());
      world.send(*device, anna, "hi");
      ASSERT_TRUE(world.settle());
    }
  }
  /// Anna writes to ben; the server knows the envelope's id.
  std::pair<MessageId, EnvelopeId> write(std::string_view text) {
    EnvelopeId seen;
    world.on_submit = [&](const Device& from, const EnvelopeId& id) -> std::optional<wire::SubmitStatus> {
      if (&from == &anna) seen = id;
      return std::nullopt;
    };
    const MessageId message = world.send(anna, ben, text);
    EXPECT_TRUE(world.settle());
    world.on_submit = nullptr;
    return {message, seen};
  }
  void refresh(const Device& whose) {
    anna.endpoint->refresh_peer(whose.address.account);
    world.round(anna);
    ASSERT_TRUE(world.settle());
  }
  std::uint64_t refused() const { return anna.endpoint->counters().retries_refused; }
  std::uint64_t resent() const { return anna.endpoint->counters().resends; }

  World world{9};
  Device& anna = world.add("anna");
  Device& ben = world.add("ben");
  Device& carl = world.add("carl");
};

TEST_F(RogueTest, ARetryIsAnsweredToTheDeviceAloneThatItWasSentTo) {
  const auto [message, envelope] = write("for ben alone");
  Rogue rogue(world, carl, anna);
  rogue.say(wire::Retry{envelope, world.clock.now()});
  EXPECT_EQ(refused(), 1u);
  EXPECT_EQ(resent(), 0u);
  rogue.say(wire::Retry{world.random.id<EnvelopeId>(), world.clock.now()});
  EXPECT_EQ(refused(), 2u);
  EXPECT_EQ(carl.texts(), Texts{"hello"});
  // Ben himself gets it.
  Rogue(world, ben, anna).say(wire::Retry{envelope, world.clock.now()});
  EXPECT_EQ(refused(), 2u);
  EXPECT_EQ(resent(), 1u);
}

TEST_F(RogueTest, ARetryIsAnsweredForThirtyDaysEvenBeforeTheRecordGoes) {
  world.cut(ben);
  world.cut(carl);
  const EnvelopeId first = write("old").second;
  const EnvelopeId second = write("old too").second;
  Rogue rogue(world, ben, anna);
  world.clock.advance(kResendFor);
  rogue.say(wire::Retry{second, world.clock.now()});
  EXPECT_EQ(resent(), 1u);
  EXPECT_EQ(refused(), 0u);
  world.clock.advance(std::chrono::milliseconds(1));
  rogue.say(wire::Retry{first, world.clock.now()});
  EXPECT_EQ(resent(), 1u);
  EXPECT_EQ(refused(), 1u);
}

TEST_F(RogueTest, ARetryBringsBoundedManyThatCameAfter) {
  world.cut(ben);
  const EnvelopeId first = write("0").second;
  for (std::size_t i = 1; i < kMaxResendTail + 50; ++i) world.send(anna, ben, std::to_string(i));
  ASSERT_TRUE(world.settle());
  Rogue(world, ben, anna).say(wire::Retry{first, world.clock.now()});
  EXPECT_EQ(resent(), 1 + kMaxResendTail);
}

TEST_F(RogueTest, NoRetryIsAnsweredNorAskedDuringAnAlarm) {
  const auto [message, envelope] = write("for ben alone");
  world.impostor(ben, "mallory");
  refresh(ben);
  ASSERT_TRUE(anna.endpoint->peer_status(ben.address.account)->alarmed);
  Rogue rogue(world, ben, anna);
  rogue.say(wire::Retry{envelope, world.clock.now()});
  EXPECT_EQ(refused(), 1u);
  EXPECT_EQ(resent(), 0u);
  // What cannot be opened is not asked for either.
  world.damage = [&](const Device& to, Bytes& ciphertext) {
    if (&to == &anna) ciphertext.back() ^= std::byte{1};
  };
  rogue.say(wire::SessionHello{});
  EXPECT_EQ(anna.endpoint->counters().undecryptable, 1u);
  EXPECT_EQ(anna.endpoint->counters().heals, 0u);
}

TEST_F(RogueTest, OnlyTheDirectoryOrThePersonEndsAnAlarm) {
  const Bytes pinned = world.accounts[ben.address.account].lists.back();
  world.impostor(ben, "mallory");
  refresh(ben);
  Rogue rogue(world, ben, anna);
  const std::uint64_t before = world.envelopes;
  rogue.say(wire::NewerList{pinned});
  EXPECT_TRUE(anna.endpoint->peer_status(ben.address.account)->alarmed);
  // What ben says is shown; nothing goes out to either identity.
  rogue.say(wire::Text{as_view("what is going on?"), {}});
  EXPECT_EQ(anna.texts().back(), "what is going on?");
  anna.endpoint->send_typing(ben.address.account, true);
  world.round(anna);
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(world.envelopes, before);
  EXPECT_EQ(anna.store.rows(Table::outbox), 0u) << "a receipt waits for the end of the alarm";
}

TEST_F(RogueTest, AnotherDeviceOfOurAccountIsNotAPeer) {
  Device& tablet = world.link(anna, "tablet");
  world.connect(anna);
  Rogue rogue(world, tablet, anna);
  rogue.say(wire::Text{as_view("I am you"), {}});
  EXPECT_EQ(anna.texts(), (Texts{"hi", "hi"}));
  EXPECT_EQ(anna.notices(NoticeKind::first_contact), 2u);
}

TEST_F(RogueTest, AReceiptCountsFromItsRecipientAlone) {
  world.cut(ben);
  const auto [message, envelope] = write("for ben alone");
  ASSERT_EQ(anna.state_of(message), MessageState::sent);
  wire::Receipt receipt{.kind = wire::ReceiptKind::read, .count = 1};
  receipt.ids[0] = message;
  Rogue(world, carl, anna).say(receipt);
  EXPECT_EQ(anna.state_of(message), MessageState::sent);
  Rogue(world, ben, anna).say(receipt);
  EXPECT_EQ(anna.state_of(message), MessageState::read);
}

TEST_F(RogueTest, SessionsGoWithTheDeviceAndWithTheIdentity) {
  Device& tablet = world.link(ben, "tablet");
  world.connect(ben);
  world.connect(tablet);
  refresh(ben);
  world.send(anna, ben, "to both");
  ASSERT_TRUE(world.pass(std::chrono::minutes(1)));
  ASSERT_EQ(tablet.texts().back(), "to both");
  const std::size_t before = anna.store.rows(Table::session);
  world.unlink(ben, tablet);
  refresh(ben);
  ASSERT_TRUE(world.pass(std::chrono::minutes(1)));
  EXPECT_LT(anna.store.rows(Table::session), before);
  // Carl's stay.
  world.impostor(ben, "mallory");
  refresh(ben);
  ASSERT_TRUE(anna.endpoint->accept_changed_identity(ben.address.account).has_value());
  world.round(anna);
  std::size_t carls = 0;
  for (const auto& [key, row] : anna.store.backup().rows) {
    if (key.first != Table::session) continue;
    internal::SessionRow parsed;
    ASSERT_TRUE(decode(row, parsed));
    const auto session = session::Session::deserialise(parsed.state);
    ASSERT_TRUE(session.has_value());
    EXPECT_NE(session->peer().account, ben.address.account);
    carls += session->peer().account == carl.address.account;
  }
  EXPECT_GE(carls, 1u);
}

TEST_F(RogueTest, AListInBetweenMustBeSignedToo) {
  const auto pinned = *session::load_device_list(world.accounts[ben.address.account].lists.back());
  // Number 2 with a device of the directory's own, which the account key did not sign.
  const session::DeviceIdentity intruder = session::DeviceIdentity::generate(world.random);
  session::DeviceList forged = session::next_device_list(pinned, world.clock.now());
  forged.devices.push_back({.number = forged.next_device,
                            .mailbox = world.random.id<MailboxId>(),
                            .created = world.clock.now(),
                            .capabilities = session::kCapabilityMessages,
                            .keys = intruder.public_keys()});
  forged.next_device = DeviceNumber{static_cast<std::uint32_t>(forged.next_device) + 1};
  Bytes bytes = credentials::encode_device_list_body(forged);
  append(bytes, intruder.signer().sign(credentials::kDeviceListSignature, bytes, world.random).view());
  world.link(ben, "tablet");
  world.link(ben, "phone");
  const Bytes truth = world.accounts[ben.address.account].lists.at(1);
  world.falsify = [&](DevicesReply& reply, const AccountId& about) {
    if (about == ben.address.account) reply.history = {bytes};
  };
  refresh(ben);
  const PeerStatus status = *anna.endpoint->peer_status(ben.address.account);
  EXPECT_EQ(status.list_number, ListNumber{1});
  EXPECT_EQ(status.devices, 1u);
  bytes = truth;
  refresh(ben);
  ASSERT_TRUE(world.pass(std::chrono::minutes(5)));
  EXPECT_EQ(anna.endpoint->peer_status(ben.address.account)->list_number, ListNumber{3});
}

TEST_F(RogueTest, SessionsWithOneDeviceAreFew) {
  for (std::size_t i = 0; i < 2 * kMaxSessionsPerDevice; ++i) Rogue(world, ben, anna).say(wire::SessionHello{});
  EXPECT_EQ(anna.endpoint->counters().sessions_accepted, 2 * kMaxSessionsPerDevice);
  EXPECT_EQ(anna.store.rows(Table::session), kMaxSessionsPerDevice + 1);  // and carl's
}

TEST_F(RogueTest, FreshSessionsDoNotMakeUsAskForEver) {
  world.mailboxes[anna.mailbox].waiting.push_back(
      {world.random.id<EnvelopeId>(), Bytes(600, std::byte{1}), ben.address.account});
  world.connect(anna);
  ASSERT_TRUE(world.settle());
  ASSERT_EQ(anna.endpoint->counters().orphans, 1u);
  world.cut(ben);
  const std::uint64_t before = world.envelopes;
  for (int i = 0; i < 10; ++i) Rogue(world, ben, anna).say(wire::SessionHello{});
  EXPECT_EQ(world.envelopes, before + kMaxHealsPerWindow);
}

TEST_F(RogueTest, OldListNumbersAreAnsweredOnceAnHourAndNewOnesLookedUpOnceAMinute) {
  world.link(anna, "tablet");
  world.connect(anna);
  anna.endpoint->set_receipts(false);
  Rogue rogue(world, ben, anna);
  world.cut(ben);
  ASSERT_TRUE(world.settle());  // the tablet has been told of anna
  std::uint64_t before = world.envelopes;
  for (int i = 0; i < 5; ++i) rogue.say(wire::Text{as_view("by your list number 1"), {}});
  EXPECT_EQ(world.envelopes, before + 1);
  world.clock.advance(kNewerListEvery);
  rogue.say(wire::Text{as_view("still"), {}});
  EXPECT_EQ(world.envelopes, before + 2);

  rogue.own_list_number = ListNumber{9};
  before = world.lookups[ben.address.account];
  for (int i = 0; i < 5; ++i) {
    rogue.say(wire::SessionHello{});
    ASSERT_TRUE(world.pass(std::chrono::seconds(10), std::chrono::seconds(5)));
  }
  EXPECT_EQ(world.lookups[ben.address.account], before + 1);
}

TEST_F(RogueTest, AMessageAloneShowsNoOtherAccountKey) {
  const auto truth = world.accounts[ben.address.account];
  world.impostor(ben, "mallory");
  const Bytes forged = world.accounts[ben.address.account].lists.back();
  world.accounts[ben.address.account] = truth;
  Rogue(world, ben, anna).say(wire::NewerList{forged});
  ASSERT_TRUE(world.pass(std::chrono::minutes(5)));
  EXPECT_FALSE(anna.endpoint->peer_status(ben.address.account)->alarmed);
  EXPECT_EQ(anna.notices(NoticeKind::identity_changed), 0u);
}

TEST_F(RogueTest, ListsThatAreNoneMakeUsAskOnceAMinute) {
  Rogue rogue(world, ben, anna);
  const std::uint64_t before = world.lookups[ben.address.account];
  for (int i = 0; i < 5; ++i) {
    rogue.say(wire::NewerList{as_view("no list")});
    ASSERT_TRUE(world.pass(std::chrono::seconds(10), std::chrono::seconds(5)));
  }
  EXPECT_LE(world.lookups[ben.address.account], before + 2);
}

TEST_F(RogueTest, WhoClaimsAListThatNobodyShowsWaitsInLittleSpace) {
  const Bytes shown = world.accounts[ben.address.account].lists.back();
  Rogue liar(world, ben, anna);
  liar.own_list_number = ListNumber{9};
  liar.say(wire::SessionHello{});
  world.cut(ben);
  Device& tablet = world.link(ben, "tablet");
  world.falsify = [shown, account = ben.address.account](DevicesReply& reply, const AccountId& about) {
    if (about != account) return;
    reply.signed_list = shown;
    reply.history.clear();
  };
  Rogue hidden(world, tablet, anna);
  for (std::size_t i = 0; i < 4 * kMaxParkedHidden; ++i) hidden.queue(wire::SessionHello{});
  hidden.say(wire::SessionHello{});
  ASSERT_TRUE(world.pass(std::chrono::minutes(5)));
  EXPECT_EQ(anna.store.rows(Table::parked), kMaxParkedHidden);
  EXPECT_GT(anna.count_events<StrangersDropped>(), 0u);
}

TEST_F(RogueTest, QuestionsThatDoNotGoOutDoNotPileUp) {
  world.cut(ben);
  world.full_for = ben.mailbox;
  Rogue liar(world, ben, anna);
  for (std::uint32_t i = 0; i < 100; ++i) {
    liar.own_list_number = ListNumber{9 + i};
    liar.say(wire::SessionHello{});
    ASSERT_TRUE(world.pass(kListFetchEvery));
  }
  EXPECT_LE(anna.store.rows(Table::outbox), kMaxInFlightPerDevice + 2);
}

TEST_F(RogueTest, ABlockedAccountIsToldNothingAtAll) {
  world.link(anna, "tablet");
  world.connect(anna);
  ASSERT_TRUE(world.settle());
  anna.endpoint->set_blocked(ben.address.account, true);
  world.round(anna);
  Rogue rogue(world, ben, anna);
  Rogue broken(world, ben, anna);
  broken.say(wire::SessionHello{});
  world.cut(ben);
  const std::size_t before = world.mailboxes[ben.mailbox].waiting.size();
  rogue.own_list_number = ListNumber{9};
  rogue.say(wire::Text{as_view("by an old list of yours, and a hidden one of mine"), {}});
  world.damage = [&](const Device& to, Bytes& ciphertext) {
    if (&to == &anna) ciphertext.back() ^= std::byte{1};
  };
  broken.say(wire::Text{as_view("damaged"), {}});
  world.damage = nullptr;
  world.mailboxes[anna.mailbox].waiting.push_back(
      {world.random.id<EnvelopeId>(), Bytes(600, std::byte{1}), ben.address.account});
  world.cut(anna);
  world.connect(anna);
  ASSERT_TRUE(world.pass(std::chrono::hours(2)));
  EXPECT_EQ(world.mailboxes[ben.mailbox].waiting.size(), before);
}

TEST_F(RogueTest, NoDeviceHasTheLastWordForEver) {
  Device& tablet = world.link(anna, "tablet");
  world.connect(anna);
  ASSERT_TRUE(world.settle());
  wire::Contacts said;
  said.count = 1;
  said.contacts[0] = {.account = ben.address.account,
                      .handle = {},
                      .account_key_hash = {},
                      .verified = true,
                      .blocked = true,
                      .changed_at = from_unix_millis(INT64_MAX),
                      .active_at = {}};
  Rogue rogue(world, tablet, anna);
  rogue.say(wire::Sync{said});
  EXPECT_FALSE(anna.endpoint->peer_status(ben.address.account)->blocked);
  said.contacts[0].changed_at = world.clock.now() + kMaxClockAhead;
  rogue.say(wire::Sync{said});
  EXPECT_TRUE(anna.endpoint->peer_status(ben.address.account)->blocked) << "clocks differ";
  EXPECT_FALSE(anna.endpoint->peer_status(ben.address.account)->verified) << "of which key?";
  anna.endpoint->set_blocked(ben.address.account, false);
  world.round(anna);
  said.contacts[0].changed_at = world.clock.now() + kMaxClockAhead;
  rogue.say(wire::Sync{said});
  EXPECT_FALSE(anna.endpoint->peer_status(ben.address.account)->blocked) << "what the person said here is later";
}

TEST_F(RogueTest, StrangersDoNotUseUpOurLookups) {
  std::vector<Device*> strangers;
  for (std::size_t i = 0; i < kMaxStrangerFetches + 5; ++i) strangers.push_back(&world.add("stranger"));
  for (Device* stranger : strangers) {
    world.connect(*stranger);
    world.send(*stranger, anna, "you do not know me");
    ASSERT_TRUE(world.settle());
    world.cut(*stranger);
  }
  const auto came = [this] { return std::ranges::count(anna.texts(), "you do not know me"); };
  EXPECT_EQ(came(), kMaxStrangerFetches);
  // Whom the person writes to is no stranger: that is charged to the person.
  world.connect(*strangers.back());
  world.send(anna, *strangers.back(), "who are you?");
  ASSERT_TRUE(world.pass(std::chrono::minutes(5)));
  EXPECT_EQ(strangers.back()->texts(), Texts{"who are you?"});
  ASSERT_TRUE(world.pass(kStrangerWindow + std::chrono::hours(1), std::chrono::minutes(10)));
  EXPECT_EQ(came(), strangers.size()) << "they wait, and are not lost";
}

TEST_F(RogueTest, StrangersWaitInBoundedSpace) {
  world.directory_out = true;
  std::size_t bytes = 0;
  const auto parked = [&] {
    bytes = 0;
    for (const auto& [key, row] : anna.store.backup().rows) bytes += key.first == Table::parked ? row.size() : 0;
    return anna.store.rows(Table::parked);
  };
  std::vector<Device*> strangers;
  for (int i = 0; i < 3; ++i) strangers.push_back(&world.add("stranger"));
  for (Device* const stranger : strangers) {
    Rogue rogue(world, *stranger, anna);
    for (std::size_t i = 0; i < kMaxParkedPerAccount; ++i) rogue.queue(wire::SessionHello{});
    rogue.say(wire::SessionHello{});
    if (stranger != strangers.front()) continue;
    EXPECT_LT(parked(), kMaxParkedPerAccount);  // the bytes are over first
    EXPECT_GT(bytes, kMaxParkedBytesPerAccount * 9 / 10);
    EXPECT_LT(bytes, kMaxParkedBytesPerAccount * 11 / 10);
  }
  EXPECT_EQ(parked(), kMaxParked);
  EXPECT_GT(anna.count_events<StrangersDropped>(), 0u);
}

}  // namespace
}  // namespace opaline::endpoint
