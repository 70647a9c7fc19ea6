#include "operators/audit.hpp"

#include <gmock/gmock.h>

#include "base/codec.hpp"
#include "operators/test_support/memory_rows.hpp"

namespace opaline::operators {
namespace {

constexpr Time kNow = from_unix_millis(1'767'225'600'000);

Bytes key_of(std::uint64_t sequence) {
  Bytes key;
  Writer(key).u64(sequence);
  return key;
}

class AuditTest : public testing::Test {
 protected:
  void record(int count) {
    for (int i = 0; i < count; ++i) {
      ASSERT_TRUE(trail_.append(kNow + seconds(i), {"alice", Action::reload, "certificates", Outcome::done}));
    }
  }
  AuditCheck check(const std::optional<AuditHead>& known = std::nullopt) {
    AuditTrail fresh(rows_);
    const auto result = fresh.verify(known);
    EXPECT_TRUE(result);
    return result ? *result : AuditCheck{};
  }
  std::map<Bytes, Bytes>& table() { return rows_.tables[std::string(kAuditTable)]; }
  MemoryRows rows_;
  AuditTrail trail_{rows_};
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
  AuditTrail again(rows_);
  ASSERT_TRUE(again.append(kNow, {"bob", Action::reload, "", Outcome::done}));
  EXPECT_TRUE(check().intact);
  EXPECT_EQ(check().head.sequence, 4U);
}

TEST_F(AuditTest, LongTrailsVerifyAcrossPages) {
  record(600);
  EXPECT_TRUE(check().intact);
  EXPECT_EQ(check().head, *trail_.head());
  table()[key_of(400)].back() ^= std::byte{1};
  EXPECT_FALSE(check().intact);
  EXPECT_EQ(check().broken_at, 401U) << "the entry after the changed one no longer fits";
}

TEST_F(AuditTest, EveryChangedByteIsFound) {
  record(3);
  const auto good = table();
  for (std::uint64_t sequence = 0; sequence <= 3; ++sequence) {
    const auto size = good.at(key_of(sequence)).size();
    for (std::size_t i = 0; i < size; ++i) {
      table() = good;
      table()[key_of(sequence)][i] ^= std::byte{0x40};
      EXPECT_FALSE(check().intact) << "entry " << sequence << " byte " << i;
    }
  }
}

TEST_F(AuditTest, RemovedMovedAndCutOffEntriesAreFound) {
  record(4);
  const auto good = table();
  for (std::uint64_t sequence = 0; sequence <= 4; ++sequence) {
    table() = good;
    table().erase(key_of(sequence));
    EXPECT_FALSE(check().intact) << sequence;
  }
  table() = good;
  std::swap(table()[key_of(2)], table()[key_of(3)]);
  EXPECT_FALSE(check().intact);
  table() = good;
  table()[key_of(5)] = table()[key_of(4)];
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
  AuditTrail rewritten(rows_);
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(rewritten.append(kNow, {"mallory", Action::reload, "", Outcome::done}));
  }
  EXPECT_TRUE(check().intact);
  EXPECT_FALSE(check(noted).known_head_seen);
}

TEST_F(AuditTest, AChangeAndItsEntryStandOrFallTogether) {
  record(1);
  rows_.fail_next = store::RowError::full;
  std::vector<store::RowChange> changes;
  changes.push_back({"things", to_bytes("a"), to_bytes("1")});
  EXPECT_EQ(trail_.append(kNow, {"alice", Action::reload, "", Outcome::done}, changes).error(), Error::unavailable);
  EXPECT_TRUE(rows_.tables["things"].empty());
  ASSERT_TRUE(trail_.append(kNow, {"alice", Action::reload, "", Outcome::done}, changes));
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

TEST_F(AuditTest, UnreadableRowsAreAnErrorAndNoGap) {
  record(1);
  rows_.unreadable = true;
  EXPECT_EQ(trail_.verify().error(), Error::unavailable);
  EXPECT_EQ(trail_.read(0, 10).error(), Error::unavailable);
  AuditTrail fresh(rows_);
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
