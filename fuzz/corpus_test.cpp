// Every file of the corpus through its target: what a fuzzer has found once stays found. One test a file.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "fuzz/targets.hpp"

namespace opaline::fuzz {
namespace {

const std::filesystem::path kCorpus = std::filesystem::path(OPALINE_SOURCE_DIR) / "fuzz" / "corpus";

class File : public ::testing::Test {
 public:
  File(const Target& target, std::filesystem::path path) : target_(target), path_(std::move(path)) {}
  void TestBody() override {
    std::ifstream in(path_, std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(in), {}};
    ASSERT_FALSE(in.bad());
    target_.run(as_view(bytes));
  }

 private:
  const Target& target_;
  std::filesystem::path path_;
};

class Targets : public ::testing::TestWithParam<Target> {};
TEST_P(Targets, TakeTheEmptyInputAndHaveACorpus) {
  GetParam().run({});
  std::size_t files = 0;
  for (const auto& file : std::filesystem::directory_iterator(kCorpus / GetParam().name))
    files += file.is_regular_file();
  EXPECT_GE(files, 5U);
}
INSTANTIATE_TEST_SUITE_P(All, Targets, ::testing::ValuesIn(kTargets),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(Corpus, BelongsToTargets) {
  std::set<std::string> names;
  for (const Target& target : kTargets) names.emplace(target.name);
  for (const auto& directory : std::filesystem::directory_iterator(kCorpus))
    EXPECT_TRUE(names.contains(directory.path().filename().string())) << directory.path();
}

const bool kRegistered = [] {
  for (const Target& target : kTargets) {
    std::error_code missing;
    std::set<std::filesystem::path> files;
    for (const auto& file : std::filesystem::directory_iterator(kCorpus / target.name, missing))
      files.insert(file.path());
    for (const auto& file : files) {
      ::testing::RegisterTest(("Corpus_" + std::string(target.name)).c_str(), file.filename().c_str(), nullptr, nullptr,
                              __FILE__, __LINE__, [&target, file]() -> File* { return new File(target, file); });
    }
  }
  return true;
}();

}  // namespace
}  // namespace opaline::fuzz
