// Recovery: a new primary device by the account key alone.
#include <gtest/gtest.h>

#include "credentials/labels.hpp"
#include "identity/devices_test_world.hpp"

namespace opaline::identity {
namespace {

using testing::ipv4;
using testing::list_with;
using testing::Person;
using testing::status;
using testing::text;

class Recoveries : public testing::DevicesTest {
 protected:
  std::string challenge(const AccountId& account) {
    calls::RecoveryStartRequest start;
    start.set_account(text(account.view()));
    const auto reply = world.service->recovery_start(start);
    EXPECT_TRUE(reply);
    EXPECT_EQ(reply->valid_seconds(), 600u);
    return reply->challenge();
  }
  /// For this account and challenge, signed by whoever.
  static calls::RecoveryOpenRequest open_request(const AccountId& account, const std::string& challenge,
                                                 Person& signer) {
    calls::RecoveryOpenRequest out;
    out.set_account(text(account.view()));
    out.set_challenge(challenge);
    Bytes message = to_bytes(challenge);
    append(message, account.view());
    out.set_signature(
        text(signer.account_key.signer().sign(credentials::kAccountRecoverySignature, message, signer.random).view()));
    return out;
  }
  Answer<calls::RecoveryOpenReply> open(const calls::RecoveryOpenRequest& request, std::uint8_t source = 1) {
    return world.service->recovery_open(ipv4(source), request);
  }
  calls::RecoveryOpenReply open_ada() { return *open(open_request(ada.account, challenge(ada.account), ada)); }
  /// The list that adds `fresh` and leaves out the device of before.
  calls::RecoveryCompleteRequest complete_request(const calls::RecoveryOpenReply& opened, Person& fresh) {
    calls::RecoveryCompleteRequest out;
    out.set_ticket(opened.ticket());
    const auto before = session::verify_device_list(as_view(opened.device_list()));
    auto list = list_with(*before, fresh, as_view(opened.mailbox()), world.clock.now());
    std::erase_if(list.devices, [&](const auto& entry) { return entry.number == ada.device; });
    sign(out, list);
    *out.mutable_prekeys() = fresh.make_prekeys(world.clock.now());
    return out;
  }
  void sign(calls::RecoveryCompleteRequest& request, const session::DeviceList& list) {
    request.set_device_list(text(session::sign_device_list(list, ada.account_key, ada.random)));
  }
  Answer<calls::CompleteReply> complete(const calls::RecoveryCompleteRequest& request) {
    return world.service->recovery_complete(request);
  }
  /// Refused without a trace; an honest request with the same ticket still works.
  void expect_no_trace(const std::function<void(calls::RecoveryCompleteRequest&, session::DeviceList&)>& change,
                       calls::CallStatus expected = calls::CALL_STATUS_BAD_REQUEST) {
    const auto opened = open_ada();
    auto request = complete_request(opened, laptop);
    auto list = session::load_device_list(as_view(request.device_list()))->list();
    const auto honest = list;
    change(request, list);
    if (list != honest) sign(request, list);
    const auto writes = world.rows.writes;
    EXPECT_EQ(status(complete(request)), expected);
    EXPECT_EQ(world.rows.writes, writes);
    EXPECT_TRUE(complete(complete_request(opened, laptop)));
    EXPECT_TRUE(world.authenticate(laptop));
  }
};

TEST_F(Recoveries, PutANewDeviceInThePlaceOfTheOld) {
  ASSERT_TRUE(world.link(ada, tablet));
  world.relay.events.clear();
  world.relay.notified.clear();
  const auto opened = open_ada();
  EXPECT_EQ(opened.ticket().size(), 32u);
  ASSERT_EQ(opened.handles_size(), 1);
  EXPECT_EQ(opened.handles(0), "ada@example.org");
  const auto reply = complete(complete_request(opened, laptop));
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->handle(), "ada@example.org");
  EXPECT_TRUE(world.authenticate(laptop));
  EXPECT_TRUE(world.authenticate(tablet)) << "it stays";
  EXPECT_FALSE(world.authenticate(ada));
  EXPECT_TRUE(world.relay.has("destroy " + ada.mailbox.hex()));
  EXPECT_EQ(world.relay.disconnected.back(), (credentials::DeviceAddress{ada.account, ada.device}));
  ASSERT_EQ(world.relay.notified.size(), 1u);
  EXPECT_EQ(world.relay.notified[0].device, tablet.device);
  EXPECT_EQ(world.service->counters().recoveries, 1u);
}

TEST_F(Recoveries, NeedNoPinAndNoSwitch) {
  calls::SetPinRequest pin;
  pin.set_pin("2468");
  ASSERT_TRUE(world.service->set_pin(ada.caller(), pin));
  ASSERT_TRUE(world.service->set_switches(ada.account, {.people = false, .businesses = false, .calls = false}));
  ASSERT_TRUE(complete(complete_request(open_ada(), laptop)));
  EXPECT_TRUE(world.authenticate(laptop));
  EXPECT_TRUE(world.verify("ada@example.org")->pin_required()) << "the PIN stays";
  world.clock.advance(std::chrono::days(29));
  EXPECT_TRUE(world.verify("ada@example.org")->pin_required()) << "the new device counts as seen";
}

TEST_F(Recoveries, TheSameAgainChangesNothing) {
  const auto request = complete_request(open_ada(), laptop);
  ASSERT_TRUE(complete(request));
  const auto writes = world.rows.writes;
  const auto events = world.relay.events.size();
  EXPECT_TRUE(complete(request));
  EXPECT_EQ(world.rows.writes, writes);
  EXPECT_EQ(world.relay.events.size(), events);
  auto other = request;
  *other.mutable_prekeys() = laptop.make_prekeys(world.clock.now());
  EXPECT_EQ(status(complete(other)), calls::CALL_STATUS_CONFLICT);
}

TEST_F(Recoveries, AnUnknownOutcomeIsResolvedByARetry) {
  for (const bool stored : {false, true}) {
    Person fresh(stored ? 20 : 21);
    const auto request = complete_request(open_ada(), fresh);
    world.relay.disconnected.clear();
    world.rows.next_write = {{.error = store::RowError::unknown, .stored = stored}};
    EXPECT_EQ(status(complete(request)), calls::CALL_STATUS_UNAVAILABLE);
    EXPECT_TRUE(world.relay.disconnected.empty());
    EXPECT_TRUE(complete(request));
    EXPECT_TRUE(complete(request));
    EXPECT_TRUE(world.authenticate(fresh));
    EXPECT_FALSE(world.authenticate(ada));
    ada.identity = std::move(fresh.identity);  // the next round recovers from this one
    ada.device = fresh.device;
    ada.mailbox = fresh.mailbox;
  }
}

TEST_F(Recoveries, AFullDiskChangesNothing) {
  const auto request = complete_request(open_ada(), laptop);
  world.rows.next_write = {{.error = store::RowError::full, .stored = false}};
  EXPECT_EQ(status(complete(request)), calls::CALL_STATUS_UNAVAILABLE);
  EXPECT_TRUE(world.authenticate(ada));
  EXPECT_TRUE(complete(request));
}

/// The service was restored from a copy, and the recovery file was made after it.
TEST_F(Recoveries, AServiceThatWasSetBackTakesTheListsThatItHasLost) {
  ASSERT_TRUE(world.link(ada, laptop));
  const auto opened = open_ada();
  std::vector<session::VerifiedDeviceList> chain{world.list_of(ada)};
  const auto next = [&](const std::function<void(session::DeviceList&)>& change) {
    auto list = session::next_device_list(chain.back(), world.clock.now());
    change(list);
    chain.push_back(*session::verify_device_list(session::sign_device_list(list, ada.account_key, ada.random)));
  };
  next([&](auto& list) {  // 3: a device of which nothing is known here
    list.devices.push_back({.number = list.next_device,
                            .mailbox = ada.random.id<MailboxId>(),
                            .created = world.clock.now(),
                            .capabilities = session::kCapabilityMessages,
                            .keys = bob.identity.public_keys()});
    list.next_device = DeviceNumber{static_cast<std::uint32_t>(list.next_device) + 1};
  });
  next([](auto& list) { list.devices.erase(list.devices.begin() + 1); });  // 4: without the laptop
  auto recovered = list_with(chain.back(), tablet, as_view(opened.mailbox()), world.clock.now());
  std::erase_if(recovered.devices, [&](const auto& entry) { return entry.number == ada.device; });
  const auto request = [&](std::initializer_list<std::size_t> numbers, const session::DeviceList& list) {
    calls::RecoveryCompleteRequest out;
    out.set_ticket(opened.ticket());
    for (const std::size_t number : numbers) out.add_between(text(chain[number - 2].bytes()));
    sign(out, list);
    *out.mutable_prekeys() = tablet.make_prekeys(world.clock.now());
    return out;
  };
  const auto writes = world.rows.writes;
  EXPECT_EQ(status(complete(request({3, 4}, recovered))), calls::CALL_STATUS_BAD_REQUEST) << "two are added";
  std::erase_if(recovered.devices, [](const auto& entry) { return entry.number == DeviceNumber{3}; });
  EXPECT_EQ(status(complete(request({}, recovered))), calls::CALL_STATUS_CONFLICT);
  EXPECT_EQ(status(complete(request({4}, recovered))), calls::CALL_STATUS_CONFLICT);
  EXPECT_EQ(status(complete(request({4, 3}, recovered))), calls::CALL_STATUS_CONFLICT);
  EXPECT_EQ(status(complete(request({2, 3, 4}, recovered))), calls::CALL_STATUS_CONFLICT);
  auto good = request({3, 4}, recovered), damaged = good;
  (*damaged.mutable_between(0))[200] ^= 1;
  EXPECT_EQ(status(complete(damaged)), calls::CALL_STATUS_BAD_REQUEST);
  EXPECT_EQ(world.rows.writes, writes);
  ASSERT_TRUE(complete(good));
  EXPECT_TRUE(complete(good)) << "the same again is good";
  EXPECT_TRUE(world.authenticate(tablet));
  EXPECT_FALSE(world.authenticate(ada) || world.authenticate(laptop));
  calls::SendTokensRequest since;
  since.set_account(text(ada.account.view()));
  since.set_known_list(1);
  const auto shown = world.service->send_tokens(bob.caller(), since);
  ASSERT_TRUE(shown);
  EXPECT_EQ(session::load_device_list(as_view(shown->device_list()))->list(), recovered);
  EXPECT_EQ(shown->list_history_size(), 3) << "who is behind follows";
}

// ---------------------------------------------------------------- who may

TEST_F(Recoveries, StartSaysNothingAboutTheAccount) {
  const auto gets = world.rows.gets;
  const auto there = challenge(ada.account), not_there = challenge(ada.random.id<AccountId>());
  EXPECT_EQ(there.size(), 32u);
  EXPECT_EQ(not_there.size(), 32u);
  EXPECT_EQ(world.rows.gets, gets) << "it does not even look";
  calls::RecoveryStartRequest malformed;
  malformed.set_account("short");
  EXPECT_EQ(status(world.service->recovery_start(malformed)), calls::CALL_STATUS_BAD_REQUEST);
}

/// The answer, and what it cost.
struct Cost {
  std::string answer;
  std::size_t gets = 0, hits = 0, verified = 0, writes = 0;
  friend bool operator==(const Cost&, const Cost&) = default;
};

TEST_F(Recoveries, WrongSignaturesAndUnknownAccountsAreAlikeInBytesAndWork) {
  const auto cost_of = [&](const AccountId& account) {
    const auto request = open_request(account, challenge(account), bob);
    const Cost before{{}, world.rows.gets, world.rows.hits, world.crypto.verified, world.rows.writes};
    const auto answer = open(request);
    EXPECT_EQ(status(answer), calls::CALL_STATUS_FORBIDDEN);
    return Cost{answer.error().to_message().SerializeAsString(), world.rows.gets - before.gets,
                world.rows.hits - before.hits, world.crypto.verified - before.verified,
                world.rows.writes - before.writes};
  };
  const Cost there = cost_of(ada.account);
  EXPECT_EQ(there.verified, 1u);
  EXPECT_EQ(cost_of(ada.random.id<AccountId>()), there);
  EXPECT_EQ(cost_of(AccountId()), there) << "under which the decoy's row lies";
  ASSERT_TRUE(world.service->set_switches(ada.account, {.people = false, .businesses = true, .calls = true}));
  EXPECT_EQ(cost_of(ada.account), there);
  ASSERT_TRUE(world.service->remove_account(ada.account));
  EXPECT_EQ(cost_of(ada.account), there);
}

TEST_F(Recoveries, RefuseADamagedSignature) {
  auto request = open_request(ada.account, challenge(ada.account), ada);
  const std::string good = request.signature();
  for (std::size_t at = 3; at < good.size(); at += good.size() / 20) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 1);
    request.set_signature(bad);
    EXPECT_EQ(status(open(request)), calls::CALL_STATUS_FORBIDDEN) << at;
  }
  request.set_signature(good.substr(1));
  EXPECT_EQ(status(open(request)), calls::CALL_STATUS_BAD_REQUEST);
  request.set_signature(good);
  EXPECT_TRUE(open(request));
}

TEST_F(Recoveries, ADevicesKeyIsNotTheAccounts) {
  auto request = open_request(ada.account, challenge(ada.account), ada);
  Bytes message = to_bytes(request.challenge());
  append(message, ada.account.view());
  request.set_signature(
      text(ada.identity.signer().sign(credentials::kAccountRecoverySignature, message, ada.random).view()));
  EXPECT_EQ(status(open(request)), calls::CALL_STATUS_FORBIDDEN);
}

TEST_F(Recoveries, RefuseChallengesThatAreNotTheAccountsOrOver) {
  EXPECT_EQ(status(open(open_request(ada.account, challenge(bob.account), ada))), calls::CALL_STATUS_EXPIRED);
  const auto good = challenge(ada.account);
  for (std::size_t at = 0; at < good.size(); ++at) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 1);
    EXPECT_EQ(status(open(open_request(ada.account, bad, ada))), calls::CALL_STATUS_EXPIRED) << at;
  }
  for (const std::string& bad : {std::string(), good + "x", good.substr(1)}) {
    EXPECT_EQ(status(open(open_request(ada.account, bad, ada))), calls::CALL_STATUS_EXPIRED);
  }
  const auto request = open_request(ada.account, good, ada);
  EXPECT_TRUE(open(request));
  world.clock.advance(std::chrono::minutes(10));
  EXPECT_EQ(status(open(request)), calls::CALL_STATUS_EXPIRED);
  const auto before = open_request(ada.account, challenge(ada.account), ada);
  world.restart();
  EXPECT_EQ(status(open(before)), calls::CALL_STATUS_EXPIRED) << "another process's";
}

TEST_F(Recoveries, TheSameChallengeGivesTheSameTicketAndAnotherEndsIt) {
  const auto request = open_request(ada.account, challenge(ada.account), ada);
  const auto first = open(request), again = open(request);
  EXPECT_EQ(first->SerializeAsString(), again->SerializeAsString());
  const auto other = open_ada();
  EXPECT_NE(other.ticket(), first->ticket());
  EXPECT_NE(other.mailbox(), first->mailbox());
  EXPECT_EQ(status(complete(complete_request(*first, laptop))), calls::CALL_STATUS_EXPIRED);
  EXPECT_TRUE(complete(complete_request(other, laptop)));
}

TEST_F(Recoveries, WrongSignaturesAreLimitedPerSource) {
  const auto wrong = open_request(ada.account, challenge(ada.account), bob);
  const auto unknown = ada.random.id<AccountId>();
  const auto nobody = open_request(unknown, challenge(unknown), bob);
  for (int i = 0; i < 50; ++i) {  // 100 in all, whatever the account
    ASSERT_EQ(status(open(wrong)), calls::CALL_STATUS_FORBIDDEN);
    ASSERT_EQ(status(open(nobody)), calls::CALL_STATUS_FORBIDDEN);
  }
  const auto verified = world.crypto.verified;
  EXPECT_EQ(status(open(wrong)), calls::CALL_STATUS_QUOTA);
  EXPECT_EQ(status(open(nobody)), calls::CALL_STATUS_QUOTA) << "alike for accounts that are not there";
  const auto right = open_request(ada.account, challenge(ada.account), ada);
  EXPECT_EQ(status(open(right)), calls::CALL_STATUS_QUOTA);
  EXPECT_EQ(world.crypto.verified, verified) << "unread";
  EXPECT_TRUE(open(right, 2)) << "from elsewhere";
  EXPECT_TRUE(world.authenticate(ada)) << "signing in is counted apart";
  world.clock.advance(seconds(6));
  EXPECT_TRUE(open(right));
}

// ---------------------------------------------------------------- what is not taken

TEST_F(Recoveries, RefuseForgedTicketsAndOnesThatAreOver) {
  const auto request = complete_request(open_ada(), laptop);
  for (std::size_t at = 0; at < 32; ++at) {
    auto forged = request;
    (*forged.mutable_ticket())[at] = static_cast<char>(request.ticket()[at] ^ 1);
    EXPECT_EQ(status(complete(forged)), calls::CALL_STATUS_EXPIRED) << at;
  }
  auto none = request;
  none.clear_ticket();
  EXPECT_EQ(status(complete(none)), calls::CALL_STATUS_EXPIRED);
  world.clock.advance(std::chrono::minutes(10));
  EXPECT_EQ(status(complete(request)), calls::CALL_STATUS_EXPIRED);
  EXPECT_TRUE(world.authenticate(ada));
}
TEST_F(Recoveries, ATicketHasLimitedAttempts) {
  const auto request = complete_request(open_ada(), laptop);
  auto bad = request;
  bad.set_device_list("x");
  for (std::uint32_t i = 0; i < kTicketAttempts; ++i) EXPECT_EQ(status(complete(bad)), calls::CALL_STATUS_BAD_REQUEST);
  EXPECT_EQ(status(complete(request)), calls::CALL_STATUS_EXPIRED);
}
TEST_F(Recoveries, RefuseAnotherMailbox) {
  expect_no_trace([&](auto&, auto& list) { list.devices.back().mailbox = ada.random.template id<MailboxId>(); });
}
TEST_F(Recoveries, RefuseAListThatAddsNothing) {
  expect_no_trace([&](auto&, auto& list) { list.devices = world.list_of(ada).list().devices; });
}
TEST_F(Recoveries, RefuseTheStoredListWithoutTheDevice) {
  expect_no_trace([&](auto& request, auto&) { request.set_device_list(text(world.list_of(ada).bytes())); });
}
TEST_F(Recoveries, RefuseAListThatAddsTwo) {
  expect_no_trace([&](auto&, auto& list) {
    auto second = list.devices.back();
    second.number = list.next_device;
    second.keys = tablet.identity.public_keys();
    list.devices.push_back(second);
    list.next_device = DeviceNumber{static_cast<std::uint32_t>(second.number) + 1};
  });
}
TEST_F(Recoveries, RefuseTheAccountKeyAsTheDevices) {
  expect_no_trace([&](auto&, auto& list) { list.devices.back().keys.signing = ada.account_key.public_key(); });
}
TEST_F(Recoveries, RefuseAListThatDoesNotFollow) {
  expect_no_trace([](auto&, auto& list) { list.number = ListNumber{3}; }, calls::CALL_STATUS_CONFLICT);
}
TEST_F(Recoveries, RefuseAListOfAnotherAccountKey) {
  expect_no_trace(
      [&](auto& request, auto&) {
        auto list = session::load_device_list(as_view(request.device_list()))->list();
        list.account_key = bob.account_key.public_key();
        request.set_device_list(text(session::sign_device_list(list, bob.account_key, bob.random)));
      },
      calls::CALL_STATUS_CONFLICT);
}
TEST_F(Recoveries, RefuseNoPrekeys) {
  expect_no_trace([](auto& request, auto&) { request.clear_prekeys(); });
}
TEST_F(Recoveries, AListThatChangedMeanwhileIsAConflict) {
  const auto opened = open_ada();
  const auto request = complete_request(opened, laptop);
  ASSERT_TRUE(world.link(ada, tablet));
  EXPECT_EQ(status(complete(request)), calls::CALL_STATUS_CONFLICT);
  EXPECT_TRUE(world.authenticate(tablet));
  EXPECT_TRUE(complete(complete_request(open_ada(), laptop)));
}
TEST_F(Recoveries, AnAccountThatWasTakenOverIsNotRecovered) {
  const auto request = complete_request(open_ada(), laptop);
  Person thief(30);
  ASSERT_TRUE(world.enrol(thief, "ada@example.org"));
  const auto writes = world.rows.writes;
  EXPECT_EQ(status(complete(request)), calls::CALL_STATUS_NOT_FOUND);
  EXPECT_EQ(world.rows.writes, writes);
}

}  // namespace
}  // namespace opaline::identity
