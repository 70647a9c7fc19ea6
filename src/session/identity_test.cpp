#include "session/identity.hpp"

#include <gtest/gtest.h>

#include <rapidcheck.h>

#include "session/safety_number.hpp"

namespace opaline::session {
namespace {

TEST(Identity, SurvivesStoring) {
  SeededRandom random(1);
  const DeviceIdentity identity = DeviceIdentity::generate(random);
  const auto again = DeviceIdentity::deserialise(identity.serialise());
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(again->public_keys(), identity.public_keys());
  EXPECT_EQ(again->hash(), identity.hash());
  EXPECT_TRUE(equal(again->serialise(), identity.serialise()));

  const AccountKey account = AccountKey::generate(random);
  const auto account_again = AccountKey::deserialise(account.serialise());
  ASSERT_TRUE(account_again.has_value());
  EXPECT_EQ(account_again->public_key(), account.public_key());
}

TEST(Identity, RefusesDamagedStores) {
  SeededRandom random(1);
  const SecretBytes stored = DeviceIdentity::generate(random).serialise();
  const SecretBytes account = AccountKey::generate(random).serialise();
  for (std::size_t size = 0; size < stored.size(); ++size) {
    EXPECT_EQ(DeviceIdentity::deserialise(ByteView(stored).first(size)).error(), Error::bad_state) << size;
  }
  for (std::size_t size = 0; size < account.size(); ++size) {
    EXPECT_EQ(AccountKey::deserialise(ByteView(account).first(size)).error(), Error::bad_state) << size;
  }
  SecretBytes longer = stored;
  longer.push_back(std::byte{0});
  EXPECT_EQ(DeviceIdentity::deserialise(longer).error(), Error::bad_state);
  SecretBytes newer = stored;
  newer[0] = std::byte{2};
  EXPECT_EQ(DeviceIdentity::deserialise(newer).error(), Error::unsupported_version);
}

TEST(Identity, HashNamesBothKeys) {
  SeededRandom random(1);
  const DevicePublicKeys one = DeviceIdentity::generate(random).public_keys();
  const DevicePublicKeys other = DeviceIdentity::generate(random).public_keys();
  EXPECT_NE(one.hash(), (DevicePublicKeys{one.signing, other.agreement}.hash()));
  EXPECT_NE(one.hash(), (DevicePublicKeys{other.signing, one.agreement}.hash()));
}

SafetyParty party(SeededRandom& random) {
  return {random.id<AccountId>(), AccountKey::generate(random).public_key()};
}

TEST(SafetyNumber, IsTheSameForBothAndOnlyDigits) {
  SeededRandom random(3);
  const SafetyParty one = party(random);
  const SafetyParty other = party(random);
  const auto digits = safety_number(one, other);
  EXPECT_EQ(digits, safety_number(other, one));
  for (const std::byte digit : digits) {
    EXPECT_GE(digit, std::byte{'0'});
    EXPECT_LE(digit, std::byte{'9'});
  }
}

TEST(SafetyNumber, ChangesWithEveryPart) {
  SeededRandom random(3);
  const SafetyParty one = party(random);
  const SafetyParty other = party(random);
  const auto digits = safety_number(one, other);
  EXPECT_TRUE(rc::check("any flipped bit of a party", [&] {
    SafetyParty changed = other;
    const auto bit = *rc::gen::inRange<std::size_t>(0, 8 * (AccountId::kSize + crypto::HybridPublicKey::kSize));
    Bytes bytes = to_bytes(changed.account.view());
    append(bytes, changed.account_key.view());
    bytes[bit / 8] ^= std::byte(1u << bit % 8);
    changed.account = *AccountId::from(ByteView(bytes).first(AccountId::kSize));
    changed.account_key = *crypto::HybridPublicKey::from(ByteView(bytes).subspan(AccountId::kSize));
    RC_ASSERT(safety_number(one, changed) != digits);
  }));
}

}  // namespace
}  // namespace opaline::session
