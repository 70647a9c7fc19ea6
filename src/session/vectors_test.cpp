#include "session/vectors.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

namespace opaline::session {
namespace {

void compare(const std::string& name, const std::string& made) {
  std::ifstream file(std::string(OPALINE_SOURCE_DIR) + "/tests/vectors/" + name, std::ios::binary);
  ASSERT_TRUE(file.is_open());
  std::stringstream text;
  text << file.rdbuf();
  ASSERT_EQ(made.size(), text.str().size());
  EXPECT_TRUE(made == text.str()) << "the files differ";  // no diff of half a megabyte
}

// The files are what this code does. After a wanted change of the protocol (a new version then, and new labels):
// session_vectors > tests/vectors/session.json, session_vectors devices > tests/vectors/devices.json, and
// tests/vectors/check_session.py and check_devices.py must agree.
TEST(Vectors, AreWhatTheFileSays) {
  compare("session.json", vectors::generate());
}

TEST(Vectors, OfDevicesAreWhatTheFileSays) {
  compare("devices.json", vectors::generate_devices());
}

}  // namespace
}  // namespace opaline::session
