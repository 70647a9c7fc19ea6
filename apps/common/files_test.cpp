#include "apps/common/files.hpp"

#include <gmock/gmock.h>

#include <fstream>

#include "store/conformance/temp_directory.hpp"

namespace opaline::apps {
namespace {

using testing::EndsWith;

class Files : public testing::Test {
 protected:
  std::filesystem::path with(std::string_view content) {
    const auto file = directory_.path() / "file";
    std::ofstream(file, std::ios::binary) << content;
    return file;
  }
  std::string secret_in(std::string_view content) {
    const auto out = read_secret(with(content));
    return out ? to_string(*out) : "error: " + out.error();
  }

  store::conformance::TempDirectory directory_;
};

TEST_F(Files, ASecretIsTheFirstLineWithoutItsEnd) {
  EXPECT_EQ(secret_in("correct horse\nand more\n"), "correct horse");
  EXPECT_EQ(secret_in("correct horse\r\nand more\r\n"), "correct horse");
  EXPECT_EQ(secret_in("correct horse"), "correct horse") << "a line that nothing ends";
  EXPECT_EQ(secret_in(" a\rb \n"), " a\rb ") << "blanks belong to it";
  EXPECT_EQ(secret_in("\nsecond"), "");
  EXPECT_EQ(secret_in(""), "");
}

TEST_F(Files, ALineThatIsTooLongIsNoSecret) {
  const std::string longest(4096, 'x');
  EXPECT_EQ(secret_in(longest + "\n" + longest), longest);
  EXPECT_EQ(secret_in(longest + "\r\n"), longest);
  EXPECT_THAT(secret_in(longest + "x"), EndsWith("its first line has more than 4096 bytes"));
  EXPECT_THAT(secret_in(longest + "\rx"), EndsWith("its first line has more than 4096 bytes"));
  EXPECT_THAT(secret_in(longest + "xxx\n"), EndsWith("its first line has more than 4096 bytes"));
}

TEST_F(Files, AFileIsReadWholeOrNotAtAll) {
  EXPECT_EQ(read_file(with(std::string("a\0\r\n", 4)), 4), std::string("a\0\r\n", 4));
  EXPECT_THAT(read_file(with("12345"), 4).error(), EndsWith("file: it is larger than 4 bytes"));
  EXPECT_EQ(read_file(with(""), 4), "");
}

TEST_F(Files, WhatCannotBeReadIsNamedWithTheReason) {
  const auto missing = directory_.path() / "none";
  const std::string begin = "cannot read " + directory_.path().string();
  EXPECT_EQ(read_file(missing).error(), begin + "/none: No such file or directory");
  EXPECT_EQ(read_secret(missing).error(), begin + "/none: No such file or directory");
  EXPECT_EQ(read_file(directory_.path()).error(), begin + ": Is a directory");
  EXPECT_EQ(read_secret(directory_.path()).error(), begin + ": Is a directory");
}

}  // namespace
}  // namespace opaline::apps
