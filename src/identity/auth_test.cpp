#include <gtest/gtest.h>

#include "identity/identity_test_world.hpp"

namespace opaline::identity {
namespace {

using testing::ipv4;
using testing::Person;
using testing::World;

class Auth : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(world.enrol(ada, "ada@example.org"));
    ASSERT_TRUE(world.enrol(web, "web@example.org", 4, {}, true));
    signature = ada.sign_auth(message);
    request = {.account = ada.account,
               .device = DeviceNumber{1},
               .binding = wire::Binding::tls_exporter,
               .message = message,
               .signature = signature,
               .source = ipv4(1)};
  }
  [[nodiscard]] bool refused() {
    const auto answer = world.service->authenticate(request);
    return !answer && answer.error() == AuthError::refused;
  }
  World world;
  Person ada{7}, web{8};
  Bytes message = to_bytes("nonce, name, binding");
  Bytes signature;
  AuthRequest request;
};

TEST_F(Auth, ASignedDeviceGetsItsMailbox) {
  const auto answer = world.service->authenticate(request);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->mailbox, ada.mailbox);
}

TEST_F(Auth, RefusesDamage) {
  for (std::size_t at = 0; at < signature.size(); at += 211) {
    Bytes bad = signature;
    bad[at] ^= std::byte{1};
    request.signature = bad;
    EXPECT_TRUE(refused()) << at;
  }
  request.signature = ByteView(signature).first(signature.size() - 1);
  EXPECT_TRUE(refused());
  request.signature = {};
  EXPECT_TRUE(refused());
  request.signature = signature;
  const Bytes other = to_bytes("another nonce");
  request.message = other;
  EXPECT_TRUE(refused());
  request.message = message;
  EXPECT_FALSE(refused());
}

TEST_F(Auth, RefusesOthers) {
  request.account = web.account;
  EXPECT_TRUE(refused());
  request.account = ada.account;
  request.device = DeviceNumber{2};
  EXPECT_TRUE(refused());
  request.device = DeviceNumber{1};
  const Bytes accounts = to_bytes(ada.account_key.signer().sign(wire::kAuthLabel, message, ada.random).view());
  request.signature = accounts;
  EXPECT_TRUE(refused()) << "the account key is no device";
  const Bytes relabelled = to_bytes(ada.identity.signer().sign("opaline/1 prekey set", message, ada.random).view());
  request.signature = relabelled;
  EXPECT_TRUE(refused()) << "a signature made for something else";
}

TEST_F(Auth, OnlyWebDevicesMayGoUnbound) {
  request.binding = wire::Binding::none;
  EXPECT_TRUE(refused());
  const Bytes by_web = web.sign_auth(message);
  request.account = web.account;
  request.signature = by_web;
  EXPECT_FALSE(refused());
  request.binding = wire::Binding::tls_exporter;
  EXPECT_FALSE(refused());
}

TEST_F(Auth, UnknownDevicesAndWrongSignaturesLookAlike) {
  using Work = std::array<std::size_t, 3>;  // gets, writes, verifications
  const auto work_of = [&](const AuthRequest& r) {
    const Work before{world.rows.gets, world.rows.writes, world.crypto.verified};
    const auto answer = world.service->authenticate(r);
    EXPECT_TRUE(!answer && answer.error() == AuthError::refused);
    return Work{world.rows.gets - before[0], world.rows.writes - before[1], world.crypto.verified - before[2]};
  };
  AuthRequest wrong = request, unknown_account = request, unknown_device = request;
  Bytes bad = signature;
  bad[0] ^= std::byte{1};
  wrong.signature = bad;
  unknown_account.account = ada.random.id<AccountId>();
  unknown_device.device = DeviceNumber{9};
  const Work expected{1, 0, 1};
  EXPECT_EQ(work_of(wrong), expected);
  EXPECT_EQ(work_of(unknown_account), expected);
  EXPECT_EQ(work_of(unknown_device), expected);
  AuthRequest decoy = request;
  decoy.account = AccountId();
  EXPECT_EQ(work_of(decoy), expected);
}

TEST_F(Auth, ASourceThatFailsALotForAnAccountIsNotListenedTo) {
  Bytes bad = signature;
  bad[5] ^= std::byte{1};
  request.signature = bad;
  const auto before = world.crypto.verified;
  for (std::uint32_t i = 0; i < world.config.failed_auth.capacity; ++i) EXPECT_TRUE(refused());
  const auto verified = world.crypto.verified;
  EXPECT_EQ(verified - before, world.config.failed_auth.capacity);
  EXPECT_TRUE(refused());
  EXPECT_EQ(world.crypto.verified, verified) << "no work for it any more";
  request.signature = signature;
  request.source = ipv4(2);
  EXPECT_FALSE(refused()) << "other sources are served";
  request.source = ipv4(1);
  EXPECT_TRUE(refused());
  world.clock.advance(std::chrono::minutes(1));
  EXPECT_FALSE(refused()) << "it comes back";
}

TEST_F(Auth, AStrangerBehindTheSameAddressKeepsNobodyOut) {
  AuthRequest stranger = request;
  for (std::uint32_t i = 0; i < 3 * world.config.failed_auth.capacity; ++i) {
    stranger.account = ada.random.id<AccountId>();
    EXPECT_FALSE(world.service->authenticate(stranger));
  }
  EXPECT_FALSE(refused());
}

TEST_F(Auth, SuccessCostsNoQuota) {
  for (std::uint32_t i = 0; i < world.config.failed_auth.capacity + 10; ++i) ASSERT_FALSE(refused());
}

TEST_F(Auth, ABrokenStoreIsNoRefusal) {
  world.rows.fail_reads = true;
  const auto answer = world.service->authenticate(request);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error(), AuthError::unavailable);
}

}  // namespace
}  // namespace opaline::identity
