#include "session/device_list.hpp"

#include <gtest/gtest.h>

#include <rapidcheck.h>

#include "session/limits.hpp"

namespace opaline::session {
namespace {

constexpr Time kNow = from_unix_millis(1'700'000'000'000);

class DeviceLists : public ::testing::Test {
 protected:
  DeviceLists() : key(AccountKey::generate(random)), device(DeviceIdentity::generate(random)) {
    first = first_device_list(random.id<AccountId>(), key, random.id<MailboxId>(), kCapabilityMessages,
                              device.public_keys(), kNow);
  }
  VerifiedDeviceList sign(const DeviceList& list) { return sign(list, key); }
  VerifiedDeviceList sign(const DeviceList& list, const AccountKey& with) {
    auto verified = verify_device_list(sign_device_list(list, with, random));
    EXPECT_TRUE(verified.has_value());
    return std::move(*verified);
  }
  DeviceEntry new_device(std::uint32_t number) {
    return {.number = DeviceNumber{number},
            .mailbox = random.id<MailboxId>(),
            .created = kNow,
            .capabilities = kCapabilityMessages,
            .keys = DeviceIdentity::generate(random).public_keys()};
  }
  DeviceList with_second(const VerifiedDeviceList& before) {
    DeviceList next = next_device_list(before, kNow);
    next.devices.push_back(new_device(2));
    next.next_device = DeviceNumber{3};
    return next;
  }

  SeededRandom random{7};
  AccountKey key;
  DeviceIdentity device;
  DeviceList first;
};

TEST_F(DeviceLists, SignedListVerifies) {
  const VerifiedDeviceList list = sign(first);
  EXPECT_EQ(list.list(), first);
  EXPECT_EQ(list.find(DeviceNumber{1})->keys, device.public_keys());
  EXPECT_EQ(list.find(DeviceNumber{2}), nullptr);
  const auto loaded = load_device_list(list.bytes());
  ASSERT_TRUE(loaded.has_value());
  EXPECT_EQ(loaded->reference(), list.reference());
}

TEST_F(DeviceLists, TenDevicesAreTheLimit) {
  DeviceList list = first;
  for (std::uint32_t number = 2; number <= kMaxDevices; ++number) list.devices.push_back(new_device(number));
  list.next_device = DeviceNumber{kMaxDevices + 1};
  const VerifiedDeviceList full = sign(list);
  EXPECT_EQ(full.bytes().size(), kMaxDeviceListBytes);
  Bytes more = full.bytes();
  more.push_back(std::byte{0});
  EXPECT_EQ(verify_device_list(more).error(), Error::too_large);
}

TEST_F(DeviceLists, HashDoesNotDependOnTheSignature) {
  const VerifiedDeviceList one = sign(first);
  const VerifiedDeviceList two = sign(first);  // a hedged signature differs each time
  EXPECT_FALSE(equal(one.bytes(), two.bytes()));
  EXPECT_EQ(one.hash(), two.hash());
  EXPECT_EQ(compare_lists(one, two), ListChange::unchanged);
}

TEST_F(DeviceLists, EveryFlippedBitIsRefused) {
  const Bytes bytes = sign(first).bytes();
  EXPECT_TRUE(rc::check("flip", [&] {
    Bytes damaged = bytes;
    const auto bit = *rc::gen::inRange<std::size_t>(0, 8 * bytes.size());
    damaged[bit / 8] ^= std::byte(1u << bit % 8);
    RC_ASSERT(!verify_device_list(damaged).has_value());
  }));
}

TEST_F(DeviceLists, TruncatedOrLongerIsRefused) {
  const Bytes bytes = sign(first).bytes();
  for (std::size_t size = 0; size < bytes.size(); size += size < 100 ? 1 : 97) {
    EXPECT_EQ(verify_device_list(ByteView(bytes).first(size)).error(), Error::malformed) << size;
  }
  Bytes longer = bytes;
  longer.push_back(std::byte{0});
  EXPECT_EQ(verify_device_list(longer).error(), Error::malformed);
}

/// Writes over bytes of a signed list without the signer's checks.
Bytes patched(const Bytes& bytes, std::size_t at, std::initializer_list<unsigned> values) {
  Bytes out = bytes;
  for (const unsigned value : values) out[at++] = static_cast<std::byte>(value);
  return out;
}

TEST_F(DeviceLists, RulesAreCheckedBeforeTheSignature) {
  const Bytes bytes = sign(first).bytes();
  constexpr std::size_t kNumberAt = 1 + 16 + 1984;
  constexpr std::size_t kNextDeviceAt = kNumberAt + 4 + 32 + 8;
  EXPECT_EQ(verify_device_list(patched(bytes, 0, {2})).error(), Error::unsupported_version);
  EXPECT_EQ(verify_device_list(patched(bytes, kNumberAt, {0, 0, 0, 0})).error(), Error::malformed);
  EXPECT_EQ(verify_device_list(patched(bytes, kNumberAt, {0, 0, 0, 2})).error(), Error::malformed)
      << "list 2 without a list before it";
  EXPECT_EQ(verify_device_list(patched(bytes, kNextDeviceAt, {0, 0, 0, 1})).error(), Error::malformed);
  EXPECT_EQ(verify_device_list(patched(bytes, kNextDeviceAt + 4, {0})).error(), Error::malformed) << "no devices";
  EXPECT_EQ(verify_device_list(patched(bytes, kNextDeviceAt + 5, {0, 0, 0, 0})).error(), Error::malformed)
      << "device 0";
}

TEST_F(DeviceLists, SignedByAnotherKeyIsRefused) {
  const AccountKey other = AccountKey::generate(random);
  DeviceList list = first;
  list.account_key = other.public_key();
  Bytes bytes = sign_device_list(list, other, random);
  // The other key's signature under our account key.
  std::memcpy(bytes.data() + 1 + 16, first.account_key.view().data(), crypto::HybridPublicKey::kSize);
  EXPECT_EQ(verify_device_list(bytes).error(), Error::bad_signature);
}

TEST_F(DeviceLists, BothSignaturesAreNeeded) {
  const Bytes good = sign(first).bytes();
  Bytes only_classical = good;
  only_classical[good.size() - 1000] ^= std::byte{1};
  Bytes only_quantum_safe = good;
  only_quantum_safe[good.size() - crypto::HybridSignature::kSize + 5] ^= std::byte{1};
  EXPECT_EQ(verify_device_list(only_classical).error(), Error::bad_signature);
  EXPECT_EQ(verify_device_list(only_quantum_safe).error(), Error::bad_signature);
}

TEST_F(DeviceLists, SuccessorsAreFollowed) {
  const VerifiedDeviceList one = sign(first);
  const VerifiedDeviceList two = sign(with_second(one));
  EXPECT_EQ(compare_lists(one, two), ListChange::successor);
  DeviceList removed = next_device_list(two, kNow);
  removed.devices.erase(removed.devices.begin());
  const VerifiedDeviceList three = sign(removed);
  EXPECT_EQ(compare_lists(two, three), ListChange::successor);
  EXPECT_EQ(compare_lists(one, three), ListChange::gap);
  EXPECT_FALSE(is_alarm(ListChange::gap));
  // The rules hold over any number of steps.
  DeviceList other_keys = three.list();
  other_keys.number = ListNumber{9};
  other_keys.devices.front().number = first.devices.front().number;
  EXPECT_EQ(compare_lists(one, sign(other_keys)), ListChange::rule_broken);
}

TEST_F(DeviceLists, GoingBackIsAnAlarm) {
  const VerifiedDeviceList one = sign(first);
  const VerifiedDeviceList two = sign(with_second(one));
  EXPECT_EQ(compare_lists(two, one), ListChange::older);
  EXPECT_TRUE(is_alarm(ListChange::older));
}

TEST_F(DeviceLists, TwoListsWithOneNumberAreAnAlarm) {
  const VerifiedDeviceList one = sign(first);
  const VerifiedDeviceList two = sign(with_second(one));
  const VerifiedDeviceList another_two = sign(with_second(one));
  EXPECT_EQ(compare_lists(two, another_two), ListChange::forked);
  // And a third list that continues the other second one.
  const VerifiedDeviceList three = sign(next_device_list(another_two, kNow));
  EXPECT_EQ(compare_lists(two, three), ListChange::forked);
  EXPECT_TRUE(is_alarm(ListChange::forked));
}

TEST_F(DeviceLists, NewAccountKeyIsAnAlarm) {
  const AccountKey other = AccountKey::generate(random);
  const VerifiedDeviceList one = sign(first);
  DeviceList taken_over = next_device_list(one, kNow);
  taken_over.account_key = other.public_key();
  EXPECT_EQ(compare_lists(one, sign(taken_over, other)), ListChange::new_account_key);
  EXPECT_TRUE(is_alarm(ListChange::new_account_key));
}

TEST_F(DeviceLists, DevicesKeepTheirKeysAndNumbers) {
  const VerifiedDeviceList one = sign(first);
  DeviceList rekeyed = next_device_list(one, kNow);
  rekeyed.devices[0].keys = DeviceIdentity::generate(random).public_keys();
  EXPECT_EQ(compare_lists(one, sign(rekeyed)), ListChange::rule_broken);
  DeviceList moved = next_device_list(one, kNow);
  moved.devices[0].mailbox = random.id<MailboxId>();
  EXPECT_EQ(compare_lists(one, sign(moved)), ListChange::rule_broken);

  DeviceList older = next_device_list(one, kNow);
  older.devices[0].created -= std::chrono::milliseconds(1);
  EXPECT_EQ(compare_lists(one, sign(older)), ListChange::rule_broken);

  DeviceList gone = next_device_list(sign(with_second(one)), kNow);
  gone.devices.pop_back();
  const VerifiedDeviceList three = sign(gone);
  DeviceList reused = next_device_list(three, kNow);
  reused.devices.push_back(new_device(2));
  EXPECT_EQ(compare_lists(three, sign(reused)), ListChange::rule_broken) << "device number 2 again";
  DeviceList counted_back = next_device_list(three, kNow);
  counted_back.next_device = DeviceNumber{2};
  EXPECT_EQ(compare_lists(three, sign(counted_back)), ListChange::rule_broken);
}

TEST_F(DeviceLists, CapabilitiesMayChange) {
  const VerifiedDeviceList one = sign(first);
  DeviceList next = next_device_list(one, kNow);
  next.devices[0].capabilities = 0x80000001;
  EXPECT_EQ(compare_lists(one, sign(next)), ListChange::successor);
}

TEST_F(DeviceLists, AnotherAccountIsNoChange) {
  DeviceList other = first;
  other.account = random.id<AccountId>();
  EXPECT_EQ(compare_lists(sign(first), sign(other)), ListChange::other_account);
}

}  // namespace
}  // namespace opaline::session
