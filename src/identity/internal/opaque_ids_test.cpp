#include "identity/internal/opaque_ids.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <set>

#include "base/random.hpp"

namespace opaline::identity::internal {
namespace {

using credentials::kOpaqueIdBytes;
using credentials::OpaqueId;

std::vector<OpaqueIdKey> keys(std::size_t count) {
  std::vector<OpaqueIdKey> out;
  for (std::size_t i = 0; i < count; ++i) out.emplace_back(SeededRandom(i + 1).bytes<32>());
  return out;
}

class OpaqueIdsTest : public ::testing::Test {
 protected:
  SeededRandom random_{7};
  const OpaqueIds ids_{keys(1)};
  const AccountId anna_ = random_.id<AccountId>(), ben_ = random_.id<AccountId>();
  const AccountId bakery_ = random_.id<AccountId>(), bank_ = random_.id<AccountId>();
};

TEST_F(OpaqueIdsTest, AreTheSameForOneBusinessAndOthersForAnother) {
  const OpaqueId one = ids_.make(1, anna_, Generation{0}, bakery_);
  EXPECT_EQ(one, ids_.make(1, anna_, Generation{0}, bakery_));
  EXPECT_NE(one, ids_.make(1, anna_, Generation{0}, bank_));
  EXPECT_NE(one, ids_.make(1, anna_, Generation{1}, bakery_));
  EXPECT_NE(one, ids_.make(1, ben_, Generation{0}, bakery_));
  EXPECT_NE(one.persona(), ids_.make(1, anna_, Generation{0}, bank_).persona());
  EXPECT_EQ(ids_.open(one, bakery_), (OpaqueIds::Opened{anna_, Generation{0}}));
}

TEST_F(OpaqueIdsTest, AreWorthlessToAnotherBusiness) {
  EXPECT_FALSE(ids_.open(ids_.make(1, anna_, Generation{0}, bakery_), bank_));
}

TEST_F(OpaqueIdsTest, ShareNothingThatBusinessesCouldCompare) {
  // Each byte position, over many businesses, is as good as random: all 256 values come, and no two ids agree in 8
  // bytes at the same place.
  std::vector<std::set<std::byte>> values(kOpaqueIdBytes);
  std::set<ByteArray<8>> parts;
  constexpr int kBusinesses = 3000;
  for (int i = 0; i < kBusinesses; ++i) {
    const auto id = ids_.make(1, anna_, Generation{0}, random_.id<AccountId>());
    for (std::size_t at = 0; at < kOpaqueIdBytes; ++at) values[at].insert(id.bytes()[at]);
    for (std::size_t at = 1; at + 8 <= kOpaqueIdBytes; at += 9)
      EXPECT_TRUE(parts.insert(to_array<8>(ByteView(id.bytes()).subspan(at, 8))).second);
  }
  EXPECT_EQ(values[0].size(), 1u) << "the key's version";
  for (std::size_t at = 1; at < kOpaqueIdBytes; ++at) EXPECT_EQ(values[at].size(), 256u) << at;
}

TEST_F(OpaqueIdsTest, AnyFlippedBitOpensNothing) {
  const OpaqueId good = ids_.make(1, anna_, Generation{3}, bakery_);
  for (std::size_t bit = 0; bit < kOpaqueIdBytes * 8; ++bit) {
    auto bytes = good.bytes();
    bytes[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
    EXPECT_FALSE(ids_.open(OpaqueId(bytes), bakery_)) << bit;
  }
}

TEST_F(OpaqueIdsTest, OlderKeysStayGoodAndNewerOnesAreUnknown) {
  const OpaqueIds later(keys(2));
  const OpaqueId old = ids_.make(1, anna_, Generation{0}, bakery_);
  EXPECT_EQ(later.newest(), 2);
  EXPECT_EQ(later.make(1, anna_, Generation{0}, bakery_), old) << "who is known keeps the id";
  EXPECT_EQ(later.open(old, bakery_), (OpaqueIds::Opened{anna_, Generation{0}}));
  const OpaqueId young = later.make(2, anna_, Generation{0}, bakery_);
  EXPECT_NE(young, old);
  EXPECT_EQ(later.open(young, bakery_), (OpaqueIds::Opened{anna_, Generation{0}}));
  EXPECT_FALSE(ids_.open(young, bakery_));
  // The version is bound by the key that opens.
  auto moved = young.bytes();
  moved[0] = std::byte{1};
  EXPECT_FALSE(later.open(OpaqueId(moved), bakery_));
  moved[0] = std::byte{0};
  EXPECT_FALSE(later.open(OpaqueId(moved), bakery_));
}

TEST_F(OpaqueIdsTest, WhatWasMadeOpensForAllOfIt) {
  rc::check([&](std::uint64_t seed, std::uint32_t generation) {
    SeededRandom random(seed);
    const auto account = random.id<AccountId>(), business = random.id<AccountId>();
    const OpaqueId id = ids_.make(1, account, Generation{generation}, business);
    RC_ASSERT(ids_.open(id, business) == (OpaqueIds::Opened{account, Generation{generation}}));
    RC_ASSERT(OpaqueId::parse(id.text()) == id);
  });
}

TEST_F(OpaqueIdsTest, HaveOneWayOfWriting) {
  const std::string text = ids_.make(1, anna_, Generation{0}, bakery_).text();
  EXPECT_EQ(text.size(), 9u + 50u);
  EXPECT_TRUE(OpaqueId::parse(text));
  EXPECT_FALSE(OpaqueId::parse(text.substr(0, text.size() - 1)));
  EXPECT_FALSE(OpaqueId::parse(text + "A"));
  EXPECT_FALSE(OpaqueId::parse(text + "="));
  EXPECT_FALSE(OpaqueId::parse("URN:MBID:" + text.substr(9)));
  EXPECT_FALSE(OpaqueId::parse(text.substr(9)));
  EXPECT_FALSE(OpaqueId::parse(""));
  std::string standard = text;
  standard[12] = '+';
  EXPECT_FALSE(OpaqueId::parse(standard));
  // 37 bytes leave 4 bits of the last character unused: only zeros there are an id.
  int spellings = 0;
  for (const char c : std::string_view("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")) {
    std::string other = text;
    other.back() = c;
    spellings += OpaqueId::parse(other).has_value() && ids_.open(*OpaqueId::parse(other), bakery_).has_value();
  }
  EXPECT_EQ(spellings, 1);
}

}  // namespace
}  // namespace opaline::identity::internal
