// kill -9 of who journals its rows, in every step of a commit and of settling, on RocksDB: what is there afterwards is
// what was committed, whole, or that and the one commit of which nobody heard any more.
#include <map>

#include "crypto/random.hpp"
#include "store/conformance/crash_child.hpp"
#include "store/conformance/temp_directory.hpp"
#include "store/drivers/file_key_vault.hpp"
#include "store/drivers/rocksdb_row_store.hpp"
#include "store/journaled_rows.hpp"

namespace opaline::store {
namespace {

using namespace conformance;

constexpr std::string_view kPeople = "people", kWords = "words", kJournal = "journal", kCheck = "check";
constexpr std::array<std::string_view, 2> kJournaled = {kPeople, kWords};
constexpr int kCommits = 300;

/// Table and key to value.
using Model = std::map<std::pair<std::string, std::string>, std::string>;

struct Home {
  explicit Home(const std::filesystem::path& root) {
    auto opened_vault = FileKeyVault::open({.directory = root / "vault", .master_key_file = std::nullopt}, random);
    if (!opened_vault) die(opened_vault.error().message);
    vault = std::move(*opened_vault);
    RocksdbRowOptions options;
    options.directory = root / "rows";
    for (const std::string_view table : {kPeople, kWords, kJournal, kCheck}) options.tables.emplace_back(table);
    auto opened_files = RocksdbRowStore::open(options, log);
    if (!opened_files) die(opened_files.error().message);
    files = std::move(*opened_files);
    auto opened_sealed = SealedRows::open(*files, *vault, random, kCheck);
    if (!opened_sealed) die(opened_sealed.error().message);
    sealed.emplace(std::move(*opened_sealed));
    auto opened = JournaledRows::open(*sealed, kJournaled, kJournal);
    if (!opened) die("the journal cannot be read");
    rows = std::move(*opened);
  }
  Model contents() {
    Model out;
    for (const std::string_view table : kJournaled) {
      const auto found = rows->scan(table, {}, {}, SIZE_MAX);
      if (!found) die("the rows cannot be read");
      for (const auto& row : *found) out[{std::string(table), to_string(row.key)}] = to_string(row.value);
    }
    return out;
  }
  crypto::SystemRandom random;
  NullLog log;
  std::unique_ptr<FileKeyVault> vault;
  std::unique_ptr<RocksdbRowStore> files;
  std::optional<SealedRows> sealed;
  std::unique_ptr<JournaledRows> rows;
};

/// Commit `number`: rows that are rewritten, sometimes many, one that lives for a few commits, and every tenth time
/// only an erasure: of a row that is in its place, or of one that may be in the journal.
void commit(int number, JournaledRows::Batch& batch, Model& model) {
  const auto put = [&](std::string_view table, const std::string& key, const std::string& value) {
    batch.put(table, as_view(key), as_view(value));
    model[{std::string(table), key}] = value;
  };
  const auto erase = [&](std::string_view table, const std::string& key) {
    batch.erase(table, as_view(key));
    model.erase({std::string(table), key});
  };
  if (number % 10 == 9) return erase(kWords, "stays " + std::to_string(number / (number % 20 == 9 ? 20 : 4)));
  if (number % 25 == 3)  // more than go to their places at once
    for (int i = 0; i < 400; ++i) put(kWords, "many " + std::to_string(i), std::to_string(number));
  put(kPeople, std::to_string(number % 7), std::to_string(number));
  put(kWords, std::to_string(number), std::string(number % 3 == 0 ? 3'000 : 10, 'w'));
  put(kWords, "stays " + std::to_string(number / 4), std::to_string(number));
  erase(kWords, std::to_string(number - 5));
}

TEST(JournaledRowsCrashChild, Works) {
  const auto child = CrashChild::from_environment();
  if (!child) GTEST_SKIP() << "runs only as the child of the test below";
  Home home(child->root);
  Model model;
  for (int number = 0; number < kCommits; ++number) {
    JournaledRows::Batch batch;
    commit(number, batch, model);
    if (!home.rows->write(std::move(batch))) die("not written");
    child->say("committed");
    if (number % 4 == 0 && !home.rows->settle()) die("not settled");
    if (number % 50 == 48 && !home.rows->settle_all()) die("not settled");
  }
}

class JournaledRowsCrashTest : public testing::TestWithParam<std::string_view> {};

TEST_P(JournaledRowsCrashTest, KilledHereItHasWhatWasCommitted) {
  for (const int nth : {1, 2, 3, 7, 20, 65}) {
    SCOPED_TRACE(nth);
    const TempDirectory root;
    const ChildEnd end =
        run_child("JournaledRowsCrashChild.Works", root.path(), std::string(GetParam()) + ":" + std::to_string(nth));
    ASSERT_TRUE(end.killed()) << "the point was not reached: " << end.status;
    const auto heard = static_cast<int>(std::ranges::count(end.said, '\n'));
    Model model;
    for (int number = 0; number < heard; ++number) {
      JournaledRows::Batch batch;
      commit(number, batch, model);
    }
    Model next = model;
    JournaledRows::Batch batch;
    commit(heard, batch, next);
    Model found = Home(root.path()).contents();
    EXPECT_TRUE(found == model || found == next) << heard;
    Home home(root.path());
    ASSERT_TRUE(home.rows->settle_all());
    EXPECT_EQ(home.contents(), found) << "in their places";
    EXPECT_TRUE(home.files->scan(kJournal, {}, {}, 1)->empty());
  }
}

INSTANTIATE_TEST_SUITE_P(AllPoints, JournaledRowsCrashTest,
                         testing::Values("store.before_rows_sync", "store.after_rows_sync", "journal.before_settled",
                                         "journal.after_settled"),
                         name_of_point);

}  // namespace
}  // namespace opaline::store
