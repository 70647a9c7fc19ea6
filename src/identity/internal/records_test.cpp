#include "identity/internal/records.hpp"

#include <gtest/gtest.h>

namespace opaline::identity::internal {
namespace {

/// Every cut and every longer copy must be refused, and what decodes must encode to the same bytes.
template <class Record>
void check_codec(const Record& record) {
  const Bytes bytes = encode(record);
  const auto back = decode<Record>(bytes);
  ASSERT_TRUE(back);
  EXPECT_EQ(*back, record);
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(decode<Record>(ByteView(bytes).first(size))) << size;
  Bytes longer = bytes;
  longer.push_back(std::byte{0});
  EXPECT_FALSE(decode<Record>(longer));
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    for (const int bit : {0, 3, 7}) {
      Bytes bad = bytes;
      bad[at] ^= std::byte(1 << bit);
      const auto other = decode<Record>(bad);
      if (other) EXPECT_EQ(encode(*other), bad) << at;
    }
  }
  Bytes future = bytes;
  future[0] = std::byte{3};
  EXPECT_FALSE(decode<Record>(future)) << "a newer program's row is not guessed at";
}

AccountRecord account_record() {
  AccountRecord out;
  out.handles = {"ada@example.org", "+4915112345678"};
  out.device_list = to_bytes("a signed list");
  out.switches = {.people = true, .businesses = false, .calls = true};
  out.managed_by = "example.org";
  return out;
}

TEST(Records, AccountsAreCanonical) {
  AccountRecord record = account_record();
  check_codec(record);
  PinRecord& pin = record.pin.emplace();
  pin.salt.fill(std::byte{1});
  pin.hash.fill(std::byte{2});
  pin.tries_left = 3;
  pin.tries_day = Day{20'000};
  check_codec(record);
}

TEST(Records, DevicesAreCanonical) {
  SeededRandom random(1);
  DeviceRecord record{
      .mailbox = random.id<MailboxId>(), .web = false, .signing_key = random.id<crypto::HybridPublicKey>(), .seen = {}};
  const auto small = [](DeviceRecord r) {
    const Bytes bytes = encode(r);
    EXPECT_EQ(decode<DeviceRecord>(bytes), r);
    for (const std::size_t size : {std::size_t{0}, std::size_t{17}, bytes.size() - 1}) {
      EXPECT_FALSE(decode<DeviceRecord>(ByteView(bytes).first(size)));
    }
  };
  small(record);
  record.web = true;
  small(record);
  record.seen = Day{20'000};
  small(record);
}

TEST(Records, APersonasDeviceSaysWhoJoinedIt) {
  SeededRandom random(1);
  DeviceRecord record{.mailbox = random.id<MailboxId>(), .signing_key = random.id<crypto::HybridPublicKey>()};
  record.owner_device = DeviceNumber{3};
  const Bytes bytes = encode(record);
  EXPECT_EQ(decode<DeviceRecord>(bytes), record);
  Bytes old = bytes;
  old[0] = std::byte{1};
  EXPECT_FALSE(decode<DeviceRecord>(old)) << "version 1 has no such field";
  record.owner_device.reset();
  old = encode(record);
  old[0] = std::byte{1};
  EXPECT_EQ(decode<DeviceRecord>(old), record) << "what version 1 wrote";
}

TEST(Records, KindsOfAccountsAreCanonicalAndHaveTheirFieldsAlone) {
  SeededRandom random(1);
  AccountRecord business;
  business.device_list = to_bytes("a signed list");
  business.kind = AccountKind::business;
  check_codec(business);
  AccountRecord persona = business;
  persona.kind = AccountKind::persona;
  persona.owner = random.id<AccountId>();
  persona.business = random.id<AccountId>();
  check_codec(persona);
  persona.closed = true;
  check_codec(persona);
  AccountRecord forgotten = persona;
  forgotten.owner = AccountId();
  forgotten.device_list.clear();
  check_codec(forgotten);
  // As a person's row, each of them lacks a handle.
  for (const AccountRecord& other : {business, persona, forgotten}) {
    Bytes bytes = encode(other);
    bytes[1] = std::byte{1};
    EXPECT_FALSE(decode<AccountRecord>(bytes));
    bytes[1] = std::byte{4};
    EXPECT_FALSE(decode<AccountRecord>(bytes));
  }
}

TEST(Records, VersionOneOfAnAccountIsAPerson) {
  const AccountRecord record = account_record();
  Bytes bytes = encode(record);
  bytes.erase(bytes.begin() + 1);  // the kind
  bytes[0] = std::byte{1};
  EXPECT_EQ(decode<AccountRecord>(bytes), record);
}

TEST(Records, TheOthersAreCanonical) {
  SeededRandom random(1);
  check_codec(RelationshipRecord{.business = random.id<AccountId>(),
                                 .persona = random.id<AccountId>(),
                                 .generation = Generation{3},
                                 .key_version = 1});
  BusinessRecord business;
  business.details = {.name = "Shop",
                      .logo = to_bytes("logo"),
                      .logo_type = "image/png",
                      .own_gateway = true,
                      .website = "shop.example.org",
                      .away_text = "Tomorrow."};
  business.settings = to_secret_bytes(as_view(std::string_view("settings")));
  check_codec(business);
  check_codec(BusinessRecord{});
  check_codec(PrekeyRecord{.signed_set = to_bytes("set"), .one_time_batch = to_bytes("batch")});
  check_codec(PrekeyRecord{});
  check_codec(OneTimeCursor{.set = credentials::PrekeySetId{7}, .next = 9});
  check_codec(ListRecord{.device_list = to_bytes("list")});
  const HandleRecord held{.account = random.id<AccountId>(), .since = from_unix_millis(1'800'000'000'001)};
  EXPECT_EQ(decode<HandleRecord>(encode(held)), held);
  EXPECT_EQ(decode<HandleRecord>(held.account.view()), HandleRecord{.account = held.account})
      << "a row of an earlier version";
  for (const std::size_t size : {0U, 15U, 17U, 23U, 25U}) {
    Bytes bytes = encode(held);
    bytes.resize(size);
    EXPECT_FALSE(decode<HandleRecord>(bytes).has_value()) << size;
  }
  check_codec(LookupLevel{.level = 1'999, .day = Day{20'000}});
  check_codec(MomentRecord{.at = from_unix_millis(1'800'000'000'000)});
}

}  // namespace
}  // namespace opaline::identity::internal
