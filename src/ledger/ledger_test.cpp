#include "ledger/ledger.hpp"

#include <gmock/gmock.h>

#include "base/codec.hpp"
#include "ledger/tables.hpp"
#include "operators/test_support/memory_rows.hpp"
#include "store/drivers/memory_key_vault.hpp"

namespace opaline::ledger {
namespace {

constexpr Time kNow = from_unix_millis(1'767'225'600'000);

store::SealedKey number_key(std::uint64_t number) {
  Bytes key;
  Writer(key).u64(number);
  return store::clear(key);
}

class LedgerTest : public testing::Test {
 protected:
  Ledger open() { return std::move(Ledger::open(sealed_, vault_, clock_, random_).value()); }
  Ledger::Appended record(Ledger& ledger, std::string_view event) {
    clock_.advance(std::chrono::minutes(1));
    return ledger.append(1, as_view(event), [](const Ledger::Appended&, store::SealedRows::Batch&) {}).value();
  }
  Ledger filled(int events) {
    Ledger out = open();
    for (int i = 0; i < events; ++i) record(out, "event " + std::to_string(i));
    return out;
  }
  // What somebody who has the vault can do.
  void put(std::string_view table, const store::SealedKey& key, ByteView value) {
    auto batch = sealed_.batch();
    batch.put(table, key, value);
    ASSERT_TRUE(sealed_.write(std::move(batch)));
  }
  void erase(std::string_view table, const store::SealedKey& key) {
    auto batch = sealed_.batch();
    batch.erase(table, key);
    ASSERT_TRUE(sealed_.write(std::move(batch)));
  }

  operators::MemoryRows rows_;
  SeededRandom random_{1};
  store::SealedRows sealed_{rows_, store::VaultKey{}, store::VaultKey{}, random_};
  store::MemoryKeyVault vault_{random_};
  ManualClock clock_{kNow};
};

TEST_F(LedgerTest, AnEmptyLedgerHasASignedHead) {
  Ledger ledger = open();
  const auto head = ledger.head().value();
  EXPECT_EQ(head.head.size, 0U);
  EXPECT_EQ(head.head.root, empty_root());
  EXPECT_TRUE(verify_head(head, ledger.public_key()));
  EXPECT_TRUE(ledger.verify().intact);
}

TEST_F(LedgerTest, WhatIsAppendedIsProvedAgainstItsHeadAndStaysAfterARestart) {
  std::vector<Ledger::Appended> all;
  {
    Ledger ledger = open();
    for (int i = 0; i < 13; ++i) all.push_back(record(ledger, "event " + std::to_string(i)));
  }
  Ledger again = open();
  ASSERT_EQ(again.size(), 13U);
  const auto head = again.head().value();
  EXPECT_EQ(head, all.back().head);
  for (const auto& one : all) {
    const Leaf leaf = again.leaf(one.index).value();
    EXPECT_EQ(leaf.commitment, commitment(one.salt, as_view("event " + std::to_string(one.index))));
    EXPECT_TRUE(verify_inclusion(one.index, 13, leaf_hash(encode(leaf)), again.inclusion(one.index, 13).value(),
                                 head.head.root));
    EXPECT_TRUE(verify_head(one.head, again.public_key()));
    EXPECT_TRUE(verify_consistency(one.head.head.size, 13, one.head.head.root, head.head.root,
                                   again.consistency(one.head.head.size, 13).value()));
  }
  EXPECT_EQ(again.heads(0, 100).value().size(), 13U);
  EXPECT_EQ(again.heads(10, 2).value().front().head.size, 11U);
  EXPECT_EQ(again.leaf(13), fail(Error::out_of_range));
  EXPECT_EQ(again.inclusion(0, 14), fail(Error::out_of_range));
  EXPECT_EQ(again.consistency(1, 14), fail(Error::out_of_range));
}

TEST_F(LedgerTest, ALeafTellsNothingOfItsEvent) {
  Ledger ledger = open();
  const auto one = record(ledger, "the same");
  const auto two = record(ledger, "the same");
  EXPECT_NE(ledger.leaf(one.index).value().commitment, ledger.leaf(two.index).value().commitment);
}

TEST_F(LedgerTest, TheCallersRowsAreInTheSameWrite) {
  Ledger ledger = open();
  const auto with_row = [&](const Ledger::Appended& appended, store::SealedRows::Batch& batch) {
    batch.put("cases", number_key(appended.index), appended.salt);
  };
  rows_.fail_next = store::RowError::full;
  EXPECT_FALSE(ledger.append(1, as_view("event"), with_row));
  EXPECT_TRUE(rows_.tables["cases"].empty());
  const auto done = ledger.append(1, as_view("event"), with_row);
  ASSERT_TRUE(done);
  EXPECT_EQ(done->index, 0U);
  EXPECT_EQ(rows_.tables["cases"].size(), 1U);
}

TEST_F(LedgerTest, AWriteOfUnknownOutcomeIsLookedUpBeforeTheNext) {
  for (const bool written : {false, true}) {
    Ledger ledger = open();
    const auto before = ledger.size();
    rows_.fail_next = store::RowError::unknown;
    rows_.unknown_was_written = written;
    EXPECT_FALSE(ledger.append(1, as_view("lost"), [](const auto&, auto&) {}));
    EXPECT_EQ(record(ledger, "next").index, before + (written ? 1 : 0));
    EXPECT_TRUE(ledger.verify().intact);
  }
}

TEST_F(LedgerTest, EveryRowThatIsChangedOrMissingIsFound) {
  filled(9);
  const auto untouched = rows_.tables;
  for (const auto& [table, table_rows] : untouched) {
    for (const auto& [key, value] : table_rows) {
      rows_.tables[table].erase(key);
      auto opened = Ledger::open(sealed_, vault_, clock_, random_);
      EXPECT_FALSE(opened && opened->verify().intact && opened->size() == 9) << table << " " << to_hex(key);
      rows_.tables = untouched;
    }
  }
  Ledger ledger = open();
  const Leaf other{.time = kNow, .kind = 1, .commitment = {}};
  put(tables::kLeaves, number_key(4), encode(other));
  EXPECT_FALSE(ledger.verify().intact);
  EXPECT_EQ(ledger.verify().broken_at, 4U);
}

TEST_F(LedgerTest, ACutOffOrRewrittenLedgerDoesNotFitAHeadThatSomebodyKept) {
  const SignedHead kept = filled(9).head().value();
  {
    Ledger ledger = open();
    record(ledger, "one more");
    EXPECT_TRUE(ledger.verify(kept).known_head_fits);
  }
  // Everything since the fifth event made undone, by who holds vault and program.
  rows_.tables.clear();
  Ledger shorter = filled(5);
  EXPECT_TRUE(shorter.verify(kept).intact);
  EXPECT_FALSE(shorter.verify(kept).known_head_fits);
  // As many events, other ones.
  for (int i = 0; i < 6; ++i) record(shorter, "other");
  EXPECT_TRUE(shorter.verify(kept).intact);
  EXPECT_FALSE(shorter.verify(kept).known_head_fits);
  const SignedHead now = shorter.head().value();
  EXPECT_FALSE(verify_consistency(9, 11, kept.head.root, now.head.root, shorter.consistency(9, 11).value()));
}

TEST_F(LedgerTest, AHeadOfSomebodyElseFitsNothing) {
  Ledger ledger = filled(3);
  SignedHead forged = ledger.head().value();
  forged.head.time += seconds(1);
  EXPECT_FALSE(verify_head(forged, ledger.public_key()));
  EXPECT_FALSE(ledger.verify(forged).known_head_fits);
  EXPECT_EQ(decode_signed_head(encode(forged)), forged);
  EXPECT_FALSE(decode_signed_head(Bytes(10)));
}

TEST_F(LedgerTest, AnotherVaultIsRefusedNotMixedIn) {
  filled(2);
  store::MemoryKeyVault other(random_);
  EXPECT_EQ(Ledger::open(sealed_, other, clock_, random_).error(), Error::damaged);
}

}  // namespace
}  // namespace opaline::ledger
