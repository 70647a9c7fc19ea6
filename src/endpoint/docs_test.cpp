// docs/endpoint.md names every limit of limits.hpp.
#include <regex>

#include "support/source_file.hpp"

namespace opaline::endpoint {
namespace {

TEST(DocsTest, EveryLimitIsDocumented) {
  const std::string code = testing::source_file("src/endpoint/limits.hpp");
  const std::string page = testing::source_file("docs/endpoint.md");
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
