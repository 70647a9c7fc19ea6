#include "session/prekeys.hpp"

#include <gtest/gtest.h>

#include <rapidcheck.h>

#include "credentials/labels.hpp"
#include "session/testing.hpp"

namespace opaline::session {
namespace {

using testing::kStart;
using testing::TestDevice;

class Prekeys : public ::testing::Test {
 protected:
  Result<VerifiedBundle, Error> verify(const PrekeyBundle& bundle, Time now = kStart) const {
    return verify_bundle(device.list, DeviceNumber{1}, bundle, now);
  }
  PrekeyBundle bundle(std::size_t index = 0) const { return {device.signed_set, device.one_time[index]}; }
  TestDevice device{1, 8};
};

TEST_F(Prekeys, EveryOneTimeKeyVerifies) {
  for (std::size_t i = 0; i < 8; ++i) {
    const auto verified = verify(bundle(i));
    ASSERT_TRUE(verified.has_value());
    const auto secret = device.prekeys.one_time.find({PrekeySetId{1}, OneTimeIndex(static_cast<std::uint16_t>(i))});
    EXPECT_EQ(verified->one_time()->key, crypto::x25519_public_of(secret->second));
    EXPECT_EQ(verified->owner(), device.address());
    EXPECT_EQ(verified->set_hash(), device.prekeys.sets.at(PrekeySetId{1}).hash());
  }
  const auto without = verify({device.signed_set, {}});
  ASSERT_TRUE(without.has_value());
  EXPECT_FALSE(without->one_time().has_value());
}

TEST_F(Prekeys, BundleStaysSmall) {
  const TestDevice full(2, kDefaultOneTimePrekeys);
  const Bytes bytes = encode_bundle({full.signed_set, full.one_time[0]});
  EXPECT_EQ(bytes.size(), kPrekeySetBytes + 2 + 32 + 6 * 32);
  EXPECT_LE(bytes.size(), 5000u);
}

TEST_F(Prekeys, BundleSurvivesEncoding) {
  const auto again = decode_bundle(encode_bundle(bundle(3)));
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(*again, bundle(3));
  EXPECT_EQ(decode_bundle(ByteView(device.signed_set).first(kPrekeySetBytes - 1)).error(), Error::malformed);
  EXPECT_EQ(decode_bundle(Bytes(kPrekeySetBytes + kMaxOneTimeBytes + 1)).error(), Error::too_large);
}

TEST_F(Prekeys, EveryFlippedBitIsRefused) {
  const Bytes bytes = encode_bundle(bundle(5));
  EXPECT_TRUE(rc::check("flip", [&] {
    Bytes damaged = bytes;
    const auto bit = *rc::gen::inRange<std::size_t>(0, 8 * bytes.size());
    damaged[bit / 8] ^= std::byte(1u << bit % 8);
    RC_ASSERT(!verify(*decode_bundle(damaged)).has_value());
  }));
}

TEST_F(Prekeys, TruncatedAndForeignPathsAreRefused) {
  PrekeyBundle mixed = bundle(2);
  mixed.one_time = device.one_time[3];
  mixed.one_time[1] = std::byte{2};  // index 2 with the key and path of 3
  EXPECT_EQ(verify(mixed).error(), Error::bad_signature);
  for (std::size_t size = 1; size < device.one_time[0].size(); ++size) {
    const PrekeyBundle cut{device.signed_set, to_bytes(ByteView(device.one_time[0]).first(size))};
    EXPECT_EQ(verify(cut).error(), Error::malformed) << size;
  }
  PrekeyBundle longer = bundle();
  longer.one_time.resize(longer.one_time.size() + 32);
  EXPECT_EQ(verify(longer).error(), Error::malformed);
  const TestDevice other(9, 8);
  EXPECT_EQ(verify({device.signed_set, other.one_time[0]}).error(), Error::bad_signature);
  const TestDevice none(3, 0);
  EXPECT_EQ(verify_bundle(none.list, DeviceNumber{1}, {none.signed_set, device.one_time[0]}, kStart).error(),
            Error::malformed);
}

TEST_F(Prekeys, TimesAreKept) {
  using std::chrono::milliseconds;
  EXPECT_TRUE(verify(bundle(), kStart - kClockSkew).has_value());
  EXPECT_EQ(verify(bundle(), kStart - kClockSkew - milliseconds(1)).error(), Error::expired);
  EXPECT_TRUE(verify(bundle(), kStart + kPrekeyOffered + kPrekeyGrace).has_value());
  EXPECT_EQ(verify(bundle(), kStart + kPrekeyOffered + kPrekeyGrace + milliseconds(1)).error(), Error::expired);
  EXPECT_EQ(device.prekeys.sets.at(PrekeySetId{1}).wipe_after(), kStart + kPrekeyLife);
}

TEST_F(Prekeys, SetsOfOthersAreRefused) {
  const TestDevice other(2);
  EXPECT_EQ(verify({other.signed_set, {}}).error(), Error::wrong_device);
  EXPECT_EQ(verify_bundle(device.list, DeviceNumber{2}, bundle(), kStart).error(), Error::wrong_device);
  // A thief who signs our set as its own: the account in it is ours.
  Bytes renamed = other.signed_set;
  std::memcpy(renamed.data() + 1, device.account.view().data(), AccountId::kSize);
  EXPECT_EQ(verify({renamed, {}}).error(), Error::bad_signature);
}

TEST_F(Prekeys, SignedNonsenseIsRefused) {
  // The device's own signature does not make a malformed set a good one.
  const auto signed_with = [&](auto change) {
    PrekeySet set = verify(bundle())->set();
    change(set);
    Bytes bytes = credentials::encode_prekey_set_body(set);
    append(bytes, device.identity.signer().sign(credentials::kPrekeySetSignature, bytes, device.random).view());
    const auto verified = verify({bytes, {}});
    return verified ? "good" : "error " + std::to_string(static_cast<int>(verified.error()));
  };
  const std::string malformed = "error " + std::to_string(static_cast<int>(Error::malformed));
  EXPECT_EQ(signed_with([](PrekeySet&) {}), "good");
  EXPECT_EQ(signed_with([](PrekeySet& s) { s.one_time_count = 3; }), malformed);
  EXPECT_EQ(signed_with([](PrekeySet& s) { s.one_time_count = 512; }), malformed);
  EXPECT_EQ(signed_with([](PrekeySet& s) { s.one_time_count = 0; }), malformed) << "a root over nothing";
  EXPECT_EQ(signed_with([](PrekeySet& s) { s.offered_until += std::chrono::milliseconds(1); }), malformed);
  EXPECT_EQ(signed_with([](PrekeySet& s) { s.offered_until = s.created - std::chrono::milliseconds(1); }), malformed);
  EXPECT_EQ(signed_with([](PrekeySet& s) { s.created = s.offered_until = from_unix_millis(INT64_MIN); }), malformed);
}

TEST_F(Prekeys, SecretsSurviveStoring) {
  const PrekeySecrets& secrets = device.prekeys.sets.at(PrekeySetId{1});
  const SecretBytes stored = secrets.serialise();
  const auto again = PrekeySecrets::deserialise(stored);
  ASSERT_TRUE(again.has_value());
  EXPECT_TRUE(equal(again->serialise(), stored));
  EXPECT_EQ(again->signed_prekey_public(), secrets.signed_prekey_public());
  EXPECT_EQ(again->kem().encapsulation_key(), secrets.kem().encapsulation_key());
  for (std::size_t size = 0; size < stored.size(); ++size) {
    EXPECT_EQ(PrekeySecrets::deserialise(ByteView(stored).first(size)).error(), Error::bad_state) << size;
  }
  SecretBytes newer = stored;
  newer[0] = std::byte{2};
  EXPECT_EQ(PrekeySecrets::deserialise(newer).error(), Error::unsupported_version);
}

TEST(OneTimeTree, PathsLeadToTheRootForEverySize) {
  SeededRandom random(4);
  for (std::size_t count = 1; count <= kMaxOneTimePrekeys; count *= 2) {
    std::vector<crypto::X25519PublicKey> keys;
    for (std::size_t i = 0; i < count; ++i) keys.push_back(random.id<crypto::X25519PublicKey>());
    const credentials::OneTimeTree tree(keys);
    PrekeySet set;
    set.one_time_count = static_cast<std::uint16_t>(count);
    set.one_time_root = tree.root();
    for (std::size_t i = 0; i < count; ++i) {
      Bytes entry = tree.entry(OneTimeIndex(static_cast<std::uint16_t>(i)));
      const auto checked = credentials::check_one_time_entry(set, entry);
      ASSERT_TRUE(checked.has_value());
      EXPECT_EQ(checked->key, keys[i]);
      if (count == 1) continue;
      entry[1] ^= std::byte{1};  // the neighbour's place
      EXPECT_EQ(credentials::check_one_time_entry(set, entry).error(), credentials::Error::bad_signature);
    }
  }
}

}  // namespace
}  // namespace opaline::session
