#pragma once
// The fixture of the tests of the RocksDB mailbox store: a store, its files, and a disk that fails when told to.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "store/conformance/fault_env.hpp"
#include "store/conformance/mailbox_harness.hpp"

namespace opaline::store::conformance {

inline constexpr Day kDay{20000};
inline constexpr Time kStart = from_unix_millis(1'728'000'000'000);

[[nodiscard]] inline MailboxId mailbox(std::uint64_t number) {
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

  FaultEnv fault_;
  RocksdbMailboxHarness harness_;
  OwnerEpoch epoch_{};
};

}  // namespace opaline::store::conformance
