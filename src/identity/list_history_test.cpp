// Earlier device lists: kept, handed out to who missed them, and gone with the account; also in a database of before.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "identity/devices_test_world.hpp"
#include "store/drivers/rocksdb_row_store.hpp"

namespace opaline::identity {
namespace {

using testing::Person;
using testing::status;
using testing::text;

class ListHistory : public testing::DevicesTest {
 protected:
  explicit ListHistory(Config config = many()) : DevicesTest(config) {}
  static Config many() {
    Config config;
    config.list_updates.capacity = config.calls_per_account.capacity = config.lookup_capacity = 1'000'000;
    return config;
  }
  /// The list changes in nothing but its number.
  void turn(int times) {
    for (int i = 0; i < times; ++i) {
      calls::UpdateDevicesRequest request;
      auto list = session::next_device_list(world.list_of(ada), world.clock.now());
      sign(request, list, ada);
      ASSERT_TRUE(update(ada, request));
    }
  }
  static std::vector<std::uint32_t> numbers(const google::protobuf::RepeatedPtrField<std::string>& lists) {
    std::vector<std::uint32_t> out;
    for (const std::string& list : lists) {
      const auto verified = session::verify_device_list(as_view(list));
      EXPECT_TRUE(verified);
      if (verified) out.push_back(static_cast<std::uint32_t>(verified->list().number));
    }
    return out;
  }
  std::vector<std::uint32_t> since(std::uint32_t known) {
    calls::SendTokensRequest request;
    request.set_account(text(ada.account.view()));
    request.set_known_list(known);
    const auto reply = world.service->send_tokens(bob.caller(), request);
    EXPECT_LE(reply->ByteSizeLong(), kMaxListReplyBytes);
    return numbers(reply->list_history());
  }
  using Numbers = std::vector<std::uint32_t>;
};

TEST_F(ListHistory, GivesWhatTheCallerMissedInOrder) {
  EXPECT_EQ(since(1), Numbers());
  turn(4);  // the list is number 5 now
  EXPECT_EQ(since(1), (Numbers{2, 3, 4}));
  EXPECT_EQ(since(3), Numbers{4});
  EXPECT_EQ(since(4), Numbers());
  EXPECT_EQ(since(5), Numbers());
  EXPECT_EQ(since(0), Numbers()) << "who knows none asks for none";
  EXPECT_EQ(since(0xffff'ffff), Numbers());
  world.restart();
  EXPECT_EQ(since(1), (Numbers{2, 3, 4})) << "durable";
}

/// The service was restored from a copy; the account's devices have gone on.
TEST_F(ListHistory, AServiceThatWasSetBackTakesTheListsThatItHasLost) {
  ASSERT_TRUE(world.link(ada, laptop));
  std::vector<session::VerifiedDeviceList> chain{world.list_of(ada)};
  const auto next = [&](const std::function<void(session::DeviceList&)>& change) {
    auto list = session::next_device_list(chain.back(), world.clock.now());
    change(list);
    const Bytes bytes = session::sign_device_list(list, ada.account_key, ada.random);
    chain.push_back(*session::verify_device_list(bytes));
  };
  next([&](auto& list) {  // 3: the tablet, of which nothing is known here
    list.devices.push_back({.number = list.next_device,
                            .mailbox = ada.random.id<MailboxId>(),
                            .created = world.clock.now(),
                            .capabilities = session::kCapabilityMessages,
                            .keys = tablet.identity.public_keys()});
    list.next_device = DeviceNumber{static_cast<std::uint32_t>(list.next_device) + 1};
  });
  next([&](auto& list) { list.devices.pop_back(); });                       // 4: without it again
  next([&](auto& list) { list.devices.erase(list.devices.begin() + 1); });  // 5: without the laptop
  const auto request = [&](std::initializer_list<std::size_t> numbers) {
    calls::UpdateDevicesRequest out;
    for (const std::size_t number : numbers) out.add_between(text(chain[number - 2].bytes()));
    out.set_device_list(out.between(out.between_size() - 1));
    out.mutable_between()->RemoveLast();
    return out;
  };
  const auto writes = world.rows.writes;
  EXPECT_EQ(status(update(ada, request({5}))), calls::CALL_STATUS_CONFLICT);
  EXPECT_EQ(status(update(ada, request({3, 5}))), calls::CALL_STATUS_CONFLICT);
  EXPECT_EQ(status(update(ada, request({4, 3, 5}))), calls::CALL_STATUS_CONFLICT);
  EXPECT_EQ(status(update(ada, request({2, 3, 4, 5}))), calls::CALL_STATUS_CONFLICT);
  EXPECT_EQ(status(update(ada, request({3}))), calls::CALL_STATUS_NOT_FOUND) << "a device comes by an exchange";
  EXPECT_EQ(status(update(laptop, request({3, 4, 5}))), calls::CALL_STATUS_FORBIDDEN) << "it keeps the caller";
  auto damaged = request({3, 4, 5});
  (*damaged.mutable_between(0))[200] ^= 1;
  EXPECT_EQ(status(update(ada, damaged)), calls::CALL_STATUS_BAD_REQUEST);
  EXPECT_EQ(world.rows.writes, writes);
  ASSERT_TRUE(update(ada, request({3, 4, 5})));
  EXPECT_TRUE(update(ada, request({3, 4, 5}))) << "the same again is good";
  EXPECT_EQ(world.list_of(ada).bytes(), chain.back().bytes());
  EXPECT_EQ(since(1), (Numbers{2, 3, 4})) << "who is behind follows";
  EXPECT_FALSE(world.authenticate(laptop));
}

TEST_F(ListHistory, TheChainLeadsToThePresentList) {
  const auto known = world.list_of(ada);
  ASSERT_TRUE(world.link(ada, laptop));
  ASSERT_TRUE(world.link(ada, tablet));
  ASSERT_TRUE(update(ada, world.remove_request(ada, laptop.device)));
  calls::BundlesRequest request;
  request.set_account(text(ada.account.view()));
  request.set_known_list(1);
  const auto reply = world.service->bundles(bob.caller(), request);
  ASSERT_TRUE(reply);
  auto pinned = known;
  for (const std::string& bytes : reply->list_history()) {
    auto next = session::verify_device_list(as_view(bytes));
    ASSERT_TRUE(next);
    EXPECT_EQ(session::compare_lists(pinned, *next), session::ListChange::successor);
    pinned = std::move(*next);
  }
  const auto last = session::verify_device_list(as_view(reply->device_list()));
  EXPECT_EQ(session::compare_lists(pinned, *last), session::ListChange::successor);
}

TEST_F(ListHistory, AnAnswerHoldsWhatFitsAndTheNextTheRest) {
  turn(20);
  Numbers all;
  std::uint32_t known = 1;
  for (int asked = 0; asked < 20 && known < 20; ++asked) {
    const auto more = since(known);
    ASSERT_FALSE(more.empty());
    EXPECT_LT(more.size(), 10u);
    all.insert(all.end(), more.begin(), more.end());
    known = more.back();
  }
  Numbers expected;
  for (std::uint32_t number = 2; number <= 20; ++number) expected.push_back(number);
  EXPECT_EQ(all, expected);
}

TEST_F(ListHistory, ComesAfterTheBundlesAndNeverInTheirPlace) {
  std::vector<std::unique_ptr<Person>> people;
  for (std::uint64_t i = 0; i < 6; ++i) {
    people.push_back(std::make_unique<Person>(100 + i));
    ASSERT_TRUE(world.link(ada, *people.back()));
  }
  calls::BundlesRequest request;
  request.set_account(text(ada.account.view()));
  const auto without = world.service->bundles(bob.caller(), request);
  request.set_known_list(1);
  const auto with = world.service->bundles(bob.caller(), request);
  ASSERT_TRUE(with);
  for (int i = 0; i < with->devices_size(); ++i)
    EXPECT_EQ(with->devices(i).bundle().empty(), without->devices(i).bundle().empty());
  EXPECT_LE(with->ByteSizeLong(), 65'526u);
}

TEST_F(ListHistory, RecoveryGivesItToo) {
  turn(3);
  calls::RecoveryStartRequest start;
  start.set_account(text(ada.account.view()));
  calls::RecoveryOpenRequest open;
  open.set_account(start.account());
  open.set_challenge(world.service->recovery_start(start)->challenge());
  open.set_known_list(1);
  Bytes message = to_bytes(open.challenge());
  append(message, ada.account.view());
  open.set_signature(text(ada.account_key.signer().sign("opaline account recovery v1", message, ada.random).view()));
  const auto reply = world.service->recovery_open(testing::ipv4(1), open);
  ASSERT_TRUE(reply);
  EXPECT_EQ(numbers(reply->list_history()), (Numbers{2, 3}));
}

TEST_F(ListHistory, SixtyFourAreKept) {
  turn(70);  // the list is number 71 now: 7 to 70 are kept
  std::size_t rows = 0;
  for (const auto& [row, value] : world.disk.copy().rows) rows += row.first == tables::kLists ? 1 : 0;
  EXPECT_EQ(rows, kMaxListHistory);
  EXPECT_EQ(since(5), Numbers()) << "6 is missing, and without it the rest is no chain";
  EXPECT_EQ(since(6).front(), 7u);
  ASSERT_TRUE(world.service->remove_account(ada.account));
  for (const auto& [row, value] : world.disk.copy().rows) EXPECT_NE(row.first, tables::kLists);
}

TEST_F(ListHistory, AHistoryThatCannotBeReadUsesUpNoPrekey) {
  turn(2);
  calls::BundlesRequest request;
  request.set_account(text(ada.account.view()));
  request.set_known_list(1);
  const auto writes = world.rows.writes;
  std::size_t reads = 0;
  world.rows.before_get = [&](std::string_view table) {
    reads += table == tables::kLists ? 1 : 0;
    world.rows.fail_reads = table == tables::kLists;
  };
  EXPECT_EQ(status(world.service->bundles(bob.caller(), request)), calls::CALL_STATUS_UNAVAILABLE);
  EXPECT_EQ(reads, 1u);
  EXPECT_EQ(world.rows.writes, writes);
}

/// A row store on real files with those tables.
std::unique_ptr<store::RowStore> open_rows(const std::filesystem::path& directory, bool with_lists, Log& log) {
  store::RocksdbRowOptions options;
  options.directory = directory;
  for (const std::string_view table : kTables) {
    if (with_lists || table != tables::kLists) options.tables.emplace_back(table);
  }
  options.tables.emplace_back(testing::kCheckTable);
  auto opened = store::RocksdbRowStore::open(options, log);
  EXPECT_TRUE(opened);
  return std::move(*opened);
}

TEST(ListHistoryMigration, ADatabaseOfTheVersionBeforeOpensAndItsAccountsLink) {
  const auto directory = std::filesystem::temp_directory_path() / ("opaline-lists-" + std::to_string(getpid()));
  std::filesystem::remove_all(directory);
  testing::World world;
  Person ada(7), laptop(9);
  const auto serve = [&](store::RowStore& rows) {
    world.service.reset();
    world.sealed.emplace(std::move(*store::SealedRows::open(rows, world.vault, world.random, testing::kCheckTable)));
    world.service = std::move(*Service::open(world.config, {.rows = *world.sealed,
                                                            .vault = world.vault,
                                                            .codes = world.codes,
                                                            .relay = world.relay,
                                                            .lookups = world.lookups,
                                                            .notices = world.notices,
                                                            .crypto = world.crypto,
                                                            .clock = world.clock,
                                                            .random = world.random,
                                                            .log = world.log}));
  };
  {
    const auto before = open_rows(directory, false, world.log);  // without the table: it would end the test
    serve(*before);
    ASSERT_TRUE(world.enrol(ada, "ada@example.org"));
    world.service.reset();
  }
  const auto now = open_rows(directory, true, world.log);
  serve(*now);
  EXPECT_TRUE(world.authenticate(ada));
  EXPECT_TRUE(world.link(ada, laptop));
  EXPECT_TRUE(world.authenticate(laptop));
  calls::SendTokensRequest request;
  request.set_account(text(ada.account.view()));
  request.set_known_list(1);
  EXPECT_TRUE(world.service->send_tokens(ada.caller(), request));
  EXPECT_TRUE(world.service->remove_account(ada.account));
  world.service.reset();
  world.sealed.reset();
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace opaline::identity
