// docs/endpoint.md names every limit of limits.hpp.
#include <gtest/gtest.h>

#include <fstream>
#include <regex>
#include <sstream>

namespace opaline::endpoint {
namespace {

std::string read(const std::string& path) {
  std::ifstream in(std::string(OPALINE_SOURCE_DIR) + "/" + path);
  std::stringstream out;
  out << in.rdbuf();
  return out.str();
}

TEST(DocsTest, EveryLimitIsDocumented) {
  const std::string code = read("src/endpoint/limits.hpp");
  const std::string page = read("docs/endpoint.md");
  ASSERT_FALSE(page.empty());
  const std::regex constant("inline constexpr [^=;{]*\\b(k[A-Za-z]+)");
  std::size_t found = 0;
  for (auto it = std::sregex_iterator(code.begin(), code.end(), constant); it != std::sregex_iterator(); ++it) {
    ++found;
    EXPECT_NE(page.find((*it)[1].str()), std::string::npos) << (*it)[1].str();
  }
  EXPECT_GT(found, 25u);
}

}  // namespace
}  // namespace opaline::endpoint
