#include "operators/operators.hpp"

#include <gmock/gmock.h>

#include "operators/test_support/memory_rows.hpp"

namespace opaline::operators {
namespace {

using testing::SizeIs;

constexpr Time kNow = from_unix_millis(1'767'225'600'000);
constexpr seconds kDay{86'400};

class OperatorsTest : public testing::Test {
 protected:
  /// Makes one and returns its token text.
  std::string make(const std::string& name, Role role, seconds lifetime = kDay) {
    auto token = operators_.create(root_, name, role, lifetime);
    EXPECT_TRUE(token);
    return token ? token->reveal_text() : "";
  }
  std::optional<Principal> who(std::string_view token) {
    const auto result = operators_.authenticate(token);
    EXPECT_TRUE(result);
    return result ? *result : std::nullopt;
  }
  AuditEntry last_entry() {
    const auto head = operators_.audit().head();
    const auto entries = operators_.audit().read(head->sequence - 1, 1);
    return entries->front();
  }

  MemoryRows rows_;
  ManualClock clock_{kNow};
  SeededRandom random_{7};
  store::SealedRows sealed_{rows_, store::VaultKey{}, store::VaultKey{}, random_};
  Operators operators_{sealed_, clock_, random_};
  const Principal root_ = local_owner(0);
};

TEST_F(OperatorsTest, ATokenSaysWhoItIs) {
  const auto token = make("alice", Role::admin);
  EXPECT_TRUE(token.starts_with(kTokenPrefix));
  EXPECT_EQ(who(token), (Principal{"alice", Role::admin}));
  EXPECT_EQ(last_entry(), (AuditEntry{1, kNow, "local:0", Action::operator_create, "alice", Outcome::done}));
}

TEST_F(OperatorsTest, TheStoreHoldsNoTokenAndTheFilesNoName) {
  const auto token = make("alice", Role::admin);
  const auto secret = *from_base64url(std::string_view(token).substr(kTokenPrefix.size()));
  for (const auto& [table, rows] : rows_.tables) {
    for (const auto& [key, value] : rows) {
      for (const auto& bytes : {key, value}) {
        EXPECT_EQ(as_text(bytes).find("alice"), std::string_view::npos) << table;
        EXPECT_EQ(as_text(bytes).find(as_text(secret)), std::string_view::npos) << table;
      }
    }
  }
  for (const auto table : {kOperatorsTable, kTokensTable}) {
    const auto opened = sealed_.scan(table, {}, {}, 10);
    ASSERT_EQ(opened->size(), 1U);
    EXPECT_EQ(as_text(opened->front().value).find(as_text(secret)), std::string_view::npos) << table;
  }
}

TEST_F(OperatorsTest, DamagedTokensSayNobody) {
  const auto token = make("alice", Role::admin);
  for (std::size_t i = 0; i < token.size(); ++i) {
    auto damaged = token;
    damaged[i] = damaged[i] == 'A' ? 'B' : 'A';
    EXPECT_EQ(who(damaged), std::nullopt) << i;
    EXPECT_EQ(who(token.substr(0, i)), std::nullopt) << i;
  }
  EXPECT_EQ(who(token + "A"), std::nullopt);
  EXPECT_EQ(who(token + " "), std::nullopt);
  EXPECT_EQ(who(std::string(1 << 20, 'A')), std::nullopt);
}

TEST_F(OperatorsTest, TokensExpire) {
  const auto token = make("alice", Role::admin, seconds(60));
  clock_.advance(seconds(60) - milliseconds(1));
  EXPECT_TRUE(who(token));
  clock_.advance(milliseconds(1));
  EXPECT_EQ(who(token), std::nullopt);
}

TEST_F(OperatorsTest, ExpiredTokensAreClearedAway) {
  make("alice", Role::admin, seconds(60));
  clock_.advance(seconds(61));
  ASSERT_TRUE(operators_.issue_token(root_, "alice", kDay));
  EXPECT_THAT(rows_.tables[std::string(kTokensTable)], SizeIs(1));
}

TEST_F(OperatorsTest, RevocationEndsAllTokensForGood) {
  const auto first = make("alice", Role::admin);
  const auto second = operators_.issue_token(root_, "alice", kDay)->reveal_text();
  const auto other = make("bob", Role::auditor);
  ASSERT_TRUE(operators_.revoke(root_, "alice"));
  EXPECT_EQ(who(first), std::nullopt);
  EXPECT_EQ(who(second), std::nullopt);
  EXPECT_TRUE(who(other));
  EXPECT_EQ(operators_.issue_token(root_, "alice", kDay).error(), Error::revoked);
  EXPECT_EQ(operators_.create(root_, "alice", Role::admin, kDay).error(), Error::exists);
  EXPECT_EQ(*operators_.role_of("alice"), std::nullopt);
  EXPECT_EQ(*operators_.role_of("bob"), Role::auditor);
  EXPECT_EQ(*operators_.role_of("nobody"), std::nullopt);
  EXPECT_EQ(operators_.revoke(root_, "alice").error(), Error::revoked);
  EXPECT_EQ(operators_.revoke(root_, "nobody").error(), Error::not_found);
}

TEST_F(OperatorsTest, ListShowsWhoAndHowManyTokens) {
  make("alice", Role::owner);
  make("bob", Role::auditor, seconds(60));
  ASSERT_TRUE(operators_.issue_token(root_, "alice", kDay));
  clock_.advance(seconds(60));
  ASSERT_TRUE(operators_.revoke(root_, "bob"));
  const auto all = operators_.list(root_);
  ASSERT_TRUE(all);
  EXPECT_THAT(*all, testing::ElementsAre(Operator{"alice", Role::owner, kNow, false, {}, 2},
                                         Operator{"bob", Role::auditor, kNow, true, kNow + seconds(60), 0}));
}

TEST_F(OperatorsTest, RolesAreHeldAndRefusalsRecorded) {
  make("victim", Role::admin);
  for (const Role role : {Role::admin, Role::auditor}) {
    const Principal actor{"someone", role};
    EXPECT_EQ(operators_.create(actor, "new", Role::auditor, kDay).error(), Error::forbidden);
    EXPECT_EQ(last_entry().outcome, Outcome::denied);
    EXPECT_EQ(last_entry().actor, "someone");
    EXPECT_EQ(operators_.issue_token(actor, "victim", kDay).error(), Error::forbidden);
    EXPECT_EQ(last_entry().action, Action::token_issue);
    EXPECT_EQ(operators_.revoke(actor, "victim").error(), Error::forbidden);
    EXPECT_EQ(last_entry().action, Action::operator_revoke);
    EXPECT_TRUE(operators_.list(actor));
  }
  EXPECT_THAT(*operators_.list(root_), SizeIs(1));
}

TEST_F(OperatorsTest, TheTableOfRoles) {
  using enum Permission;
  const std::map<Role, std::vector<Permission>> allowed{
      {Role::owner,
       {read_status, read_operators, change_operators, read_audit, operate, read_businesses, change_businesses,
        run_gateway, back_up, verify_ledger}},
      {Role::admin, {read_status, read_operators, operate, read_businesses, change_businesses}},
      {Role::auditor, {read_status, read_operators, read_audit, read_businesses, verify_ledger}},
      {Role::officer, {read_status, handle_cases, verify_ledger}}};
  for (const auto& [role, permissions] : allowed) {
    for (const Permission p : {read_status, read_operators, change_operators, read_audit, operate, read_businesses,
                               change_businesses, run_gateway, back_up, handle_cases, verify_ledger}) {
      EXPECT_EQ(may(role, p), std::ranges::find(permissions, p) != permissions.end()) << name(role);
    }
    EXPECT_EQ(role_from(name(role)), role);
  }
  EXPECT_EQ(role_from("root"), std::nullopt);
  EXPECT_EQ(role_from(""), std::nullopt);
}

TEST_F(OperatorsTest, NamesAndLifetimesHaveLimits) {
  for (const auto* wrong : {"", "A", "1a", "-a", "a b", "local:0", "a/b", "ä"}) {
    EXPECT_EQ(operators_.create(root_, wrong, Role::admin, kDay).error(), Error::invalid) << wrong;
  }
  EXPECT_EQ(operators_.create(root_, std::string(33, 'a'), Role::admin, kDay).error(), Error::invalid);
  EXPECT_TRUE(operators_.create(root_, std::string(32, 'a'), Role::admin, kDay));
  EXPECT_EQ(operators_.create(root_, "a", Role::admin, seconds(0)).error(), Error::invalid);
  EXPECT_EQ(operators_.create(root_, "a", Role::admin, seconds(kMaxTokenLifetime) + seconds(1)).error(),
            Error::invalid);
  make("busy", Role::admin);
  for (std::size_t i = 1; i < kMaxTokensPerOperator; ++i) {
    ASSERT_TRUE(operators_.issue_token(root_, "busy", kDay));
  }
  EXPECT_EQ(operators_.issue_token(root_, "busy", kDay).error(), Error::too_many);
}

TEST_F(OperatorsTest, AStoreThatFailsChangesNothing) {
  for (const auto error : {store::RowError::full, store::RowError::failed, store::RowError::unknown}) {
    rows_.fail_next = error;
    EXPECT_EQ(operators_.create(root_, "alice", Role::admin, kDay).error(), Error::unavailable);
    EXPECT_THAT(*operators_.list(root_), SizeIs(0));
  }
  const auto token = make("alice", Role::admin);
  rows_.fail_next = store::RowError::full;
  EXPECT_EQ(operators_.revoke(root_, "alice").error(), Error::unavailable);
  EXPECT_TRUE(who(token));
  rows_.unreadable = true;
  EXPECT_EQ(operators_.authenticate(token).error(), Error::unavailable) << "nobody is let in or said to be unknown";
  EXPECT_EQ(operators_.list(root_).error(), Error::unavailable);
}

TEST_F(OperatorsTest, DamagedRowsLetNobodyIn) {
  const auto token = make("alice", Role::auditor);
  const auto row = sealed_.scan(kOperatorsTable, {}, {}, 1)->front();
  for (const std::uint8_t role : {0, 5, 9}) {
    auto value = to_bytes(row.value);
    value[1] = std::byte{role};
    auto batch = sealed_.batch();
    batch.put(kOperatorsTable, store::clear(row.key), value);
    ASSERT_TRUE(sealed_.write(std::move(batch)));
    EXPECT_EQ(operators_.authenticate(token).error(), Error::unavailable);
  }
  rows_.tables[std::string(kOperatorsTable)].begin()->second.back() ^= std::byte{1};
  EXPECT_EQ(operators_.authenticate(token).error(), Error::unavailable);
}

}  // namespace
}  // namespace opaline::operators
