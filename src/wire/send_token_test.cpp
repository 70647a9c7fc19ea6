#include "wire/send_token.hpp"

#include <gtest/gtest.h>

#include "base/random.hpp"

namespace opaline::wire {
namespace {

struct SendTokenTest : testing::Test {
  SeededRandom random{7};
  SendTokenKey key{random.bytes<32>()};
  AccountId alice = random.id<AccountId>();
  MailboxId mailbox = random.id<MailboxId>();
  Time now = from_unix_millis(1'800'000'000'000);
  SendToken token = make_send_token(key, alice, mailbox, now + kSendTokenLifetime);
};

TEST_F(SendTokenTest, IsGoodForItsSenderItsMailboxAndItsTime) {
  EXPECT_EQ(check_send_token(key, token, alice, mailbox, now), SendTokenCheck::valid);
  EXPECT_EQ(check_send_token(key, token, random.id<AccountId>(), mailbox, now), SendTokenCheck::forged);
  EXPECT_EQ(check_send_token(key, token, alice, random.id<MailboxId>(), now), SendTokenCheck::forged);
  EXPECT_EQ(check_send_token(SendTokenKey(random.bytes<32>()), token, alice, mailbox, now), SendTokenCheck::forged);
  EXPECT_EQ(check_send_token(key, token, alice, mailbox, now + kSendTokenLifetime - milliseconds(1)),
            SendTokenCheck::valid);
  EXPECT_EQ(check_send_token(key, token, alice, mailbox, now + kSendTokenLifetime), SendTokenCheck::expired);
}

TEST_F(SendTokenTest, EveryFlippedBitMakesItAForgery) {
  for (std::size_t bit = 0; bit < kSendTokenBytes * 8; ++bit) {
    SendToken bad = token;
    bad[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
    EXPECT_EQ(check_send_token(key, bad, alice, mailbox, now), SendTokenCheck::forged) << bit;
  }
}

}  // namespace
}  // namespace opaline::wire
