#pragma once
// Files of the source tree, for tests that hold a document against the code.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>

namespace opaline::testing {

/// The whole file; a failure if it is empty or missing. `path` is relative to the source tree.
inline std::string source_file(const std::string& path) {
  std::ifstream in(std::string(OPALINE_SOURCE_DIR) + "/" + path);
  std::string out(std::istreambuf_iterator<char>(in), {});
  EXPECT_FALSE(out.empty()) << path;
  return out;
}

}  // namespace opaline::testing
