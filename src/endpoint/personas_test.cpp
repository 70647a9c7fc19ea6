// How the person stands with businesses, on all of the person's devices.
#include <algorithm>

#include "endpoint/testing/rogue.hpp"
#include "endpoint/testing/two_people.hpp"

namespace opaline::endpoint {
namespace {

using testing::Device;
using testing::Rogue;

class PersonasTest : public testing::TwoPeople {
 protected:
  PersonasTest() : TwoPeople(53) {}
  PersonaState persona(PersonaStanding state = PersonaStanding::open) {
    PersonaState out{.business = world.random.id<AccountId>(),
                     .root = session::AccountKey::generate(world.random).serialise()};
    world.random.fill(out.opaque_id);
    out.state = state;
    out.changed_at = world.clock.now();
    return out;
  }
  void share(Device& device, const PersonaState& state) {
    device.endpoint->share_persona(state);
    world.round(device);
    ASSERT_TRUE(world.settle());
  }
  static const PersonaState* known(const Device& device, const AccountId& business) {
    const auto& all = device.store.history().personas;
    const auto it = all.find(business);
    return it == all.end() ? nullptr : &it->second;
  }
  static bool same(const Device& device, const PersonaState& state) {
    const PersonaState* const there = known(device, state.business);
    return there != nullptr && there->opaque_id == state.opaque_id && there->root == state.root &&
           there->state == state.state && there->changed_at == state.changed_at;
  }
  static wire::Sync said(const PersonaState& state) {
    wire::Personas out;
    out.personas[0] = {.business = state.business,
                       .opaque_id = state.opaque_id,
                       .root = state.root,
                       .state = static_cast<wire::PersonaStanding>(state.state),
                       .changed_at = state.changed_at};
    out.count = 1;
    return {out};
  }
};

TEST_F(PersonasTest, GoToOnesOtherDevicesAndTheLaterWordCounts) {
  Device& tablet = world.link_live(anna, "tablet");
  Device& laptop = world.link_live(anna, "laptop");
  PersonaState shop = persona();
  share(anna, shop);
  for (const Device* device : {&anna, &tablet, &laptop}) EXPECT_TRUE(same(*device, shop)) << device->name;
  EXPECT_EQ(tablet.count_events<PersonasChanged>(), 1u);
  EXPECT_EQ(anna.count_events<PersonasChanged>(), 0u) << "it was said here";
  EXPECT_TRUE(ben.store.history().personas.empty());

  // Said on two devices that do not hear each other: the later one counts, whoever comes first.
  world.cut(tablet);
  world.cut(laptop);
  PersonaState closed = shop, blocked = shop;
  closed.state = PersonaStanding::closed;
  closed.changed_at = shop.changed_at + seconds(10);
  blocked.state = PersonaStanding::blocked;
  blocked.changed_at = shop.changed_at + seconds(20);
  share(tablet, blocked);
  share(laptop, closed);
  world.connect(laptop);
  ASSERT_TRUE(world.settle());
  EXPECT_TRUE(same(anna, closed));
  world.connect(tablet);
  ASSERT_TRUE(world.pass(std::chrono::minutes(5)));
  for (const Device* device : {&anna, &tablet, &laptop}) EXPECT_TRUE(same(*device, blocked)) << device->name;
}

TEST_F(PersonasTest, OfTwoWordsInOneRoundTheLaterOneIsTold) {
  Device& tablet = world.link_live(anna, "tablet");
  PersonaState shop = persona(), blocked = shop;
  blocked.state = PersonaStanding::blocked;
  blocked.changed_at = shop.changed_at + seconds(1);
  PersonaState bank = blocked, before = blocked;
  bank.business = before.business = world.random.id<AccountId>();
  before.changed_at = shop.changed_at;
  for (const PersonaState* state : {&shop, &blocked, &bank, &before}) anna.endpoint->share_persona(*state);
  world.round(anna);
  ASSERT_TRUE(world.settle());
  for (const Device* device : {&anna, &tablet}) {
    EXPECT_TRUE(same(*device, blocked));
    EXPECT_TRUE(same(*device, bank));
  }
}

TEST_F(PersonasTest, ANewDeviceIsToldAllOfThem) {
  std::vector<PersonaState> all;
  for (std::size_t i = 0; i < 2 * wire::kMaxPersonas + 3; ++i) {
    share(anna, all.emplace_back(persona()));
    world.clock.advance(seconds(1));
  }
  Device& tablet = world.link_live(anna, "tablet");
  for (const PersonaState& one : all) EXPECT_TRUE(same(tablet, one));
}

TEST_F(PersonasTest, NoRootLiesInTheOutbox) {
  Device& tablet = world.link_live(anna, "tablet");
  world.cut(anna);
  world.cut(tablet);
  const PersonaState shop = persona();
  share(anna, shop);
  const auto lies_in_a_row = [&](ByteView what) {
    return std::ranges::any_of(anna.store.contents().rows,
                               [&](const auto& row) { return !std::ranges::search(row.second, what).empty(); });
  };
  EXPECT_GT(anna.endpoint->waiting(), 0u);
  EXPECT_TRUE(lies_in_a_row(shop.business.view())) << "the search works";
  EXPECT_FALSE(lies_in_a_row(ByteView(shop.root).subspan(1)));
  world.crash(anna);
  world.connect(anna);
  world.connect(tablet);
  ASSERT_TRUE(world.settle());
  EXPECT_TRUE(same(tablet, shop));
}

TEST_F(PersonasTest, OnlyOnesOwnDevicesAreBelievedAndNoTimeThatIsFarAhead) {
  Device& tablet = world.link_live(anna, "tablet");
  say(ben, anna, "hello");
  say(anna, ben, "hello");
  PersonaState shop = persona();
  Rogue stranger(world, ben, anna);
  stranger.say(said(shop));
  EXPECT_EQ(known(anna, shop.business), nullptr);

  Rogue own(world, tablet, anna);
  PersonaState ahead = shop;
  ahead.changed_at = world.clock.now() + kMaxClockAhead + seconds(5);
  own.say(said(ahead));
  EXPECT_EQ(known(anna, shop.business), nullptr);
  PersonaState no_root = shop;
  no_root.root[0] = std::byte{9};  // a version of the future
  own.say(said(no_root));
  EXPECT_EQ(known(anna, shop.business), nullptr);
  EXPECT_EQ(anna.count_events<PersonasChanged>(), 0u);
  own.say(said(shop));
  EXPECT_TRUE(same(anna, shop));
  EXPECT_EQ(anna.count_events<PersonasChanged>(), 1u);
}

TEST_F(PersonasTest, WhatIsNoPersonaIsNotShared) {
  Device& tablet = world.link_live(anna, "tablet");
  PersonaState bad = persona();
  bad.root.resize(64);
  share(anna, bad);
  PersonaState nobody = persona();
  nobody.business = {};
  share(anna, nobody);
  EXPECT_TRUE(anna.store.history().personas.empty());
  EXPECT_TRUE(tablet.store.history().personas.empty());
}

TEST_F(PersonasTest, AStoreWithoutPersonasTellsNothing) {
  // The record outlives what it is about, as when a backup was restored.
  Device& tablet = world.link_live(anna, "tablet");
  world.cut(tablet);
  world.cut(anna);
  share(anna, persona());
  auto backup = anna.store.backup();
  backup.history.personas.clear();
  world.restore(anna, std::move(backup));
  world.connect(anna);
  world.connect(tablet);
  say(anna, ben, "goes on");
  EXPECT_EQ(written(tablet).back(), "goes on");
  EXPECT_TRUE(tablet.store.history().personas.empty());
}

}  // namespace
}  // namespace opaline::endpoint
