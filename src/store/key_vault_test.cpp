// The conformance suite of the KeyVault port, and the file vault's own promises.
#include "store/key_vault.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <thread>

#include "crypto/random.hpp"
#include "store/conformance/temp_directory.hpp"
#include "store/drivers/file_key_vault.hpp"
#include "store/drivers/memory_key_vault.hpp"

namespace opaline::store {
namespace {

using conformance::TempDirectory;
using testing::HasSubstr;

constexpr Day kDay{20000};

template <class Key>
std::string hex(const Result<Key, VaultError>& key) {
  return key ? to_hex(key->reveal()) : "error";
}

class VaultHarness {
 public:
  virtual ~VaultHarness() = default;
  [[nodiscard]] virtual KeyVault& vault() = 0;
  virtual void reopen() = 0;
};
class MemoryVaultHarness final : public VaultHarness {
 public:
  KeyVault& vault() override { return vault_; }
  void reopen() override {}

 private:
  SeededRandom random_{1};
  MemoryKeyVault vault_{random_};
};
class FileVaultHarness final : public VaultHarness {
 public:
  FileVaultHarness() { FileVaultHarness::reopen(); }
  KeyVault& vault() override { return *vault_; }
  void reopen() override {
    vault_.reset();
    vault_ = std::move(
        *FileKeyVault::open({.directory = directory_.path() / "vault", .master_key_file = std::nullopt}, random_));
  }

 private:
  TempDirectory directory_;
  crypto::SystemRandom random_;
  std::unique_ptr<FileKeyVault> vault_;
};

using MakeHarness = std::unique_ptr<VaultHarness> (*)();
class KeyVaultTest : public testing::TestWithParam<std::pair<const char*, MakeHarness>> {
 protected:
  KeyVault& vault() { return harness_->vault(); }
  std::unique_ptr<VaultHarness> harness_ = GetParam().second();
};

TEST_P(KeyVaultTest, AKeyOfADayIsMadeOnceAndStays) {
  EXPECT_EQ(vault().existing_day_key(kDay).error(), VaultError::missing) << "never makes one";
  const std::string key = hex(vault().day_key(kDay));
  EXPECT_EQ(key.size(), 64U);
  EXPECT_EQ(hex(vault().day_key(kDay)), key);
  EXPECT_EQ(hex(vault().existing_day_key(kDay)), key);
  EXPECT_NE(hex(vault().day_key(Day(20001))), key);
  harness_->reopen();
  EXPECT_EQ(hex(vault().existing_day_key(kDay)), key);
  EXPECT_EQ(hex(vault().day_key(kDay)), key);
}

TEST_P(KeyVaultTest, DestroyedDaysNeverComeBack) {
  for (std::uint32_t day = 19990; day <= 20002; ++day) ASSERT_TRUE(vault().day_key(Day(day)).has_value());
  const std::string later = hex(vault().day_key(Day(20001)));
  ASSERT_TRUE(vault().destroy_through(kDay).has_value());
  const auto check = [&] {
    for (const std::uint32_t day : {0U, 19989U, 19990U, 19999U, 20000U}) {
      EXPECT_EQ(vault().existing_day_key(Day(day)).error(), VaultError::destroyed);
      EXPECT_EQ(vault().day_key(Day(day)).error(), VaultError::destroyed) << "also a day that never had a key";
    }
    EXPECT_EQ(hex(vault().existing_day_key(Day(20001))), later);
  };
  check();
  harness_->reopen();
  check();
  ASSERT_TRUE(vault().destroy_through(Day(19000)).has_value()) << "an earlier day changes nothing";
  check();
  harness_->reopen();
  check();
}

TEST_P(KeyVaultTest, NamedKeysStayAndDiffer) {
  const std::string rows = hex(vault().named_key("rows"));
  EXPECT_NE(rows, hex(vault().named_key("index")));
  harness_->reopen();
  EXPECT_EQ(hex(vault().named_key("rows")), rows);
  ASSERT_TRUE(vault().destroy_through(kDay).has_value());
  EXPECT_EQ(hex(vault().named_key("rows")), rows);
  EXPECT_DEATH(static_cast<void>(vault().named_key("../rows")), "is_vault_purpose");
}

INSTANTIATE_TEST_SUITE_P(
    Drivers, KeyVaultTest,
    testing::Values(
        std::pair<const char*, MakeHarness>("memory",
                                            [] { return std::unique_ptr<VaultHarness>(new MemoryVaultHarness); }),
        std::pair<const char*, MakeHarness>("file",
                                            [] { return std::unique_ptr<VaultHarness>(new FileVaultHarness); })),
    [](const auto& param) { return std::string(param.param.first); });

// --- the file vault ---

class FileKeyVaultTest : public testing::Test {
 protected:
  FileKeyVaultTest() : where_(directory_.path() / "vault") {}
  Result<std::unique_ptr<FileKeyVault>, OpenError> open() {
    return FileKeyVault::open({.directory = where_, .master_key_file = master_}, random_);
  }
  std::unique_ptr<FileKeyVault> must_open() {
    auto opened = open();
    EXPECT_TRUE(opened.has_value()) << (opened ? "" : opened.error().message);
    return std::move(*opened);
  }
  std::string why_not() {
    const auto opened = open();
    return opened ? "it opened" : opened.error().message;
  }
  static std::string contents(const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  static void write(const std::filesystem::path& path, const std::string& bytes) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
  }
  [[nodiscard]] std::filesystem::path file(const std::string& name) const { return where_ / name; }

  TempDirectory directory_;
  std::filesystem::path where_;
  std::optional<std::filesystem::path> master_;
  crypto::SystemRandom random_;
};

TEST_F(FileKeyVaultTest, OnlyTheOwnerMayEnter) {
  auto vault = must_open();
  ASSERT_TRUE(vault->day_key(kDay).has_value());
  ASSERT_TRUE(vault->named_key("rows").has_value());
  struct stat status{};
  ASSERT_EQ(::stat(where_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0700U);
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(where_)) {
    ASSERT_EQ(::stat(entry.path().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600U) << entry.path();
    ++files;
  }
  EXPECT_EQ(files, 5);  // lock, master.key, state, a day, a name
  vault.reset();
  for (const mode_t mode : {0750, 0701, 0770, 0777, 0704}) {
    ASSERT_EQ(::chmod(where_.c_str(), mode), 0);
    EXPECT_THAT(why_not(), HasSubstr("chmod 700"));
  }
  ASSERT_EQ(::chmod(where_.c_str(), 0700), 0);
  must_open();
}

TEST_F(FileKeyVaultTest, ALinkInPlaceOfTheDirectoryIsRefused) {
  std::filesystem::create_directory(directory_.path() / "elsewhere");
  ::chmod((directory_.path() / "elsewhere").c_str(), 0700);
  std::filesystem::create_directory_symlink(directory_.path() / "elsewhere", where_);
  EXPECT_THAT(why_not(), HasSubstr("cannot open the directory"));
}

TEST_F(FileKeyVaultTest, KeysLieWrapped) {
  auto vault = must_open();
  const auto day = vault->day_key(kDay);
  const auto named = vault->named_key("rows");
  for (const auto& entry : std::filesystem::directory_iterator(where_)) {
    const std::string bytes = contents(entry.path());
    EXPECT_EQ(bytes.find(as_text(day->reveal())), std::string::npos) << entry.path();
    EXPECT_EQ(bytes.find(as_text(named->reveal())), std::string::npos) << entry.path();
  }
}

TEST_F(FileKeyVaultTest, EveryDamageOfAKeyIsFoundAtTheStart) {
  must_open()->day_key(kDay).value();
  const auto path = file("day-20000.key");
  const std::string good = contents(path);
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 0x20);
    write(path, bad);
    EXPECT_THAT(why_not(), HasSubstr("day-20000.key is damaged")) << i;
    write(path, good.substr(0, i));
    EXPECT_THAT(why_not(), HasSubstr("day-20000.key is damaged")) << i;
  }
  write(path, good + "x");
  EXPECT_THAT(why_not(), HasSubstr("day-20000.key is damaged"));
  // A key under another day's name.
  write(path, good);
  write(file("day-20001.key"), good);
  EXPECT_THAT(why_not(), HasSubstr("day-20001.key is damaged"));
  std::filesystem::remove(file("day-20001.key"));
  EXPECT_TRUE(must_open()->day_key(kDay).has_value());
}

TEST_F(FileKeyVaultTest, DamageWhileItIsOpenIsFound) {
  const auto vault = must_open();
  must_open()->day_key(kDay).value();
  write(file("day-20000.key"), "damaged");
  EXPECT_EQ(vault->day_key(kDay).error(), VaultError::failed);
  EXPECT_EQ(vault->existing_day_key(kDay).error(), VaultError::failed);
}

TEST_F(FileKeyVaultTest, DamagedDaysAreGivenUpOnlyIfAskedFor) {
  must_open()->day_key(kDay).value();
  write(file("day-20000.key"), "damaged");
  EXPECT_THAT(why_not(), HasSubstr("accept_damage"));
  ASSERT_TRUE(FileKeyVault::open({.directory = where_, .master_key_file = {}, .give_up_damaged_days = true}, random_));
  EXPECT_EQ(must_open()->existing_day_key(kDay).error(), VaultError::missing);
}

TEST_F(FileKeyVaultTest, ANamedKeyThatWasThereIsNeverReplaced) {
  const std::string key = hex(must_open()->named_key("index"));
  const std::string good = contents(file("named-index.key"));
  const auto open_already = must_open();
  std::filesystem::remove(file("named-index.key"));
  EXPECT_THAT(why_not(), HasSubstr("named-index.key is missing"));
  EXPECT_EQ(open_already->named_key("index").error(), VaultError::failed);
  write(file("named-index.key"), good.substr(1));
  EXPECT_THAT(why_not(), HasSubstr("named-index.key is damaged"));
  write(file("named-index.key"), good);
  EXPECT_EQ(hex(must_open()->named_key("index")), key);
  ASSERT_TRUE(must_open()->destroy_through(kDay).has_value());
  std::filesystem::remove(file("named-index.key"));
  EXPECT_THAT(why_not(), HasSubstr("named-index.key is missing")) << "destroying days forgets no name";
}

TEST_F(FileKeyVaultTest, ADamagedOrMissingMasterOrStateIsSaid) {
  must_open()->day_key(kDay).value();
  const std::string master = contents(file("master.key"));
  for (std::size_t i = 0; i < master.size(); i += 5) {
    std::string bad = master;
    bad[i] = static_cast<char>(bad[i] ^ 1);
    write(file("master.key"), bad);
    EXPECT_THAT(why_not(), HasSubstr("master.key is damaged"));
  }
  std::filesystem::remove(file("master.key"));
  EXPECT_THAT(why_not(), HasSubstr("master.key is missing"));
  write(file("master.key"), master);
  const std::string state = contents(file("state"));
  std::string bad = state;
  bad.back() = static_cast<char>(bad.back() ^ 1);
  write(file("state"), bad);
  EXPECT_THAT(why_not(), HasSubstr("state"));
  std::filesystem::remove(file("state"));
  EXPECT_THAT(why_not(), HasSubstr("put back the whole directory"));
  write(file("state"), state);
  must_open();
}

TEST_F(FileKeyVaultTest, ACrashAtTheVeryFirstOpeningDoesNoHarm) {
  must_open();
  std::filesystem::remove(file("state"));
  write(file(".tmp-0123"), "half a file");
  EXPECT_TRUE(must_open()->day_key(kDay).has_value());
  EXPECT_FALSE(std::filesystem::exists(file(".tmp-0123")));
}

TEST_F(FileKeyVaultTest, TheMasterKeyMayLieElsewhere) {
  master_ = directory_.path() / "credential";
  EXPECT_THAT(why_not(), HasSubstr("master key file"));
  write(*master_, "short");
  ::chmod(master_->c_str(), 0600);
  EXPECT_THAT(why_not(), HasSubstr("fewer than 32 bytes"));
  write(*master_, std::string(32, 'm'));
  ::chmod(master_->c_str(), 0604);
  EXPECT_THAT(why_not(), HasSubstr("everybody may read it"));
  ::chmod(master_->c_str(), 0400);
  const std::string key = hex(must_open()->day_key(kDay));
  EXPECT_FALSE(std::filesystem::exists(file("master.key")));
  EXPECT_EQ(hex(must_open()->day_key(kDay)), key);
  ::chmod(master_->c_str(), 0600);
  write(*master_, std::string(31, 'm') + "n");
  EXPECT_THAT(why_not(), HasSubstr("it is not this vault's master key"));
  master_.reset();
  EXPECT_THAT(why_not(), HasSubstr("master.key is missing"));
}

TEST_F(FileKeyVaultTest, ASystemdCredentialIsFound) {
  ::unsetenv("CREDENTIALS_DIRECTORY");
  EXPECT_EQ(systemd_credential("opaline-master"), std::nullopt);
  ::setenv("CREDENTIALS_DIRECTORY", directory_.path().c_str(), 1);
  EXPECT_EQ(systemd_credential("opaline-master"), std::nullopt);
  write(directory_.path() / "opaline-master", std::string(32, 'k'));
  EXPECT_EQ(systemd_credential("opaline-master"), directory_.path() / "opaline-master");
  ::unsetenv("CREDENTIALS_DIRECTORY");
}

TEST_F(FileKeyVaultTest, DestroyingOverwritesBeforeItUnlinks) {
  auto vault = must_open();
  ASSERT_TRUE(vault->day_key(kDay).has_value());
  const auto kept = directory_.path() / "hard-link";  // sees the file's blocks after its name is gone
  std::filesystem::create_hard_link(file("day-20000.key"), kept);
  ASSERT_TRUE(vault->destroy_through(kDay).has_value());
  EXPECT_FALSE(std::filesystem::exists(file("day-20000.key")));
  const std::string left = contents(kept);
  EXPECT_GT(left.size(), 0U);
  EXPECT_EQ(left.find_first_not_of('\0'), std::string::npos);
  EXPECT_EQ(*vault->destroyed_through(), std::optional(kDay));
}

TEST_F(FileKeyVaultTest, AnInterruptedDestroyingIsEndedAtTheNextOpening) {
  must_open()->day_key(kDay).value();
  const std::string key_file = contents(file("day-20000.key"));
  ASSERT_TRUE(must_open()->destroy_through(kDay).has_value());
  write(file("day-20000.key"), key_file);  // as if the crash had come before the file went
  EXPECT_EQ(must_open()->existing_day_key(kDay).error(), VaultError::destroyed);
  EXPECT_FALSE(std::filesystem::exists(file("day-20000.key")));
}

TEST_F(FileKeyVaultTest, ProcessesThatShareAVaultAgree) {
  const auto one = must_open();
  const auto other = must_open();
  EXPECT_EQ(hex(one->day_key(kDay)), hex(other->day_key(kDay)));
  EXPECT_EQ(hex(one->named_key("rows")), hex(other->named_key("rows")));
  ASSERT_TRUE(one->destroy_through(Day(20005)).has_value());
  EXPECT_EQ(other->day_key(Day(20005)).error(), VaultError::destroyed);
  std::string keys[8];
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] { keys[i] = hex((i % 2 == 0 ? one : other)->day_key(Day(20006))); });
  }
  for (auto& thread : threads) thread.join();
  for (const std::string& key : keys) EXPECT_EQ(key, keys[0]);
  EXPECT_EQ(keys[0].size(), 64U);
}

}  // namespace
}  // namespace opaline::store
