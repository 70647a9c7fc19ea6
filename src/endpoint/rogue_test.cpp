// Peers that authenticate and do as they like; lists that nobody signed; what an alarm stops.
#include <gtest/gtest.h>

#include "credentials/labels.hpp"
#include "endpoint/internal/core.hpp"
#include "endpoint/testing/world.hpp"
#include "wire/contents.hpp"

namespace opaline::endpoint {
namespace {

using testing::Device;
using testing::World;
using Texts = std::vector<std::string>;

/// A device's keys in other hands: a session of its own with `target`, in which it says what the test wants.
class Rogue {
 public:
  Rogue(World& world, Device& as, Device& target)
      : world_(world), as_(as), target_(target), session_(open(world, as, target)) {}

  /// The target gets it, whatever is under way to it besides. No clock ticks.
  void say(const decltype(wire::Content::body)& body) {
    const wire::Content content{.message = world_.random.id<MessageId>(),
                                .list_number = ListNumber{1},
                                .own_list_number = ListNumber{1},
                                .sent_at = world_.clock.now(),
                                .body = body};
    SecretBytes plaintext;
    ASSERT_TRUE(wire::encode(plaintext, content).has_value());
    const auto id = world_.random.id<EnvelopeId>();
    const auto message = session_.encrypt(plaintext, id.view(), world_.clock.now(), world_.random);
    ASSERT_TRUE(message.has_value());
    world_.mailboxes[target_.mailbox].waiting.push_back({id, *message, as_.address.account});
    world_.connect(target_);
    ASSERT_TRUE(world_.settle());
  }

 private:
  static session::Session open(World& world, Device& as, Device& target) {
    const auto identity =
        session::DeviceIdentity::deserialise(**as.store.get(Table::device, as_view(internal::kIdentityKey)));
    internal::OwnRecord own;
    EXPECT_TRUE(decode(**as.store.get(Table::device, as_view(internal::kOwnKey)), own));
    const auto list = session::load_device_list(own.signed_list);
    const World::Account& account = world.accounts[target.address.account];
    const auto target_list = session::load_device_list(account.lists.back());
    const auto bundle =
        session::verify_bundle(*target_list, target.address.device,
                               {account.offers.at(target.address.device).signed_set, {}}, world.clock.now());
    return std::move(
        *session::start_session({*identity, as.address, list->reference()}, *bundle, world.clock.now(), world.random));
  }
  World& world_;
  Device& as_;
  Device& target_;
  session::Session session_;
};

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

}  // namespace
}  // namespace opaline::endpoint
