// What becomes of personas when something happens to their account, its devices or their business.
#include "crypto/hash.hpp"
#include "identity/internal/records.hpp"
#include "identity/personas_test_world.hpp"

namespace opaline::identity {
namespace {

using namespace testing;

class Upkeep : public PersonasTest {
 protected:
  using PersonasTest::PersonasTest;
  void SetUp() override {
    PersonasTest::SetUp();
    ada_joins();
  }
  void expect_gone(const Person& device) {
    EXPECT_FALSE(world.authenticate(const_cast<Person&>(device)));
    EXPECT_TRUE(world.relay.has("destroy " + device.mailbox.hex()));
    EXPECT_TRUE(world.relay.has("disconnect " + device.account.hex() + " removed"));
  }
  [[nodiscard]] std::size_t rows_in(std::string_view table) { return world.rows.scan(table, {}, {}, 10'000)->size(); }
};

TEST_F(Upkeep, ADeletedAccountTakesItsPersonasAlong) {
  Person root(40), there(41);
  ASSERT_TRUE(world.join(ada, bank, root, there));
  calls::AccountDeleteRequest request;
  request.set_confirm_account(text(ada.account.view()));
  ASSERT_TRUE(world.service->delete_account(ada.caller(), request));
  expect_gone(ada_there);
  expect_gone(there);
  EXPECT_EQ(notices(calls::NOTICE_PERSONA_CLOSED), 2u);
  EXPECT_EQ(status(world.bundles(shop_gateway, persona)), calls::CALL_STATUS_NOT_FOUND);
  EXPECT_EQ(rows_in(tables::kRelationships), 0u);
  // The decoy, Bob, the two businesses.
  EXPECT_EQ(rows_in(tables::kAccounts), 4u);
  EXPECT_EQ(rows_in(tables::kDevices), 3u);
  EXPECT_EQ(rows_in(tables::kPrekeys), 3u);
}

TEST_F(Upkeep, SoDoesOneThatLosesItsLastHandle) {
  Person taker(40);
  ASSERT_TRUE(world.enrol(taker, "ada@example.org"));
  expect_gone(ada_there);
  EXPECT_EQ(rows_in(tables::kRelationships), 0u);
  EXPECT_EQ(status(world.bundles(shop_gateway, persona)), calls::CALL_STATUS_NOT_FOUND);
  EXPECT_NE(world.open(taker, shop)->opaque_id(), std::string()) << "and who has it now is somebody else";
  EXPECT_NE(BusinessWorld::opaque_id(*world.open(taker, shop)).persona(), persona);
}

TEST_F(Upkeep, AClosedOneIsRemovedToo) {
  ASSERT_TRUE(world.close(ada, shop));
  const auto events = world.relay.events.size();
  ASSERT_TRUE(world.service->remove_account(ada.account));
  EXPECT_EQ(rows_in(tables::kRelationships), 0u);
  EXPECT_EQ(world.relay.events.size(), events + 2) << "her own device alone";
  EXPECT_EQ(status(world.bundles(shop_gateway, persona)), calls::CALL_STATUS_NOT_FOUND);
}

TEST_F(Upkeep, ARemovedDeviceIsOutOfEveryConversationAtOnce) {
  ASSERT_TRUE(world.link(ada, laptop));
  ASSERT_TRUE(world.join(laptop, shop, ada_root, laptop_there));
  ASSERT_TRUE(world.service->update_devices(ada.caller(), world.remove_request(ada, laptop.device)));
  expect_gone(laptop_there);
  EXPECT_TRUE(world.authenticate(ada_there));
  EXPECT_TRUE(world.open(ada, shop)->open());
  EXPECT_EQ(status(world.open(laptop, shop)), calls::CALL_STATUS_NOT_FOUND);
  // The rest can say so in the list.
  calls::UpdateDevicesRequest request;
  const auto less = list_without(world.list_of(ada_there), laptop_there.device, world.clock.now());
  request.set_device_list(text(session::sign_device_list(less, ada_root.account_key, ada_root.random)));
  EXPECT_TRUE(world.service->update_devices(ada_there.caller(), request));
  EXPECT_EQ(world.bundles(shop_gateway, persona)->devices_size(), 1);
  EXPECT_EQ(notices(calls::NOTICE_PERSONA_CLOSED), 0u);
}

TEST_F(Upkeep, AConversationWhoseOnlyDeviceIsRemovedIsClosed) {
  ASSERT_TRUE(world.link(ada, laptop));
  Person root(40), there(41);
  ASSERT_TRUE(world.join(laptop, bank, root, there));
  ASSERT_TRUE(world.service->update_devices(ada.caller(), world.remove_request(ada, laptop.device)));
  expect_gone(there);
  EXPECT_EQ(status(world.bundles(bank_gateway, there.account)), calls::CALL_STATUS_CLOSED);
  EXPECT_TRUE(world.relay.has("notify " + bank.hex() + " " + std::to_string(calls::NOTICE_PERSONA_CLOSED)));
  EXPECT_FALSE(world.open(ada, bank)->open());
  EXPECT_TRUE(world.authenticate(ada_there)) << "of the other conversation";
  Person fresh(42);
  EXPECT_TRUE(world.join(ada, bank, root, fresh));
}

TEST_F(Upkeep, AnUnknownOutcomeIsFoundOutAndTold) {
  for (const bool stored : {true, false}) {
    world.rows.next_write = {{.error = store::RowError::unknown, .stored = stored}};
    EXPECT_EQ(status(world.close(ada, shop)), calls::CALL_STATUS_UNAVAILABLE);
    EXPECT_FALSE(world.relay.has("destroy " + ada_there.mailbox.hex()));
    ASSERT_TRUE(world.close(ada, shop));
    expect_gone(ada_there);
    ada_there = Person(60);
    ASSERT_TRUE(world.join(ada, shop, ada_root, ada_there));
  }
}

// ---------------------------------------------------------------- switches

TEST_F(Upkeep, SwitchedOffABusinessFindsNobodyAndNobodyConnects) {
  ASSERT_TRUE(world.service->set_switches(ada.account, {.people = true, .businesses = false, .calls = true}));
  EXPECT_TRUE(world.relay.has("revoke mailbox " + ada_there.mailbox.hex()));
  EXPECT_TRUE(world.relay.has("revoke sender " + persona.hex()));
  EXPECT_TRUE(world.relay.has("disconnect " + persona.hex() + " other"));
  EXPECT_FALSE(world.relay.has("destroy " + ada_there.mailbox.hex()));
  EXPECT_EQ(status(world.bundles(shop_gateway, persona)), calls::CALL_STATUS_NOT_FOUND);
  EXPECT_FALSE(world.authenticate(ada_there));
  EXPECT_EQ(status(world.bundles(ada_there, shop)), calls::CALL_STATUS_FORBIDDEN) << "a call that was under way";
  calls::BusinessProfileRequest profile;
  profile.set_business(text(shop.view()));
  EXPECT_EQ(status(world.service->business_profile(ada.caller(), profile)), calls::CALL_STATUS_FORBIDDEN);
  EXPECT_EQ(status(world.open(ada, shop)), calls::CALL_STATUS_FORBIDDEN);
  EXPECT_EQ(status(world.close(ada, shop)), calls::CALL_STATUS_FORBIDDEN);
  world.restart();
  EXPECT_TRUE(world.relay.has("revoke sender " + persona.hex()));
  ASSERT_TRUE(world.service->set_switches(ada.account, {}));
  EXPECT_TRUE(world.authenticate(ada_there));
  EXPECT_TRUE(world.bundles(shop_gateway, persona));
  EXPECT_TRUE(world.bundles(ada_there, shop));
}

TEST_F(Upkeep, PeopleAndBusinessesAreSwitchedApart) {
  ASSERT_TRUE(world.service->set_switches(ada.account, {.people = false, .businesses = true, .calls = true}));
  EXPECT_FALSE(world.relay.has("revoke sender " + persona.hex()));
  EXPECT_TRUE(world.bundles(shop_gateway, persona));
  EXPECT_TRUE(world.bundles(ada_there, shop));
  EXPECT_TRUE(world.authenticate(ada_there));
  EXPECT_EQ(status(world.bundles(ada, bob.account)), calls::CALL_STATUS_FORBIDDEN);
}

// ---------------------------------------------------------------- businesses that go

TEST_F(Upkeep, ARemovedBusinessIsUnknownAtOnceAndItsRowsGo) {
  Person root(40), there(41);
  ASSERT_TRUE(world.join(ada, bank, root, there));
  ASSERT_TRUE(world.service->remove_business(shop));
  expect_gone(shop_gateway);
  EXPECT_FALSE(world.authenticate(ada_there));
  EXPECT_EQ(status(world.open(ada, shop)), calls::CALL_STATUS_NOT_FOUND);
  EXPECT_EQ(status(world.close(ada, shop)), calls::CALL_STATUS_NOT_FOUND);
  EXPECT_EQ(status(world.bundles(ada_there, shop)), calls::CALL_STATUS_FORBIDDEN);
  EXPECT_EQ(status(world.service->remove_business(shop)), calls::CALL_STATUS_NOT_FOUND);
  EXPECT_EQ(rows_in(tables::kRelationships), 2u);
  world.restart();  // the sweep was not done yet
  world.service->tick();
  expect_gone(ada_there);
  EXPECT_EQ(rows_in(tables::kRelationships), 1u);
  EXPECT_TRUE(world.authenticate(there));
  EXPECT_TRUE(world.bundles(bank_gateway, there.account));
}

TEST_F(Upkeep, ASweepThatFailsIsDoneByTheNextTick) {
  ASSERT_TRUE(world.service->remove_business(shop));
  world.rows.next_write = {{.error = store::RowError::full, .stored = false}};
  world.service->tick();
  EXPECT_EQ(rows_in(tables::kRelationships), 1u);
  world.service->tick();
  EXPECT_EQ(rows_in(tables::kRelationships), 0u);
  expect_gone(ada_there);
}

// ---------------------------------------------------------------- quotas

class FewConversations : public PersonasTest {
 protected:
  FewConversations()
      : PersonasTest([] {
          Config out;
          out.persona_opens = {.capacity = 30, .refill = std::chrono::days(1)};
          out.persona_joins = {.capacity = 2, .refill = std::chrono::days(1)};
          out.calls_per_account = {.capacity = 300, .refill = std::chrono::hours(1)};
          out.calls_per_business = {.capacity = 1'000, .refill = std::chrono::hours(1)};
          return out;
        }()) {}
};

TEST_F(FewConversations, OpensAndJoinsAreCountedByAccount) {
  ada_joins();
  Person root(40), there(41);
  ASSERT_TRUE(world.join(ada, bank, root, there));
  const AccountId third = world.create();
  const auto request = world.join_request(*world.open(ada, third), third, root, there);
  EXPECT_EQ(status(world.join(ada, request)), calls::CALL_STATUS_QUOTA);
  ASSERT_TRUE(world.open(ada, shop, true)) << "20";
  for (int i = 0; i < 7; ++i) ASSERT_TRUE(world.open(ada, shop)) << i;
  EXPECT_EQ(status(world.open(ada, shop)), calls::CALL_STATUS_QUOTA);
  EXPECT_TRUE(world.open(bob, shop));
  EXPECT_TRUE(world.close(ada, shop)) << "closing is always possible";
}

TEST_F(Upkeep, AnAccountIsKnownToAThousandBusinessesAndNoMore) {
  const auto key = *world.vault.named_key("relationships");
  auto rows = world.sealed->batch();
  for (std::size_t i = 1; i < kMaxRelationships; ++i) {  // without the work of joining them: she is in one
    const AccountId business = world.create();
    const auto hash = crypto::hmac_sha256(
        key.reveal(), {as_view(std::string_view("opaline relationship v1")), ada.account.view(), business.view()});
    const internal::RelationshipRecord record{.business = business, .persona = business, .key_version = 1};
    rows.put(tables::kRelationships, store::clear(hash), internal::encode(record));
  }
  ASSERT_TRUE(world.sealed->write(std::move(rows)));
  Person root(40), there(41);
  const auto request = world.join_request(*world.open(ada, bank), bank, root, there);
  const auto refused = world.join(ada, request);
  EXPECT_EQ(status(refused), calls::CALL_STATUS_FORBIDDEN);
  EXPECT_TRUE(world.join(bob, bank, root, there)) << "another account";
  ASSERT_TRUE(world.close(ada, shop));
  Person fresh(42);
  EXPECT_TRUE(world.join(ada, shop, ada_root, fresh)) << "where she is known already";
  ASSERT_TRUE(world.service->remove_account(ada.account));
  EXPECT_EQ(rows_in(tables::kRelationships), 1u) << "Bob's";
}

TEST_F(FewConversations, ABusinessHasAQuotaOfItsOwnAndNoLookupBucket) {
  ada_joins();
  for (int i = 0; i < 900; ++i) ASSERT_TRUE(world.send_tokens(shop_gateway, persona)) << i;
  EXPECT_TRUE(world.rows.scan(tables::kBuckets, {}, {}, 10)->empty());
}

}  // namespace
}  // namespace opaline::identity
