// Personas opened, joined and closed, and who may ask for whom.
#include "identity/personas_test_world.hpp"

namespace opaline::identity {
namespace {

using namespace testing;

using Joining = PersonasTest;

TEST_F(Joining, AConversationFromTheFirstDeviceToTheLastRefusal) {
  const auto opened = world.open(ada, shop);
  ASSERT_TRUE(opened);
  EXPECT_FALSE(opened->open());
  EXPECT_TRUE(opened->device_list().empty());
  persona = BusinessWorld::opaque_id(*opened).persona();
  EXPECT_EQ(status(world.bundles(shop_gateway, persona)), calls::CALL_STATUS_NOT_FOUND) << "nobody has joined";

  ada_joins();
  EXPECT_EQ(ada_there.account, persona);
  EXPECT_TRUE(world.authenticate(ada_there));
  EXPECT_TRUE(world.authenticate(shop_gateway));
  const auto to_business = world.bundles(ada_there, shop);
  ASSERT_TRUE(to_business);
  EXPECT_EQ(to_business->devices_size(), 1);
  EXPECT_FALSE(to_business->devices(0).bundle().empty());
  const auto to_person = world.bundles(shop_gateway, persona);
  ASSERT_TRUE(to_person);
  EXPECT_EQ(to_person->devices(0).mailbox(), text(ada_there.mailbox.view()));
  EXPECT_TRUE(world.send_tokens(shop_gateway, persona));
  EXPECT_TRUE(world.send_tokens(ada_there, ada_there.account)) << "its own devices";
  EXPECT_TRUE(world.open(ada, shop)->open());

  ASSERT_TRUE(world.close(ada, shop));
  EXPECT_FALSE(world.authenticate(ada_there));
  EXPECT_TRUE(world.relay.has("destroy " + ada_there.mailbox.hex()));
  EXPECT_TRUE(world.relay.has("disconnect " + persona.hex() + " removed"));
  EXPECT_TRUE(world.relay.has("notify " + shop.hex() + " " + std::to_string(calls::NOTICE_PERSONA_CLOSED)));
  calls::PersonaClosed notice;
  ASSERT_TRUE(notice.ParseFromString(world.relay.notices.back()));
  EXPECT_EQ(notice.persona(), text(persona.view()));
  EXPECT_EQ(status(world.bundles(shop_gateway, persona)), calls::CALL_STATUS_CLOSED);
  EXPECT_EQ(status(world.send_tokens(shop_gateway, persona)), calls::CALL_STATUS_CLOSED);
  EXPECT_EQ(status(world.bundles(ada_there, shop)), calls::CALL_STATUS_NOT_FOUND) << "a call that was under way";
}

TEST_F(Joining, AClosedConversationIsOpenedAgainUnderTheSameIdByFreshKeys) {
  const auto before = world.open(ada, shop);
  ada_joins();
  const auto old_mailbox = ada_there.mailbox;
  ASSERT_TRUE(world.close(ada, shop));
  EXPECT_TRUE(world.close(ada, shop)) << "again";
  const auto opened = world.open(ada, shop);
  EXPECT_FALSE(opened->open());
  EXPECT_FALSE(opened->device_list().empty());
  EXPECT_EQ(opened->opaque_id(), before->opaque_id());
  EXPECT_NE(opened->mailbox(), before->mailbox()) << "a mailbox that was destroyed is not given again";

  Person fresh(40);
  auto with_the_old = world.join_request(*opened, shop, ada_root, fresh);
  const auto list = list_with(*session::verify_device_list(as_view(opened->device_list())), fresh,
                              as_view(opened->mailbox()), world.clock.now());
  with_the_old.set_device_list(text(session::sign_device_list(list, ada_root.account_key, ada_root.random)));
  EXPECT_EQ(status(world.join(ada, with_the_old)), calls::CALL_STATUS_CONFLICT);

  const auto events = world.relay.events.size();
  ASSERT_TRUE(world.join(ada, shop, ada_root, fresh));
  EXPECT_EQ(fresh.account, persona);
  EXPECT_EQ(world.relay.events.size(), events) << "what is gone is not ended twice";
  EXPECT_TRUE(world.authenticate(fresh));
  EXPECT_FALSE(world.authenticate(ada_there));
  const auto seen = world.bundles(shop_gateway, persona);
  ASSERT_TRUE(seen);
  EXPECT_EQ(seen->devices_size(), 1);
  EXPECT_NE(seen->devices(0).mailbox(), text(old_mailbox.view()));
}

TEST_F(Joining, TheSameRequestAgainIsTheSameAnswerAndChangesNothing) {
  const auto opened = world.open(ada, shop);
  const auto request = world.join_request(*opened, shop, ada_root, ada_there);
  ASSERT_TRUE(world.join(ada, request));
  const auto writes = world.rows.writes;
  EXPECT_TRUE(world.join(ada, request));
  EXPECT_EQ(world.rows.writes, writes);
  EXPECT_EQ(status(world.join(bob, request)), calls::CALL_STATUS_CONFLICT) << "of another account";
  ASSERT_TRUE(world.link(ada, laptop));
  EXPECT_EQ(status(world.join(laptop, request)), calls::CALL_STATUS_CONFLICT) << "of another device";
  ASSERT_TRUE(world.close(ada, shop));
  EXPECT_EQ(status(world.join(ada, request)), calls::CALL_STATUS_CONFLICT) << "of a conversation closed since";
}

TEST_F(Joining, AJoinWhoseOutcomeIsUnknownIsSentAgain) {
  for (const bool stored : {true, false}) {
    const AccountId business = world.create();
    const auto request = world.join_request(*world.open(ada, business), business, ada_root, ada_there);
    world.rows.next_write = {{.error = store::RowError::unknown, .stored = stored}};
    EXPECT_EQ(status(world.join(ada, request)), calls::CALL_STATUS_UNAVAILABLE);
    EXPECT_TRUE(world.join(ada, request));
    EXPECT_TRUE(world.authenticate(ada_there));
  }
}

TEST_F(Joining, EachDeviceOfTheAccountJoinsByItself) {
  ada_joins();
  ASSERT_TRUE(world.link(ada, laptop));
  const auto ada_sees = world.open(ada, shop), laptop_sees = world.open(laptop, shop);
  EXPECT_EQ(ada_sees->opaque_id(), laptop_sees->opaque_id());
  EXPECT_NE(ada_sees->mailbox(), laptop_sees->mailbox());
  // Both have seen the same list: who comes second takes the newer one and tries again.
  Person again(40);
  const auto second = world.join_request(*ada_sees, shop, ada_root, again);
  ASSERT_TRUE(world.join(laptop, shop, ada_root, laptop_there));
  EXPECT_EQ(status(world.join(ada, second)), calls::CALL_STATUS_CONFLICT);
  EXPECT_EQ(world.bundles(shop_gateway, persona)->devices_size(), 2);
  EXPECT_TRUE(world.authenticate(laptop_there));
  EXPECT_TRUE(world.relay.has("notify " + persona.hex() + " " + std::to_string(calls::NOTICE_ACCOUNT_CHANGED)));
}

TEST_F(Joining, TheMailboxIsTheOneThatWasGivenToThisDevice) {
  ada_joins();
  ASSERT_TRUE(world.link(ada, laptop));
  auto opened = *world.open(laptop, shop);
  opened.set_mailbox(world.open(ada, shop)->mailbox());
  const auto events = world.rows.writes;
  EXPECT_EQ(status(world.join(laptop, world.join_request(opened, shop, ada_root, laptop_there))),
            calls::CALL_STATUS_BAD_REQUEST);
  opened.set_mailbox(text(bob.mailbox.view()));
  EXPECT_EQ(status(world.join(laptop, world.join_request(opened, shop, ada_root, laptop_there))),
            calls::CALL_STATUS_BAD_REQUEST);
  EXPECT_EQ(world.rows.writes, events);
}

TEST_F(Joining, ListsThatMayNotComeNextAreRefused) {
  const auto opened = *world.open(ada, shop);
  const auto refused = [&](const calls::PersonaJoinRequest& request, calls::CallStatus expected) {
    const auto writes = world.rows.writes;
    EXPECT_EQ(status(world.join(ada, request)), expected);
    EXPECT_EQ(world.rows.writes, writes);
  };
  auto request = world.join_request(opened, shop, ada_root, ada_there);
  for (std::size_t at : {std::size_t{0}, std::size_t{1}, request.device_list().size() - 1}) {
    auto bad = request;
    (*bad.mutable_device_list())[at] = static_cast<char>(bad.device_list()[at] ^ 1);
    EXPECT_NE(status(world.join(ada, bad)), calls::CALL_STATUS_OK) << at;
  }
  auto cut = request;
  cut.mutable_device_list()->pop_back();
  refused(cut, calls::CALL_STATUS_BAD_REQUEST);
  auto of_bank = *world.open(ada, bank);
  refused(
      [&] {
        auto out = world.join_request(of_bank, shop, ada_root, ada_there);
        return out;
      }(),
      calls::CALL_STATUS_CONFLICT);
  auto without_prekeys = world.join_request(opened, shop, ada_root, ada_there);
  without_prekeys.mutable_prekeys()->clear_signed_prekeys();
  refused(without_prekeys, calls::CALL_STATUS_BAD_REQUEST);
  auto others_prekeys = world.join_request(opened, shop, ada_root, ada_there);
  *others_prekeys.mutable_prekeys() = bob.make_prekeys(world.clock.now());
  refused(others_prekeys, calls::CALL_STATUS_BAD_REQUEST);

  ada_joins();
  const auto now = *world.open(ada, shop);
  Person other_root(50), fresh(51);
  auto first_again = opened;
  first_again.set_mailbox(now.mailbox());
  refused(world.join_request(first_again, shop, other_root, fresh), calls::CALL_STATUS_CONFLICT);  // a new account key
}

TEST_F(Joining, OpeningWritesNothing) {
  const auto writes = world.rows.writes;
  const auto one = world.open(ada, shop), two = world.open(ada, shop), fresh = world.open(ada, shop, true);
  EXPECT_EQ(world.rows.writes, writes);
  EXPECT_EQ(one->opaque_id(), two->opaque_id());
  EXPECT_EQ(one->mailbox(), two->mailbox());
  EXPECT_EQ(one->opaque_id(), fresh->opaque_id()) << "who was never there is new";
  EXPECT_EQ(status(world.open(ada, ada.random.id<AccountId>())), calls::CALL_STATUS_NOT_FOUND);
  EXPECT_EQ(status(world.open(ada, bob.account)), calls::CALL_STATUS_NOT_FOUND) << "a person is no business";
}

TEST_F(Joining, ToBeNewIsAnotherIdAndTheOldOneStaysClosed) {
  ada_joins();
  const auto before = world.open(ada, shop);
  const auto after = world.open(ada, shop, true);
  ASSERT_TRUE(after);
  EXPECT_NE(after->opaque_id(), before->opaque_id());
  EXPECT_FALSE(after->open());
  EXPECT_TRUE(after->device_list().empty());
  EXPECT_EQ(world.open(ada, shop, true)->opaque_id(), after->opaque_id()) << "a repetition";
  EXPECT_EQ(notices(calls::NOTICE_PERSONA_CLOSED), 1u);
  EXPECT_FALSE(world.authenticate(ada_there));
  EXPECT_EQ(status(world.bundles(shop_gateway, persona)), calls::CALL_STATUS_CLOSED);

  Person root(40), fresh(41);
  ASSERT_TRUE(world.join(ada, shop, root, fresh));
  EXPECT_NE(fresh.account, persona);
  EXPECT_TRUE(world.bundles(shop_gateway, fresh.account));
  world.restart();
  EXPECT_EQ(world.open(ada, shop)->opaque_id(), after->opaque_id());
  EXPECT_EQ(status(world.bundles(shop_gateway, persona)), calls::CALL_STATUS_CLOSED) << "for good";
  EXPECT_EQ(status(world.bundles(bank_gateway, persona)), calls::CALL_STATUS_NOT_FOUND);
}

// ---------------------------------------------------------------- who may ask for whom

TEST_F(Joining, NobodyElseSeesAPersonaOrABusiness) {
  ada_joins();
  ASSERT_TRUE(world.open(bob, shop));
  Person bob_root(40), bob_there(41);
  ASSERT_TRUE(world.join(bob, shop, bob_root, bob_there));
  const auto hidden = [&](const Person& asker, const AccountId& asked) {
    const auto unknown = world.bundles(asker, world.random.id<AccountId>());
    const auto answer = world.bundles(asker, asked);
    EXPECT_EQ(status(answer), calls::CALL_STATUS_NOT_FOUND);
    EXPECT_EQ(answer.error(), unknown.error());
    EXPECT_EQ(status(world.send_tokens(asker, asked)), calls::CALL_STATUS_NOT_FOUND);
  };
  for (const auto& asked : {persona, shop}) {
    hidden(bob, asked);
    hidden(ada, asked);
  }
  for (const auto& asked : {persona, shop, ada.account}) hidden(bank_gateway, asked);
  for (const auto& asked : {ada.account, bob.account, bank}) hidden(shop_gateway, asked);
  for (const auto& asked : {ada.account, bob.account, bank, bob_there.account}) hidden(ada_there, asked);
}

TEST_F(Joining, AnotherBusinesssOpaqueIdCostsTheSameAsAnUnknownOne) {
  ada_joins();
  struct Work {
    std::size_t gets, hits, writes, verified;
    bool operator==(const Work&) const = default;
  };
  const auto work = [&](const auto& ask) {
    const Work before{world.rows.gets, world.rows.hits, world.rows.writes, world.crypto.verified};
    ask();
    return Work{world.rows.gets - before.gets, world.rows.hits - before.hits, world.rows.writes - before.writes,
                world.crypto.verified - before.verified};
  };
  const auto asking = [&](const Person& asker, const AccountId& asked) {
    return work([&] { EXPECT_EQ(status(world.bundles(asker, asked)), calls::CALL_STATUS_NOT_FOUND); });
  };
  const auto nobody = world.random.id<AccountId>();
  const Work unknown = asking(bank_gateway, nobody);
  EXPECT_EQ(asking(bank_gateway, persona), unknown);
  EXPECT_EQ(asking(bank_gateway, ada.account), unknown);
  EXPECT_EQ(asking(bank_gateway, shop), unknown);
  EXPECT_EQ(asking(bank_gateway, AccountId()), unknown);
  EXPECT_EQ(asking(shop_gateway, nobody), unknown);
  ASSERT_TRUE(world.service->set_switches(ada.account, {.people = true, .businesses = false, .calls = true}));
  EXPECT_EQ(asking(shop_gateway, persona), unknown) << "switched off";
  ASSERT_TRUE(world.service->set_switches(ada.account, {}));
  ASSERT_TRUE(world.close(ada, shop));
  EXPECT_EQ(asking(bank_gateway, persona), unknown) << "that it is closed is its own business's to know";

  (void)asking(bob, nobody);  // makes his lookup bucket's row
  const Work by_a_person = asking(bob, nobody);
  EXPECT_EQ(asking(bob, persona), by_a_person);
  EXPECT_EQ(asking(bob, shop), by_a_person);
  EXPECT_EQ(asking(bob, AccountId()), by_a_person);
  Person bob_root(40), bob_there(41);
  ASSERT_TRUE(world.join(bob, shop, bob_root, bob_there));
  const Work by_a_persona = asking(bob_there, nobody);
  for (const auto& asked : {persona, bank, ada.account, AccountId()}) EXPECT_EQ(asking(bob_there, asked), by_a_persona);
}

TEST_F(Joining, WhatIsForPersonsAlone) {
  ada_joins();
  for (const Person& other : {std::cref(shop_gateway), std::cref(ada_there)}) {
    Service& s = *world.service;
    const Caller caller = other.caller();
    const auto forbidden = [](const auto& answer) { EXPECT_EQ(status(answer), calls::CALL_STATUS_FORBIDDEN); };
    forbidden(world.lookup(other, {"bob@example.org"}));
    calls::HandleAddStartRequest start;
    start.set_handle("new@example.org");
    forbidden(s.handle_add_start(caller, start));
    calls::HandleAddFinishRequest finish;
    finish.set_code("123456");
    forbidden(s.handle_add_finish(caller, finish));
    calls::HandleRemoveRequest remove;
    remove.set_handle("ada@example.org");
    forbidden(s.handle_remove(caller, remove));
    calls::SetPinRequest pin;
    pin.set_pin("1234");
    forbidden(s.set_pin(caller, pin));
    calls::AccountDeleteRequest del;
    del.set_confirm_account(text(other.account.view()));
    forbidden(s.delete_account(caller, del));
    calls::LinkJoinRequest join;
    join.set_number("123456789");
    forbidden(s.link_join(caller, join));
    forbidden(s.link_turn(caller, {}));
    forbidden(world.open(other, shop));
    forbidden(world.close(other, shop));
    calls::PersonaJoinRequest persona_join;
    persona_join.set_business(text(shop.view()));
    forbidden(world.join(other, persona_join));
    calls::BusinessProfileRequest profile;
    profile.set_business(text(shop.view()));
    forbidden(s.business_profile(caller, profile));

    EXPECT_TRUE(s.account(caller));
    EXPECT_TRUE(s.prekey_status(caller));
    for (const auto id : {other.account}) {
      EXPECT_EQ(status(s.remove_account(id)), calls::CALL_STATUS_NOT_FOUND);
      EXPECT_EQ(status(s.set_switches(id, {})), calls::CALL_STATUS_NOT_FOUND);
      EXPECT_EQ(status(s.set_managed_by(id, "x")), calls::CALL_STATUS_NOT_FOUND);
    }
  }
  calls::UploadPrekeysRequest upload;
  *upload.mutable_prekeys() = ada_there.make_prekeys(world.clock.now());
  EXPECT_TRUE(world.service->upload_prekeys(ada_there.caller(), upload));
  *upload.mutable_prekeys() = shop_gateway.make_prekeys(world.clock.now());
  EXPECT_TRUE(world.service->upload_prekeys(shop_gateway.caller(), upload));
}

TEST_F(Joining, RecoveryKnowsNeitherBusinessesNorPersonas) {
  ada_joins();
  const auto work = [&](const AccountId& account, Person& signer) {
    calls::RecoveryStartRequest start;
    start.set_account(text(account.view()));
    const auto started = world.service->recovery_start(start);
    calls::RecoveryOpenRequest open;
    open.set_account(start.account());
    open.set_challenge(started->challenge());
    const Bytes message = to_bytes(started->challenge() + start.account());
    open.set_signature(
        text(signer.account_key.signer().sign("opaline account recovery v1", message, signer.random).view()));
    const auto gets = world.rows.gets, hits = world.rows.hits, verified = world.crypto.verified;
    const auto answer = world.service->recovery_open(ipv4(3), open);
    EXPECT_EQ(status(answer), calls::CALL_STATUS_FORBIDDEN);
    return std::tuple(world.rows.gets - gets, world.rows.hits - hits, world.crypto.verified - verified,
                      answer.error().message);
  };
  const auto unknown = work(world.random.id<AccountId>(), ada);
  EXPECT_EQ(work(shop, shop_gateway), unknown);
  EXPECT_EQ(work(persona, ada_root), unknown);
}

TEST_F(Joining, APersonasDevicesMayBeRemovedThereAndNotAdded) {
  ada_joins();
  ASSERT_TRUE(world.link(ada, laptop));
  ASSERT_TRUE(world.join(laptop, shop, ada_root, laptop_there));
  calls::UpdateDevicesRequest request;
  const auto before = world.list_of(ada_there);
  Person third(40);
  const auto more = list_with(before, third, third.random.id<MailboxId>().view(), world.clock.now());
  request.set_device_list(text(session::sign_device_list(more, ada_root.account_key, ada_root.random)));
  *request.mutable_prekeys() = third.make_prekeys(world.clock.now());
  EXPECT_EQ(status(world.service->update_devices(ada_there.caller(), request)), calls::CALL_STATUS_FORBIDDEN);
  const auto less = list_without(before, laptop_there.device, world.clock.now());
  request.set_device_list(text(session::sign_device_list(less, ada_root.account_key, ada_root.random)));
  EXPECT_TRUE(world.service->update_devices(ada_there.caller(), request));
  EXPECT_FALSE(world.authenticate(laptop_there));
  EXPECT_EQ(world.bundles(shop_gateway, persona)->devices_size(), 1);
}

}  // namespace
}  // namespace opaline::identity
