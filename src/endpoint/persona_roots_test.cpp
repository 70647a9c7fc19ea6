// A persona's root is renewed (docs/adr/0015-personas.md, "A new root"): its devices and the gateway go on.
#include "credentials/opaque_id.hpp"
#include "endpoint/testing/two_people.hpp"

namespace opaline::endpoint {
namespace {

using session::AccountKey;
using testing::Device;
using testing::Texts;
using testing::World;

/// Anna's persona on a phone and a tablet, and a business.
class PersonaRootsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    world.connect(phone);
    world.connect(shop);
    join();
    ASSERT_TRUE(world.pass(std::chrono::minutes(2)));
    say(phone, shop, "hello");
    say(shop, phone, "good day");
    ASSERT_EQ(tablet.texts(), Texts{"good day"});
  }
  MessageId say(Device& from, const Device& to, std::string_view text) {
    const MessageId id = world.send(from, to, text);
    EXPECT_TRUE(world.pass(std::chrono::minutes(2)));
    return id;
  }
  [[nodiscard]] session::DeviceList next() const {
    return session::next_device_list(
        *session::verify_device_list(world.accounts.at(phone.address.account).lists.back()), world.clock.now());
  }
  /// The tablet's keys, on the phone's list.
  void join() {
    const auto root = phone.endpoint->account_key();
    tablet.name = "tablet";
    tablet.options = {.persona = true};
    const auto made = Endpoint::create_in_persona(tablet.store, world.random, world.clock, next(),
                                                  world.random.id<MailboxId>(), *root);
    OPALINE_ASSERT(made.has_value());
    world.take_recovery(tablet, *made);
    world.connect(tablet);
  }
  /// The service takes the list as it is, signed by `root`.
  void show(session::DeviceList list, const AccountKey& root) {
    list.account_key = root.public_key();
    world.accounts[phone.address.account].lists.push_back(session::sign_device_list(list, root, world.random));
    for (Device* device : {&phone, &tablet}) {
      device->endpoint->check_own_list();
      world.round(*device);
    }
    ASSERT_TRUE(world.settle());
  }
  void adopt(Device& device, const AccountKey& root) {
    device.endpoint->adopt_account_key(root);
    world.round(device);
    ASSERT_TRUE(world.settle());
  }
  [[nodiscard]] std::size_t alarms() const {
    std::size_t out = 0;
    for (const Device* device : {&phone, &tablet, &shop})
      for (const NoticeKind kind : {NoticeKind::identity_changed, NoticeKind::list_forked, NoticeKind::list_rolled_back,
                                    NoticeKind::own_list_forged, NoticeKind::list_unsigned})
        out += device->notices(kind);
    return out;
  }
  [[nodiscard]] bool both_ways(std::string_view what) {
    const std::string text(what);
    say(phone, shop, text + " from the phone");
    say(tablet, shop, text + " from the tablet");
    say(shop, phone, text + " from the shop");
    const auto has = [](const Device& device, const std::string& wanted) {
      const Texts all = device.texts();
      return std::ranges::count(all, wanted) == 1;
    };
    return has(shop, text + " from the phone") && has(shop, text + " from the tablet") &&
           has(phone, text + " from the shop") && has(tablet, text + " from the shop");
  }

  World world{77};
  const AccountId persona = [this] {
    ByteArray<credentials::kOpaqueIdBytes> bytes;
    world.random.fill(bytes);
    return credentials::OpaqueId(bytes).persona();
  }();
  Device& phone = world.add("phone", persona, {.persona = true});
  Device& shop = world.add("shop", world.random.id<AccountId>(), {.serves_strangers = true});
  Device& tablet = *world.devices.emplace_back(std::make_unique<Device>(world.clock));
  const AccountKey fresh = AccountKey::generate(world.random);
};

TEST_F(PersonaRootsTest, AllGoOnUnderTheNewRoot) {
  show(next(), fresh);
  adopt(phone, fresh);
  adopt(tablet, fresh);
  EXPECT_EQ(phone.own_list_number(), ListNumber{3});
  EXPECT_EQ(tablet.own_list_number(), ListNumber{3});
  EXPECT_TRUE(both_ways("later"));
  EXPECT_EQ(shop.endpoint->peer_status(persona)->list_number, ListNumber{3}) << "the gateway has taken it";
  EXPECT_EQ(alarms(), 0u);
}

TEST_F(PersonaRootsTest, TheRootMayComeBeforeTheListAndAfterIt) {
  adopt(phone, fresh);
  show(next(), fresh);
  EXPECT_EQ(phone.own_list_number(), ListNumber{3});
  EXPECT_EQ(tablet.own_list_number(), ListNumber{2}) << "it was not told yet";
  EXPECT_EQ(tablet.count_events<RootUnknown>(), 1u);
  EXPECT_TRUE(both_ways("meanwhile"));
  EXPECT_EQ(alarms(), 0u);
  world.crash(tablet);
  world.connect(tablet);
  adopt(tablet, fresh);
  EXPECT_EQ(tablet.own_list_number(), ListNumber{3});
  EXPECT_TRUE(both_ways("then"));
  EXPECT_EQ(alarms(), 0u);
}

TEST_F(PersonaRootsTest, ARootThatNobodyTellsOfIsAnAlarm) {
  show(next(), fresh);
  ASSERT_TRUE(world.pass(kNewRootWithin + std::chrono::minutes(5)));
  EXPECT_EQ(phone.notices(NoticeKind::own_list_forged), 1u);
  EXPECT_EQ(tablet.notices(NoticeKind::own_list_forged), 1u);
  EXPECT_EQ(phone.own_list_number(), ListNumber{2}) << "and is not taken";
}

TEST_F(PersonaRootsTest, WhoIsLeftOutReadsNothingOfWhatComesLater) {
  auto list = next();
  std::erase_if(list.devices, [&](const auto& entry) { return entry.number == tablet.address.device; });
  show(list, fresh);
  adopt(phone, fresh);
  say(phone, shop, "it is gone");
  say(shop, phone, "for the phone alone");
  EXPECT_EQ(phone.texts().back(), "for the phone alone");
  EXPECT_EQ(tablet.texts(), Texts{"good day"});
  // With the old root, which it has, it signs itself in; and the service shows that.
  const auto old = tablet.endpoint->account_key();
  auto forged = next();
  forged.devices.push_back(tablet.endpoint->own_list()->list().devices.back());
  forged.devices.back().number = forged.next_device;
  forged.next_device = DeviceNumber{static_cast<std::uint32_t>(forged.next_device) + 1};
  forged.account_key = old->public_key();
  world.accounts[persona].lists.push_back(session::sign_device_list(forged, *old, world.random));
  phone.endpoint->check_own_list();
  world.round(phone);
  ASSERT_TRUE(world.pass(kNewRootWithin + std::chrono::minutes(5)));
  EXPECT_EQ(phone.notices(NoticeKind::own_list_forged), 1u) << "that is an alarm";
}

TEST_F(PersonaRootsTest, TheGatewayTakesNoOlderListAndNoOtherKeysOfADeviceThatItKnows) {
  const auto before = shop.endpoint->peer_status(persona)->list_number;
  auto list = next();
  list.devices[0].keys = session::DeviceIdentity::generate(world.random).public_keys();
  show(list, fresh);
  shop.endpoint->refresh_peer(persona);
  world.round(shop);
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(shop.endpoint->peer_status(persona)->list_number, before);
  EXPECT_EQ(shop.notices(NoticeKind::identity_changed), 1u);
}

TEST_F(PersonaRootsTest, BetweenPeopleANewKeyStaysAnAlarm) {
  Device& ben = world.add("ben");
  Device& cara = world.add("cara");
  world.connect(ben);
  world.connect(cara);
  say(ben, cara, "hello");
  auto list = session::next_device_list(*session::verify_device_list(world.accounts[ben.address.account].lists.back()),
                                        world.clock.now());
  list.account_key = fresh.public_key();
  world.accounts[ben.address.account].lists.push_back(session::sign_device_list(list, fresh, world.random));
  for (Device* device : {&ben, &cara}) {
    device->endpoint->refresh_peer(ben.address.account);
    world.round(*device);
  }
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(cara.notices(NoticeKind::identity_changed), 1u);
  EXPECT_EQ(ben.notices(NoticeKind::own_list_forged), 1u);
}

}  // namespace
}  // namespace opaline::endpoint
