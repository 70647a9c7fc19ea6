// kill -9 at every fault point of the blobs: what was promised is there, what was given up stays away, and an upload
// goes on without a hole, also if the power went with the process.
#include <gmock/gmock.h>

#include <fstream>
#include <map>
#include <set>

#include "store/conformance/blob_harness.hpp"
#include "store/conformance/crash_child.hpp"
#include "store/drivers/file_key_vault.hpp"

namespace opaline::store {
namespace {

using namespace conformance;

constexpr std::uint32_t kFirstDay = 20000;
constexpr std::uint64_t kSize = 5000, kPiece = 700;

Time time_of(std::uint32_t day) {
  return from_unix_millis(std::int64_t{day} * 86'400'000 + 1000);
}
BlobTokenHash upload_of(std::uint64_t number) {
  return hash_of("upload " + std::to_string(number));
}

struct Node {
  explicit Node(const std::filesystem::path& root) {
    auto opened_vault = FileKeyVault::open({.directory = root / "vault", .master_key_file = std::nullopt}, random);
    if (!opened_vault) die(opened_vault.error().message);
    vault = std::move(*opened_vault);
    auto opened = FileBlobStore::open(
        {.directory = root / "blobs", .reserve_bytes = 0, .checkpoint_bytes = kCheckpoint}, *vault, random, log);
    if (!opened) die(opened.error().message);
    store = std::move(*opened);
  }
  crypto::SystemRandom random;
  NullLog log;
  std::unique_ptr<FileKeyVault> vault;
  std::unique_ptr<FileBlobStore> store;
};

/// Four days of uploads with releases, added releases and removals; the first two days expire.
class Load {
 public:
  Load(Node& node, const CrashChild& child) : store_(*node.store), child_(child) {}
  void work() {
    for (std::uint32_t day = kFirstDay; day < kFirstDay + 4; ++day) {
      for (int i = 0; i < 4; ++i) blob(day);
      if (day >= kFirstDay + 2) expire(day - 2);
    }
  }

 private:
  void blob(std::uint32_t day) {
    const std::uint64_t number = ++number_;
    const std::string name = std::to_string(number);
    if (!store_.create(new_blob(number, kSize, 3), time_of(day))) die("not created");
    child_.say("created " + name + " " + std::to_string(day));
    for (std::uint64_t at = 0; at < kSize; at += kPiece) {
      Bytes piece = content(number, at, std::min(kPiece, kSize - at));
      const auto done = store_.append(blob_id(number), upload_of(number), at, piece, time_of(day));
      if (!done || !done->appended) die("not appended");
      if (done->progress.checkpoint_due) {
        store_.checkpoint(blob_id(number), time_of(day));
        child_.say("durable " + name + " " + std::to_string(done->progress.received));
      }
      if (number % 4 == 0 && at > kSize / 2) return;  // an upload that stays unfinished
    }
    child_.say("complete " + name);
    for (const std::size_t token : {0U, 1U}) {
      if (store_.release(blob_id(number), hash_of("release " + std::to_string(token))) != false) die("released");
      child_.say("released " + name + " " + std::to_string(token));
    }
    if (!store_.add_releases(blob_id(number), upload_of(number), {hash_of("more")})) die("not added");
    child_.say("added " + name);
    if (number % 4 == 1) return;
    child_.say("removing " + name);
    if (number % 4 == 2) {
      std::ignore = store_.release(blob_id(number), hash_of("release 2"));
      if (store_.release(blob_id(number), hash_of("more")) != true) die("not the last");
    } else if (!store_.remove(blob_id(number), upload_of(number))) {
      die("not removed");
    }
    child_.say("removed " + name);
  }
  void expire(std::uint32_t day) {
    child_.say("expiring " + std::to_string(day));
    if (!store_.expire_through(Day(day))) die("not expired");
    child_.say("expired " + std::to_string(day));
  }
  BlobStore& store_;
  const CrashChild& child_;
  std::uint64_t number_ = 0;
};

TEST(BlobCrashChild, Works) {
  const auto child = CrashChild::from_environment();
  if (!child) GTEST_SKIP() << "runs only as the child of the test below";
  Node node(child->root);
  Load(node, *child).work();
}

struct Promised {
  struct Blob {
    std::uint32_t day = 0;
    std::uint64_t durable = 0;
    bool complete = false, added = false, removing = false, removed = false;
    std::set<std::size_t> released;
  };
  std::map<std::uint64_t, Blob> blobs;
  std::uint32_t expiring = 0, expired = 0;
};

Promised parse(const std::string& report) {
  Promised out;
  std::istringstream lines(report);
  std::string line, what;
  while (std::getline(lines, line)) {
    std::istringstream in(line);
    std::uint64_t number = 0, value = 0;
    in >> what >> number >> value;
    if (what == "expiring") {
      out.expiring = static_cast<std::uint32_t>(number);
    } else if (what == "expired") {
      out.expired = static_cast<std::uint32_t>(number);
    } else {
      auto& blob = out.blobs[number];
      if (what == "created") blob.day = static_cast<std::uint32_t>(value);
      if (what == "durable") blob.durable = value;
      if (what == "released") blob.released.insert(value);
      blob.complete = blob.complete || what == "complete";
      blob.added = blob.added || what == "added";
      blob.removing = blob.removing || what == "removing";
      blob.removed = blob.removed || what == "removed";
    }
  }
  return out;
}

/// What a power cut may leave of uploads of which nothing beyond `durable` was reported: zeros.
void cut_power(const std::filesystem::path& root, std::uint64_t durable) {
  for (const auto& each : std::filesystem::recursive_directory_iterator(root / "blobs")) {
    if (each.path().extension() != ".part") continue;
    std::fstream file(each.path(), std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(static_cast<std::streamoff>(8192 + durable));
    file << std::string(kSize - durable, '\0');
  }
}

class Check {
 public:
  Check(const std::filesystem::path& root, const Promised& promised) : node_(root), root_(root), promised_(promised) {}

  std::vector<std::string> broken() {
    for (const auto& [number, blob] : promised_.blobs) look(number, blob);
    // The one whose creation was perhaps not answered, and those not complete.
    std::map<std::uint64_t, std::uint64_t> uploads;
    for (std::uint64_t number = 1; number <= promised_.blobs.size() + 1; ++number) {
      const auto progress = node_.store->progress(blob_id(number), upload_of(number));
      if (progress && !progress->complete) uploads[number] = progress->received;
    }
    std::uint64_t durable = 0;
    for (const auto& [number, received] : uploads) durable = std::max(durable, received);
    cut_power(root_, durable);
    for (const auto& [number, received] : uploads) go_on(number, received);
    return std::move(broken_);
  }

 private:
  void complain(const std::string& what, std::uint64_t number) {
    broken_.push_back(what + " " + std::to_string(number));
  }
  void look(std::uint64_t number, const Promised::Blob& blob) {
    const bool expired = blob.day <= promised_.expired;
    const auto read = node_.store->read(blob_id(number), 0, kSize, Day(0));
    if (read && (expired || blob.removed)) return complain("came back", number);
    if (read && read->bytes != content(number, 0, kSize)) return complain("changed", number);
    if (blob.removing || blob.day <= promised_.expiring) return;
    const auto progress = node_.store->progress(blob_id(number), upload_of(number));
    if (!progress) return complain("lost", number);
    if (progress->received < blob.durable) complain("took back", number);
    if (blob.complete && !read) return complain("lost", number);
    if (progress->complete != read.has_value()) complain("half complete", number);
    if (!blob.complete) return;
    // What was released needs no release any more, what was added does.
    for (std::size_t token = 0; token < 3; ++token) {
      if (blob.released.contains(token)) continue;
      const auto last = node_.store->release(blob_id(number), hash_of("release " + std::to_string(token)));
      if (!last) complain("no release for", number);
      if (last && *last && blob.added) complain("forgot a device of", number);
    }
    if (blob.added && node_.store->release(blob_id(number), hash_of("more")) != true) {
      complain("forgot a release of", number);
    }
  }
  void go_on(std::uint64_t number, std::uint64_t at) {
    Bytes rest = content(number, at, kSize - at);
    const auto done = node_.store->append(blob_id(number), upload_of(number), at, rest, time_of(kFirstDay + 3));
    const auto read = node_.store->read(blob_id(number), 0, kSize, Day(0));
    if (!done || !done->progress.complete || !read) return complain("does not go on", number);
    if (read->bytes != content(number, 0, kSize)) complain("has a hole", number);
  }
  Node node_;
  const std::filesystem::path root_;
  const Promised& promised_;
  std::vector<std::string> broken_;
};

ChildEnd run(const TempDirectory& root, const std::string& fault) {
  return run_child("BlobCrashChild.Works", root.path(), fault);
}

class BlobCrashTest : public testing::TestWithParam<std::string_view> {};

TEST_P(BlobCrashTest, KilledHereNothingPromisedIsLost) {
  for (const int nth : {1, 2, 3, 7}) {
    SCOPED_TRACE(nth);
    const TempDirectory root;
    const ChildEnd end = run(root, std::string(GetParam()) + ":" + std::to_string(nth));
    if (nth > 1 && end.ended_well()) continue;  // it is not passed so often
    ASSERT_TRUE(end.killed()) << "the point was not reached: " << end.status;
    const Promised promised = parse(end.said);
    EXPECT_THAT(Check(root.path(), promised).broken(), testing::IsEmpty());
  }
}

TEST(BlobCrash, WithoutAFaultEverythingIsThere) {
  const TempDirectory root;
  const ChildEnd end = run(root, "");
  ASSERT_TRUE(end.ended_well());
  const Promised promised = parse(end.said);
  EXPECT_EQ(promised.expired, kFirstDay + 1);
  EXPECT_EQ(promised.blobs.size(), 16);
  EXPECT_THAT(Check(root.path(), promised).broken(), testing::IsEmpty());
}

TEST(BlobCrash, TheCheckNoticesALoss) {
  const TempDirectory root;
  Promised promised = parse(run(root, "").said);
  auto& unfinished = promised.blobs[16];
  auto& waiting = promised.blobs[13];
  auto& gone = promised.blobs[14];
  unfinished.complete = true;
  waiting.removed = true;
  gone.removing = gone.removed = false;
  EXPECT_THAT(Check(root.path(), promised).broken(), testing::IsSupersetOf({"lost 16", "came back 13", "lost 14"}));
}

INSTANTIATE_TEST_SUITE_P(AllPoints, BlobCrashTest, testing::ValuesIn(fault_points({"blobs."})), name_of_point);

}  // namespace
}  // namespace opaline::store
