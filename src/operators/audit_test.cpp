#include "operators/audit.hpp"

#include <gmock/gmock.h>

#include "base/codec.hpp"
#include "operators/test_support/memory_rows.hpp"

namespace opaline::operators {
namespace {

constexpr Time kNow = from_unix_millis(1'767'225'600'000);

store::SealedKey key_of(std::uint64_t sequence) {
  Bytes key;
  Writer(key).u64(sequence);
  return store::clear(key);
}

class AuditTest : public testing::Test {
 protected:
  void record(int count) {
    for (int i = 0; i < count; ++i) {
      ASSERT_TRUE(trail_.append(kNow + seconds(i), {"alice", Action::reload, "certificates", Outcome::done}));
    }
  }
  AuditCheck check(const std::optional<AuditHead>& known = std::nullopt) {
    AuditTrail fresh(sealed_);
    return fresh.verify(known);
  }
  // What somebody who has the vault can do: read and write rows at will.
  Bytes value(std::uint64_t sequence) { return to_bytes(**sealed_.get(kAuditTable, key_of(sequence))); }
  void put(std::uint64_t sequence, ByteView value) {
    auto batch = sealed_.batch();
    batch.put(kAuditTable, key_of(sequence), value);
    ASSERT_TRUE(sealed_.write(std::move(batch)));
  }
  void erase(std::uint64_t sequence) {
    auto batch = sealed_.batch();
    batch.erase(kAuditTable, key_of(sequence));
    ASSERT_TRUE(sealed_.write(std::move(batch)));
  }

  MemoryRows rows_;
  SeededRandom random_{1};
  store::SealedRows sealed_{rows_, store::VaultKey{}, store::VaultKey{}, random_};
  AuditTrail trail_{sealed_};
};

TEST_F(AuditTest, AnEmptyTrailIsIntact) {
  EXPECT_TRUE(check().intact);
  EXPECT_EQ(check().head, AuditHead{});
}

TEST_F(AuditTest, EntriesAreReadBackInOrder) {
  ASSERT_TRUE(trail_.append(kNow, {"alice", Action::operator_create, "bob", Outcome::done}));
  ASSERT_TRUE(trail_.append(kNow + seconds(1), {"bob", Action::backup, "", Outcome::denied}));
  const auto all = trail_.read(0, 10);
  ASSERT_TRUE(all);
  EXPECT_THAT(*all, testing::ElementsAre(AuditEntry{1, kNow, "alice", Action::operator_create, "bob", Outcome::done},
                                         AuditEntry{2, kNow + seconds(1), "bob", Action::backup, "", Outcome::denied}));
  EXPECT_EQ(trail_.read(1, 10)->size(), 1U);
  EXPECT_EQ(trail_.read(0, 1)->size(), 1U);
  EXPECT_TRUE(trail_.read(2, 10)->empty());
}

TEST_F(AuditTest, TheChainGoesOnAfterARestart) {
  record(3);
  AuditTrail again(sealed_);
  ASSERT_TRUE(again.append(kNow, {"bob", Action::reload, "", Outcome::done}));
  EXPECT_TRUE(check().intact);
  EXPECT_EQ(check().head.sequence, 4U);
}

TEST_F(AuditTest, EveryChangedByteIsFound) {
  record(3);
  for (std::uint64_t sequence = 0; sequence <= 3; ++sequence) {
    auto changed = value(sequence);
    for (std::size_t i = 0; i < changed.size(); ++i) {
      changed[i] ^= std::byte{0x40};
      put(sequence, changed);
      EXPECT_FALSE(check().intact) << "entry " << sequence << " byte " << i;
      changed[i] ^= std::byte{0x40};
    }
    put(sequence, changed);
    EXPECT_TRUE(check().intact);
  }
}

TEST_F(AuditTest, ChangesWithoutTheVaultAreFoundToo) {
  record(3);
  const auto good = rows_.tables;
  for (const auto& [key, sealed] : good.at(std::string(kAuditTable))) {
    rows_.tables = good;
    rows_.tables[std::string(kAuditTable)][key].back() ^= std::byte{1};
    EXPECT_FALSE(check().intact);
  }
}

TEST_F(AuditTest, TheFirstEntryThatDoesNotFitIsNamed) {
  record(5);
  auto changed = value(3);
  changed.back() ^= std::byte{1};
  put(3, changed);
  EXPECT_EQ(check().broken_at, 4U) << "the entry after the changed one no longer fits";
  EXPECT_EQ(check().head.sequence, 3U);
}

TEST_F(AuditTest, RemovedMovedAndCutOffEntriesAreFound) {
  record(4);
  const auto good = rows_.tables;
  for (std::uint64_t sequence = 0; sequence <= 4; ++sequence) {
    rows_.tables = good;
    erase(sequence);
    EXPECT_FALSE(check().intact) << sequence;
  }
  rows_.tables = good;
  const auto second = value(2);
  put(2, value(3));
  put(3, second);
  EXPECT_FALSE(check().intact);
  rows_.tables = good;
  put(5, value(4));
  EXPECT_FALSE(check().intact);
}

TEST_F(AuditTest, ARewrittenTrailIsFoundByWhoeverNotedAHead) {
  record(2);
  auto noted = *trail_.head();
  record(1);
  ASSERT_TRUE(check(noted).known_head_seen);
  auto other = noted;
  other.sequence = 3;
  EXPECT_FALSE(check(other).known_head_seen);
  rows_.tables.clear();
  AuditTrail rewritten(sealed_);
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(rewritten.append(kNow, {"mallory", Action::reload, "", Outcome::done}));
  }
  EXPECT_TRUE(check().intact);
  EXPECT_FALSE(check(noted).known_head_seen);
}

TEST_F(AuditTest, AChangeAndItsEntryStandOrFallTogether) {
  record(1);
  rows_.fail_next = store::RowError::full;
  const auto change = [&] {
    auto changes = sealed_.batch();
    changes.put("things", store::clear(as_view("a")), as_view("1"));
    return trail_.append(kNow, {"alice", Action::reload, "", Outcome::done}, std::move(changes));
  };
  EXPECT_EQ(change().error(), Error::unavailable);
  EXPECT_TRUE(rows_.tables["things"].empty());
  ASSERT_TRUE(change());
  EXPECT_EQ(rows_.tables["things"].size(), 1U);
  EXPECT_EQ(check().head.sequence, 2U);
  EXPECT_TRUE(check().intact);
}

TEST_F(AuditTest, AnUnknownWriteDoesNotForkTheChain) {
  for (const bool written : {false, true}) {
    rows_.unknown_was_written = written;
    rows_.fail_next = store::RowError::unknown;
    EXPECT_FALSE(trail_.append(kNow, {"alice", Action::reload, "", Outcome::done}));
    record(1);
    EXPECT_TRUE(check().intact);
  }
  EXPECT_EQ(check().head.sequence, 3U);
}

TEST_F(AuditTest, UnreadableRowsAreNoEmptyTrail) {
  record(1);
  rows_.unreadable = true;
  EXPECT_FALSE(check().intact);
  EXPECT_EQ(trail_.read(0, 10).error(), Error::unavailable);
  AuditTrail fresh(sealed_);
  EXPECT_EQ(fresh.append(kNow, {"alice", Action::reload, "", Outcome::done}).error(), Error::unavailable);
}

TEST_F(AuditTest, TextsAreBounded) {
  ASSERT_TRUE(
      trail_.append(kNow, {std::string(100'000, 'a'), Action::reload, std::string(100'000, 'o'), Outcome::done}));
  EXPECT_EQ(trail_.read(0, 1)->front().object.size(), kMaxAuditTextBytes);
  EXPECT_TRUE(check().intact);
}

}  // namespace
}  // namespace opaline::operators
