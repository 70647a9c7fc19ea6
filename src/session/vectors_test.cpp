#include "session/vectors.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

namespace opaline::session {
namespace {

// tests/vectors/session.json is what this code does. After a wanted change of the protocol (a new version then, and new
// labels): session_vectors > tests/vectors/session.json, and tests/vectors/check_session.py must agree.
TEST(Vectors, AreWhatTheFileSays) {
  std::ifstream file(std::string(OPALINE_SOURCE_DIR) + "/tests/vectors/session.json", std::ios::binary);
  ASSERT_TRUE(file.is_open());
  std::stringstream text;
  text << file.rdbuf();
  const std::string made = vectors::generate();
  ASSERT_EQ(made.size(), text.str().size());
  EXPECT_TRUE(made == text.str()) << "the files differ";  // no diff of half a megabyte
}

}  // namespace
}  // namespace opaline::session
