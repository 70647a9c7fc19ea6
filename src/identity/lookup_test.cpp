#include <gtest/gtest.h>

#include "identity/identity_test_world.hpp"

namespace opaline::identity {
namespace {

using testing::Person;
using testing::World;

template <class T>
calls::CallStatus status(const Answer<T>& answer) {
  return answer ? calls::CALL_STATUS_OK : answer.error().status;
}
Config small_bucket() {
  Config config;
  config.lookup_capacity = 5;
  config.lookup_refill_per_day = 2;
  return config;
}

class Lookup : public ::testing::Test {
 protected:
  explicit Lookup(Config config = {}) : world(config) {}
  void SetUp() override {
    ASSERT_TRUE(world.enrol(ada, "ada@example.org"));
    ASSERT_TRUE(world.enrol(bob, "bob@example.org"));
  }
  void switch_people(const Person& person, bool on) {
    ASSERT_TRUE(world.service->set_switches(person.account, {.people = on, .businesses = true, .calls = true}));
  }
  World world;
  Person ada{7}, bob{8};
};
class SmallBucket : public Lookup {
 protected:
  SmallBucket() : Lookup(small_bucket()) {}
};

TEST_F(Lookup, FindsWhoIsHere) {
  const auto reply = world.lookup(ada, {"Bob@Example.ORG", "nobody@example.org"});
  ASSERT_TRUE(reply);
  ASSERT_EQ(reply->items_size(), 2);
  EXPECT_EQ(reply->items(0).handle(), "bob@example.org");
  EXPECT_EQ(AccountId::from(as_view(reply->items(0).account())), bob.account);
  EXPECT_EQ(reply->items(0).expires_seconds(), 7u * 86'400);
  EXPECT_EQ(reply->items(0).refresh_seconds(), 86'400u);
  EXPECT_EQ(reply->items(1).account(), "");
  EXPECT_EQ(reply->items(1).expires_seconds(), 3'600u);
  EXPECT_EQ(reply->items(1).renewal_token().size(), reply->items(0).renewal_token().size());
}

/// Never existed, switched off, deleted, and given up by an account that goes on: for addresses and numbers alike.
class Negative : public Lookup, public ::testing::WithParamInterface<std::array<const char*, 4>> {};

TEST_P(Negative, AnswersAreTheSameInBytesAndWork) {
  const auto& [never, off_handle, deleted, dropped] = GetParam();
  Person off(9), gone(10), lives(11);
  ASSERT_TRUE(world.enrol(off, off_handle));
  switch_people(off, false);
  ASSERT_TRUE(world.enrol(gone, deleted));
  calls::AccountDeleteRequest remove;
  remove.set_confirm_account(testing::text(gone.account.view()));
  ASSERT_TRUE(world.service->delete_account(gone.caller(), remove));
  // Its handle goes to a further account, which is deleted, too: taken over, and free again.
  Person former(12);
  ASSERT_TRUE(world.enrol(former, dropped));
  ASSERT_TRUE(world.enrol(lives, dropped));
  remove.set_confirm_account(testing::text(lives.account.view()));
  ASSERT_TRUE(world.service->delete_account(lives.caller(), remove));

  ASSERT_TRUE(world.lookup(ada, {"bob@example.org"}));  // so that the asker's own bucket has a row
  using Work = std::array<std::size_t, 6>;
  std::vector<Work> works;
  std::vector<std::string> answers;
  for (const char* handle : GetParam()) {
    const Work before{world.rows.gets,  world.rows.hits,       world.rows.writes,
                      world.rows.scans, world.crypto.verified, world.crypto.hashed};
    const auto reply = world.lookup(ada, {handle});
    ASSERT_TRUE(reply);
    works.push_back({world.rows.gets - before[0], world.rows.hits - before[1], world.rows.writes - before[2],
                     world.rows.scans - before[3], world.crypto.verified - before[4], world.crypto.hashed - before[5]});
    calls::LookupReply::Item item = reply->items(0);
    item.clear_handle();
    EXPECT_EQ(item.renewal_token().size(), 37u);
    item.mutable_renewal_token()->resize(5);  // version and expiry; the rest is a MAC over the handle
    answers.push_back(item.SerializeAsString());
  }
  for (std::size_t i = 1; i < works.size(); ++i) {
    EXPECT_EQ(works[0], works[i]) << GetParam()[i];
    EXPECT_EQ(answers[0], answers[i]) << GetParam()[i];
  }
  for (const LookupLogEntry& entry : world.lookups.entries)
    if (entry.looked_up_handle != "bob@example.org") EXPECT_EQ(entry.capable_devices, 0U);
}
INSTANTIATE_TEST_SUITE_P(
    Handles, Negative,
    ::testing::Values(std::array{"nil@example.org", "off@example.org", "gon@example.org", "had@example.org"},
                      std::array{"+4915112345670", "+4915112345671", "+4915112345672", "+4915112345673"}));

TEST_F(Lookup, NamesTheCarrierWhateverWasAsked) {
  EXPECT_TRUE(world.lookup(ada, {"nobody@example.org"})->carrier().empty()) << "there is none";
  const auto carrier = ada.random.id<AccountId>();
  world.config.carrier = carrier;
  world.restart();
  for (const char* handle : {"bob@example.org", "nobody@example.org", "+4915112345670"})
    EXPECT_EQ(AccountId::from(as_view(world.lookup(ada, {handle})->carrier())), carrier) << handle;
}

TEST_F(Lookup, UnknownAndSwitchedOffAccountsAnswerTheSame) {
  Person off(9);
  ASSERT_TRUE(world.enrol(off, "off@example.org"));
  switch_people(off, false);
  ASSERT_TRUE(world.lookup(ada, {"bob@example.org"}));  // so that the asker's own bucket has a row
  using Work = std::array<std::size_t, 3>;
  std::vector<Work> works;
  std::vector<CallFailure> failures;
  for (const AccountId& id : {off.account, ada.random.id<AccountId>(), AccountId()}) {
    for (const bool tokens_only : {false, true}) {
      const Work before{world.rows.gets, world.rows.hits, world.rows.writes};
      failures.push_back(tokens_only ? world.send_tokens(ada, id).error() : world.bundles(ada, id).error());
      works.push_back({world.rows.gets - before[0], world.rows.hits - before[1], world.rows.writes - before[2]});
    }
  }
  for (std::size_t i = 0; i < works.size(); ++i) {
    EXPECT_EQ(failures[i], failures[0]) << i;
    EXPECT_EQ(failures[i].status, calls::CALL_STATUS_NOT_FOUND);
    if (i < 4) EXPECT_EQ(works[i], works[0]) << i;  // zero is no id that anybody could mean
  }
}

TEST_F(Lookup, IsLoggedWithFiveFieldsWhereItIsAnswered) {
  ASSERT_TRUE(world.lookup(ada, {"bob@example.org", "nobody@example.org"}));
  ASSERT_EQ(world.lookups.entries.size(), 2u);
  const LookupLogEntry& found = world.lookups.entries[0];
  EXPECT_EQ(found.time, testing::kStart);
  EXPECT_EQ(found.source_handle, "ada@example.org");
  EXPECT_EQ(found.source, testing::ipv4(1));
  EXPECT_EQ(found.looked_up_handle, "bob@example.org");
  EXPECT_EQ(found.capable_devices, 1u);
  EXPECT_EQ(world.lookups.entries[1].capable_devices, 0u);
}

TEST_F(Lookup, OnesOwnAreAskedForByTheHandlesThatOneHas) {
  world.clock.advance(std::chrono::hours(1));
  Person eve(11);
  ASSERT_TRUE(world.enrol(eve, "ada@example.org"));  // takes it over
  world.lookups.page = OwnLookups{.entries = {{.time = testing::kStart,
                                               .source_handle = "ada@example.org",
                                               .source = testing::ipv4(9),
                                               .looked_up_handle = "bob@example.org",
                                               .capable_devices = 2}},
                                  .next = to_bytes("next")};
  calls::MyLookupsRequest request;
  request.set_after("place");
  request.set_limit(1'000);
  const auto reply = world.service->my_lookups(eve.caller(), request);
  ASSERT_TRUE(reply);
  ASSERT_EQ(world.lookups.asked_for.size(), 1u);
  EXPECT_EQ(world.lookups.asked_for[0].handle, "ada@example.org");
  EXPECT_GE(world.lookups.asked_for[0].since, testing::kStart + std::chrono::hours(1)) << "not what ada did";
  EXPECT_EQ(world.lookups.asked_after, to_bytes("place"));
  EXPECT_EQ(world.lookups.asked_limit, kMaxOwnLookups);
  EXPECT_EQ(reply->log_days(), 7u);
  EXPECT_EQ(reply->next(), "next");
  ASSERT_EQ(reply->entries_size(), 1);
  EXPECT_EQ(reply->entries(0).time_ms(), static_cast<std::uint64_t>(unix_millis(testing::kStart)));
  EXPECT_EQ(reply->entries(0).source_handle(), "ada@example.org");
  EXPECT_EQ(reply->entries(0).source_address(), testing::text(testing::ipv4(9).ip));
  EXPECT_EQ(reply->entries(0).looked_up_handle(), "bob@example.org");
  EXPECT_EQ(reply->entries(0).capable_devices(), 2u);
  EXPECT_TRUE(world.lookups.entries.empty()) << "reading the log is no lookup";

  EXPECT_EQ(status(world.service->my_lookups(ada.caller(), request)), calls::CALL_STATUS_NOT_FOUND) << "ada is gone";
  world.lookups.page = fail(OwnLookupsError::not_a_place);
  EXPECT_EQ(status(world.service->my_lookups(eve.caller(), request)), calls::CALL_STATUS_BAD_REQUEST);
  world.lookups.page = fail(OwnLookupsError::failed);
  EXPECT_EQ(status(world.service->my_lookups(eve.caller(), request)), calls::CALL_STATUS_UNAVAILABLE);
}

TEST_F(Lookup, NoticesAreAskedForByTheHandlesThatOneHas) {
  world.clock.advance(std::chrono::hours(1));
  Person eve(11);
  ASSERT_TRUE(world.enrol(eve, "ada@example.org"));  // takes it over
  const std::string longest = std::string(kMaxHandleBytes - 12, 'a') + "@example.org";
  world.notices.notices->assign(kMaxLegalNotices, {.id = std::string(kMaxLegalNoticeIdBytes, '7'),
                                                   .handle = longest,
                                                   .from = testing::kStart,
                                                   .to = testing::kStart + std::chrono::hours(2),
                                                   .at = testing::kStart + std::chrono::hours(3),
                                                   .words = std::string(kMaxLegalNoticeWordsBytes, 'w')});
  const auto reply = world.service->my_notices(eve.caller(), {});
  ASSERT_TRUE(reply);
  ASSERT_EQ(world.notices.asked_for.size(), 1u);
  EXPECT_EQ(world.notices.asked_for[0].handle, "ada@example.org");
  EXPECT_GE(world.notices.asked_for[0].since, testing::kStart + std::chrono::hours(1)) << "not what ada did";
  ASSERT_EQ(reply->notices_size(), static_cast<int>(kMaxLegalNotices));
  const auto& first = reply->notices(0);
  EXPECT_EQ(first.handle(), longest);
  EXPECT_EQ(first.at_ms() - first.from_ms(), 3'600'000u * 3);
  EXPECT_EQ(first.to_ms() - first.from_ms(), 3'600'000u * 2);
  EXPECT_EQ(first.words(), std::string(kMaxLegalNoticeWordsBytes, 'w'));
  EXPECT_LE(reply->ByteSizeLong(), kMaxListReplyBytes) << "the most that there can be fits into a frame";
  EXPECT_TRUE(world.lookups.entries.empty()) << "it is no lookup";
  EXPECT_EQ(status(world.service->my_notices(ada.caller(), {})), calls::CALL_STATUS_NOT_FOUND) << "ada is gone";
  world.notices.notices.reset();
  EXPECT_EQ(status(world.service->my_notices(eve.caller(), {})), calls::CALL_STATUS_UNAVAILABLE);
}

TEST_F(Lookup, APageOfOnesOwnFitsIntoAFrame) {
  const std::string longest = std::string(kMaxHandleBytes - 12, 'a') + "@example.org";
  OwnLookups page{.entries = {}, .next = Bytes(28)};
  for (std::size_t i = 0; i < kMaxOwnLookups; ++i)
    page.entries.push_back({.time = testing::kStart,
                            .source_handle = longest,
                            .source = {},
                            .looked_up_handle = longest,
                            .capable_devices = 10});
  world.lookups.page = page;
  const auto reply = world.service->my_lookups(ada.caller(), {});
  ASSERT_TRUE(reply);
  EXPECT_LE(reply->ByteSizeLong(), kMaxListReplyBytes);
}

TEST_F(Lookup, FetchesByAccountAreNoLookups) {
  ASSERT_TRUE(world.bundles(ada, bob.account));
  ASSERT_TRUE(world.send_tokens(ada, bob.account));
  EXPECT_TRUE(world.lookups.entries.empty());
}

TEST_F(Lookup, MalformedRequestsChangeNothing) {
  const auto writes = world.rows.writes;
  EXPECT_EQ(status(world.lookup(ada, {})), calls::CALL_STATUS_BAD_REQUEST);
  EXPECT_EQ(status(world.lookup(ada, std::vector<std::string>(101, "bob@example.org"))),
            calls::CALL_STATUS_BAD_REQUEST);
  const auto bad = world.lookup(ada, {"bob@example.org", "no handle"});
  EXPECT_EQ(status(bad), calls::CALL_STATUS_BAD_REQUEST);
  EXPECT_NE(bad.error().message.find("Item 2"), std::string::npos);
  EXPECT_EQ(world.rows.writes, writes);
  EXPECT_TRUE(world.lookups.entries.empty());
}

TEST_F(Lookup, AccountsThatAreSwitchedOffMayNotAsk) {
  switch_people(ada, false);
  EXPECT_EQ(status(world.lookup(ada, {"bob@example.org"})), calls::CALL_STATUS_FORBIDDEN);
  EXPECT_EQ(status(world.bundles(ada, bob.account)), calls::CALL_STATUS_FORBIDDEN);
  EXPECT_EQ(status(world.send_tokens(ada, bob.account)), calls::CALL_STATUS_FORBIDDEN);
  switch_people(ada, true);
  EXPECT_TRUE(world.lookup(ada, {"bob@example.org"}));
}

TEST_F(SmallBucket, EveryLookupIsCharged) {
  EXPECT_TRUE(world.lookup(ada, {"a@example.org", "b@example.org", "bob@example.org", "bob@example.org"}));
  const auto logged = world.lookups.entries.size();
  const auto refused = world.lookup(ada, {"c@example.org", "d@example.org"});
  ASSERT_EQ(status(refused), calls::CALL_STATUS_QUOTA) << "all or nothing";
  EXPECT_EQ(refused.error().retry_after, std::chrono::hours(16)) << "kStart is at 08:00 UTC";
  EXPECT_EQ(world.lookups.entries.size(), logged) << "what was not answered is not logged";
  EXPECT_TRUE(world.lookup(ada, {"c@example.org"}));
  EXPECT_EQ(status(world.lookup(ada, {"d@example.org"})), calls::CALL_STATUS_QUOTA);
  EXPECT_TRUE(world.lookup(bob, {"d@example.org"})) << "one bucket per account";
}

TEST_F(SmallBucket, IsRefilledByTheDayAndNotByARestart) {
  ASSERT_TRUE(world.lookup(ada, std::vector<std::string>(5, "a@example.org")));
  world.restart();
  EXPECT_EQ(status(world.lookup(ada, {"a@example.org"})), calls::CALL_STATUS_QUOTA);
  world.clock.advance(std::chrono::hours(24));
  EXPECT_EQ(status(world.lookup(ada, std::vector<std::string>(3, "a@example.org"))), calls::CALL_STATUS_QUOTA);
  EXPECT_TRUE(world.lookup(ada, std::vector<std::string>(2, "a@example.org")));
  world.clock.advance(std::chrono::days(100));
  EXPECT_EQ(status(world.lookup(ada, std::vector<std::string>(6, "a@example.org"))), calls::CALL_STATUS_QUOTA);
  EXPECT_TRUE(world.lookup(ada, std::vector<std::string>(5, "a@example.org"))) << "never above its capacity";
}

TEST_F(SmallBucket, AClockThatGoesBackAndForthRefillsNothingTwice) {
  ASSERT_TRUE(world.lookup(ada, std::vector<std::string>(5, "a@example.org")));
  world.clock.jump(std::chrono::days(1));
  ASSERT_TRUE(world.lookup(ada, std::vector<std::string>(2, "a@example.org")));
  world.clock.jump(-std::chrono::days(3));
  EXPECT_EQ(status(world.lookup(ada, {"a@example.org"})), calls::CALL_STATUS_QUOTA);
  world.clock.jump(std::chrono::days(3));
  EXPECT_EQ(status(world.lookup(ada, {"a@example.org"})), calls::CALL_STATUS_QUOTA);
}

TEST_F(SmallBucket, ALookupMadeWhileTheClockWasBackRefillsNothingEither) {
  ASSERT_TRUE(world.lookup(ada, std::vector<std::string>(4, "a@example.org")));
  world.clock.jump(-std::chrono::days(3));
  ASSERT_TRUE(world.lookup(ada, {"a@example.org"}));
  world.clock.jump(std::chrono::days(3));
  EXPECT_EQ(status(world.lookup(ada, {"a@example.org"})), calls::CALL_STATUS_QUOTA);
}

TEST_F(SmallBucket, RenewalTokensPay) {
  const auto first = world.lookup(ada, {"bob@example.org", "nobody@example.org"});
  const std::string known = first->items(0).renewal_token(), unknown = first->items(1).renewal_token();
  ASSERT_TRUE(world.lookup(ada, std::vector<std::string>(3, "x@example.org")));
  const auto writes = world.rows.writes;
  for (int i = 0; i < 10; ++i) {
    EXPECT_TRUE(world.lookup(ada, {"bob@example.org", "nobody@example.org"}, {known, unknown}));
  }
  EXPECT_EQ(world.rows.writes, writes) << "nothing is stored about renewals";
  EXPECT_EQ(status(world.lookup(ada, {"nobody@example.org"}, {known})), calls::CALL_STATUS_QUOTA) << "another handle's";
  EXPECT_EQ(status(world.lookup(ada, {"bob@example.org"})), calls::CALL_STATUS_QUOTA) << "none";
  EXPECT_EQ(world.lookups.entries.size(), 25u) << "renewed lookups are lookups";
}

TEST_F(SmallBucket, RenewalTokensAreTheAskersOwn) {
  const auto token = world.lookup(ada, {"nobody@example.org"})->items(0).renewal_token();
  ASSERT_TRUE(world.lookup(bob, std::vector<std::string>(5, "x@example.org")));
  EXPECT_EQ(status(world.lookup(bob, {"nobody@example.org"}, {token})), calls::CALL_STATUS_QUOTA);
}

TEST_F(SmallBucket, RenewalTokensEndAfterSixtyDays) {
  const auto token = world.lookup(ada, {"nobody@example.org"})->items(0).renewal_token();
  world.clock.advance(std::chrono::days(60) - seconds(1));
  ASSERT_TRUE(world.lookup(ada, std::vector<std::string>(5, "x@example.org")));
  EXPECT_TRUE(world.lookup(ada, {"nobody@example.org"}, {token}));
  world.clock.advance(seconds(1));
  EXPECT_EQ(status(world.lookup(ada, {"nobody@example.org"}, {token})), calls::CALL_STATUS_QUOTA);
}

TEST_F(SmallBucket, DamagedRenewalTokensPayNothing) {
  const std::string token = world.lookup(ada, {"nobody@example.org"})->items(0).renewal_token();
  ASSERT_TRUE(world.lookup(ada, std::vector<std::string>(4, "x@example.org")));
  // The last 16 bytes are for the account, and say nothing about the handle.
  for (std::size_t at = 0; at < 21; ++at) {
    std::string bad = token;
    bad[at] = static_cast<char>(bad[at] ^ 0x10);
    EXPECT_EQ(status(world.lookup(ada, {"nobody@example.org"}, {bad})), calls::CALL_STATUS_QUOTA) << at;
  }
  for (const std::string& bad : {token.substr(1), token + "x", std::string(), std::string(37, '\0')}) {
    EXPECT_EQ(status(world.lookup(ada, {"nobody@example.org"}, {bad})), calls::CALL_STATUS_QUOTA);
  }
  EXPECT_TRUE(world.lookup(ada, {"nobody@example.org"}, {token}));
}

TEST_F(SmallBucket, FetchesByAccountAreChargedWithoutAToken) {
  const auto token = world.lookup(ada, {"bob@example.org"})->items(0).renewal_token();
  ASSERT_TRUE(world.lookup(ada, std::vector<std::string>(4, "x@example.org")));
  EXPECT_EQ(status(world.bundles(ada, bob.account)), calls::CALL_STATUS_QUOTA);
  EXPECT_EQ(status(world.send_tokens(ada, bob.account)), calls::CALL_STATUS_QUOTA);
  EXPECT_EQ(status(world.bundles(ada, ada.random.id<AccountId>(), token)), calls::CALL_STATUS_QUOTA)
      << "another account's token";
  const auto fetched = world.bundles(ada, bob.account, token);
  ASSERT_TRUE(fetched);
  EXPECT_TRUE(world.send_tokens(ada, bob.account, fetched->renewal_token())) << "each answer renews";
  EXPECT_EQ(status(world.lookup(ada, {"bob@example.org"}, {fetched->renewal_token()})), calls::CALL_STATUS_QUOTA)
      << "a token for an account is none for its handle";
  EXPECT_TRUE(world.bundles(ada, ada.account)) << "one's own account is free";
}

TEST_F(SmallBucket, UnknownAccountsAreChargedToo) {
  for (int i = 0; i < 5; ++i)
    EXPECT_EQ(status(world.bundles(ada, ada.random.id<AccountId>())), calls::CALL_STATUS_NOT_FOUND);
  EXPECT_EQ(status(world.bundles(ada, ada.random.id<AccountId>())), calls::CALL_STATUS_QUOTA);
}

TEST_F(SmallBucket, AChargeThatCannotBeWrittenAnswersNothing) {
  world.rows.next_write = {{.error = store::RowError::full, .stored = false}};
  EXPECT_EQ(status(world.lookup(ada, {"bob@example.org"})), calls::CALL_STATUS_UNAVAILABLE);
  EXPECT_TRUE(world.lookups.entries.empty());
}

TEST(Calls, AreLimitedPerAccount) {
  Config config;
  config.calls_per_account = {.capacity = 10, .refill = seconds(10)};
  World world(config);
  Person ada(7);
  ASSERT_TRUE(world.enrol(ada, "ada@example.org"));
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(world.service->account(ada.caller()));
  const auto gets = world.rows.gets;
  const auto refused = world.service->account(ada.caller());
  ASSERT_EQ(status(refused), calls::CALL_STATUS_QUOTA);
  EXPECT_EQ(refused.error().retry_after, seconds(1));
  EXPECT_EQ(world.rows.gets, gets);
  world.clock.advance(seconds(1));
  EXPECT_TRUE(world.service->account(ada.caller()));
}

}  // namespace
}  // namespace opaline::identity
