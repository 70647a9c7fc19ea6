// What the files of FileBlobStore hold against: damage, old copies, other vaults, full disks, and what they show.
#include <gmock/gmock.h>

#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>

#include <fstream>

#include "store/conformance/blob_harness.hpp"
#include "store/internal/blob_file.hpp"

namespace opaline::store {
namespace {

using namespace conformance;
namespace fs = std::filesystem;

constexpr Time kNow = from_unix_millis(20000LL * 86'400'000 + 1000);
constexpr Day kToday{20000};

class FileBlobStoreTest : public testing::Test {
 protected:
  void make(std::uint64_t number, std::uint64_t size, std::uint64_t uploaded) {
    ASSERT_TRUE(h_.store().create(new_blob(number, size), kNow));
    Bytes piece = content(number, 0, uploaded);
    if (uploaded > 0) {
      ASSERT_TRUE(h_.store().append(blob_id(number), upload(number), 0, piece, kNow));
    }
  }
  Result<BlobPiece, BlobError> read(std::uint64_t number) {
    return h_.store().read(blob_id(number), 0, 1 << 20, Day(0));
  }
  static BlobTokenHash upload(std::uint64_t number) { return hash_of("upload " + std::to_string(number)); }
  /// All files of blobs, sorted.
  std::vector<fs::path> files() {
    std::vector<fs::path> out;
    for (const auto& each : fs::recursive_directory_iterator(h_.path())) {
      if (each.is_regular_file() && each.path().filename() != "VAULT") out.push_back(each.path());
    }
    std::ranges::sort(out);
    return out;
  }
  static std::string slurp(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  static void flip(const fs::path& path, std::uint64_t at) {
    std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
    file.seekg(static_cast<std::streamoff>(at));
    const char was = static_cast<char>(file.get());
    file.seekp(static_cast<std::streamoff>(at));
    file.put(static_cast<char>(was ^ 1));
  }
  FileBlobHarness h_;
};

TEST_F(FileBlobStoreTest, TheDiskShowsNoContentNoNameAndNoToken) {
  make(1, 5000, 5000);
  make(2, 5000, 2000);
  h_.reopen();
  std::string disk;
  for (const auto& each : fs::recursive_directory_iterator(h_.path())) {
    disk += each.path().string() + "\n";
    if (each.is_regular_file()) disk += slurp(each.path());
  }
  ASSERT_GT(disk.size(), 10'000);
  for (const std::uint64_t number : {1U, 2U}) {
    const BlobId id = blob_id(number);
    for (const auto& secret :
         {to_string(content(number, 0, 32)), to_string(content(number, 1000, 32)), to_string(id.view()), id.hex(),
          id.hex().substr(0, 16), to_base64url(id.view()), to_string(upload(number).view()),
          to_string(hash_of("release 0").view()), to_string(crypto::sha256({id.view()}))}) {
      EXPECT_EQ(disk.find(secret), std::string::npos);
    }
  }
}

TEST_F(FileBlobStoreTest, EachFileHasAKeyStreamOfItsOwn) {
  make(1, 4096, 4096);
  ASSERT_TRUE(h_.store().create(new_blob(2, 4096), kNow));
  Bytes same = content(1, 0, 4096);
  ASSERT_TRUE(h_.store().append(blob_id(2), upload(2), 0, same, kNow));
  const auto all = files();
  ASSERT_EQ(all.size(), 2);
  EXPECT_NE(slurp(all[0]).substr(8192), slurp(all[1]).substr(8192));
}

TEST_F(FileBlobStoreTest, FilesAreForTheServerAlone) {
  make(1, 10, 10);
  EXPECT_EQ(fs::status(h_.path()).permissions(), fs::perms::owner_all);
  EXPECT_EQ(fs::status(files()[0].parent_path()).permissions(), fs::perms::owner_all);
  EXPECT_EQ(fs::status(files()[0]).permissions(), fs::perms::owner_read | fs::perms::owner_write);
}

// ---------------------------------------------------------------- damage

TEST_F(FileBlobStoreTest, ADamagedByteOfContentIsServedAsItIsForTheRecipientToFind) {
  make(1, 5000, 5000);
  flip(files()[0], 8192 + 4000);
  const auto piece = read(1);
  ASSERT_TRUE(piece);
  Bytes expected = content(1, 0, 5000);
  expected[4000] ^= std::byte{1};
  EXPECT_EQ(piece->bytes, expected) << "one byte, as AES-CTR has it";
  EXPECT_NE(crypto::sha256({piece->bytes}), crypto::sha256({content(1, 0, 5000)}));
}

TEST_F(FileBlobStoreTest, EachByteOfTheHeadIsAuthentic) {
  make(1, 5000, 5000);
  const fs::path file = files()[0];
  const std::string good = slurp(file);
  for (std::uint64_t at = 0; at < 4096; at += 37) {
    std::ofstream(file, std::ios::binary | std::ios::trunc) << good;
    flip(file, at);
    EXPECT_EQ(h_.store().progress(blob_id(1), upload(1)).error(), BlobError::not_found) << at;
    EXPECT_EQ(h_.store().release(blob_id(1), hash_of("release 0")).error(), BlobError::not_found) << at;
  }
  EXPECT_GT(h_.files->stats().damaged, 100);
  std::ofstream(file, std::ios::binary | std::ios::trunc) << good;
  EXPECT_TRUE(h_.store().progress(blob_id(1), upload(1)));
}

TEST_F(FileBlobStoreTest, OfTwoSlotsTheOlderCountsWhereTheNewerIsDamaged) {
  make(1, 50, 50);
  EXPECT_EQ(h_.store().release(blob_id(1), hash_of("release 0")), false);
  flip(files()[0], 4096 + 100);  // the slot that this release wrote
  EXPECT_EQ(h_.store().release(blob_id(1), hash_of("release 1")), false) << "the first release is not known any more";
  EXPECT_EQ(h_.store().release(blob_id(1), hash_of("release 0")), true);
}

TEST_F(FileBlobStoreTest, AHeadOfAnotherBlobIsNone) {
  make(1, 5000, 5000);
  make(2, 5000, 5000);
  const auto all = files();
  const std::string one = slurp(all[0]), two = slurp(all[1]);
  std::ofstream(all[0], std::ios::binary | std::ios::trunc) << two.substr(0, 8192) + one.substr(8192);
  std::ofstream(all[1], std::ios::binary | std::ios::trunc) << one.substr(0, 8192) + two.substr(8192);
  for (const std::uint64_t number : {1U, 2U}) {
    EXPECT_EQ(h_.store().progress(blob_id(number), upload(number)).error(), BlobError::not_found);
    EXPECT_EQ(read(number)->bytes, content(number, 0, 5000)) << "its content is still its own";
  }
}

TEST_F(FileBlobStoreTest, SlotsDoNotChangePlaces) {
  make(1, 50, 50);
  const fs::path file = files()[0];
  const std::string was = slurp(file);
  std::ofstream(file, std::ios::binary | std::ios::trunc)
      << was.substr(4096, 4096) + was.substr(0, 4096) + was.substr(8192);
  EXPECT_EQ(h_.store().progress(blob_id(1), upload(1)).error(), BlobError::not_found);
}

TEST_F(FileBlobStoreTest, TruncatedFilesAreRefusedOrEndEarlier) {
  make(1, 5000, 5000);
  make(2, 5000, 2000);
  for (const std::uint64_t left : {8192U + 4999U, 8192U + 1U, 8192U, 8191U, 4096U, 100U, 0U}) {
    for (const fs::path& each : files()) fs::resize_file(each, left);
    const auto running = read(1);
    EXPECT_FALSE(running) << "shorter than the running server knows it: " << left;
    h_.reopen();
    EXPECT_FALSE(h_.store().progress(blob_id(1), upload(1)));
    EXPECT_FALSE(h_.store().progress(blob_id(2), upload(2)));
    const auto piece = read(1);
    if (piece) {
      EXPECT_NE(piece->size, 5000) << "the recipient knows the size";
    }
  }
  EXPECT_TRUE(h_.store().create(new_blob(2, 10), kNow)) << "an upload that is damaged is gone, and begins anew";
}

TEST_F(FileBlobStoreTest, RubbishAmongTheFilesDoesNoHarm) {
  make(1, 5000, 5000);
  const fs::path day = files()[0].parent_path();
  std::ofstream(h_.path() / "note") << "hello";
  fs::create_directory(h_.path() / "99999999999999999999");
  fs::create_directory(h_.path() / "020001");
  fs::create_directory(h_.path() / "20001");
  std::ofstream(day / "short") << "x";
  std::ofstream(day / (std::string(40, 'a') + ".part")) << std::string(9000, 'x');
  std::ofstream(day / std::string(40, 'A')) << std::string(9000, 'x');
  std::ofstream(day / std::string(39, 'b')) << std::string(9000, 'x');
  std::ofstream(day / std::string(40, 'c')) << "";
  fs::create_directory(day / std::string(40, 'd'));
  fs::create_symlink("/etc/passwd", day / std::string(40, 'e'));
  h_.reopen();
  EXPECT_EQ(h_.store().usage().blobs, 1);
  EXPECT_EQ(read(1)->bytes, content(1, 0, 5000));
  fs::remove(day / std::string(40, 'd'));
  ASSERT_TRUE(h_.store().expire_through(kToday));
  EXPECT_FALSE(fs::exists(day));
  EXPECT_TRUE(fs::exists("/etc/passwd"));
}

TEST_F(FileBlobStoreTest, AFileThatSomebodyRemovedIsNotFound) {
  make(1, 5000, 5000);
  fs::remove(files()[0]);
  EXPECT_EQ(read(1).error(), BlobError::not_found);
  EXPECT_EQ(h_.store().release(blob_id(1), hash_of("release 0")).error(), BlobError::not_found);
}

// ---------------------------------------------------------------- old copies, other vaults

TEST_F(FileBlobStoreTest, AnOldCopyBroughtBackOpensNothing) {
  make(1, 5000, 5000);
  make(2, 5000, 2000);
  h_.files.reset();
  const fs::path copy = h_.directory.path() / "copy";
  fs::copy(h_.path(), copy, fs::copy_options::recursive);
  h_.reopen();
  ASSERT_TRUE(h_.store().expire_through(kToday));
  EXPECT_TRUE(files().empty());
  h_.files.reset();
  fs::remove_all(h_.path());
  fs::copy(copy, h_.path(), fs::copy_options::recursive);
  h_.reopen();
  EXPECT_EQ(read(1).error(), BlobError::not_found);
  EXPECT_EQ(h_.store().progress(blob_id(2), upload(2)).error(), BlobError::not_found);
  EXPECT_EQ(h_.store().usage(), BlobUsage{});
  ASSERT_TRUE(h_.store().expire_through(kToday));
  EXPECT_TRUE(files().empty()) << "and its files go with the next expiry";
}

TEST_F(FileBlobStoreTest, ADirectoryOfAnotherVaultIsRefused) {
  h_.files.reset();
  MemoryKeyVault other(h_.random);
  const auto opened = FileBlobStore::open({.directory = h_.path()}, other, h_.random, h_.log);
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().message, testing::HasSubstr("another vault"));
  EXPECT_THAT(opened.error().message, testing::HasSubstr(h_.path().string()));
  EXPECT_TRUE(h_.open());
}

TEST_F(FileBlobStoreTest, ADirectoryThatDoesNotSayWhoseItIsIsRefused) {
  make(1, 10, 10);
  h_.files.reset();
  fs::remove(h_.path() / "VAULT");
  const auto opened = h_.open();
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().message, testing::HasSubstr("VAULT is missing"));
}

TEST_F(FileBlobStoreTest, AMissingDirectoryBeginsEmpty) {
  make(1, 10, 10);
  h_.files.reset();
  fs::remove_all(h_.path());
  h_.reopen();
  EXPECT_EQ(read(1).error(), BlobError::not_found);
  make(2, 10, 10);
  EXPECT_TRUE(read(2));
}

TEST_F(FileBlobStoreTest, TwoServersDoNotShareADirectory) {
  const auto second = h_.open();
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error().message, testing::HasSubstr("in use"));
}

TEST_F(FileBlobStoreTest, WithoutADayKeyThatDayIsNotServedAndTheOthersAre) {
  make(1, 10, 10);
  ASSERT_TRUE(h_.store().create(new_blob(2, 10), kNow + std::chrono::days(1)));
  Bytes piece = content(2, 0, 10);
  ASSERT_TRUE(h_.store().append(blob_id(2), upload(2), 0, piece, kNow));
  h_.files.reset();
  fs::rename(h_.path() / "20000", h_.path() / "20002");  // a day whose key was never made
  h_.reopen();
  EXPECT_EQ(read(1).error(), BlobError::not_found);
  EXPECT_EQ(read(2)->bytes, content(2, 0, 10));
}

// ---------------------------------------------------------------- vault and disk in trouble

TEST_F(FileBlobStoreTest, AVaultInTroubleChangesNothing) {
  make(1, 10, 10);
  h_.vault.failed = true;
  EXPECT_EQ(h_.store().create(new_blob(2, 10), kNow).error(), BlobError::failed);
  EXPECT_EQ(read(1).error(), BlobError::failed);
  EXPECT_EQ(h_.store().expire_through(kToday).error(), BlobError::failed);
  h_.vault.failed = false;
  EXPECT_EQ(read(1)->bytes, content(1, 0, 10));
  h_.vault.full = true;
  EXPECT_EQ(h_.store().create(new_blob(2, 10), kNow + std::chrono::days(1)).error(), BlobError::full);
}

TEST_F(FileBlobStoreTest, TheReserveIsLeftFree) {
  h_.files->set_reserve_bytes(UINT64_MAX / 2);
  EXPECT_EQ(h_.store().create(new_blob(1, 10), kNow).error(), BlobError::full);
  EXPECT_TRUE(files().empty()) << "nothing half-applied";
  h_.files->set_reserve_bytes(0);
  EXPECT_TRUE(h_.store().create(new_blob(1, 10), kNow));
}

/// Files of this process may not grow beyond `bytes`: the kernel then answers as for a full disk.
class FileLimit {
 public:
  explicit FileLimit(rlim_t bytes) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    handler_ = std::signal(SIGXFSZ, SIG_IGN);
    const rlimit now{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &now);
  }
  FileLimit(const FileLimit&) = delete;
  FileLimit& operator=(const FileLimit&) = delete;
  ~FileLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  rlimit before_{};
  void (*handler_)(int) = nullptr;
};

TEST_F(FileBlobStoreTest, AFullDiskRefusesAtTheBeginningAndLeavesNothing) {
  const FileLimit limit(50'000);
  EXPECT_EQ(h_.store().create(new_blob(1, 100'000), kNow).error(), BlobError::full);
  EXPECT_TRUE(files().empty());
  EXPECT_EQ(h_.store().usage(), BlobUsage{});
  EXPECT_TRUE(h_.store().create(new_blob(1, 10'000), kNow));
  EXPECT_EQ(h_.files->stats().full, 1);
}

TEST_F(FileBlobStoreTest, AFullDiskInTheMiddleChangesNothingAndTheUploadGoesOn) {
  make(1, 100'000, 40'000);
  {
    const FileLimit limit(8192 + 60'000);
    Bytes piece = content(1, 40'000, 60'000);
    EXPECT_EQ(h_.store().append(blob_id(1), upload(1), 40'000, piece, kNow).error(), BlobError::full);
    EXPECT_EQ(h_.store().progress(blob_id(1), upload(1))->received, 40'000);
    h_.reopen();
  }
  EXPECT_EQ(h_.store().progress(blob_id(1), upload(1))->received, 40'000);
  Bytes piece = content(1, 40'000, 60'000);
  ASSERT_TRUE(h_.store().append(blob_id(1), upload(1), 40'000, piece, kNow)->progress.complete);
  EXPECT_EQ(read(1)->bytes, content(1, 0, 100'000));
}

TEST_F(FileBlobStoreTest, RoomIsLaidHoldOfWhenAnUploadBegins) {
  make(1, 10 << 20, 0);
  struct stat status{};
  ASSERT_EQ(::stat(files()[0].c_str(), &status), 0);
  EXPECT_GE(status.st_blocks * 512, 10 << 20) << "so that it is not refused in the middle";
}

}  // namespace
}  // namespace opaline::store
