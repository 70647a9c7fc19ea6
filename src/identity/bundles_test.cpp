#include <gtest/gtest.h>

#include <set>

#include "identity/identity_test_world.hpp"
#include "wire/send_token.hpp"

namespace opaline::identity {
namespace {

using testing::kStart;
using testing::Person;
using testing::text;
using testing::World;

template <class T>
calls::CallStatus status(const Answer<T>& answer) {
  return answer ? calls::CALL_STATUS_OK : answer.error().status;
}

class Bundles : public ::testing::Test {
 protected:
  explicit Bundles(Config config = {}) : world(config) {}
  void SetUp() override {
    ASSERT_TRUE(world.enrol(ada, "ada@example.org"));
    ASSERT_TRUE(world.enrol(bob, "bob@example.org", 4));
  }
  /// What a client makes of the answer, or nullopt if it would refuse it.
  [[nodiscard]] std::optional<session::VerifiedBundle> verified(const calls::BundlesReply& reply) const {
    const auto list = session::verify_device_list(as_view(reply.device_list()));
    if (!list || reply.devices_size() != 1) return std::nullopt;
    const auto bundle = session::decode_bundle(as_view(reply.devices(0).bundle()));
    if (!bundle) return std::nullopt;
    auto out = session::verify_bundle(*list, DeviceNumber(reply.devices(0).device()), *bundle, world.clock.now());
    if (!out) return std::nullopt;
    return std::move(*out);
  }
  /// The index of the one-time prekey in a fresh bundle of Bob's; -1: none; -2: no good bundle.
  int take(const Person& asker) {
    const auto reply = world.bundles(asker, bob.account);
    const auto bundle = reply ? verified(*reply) : std::nullopt;
    if (!bundle) return -2;
    return bundle->one_time() ? static_cast<int>(bundle->one_time()->index) : -1;
  }
  Answer<calls::UploadPrekeysReply> upload(Person& person, const calls::PrekeyUpload& prekeys) {
    calls::UploadPrekeysRequest request;
    *request.mutable_prekeys() = prekeys;
    return world.service->upload_prekeys(person.caller(), request);
  }

  World world;
  Person ada{7}, bob{8};
};

TEST_F(Bundles, AreWhatAClientAccepts) {
  const auto reply = world.bundles(ada, bob.account);
  ASSERT_TRUE(reply);
  const auto bundle = verified(*reply);
  ASSERT_TRUE(bundle);
  EXPECT_EQ(bundle->owner().account, bob.account);
  EXPECT_EQ(bundle->keys(), bob.identity.public_keys());
  ASSERT_TRUE(bundle->one_time());
  EXPECT_EQ(MailboxId::from(as_view(reply->devices(0).mailbox())), bob.mailbox);
}

TEST_F(Bundles, CarrySendTokensThatTheRelayTakes) {
  const auto reply = world.bundles(ada, bob.account);
  const auto key = wire::SendTokenKey(world.vault.named_key("send-token")->reveal());
  ASSERT_EQ(reply->devices(0).send_token().size(), wire::kSendTokenBytes);
  const auto token = to_array<wire::kSendTokenBytes>(as_view(reply->devices(0).send_token()));
  EXPECT_EQ(wire::check_send_token(key, token, ada.account, bob.mailbox, kStart), wire::SendTokenCheck::valid);
  EXPECT_EQ(wire::check_send_token(key, token, bob.account, bob.mailbox, kStart), wire::SendTokenCheck::forged);
  EXPECT_EQ(wire::check_send_token(key, token, ada.account, bob.mailbox, kStart + std::chrono::days(7)),
            wire::SendTokenCheck::expired);
}

TEST_F(Bundles, EachOneTimePrekeyIsHandedOutOnce) {
  EXPECT_EQ(take(ada), 0);
  EXPECT_EQ(take(ada), 1);
  world.restart();
  EXPECT_EQ(take(ada), 2);
  EXPECT_EQ(take(ada), 3);
  EXPECT_EQ(take(ada), -1) << "then bundles come without";
  EXPECT_EQ(world.service->counters().one_time_missing, 1u);
}

TEST_F(Bundles, NoneIsHandedOutTwiceWhateverTheDiskDoes) {
  // Each write fails in one of four ways, or not; after some the machine restarts. What was answered must be unique.
  Config config;
  config.one_time_per_pair.capacity = config.one_time_per_target.capacity = 10'000;
  config.calls_per_account.capacity = 1'000'000;
  World stormy(config);
  Person asker(7), target(8);
  ASSERT_TRUE(stormy.enrol(asker, "ada@example.org"));
  ASSERT_TRUE(stormy.enrol(target, "bob@example.org", 64));
  SeededRandom random(99);
  std::set<std::string> given;
  int refused = 0;
  for (int i = 0; i < 300; ++i) {
    switch (random.below(6)) {
      case 0:
        stormy.rows.next_write = {{.error = store::RowError::unknown, .stored = true}};
        break;
      case 1:
        stormy.rows.next_write = {{.error = store::RowError::unknown, .stored = false}};
        break;
      case 2:
        stormy.rows.next_write = {{.error = store::RowError::full, .stored = false}};
        break;
      case 3:
        stormy.restart();
        break;
      default:
        break;
    }
    const auto reply = stormy.bundles(asker, target.account);
    stormy.rows.next_write.reset();
    if (!reply) {
      ++refused;
      EXPECT_EQ(reply.error().status, calls::CALL_STATUS_UNAVAILABLE);
      continue;
    }
    const std::string bundle = reply->devices(0).bundle();
    if (bundle.size() == session::kPrekeySetBytes) continue;
    EXPECT_TRUE(given.insert(bundle.substr(session::kPrekeySetBytes)).second);
  }
  EXPECT_GT(refused, 20);
  EXPECT_GT(given.size(), 20u);
}

TEST_F(Bundles, TheWriteComesBeforeTheAnswer) {
  world.rows.next_write = {{.error = store::RowError::failed, .stored = false}};
  EXPECT_EQ(status(world.bundles(ada, bob.account)), calls::CALL_STATUS_UNAVAILABLE);
}

TEST_F(Bundles, StrangersCannotUseUpSomebodysPrekeys) {
  Config config;
  config.one_time_per_pair = {.capacity = 2, .refill = std::chrono::hours(2)};
  config.one_time_per_target = {.capacity = 5, .refill = std::chrono::hours(5)};
  World guarded(config);
  Person target(8);
  ASSERT_TRUE(guarded.enrol(target, "bob@example.org", 64));
  std::vector<std::unique_ptr<Person>> crowd;
  for (std::uint64_t i = 0; i < 4; ++i) {
    crowd.push_back(std::make_unique<Person>(20 + i));
    ASSERT_TRUE(guarded.enrol(*crowd.back(), "p" + std::to_string(i) + "@example.org"));
  }
  const auto with_one_time = [&](const Person& asker) {
    const auto reply = guarded.bundles(asker, target.account);
    EXPECT_TRUE(reply);
    return reply->devices(0).bundle().size() > session::kPrekeySetBytes;
  };
  EXPECT_TRUE(with_one_time(*crowd[0]));
  EXPECT_TRUE(with_one_time(*crowd[0]));
  EXPECT_FALSE(with_one_time(*crowd[0])) << "a pair's share";
  EXPECT_TRUE(with_one_time(*crowd[1]));
  EXPECT_TRUE(with_one_time(*crowd[1]));
  EXPECT_TRUE(with_one_time(*crowd[2]));
  EXPECT_FALSE(with_one_time(*crowd[3])) << "what all together may take";
  guarded.clock.advance(std::chrono::hours(1));
  EXPECT_TRUE(with_one_time(*crowd[3]));
  EXPECT_EQ(guarded.service->counters().one_time_withheld, 2u);
  EXPECT_EQ(guarded.service->counters().one_time_given, 6u);
}

TEST_F(Bundles, TheDeviceIsToldWhenFewAreLeft) {
  Config config;
  config.one_time_per_pair.capacity = 100;
  World low(config);
  Person asker(7), target(8);
  ASSERT_TRUE(low.enrol(asker, "ada@example.org"));
  ASSERT_TRUE(low.enrol(target, "bob@example.org", 32));
  const std::string notice = "notify " + target.account.hex() + " 1";
  for (int i = 0; i < 15; ++i) ASSERT_TRUE(low.bundles(asker, target.account));
  EXPECT_FALSE(low.relay.has(notice));
  ASSERT_TRUE(low.bundles(asker, target.account));
  ASSERT_TRUE(low.relay.has(notice));
  calls::PrekeyStatusReply left;
  ASSERT_TRUE(left.ParseFromString(low.relay.notices.back()));
  EXPECT_EQ(left.one_time_left(), kPrekeysLow);
  EXPECT_EQ(low.relay.notices.size(), 1u);
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(low.bundles(asker, target.account));
  EXPECT_EQ(low.relay.notices.size(), 2u) << "and once more when there are none";
}

TEST_F(Bundles, OnesOwnBundleTakesNoPrekey) {
  const auto reply = world.bundles(bob, bob.account);
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->devices(0).bundle().size(), session::kPrekeySetBytes);
  EXPECT_EQ(take(ada), 0);
}

TEST_F(Bundles, OnlyWantedDevicesCome) {
  calls::BundlesRequest request;
  request.set_account(text(bob.account.view()));
  request.add_devices(2);
  const auto none = world.service->bundles(ada.caller(), request);
  ASSERT_TRUE(none);
  EXPECT_EQ(none->devices_size(), 0);
  EXPECT_FALSE(none->device_list().empty());
  request.add_devices(1);
  EXPECT_EQ(world.service->bundles(ada.caller(), request)->devices_size(), 1);
  for (int i = 0; i < 40; ++i) request.add_devices(1);
  EXPECT_EQ(status(world.service->bundles(ada.caller(), request)), calls::CALL_STATUS_BAD_REQUEST);
  request.clear_devices();
  request.set_account("short");
  EXPECT_EQ(status(world.service->bundles(ada.caller(), request)), calls::CALL_STATUS_BAD_REQUEST);
}

TEST_F(Bundles, SendTokensTakeNoPrekeys) {
  const auto reply = world.send_tokens(ada, bob.account);
  ASSERT_TRUE(reply);
  ASSERT_EQ(reply->devices_size(), 1);
  EXPECT_TRUE(reply->devices(0).bundle().empty());
  EXPECT_EQ(reply->devices(0).send_token().size(), wire::kSendTokenBytes);
  EXPECT_EQ(take(ada), 0);
}

TEST_F(Bundles, ASetThatIsOverIsNotHandedOut) {
  world.clock.advance(std::chrono::days(7) + milliseconds(1));
  const auto reply = world.bundles(ada, bob.account);
  ASSERT_TRUE(reply);
  EXPECT_TRUE(reply->devices(0).bundle().empty());
  EXPECT_FALSE(reply->devices(0).send_token().empty()) << "sessions that exist go on";
  ASSERT_TRUE(upload(bob, bob.make_prekeys(world.clock.now())));
  EXPECT_EQ(take(ada), 0);
}

// ---- uploads
TEST_F(Bundles, AnUploadReplacesTheSet) {
  EXPECT_EQ(take(ada), 0);
  const auto reply = upload(bob, bob.make_prekeys(world.clock.now(), 8));
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->one_time_left(), 8u);
  EXPECT_EQ(take(ada), 0);
  const auto left = world.service->prekey_status(bob.caller());
  ASSERT_TRUE(left);
  EXPECT_EQ(left->one_time_left(), 7u);
  EXPECT_EQ(left->signed_until_ms(), static_cast<std::uint64_t>(unix_millis(kStart + std::chrono::days(7))));
}

TEST_F(Bundles, AnUploadSentAgainHandsNothingOutTwice) {
  const auto prekeys = bob.make_prekeys(world.clock.now(), 4);
  ASSERT_TRUE(upload(bob, prekeys));
  EXPECT_EQ(take(ada), 0);
  const auto again = upload(bob, prekeys);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->one_time_left(), 3u);
  EXPECT_EQ(take(ada), 1);
}

TEST_F(Bundles, AnOlderSetIsRefused) {
  const auto older = bob.make_prekeys(world.clock.now(), 4);
  ASSERT_TRUE(upload(bob, bob.make_prekeys(world.clock.now(), 4)));
  EXPECT_EQ(status(upload(bob, older)), calls::CALL_STATUS_CONFLICT);
  bob.next_set = 3;
  EXPECT_EQ(status(upload(bob, bob.make_prekeys(world.clock.now(), 4))), calls::CALL_STATUS_CONFLICT)
      << "the same number, other keys";
}

TEST_F(Bundles, ASetWithoutOneTimePrekeysIsGood) {
  ASSERT_TRUE(upload(bob, bob.make_prekeys(world.clock.now(), 0)));
  EXPECT_EQ(take(ada), -1);
}

TEST_F(Bundles, DamagedUploadsChangeNothing) {
  const auto good = bob.make_prekeys(world.clock.now(), 4);
  const auto writes = world.rows.writes;
  for (std::size_t at = 0; at < good.signed_prekeys().size(); at += 131) {
    auto bad = good;
    (*bad.mutable_signed_prekeys())[at] = static_cast<char>(good.signed_prekeys()[at] ^ 4);
    EXPECT_EQ(status(upload(bob, bad)), calls::CALL_STATUS_BAD_REQUEST) << at;
  }
  for (std::size_t at = 0; at < good.one_time_batch().size(); at += 7) {
    auto bad = good;
    (*bad.mutable_one_time_batch())[at] = static_cast<char>(good.one_time_batch()[at] ^ 4);
    EXPECT_EQ(status(upload(bob, bad)), calls::CALL_STATUS_BAD_REQUEST) << at;
  }
  auto swapped = good;  // the same keys in another order
  std::swap_ranges(swapped.mutable_one_time_batch()->begin(), swapped.mutable_one_time_batch()->begin() + 32,
                   swapped.mutable_one_time_batch()->begin() + 32);
  EXPECT_EQ(status(upload(bob, swapped)), calls::CALL_STATUS_BAD_REQUEST);
  EXPECT_EQ(status(upload(bob, calls::PrekeyUpload())), calls::CALL_STATUS_BAD_REQUEST);
  Person eve(9);
  eve.account = bob.account;
  EXPECT_EQ(status(upload(bob, eve.make_prekeys(world.clock.now()))), calls::CALL_STATUS_BAD_REQUEST)
      << "signed by somebody else";
  EXPECT_EQ(status(upload(bob, ada.make_prekeys(world.clock.now()))), calls::CALL_STATUS_BAD_REQUEST)
      << "somebody else's set";
  EXPECT_EQ(world.rows.writes, writes);
  EXPECT_EQ(take(ada), 0);
}

TEST_F(Bundles, UploadsAreLimited) {
  Config config;
  config.calls_per_account = {.capacity = 50, .refill = std::chrono::hours(1)};
  World limited(config);
  Person person(8);
  ASSERT_TRUE(limited.enrol(person, "bob@example.org"));
  calls::UploadPrekeysRequest request;
  *request.mutable_prekeys() = person.make_prekeys(limited.clock.now());
  EXPECT_TRUE(limited.service->upload_prekeys(person.caller(), request));
  EXPECT_TRUE(limited.service->upload_prekeys(person.caller(), request));
  EXPECT_EQ(status(limited.service->upload_prekeys(person.caller(), request)), calls::CALL_STATUS_QUOTA);
}

}  // namespace
}  // namespace opaline::identity
