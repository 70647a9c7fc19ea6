// The RocksDB mailbox store on disks that lose power, fill up and break, and its queue in front of them.
#include <sys/mount.h>

#include <future>

#include "base/fault_point.hpp"
#include "store/conformance/rocksdb_mailbox_fixture.hpp"

namespace opaline::store {
namespace {

using conformance::append_for;
using conformance::DiskState;
using conformance::kDay;
using conformance::kStart;
using conformance::mailbox;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class RocksdbMailboxDiskTest : public conformance::RocksdbMailboxStoreTest {};

TEST_F(RocksdbMailboxDiskTest, APowerCutTakesNothingThatWasAnswered) {
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

TEST_F(RocksdbMailboxDiskTest, LittleRoomLeftIsFullAndPasses) {
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

TEST_F(RocksdbMailboxDiskTest, ADiskThatFillsUpAnswersFullAndRecovers) {
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

TEST_F(RocksdbMailboxDiskTest, AFullDiskAtMidnightIsFull) {
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

TEST_F(RocksdbMailboxDiskTest, ABrokenDiskIsUnknownAndLosesNothing) {
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

TEST_F(RocksdbMailboxDiskTest, ARealDiskThatIsFullToTheLastByteLosesNothingAndRecovers) {
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

TEST_F(RocksdbMailboxDiskTest, ExpiryMakesRoomWhereTheReserveWasReached) {
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

TEST_F(RocksdbMailboxDiskTest, AFullQueueAnswersUnknownAtOnceAndTakesTheRest) {
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

TEST_F(RocksdbMailboxDiskTest, ManyCallsShareOneSync) {
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

TEST_F(RocksdbMailboxDiskTest, ClosingAnswersEverything) {
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

TEST_F(RocksdbMailboxDiskTest, ThereIsALimitToTheDays) {
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
