// A person's persona and a business's gateway: parts beside the words, ids of the caller's, closing and reopening.
#include <algorithm>

#include "credentials/opaque_id.hpp"
#include "endpoint/testing/two_people.hpp"
#include "wire/business_part.hpp"

namespace opaline::endpoint {
namespace {

using testing::Device;
using testing::Texts;
using testing::World;

SecretBytes part_of(std::string_view json) {
  SecretBytes out;
  OPALINE_ASSERT(wire::encode(out, {.kind = wire::PartKind::interactive, .json = as_view(json)}).has_value());
  return out;
}

/// Anna's persona, and the gateway of a business: its account id is a UUID.
class BusinessTest : public ::testing::Test {
 protected:
  void SetUp() override {
    world.connect(anna);
    world.connect(shop);
    ASSERT_TRUE(world.settle());
  }
  credentials::OpaqueId opaque_id() {
    ByteArray<credentials::kOpaqueIdBytes> bytes;
    world.random.fill(bytes);
    return credentials::OpaqueId(bytes);
  }
  MessageId send(Device& from, const Device& to, NewMessage message) {
    const auto id = from.endpoint->send(to.address.account, std::move(message));
    OPALINE_ASSERT(id.has_value());
    world.round(from);
    return *id;
  }
  MessageId say(Device& from, const Device& to, std::string_view text) {
    const MessageId id = send(from, to, {.utf8 = text});
    EXPECT_TRUE(world.settle());
    return id;
  }
  void talk() {
    say(anna, shop, "hello");
    say(shop, anna, "what can we do for you?");
    ASSERT_EQ(shop.texts(), Texts{"hello"});
    ASSERT_EQ(anna.texts(), Texts{"what can we do for you?"});
  }
  static std::vector<SecretBytes> parts(const Device& device) {
    std::vector<SecretBytes> out;
    for (const IncomingMessage& m : device.store.history().incoming) out.push_back(m.body.part);
    return out;
  }
  /// A further device of a persona that the root signs in, in place of `left_out`.
  Device& join(const Device& persona, std::string name, const std::vector<DeviceNumber>& left_out) {
    world.clock.advance(seconds(1));
    const auto key = session::AccountKey::deserialise(root);
    Device& device = *world.devices.emplace_back(std::make_unique<Device>(world.clock));
    device.name = std::move(name);
    const auto list = session::verify_device_list(world.accounts[persona.address.account].lists.back());
    const Enrolment enrolment{persona.address.account, list->list().next_device, world.random.id<MailboxId>()};
    const auto made =
        Endpoint::create_recovered(device.store, world.random, world.clock, enrolment, *list, *key, left_out);
    OPALINE_ASSERT(made.has_value());
    world.take_recovery(device, *made);
    return device;
  }
  /// The person writes again: fresh keys, alone on a list that follows.
  Device& reopen(std::string name) {
    world.clock.advance(std::chrono::minutes(5));
    world.closed.erase(anna.address.account);
    std::vector<DeviceNumber> all;
    const auto list = session::verify_device_list(world.accounts[anna.address.account].lists.back());
    for (const auto& device : list->list().devices) all.push_back(device.number);
    return join(anna, std::move(name), all);
  }

  World world{41};
  Device& anna = world.add("anna", opaque_id().persona());
  Device& shop = world.add("shop", world.random.id<AccountId>(), {.serves_strangers = true});
  const SecretBytes root = anna.endpoint->account_key()->serialise();
  const SecretBytes picker = part_of(R"({"listPicker":1})");
};

TEST_F(BusinessTest, APersonaTalksToABusinessAsAnyTwoAccountsDo) {
  talk();
  EXPECT_EQ(shop.endpoint->peer_status(anna.address.account)->devices, 1u);
  anna.endpoint->send_typing(shop.address.account, true);
  world.round(anna);
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(shop.count_events<TypingChanged>(), 1u);
  EXPECT_TRUE(shop.store.history().incoming[0].sender_handle.empty());

  Device& tablet = join(anna, "tablet", {});
  world.connect(tablet);
  ASSERT_TRUE(world.pass(std::chrono::minutes(2)));
  say(shop, anna, "both of you");
  EXPECT_EQ(tablet.texts(), Texts{"both of you"});
  say(tablet, shop, "from the tablet");
  ASSERT_TRUE(world.pass(std::chrono::minutes(2)));
  EXPECT_EQ(shop.texts(), (Texts{"hello", "from the tablet"}));
  EXPECT_NE(anna.store.history().find(tablet.store.history().outgoing.back().message.id), nullptr) << "its copy";
  EXPECT_EQ(shop.notices(NoticeKind::identity_changed), 0u);
}

// ---- parts

TEST_F(BusinessTest, APartArrivesBesideTheWordsAndAloneAndAtOnesOwnDevices) {
  Device& tablet = join(anna, "tablet", {});
  world.connect(tablet);
  ASSERT_TRUE(world.pass(std::chrono::minutes(2)));
  talk();
  send(shop, anna, {.utf8 = "choose", .part = picker});
  const SecretBytes answer = part_of(R"({"chosen":2})");
  const MessageId id = send(anna, shop, {.part = answer});
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(parts(anna), (std::vector<SecretBytes>{{}, picker}));
  EXPECT_EQ(parts(tablet), (std::vector<SecretBytes>{{}, picker}));
  EXPECT_EQ(tablet.texts(), (Texts{"what can we do for you?", "choose"}));
  ASSERT_EQ(parts(shop).size(), 2u);
  EXPECT_EQ(parts(shop)[1], answer);
  EXPECT_TRUE(shop.store.history().incoming[1].body.text.empty());
  EXPECT_EQ(anna.state_of(id), MessageState::delivered);
  const auto* copy = tablet.store.history().find(id);
  ASSERT_NE(copy, nullptr);
  EXPECT_EQ(copy->message.body.part, answer);
}

TEST_F(BusinessTest, APartSurvivesARestartAndGoesWithTheHistory) {
  talk();
  world.cut(shop);
  const MessageId id = send(shop, anna, {.utf8 = "choose", .part = picker});
  world.crash(shop);
  world.connect(shop);
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(parts(anna).back(), picker);
  EXPECT_EQ(shop.state_of(id), MessageState::delivered);
  Device& laptop = world.link_live(anna, "laptop", true);
  ASSERT_EQ(laptop.store.history().incoming.size(), 2u);
  EXPECT_EQ(parts(laptop).back(), picker);
}

TEST_F(BusinessTest, APartThatCouldNotBeOpenedComesAgain) {
  talk();
  bool damaged = false;
  world.damage = [&](const Device& to, Bytes& ciphertext) {
    if (&to == &anna && !std::exchange(damaged, true)) ciphertext.back() ^= std::byte{1};
  };
  send(shop, anna, {.utf8 = "choose", .part = picker});
  ASSERT_TRUE(world.settle());
  ASSERT_TRUE(damaged);
  EXPECT_EQ(anna.texts(), (Texts{"what can we do for you?", "choose"}));
  EXPECT_EQ(parts(anna).back(), picker);
  EXPECT_EQ(shop.endpoint->counters().resends, 1u);
}

TEST_F(BusinessTest, PartsHaveLimits) {
  const auto refusal = [&](std::size_t text, std::size_t part) {
    const std::string words(text, 'x');
    const Bytes beside(part);
    const auto sent = anna.endpoint->send(shop.address.account, {.utf8 = words, .part = beside});
    return sent ? std::optional<Error>() : sent.error();
  };
  EXPECT_EQ(refusal(0, 0), Error::too_large);
  EXPECT_EQ(refusal(0, wire::kMaxPartBytes + 1), Error::too_large);
  EXPECT_EQ(refusal(wire::kMaxTextAndPartBytes - wire::kMaxPartBytes + 1, wire::kMaxPartBytes), Error::too_large);
  EXPECT_EQ(refusal(wire::kMaxTextBytes + 1, 1), Error::too_large);
  EXPECT_EQ(refusal(wire::kMaxTextAndPartBytes - wire::kMaxPartBytes, wire::kMaxPartBytes), std::nullopt);
  world.round(anna);
  ASSERT_TRUE(world.settle());
  ASSERT_EQ(parts(shop).size(), 1u);
  EXPECT_EQ(parts(shop)[0].size(), wire::kMaxPartBytes);
}

// ---- ids of the caller's

TEST_F(BusinessTest, AnIdCountsOnce) {
  talk();
  const auto id = world.random.id<MessageId>();
  const auto again = [&](const Device& to) {
    return shop.endpoint->send(to.address.account, {.utf8 = "once more", .id = id}).error();
  };
  EXPECT_EQ(*shop.endpoint->send(anna.address.account, {.utf8 = "yours", .id = id}), id);
  EXPECT_EQ(again(anna), Error::repeated) << "in the same round";
  world.round(shop);
  EXPECT_EQ(again(anna), Error::repeated) << "queued";
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(anna.store.history().incoming.back().id, id);
  EXPECT_EQ(shop.state_of(id), MessageState::delivered);
  EXPECT_EQ(again(anna), Error::repeated) << "sent";
  shop.endpoint->delete_messages(anna.address.account, std::span(&id, 1));
  world.round(shop);
  EXPECT_EQ(again(anna), Error::repeated) << "sent, and the history has lost it";
  EXPECT_EQ(again(world.add("somebody else")), Error::repeated);
  world.crash(shop);
  EXPECT_EQ(again(anna), Error::repeated) << "in another run";
  world.connect(shop);
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(anna.texts(), (Texts{"what can we do for you?", "yours"}));
  EXPECT_EQ(shop.store.history().outgoing.size(), 1u);
  EXPECT_EQ(shop.endpoint->send(anna.address.account, {.utf8 = "zeros", .id = MessageId()}).error(), Error::bad_id);
}

TEST_F(BusinessTest, TheIdOfAMessageThatFailedIsTakenUntilTheHistoryLosesIt) {
  world.close(anna.address.account);
  const MessageId id = say(shop, anna, "is anybody there?");
  ASSERT_EQ(shop.state_of(id), MessageState::failed);
  EXPECT_EQ(shop.store.rows(Table::message_index), 0u);
  const auto again = [&] { return shop.endpoint->send(anna.address.account, {.utf8 = "again", .id = id}); };
  EXPECT_EQ(again().error(), Error::repeated);
  shop.endpoint->delete_messages(anna.address.account, std::span(&id, 1));
  world.round(shop);
  EXPECT_EQ(*again(), id);
}

// ---- closing and reopening

TEST_F(BusinessTest, WhatWaitsForAClosedPersonaFailsAtOnceAndNobodyIsAskedAgain) {
  talk();
  world.cut(shop);
  std::vector<MessageId> ids;
  for (int i = 0; i < 40; ++i) ids.push_back(send(shop, anna, {.utf8 = "waits"}));
  world.close(anna.address.account);
  world.connect(shop);
  ASSERT_TRUE(world.settle());  // no time passes
  for (const MessageId& id : ids) {
    EXPECT_EQ(shop.state_of(id), MessageState::failed);
    EXPECT_EQ(shop.reason_of(id), Reason::closed);
  }
  EXPECT_EQ(shop.endpoint->waiting(), 0u);
  const std::uint64_t lookups = world.lookups[anna.address.account], envelopes = world.envelopes;
  ASSERT_TRUE(world.pass(std::chrono::hours(20), std::chrono::minutes(30)));
  EXPECT_EQ(world.lookups[anna.address.account], lookups);
  EXPECT_EQ(world.envelopes, envelopes);

  const MessageId next = say(shop, anna, "and now?");
  EXPECT_EQ(shop.reason_of(next), Reason::closed);
  EXPECT_EQ(world.lookups[anna.address.account], lookups + 1);
  EXPECT_EQ(world.envelopes, envelopes) << "nothing is encrypted for a mailbox that is gone";
  world.crash(shop);
  world.connect(shop);
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(shop.endpoint->waiting(), 0u);
  EXPECT_EQ(shop.reason_of(say(shop, anna, "in another run")), Reason::closed);
}

TEST_F(BusinessTest, AMailboxThatIsGoneIsAskedAboutWhateverBackOffRuns) {
  talk();
  // The directory does not answer for a while: the next question would be hours away.
  world.directory_out = true;
  for (int i = 0; i < 12; ++i) {
    shop.endpoint->refresh_peer(anna.address.account);
    world.round(shop);
    ASSERT_TRUE(world.pass(std::chrono::minutes(30)));
  }
  world.directory_out = false;
  world.close(anna.address.account);
  const std::uint64_t lookups = world.lookups[anna.address.account];
  const MessageId id = say(shop, anna, "still there?");
  EXPECT_EQ(shop.state_of(id), MessageState::failed);
  EXPECT_EQ(shop.reason_of(id), Reason::closed);
  EXPECT_EQ(world.lookups[anna.address.account], lookups + 1);
}

TEST_F(BusinessTest, AMailboxThatIsGoneIsAskedAboutAlsoAfterARestart) {
  talk();
  world.directory_out = true;
  world.close(anna.address.account);
  const MessageId id = say(shop, anna, "still there?");
  ASSERT_EQ(shop.state_of(id), MessageState::queued);
  world.crash(shop);
  world.directory_out = false;
  world.connect(shop);
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(shop.state_of(id), MessageState::failed);
  EXPECT_EQ(shop.reason_of(id), Reason::closed);
}

TEST_F(BusinessTest, APersonaOfSeveralDevicesIsClosedAtOnce) {
  Device& tablet = join(anna, "tablet", {});
  world.connect(tablet);
  ASSERT_TRUE(world.pass(std::chrono::minutes(2)));
  talk();
  world.close(anna.address.account);
  const MessageId id = say(shop, anna, "still there?");
  EXPECT_EQ(shop.reason_of(id), Reason::closed);
  EXPECT_EQ(shop.endpoint->waiting(), 0u);
}

TEST_F(BusinessTest, WhatOneDeviceHasTakenIsRememberedThroughAClosing) {
  Device& tablet = join(anna, "tablet", {});
  world.connect(tablet);
  ASSERT_TRUE(world.pass(std::chrono::minutes(2)));
  talk();
  world.cut(anna);
  world.cut(tablet);
  std::size_t submits = 0;
  world.on_submit = [&](const Device& from, const EnvelopeId&) -> std::optional<wire::SubmitStatus> {
    if (&from != &shop || submits++ == 0) return std::nullopt;
    return wire::SubmitStatus::retry;
  };
  const MessageId id = say(shop, anna, "one of you");
  ASSERT_GE(submits, 2u);
  ASSERT_EQ(shop.state_of(id), MessageState::queued) << "one device has it, the other has not";
  world.close(anna.address.account);
  shop.endpoint->refresh_peer(anna.address.account);
  world.round(shop);
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(shop.endpoint->waiting(), 0u);
  EXPECT_EQ(shop.reason_of(id), Reason::closed);
  const std::size_t kept = shop.store.rows(Table::sent);
  world.crash(shop);
  world.connect(shop);
  EXPECT_EQ(shop.endpoint->send(anna.address.account, {.utf8 = "again", .id = id}).error(), Error::repeated);
  ASSERT_TRUE(world.pass(kResendFor + std::chrono::days(1), std::chrono::hours(12)));
  EXPECT_TRUE(shop.connected) << "what it has stored it can read";
  EXPECT_LT(shop.store.rows(Table::sent), kept) << "and forget";
}

TEST_F(BusinessTest, WhoWritesAgainIsReachableAgain) {
  talk();
  world.close(anna.address.account);
  const MessageId before = say(shop, anna, "before");
  ASSERT_EQ(shop.reason_of(before), Reason::closed);
  Device& again = reopen("again");
  world.connect(again);
  say(again, shop, "it is me again");
  ASSERT_TRUE(world.pass(seconds(10), seconds(1)));
  EXPECT_EQ(shop.texts(), (Texts{"hello", "it is me again"}));
  const MessageId after = say(shop, anna, "welcome back");
  EXPECT_EQ(again.texts(), Texts{"welcome back"});
  EXPECT_EQ(shop.state_of(after), MessageState::delivered);
  EXPECT_EQ(shop.state_of(before), MessageState::failed) << "what failed stays so";
  EXPECT_EQ(shop.notices(NoticeKind::identity_changed), 0u);
  EXPECT_EQ(shop.notices(NoticeKind::list_forked), 0u);
  EXPECT_EQ(shop.endpoint->peer_status(anna.address.account)->devices, 1u);
  EXPECT_EQ(anna.texts(), Texts{"what can we do for you?"}) << "the device of before is out";

  world.close(anna.address.account);
  EXPECT_EQ(shop.reason_of(say(shop, anna, "closed twice")), Reason::closed);
  Device& third = reopen("third");
  world.connect(third);
  // The business may be the first to write: it asks anew.
  say(shop, anna, "we have news");
  ASSERT_TRUE(world.pass(seconds(10), seconds(1)));
  EXPECT_EQ(third.texts(), Texts{"we have news"});
}

TEST_F(BusinessTest, AFirstMessageThatOvertakesTheAnswerIsNotLost) {
  talk();
  world.close(anna.address.account);
  say(shop, anna, "before");
  ASSERT_TRUE(world.pass(seconds(10), seconds(1)));
  const MessageId id = send(shop, anna, {.utf8 = "asks"});  // the question is on its way ...
  Device& again = reopen("again");
  world.connect(again);
  send(again, shop, {.utf8 = "it is me again"});
  for (int i = 0; i < 10; ++i) {
    world.serve(again, 100);
    world.deliver(again, 100);
    world.round(again);
  }
  ASSERT_FALSE(shop.to_device.empty());
  world.deliver(shop, 100);
  world.round(shop);
  world.closed.insert(anna.address.account);  // ... and its answer is of before
  world.serve(shop, 100);
  world.deliver(shop, 100);
  world.closed.erase(anna.address.account);
  ASSERT_TRUE(world.pass(seconds(10), seconds(1)));
  EXPECT_EQ(shop.texts(), (Texts{"hello", "it is me again"}));
  EXPECT_EQ(shop.count_events<StrangersDropped>(), 0u);
  EXPECT_EQ(again.texts(), Texts{"asks"});
  EXPECT_EQ(shop.state_of(id), MessageState::delivered);
}

// ---- a gateway serves strangers

TEST_F(BusinessTest, AGatewayLooksUpWhoeverWrites) {
  Device& ben = world.add("ben");  // a person
  world.connect(ben);
  std::vector<Device*> strangers;
  for (std::size_t i = 0; i < kMaxStrangerFetches + 5; ++i) {
    Device& stranger = *strangers.emplace_back(&world.add("stranger", opaque_id().persona()));
    world.connect(stranger);
    world.send(stranger, shop, "hello");
    world.send(stranger, ben, "hello");
  }
  ASSERT_TRUE(world.pass(std::chrono::minutes(1)));
  EXPECT_EQ(shop.texts().size(), strangers.size());
  EXPECT_EQ(ben.texts().size(), kMaxStrangerFetches) << "a person pays for lookups";
  shop.endpoint->set_blocked(strangers[0]->address.account, true);
  world.round(shop);
  world.send(*strangers[0], shop, "from one who is blocked");
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(shop.texts().size(), strangers.size());
}

TEST_F(BusinessTest, AGatewaysOutboxIsTenTimesAsLarge) {
  world.cut(shop);
  world.cut(anna);
  const auto fill = [&](Device& device, const Device& to, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i)
      if (!device.endpoint->send_text(to.address.account, "x")) return i;
    return count;
  };
  EXPECT_EQ(fill(anna, shop, kMaxOutboxMessages + 1), kMaxOutboxMessages);
  EXPECT_EQ(fill(shop, anna, kMaxOutboxMessages + 1), kMaxOutboxMessages + 1);
}

// ---- what two businesses can compare

TEST_F(BusinessTest, TwoPersonasOfOnePersonShareNothing) {
  world.clock.advance(std::chrono::minutes(7));
  Device& other = world.add("anna, to another business", opaque_id().persona());
  Device& bank = world.add("bank", world.random.id<AccountId>(), {.serves_strangers = true});
  world.connect(other);
  world.connect(bank);
  // All that a business is shown: lists, prekeys, mailboxes, and every ciphertext.
  std::map<const Device*, std::vector<Bytes>> shown;
  const auto show_directory = [&](Device& business, const Device& persona) {
    const World::Account& account = world.accounts[persona.address.account];
    for (const Bytes& list : account.lists) shown[&business].push_back(list);
    for (const auto& [number, offer] : account.offers) {
      shown[&business].push_back(offer.signed_set);
      for (const Bytes& one : offer.one_time) shown[&business].push_back(one);
    }
  };
  show_directory(shop, anna);
  show_directory(bank, other);
  world.damage = [&](const Device& to, Bytes& ciphertext) {
    if (&to == &shop || &to == &bank) shown[&to].push_back(ciphertext);
  };
  talk();
  say(other, bank, "hello");
  say(bank, other, "what can we do for you?");
  world.send(anna, shop, "bye");
  say(other, bank, "bye");
  show_directory(shop, anna);
  show_directory(bank, other);
  const auto windows = [](const std::vector<Bytes>& all) {
    constexpr std::size_t kWindow = 12;
    std::set<Bytes> out;
    for (const Bytes& bytes : all) {
      for (std::size_t i = 0; i + kWindow <= bytes.size(); ++i) {
        const ByteView window = ByteView(bytes).subspan(i, kWindow);
        if (std::set<std::byte>(window.begin(), window.end()).size() >= kWindow / 2) out.insert(to_bytes(window));
      }
    }
    return out;
  };
  const std::set<Bytes> of_shop = windows(shown[&shop]), of_bank = windows(shown[&bank]);
  ASSERT_GT(of_shop.size(), 10'000u);
  std::vector<Bytes> both;
  std::ranges::set_intersection(of_shop, of_bank, std::back_inserter(both));
  EXPECT_TRUE(both.empty()) << both.size() << " runs of bytes, as " << to_hex(both.front());
  shown[&bank].push_back(shown[&shop][1]);
  const std::set<Bytes> with_one_of_shop = windows(shown[&bank]);
  std::ranges::set_intersection(of_shop, with_one_of_shop, std::back_inserter(both));
  EXPECT_FALSE(both.empty()) << "the search works";
}

}  // namespace
}  // namespace opaline::endpoint
