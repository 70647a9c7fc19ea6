// What only the RocksDB driver can break: its files, its disk, its queue.
#include "store/drivers/rocksdb_mailbox_store.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rocksdb/db.h>
#include <sys/mount.h>

#include <fstream>
#include <future>

#include "base/fault_point.hpp"
#include "store/conformance/fault_env.hpp"
#include "store/conformance/mailbox_harness.hpp"
#include "store/internal/mailbox_db.hpp"

namespace opaline::store {
namespace {

using conformance::append_for;
using conformance::DiskState;
using conformance::RocksdbMailboxHarness;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr Day kDay{20000};
constexpr Time kStart = from_unix_millis(1'728'000'000'000);
using std::chrono::hours;

MailboxId mailbox(std::uint64_t number) {
  SeededRandom random(number + 1);
  return random.id<MailboxId>();
}

class RocksdbMailboxStoreTest : public testing::Test {
 protected:
  void SetUp() override { take(); }
  void take() { epoch_ = *harness_.store().acquire_all(); }
  void reopen() {
    harness_.reopen();
    take();
  }
  std::vector<AppendOutcome> append(std::uint64_t box, std::uint64_t first, std::uint64_t last, std::size_t size = 100,
                                    Day day = kDay) {
    std::vector<Append> batch;
    for (std::uint64_t sequence = first; sequence <= last; ++sequence)
      batch.push_back(append_for(mailbox(box), sequence, day, size));
    return harness_.append_now(epoch_, std::move(batch));
  }
  std::vector<StoredEnvelope> held(std::uint64_t box) {
    auto [outcome, out] = harness_.read_now(epoch_, mailbox(box));
    EXPECT_EQ(outcome, ReadOutcome::ok);
    return out;
  }
  std::string why_not() {
    const auto opened = harness_.open();
    return opened ? "it opened" : opened.error().message;
  }
  [[nodiscard]] const std::filesystem::path& directory() const { return harness_.options.directory; }
  std::vector<std::filesystem::path> files(const std::string& ending) {
    std::vector<std::filesystem::path> out;
    for (const auto& entry : std::filesystem::directory_iterator(directory())) {
      if (entry.path().filename().string().ends_with(ending)) out.push_back(entry.path());
    }
    return out;
  }
  static std::string contents(const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  static void write(const std::filesystem::path& path, const std::string& bytes) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
  }
  std::string all_bytes() {
    std::string out;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(directory())) {
      if (entry.is_regular_file()) out += contents(entry.path());
    }
    return out;
  }
  std::uint64_t data_bytes() {
    std::uint64_t out = 0;
    for (const char* ending : {".sst", ".log"}) {
      for (const auto& path : files(ending)) out += std::filesystem::file_size(path);
    }
    return out;
  }

  conformance::FaultEnv fault_;
  RocksdbMailboxHarness harness_;
  OwnerEpoch epoch_{};
};

// --- what lies in the files ---

TEST_F(RocksdbMailboxStoreTest, FilesShowNoMailboxNoIdAndNoContent) {
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

TEST_F(RocksdbMailboxStoreTest, ACopyWithoutItsVaultOpensNothing) {
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

TEST_F(RocksdbMailboxStoreTest, AnOldCopyBroughtBackAfterExpiryOpensNothing) {
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

TEST_F(RocksdbMailboxStoreTest, ExpiryFreesTheDisk) {
  ASSERT_THAT(append(1, 1, 2000, 1000, Day(19999)), Each(AppendOutcome::stored));
  reopen();
  const std::uint64_t before = data_bytes();
  ASSERT_GT(before, 2'000'000U);
  ASSERT_TRUE(harness_.expire_now(Day(19999)));
  ASSERT_THAT(append(2, 1, 1), Each(AppendOutcome::stored));
  EXPECT_LT(data_bytes(), before / 100);
}

TEST_F(RocksdbMailboxStoreTest, RemovedBytesLeaveTheFilesWithinADay) {
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

TEST_F(RocksdbMailboxStoreTest, AClockSetBackDoesNotStopTheRewriting) {
  harness_.rocksdb().maintain(kStart + hours(100'000));
  ASSERT_THAT(append(1, 1, 2000, 1000), Each(AppendOutcome::stored));
  harness_.store().remove(epoch_, {{mailbox(1), Sequence(2000)}});
  ASSERT_THAT(held(1), IsEmpty());
  harness_.rocksdb().maintain(kStart);
  EXPECT_LT(data_bytes(), 20'000U);
}

// --- damage ---

TEST_F(RocksdbMailboxStoreTest, TwoCannotOpenIt) {
  EXPECT_THAT(why_not(), HasSubstr("another process uses it"));
}

TEST_F(RocksdbMailboxStoreTest, MissingFilesAreSaid) {
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
              testing::AnyOf(HasSubstr("cannot be opened"), HasSubstr("damaged")));
  EXPECT_THAT(with([&] { write(directory() / "CURRENT", "garbage"); }),
              testing::AnyOf(HasSubstr("cannot be opened"), HasSubstr("damaged")));
  EXPECT_THAT(with([&] {}), HasSubstr("it opened"));
}

TEST_F(RocksdbMailboxStoreTest, ADamagedLogIsRefusedUnlessTheOperatorAcceptsIt) {
  for (std::uint64_t i = 0; i < 50; ++i) ASSERT_THAT(append(1, i + 1, i + 1), Each(AppendOutcome::stored));
  harness_.close();
  std::filesystem::path log;
  for (const auto& path : files(".log")) {
    if (log.empty() || std::filesystem::file_size(path) > std::filesystem::file_size(log)) log = path;
  }
  std::string bytes = contents(log);
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  write(log, bytes);
  EXPECT_THAT(why_not(), HasSubstr("accept_damaged_log"));
  harness_.options.accept_damaged_log = true;
  reopen();
  const auto left = held(1);
  EXPECT_GT(left.size(), 0U);
  EXPECT_LT(left.size(), 50U);
  for (std::size_t i = 0; i < left.size(); ++i) EXPECT_EQ(left[i].sequence, Sequence(i + 1));
  harness_.options.accept_damaged_log = false;
  reopen();
}

TEST_F(RocksdbMailboxStoreTest, ALogCutShortByACrashIsNoDamage) {
  for (std::uint64_t i = 0; i < 10; ++i) ASSERT_THAT(append(1, i + 1, i + 1), Each(AppendOutcome::stored));
  harness_.close();
  std::filesystem::path log = files(".log").front();
  for (const auto& path : files(".log")) {
    if (std::filesystem::file_size(path) > std::filesystem::file_size(log)) log = path;
  }
  std::filesystem::resize_file(log, std::filesystem::file_size(log) - 50);
  reopen();
  EXPECT_THAT(held(1), SizeIs(9));
}

TEST_F(RocksdbMailboxStoreTest, FlippedBitsNeverCrashAndNeverGiveAWrongEnvelope) {
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

TEST_F(RocksdbMailboxStoreTest, ADamagedEnvelopeIsLeftOutAndTheNextSaysSo) {
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

TEST_F(RocksdbMailboxStoreTest, AnotherProgramsDatabaseIsRefused) {
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

TEST_F(RocksdbMailboxStoreTest, APowerCutTakesNothingThatWasAnswered) {
  harness_.options.env = fault_.env.get();
  harness_.options.directory += "-fault";
  reopen();
  const auto image = directory().parent_path() / "image";
  std::uint64_t stored = 0;
  for (int round = 0; round < 12; ++round) {
    const Day day{20000 + static_cast<std::uint32_t>(round) / 4};
    const std::uint64_t more = 1 + static_cast<std::uint64_t>(round) * 37;
    ASSERT_THAT(append(1, stored + 1, stored + more, 300, day), Each(AppendOutcome::stored));
    stored += more;
    if (round == 6) harness_.rocksdb().maintain(kStart);
    std::filesystem::remove_all(image);
    fault_.disk->copy_as_after_power_cut(directory(), image);
    RocksdbMailboxOptions options = harness_.options;
    options.directory = image;
    options.env = nullptr;
    auto opened =
        RocksdbMailboxStore::open(options, harness_.vault(), harness_.random, harness_.loop.executor(), harness_.log);
    ASSERT_TRUE(opened.has_value()) << opened.error().message;
    std::optional<std::size_t> found;
    (*opened)->read(*(*opened)->acquire_all(), mailbox(1), Sequence(1), 1 << 20, 1 << 30,
                    [&](ReadOutcome, const auto& envelopes) { found = envelopes.size(); });
    harness_.until([&] { return found.has_value(); });
    EXPECT_EQ(*found, stored) << "round " << round;
  }
  // The same without the last sync, to see that the image does forget.
  harness_.store().remove(epoch_, {{mailbox(1), Sequence(stored)}});
  EXPECT_THAT(held(1), IsEmpty());
  std::filesystem::remove_all(image);
  fault_.disk->copy_as_after_power_cut(directory(), image);
  harness_.close();
  harness_.options.directory = image;
  harness_.options.env = nullptr;
  reopen();
  EXPECT_THAT(held(1), SizeIs(stored));
  harness_.close();
}

// --- full and broken disks ---

TEST_F(RocksdbMailboxStoreTest, LittleRoomLeftIsFullAndPasses) {
  ASSERT_THAT(append(1, 1, 3), Each(AppendOutcome::stored));
  harness_.rocksdb().set_reserve_bytes(UINT64_MAX);
  EXPECT_THAT(append(1, 3, 4), ElementsAre(AppendOutcome::duplicate, AppendOutcome::full));
  EXPECT_THAT(held(1), SizeIs(3));
  harness_.store().remove(epoch_, {{mailbox(1), Sequence(1)}});
  EXPECT_THAT(held(1), SizeIs(2)) << "what makes room goes on";
  harness_.rocksdb().set_reserve_bytes(0);
  EXPECT_THAT(append(1, 4, 4), Each(AppendOutcome::stored));
  EXPECT_THAT(held(1), SizeIs(3));
  EXPECT_EQ(harness_.rocksdb().stats().refused_full, 1U);
}

TEST_F(RocksdbMailboxStoreTest, ADiskThatFillsUpAnswersFullAndRecovers) {
  harness_.options.env = fault_.env.get();
  harness_.options.reserve_bytes = 0;
  harness_.options.directory += "-fault";
  reopen();
  for (int round = 1; round <= 8; ++round) {
    SCOPED_TRACE(round);
    const std::uint64_t box = static_cast<std::uint64_t>(round);
    fault_.disk->fill_up_after(round);
    std::uint64_t sequence = 0;
    std::vector<AppendOutcome> last;
    do {
      ++sequence;
      last = append(box, sequence, sequence, 1000);
    } while (last[0] == AppendOutcome::stored);
    EXPECT_THAT(last, ElementsAre(AppendOutcome::full));
    EXPECT_THAT(append(box, sequence, sequence, 1000), ElementsAre(AppendOutcome::full));
    EXPECT_THAT(held(box), SizeIs(sequence - 1)) << "reads go on";
    fault_.disk->set(DiskState::good);
    EXPECT_THAT(append(box, sequence, sequence + 3, 1000), Each(AppendOutcome::stored));
    EXPECT_THAT(held(box), SizeIs(sequence + 3));
    if (round % 2 == 0) reopen();
    EXPECT_THAT(held(box), SizeIs(sequence + 3));
  }
  harness_.close();
}

TEST_F(RocksdbMailboxStoreTest, AFullDiskAtMidnightIsFull) {
  harness_.options.env = fault_.env.get();
  harness_.options.directory += "-fault";
  reopen();
  ASSERT_THAT(append(1, 1, 1), Each(AppendOutcome::stored));
  fault_.disk->set(DiskState::full);
  EXPECT_THAT(append(1, 2, 2, 100, Day(20001)), ElementsAre(AppendOutcome::full));
  fault_.disk->set(DiskState::good);
  EXPECT_THAT(append(1, 2, 2, 100, Day(20001)), ElementsAre(AppendOutcome::stored));
  EXPECT_THAT(held(1), SizeIs(2));
  harness_.close();
}

TEST_F(RocksdbMailboxStoreTest, ABrokenDiskIsUnknownAndLosesNothing) {
  harness_.options.env = fault_.env.get();
  harness_.options.directory += "-fault";
  reopen();
  ASSERT_THAT(append(1, 1, 5), Each(AppendOutcome::stored));
  fault_.disk->set(DiskState::broken);
  EXPECT_THAT(append(1, 6, 7), Each(AppendOutcome::unknown));
  EXPECT_THAT(append(1, 6, 7), Each(AppendOutcome::unknown));
  EXPECT_EQ(harness_.store().acquire_all(), std::nullopt);
  EXPECT_THAT(held(1), SizeIs(5));
  fault_.disk->set(DiskState::good);
  reopen();
  const auto outcomes = append(1, 6, 7);
  for (const AppendOutcome each : outcomes) {
    EXPECT_TRUE(each == AppendOutcome::stored || each == AppendOutcome::duplicate);
  }
  EXPECT_THAT(held(1), SizeIs(7));
  harness_.close();
}

/// A file system of a few MiB; needs root.
class SmallDisk {
 public:
  SmallDisk() { is_mounted_ = ::mount("tmpfs", where_.path().c_str(), "tmpfs", 0, "size=64m,mode=0700") == 0; }
  ~SmallDisk() {
    if (is_mounted_) ::umount2(where_.path().c_str(), MNT_DETACH);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  [[nodiscard]] bool is_mounted() const { return is_mounted_; }
  [[nodiscard]] const std::filesystem::path& path() const { return where_.path(); }

 private:
  conformance::TempDirectory where_;
  bool is_mounted_ = false;
};

TEST_F(RocksdbMailboxStoreTest, ARealDiskThatIsFullToTheLastByteLosesNothingAndRecovers) {
  const SmallDisk disk;
  if (!disk.is_mounted()) GTEST_SKIP() << "needs the right to mount a tmpfs";
  harness_.options.directory = disk.path() / "mailboxes";
  harness_.options.reserve_bytes = 0;
  reopen();
  std::uint64_t stored = 0;
  for (int round = 0; round < 4; ++round) {
    SCOPED_TRACE(round);
    const std::size_t room = std::size_t{5} << 20;
    write(disk.path() / "ballast", std::string(std::filesystem::space(disk.path()).available - room, 'b'));
    const std::uint64_t before = stored;
    std::vector<AppendOutcome> last;
    do {
      last = append(1, stored + 1, stored + 20, 4000);
      if (last[0] == AppendOutcome::stored) stored += 20;
    } while (last[0] == AppendOutcome::stored);
    EXPECT_THAT(last, Each(AppendOutcome::full));
    EXPECT_GT(stored, before);
    EXPECT_THAT(append(1, stored + 1, stored + 20, 4000), Each(AppendOutcome::full)) << "it stays so";
    const auto left = held(1);
    ASSERT_EQ(left.size(), stored);
    for (std::uint64_t i = 0; i < stored; ++i) {
      ASSERT_EQ(left[i].ciphertext, append_for(mailbox(1), i + 1, kDay, 4000).ciphertext);
    }
    if (round == 2) {
      harness_.close();
      const auto opened = harness_.open();  // no room to start with is an answer, too
      if (!opened) EXPECT_THAT(opened.error().message, HasSubstr("the disk is full"));
    }
    std::filesystem::remove(disk.path() / "ballast");
    if (round == 2) {
      reopen();
      ASSERT_GE(held(1).size(), stored);  // a group that was answered `full` may be there after all
      stored = held(1).size();
    }
    EXPECT_THAT(append(1, stored + 1, stored + 20, 4000), Each(AppendOutcome::stored));
    stored += 20;
  }
  harness_.close();
}

TEST_F(RocksdbMailboxStoreTest, ExpiryMakesRoomWhereTheReserveWasReached) {
  const SmallDisk disk;
  if (!disk.is_mounted()) GTEST_SKIP() << "needs the right to mount a tmpfs";
  harness_.options.directory = disk.path() / "mailboxes";
  harness_.options.reserve_bytes = std::uint64_t{4} << 20;
  reopen();
  std::uint64_t stored = 0;
  for (std::uint32_t day = 0; day < 4; ++day) {
    const std::uint64_t before = stored;
    std::vector<AppendOutcome> last;
    do {
      last = append(1, stored + 1, stored + 20, 4000, Day(20000 + day));
      if (last[0] == AppendOutcome::stored) stored += 20;
    } while (last[0] == AppendOutcome::stored);
    EXPECT_THAT(last, Each(AppendOutcome::full));
    EXPECT_GT(stored, before + 1000) << "there was room";
    EXPECT_THAT(held(1), SizeIs(stored - before));
    ASSERT_TRUE(harness_.expire_now(Day(20000 + day)));
    EXPECT_THAT(held(1), IsEmpty());
    while (std::filesystem::space(disk.path()).available < std::uintmax_t{30} << 20)
      held(1);  // files go in the background
  }
  EXPECT_EQ(harness_.rocksdb().stats().failures, 0U);
  harness_.close();
}

// --- the queue ---

TEST_F(RocksdbMailboxStoreTest, AFullQueueAnswersUnknownAtOnceAndTakesTheRest) {
  harness_.options.max_queue_items = 40;
  reopen();
  ASSERT_THAT(append(1, 1, 1), Each(AppendOutcome::stored));
  std::promise<void> at_the_disk;
  std::promise<void> go_on;
  auto released = go_on.get_future().share();
  std::atomic<bool> first = true;
  fault::set_hook([&](std::string_view name) {
    if (name == "store.before_wal_sync" && first.exchange(false)) {
      at_the_disk.set_value();
      released.wait();
    }
  });
  std::map<std::uint64_t, AppendOutcome> outcomes;
  const auto send = [&](std::uint64_t sequence) {
    harness_.store().append(
        epoch_, {append_for(mailbox(1), sequence, kDay)},
        [&outcomes, sequence](const std::vector<AppendOutcome>& answer) { outcomes[sequence] = answer.at(0); });
  };
  send(2);
  at_the_disk.get_future().wait();
  for (std::uint64_t sequence = 3; sequence <= 40; ++sequence) send(sequence);
  harness_.until([&] { return outcomes.size() == 18; });  // a call counts as one item more than it has
  for (const auto& [sequence, outcome] : outcomes) {
    EXPECT_GT(sequence, 22U);
    EXPECT_EQ(outcome, AppendOutcome::unknown);
  }
  go_on.set_value();
  harness_.until([&] { return outcomes.size() == 39; });
  fault::set_hook(nullptr);
  for (std::uint64_t sequence = 2; sequence <= 22; ++sequence) EXPECT_EQ(outcomes[sequence], AppendOutcome::stored);
  EXPECT_THAT(held(1), SizeIs(22));
  EXPECT_EQ(harness_.rocksdb().stats().refused_queue, 18U);
}

TEST_F(RocksdbMailboxStoreTest, ManyCallsShareOneSync) {
  ASSERT_THAT(append(1, 1, 1), Each(AppendOutcome::stored));
  std::promise<void> at_the_disk;
  std::promise<void> go_on;
  auto released = go_on.get_future().share();
  std::atomic<int> syncs = 0;
  fault::set_hook([&](std::string_view name) {
    if (name == "store.before_wal_sync" && ++syncs == 1) {
      at_the_disk.set_value();
      released.wait();
    }
  });
  int done = 0;
  const auto send = [&](std::uint64_t sequence) {
    harness_.store().append(epoch_, {append_for(mailbox(1), sequence, kDay)}, [&](const auto&) { ++done; });
  };
  send(2);
  at_the_disk.get_future().wait();
  for (std::uint64_t sequence = 3; sequence <= 500; ++sequence) send(sequence);
  go_on.set_value();
  harness_.until([&] { return done == 499; });
  fault::set_hook(nullptr);
  EXPECT_EQ(syncs, 2);
}

TEST_F(RocksdbMailboxStoreTest, ClosingAnswersEverything) {
  int done = 0;
  for (std::uint64_t sequence = 1; sequence <= 300; ++sequence) {
    harness_.store().append(epoch_, {append_for(mailbox(1), sequence, kDay)}, [&](const auto& answer) {
      EXPECT_THAT(answer, ElementsAre(AppendOutcome::stored));
      ++done;
    });
    harness_.store().read(epoch_, mailbox(1), Sequence(1), 1, 1, [&](ReadOutcome outcome, const auto&) {
      EXPECT_EQ(outcome, ReadOutcome::ok);
      ++done;
    });
  }
  harness_.close();
  EXPECT_EQ(done, 600);
}

TEST_F(RocksdbMailboxStoreTest, ThereIsALimitToTheDays) {
  for (std::uint32_t day = 0; day < 40; ++day)
    ASSERT_THAT(append(1, day + 1, day + 1, 10, Day(30000 + day)), Each(AppendOutcome::stored));
  EXPECT_THAT(append(1, 41, 41, 10, Day(31000)), ElementsAre(AppendOutcome::unknown));
  EXPECT_THAT(append(1, 41, 41, 10, Day(30039)), ElementsAre(AppendOutcome::stored));
  EXPECT_THAT(held(1), SizeIs(41));
  ASSERT_TRUE(harness_.expire_now(Day(30038)));
  EXPECT_THAT(held(1), SizeIs(2));
}

}  // namespace
}  // namespace opaline::store
