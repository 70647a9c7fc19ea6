// Officers' keys and what is sealed to them.
#include <gtest/gtest.h>

#include "records/canonical.hpp"
#include "records/officer_key.hpp"
#include "records/sealed_bundle.hpp"

namespace opaline::records {
namespace {

constexpr crypto::Argon2Cost kCheap{.memory_kib = 64, .passes = 1, .lanes = 1};

class KeysTest : public ::testing::Test {
 protected:
  static std::vector<File> files(std::size_t size) {
    std::vector<File> out{{"a.txt", to_secret_bytes(as_view("first"))}, {"empty", {}}};
    out.push_back({"b.bin", SecretBytes(size, std::byte{7})});
    return out;
  }
  static bool same(const std::vector<File>& a, const std::vector<File>& b) {
    return std::ranges::equal(a, b,
                              [](const File& x, const File& y) { return x.name == y.name && x.content == y.content; });
  }
  SeededRandom random_{11};
  OfficerKey ada_ = OfficerKey::generate(random_), bob_ = OfficerKey::generate(random_),
             eve_ = OfficerKey::generate(random_);
};

TEST_F(KeysTest, AKeyFileOpensWithItsPassphraseAlone) {
  const auto file = make_officer_key_file(ada_, as_view("correct horse battery"), random_, kCheap);
  ASSERT_TRUE(file.has_value());
  EXPECT_EQ(file->size(), kOfficerKeyFileBytes);
  const auto back = open_officer_key_file(*file, as_view("correct horse battery"));
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->public_key(), ada_.public_key());
  EXPECT_EQ(open_officer_key_file(*file, as_view("correct horse batterx")).error(), KeyFileError::wrong_passphrase);
  EXPECT_EQ(open_officer_key_file(*file, as_view("short")).error(), KeyFileError::wrong_passphrase);
  EXPECT_FALSE(make_officer_key_file(ada_, as_view("too short"), random_, kCheap).has_value());
  for (std::size_t at = 0; at < file->size(); ++at) {
    auto damaged = *file;
    damaged[at] ^= std::byte{1};
    EXPECT_FALSE(open_officer_key_file(damaged, as_view("correct horse battery")).has_value()) << at;
    EXPECT_FALSE(open_officer_key_file(ByteView(*file).first(at), as_view("correct horse battery")).has_value()) << at;
  }
  auto longer = *file;
  longer.push_back(std::byte{0});
  EXPECT_EQ(open_officer_key_file(longer, as_view("correct horse battery")).error(), KeyFileError::not_a_key_file);
}

TEST_F(KeysTest, AKeyFileCannotAskForMuch) {
  auto file = *make_officer_key_file(ada_, as_view("correct horse battery"), random_, kCheap);
  file[17] = std::byte{0x7f};  // memory
  EXPECT_EQ(open_officer_key_file(file, as_view("correct horse battery")).error(), KeyFileError::too_costly);
  file[16] = std::byte{2};
  EXPECT_EQ(open_officer_key_file(file, as_view("correct horse battery")).error(), KeyFileError::newer_version);
}

TEST_F(KeysTest, APublicKeyIsChecked) {
  const auto bytes = encode(ada_.public_key());
  EXPECT_EQ(officer_public_key_from(bytes), ada_.public_key());
  EXPECT_EQ(fingerprint(ada_.public_key()).size(), 64u);
  EXPECT_FALSE(officer_public_key_from(ByteView(bytes).first(bytes.size() - 1)).has_value());
  auto small_order = bytes;
  std::fill_n(small_order.begin() + crypto::HybridPublicKey::kSize, 32, std::byte{0});
  EXPECT_FALSE(officer_public_key_from(small_order).has_value());
  auto not_reduced = bytes;
  std::fill(not_reduced.end() - 1184, not_reduced.end(), std::byte{0xff});
  EXPECT_FALSE(officer_public_key_from(not_reduced).has_value());
  auto no_point = bytes;
  std::fill_n(no_point.begin(), 32, std::byte{0xff});
  EXPECT_FALSE(officer_public_key_from(no_point).has_value());
}

TEST_F(KeysTest, ABundleOpensForItsRecipientsAlone) {
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, kBundlePieceBytes - 100, 3 * kBundlePieceBytes}) {
    const auto given = files(size);
    const auto bundle = seal_bundle(given, {ada_.public_key(), bob_.public_key()}, random_);
    ASSERT_TRUE(bundle.has_value());
    for (const auto* key : {&ada_, &bob_}) {
      const auto opened = open_bundle(bundle->pieces, *key);
      ASSERT_TRUE(opened.has_value()) << size;
      EXPECT_TRUE(same(*opened, given));
    }
    EXPECT_FALSE(open_bundle(bundle->pieces, eve_).has_value());
  }
}

TEST_F(KeysTest, ADamagedBundleDoesNotOpen) {
  const auto bundle = *seal_bundle(files(2 * kBundlePieceBytes), {ada_.public_key(), bob_.public_key()}, random_);
  const auto broken = [&](auto change) {
    auto pieces = bundle.pieces;
    change(pieces);
    Bundle other{pieces};
    EXPECT_NE(other.digest(), bundle.digest());
    return !open_bundle(pieces, ada_).has_value();
  };
  for (std::size_t at = 0; at < bundle.pieces[0].size(); at += 37)
    EXPECT_TRUE(broken([&](auto& p) { p[0][at] ^= std::byte{1}; })) << at;
  EXPECT_TRUE(broken([](auto& p) { p[1][5] ^= std::byte{1}; }));
  EXPECT_TRUE(broken([](auto& p) { p.pop_back(); })) << "cut off";
  EXPECT_TRUE(broken([](auto& p) { std::swap(p[1], p[2]); }));
  EXPECT_TRUE(broken([](auto& p) { p.push_back(p.back()); }));
  EXPECT_TRUE(broken([](auto& p) { p[0].push_back(std::byte{0}); }));
  EXPECT_FALSE(open_bundle({}, ada_).has_value());
}

// ---------------------------------------------------------------- the canonical form

TEST(Canonical, IsRfc8785) {
  const auto value =
      boost::json::parse(R"({"b":[1,-2,"\u00e4\n\u0001\"\\/"],"a":{"z":"","Z":0},"\u0000":9007199254740991})");
  EXPECT_EQ(canonical(value),
            "{\"\\u0000\":9007199254740991,\"a\":{\"Z\":0,\"z\":\"\"},\"b\":[1,-2,\"ä\\n\\u0001\\\"\\\\/\"]}");
  for (const auto* wrong :
       {"1.5", "null", "true", "9007199254740992", R"({"ä":1})", R"([[[[[[[[[[[[[[1]]]]]]]]]]]]]])"})
    EXPECT_FALSE(canonical(boost::json::parse(wrong)).has_value()) << wrong;
  for (const auto* wrong : {" {}", "{} ", R"({"b":1,"a":2})", R"({"a":1,"a":1})", R"(["\u0041"])", "[01]", "[1,]",
                            "[-0]", "[1.0]", "[1e2]", ""})
    EXPECT_FALSE(parse_canonical(wrong).has_value()) << wrong;
  EXPECT_TRUE(parse_canonical(R"({"a":["x",0,-1,{}]})").has_value());
  EXPECT_FALSE(parse_canonical(std::string(100'000, '[')).has_value());
}

TEST(Canonical, TimesHaveOneForm) {
  const auto time = from_unix_millis(1'795'000'000'123);
  EXPECT_EQ(to_text(time), "2026-11-18T11:06:40Z");
  EXPECT_EQ(to_text_millis(time), "2026-11-18T11:06:40.123Z");
  EXPECT_EQ(time_millis_from(to_text_millis(time)), time);
  EXPECT_EQ(time_from("2024-02-29T00:00:00Z").has_value(), true);
  for (const auto* wrong : {"2026-02-29T00:00:00Z", "2026-11-18T24:00:00Z", "2026-11-18T07:60:00Z",
                            "2026-11-18T11:06:40", "2026-11-18T11:06:40Zx", "2026-11-18 07:06:40Z",
                            "2026-11-18T11:06:40.123Z", "1969-01-01T00:00:00Z", "+026-11-18T07:06:40Z", ""})
    EXPECT_FALSE(time_from(wrong).has_value()) << wrong;
  EXPECT_FALSE(date_from("2026-11-18T").has_value());
  EXPECT_EQ(to_text(*date_from("2026-11-18")), "2026-11-18");
}

}  // namespace
}  // namespace opaline::records
