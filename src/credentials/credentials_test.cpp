// What the directory relies on without knowing the session protocol. (src/session's tests check the same from the
// device's side.)
#include <gtest/gtest.h>

#include "credentials/device_list.hpp"
#include "credentials/labels.hpp"
#include "credentials/prekey_set.hpp"

namespace opaline::credentials {
namespace {

constexpr Time kNow = from_unix_millis(1'800'000'000'000);

class Credentials : public ::testing::Test {
 protected:
  [[nodiscard]] DeviceList list() const {
    DeviceList out{.account = AccountId(to_array<16>(as_view("account-account-"))),
                   .account_key = account.public_key(),
                   .number = ListNumber{1},
                   .previous = {},
                   .created = kNow,
                   .next_device = DeviceNumber{2},
                   .devices = {}};
    DeviceEntry& entry = out.devices.emplace_back();
    entry.number = DeviceNumber{1};
    entry.mailbox = MailboxId(to_array<16>(as_view("mailbox-mailbox-")));
    entry.created = kNow;
    entry.keys.signing = device.public_key();
    return out;
  }
  [[nodiscard]] Bytes sign(const DeviceList& unsigned_list) {
    Bytes out = encode_device_list_body(unsigned_list);
    append(out, account.sign(kDeviceListSignature, out, random).view());
    return out;
  }
  [[nodiscard]] OneTimeTree tree(std::size_t count) {
    std::vector<crypto::X25519PublicKey> keys;
    for (std::size_t i = 0; i < count; ++i) keys.push_back(random.id<crypto::X25519PublicKey>());
    return OneTimeTree(std::move(keys));
  }
  [[nodiscard]] PrekeySet set(std::uint16_t count, const ByteArray<32>& root) {
    return {.owner = {list().account, DeviceNumber{1}},
            .id = PrekeySetId{1},
            .created = kNow,
            .offered_until = kNow + kPrekeyOffered,
            .signed_prekey = random.id<crypto::X25519PublicKey>(),
            .kem_prekey = random.id<crypto::MlKem768EncapsulationKey>(),
            .one_time_count = count,
            .one_time_root = root};
  }
  [[nodiscard]] Bytes sign(const PrekeySet& unsigned_set) {
    Bytes out = encode_prekey_set_body(unsigned_set);
    append(out, device.sign(kPrekeySetSignature, out, random).view());
    return out;
  }
  SeededRandom random{3};
  crypto::HybridSigner account{crypto::hybrid_generate(random)};
  crypto::HybridSigner device{crypto::hybrid_generate(random)};
};

TEST_F(Credentials, AListIsWhatWasSigned) {
  const Bytes bytes = sign(list());
  const auto verified = verify_device_list(bytes);
  ASSERT_TRUE(verified);
  EXPECT_EQ(verified->list(), list());
  EXPECT_EQ(verified->bytes(), bytes);
  EXPECT_EQ(verified->hash(), load_device_list(bytes)->hash());
}

TEST_F(Credentials, ADamagedListIsRefused) {
  const Bytes good = sign(list());
  for (std::size_t at = 0; at < good.size(); at += 53) {
    Bytes bad = good;
    bad[at] ^= std::byte{2};
    EXPECT_FALSE(verify_device_list(bad)) << at;
  }
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{1983}, good.size() - 1}) {
    EXPECT_FALSE(verify_device_list(ByteView(good).first(size))) << size;
  }
  Bytes longer = good;
  longer.push_back(std::byte{0});
  EXPECT_FALSE(verify_device_list(longer));
  EXPECT_EQ(verify_device_list(Bytes(kMaxDeviceListBytes + 1)).error(), Error::too_large);
  Bytes relabelled = encode_device_list_body(list());
  append(relabelled, account.sign(kPrekeySetSignature, relabelled, random).view());
  EXPECT_EQ(verify_device_list(relabelled).error(), Error::bad_signature);
}

TEST_F(Credentials, APrekeySetIsWhatWasSigned) {
  const OneTimeTree one_time = tree(8);
  const PrekeySet made = set(8, one_time.root());
  const Bytes bytes = sign(made);
  ASSERT_EQ(bytes.size(), kPrekeySetBytes);
  const auto parsed = parse_prekey_set(bytes);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(*parsed, made);
  EXPECT_TRUE(prekey_set_signed_by(device.public_key(), bytes));
  EXPECT_FALSE(prekey_set_signed_by(account.public_key(), bytes));
  for (std::size_t at = 0; at < bytes.size(); at += 53) {
    Bytes bad = bytes;
    bad[at] ^= std::byte{2};
    EXPECT_FALSE(prekey_set_signed_by(device.public_key(), bad)) << at;
  }
  EXPECT_FALSE(prekey_set_signed_by(device.public_key(), ByteView(bytes).first(bytes.size() - 1)));
  EXPECT_FALSE(prekey_set_signed_by(device.public_key(), {}));
}

TEST_F(Credentials, APrekeySetKeepsItsRules) {
  const auto refused = [&](const PrekeySet& s) { return parse_prekey_set(sign(s)).has_value() ? "taken" : "refused"; };
  PrekeySet s = set(0, {});
  EXPECT_STREQ(refused(s), "taken");
  s.one_time_root[0] = std::byte{1};
  EXPECT_STREQ(refused(s), "refused") << "a root without keys";
  for (const std::uint16_t count : {3, 6, 255, 257, 512, 65535})
    EXPECT_STREQ(refused(set(count, {})), "refused") << count;
  s = set(0, {});
  s.offered_until = s.created + kPrekeyOffered + milliseconds(1);
  EXPECT_STREQ(refused(s), "refused") << "offered for too long";
  s.offered_until = s.created - milliseconds(1);
  EXPECT_STREQ(refused(s), "refused");
  s.created = s.offered_until = from_unix_millis(-1);
  EXPECT_STREQ(refused(s), "refused");
  Bytes future = sign(set(0, {}));
  future[0] = std::byte{2};
  EXPECT_EQ(parse_prekey_set(future).error(), Error::unsupported_version);
  EXPECT_EQ(parse_prekey_set(Bytes(kPrekeySetBytes - 1)).error(), Error::malformed);
}

TEST_F(Credentials, EveryEntryFitsTheRootAndNothingElseDoes) {
  for (const std::size_t count : {1, 2, 4, 64, 256}) {
    const OneTimeTree one_time = tree(count);
    const PrekeySet s = set(static_cast<std::uint16_t>(count), one_time.root());
    for (std::size_t i = 0; i < count; i += count / 4 + 1) {
      const Bytes entry = one_time.entry(OneTimeIndex(static_cast<std::uint16_t>(i)));
      EXPECT_LE(entry.size(), kMaxOneTimeBytes);
      const auto checked = check_one_time_entry(s, entry);
      ASSERT_TRUE(checked) << i;
      EXPECT_EQ(checked->index, OneTimeIndex(static_cast<std::uint16_t>(i)));
      for (std::size_t at = 0; at < entry.size(); ++at) {
        Bytes bad = entry;
        bad[at] ^= std::byte{1};
        EXPECT_FALSE(check_one_time_entry(s, bad)) << i << " " << at;
      }
      EXPECT_FALSE(check_one_time_entry(s, ByteView(entry).first(entry.size() - 1)));
      EXPECT_FALSE(check_one_time_entry(set(0, {}), entry));
    }
    EXPECT_FALSE(check_one_time_entry(s, {}));
  }
}

TEST_F(Credentials, ABatchIsWholeAndInOrder) {
  const OneTimeTree one_time = tree(4);
  const PrekeySet s = set(4, one_time.root());
  const Bytes batch = one_time.batch();
  const auto checked = check_one_time_batch(s, batch);
  ASSERT_TRUE(checked && *checked);
  EXPECT_EQ((*checked)->entry(OneTimeIndex{3}), one_time.entry(OneTimeIndex{3}));
  for (std::size_t at = 0; at < batch.size(); ++at) {
    Bytes bad = batch;
    bad[at] ^= std::byte{1};
    EXPECT_EQ(check_one_time_batch(s, bad).error(), Error::bad_signature) << at;
  }
  Bytes swapped = batch;
  std::swap_ranges(swapped.begin(), swapped.begin() + 32, swapped.begin() + 64);
  EXPECT_EQ(check_one_time_batch(s, swapped).error(), Error::bad_signature);
  for (const std::size_t size : {0, 32, 96, 127})
    EXPECT_EQ(check_one_time_batch(s, ByteView(batch).first(size)).error(), Error::malformed) << size;
  const auto none = check_one_time_batch(set(0, {}), {});
  ASSERT_TRUE(none);
  EXPECT_FALSE(*none);
  EXPECT_EQ(check_one_time_batch(set(0, {}), batch).error(), Error::malformed);
}

TEST_F(Credentials, BundlesHaveTwoSizes) {
  const OneTimeTree one_time = tree(256);
  const PrekeyBundle whole{.signed_set = sign(set(256, one_time.root())),
                           .one_time = one_time.entry(OneTimeIndex{255})};
  EXPECT_EQ(parse_bundle(encode_bundle(whole)), whole);
  const PrekeyBundle bare{.signed_set = whole.signed_set, .one_time = {}};
  EXPECT_EQ(parse_bundle(encode_bundle(bare)), bare);
  Bytes bytes = encode_bundle(whole);
  ASSERT_EQ(bytes.size(), kPrekeySetBytes + kMaxOneTimeBytes);
  bytes.push_back(std::byte{0});
  EXPECT_EQ(parse_bundle(bytes).error(), Error::too_large);
  EXPECT_EQ(parse_bundle(ByteView(bytes).first(kPrekeySetBytes - 1)).error(), Error::malformed);
}

}  // namespace
}  // namespace opaline::credentials
