// kill -9 at every named fault point under load: nothing that was answered `stored` is lost, nothing that was destroyed
// comes back.
#include <gmock/gmock.h>

#include <map>
#include <set>

#include "crypto/random.hpp"
#include "store/conformance/crash_child.hpp"
#include "store/conformance/mailbox_harness.hpp"
#include "store/drivers/file_key_vault.hpp"
#include "store/drivers/rocksdb_row_store.hpp"

namespace opaline::store {
namespace {

using namespace conformance;

constexpr std::uint32_t kFirstDay = 20000;
constexpr std::uint64_t kBoxes = 5;

MailboxId mailbox(std::uint64_t number) {
  SeededRandom random(number + 100);
  return random.id<MailboxId>();
}

/// All that a node keeps, in one directory.
struct Node {
  explicit Node(const std::filesystem::path& root) {
    auto opened_vault = FileKeyVault::open({.directory = root / "vault", .master_key_file = std::nullopt}, random);
    if (!opened_vault) die(opened_vault.error().message);
    vault = std::move(*opened_vault);
    auto opened_rows = RocksdbRowStore::open({.directory = root / "rows", .tables = {"t"}}, log);
    if (!opened_rows) die(opened_rows.error().message);
    rows = std::move(*opened_rows);
    RocksdbMailboxOptions options;
    options.directory = root / "mailboxes";
    auto opened = RocksdbMailboxStore::open(options, *vault, random, loop.executor(), log);
    if (!opened) die(opened.error().message);
    store = std::move(*opened);
    const auto taken = store->acquire_all();
    if (!taken) die("cannot take the partitions");
    epoch = *taken;
  }
  crypto::SystemRandom random;
  NullLog log;
  ShuffledLoop loop{1};
  std::unique_ptr<FileKeyVault> vault;
  std::unique_ptr<RocksdbRowStore> rows;
  std::unique_ptr<RocksdbMailboxStore> store;
  OwnerEpoch epoch{};
};

/// The load: three days of appends with removals, expiry of the first two days, rows in between.
class Load {
 public:
  Load(Node& node, const CrashChild& child) : node_(node), child_(child) {}

  void work() {
    for (std::uint32_t day = kFirstDay; day < kFirstDay + 4; ++day) {
      for (int i = 0; i < 60; ++i) one(day);
      settle();
      if (day >= kFirstDay + 2) expire(day - 2);
    }
  }

 private:
  void one(std::uint32_t day) {
    std::vector<Append> batch;
    for (std::uint64_t box = 0; box < kBoxes; ++box) {
      ++sequence_;
      batch.push_back(append_for(mailbox(box), sequence_, Day(day), 50 + sequence_ % 200));
    }
    const std::uint64_t first = sequence_ - kBoxes + 1;
    ++open_;
    node_.store->append(node_.epoch, std::move(batch), [this, first, day](const std::vector<AppendOutcome>& outcomes) {
      --open_;
      for (std::size_t i = 0; i < outcomes.size(); ++i) {
        if (outcomes[i] != AppendOutcome::stored) die("an append was not stored");
        child_.say("stored " + std::to_string(i) + " " + std::to_string(first + i) + " " + std::to_string(day));
      }
    });
    if (sequence_ % 7 == 0 && sequence_ > 200) {
      const std::uint64_t box = sequence_ % kBoxes;
      const std::uint64_t through = sequence_ - 150;
      child_.say("removing " + std::to_string(box) + " " + std::to_string(through));
      node_.store->remove(node_.epoch, {{mailbox(box), Sequence(through)}});
    }
    if (sequence_ % 50 == 0) {
      const std::string key = std::to_string(sequence_);
      if (!node_.rows->write({{.table = "t", .key = to_bytes(key), .value = to_bytes("row " + key)}}))
        die("a row was not written");
      child_.say("row " + key);
    }
    if (sequence_ % 16 == 0) settle();
  }
  void settle() {
    while (open_ > 0) node_.loop.run_one();
  }
  void expire(std::uint32_t day) {
    child_.say("expiring " + std::to_string(day));
    ++open_;
    node_.store->expire_through(Day(day), [this, day](bool destroyed) {
      --open_;
      if (!destroyed) die("not expired");
      child_.say("expired " + std::to_string(day));
    });
    settle();
  }

  Node& node_;
  const CrashChild& child_;
  std::uint64_t sequence_ = 0;
  int open_ = 0;
};

TEST(RocksdbCrashChild, Works) {
  const auto child = CrashChild::from_environment();
  if (!child) GTEST_SKIP() << "runs only as the child of the test below";
  Node node(child->root);
  Load(node, *child).work();
}

/// What the child was told before it died.
struct Promised {
  std::map<std::uint64_t, std::map<std::uint64_t, std::uint32_t>> stored;  // box, sequence, day
  std::map<std::uint64_t, std::uint64_t> removing;
  std::set<std::string> rows;
  std::uint32_t expiring = 0, expired = 0;
};

Promised parse(const std::string& report) {
  Promised out;
  std::istringstream lines(report);
  std::string line;
  while (std::getline(lines, line)) {
    std::istringstream in(line);
    std::string what;
    in >> what;
    if (what == "stored") {
      std::uint64_t box = 0;
      std::uint64_t sequence = 0;
      std::uint32_t day = 0;
      in >> box >> sequence >> day;
      out.stored[box][sequence] = day;
    } else if (what == "removing") {
      std::uint64_t box = 0;
      std::uint64_t through = 0;
      in >> box >> through;
      out.removing[box] = std::max(out.removing[box], through);
    } else if (what == "row") {
      std::string key;
      in >> key;
      out.rows.insert(key);
    } else if (what == "expiring") {
      in >> out.expiring;
    } else if (what == "expired") {
      in >> out.expired;
    }
  }
  return out;
}

ChildEnd run(const TempDirectory& root, const std::string& fault) {
  return run_child("RocksdbCrashChild.Works", root.path(), fault);
}

/// What of the promises the node that starts afterwards does not keep.
std::vector<std::string> broken(const std::filesystem::path& root, const Promised& promised) {
  std::vector<std::string> out;
  Node node(root);
  for (std::uint64_t box = 0; box < kBoxes; ++box) {
    std::optional<std::vector<StoredEnvelope>> found;
    node.store->read(node.epoch, mailbox(box), Sequence(1), 1 << 20, std::size_t{1} << 30,
                     [&](ReadOutcome outcome, std::vector<StoredEnvelope> envelopes) {
                       if (outcome != ReadOutcome::ok) out.emplace_back("a read failed");
                       found = std::move(envelopes);
                     });
    while (!found) node.loop.run_one();
    std::map<std::uint64_t, Day> held;
    for (const StoredEnvelope& each : *found) {
      const auto sequence = static_cast<std::uint64_t>(each.sequence);
      const Append expected = append_for(mailbox(box), sequence, each.day, 50 + sequence % 200);
      if (each.id != expected.id || each.gap != expected.gap || each.ciphertext != expected.ciphertext) {
        out.push_back("changed " + std::to_string(sequence));
      }
      if (each.day <= Day(promised.expired)) out.push_back("came back " + std::to_string(sequence));
      held[sequence] = each.day;
    }
    const auto removing = promised.removing.find(box);
    const auto stored = promised.stored.find(box);
    if (stored == promised.stored.end()) continue;
    for (const auto& [sequence, day] : stored->second) {
      if (removing != promised.removing.end() && sequence <= removing->second) continue;  // may be gone or not
      if (day <= promised.expiring) continue;
      if (!held.contains(sequence) || held[sequence] != Day(day)) out.push_back("lost " + std::to_string(sequence));
    }
  }
  for (const std::string& key : promised.rows) {
    const auto row = node.rows->get("t", as_view(key));
    if (!row || *row != std::optional(to_bytes("row " + key))) out.push_back("lost row " + key);
  }
  for (std::uint32_t day = kFirstDay; day <= promised.expired; ++day) {
    if (node.vault->day_key(Day(day))) out.push_back("key came back " + std::to_string(day));
  }
  return out;
}

class RocksdbCrashTest : public testing::TestWithParam<std::string_view> {};

TEST_P(RocksdbCrashTest, KilledHereNothingPromisedIsLost) {
  for (const int nth : {1, 4}) {
    SCOPED_TRACE(nth);
    const TempDirectory root;
    const ChildEnd end = run(root, std::string(GetParam()) + ":" + std::to_string(nth));
    if (nth == 4 && end.ended_well()) continue;  // it is not passed so often
    ASSERT_TRUE(end.killed()) << "the point was not reached: " << end.status;
    const Promised promised = parse(end.said);
    EXPECT_THAT(broken(root.path(), promised), testing::IsEmpty());
  }
}

TEST(RocksdbCrash, WithoutAFaultEverythingIsThere) {
  const TempDirectory root;
  const ChildEnd end = run(root, "");
  ASSERT_TRUE(end.ended_well());
  const Promised promised = parse(end.said);
  EXPECT_EQ(promised.expired, kFirstDay + 1);
  EXPECT_EQ(promised.stored.size(), kBoxes);
  EXPECT_FALSE(promised.rows.empty());
  EXPECT_THAT(broken(root.path(), promised), testing::IsEmpty());
}

TEST(RocksdbCrash, TheCheckNoticesALoss) {
  const TempDirectory root;
  Promised promised = parse(run(root, "store.before_wal_sync:5").said);
  ASSERT_FALSE(promised.stored.empty());
  EXPECT_THAT(broken(root.path(), promised), testing::IsEmpty());
  promised.stored[0][1'000'000] = kFirstDay + 3;
  promised.rows.insert("none");
  promised.expired = kFirstDay + 3;
  const auto complaints = broken(root.path(), promised);
  for (const char* each : {"lost 1000000", "lost row none", "key came back 20003"})
    EXPECT_THAT(complaints, testing::Contains(each));
}

/// Those of the blobs and of the client have tests of their own (blob_crash_test.cpp, tests/system/files_test.py).
INSTANTIATE_TEST_SUITE_P(AllPoints, RocksdbCrashTest, testing::ValuesIn(fault_points({"store.", "vault."})),
                         name_of_point);

}  // namespace
}  // namespace opaline::store
