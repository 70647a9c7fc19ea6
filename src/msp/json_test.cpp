#include "msp/internal/json.hpp"

#include <rapidcheck.h>

#include "base/random.hpp"
#include "msp/internal/writing.hpp"
#include "msp/msp_test_support.hpp"

namespace opaline::msp {
namespace {

using internal::canonical;
using internal::read_json;
using testing::expect_problem;

auto read(std::string_view text) {
  return read_json(as_view(text), {.bytes = 4096, .depth = 4, .nodes = 100}, "/at");
}

TEST(Json, IsWrittenInOneWay) {
  const auto value = read(R"( {"b":[1, 2.50 ,-0.0,true,null,1e2],"a":{"z":"\u00e9\/\u0007\n\"","é":1,"n":null}} )");
  ASSERT_TRUE(value.has_value());
  EXPECT_EQ(as_text(canonical(*value)), "{\"a\":{\"z\":\"é/\\u0007\\n\\\"\",\"é\":1},\"b\":[1,2.5,0,true,null,100]}");
}

TEST(Json, KeepsNumbersExactly) {
  for (const std::string_view number : {"37.3316", "-122.0301", "0.1", "9007199254740993", "18446744073709551615",
                                        "-9223372036854775808", "1.7976931348623157e+308", "5e-324"}) {
    const auto value = read(number);
    ASSERT_TRUE(value.has_value()) << number;
    EXPECT_EQ(as_text(canonical(*value)), number);
  }
}

TEST(Json, HasNoDuplicates) {
  expect_problem(read(R"({"data":{"title":1,"title":1}})"), 400, Error::malformed, "/at/data/title");
  expect_problem(read(R"({"data":1,"d\u0061ta":2})"), 400, Error::malformed, "/at/data");
  expect_problem(read(R"({"data":null,"data":2})"), 400, Error::malformed, "/at/data");
  EXPECT_TRUE(read(R"([{"data":1},{"data":1}])").has_value());
}

TEST(Json, NeverSaysNamesThatItDoesNotKnow) {
  expect_problem(read(R"({"data":[0,{"hunter2":1,"hunter2":1}]})"), 400, Error::malformed, "/at/data/1/?");
}

TEST(Json, IsUtf8WithoutNulAndLoneSurrogates) {
  const std::string_view bad[] = {R"("\u0000")",          R"("\ud800")",      R"("\udc00x")", R"("\ud800\u0041")",
                                  "\"\xc0\x80\"",         "\"\xed\xa0\x80\"", "\"\xff\"",     "\"\xe2\x82\"",
                                  "\"\xf4\x90\x80\x80\"", R"({"a\u0000":1})", "{\"\xff\":1}", "\"a\nb\""};
  for (const auto text : bad) {
    const auto value = read(text);
    ASSERT_FALSE(value.has_value()) << text;
    EXPECT_EQ(value.error().status, 400U);
  }
  EXPECT_TRUE(read(R"("\ud83d\ude00 \uFFFC")").has_value());
}

TEST(Json, IsBounded) {
  EXPECT_TRUE(read("[[[[1]]]]").has_value());
  expect_problem(read("[[[[[1]]]]]"), 400, Error::malformed, "/at/0/0/0/0");
  expect_problem(read_json(as_view(std::string(100'000, '['))), 400, Error::malformed, [] {
    std::string out;
    for (std::size_t i = 0; i < kMaxJsonDepth; ++i) out += "/0";
    return out;
  }());
  expect_problem(read("\"" + std::string(5000, 'x') + "\""), 413, Error::oversized, "/at");
  std::string many = "[0";
  for (int i = 0; i < 98; ++i) many += ",0";
  EXPECT_TRUE(read(many + "]").has_value());
  expect_problem(read(many + ",0]"), 413, Error::oversized, "/at/99");
  std::string members = "{";
  for (std::size_t i = 0; i < kMaxJsonMembers; ++i) members += "\"k" + std::to_string(i) + "\":0,";
  EXPECT_TRUE(read_json(as_view(members.substr(0, members.size() - 1) + "}")).has_value());
  expect_problem(read_json(as_view(members + "\"x\":0}")), 400, Error::malformed,
                 "/?");  // the last one that was taken
  EXPECT_TRUE(read("{\"" + std::string(kMaxJsonKeyBytes, 'k') + "\":0}").has_value());
  EXPECT_FALSE(read("{\"" + std::string(kMaxJsonKeyBytes + 1, 'k') + "\":0}").has_value());
}

TEST(Json, HasNumbersInRange) {
  for (const std::string_view text : {"1e309", "-1e400", "1e99999999999", "1e-400"}) {
    EXPECT_FALSE(read(text).has_value()) << text;
  }
  EXPECT_TRUE(read("123456789012345678901234567890").has_value());
}

TEST(Json, SaysWhereItEnds) {
  const auto value = read(R"({"data":{"title":"x",}})");
  ASSERT_FALSE(value.has_value());
  EXPECT_EQ(value.error().offset_bytes, 21U);
  EXPECT_EQ(to_json(value.error()),
            "{\"error\":\"malformed\",\"message\":\"this is not JSON in UTF-8 (RFC 8259)\","
            "\"pointer\":\"/at/data/title\",\"offset\":21}");
  for (const std::string_view text :
       {"", " ", "{} x", "{}{}", "nul", "01", "+1", "'a'", "[1,]", "NaN", "//c\n1", "1."}) {
    EXPECT_FALSE(read(text).has_value()) << text;
  }
}

boost::json::value random_value(SeededRandom& random, int depth) {
  switch (random.below(depth == 0 ? 5 : 7)) {
    case 0:
      return random.below(2) == 0;
    case 1:
      return static_cast<std::int64_t>(random.u64());
    case 2:
      return static_cast<double>(static_cast<std::int64_t>(random.u64())) / 1024.5;
    case 3:
      return random.u64();
    case 4: {
      boost::json::string out;
      for (std::uint64_t i = random.below(12); i > 0; --i) out.push_back(static_cast<char>(1 + random.below(127)));
      return out;
    }
    case 5: {
      boost::json::array out;
      for (std::uint64_t i = random.below(4); i > 0; --i) out.push_back(random_value(random, depth - 1));
      return out;
    }
    default: {
      boost::json::object out;
      for (std::uint64_t i = random.below(4); i > 0; --i) {
        out[std::to_string(random.below(1000))] = random_value(random, depth - 1);
      }
      return out;
    }
  }
}

TEST(Json, MeansTheSameToBoost) {
  EXPECT_TRUE(rc::check([](std::uint64_t seed) {
    SeededRandom random(seed);
    const auto value = random_value(random, 4);
    const auto ours = canonical(value);
    const auto again = read_json(ours);
    RC_ASSERT(again.has_value());
    RC_ASSERT(equal(canonical(*again), ours));
    // Boost.JSON of this version does not round doubles exactly, so compare through our own reading of its writing.
    const auto theirs = read_json(as_view(boost::json::serialize(value)));
    RC_ASSERT(theirs.has_value());
    RC_ASSERT(equal(canonical(*theirs), ours));
  }));
}

}  // namespace
}  // namespace opaline::msp
