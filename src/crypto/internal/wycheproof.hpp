#pragma once
// For tests: test vectors that others made (C2SP/wycheproof, testvectors_v1), read from $OPALINE_VECTORS or from
// ../shared/vectors beside the source tree. They are not part of this repository: a test skips, and says so, without
// them.
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "base/bytes.hpp"

namespace opaline::crypto::testing {

using boost::json::object;

/// A test's own constant.
inline Bytes unhex(std::string_view hex) {
  auto out = from_hex(hex);
  EXPECT_TRUE(out.has_value()) << hex;
  return out.value_or(Bytes{});
}
template <std::size_t N>
ByteArray<N> unhex_array(std::string_view hex) {
  return to_array<N>(unhex(hex));
}

inline std::string vectors_path(std::string_view file) {
  const char* const given = std::getenv("OPALINE_VECTORS");
  return std::string(given != nullptr ? given : OPALINE_SOURCE_DIR "/../shared/vectors") + "/wycheproof/" +
         std::string(file);
}

inline std::optional<object> load_vectors(std::string_view file) {
  std::ifstream in(vectors_path(file));
  if (!in) return std::nullopt;
  std::ostringstream text;
  text << in.rdbuf();
  return boost::json::parse(text.str()).as_object();
}

inline std::string_view text_of(const object& from, std::string_view name) {
  const auto* const value = from.if_contains(name);
  return value == nullptr ? std::string_view() : std::string_view(value->as_string());
}
/// A hexadecimal field; empty if absent.
inline Bytes bytes_of(const object& from, std::string_view name) {
  return unhex(text_of(from, name));
}
inline std::int64_t number_of(const object& from, std::string_view name) {
  return from.at(name).as_int64();
}
inline bool has_flag(const object& test, std::string_view flag) {
  for (const auto& f : test.at("flags").as_array()) {
    if (std::string_view(f.as_string()) == flag) return true;
  }
  return false;
}

/// How many vectors of each kind a run met. `refused` counts those that our types cannot even express (a key of another
/// size): they must be of the invalid ones, or in a group of another algorithm (`elsewhere`).
struct Tally {
  int valid = 0;
  int invalid = 0;
  int refused = 0;
  int elsewhere = 0;
};

/// Calls run(group, test, tally) for each vector, and checks that none was passed over: run counts it once.
template <class Run>
Tally for_each_vector(const object& file, Run run) {
  Tally tally;
  for (const auto& group : file.at("testGroups").as_array()) {
    for (const auto& test : group.as_object().at("tests").as_array()) {
      const object& t = test.as_object();
      SCOPED_TRACE(std::string("tcId ") + std::to_string(number_of(t, "tcId")) + " " +
                   std::string(text_of(t, "comment")));
      run(group.as_object(), t, tally);
    }
  }
  EXPECT_EQ(tally.valid + tally.invalid + tally.refused + tally.elsewhere, number_of(file, "numberOfTests"));
  ::testing::Test::RecordProperty("valid", tally.valid);
  ::testing::Test::RecordProperty("invalid", tally.invalid);
  ::testing::Test::RecordProperty("refused_by_type", tally.refused);
  ::testing::Test::RecordProperty("other_algorithm", tally.elsewhere);
  std::printf("vectors: %d valid, %d invalid, %d of a size our types do not have, %d of other algorithms\n",
              tally.valid, tally.invalid, tally.refused, tally.elsewhere);
  return tally;
}

}  // namespace opaline::crypto::testing

/// Declares `name` as the file's contents, or ends the test with a skip.
#define OPALINE_VECTORS_OR_SKIP(name, file)                                                               \
  const auto name##_loaded = ::opaline::crypto::testing::load_vectors(file);                              \
  if (!name##_loaded) GTEST_SKIP() << "no vectors at " << ::opaline::crypto::testing::vectors_path(file); \
  const auto& name = *name##_loaded
