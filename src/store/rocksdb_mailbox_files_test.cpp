// What lies in the RocksDB mailbox store's files, how it leaves them, and what happens when they are damaged.
#include <rocksdb/db.h>

#include "store/conformance/rocksdb_mailbox_fixture.hpp"
#include "store/internal/mailbox_db.hpp"

namespace opaline::store {
namespace {

using conformance::append_for;
using conformance::kDay;
using conformance::kStart;
using conformance::mailbox;
using std::chrono::hours;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class RocksdbMailboxFilesTest : public conformance::RocksdbMailboxStoreTest {};

// --- what lies in the files ---

TEST_F(RocksdbMailboxFilesTest, FilesShowNoMailboxNoIdAndNoContent) {
  std::vector<Append> batch;
  for (std::uint64_t sequence = 1; sequence <= 20; ++sequence) {
    Append each = append_for(mailbox(1), sequence, kDay);
    each.ciphertext = to_bytes("a text that the search below must not find, number " + std::to_string(sequence));
    batch.push_back(each);
  }
  ASSERT_THAT(harness_.append_now(epoch_, batch), Each(AppendOutcome::stored));
  for (int round = 0; round < 2; ++round) {
    const std::string all = all_bytes();
    ASSERT_GT(all.size(), 20U * 50);
    EXPECT_EQ(all.find("a text that the search"), std::string::npos);
    EXPECT_EQ(all.find(as_text(mailbox(1).view())), std::string::npos);
    EXPECT_EQ(all.find(mailbox(1).hex()), std::string::npos);
    for (const Append& each : batch) EXPECT_EQ(all.find(as_text(each.id.view())), std::string::npos);
    reopen();  // the second round looks into table files
    EXPECT_FALSE(files(".sst").empty());
  }
}

TEST_F(RocksdbMailboxFilesTest, ACopyWithoutItsVaultOpensNothing) {
  ASSERT_THAT(append(1, 1, 5), Each(AppendOutcome::stored));
  harness_.close();
  conformance::FaultyVault other(99);
  const auto opened =
      RocksdbMailboxStore::open(harness_.options, other, harness_.random, harness_.loop.executor(), harness_.log);
  ASSERT_FALSE(opened.has_value());
  EXPECT_THAT(opened.error().message, HasSubstr("another key vault"));
  reopen();
  EXPECT_THAT(held(1), SizeIs(5));
}

TEST_F(RocksdbMailboxFilesTest, AnOldCopyBroughtBackAfterExpiryOpensNothing) {
  ASSERT_THAT(append(1, 1, 5, 100, Day(19999)), Each(AppendOutcome::stored));
  ASSERT_THAT(append(1, 6, 8, 100, kDay), Each(AppendOutcome::stored));
  harness_.close();
  const auto copy = directory().parent_path() / "copy";
  std::filesystem::copy(directory(), copy, std::filesystem::copy_options::recursive);
  reopen();
  ASSERT_TRUE(harness_.expire_now(Day(19999)));
  EXPECT_THAT(held(1), SizeIs(3));
  harness_.close();
  std::filesystem::remove_all(directory());
  std::filesystem::rename(copy, directory());
  reopen();
  const auto left = held(1);
  ASSERT_THAT(left, SizeIs(3));
  EXPECT_EQ(left[0].sequence, Sequence(6));
  EXPECT_EQ(harness_.rocksdb().stats().days, 1U);
  const auto summary = harness_.summarize_now(epoch_, mailbox(1)).second;
  ASSERT_THAT(summary.days, SizeIs(1));
  EXPECT_EQ(summary.days[0].day, kDay);
}

TEST_F(RocksdbMailboxFilesTest, ExpiryFreesTheDisk) {
  ASSERT_THAT(append(1, 1, 2000, 1000, Day(19999)), Each(AppendOutcome::stored));
  reopen();
  const std::uint64_t before = data_bytes();
  ASSERT_GT(before, 2'000'000U);
  ASSERT_TRUE(harness_.expire_now(Day(19999)));
  ASSERT_THAT(append(2, 1, 1), Each(AppendOutcome::stored));
  EXPECT_LT(data_bytes(), before / 100);
}

TEST_F(RocksdbMailboxFilesTest, RemovedBytesLeaveTheFilesWithinADay) {
  harness_.rocksdb().maintain(kStart);
  ASSERT_THAT(append(1, 1, 2000, 1000), Each(AppendOutcome::stored));
  ASSERT_THAT(append(2, 1, 5, 1000), Each(AppendOutcome::stored));
  ASSERT_GT(data_bytes(), 2'000'000U);
  harness_.store().remove(epoch_, {{mailbox(1), Sequence(2000)}});
  ASSERT_THAT(held(1), IsEmpty());
  harness_.rocksdb().maintain(kStart + hours(19));
  EXPECT_GT(data_bytes(), 2'000'000U) << "not yet due; if this fails the test proves nothing";
  harness_.rocksdb().maintain(kStart + hours(20));
  EXPECT_LT(data_bytes(), 20'000U);
  EXPECT_THAT(held(2), SizeIs(5));
  // In files already when removed, and over a restart.
  ASSERT_THAT(append(1, 2001, 4000, 1000), Each(AppendOutcome::stored));
  reopen();
  harness_.store().remove(epoch_, {{mailbox(1), Sequence(4000)}});
  reopen();
  EXPECT_GT(data_bytes(), 2'000'000U);
  harness_.rocksdb().maintain(kStart + hours(40));
  EXPECT_LT(data_bytes(), 20'000U);
  EXPECT_THAT(held(2), SizeIs(5));
}

TEST_F(RocksdbMailboxFilesTest, AClockSetBackDoesNotStopTheRewriting) {
  harness_.rocksdb().maintain(kStart + hours(100'000));
  ASSERT_THAT(append(1, 1, 2000, 1000), Each(AppendOutcome::stored));
  harness_.store().remove(epoch_, {{mailbox(1), Sequence(2000)}});
  ASSERT_THAT(held(1), IsEmpty());
  harness_.rocksdb().maintain(kStart);
  EXPECT_LT(data_bytes(), 20'000U);
}

// --- damage ---

TEST_F(RocksdbMailboxFilesTest, TwoCannotOpenIt) {
  EXPECT_THAT(why_not(), HasSubstr("another process uses it"));
}

TEST_F(RocksdbMailboxFilesTest, MissingFilesAreSaid) {
  ASSERT_THAT(append(1, 1, 100), Each(AppendOutcome::stored));
  reopen();
  ASSERT_THAT(append(1, 101, 200), Each(AppendOutcome::stored));
  harness_.close();
  const auto backup = directory().parent_path() / "backup";
  std::filesystem::copy(directory(), backup, std::filesystem::copy_options::recursive);
  const auto with = [&](const auto& break_it) {
    std::filesystem::remove_all(directory());
    std::filesystem::copy(backup, directory(), std::filesystem::copy_options::recursive);
    break_it();
    return why_not();
  };
  EXPECT_THAT(with([&] { std::filesystem::remove(directory() / "CURRENT"); }), HasSubstr("CURRENT is missing"));
  EXPECT_THAT(with([&] { std::filesystem::remove(files(".sst").front()); }), HasSubstr("Put back the directory"));
  EXPECT_THAT(with([&] {
                for (const auto& entry : std::filesystem::directory_iterator(directory())) {
                  if (entry.path().filename().string().starts_with("MANIFEST-")) std::filesystem::remove(entry.path());
                }
              }),
              HasSubstr("Put back the directory"));
  EXPECT_THAT(with([&] { write(directory() / "CURRENT", "garbage"); }), HasSubstr("Put back the directory"));
  EXPECT_THAT(with([&] {}), HasSubstr("it opened"));
}

TEST_F(RocksdbMailboxFilesTest, WhatWasThereWhenItWasClosedHasToBeThere) {
  ASSERT_THAT(append(1, 1, 100), Each(AppendOutcome::stored));
  reopen();
  ASSERT_THAT(append(1, 101, 200), Each(AppendOutcome::stored));
  harness_.close();
  const auto backup = directory().parent_path() / "backup";
  std::filesystem::copy(directory(), backup, std::filesystem::copy_options::recursive);
  const auto with = [&](const std::string& begin, const std::string& end, const auto& break_it) {
    std::filesystem::remove_all(directory());
    std::filesystem::copy(backup, directory(), std::filesystem::copy_options::recursive);
    for (const auto& path : files(end)) {
      if (path.filename().string().starts_with(begin)) break_it(path);
    }
    return why_not();
  };
  const auto remove = [](const std::filesystem::path& path) { std::filesystem::remove(path); };
  const auto empty = [](const std::filesystem::path& path) { std::filesystem::resize_file(path, 0); };
  const auto halve = [](const std::filesystem::path& path) {
    std::filesystem::resize_file(path, std::filesystem::file_size(path) / 2);
  };
  const auto shorten = [](const std::filesystem::path& path) {
    std::filesystem::resize_file(path, std::filesystem::file_size(path) - 1);
  };
  const auto says_log = testing::AllOf(HasSubstr(".log is missing or cut off"), HasSubstr("accept_damage"));
  EXPECT_THAT(with("", ".log", remove), says_log);
  EXPECT_THAT(with("", ".log", empty), says_log);
  EXPECT_THAT(with("", ".log", halve), says_log);
  EXPECT_THAT(with("", ".log", shorten), says_log);
  EXPECT_THAT(with("", ".log", [](const auto& path) { write(path, std::string(100'000, 'x')); }), HasSubstr("log"));
  EXPECT_THAT(with("MANIFEST-", "", halve), HasSubstr("is missing or cut off"));
  EXPECT_THAT(with("MANIFEST-", "", shorten), HasSubstr("is missing or cut off"));
  EXPECT_THAT(with("MARK", "", halve), HasSubstr("MARK is damaged"));
  EXPECT_THAT(with("MARK", "", remove), HasSubstr("it opened")) << "as a checkpoint has none";
  EXPECT_THAT(with("", ".log", remove), says_log);
  harness_.options.accept_damaged_log = true;
  reopen();
  EXPECT_THAT(held(1), SizeIs(100));
}

TEST_F(RocksdbMailboxFilesTest, ADamagedLogIsRefusedUnlessTheOperatorAcceptsIt) {
  for (std::uint64_t i = 0; i < 50; ++i) ASSERT_THAT(append(1, i + 1, i + 1), Each(AppendOutcome::stored));
  harness_.close();
  std::filesystem::path log;
  for (const auto& path : files(".log")) {
    if (log.empty() || std::filesystem::file_size(path) > std::filesystem::file_size(log)) log = path;
  }
  std::string bytes = contents(log);
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  write(log, bytes);
  EXPECT_THAT(why_not(), HasSubstr("accept_damage"));
  harness_.options.accept_damaged_log = true;
  reopen();
  const auto left = held(1);
  EXPECT_GT(left.size(), 0U);
  EXPECT_LT(left.size(), 50U);
  for (std::size_t i = 0; i < left.size(); ++i) EXPECT_EQ(left[i].sequence, Sequence(i + 1));
  harness_.options.accept_damaged_log = false;
  reopen();
}

TEST_F(RocksdbMailboxFilesTest, ALogCutShortByACrashIsNoDamage) {
  const std::string mark = contents(directory() / "MARK");
  for (std::uint64_t i = 0; i < 10; ++i) ASSERT_THAT(append(1, i + 1, i + 1), Each(AppendOutcome::stored));
  harness_.close();
  std::filesystem::path log = files(".log").front();
  for (const auto& path : files(".log")) {
    if (std::filesystem::file_size(path) > std::filesystem::file_size(log)) log = path;
  }
  std::filesystem::resize_file(log, std::filesystem::file_size(log) - 50);
  write(directory() / "MARK", mark);  // a crash leaves the one that was made at the start
  reopen();
  EXPECT_THAT(held(1), SizeIs(9));
}

TEST_F(RocksdbMailboxFilesTest, FlippedBitsNeverCrashAndNeverGiveAWrongEnvelope) {
  for (std::uint64_t box = 0; box < 3; ++box) ASSERT_THAT(append(box, 1, 200, 64), Each(AppendOutcome::stored));
  reopen();
  ASSERT_THAT(append(1, 201, 250, 64), Each(AppendOutcome::stored));
  harness_.close();
  const auto backup = directory().parent_path() / "backup";
  std::filesystem::copy(directory(), backup, std::filesystem::copy_options::recursive);
  SeededRandom random(4);
  int refused = 0;
  int opened_well = 0;
  for (int round = 0; round < 60; ++round) {
    std::filesystem::remove_all(directory());
    std::filesystem::copy(backup, directory(), std::filesystem::copy_options::recursive);
    std::vector<std::filesystem::path> all;
    for (const auto& entry : std::filesystem::directory_iterator(directory())) {
      if (std::filesystem::file_size(entry.path()) > 0) all.push_back(entry.path());
    }
    std::ranges::sort(all);
    const auto& path = all[random.below(all.size())];
    std::string bytes = contents(path);
    const std::size_t at = random.below(bytes.size());
    if (random.below(4) == 0) {
      bytes.resize(at);
    } else {
      bytes[at] = static_cast<char>(bytes[at] ^ (1 << random.below(8)));
    }
    write(path, bytes);
    SCOPED_TRACE(path.filename().string() + " at " + std::to_string(at));
    auto opened = harness_.open();
    if (!opened) {
      EXPECT_FALSE(opened.error().message.empty());
      ++refused;
      continue;
    }
    ++opened_well;
    harness_.use(std::move(*opened));
    const auto epoch = harness_.store().acquire_all();
    if (!epoch) continue;
    for (std::uint64_t box = 0; box < 3; ++box) {
      const auto [outcome, envelopes] = harness_.read_now(*epoch, mailbox(box));
      for (const StoredEnvelope& each : envelopes) {
        const Append expected = append_for(mailbox(box), static_cast<std::uint64_t>(each.sequence), kDay, 64);
        EXPECT_TRUE(each.id == expected.id && each.ciphertext == expected.ciphertext);
      }
    }
    harness_.close();
  }
  EXPECT_GT(refused, 0);
  EXPECT_GT(opened_well, 0);
}

/// Changes rows behind the store's back.
class RawRows {
 public:
  explicit RawRows(const std::filesystem::path& directory) {
    std::vector<std::string> names;
    OPALINE_ASSERT(rocksdb::DB::ListColumnFamilies({}, directory.string(), &names).ok());
    std::vector<rocksdb::ColumnFamilyDescriptor> families;
    for (const auto& name : names) families.emplace_back(name, internal::day_family_options(nullptr));
    rocksdb::DB* db = nullptr;
    OPALINE_ASSERT(rocksdb::DB::Open({}, directory.string(), families, &handles_, &db).ok());
    db_.reset(db);
  }
  ~RawRows() {
    for (auto* const handle : handles_) db_->DestroyColumnFamilyHandle(handle);
  }
  RawRows(const RawRows&) = delete;
  RawRows& operator=(const RawRows&) = delete;
  /// Calls `change` with the key and value of every row of an envelope.
  template <class Change>
  void each(Change change) {
    for (auto* const handle : handles_) {
      if (handle->GetName() == rocksdb::kDefaultColumnFamilyName) continue;
      rocksdb::ReadOptions all;
      all.total_order_seek = true;
      const std::unique_ptr<rocksdb::Iterator> at(db_->NewIterator(all, handle));
      for (at->SeekToFirst(); at->Valid(); at->Next()) {
        const auto key = to_array<internal::kEnvelopeKeyBytes>(internal::view(at->key()));
        const std::uint64_t sequence = internal::sequence_of(key);
        if (sequence == 0) continue;
        std::string value = at->value().ToString();
        if (change(sequence, value)) OPALINE_ASSERT(db_->Put({}, handle, at->key(), value).ok());
      }
    }
  }

 private:
  std::unique_ptr<rocksdb::DB> db_;
  std::vector<rocksdb::ColumnFamilyHandle*> handles_;
};

TEST_F(RocksdbMailboxFilesTest, ADamagedEnvelopeIsLeftOutAndTheNextSaysSo) {
  ASSERT_THAT(append(1, 1, 4), Each(AppendOutcome::stored));
  harness_.close();
  std::string third;
  RawRows(directory()).each([&](std::uint64_t sequence, std::string& value) {
    if (sequence == 3) third = value;
    if (sequence != 2) return false;
    value.back() = static_cast<char>(value.back() ^ 1);
    return true;
  });
  reopen();
  auto left = held(1);
  ASSERT_THAT(left, SizeIs(3));
  EXPECT_EQ(left[1].sequence, Sequence(3));
  EXPECT_FALSE(left[0].gap);
  EXPECT_TRUE(left[1].gap);
  EXPECT_FALSE(left[2].gap);
  EXPECT_EQ(harness_.rocksdb().stats().damaged, 1U);
  harness_.close();
  // A row under another sequence is no envelope either; nor are cut ones.
  RawRows(directory()).each([&](std::uint64_t sequence, std::string& value) {
    if (sequence == 3) value.resize(20);
    if (sequence == 4) value = third;
    return sequence >= 3;
  });
  reopen();
  left = held(1);
  ASSERT_THAT(left, SizeIs(1));
  EXPECT_EQ(left[0].sequence, Sequence(1));
  harness_.store().remove(epoch_, {{mailbox(1), Sequence(4)}});
  EXPECT_THAT(held(1), IsEmpty());
}

TEST_F(RocksdbMailboxFilesTest, AnotherProgramsDatabaseIsRefused) {
  harness_.close();
  std::filesystem::remove_all(directory());
  rocksdb::Options options;
  options.create_if_missing = true;
  rocksdb::DB* raw = nullptr;
  ASSERT_TRUE(rocksdb::DB::Open(options, directory().string(), &raw).ok());
  std::unique_ptr<rocksdb::DB> db(raw);
  ASSERT_TRUE(db->Put({}, "format", "opaline mailbox store 2").ok());
  db.reset();
  EXPECT_THAT(why_not(), HasSubstr("another version"));
}

}  // namespace
}  // namespace opaline::store
