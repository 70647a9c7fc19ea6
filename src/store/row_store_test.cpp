// The conformance suite of the RowStore port, and what lies above it: sealed rows and the clock guard.
#include "store/row_store.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "store/conformance/temp_directory.hpp"
#include "store/drivers/memory_key_vault.hpp"
#include "store/drivers/memory_row_store.hpp"
#include "store/drivers/rocksdb_row_store.hpp"
#include "store/expiry_guard.hpp"
#include "store/sealed_rows.hpp"

namespace opaline::store {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

const std::vector<std::string> kTables = {"accounts", "account", "clock", "handles"};

class RowHarness {
 public:
  virtual ~RowHarness() = default;
  [[nodiscard]] virtual RowStore& rows() = 0;
  virtual void reopen() = 0;
  virtual void set_full(bool on) = 0;
};

class MemoryRowHarness final : public RowHarness {
 public:
  MemoryRowHarness() { MemoryRowHarness::reopen(); }
  RowStore& rows() override { return *rows_; }
  void reopen() override { rows_ = std::make_unique<MemoryRowStore>(disk_, kTables); }
  void set_full(bool on) override { disk_.faults.full = on; }

 private:
  SeededRandom random_{1};
  MemoryDisk disk_{random_};
  std::unique_ptr<MemoryRowStore> rows_;
};

class RocksdbRowHarness final : public RowHarness {
 public:
  RocksdbRowHarness() { RocksdbRowHarness::reopen(); }
  RowStore& rows() override { return *rows_; }
  void reopen() override {
    rows_.reset();
    auto opened = RocksdbRowStore::open({.directory = directory_.path() / "rows", .tables = kTables}, log_);
    OPALINE_ASSERT(opened.has_value());
    rows_ = std::move(*opened);
  }
  void set_full(bool on) override { rows_->set_reserve_bytes(on ? UINT64_MAX : 0); }

 private:
  conformance::TempDirectory directory_;
  NullLog log_;
  std::unique_ptr<RocksdbRowStore> rows_;
};

using MakeHarness = std::unique_ptr<RowHarness> (*)();
class RowStoreTest : public testing::TestWithParam<std::pair<const char*, MakeHarness>> {
 protected:
  std::optional<std::string> get(std::string_view table, std::string_view key) {
    const auto found = rows().get(table, as_view(key));
    EXPECT_TRUE(found.has_value());
    return *found ? std::optional(to_string(**found)) : std::nullopt;
  }
  void put(std::string_view table, std::string_view key, std::string_view value) {
    EXPECT_TRUE(rows().write({{.table = table, .key = to_bytes(key), .value = to_bytes(value)}}).has_value());
  }
  std::vector<std::string> keys(std::string_view table, std::string_view prefix, std::string_view after,
                                std::size_t limit = 100) {
    const auto found = rows().scan(table, as_view(prefix), as_view(after), limit);
    EXPECT_TRUE(found.has_value());
    std::vector<std::string> out;
    for (const auto& [key, value] : *found) out.push_back(to_string(key));
    return out;
  }
  RowStore& rows() { return harness_->rows(); }
  std::unique_ptr<RowHarness> harness_ = GetParam().second();
};

TEST_P(RowStoreTest, PutsGetsReplacesAndDeletes) {
  EXPECT_EQ(get("accounts", "a"), std::nullopt);
  put("accounts", "a", "1");
  put("accounts", "b", "");
  EXPECT_EQ(get("accounts", "a"), "1");
  EXPECT_EQ(get("accounts", "b"), "");
  put("accounts", "a", "2");
  EXPECT_EQ(get("accounts", "a"), "2");
  ASSERT_TRUE(rows().write({{.table = "accounts", .key = to_bytes("a"), .value = std::nullopt}}).has_value());
  EXPECT_EQ(get("accounts", "a"), std::nullopt);
  harness_->reopen();
  EXPECT_EQ(get("accounts", "a"), std::nullopt);
  EXPECT_EQ(get("accounts", "b"), "");
}

TEST_P(RowStoreTest, TablesDoNotMix) {
  put("account", "sx", "1");
  put("accounts", "x", "2");
  EXPECT_EQ(get("account", "x"), std::nullopt);
  EXPECT_EQ(get("accounts", "x"), "2");
  EXPECT_THAT(keys("account", "", ""), ElementsAre("sx"));
  EXPECT_THAT(keys("accounts", "", ""), ElementsAre("x"));
}

TEST_P(RowStoreTest, LaterChangesOfABatchWin) {
  ASSERT_TRUE(rows()
                  .write({{.table = "accounts", .key = to_bytes("a"), .value = to_bytes("1")},
                          {.table = "handles", .key = to_bytes("a"), .value = to_bytes("2")},
                          {.table = "accounts", .key = to_bytes("a"), .value = std::nullopt},
                          {.table = "accounts", .key = to_bytes("c"), .value = std::nullopt},
                          {.table = "accounts", .key = to_bytes("c"), .value = to_bytes("3")}})
                  .has_value());
  EXPECT_EQ(get("accounts", "a"), std::nullopt);
  EXPECT_EQ(get("handles", "a"), "2");
  EXPECT_EQ(get("accounts", "c"), "3");
  EXPECT_TRUE(rows().write({}).has_value());
}

TEST_P(RowStoreTest, ScansInOrderAndFromWhereItLeft) {
  for (const char* key : {"b2", "a", "b1", "b", "b\xff", "c", "b3"}) put("accounts", key, key);
  EXPECT_THAT(keys("accounts", "", ""), ElementsAre("a", "b", "b1", "b2", "b3", "b\xff", "c"));
  EXPECT_THAT(keys("accounts", "b", ""), ElementsAre("b", "b1", "b2", "b3", "b\xff"));
  EXPECT_THAT(keys("accounts", "b", "b1"), ElementsAre("b2", "b3", "b\xff"));
  EXPECT_THAT(keys("accounts", "b", "b11"), ElementsAre("b2", "b3", "b\xff")) << "`after` need not be there";
  EXPECT_THAT(keys("accounts", "b", "a"), ElementsAre("b", "b1", "b2", "b3", "b\xff"));
  EXPECT_THAT(keys("accounts", "b", "c"), IsEmpty());
  EXPECT_THAT(keys("accounts", "b", "", 2), ElementsAre("b", "b1"));
  EXPECT_THAT(keys("accounts", "\xff", ""), IsEmpty());
  EXPECT_THAT(keys("accounts", "b", "", 0), IsEmpty());
}

TEST_P(RowStoreTest, ScansBackwards) {
  for (const char* key : {"b2", "a", "b1", "b", "b\xff", "c", "b3"}) put("accounts", key, key);
  put("account", "z", "");
  put("clock", "a", "");
  const auto back = [&](std::string_view prefix, std::string_view before, std::size_t limit = 100) {
    std::vector<std::string> out;
    const auto found = rows().scan_back("accounts", as_view(prefix), as_view(before), limit);
    EXPECT_TRUE(found.has_value());
    for (const auto& [key, value] : *found) {
      EXPECT_EQ(key, value);
      out.push_back(to_string(key));
    }
    return out;
  };
  EXPECT_THAT(back("", ""), ElementsAre("c", "b\xff", "b3", "b2", "b1", "b", "a"));
  EXPECT_THAT(back("b", ""), ElementsAre("b\xff", "b3", "b2", "b1", "b"));
  EXPECT_THAT(back("b", "b2"), ElementsAre("b1", "b"));
  EXPECT_THAT(back("b", "b11"), ElementsAre("b1", "b")) << "`before` need not be there";
  EXPECT_THAT(back("b", "a"), IsEmpty());
  EXPECT_THAT(back("b", "c"), ElementsAre("b\xff", "b3", "b2", "b1", "b"));
  EXPECT_THAT(back("b", "", 2), ElementsAre("b\xff", "b3"));
  EXPECT_THAT(back("x", ""), IsEmpty());
}

TEST_P(RowStoreTest, ErasesARangeAndNothingElse) {
  for (const char* key : {"a", "b", "b1", "b\xff", "c", "d"}) put("accounts", key, key);
  for (const char* table : {"account", "clock"}) put(table, "b", "");
  harness_->set_full(true);
  ASSERT_TRUE(rows().erase_range("accounts", as_view("b"), as_view("c")).has_value()) << "also on a full disk";
  harness_->set_full(false);
  EXPECT_THAT(keys("accounts", "", ""), ElementsAre("a", "c", "d"));
  EXPECT_EQ(get("accounts", "b1"), std::nullopt);
  EXPECT_EQ(get("account", "b"), "");
  EXPECT_EQ(get("clock", "b"), "");
  put("accounts", "b1", "again");
  harness_->reopen();
  EXPECT_THAT(keys("accounts", "", ""), ElementsAre("a", "b1", "c", "d"));
  EXPECT_EQ(get("accounts", "b1"), "again");
  ASSERT_TRUE(rows().erase_range("accounts", as_view("d"), as_view("a")).has_value()) << "an empty range";
  ASSERT_TRUE(rows().erase_range("accounts", {}, as_view("zzz")).has_value());
  EXPECT_THAT(keys("accounts", "", ""), IsEmpty());
  EXPECT_EQ(get("clock", "b"), "");
}

TEST_P(RowStoreTest, AFullDiskChangesNothingAndLetsDeletionsThrough) {
  put("accounts", "a", "1");
  harness_->set_full(true);
  EXPECT_EQ(rows().write({{.table = "accounts", .key = to_bytes("b"), .value = to_bytes("2")},
                          {.table = "accounts", .key = to_bytes("a"), .value = std::nullopt}}),
            fail(RowError::full));
  EXPECT_EQ(get("accounts", "a"), "1");
  EXPECT_TRUE(rows().write({{.table = "accounts", .key = to_bytes("a"), .value = std::nullopt}}).has_value());
  harness_->set_full(false);
  put("accounts", "b", "2");
  EXPECT_THAT(keys("accounts", "", ""), ElementsAre("b"));
}

TEST_P(RowStoreTest, RandomChangesDoWhatAMapDoes) {
  SeededRandom random(3);
  std::map<std::string, std::string> model;
  for (int i = 0; i < 300; ++i) {
    std::vector<RowChange> batch;
    for (std::uint64_t n = 1 + random.below(4); n > 0; --n) {
      std::string key(1 + random.below(3), 'a');
      for (char& c : key) c = static_cast<char>('a' + random.below(3));
      if (random.below(3) == 0) {
        model.erase(key);
        batch.push_back({.table = "accounts", .key = to_bytes(key), .value = std::nullopt});
      } else {
        model[key] = std::to_string(i);
        batch.push_back({.table = "accounts", .key = to_bytes(key), .value = to_bytes(std::to_string(i))});
      }
    }
    ASSERT_TRUE(rows().write(std::move(batch)).has_value());
    if (random.below(50) == 0) harness_->reopen();
  }
  std::vector<std::pair<Bytes, Bytes>> expected;
  for (const auto& [key, value] : model) expected.emplace_back(to_bytes(key), to_bytes(value));
  EXPECT_EQ(*rows().scan("accounts", {}, {}, 1000), expected);
}

// --- sealed rows ---

class SealedRowsTest : public RowStoreTest {
 protected:
  SealedRows sealed() { return std::move(*SealedRows::open(rows(), vault_, random_, "clock")); }
  SeededRandom random_{5};
  MemoryKeyVault vault_{random_};
};

std::optional<std::string> text(const Result<std::optional<SecretBytes>, RowError>& found) {
  EXPECT_TRUE(found.has_value());
  return *found ? std::optional(to_string(**found)) : std::nullopt;
}

TEST_P(SealedRowsTest, FindsByHashedAndClearKeysAndScansClearOnes) {
  auto rows = sealed();
  auto batch = rows.batch();
  batch.put("handles", hashed(as_view("ada@example.org")), as_view("account 1"))
      .put("accounts", clear(as_view("id1/a")), as_view("one"))
      .put("accounts", clear(as_view("id1/b")), as_view("two"))
      .put("accounts", clear(as_view("id2/a")), as_view("three"))
      .put("accounts", hashed(as_view("id1/a")), as_view("hashed"));
  ASSERT_TRUE(rows.write(std::move(batch)).has_value());
  harness_->reopen();
  auto again = sealed();
  EXPECT_EQ(text(again.get("handles", hashed(as_view("ada@example.org")))), "account 1");
  EXPECT_EQ(text(again.get("handles", hashed(as_view("Ada@example.org")))), std::nullopt);
  EXPECT_EQ(text(again.get("handles", clear(as_view("ada@example.org")))), std::nullopt);
  EXPECT_EQ(text(again.get("accounts", clear(as_view("id1/a")))), "one");
  EXPECT_EQ(text(again.get("accounts", hashed(as_view("id1/a")))), "hashed");
  const auto rows_of_id1 = again.scan("accounts", as_view("id1/"), {}, 10);
  ASSERT_TRUE(rows_of_id1.has_value());
  ASSERT_THAT(*rows_of_id1, SizeIs(2));
  EXPECT_EQ(as_text((*rows_of_id1)[1].key), "id1/b");
  EXPECT_EQ(as_text((*rows_of_id1)[1].value), "two");
  EXPECT_THAT(*again.scan("accounts", as_view("id"), as_view("id1/b"), 10), SizeIs(1));
  auto erase = again.batch();
  erase.erase("handles", hashed(as_view("ada@example.org")));
  ASSERT_TRUE(again.write(std::move(erase)).has_value());
  EXPECT_EQ(text(again.get("handles", hashed(as_view("ada@example.org")))), std::nullopt);
  EXPECT_TRUE(again.write(again.batch()).has_value()) << "an empty batch";
}

TEST_P(SealedRowsTest, NothingOfAKeyOrValueLiesOpen) {
  auto rows = sealed();
  auto batch = rows.batch();
  batch.put("handles", hashed(as_view("ada@example.org")), as_view("a telling value"));
  ASSERT_TRUE(rows.write(std::move(batch)).has_value());
  for (const auto& [key, value] : *harness_->rows().scan("handles", {}, {}, 10)) {
    EXPECT_EQ(to_string(key).find("ada"), std::string::npos);
    EXPECT_EQ(to_string(value).find("telling"), std::string::npos);
    EXPECT_EQ(key.size(), 33U);
  }
}

TEST_P(SealedRowsTest, DamageAndSwappedRowsAreFailures) {
  auto rows = sealed();
  auto batch = rows.batch();
  batch.put("accounts", clear(as_view("a")), as_view("one")).put("accounts", clear(as_view("b")), as_view("two"));
  ASSERT_TRUE(rows.write(std::move(batch)).has_value());
  const auto stored = *harness_->rows().scan("accounts", {}, {}, 10);
  ASSERT_THAT(stored, SizeIs(2));
  for (std::size_t bit = 0; bit < stored[0].second.size() * 8; ++bit) {
    Bytes damaged = stored[0].second;
    damaged[bit / 8] ^= static_cast<std::byte>(1U << bit % 8);
    ASSERT_TRUE(harness_->rows().write({{.table = "accounts", .key = stored[0].first, .value = damaged}}).has_value());
    EXPECT_EQ(rows.get("accounts", clear(as_view("a"))).error(), RowError::failed) << bit;
  }
  for (std::size_t size = 0; size < stored[0].second.size(); ++size) {
    Bytes cut(stored[0].second.begin(), stored[0].second.begin() + static_cast<std::ptrdiff_t>(size));
    ASSERT_TRUE(harness_->rows().write({{.table = "accounts", .key = stored[0].first, .value = cut}}).has_value());
    EXPECT_EQ(rows.get("accounts", clear(as_view("a"))).error(), RowError::failed) << size;
  }
  EXPECT_EQ(rows.scan("accounts", {}, {}, 10).error(), RowError::failed);
  // another row's value under this key, and this row in another table
  ASSERT_TRUE(
      harness_->rows().write({{.table = "accounts", .key = stored[0].first, .value = stored[1].second}}).has_value());
  EXPECT_EQ(rows.get("accounts", clear(as_view("a"))).error(), RowError::failed);
  ASSERT_TRUE(
      harness_->rows().write({{.table = "account", .key = stored[0].first, .value = stored[0].second}}).has_value());
  EXPECT_EQ(rows.get("account", clear(as_view("a"))).error(), RowError::failed);
}

TEST_P(SealedRowsTest, LongValuesAreSealedUnderAKeyOfTheirOwn) {
  auto rows = sealed();
  const std::string words = std::string(700, 'a') + "a telling value" + std::string(700, 'b');
  auto batch = rows.batch();
  batch.put("accounts", clear(as_view("a")), as_view(words)).put("accounts", clear(as_view("b")), as_view(words));
  batch.put("accounts", clear(as_view("least")), as_view(std::string(1'024, 'c')));
  ASSERT_TRUE(rows.write(std::move(batch)).has_value());
  harness_->reopen();
  auto again = sealed();
  EXPECT_EQ(text(again.get("accounts", clear(as_view("a")))), words);
  EXPECT_TRUE(*again.contains("accounts", clear(as_view("a"))));
  EXPECT_FALSE(*again.contains("accounts", clear(as_view("c"))));
  const auto stored = *harness_->rows().scan("accounts", {}, {}, 10);
  ASSERT_THAT(stored, SizeIs(3));
  EXPECT_EQ(stored[0].second.size(), 1 + 12 + 48 + words.size() + 16);
  EXPECT_EQ(stored[2].second.size(), 1 + 12 + 1'024 + 16U);
  EXPECT_EQ(as_text(stored[0].second).find("telling"), std::string_view::npos);
  EXPECT_FALSE(equal(ByteView(stored[0].second).last(words.size()), ByteView(stored[1].second).last(words.size())));
  const auto refuses = [&](Bytes value) {
    EXPECT_TRUE(harness_->rows().write({{.table = "accounts", .key = stored[0].first, .value = value}}).has_value());
    const auto found = again.get("accounts", clear(as_view("a")));
    return !found && found.error() == RowError::failed;
  };
  for (std::size_t at = 0; at < stored[0].second.size(); at += at < 80 ? 1 : 97) {
    Bytes damaged = stored[0].second;
    damaged[at] ^= std::byte{0x10};
    EXPECT_TRUE(refuses(std::move(damaged))) << at;
  }
  for (std::size_t size = 0; size < stored[0].second.size(); size += size < 80 ? 1 : 97)
    EXPECT_TRUE(refuses(Bytes(stored[0].second.begin(), stored[0].second.begin() + static_cast<std::ptrdiff_t>(size))));
  EXPECT_TRUE(refuses(stored[1].second)) << "another row's";
  Bytes halves(stored[1].second.begin(), stored[1].second.begin() + 61);  // its wrapped key before this one's words
  append(halves, ByteView(stored[0].second).subspan(61));
  EXPECT_TRUE(refuses(std::move(halves)));
}

TEST_P(SealedRowsTest, AnotherVaultIsRefused) {
  {
    auto rows = sealed();
    auto batch = rows.batch();
    batch.put("handles", hashed(as_view("ada@example.org")), as_view("x"));
    ASSERT_TRUE(rows.write(std::move(batch)).has_value());
  }
  MemoryKeyVault other(random_);
  const auto opened = SealedRows::open(rows(), other, random_, "clock");
  ASSERT_FALSE(opened.has_value());
  EXPECT_THAT(opened.error().message, testing::HasSubstr("do not belong together"));
  EXPECT_TRUE(SealedRows::open(rows(), vault_, random_, "clock").has_value());
  vault_.failed = true;
  EXPECT_FALSE(SealedRows::open(rows(), vault_, random_, "clock").has_value());
}

// --- the guard against jumping clocks ---

constexpr Time kStart = from_unix_millis(1'700'000'000'000);
using std::chrono::days;
using std::chrono::hours;
using Verdict = ExpiryGuard::Verdict;

TEST_P(RowStoreTest, GuardLetsAnOrdinaryClockPass) {
  ExpiryGuard guard(rows(), "clock");
  EXPECT_EQ(*guard.last_tick(), std::nullopt);
  for (int hour = 0; hour < 100; ++hour) EXPECT_EQ(guard.tick(kStart + hours(hour)), Verdict::proceed);
  EXPECT_EQ(guard.tick(kStart + hours(99) - hours(1)), Verdict::proceed) << "a small step back";
  EXPECT_EQ(guard.tick(kStart + hours(98) + days(2)), Verdict::proceed);
  EXPECT_EQ(*guard.last_tick(), kStart + hours(98) + days(2));
}

TEST_P(RowStoreTest, GuardHoldsAfterAJumpUntilTheOperatorOrTheClockSaysOtherwise) {
  for (const milliseconds jump :
       {milliseconds(hours(60)), milliseconds(-hours(60)), milliseconds(days(4000)), milliseconds(-days(4000))}) {
    ASSERT_TRUE(rows().write({{.table = "clock", .key = to_bytes("tick"), .value = std::nullopt}}).has_value());
    {
      ExpiryGuard guard(rows(), "clock");
      ASSERT_EQ(guard.tick(kStart), Verdict::proceed);
      EXPECT_EQ(guard.tick(kStart + jump), Verdict::wait_for_operator);
      EXPECT_EQ(guard.tick(kStart + jump + hours(1)), Verdict::wait_for_operator);
    }
    harness_->reopen();
    ExpiryGuard guard(rows(), "clock");
    EXPECT_EQ(guard.tick(kStart + jump + hours(2)), Verdict::wait_for_operator) << "a restart is no consent";
    EXPECT_EQ(*guard.last_tick(), kStart);
    EXPECT_EQ(guard.tick(kStart + hours(3)), Verdict::proceed) << "the clock was set right";
    EXPECT_EQ(guard.tick(kStart + hours(3) + jump), Verdict::wait_for_operator);
    ASSERT_TRUE(guard.confirm(kStart + hours(3) + jump).has_value());
    EXPECT_EQ(guard.tick(kStart + hours(4) + jump), Verdict::proceed);
  }
}

TEST_P(RowStoreTest, GuardDrawsTheLineAtTwoDays) {
  ExpiryGuard guard(rows(), "clock");
  ASSERT_EQ(guard.tick(kStart), Verdict::proceed);
  EXPECT_EQ(guard.tick(kStart + days(2) + milliseconds(1)), Verdict::wait_for_operator);
  EXPECT_EQ(guard.tick(kStart - days(2) - milliseconds(1)), Verdict::wait_for_operator);
  EXPECT_EQ(guard.tick(kStart + days(2)), Verdict::proceed);
  EXPECT_EQ(guard.tick(kStart), Verdict::proceed);
}

TEST_P(RowStoreTest, GuardDestroysNothingWithoutItsTick) {
  ExpiryGuard guard(rows(), "clock");
  harness_->set_full(true);
  EXPECT_EQ(guard.tick(kStart), Verdict::failed);
  harness_->set_full(false);
  put("clock", "tick", "garbage");
  EXPECT_EQ(guard.tick(kStart), Verdict::failed);
  ASSERT_TRUE(guard.confirm(kStart).has_value());
  EXPECT_EQ(guard.tick(kStart), Verdict::proceed);
}

const auto kDrivers = testing::Values(
    std::pair<const char*, MakeHarness>("memory", [] { return std::unique_ptr<RowHarness>(new MemoryRowHarness); }),
    std::pair<const char*, MakeHarness>("rocksdb", [] { return std::unique_ptr<RowHarness>(new RocksdbRowHarness); }));
const auto kName = [](const auto& param) { return std::string(param.param.first); };
INSTANTIATE_TEST_SUITE_P(Drivers, RowStoreTest, kDrivers, kName);
INSTANTIATE_TEST_SUITE_P(Drivers, SealedRowsTest, kDrivers, kName);

}  // namespace
}  // namespace opaline::store
