// Rows that are committed in a journal and go to their places later: held against a plain map through restarts, faults
// and every order of settling.
#include "store/journaled_rows.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "store/drivers/memory_key_vault.hpp"
#include "store/drivers/memory_row_store.hpp"

namespace opaline::store {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

constexpr std::string_view kPeople = "people", kWords = "words", kJournal = "journal", kCheck = "check";
constexpr std::array<std::string_view, 2> kJournaled = {kPeople, kWords};

using Batch = JournaledRows::Batch;
/// Table and key to value.
using Model = std::map<std::pair<std::string, std::string>, std::string>;

class JournaledRowsTest : public ::testing::Test {
 protected:
  JournaledRowsTest() { reopen(); }
  /// As after a kill: what was in memory is gone.
  void reopen() {
    rows_.reset();
    auto opened = JournaledRows::open(sealed_, kJournaled, kJournal);
    ASSERT_TRUE(opened);
    rows_ = std::move(*opened);
  }
  void settle_all() { EXPECT_TRUE(rows_->settle_all()); }
  std::optional<std::string> get(std::string_view table, std::string_view key) {
    const auto found = rows_->get(table, as_view(key));
    EXPECT_TRUE(found);
    return found && *found ? std::optional(to_string(**found)) : std::nullopt;
  }
  bool put(std::string_view key, std::string_view value) {
    Batch batch;
    batch.put(kWords, as_view(key), as_view(value));
    return rows_->write(std::move(batch)).has_value();
  }
  Result<void, RowError> erase(std::string_view key) {
    Batch batch;
    batch.erase(kWords, as_view(key));
    return rows_->write(std::move(batch));
  }
  /// All that is there, read by pages of a random size.
  Model contents() {
    Model out;
    for (const std::string_view table : kJournaled) {
      const std::size_t page = 1 + random_.below(40);
      for (Bytes after;;) {
        const auto rows = rows_->scan(table, {}, after, page);
        EXPECT_TRUE(rows);
        if (!rows || rows->empty()) break;
        EXPECT_LE(rows->size(), page);
        for (const auto& row : *rows) {
          EXPECT_GT(row.key, after) << "in order";
          after = row.key;
          out[{std::string(table), to_string(row.key)}] = to_string(row.value);
        }
      }
    }
    return out;
  }
  std::size_t rows_of(std::string_view table) { return raw_.scan(table, {}, {}, SIZE_MAX)->size(); }

  SeededRandom random_{20261123};
  MemoryDisk disk_{random_};
  MemoryRowStore raw_{disk_, {std::string(kPeople), std::string(kWords), std::string(kJournal), std::string(kCheck)}};
  MemoryKeyVault vault_{random_};
  SealedRows sealed_ = std::move(*SealedRows::open(raw_, vault_, random_, kCheck));
  std::unique_ptr<JournaledRows> rows_;
};

TEST_F(JournaledRowsTest, ACommitIsOneRowUntilItsRowsAreInTheirPlaces) {
  Batch batch;
  batch.put(kPeople, as_view("ada"), as_view("1")).put(kWords, as_view("w1"), as_view("first"));
  batch.put(kWords, as_view("w1"), as_view("second"))
      .put(kWords, as_view("w2"), as_view("gone"))
      .erase(kWords, as_view("w2"));
  ASSERT_TRUE(rows_->write(std::move(batch)));
  EXPECT_EQ(rows_of(kJournal), 1U);
  EXPECT_EQ(rows_of(kPeople) + rows_of(kWords), 0U);
  for (const bool settled : {false, true}) {
    if (settled) settle_all();
    for (const bool restarted : {false, true}) {
      if (restarted) reopen();
      EXPECT_EQ(get(kPeople, "ada"), "1");
      EXPECT_EQ(get(kWords, "w1"), "second") << "the later change counts";
      EXPECT_EQ(get(kWords, "w2"), std::nullopt);
      EXPECT_EQ(get(kPeople, "w1"), std::nullopt) << "of another table";
      EXPECT_THAT(*rows_->scan(kWords, as_view("w"), {}, 10), SizeIs(1));
    }
  }
  EXPECT_EQ(rows_of(kJournal), 0U);
  EXPECT_EQ(rows_of(kPeople), 1U);
  EXPECT_EQ(rows_of(kWords), 1U);
  EXPECT_TRUE(rows_->write({})) << "an empty batch";
  EXPECT_EQ(rows_of(kJournal), 0U);
}

TEST_F(JournaledRowsTest, WhatIsErasedStaysErasedThroughEveryStep) {
  ASSERT_TRUE(put("a", "old"));
  settle_all();
  EXPECT_EQ(rows_of(kWords), 1U);
  ASSERT_TRUE(put("a", "new"));  // in the journal
  ASSERT_TRUE(erase("a"));       // too: else the journal would bring it back
  reopen();
  EXPECT_EQ(get(kWords, "a"), std::nullopt);
  EXPECT_THAT(contents(), IsEmpty());
  settle_all();
  EXPECT_EQ(rows_of(kWords) + rows_of(kJournal), 0U);
}

TEST_F(JournaledRowsTest, ARowThatIsHalfWayToItsPlaceAndErasedThereDoesNotComeBack) {
  Batch many;
  for (int i = 0; i < 1'000; ++i) many.put(kWords, as_view("k" + std::to_string(1'000 + i)), as_view("v"));
  ASSERT_TRUE(rows_->write(std::move(many)));
  ASSERT_TRUE(*rows_->settle()) << "some are in their places, the journal has them all";
  ASSERT_GT(rows_of(kWords), 0U);
  ASSERT_TRUE(erase("k1000"));
  reopen();
  EXPECT_EQ(get(kWords, "k1000"), std::nullopt);
  EXPECT_THAT(contents(), SizeIs(999));
}

TEST_F(JournaledRowsTest, ManyCommitsStaySmallInTheJournalByThemselves) {
  Model model;
  for (int i = 0; i < 300; ++i) {
    Batch batch;
    for (int j = 0; j < 200; ++j) {
      const std::string key = std::to_string(random_.below(100'000)), value = std::to_string(i * 1'000 + j);
      batch.put(kWords, as_view(key), as_view(value));
      model[{std::string(kWords), key}] = value;
    }
    ASSERT_TRUE(rows_->write(std::move(batch)));
  }
  EXPECT_LT(rows_of(kJournal), 200U) << "60,000 changes; two generations of 16,384 rows are 164 commits";
  EXPECT_GT(rows_of(kWords), 20'000U);
  EXPECT_EQ(contents(), model);
  reopen();
  EXPECT_EQ(contents(), model);
}

TEST_F(JournaledRowsTest, OnceAllIsSettledTheJournalIsEmptyHoweverMuchWasWritten) {
  ASSERT_TRUE(put("first", "1"));
  ASSERT_TRUE(rows_->settle());
  for (int i = 0; i < 1'000; ++i) ASSERT_TRUE(put(std::to_string(i), "v"));
  ASSERT_TRUE(rows_->settle_all());
  EXPECT_EQ(rows_of(kJournal), 0U);
  EXPECT_EQ(rows_of(kWords), 1'001U);
  ASSERT_TRUE(put("more", "1"));
  disk_.faults.full = true;
  EXPECT_EQ(rows_->settle_all().error(), RowError::full);
}

TEST_F(JournaledRowsTest, OnAFullDiskNothingChangesButWhatIsInItsPlaceCanBeErased) {
  ASSERT_TRUE(put("settled", "1"));
  settle_all();
  ASSERT_TRUE(put("fresh", "2"));
  disk_.faults.full = true;
  EXPECT_FALSE(put("more", "3"));
  EXPECT_TRUE(rows_->is_settled(kWords, as_view("settled")));
  EXPECT_FALSE(rows_->is_settled(kWords, as_view("fresh")));
  EXPECT_EQ(erase("fresh").error(), RowError::full);
  EXPECT_EQ(rows_->settle().error(), RowError::full);
  EXPECT_TRUE(erase("settled"));
  EXPECT_EQ(get(kWords, "settled"), std::nullopt);
  EXPECT_EQ(get(kWords, "fresh"), "2");
  EXPECT_EQ(get(kWords, "more"), std::nullopt);
  disk_.faults.full = false;
  EXPECT_TRUE(erase("fresh"));
  reopen();
  EXPECT_THAT(contents(), IsEmpty());
}

TEST_F(JournaledRowsTest, AnUncertainCommitIsReplacedByTheNextOne) {
  ASSERT_TRUE(put("a", "0"));
  settle_all();
  disk_.faults.unknown_stored = 1000;
  EXPECT_FALSE(put("a", "uncertain"));
  disk_.faults = {};
  EXPECT_EQ(get(kWords, "a"), "0");
  // This one would go to its place at once, were it not that the journal may say something of that row.
  ASSERT_TRUE(erase("a"));
  reopen();
  EXPECT_EQ(get(kWords, "a"), std::nullopt);
}

/// Writes that failed are not to be seen, and come back with a restart in their turn, as from a log.
class LateRows final : public RowStore {
 public:
  explicit LateRows(RowStore& now) : now_(now) {}
  Result<std::optional<Bytes>, RowError> get(std::string_view table, ByteView key) override {
    return now_.get(table, key);
  }
  Result<void, RowError> write(std::vector<RowChange> changes) override {
    log.push_back(changes);
    if (fails) return fail(RowError::unknown);
    return now_.write(std::move(changes));
  }
  Result<std::vector<std::pair<Bytes, Bytes>>, RowError> scan(std::string_view table, ByteView prefix, ByteView after,
                                                              std::size_t limit) override {
    return now_.scan(table, prefix, after, limit);
  }
  Result<std::vector<std::pair<Bytes, Bytes>>, RowError> scan_back(std::string_view table, ByteView prefix,
                                                                   ByteView before, std::size_t limit) override {
    return now_.scan_back(table, prefix, before, limit);
  }
  Result<void, RowError> erase_range(std::string_view table, ByteView from, ByteView end) override {
    return now_.erase_range(table, from, end);
  }
  bool fails = false;
  std::vector<std::vector<RowChange>> log;

 private:
  RowStore& now_;
};

TEST_F(JournaledRowsTest, WhatAnUncertainWriteBroughtToItsPlaceDoesNotComeBack) {
  LateRows late(raw_);
  SealedRows sealed = std::move(*SealedRows::open(late, vault_, random_, kCheck));
  auto rows = std::move(*JournaledRows::open(sealed, kJournaled, kJournal));
  Batch many, big, erased;
  for (int i = 0; i < 1'000; ++i) many.put(kWords, as_view(std::to_string(1'000 + i)), as_view("v"));
  for (int i = 0; i < 300; ++i) big.put(kPeople, as_view(std::to_string(i)), as_view("v"));
  erased.erase(kWords, as_view("1500"));
  ASSERT_TRUE(rows->write(std::move(many)));
  ASSERT_TRUE(*rows->settle());
  late.fails = true;
  EXPECT_FALSE(rows->write(std::move(big)));  // it takes that row to its place
  late.fails = false;
  ASSERT_TRUE(rows->write(std::move(erased)));  // before that row's turn
  ASSERT_TRUE(rows->settle_all());
  for (auto& changes : late.log) ASSERT_TRUE(raw_.write(std::move(changes)));
  reopen();
  EXPECT_EQ(get(kWords, "1500"), std::nullopt);
  EXPECT_THAT(contents(), SizeIs(999));
}

TEST_F(JournaledRowsTest, ADamagedJournalIsNotGuessed) {
  ASSERT_TRUE(put("a", "1"));
  const auto rows = *raw_.scan(kJournal, {}, {}, 1);
  ASSERT_THAT(rows, SizeIs(1));
  const auto opens_with = [&](Bytes value) {
    EXPECT_TRUE(raw_.write({{.table = kJournal, .key = rows[0].first, .value = std::move(value)}}));
    return JournaledRows::open(sealed_, kJournaled, kJournal).has_value();
  };
  for (std::size_t at = 0; at < rows[0].second.size(); ++at) {
    Bytes damaged = rows[0].second;
    damaged[at] ^= std::byte{1};
    EXPECT_FALSE(opens_with(std::move(damaged))) << at;
  }
  EXPECT_TRUE(opens_with(rows[0].second));
  // What is authentic and was not written by us: another version, cut short, more behind, a table that is not known.
  const auto opens_with_plain = [&](ByteView plain) {
    auto batch = sealed_.batch();
    batch.put(kJournal, clear(ByteView(rows[0].first).subspan(1)), plain);
    EXPECT_TRUE(sealed_.write(std::move(batch)));
    return JournaledRows::open(sealed_, kJournaled, kJournal).has_value();
  };
  const std::string good = std::string("\1\5words\0\1a\1\0\0\0\1", 15) + "1";
  EXPECT_TRUE(opens_with_plain(as_view(good)));
  for (std::size_t size = 0; size < good.size(); ++size)
    EXPECT_EQ(opens_with_plain(as_view(good.substr(0, size))), size == 1) << size;  // 1: a commit without changes
  for (const auto& [at, byte] : {std::pair{0, '\2'}, std::pair{2, 'W'}, std::pair{10, '\2'}}) {
    std::string bad = good;
    bad[static_cast<std::size_t>(at)] = byte;
    EXPECT_FALSE(opens_with_plain(as_view(bad))) << at;
  }
  EXPECT_FALSE(opens_with_plain(as_view(good + "x")));
}

TEST_F(JournaledRowsTest, NothingOfAValueLiesOpenInTheJournal) {
  ASSERT_TRUE(put("a", "a telling value"));
  ASSERT_TRUE(put("b", std::string(5'000, 'x') + "a telling value"));
  for (const auto& [place, value] : disk_.copy().rows)
    EXPECT_EQ(as_text(value).find("telling"), std::string_view::npos) << place.first;
}

/// Random commits, settlings, faults and restarts. A commit that ended as `unknown` is there after a restart or not,
/// whole; if another one was committed first, it is not.
TEST_F(JournaledRowsTest, HoldsAgainstAMapThroughFaultsAndRestarts) {
  Model model;
  std::vector<Model> perhaps;  // with one of the commits since, which are uncertain
  std::size_t restarts_with = 0, restarts_without = 0;
  for (int step = 0; step < 6'000; ++step) {
    const auto what = random_.below(100);
    disk_.faults = {};
    if (random_.below(4) == 0) {
      disk_.faults.unknown_stored = disk_.faults.unknown_lost = disk_.faults.full_at_random = 250;
    }
    if (what < 75) {
      Model next = model;
      Batch batch;
      bool only_erases = true;
      for (std::uint64_t changes = 1 + random_.below(12); changes > 0; --changes) {
        const std::string table(kJournaled.at(random_.below(2))), key = std::to_string(random_.below(300));
        if (random_.below(3) == 0) {
          batch.erase(table == kPeople ? kPeople : kWords, as_view(key));
          next.erase({table, key});
        } else {
          const std::string value = std::to_string(step) + std::string(random_.below(3) * 700, 'v');
          batch.put(table == kPeople ? kPeople : kWords, as_view(key), as_view(value));
          next[{table, key}] = value;
          only_erases = false;
        }
      }
      const auto done = rows_->write(std::move(batch));
      if (done) {
        model = std::move(next);
        perhaps.clear();
      } else if (done.error() != RowError::full) {
        disk_.faults = {};
        if (only_erases && contents() == next) {
          model = std::move(next);  // they were in their places, and are gone from there
        } else {
          perhaps.push_back(std::move(next));
        }
      }
    } else if (what < 95) {
      (void)rows_->settle();
    } else {
      disk_.faults = {};
      reopen();
      const Model found = contents();
      if (const auto one = std::ranges::find(perhaps, found); one != perhaps.end()) {
        ++restarts_with;
        model = std::move(*one);
      } else {
        restarts_without += perhaps.empty() ? 0 : 1;
        ASSERT_TRUE(found == model) << step;
      }
      perhaps.clear();
    }
    if (step % 50 == 0) {
      disk_.faults = {};
      ASSERT_TRUE(contents() == model) << step;
    }
  }
  EXPECT_GT(restarts_with, 0U);
  EXPECT_GT(restarts_without, 0U);
}

}  // namespace
}  // namespace opaline::store
