// One's own account, administration, and what lies on the disk.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "identity/identity_test_world.hpp"

namespace opaline::identity {
namespace {

using testing::Person;
using testing::text;
using testing::World;

template <class T>
calls::CallStatus status(const Answer<T>& answer) {
  return answer ? calls::CALL_STATUS_OK : answer.error().status;
}

class Account : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(world.enrol(ada, "ada@example.org")); }
  calls::HandleAddFinishRequest start_add(const std::string& handle) {
    calls::HandleAddStartRequest start;
    start.set_handle(handle);
    const auto started = world.service->handle_add_start(ada.caller(), start);
    EXPECT_TRUE(started);
    calls::HandleAddFinishRequest finish;
    finish.set_verification(started->verification());
    finish.set_code(world.codes.codes[handle]);
    return finish;
  }
  Answer<calls::AccountReply> remove(const std::string& handle) {
    calls::HandleRemoveRequest request;
    request.set_handle(handle);
    return world.service->handle_remove(ada.caller(), request);
  }
  World world;
  Person ada{7};
};

TEST_F(Account, HandlesAreAddedAndRemoved) {
  const auto added = world.service->handle_add_finish(ada.caller(), start_add("+4915112345678"));
  ASSERT_TRUE(added);
  EXPECT_EQ(added->handles_size(), 2);
  Person bob(8);
  ASSERT_TRUE(world.enrol(bob, "bob@example.org"));
  EXPECT_EQ(AccountId::from(as_view(world.lookup(bob, {"+49 151 12345678"})->items(0).account())), ada.account);
  ASSERT_TRUE(remove("+49 151 1234 5678"));
  EXPECT_EQ(world.lookup(bob, {"+4915112345678"})->items(0).account(), "");
  EXPECT_EQ(world.service->account(ada.caller())->handles_size(), 1);
}

TEST_F(Account, AddingMayBeRepeated) {
  const auto finish = start_add("+4915112345678");
  ASSERT_TRUE(world.service->handle_add_finish(ada.caller(), finish));
  const auto writes = world.rows.writes;
  const auto again = world.service->handle_add_finish(ada.caller(), finish);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->handles_size(), 2);
  EXPECT_EQ(world.rows.writes, writes);
}

TEST_F(Account, AddingNeedsTheCodeOfThisAccount) {
  auto finish = start_add("+4915112345678");
  const std::string right = finish.code();
  finish.set_code(right == "000000" ? "000001" : "000000");
  const auto wrong = world.service->handle_add_finish(ada.caller(), finish);
  EXPECT_EQ(status(wrong), calls::CALL_STATUS_WRONG_CODE);
  EXPECT_EQ(wrong.error().tries_left, 4u);
  finish.set_code("12");
  EXPECT_EQ(status(world.service->handle_add_finish(ada.caller(), finish)), calls::CALL_STATUS_BAD_REQUEST);
  finish.set_code(right);
  Person eve(9);
  ASSERT_TRUE(world.enrol(eve, "eve@example.org"));
  EXPECT_EQ(status(world.service->handle_add_finish(eve.caller(), finish)), calls::CALL_STATUS_EXPIRED)
      << "Ada's verification";
  calls::CheckRequest check;
  check.set_verification(finish.verification());
  check.set_code(right);
  EXPECT_EQ(status(world.service->check(check)), calls::CALL_STATUS_EXPIRED) << "no registration can be made of it";
  EXPECT_TRUE(world.service->handle_add_finish(ada.caller(), finish));
}

TEST_F(Account, ACodeAddsAHandleOnce) {
  const auto finish = start_add("+4915112345678");
  ASSERT_TRUE(world.service->handle_add_finish(ada.caller(), finish));
  Person bob(8);
  ASSERT_TRUE(world.enrol(bob, "+4915112345678"));
  EXPECT_EQ(status(world.service->handle_add_finish(ada.caller(), finish)), calls::CALL_STATUS_EXPIRED)
      << "it is Bob's by now";
  const auto again = start_add("+4915112345678");
  ASSERT_TRUE(world.service->handle_add_finish(ada.caller(), again));
  ASSERT_TRUE(remove("+4915112345678"));
  EXPECT_EQ(status(world.service->handle_add_finish(ada.caller(), again)), calls::CALL_STATUS_EXPIRED);
}

TEST_F(Account, ARegistrationsCodeAddsNothing) {
  calls::StartRequest start;
  start.set_handle("+4915112345678");
  const auto started = world.service->start(testing::ipv4(1), start);
  calls::HandleAddFinishRequest finish;
  finish.set_verification(started->verification());
  finish.set_code(world.codes.codes["+4915112345678"]);
  EXPECT_EQ(status(world.service->handle_add_finish(ada.caller(), finish)), calls::CALL_STATUS_EXPIRED);
}

TEST_F(Account, HandlesAreLimited) {
  for (std::size_t i = 1; i < kMaxHandles; ++i) {
    ASSERT_TRUE(world.service->handle_add_finish(ada.caller(), start_add("h" + std::to_string(i) + "@example.org")));
  }
  calls::HandleAddStartRequest start;
  start.set_handle("more@example.org");
  EXPECT_EQ(status(world.service->handle_add_start(ada.caller(), start)), calls::CALL_STATUS_FORBIDDEN);
}

TEST_F(Account, TheLastHandleStays) {
  EXPECT_EQ(status(remove("ada@example.org")), calls::CALL_STATUS_FORBIDDEN);
  EXPECT_EQ(status(remove("other@example.org")), calls::CALL_STATUS_NOT_FOUND);
  EXPECT_EQ(status(remove("rubbish")), calls::CALL_STATUS_BAD_REQUEST);
  EXPECT_TRUE(world.service->find_account(*normalize_handle("ada@example.org")));
}

TEST_F(Account, SomebodyElsesHandleIsNotRemoved) {
  Person bob(8);
  ASSERT_TRUE(world.enrol(bob, "bob@example.org"));
  EXPECT_EQ(status(remove("bob@example.org")), calls::CALL_STATUS_NOT_FOUND);
  EXPECT_TRUE(world.service->find_account(*normalize_handle("bob@example.org")));
}

TEST_F(Account, DeletingLeavesNothing) {
  ASSERT_TRUE(world.service->handle_add_finish(ada.caller(), start_add("+4915112345678")));
  calls::AccountDeleteRequest request;
  EXPECT_EQ(status(world.service->delete_account(ada.caller(), request)), calls::CALL_STATUS_BAD_REQUEST)
      << "unconfirmed";
  request.set_confirm_account(text(ada.random.bytes<16>()));
  EXPECT_EQ(status(world.service->delete_account(ada.caller(), request)), calls::CALL_STATUS_BAD_REQUEST);
  request.set_confirm_account(text(ada.account.view()));
  ASSERT_TRUE(world.service->delete_account(ada.caller(), request));
  EXPECT_TRUE(world.relay.has("destroy " + ada.mailbox.hex()));
  EXPECT_TRUE(world.relay.has("disconnect " + ada.account.hex() + " removed"));
  EXPECT_EQ(status(world.service->account(ada.caller())), calls::CALL_STATUS_NOT_FOUND);
  EXPECT_FALSE(world.authenticate(ada));
  std::set<std::string> left;
  for (const auto& [row, value] : world.disk.copy().rows) left.insert(row.first);
  EXPECT_EQ(left, (std::set<std::string>{std::string(testing::kCheckTable), std::string(tables::kAccounts),
                                         std::string(tables::kHandles), std::string(tables::kRemoved)}))
      << "the decoy, and the removed mailbox for eight days";
  Person again(9);
  EXPECT_TRUE(world.enrol(again, "ada@example.org")) << "the handle is free";
}

TEST_F(Account, ADeletionThatCannotBeWrittenDeletesNothing) {
  calls::AccountDeleteRequest request;
  request.set_confirm_account(text(ada.account.view()));
  world.rows.next_write = {{.error = store::RowError::failed, .stored = false}};
  EXPECT_EQ(status(world.service->delete_account(ada.caller(), request)), calls::CALL_STATUS_UNAVAILABLE);
  EXPECT_TRUE(world.relay.events.empty());
  EXPECT_TRUE(world.authenticate(ada));
}

// ---- administration
TEST_F(Account, SwitchesTakeEffectAtOnce) {
  Person bob(8);
  ASSERT_TRUE(world.enrol(bob, "bob@example.org"));
  world.relay.events.clear();
  ASSERT_TRUE(world.service->set_switches(ada.account, {.people = false, .businesses = true, .calls = false}));
  EXPECT_TRUE(world.relay.has("revoke mailbox " + ada.mailbox.hex()));
  EXPECT_TRUE(world.relay.has("revoke sender " + ada.account.hex()));
  EXPECT_TRUE(world.relay.has("notify " + ada.account.hex() + " 2"));
  EXPECT_EQ(world.lookup(bob, {"ada@example.org"})->items(0).account(), "");
  EXPECT_EQ(world.lookups.entries.back().capable_devices, 0u);
  const auto account = world.service->account(ada.caller());
  EXPECT_TRUE(!account->people() && account->businesses() && !account->calls());
  EXPECT_TRUE(world.authenticate(ada)) << "its own account stays in reach";

  world.relay.events.clear();
  world.restart();
  EXPECT_TRUE(world.relay.has("revoke mailbox " + ada.mailbox.hex())) << "tokens from before stay stale over a restart";
  EXPECT_TRUE(world.relay.has("revoke sender " + ada.account.hex()));
  ASSERT_TRUE(world.service->set_switches(ada.account, {}));
  EXPECT_NE(world.lookup(bob, {"ada@example.org"})->items(0).account(), "");
  world.clock.advance(std::chrono::days(8) + std::chrono::hours(1));
  world.service->tick();
  world.relay.events.clear();
  world.restart();
  EXPECT_TRUE(world.relay.events.empty());
}

TEST_F(Account, CarriesWhoManagesIt) {
  ASSERT_TRUE(world.service->set_managed_by(ada.account, "example.org"));
  EXPECT_EQ(world.service->account(ada.caller())->managed_by(), "example.org");
  EXPECT_EQ(status(world.service->set_managed_by(ada.account, std::string(129, 'x'))), calls::CALL_STATUS_BAD_REQUEST);
  ASSERT_TRUE(world.service->set_managed_by(ada.account, ""));
  EXPECT_EQ(world.service->account(ada.caller())->managed_by(), "");
}

TEST_F(Account, NobodyAdministersTheDecoy) {
  for (const AccountId& id : {AccountId(), ada.random.id<AccountId>()}) {
    EXPECT_EQ(status(world.service->set_switches(id, {})), calls::CALL_STATUS_NOT_FOUND);
    EXPECT_EQ(status(world.service->set_managed_by(id, "x")), calls::CALL_STATUS_NOT_FOUND);
    EXPECT_EQ(status(world.service->remove_account(id)), calls::CALL_STATUS_NOT_FOUND);
  }
  EXPECT_EQ(status(world.service->find_account(*normalize_handle("nobody@example.org"))), calls::CALL_STATUS_NOT_FOUND);
  ASSERT_TRUE(world.service->remove_account(ada.account));
  EXPECT_TRUE(world.relay.has("destroy " + ada.mailbox.hex()));
}

// ---- what lies on the disk
TEST_F(Account, TheDiskNamesNobody) {
  calls::SetPinRequest pin;
  pin.set_pin("hunter2hunter2");
  ASSERT_TRUE(world.service->set_pin(ada.caller(), pin));
  ASSERT_TRUE(world.service->handle_add_finish(ada.caller(), start_add("+4915112345678")));
  ASSERT_TRUE(world.service->set_managed_by(ada.account, "example-organisation"));
  (void)world.lookup(ada, {"somebody@example.org"});
  std::size_t rows = 0;
  for (const auto& [row, value] : world.disk.copy().rows) {
    ++rows;
    const std::string all = row.first + to_string(row.second) + to_string(value);
    for (const char* secret : {"ada@", "example", "15112345678", "hunter2", "somebody"}) {
      EXPECT_EQ(all.find(secret), std::string::npos) << row.first;
    }
    EXPECT_EQ(all.find(text(ada.mailbox.view())), std::string::npos) << row.first;
    EXPECT_EQ(all.find(text(ada.identity.public_keys().signing.view().first<32>())), std::string::npos) << row.first;
  }
  EXPECT_GE(rows, 8u);
}

TEST_F(Account, EveryTableIsAccountedFor) {
  for (const std::string_view table : kTables) {
    EXPECT_TRUE(std::ranges::any_of(kHeldFields, [&](const store::HeldField& field) { return field.table == table; }))
        << table;
  }
  for (const store::HeldField& field : kHeldFields) {
    EXPECT_TRUE(std::ranges::find(kTables, field.table) != kTables.end()) << field.table;
    EXPECT_FALSE(field.why.empty() || field.how_long.empty()) << field.field;
  }
}

TEST_F(Account, ADamagedRowIsAnErrorAndNoAnswer) {
  for (const auto& [row, value] : world.disk.copy().rows) {
    auto contents = world.disk.copy();
    contents.rows.at(row)[value.size() / 2] ^= std::byte{1};
    const auto before = world.disk.copy();
    world.disk.restore(contents);
    const auto account = world.service->account(ada.caller());
    EXPECT_TRUE(account || account.error().status == calls::CALL_STATUS_UNAVAILABLE) << row.first;
    const auto bundle = world.bundles(ada, ada.account);
    EXPECT_TRUE(bundle || bundle.error().status == calls::CALL_STATUS_UNAVAILABLE) << row.first;
    const auto device = world.authenticate(ada);
    EXPECT_TRUE(device || device.error() == AuthError::unavailable) << row.first;
    world.disk.restore(before);
  }
  EXPECT_TRUE(world.authenticate(ada));
  EXPECT_GT(world.service->counters().store_errors, 2u);
}

TEST(Open, SaysWhatIsMissing) {
  World world;
  world.service.reset();
  const auto open = [&] {
    return Service::open(world.config, {.rows = *world.sealed,
                                        .vault = world.vault,
                                        .codes = world.codes,
                                        .relay = world.relay,
                                        .lookups = world.lookups,
                                        .notices = world.notices,
                                        .crypto = world.crypto,
                                        .clock = world.clock,
                                        .random = world.random,
                                        .log = world.log});
  };
  world.vault.failed = true;
  EXPECT_EQ(open().error(), OpenError::vault);
  world.vault.failed = false;
  world.rows.fail_reads = true;
  EXPECT_EQ(open().error(), OpenError::store);
  world.rows.fail_reads = false;
  EXPECT_TRUE(open());
}

}  // namespace
}  // namespace opaline::identity
