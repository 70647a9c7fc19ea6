#include "client/business_profile.hpp"

#include <gtest/gtest.h>

#include "base/utf8.hpp"
#include "client/persona_home.hpp"
#include "msp/text.hpp"
#include "proto/device.pb.h"

namespace opaline::client {
namespace {

const AccountId kShop = *AccountId::from_hex("5f0c1d2e3b4a4c5d8e6f708192a3b4c5");

wire::v1::BusinessProfile good() {
  wire::v1::BusinessProfile out;
  out.set_business(to_string(kShop.view()));
  out.set_name("Corner Shop");
  out.set_website("shop.example.org");
  out.set_away_text("Closed until Monday.");
  out.set_gateway(std::string(32, 'k'));
  out.set_own_gateway(true);
  return out;
}
Result<BusinessProfile, Failure> read(const wire::v1::BusinessProfile& said) {
  return read_profile(kShop, as_view(said.SerializePartialAsString()));
}
std::string name_of(const std::string& name) {
  auto said = good();
  said.set_name(name);
  return read(said).value_or(BusinessProfile{.name = "(refused)", .website = {}, .away_text = {}}).name;
}
std::string website_of(const std::string& website) {
  auto said = good();
  said.set_website(website);
  return read(said)->website;
}

TEST(BusinessProfileTest, IsReadAsItIs) {
  const auto profile = read(good());
  ASSERT_TRUE(profile);
  EXPECT_EQ(profile->name, "Corner Shop");
  EXPECT_EQ(profile->website, "shop.example.org");
  EXPECT_EQ(profile->away_text, "Closed until Monday.");
  EXPECT_TRUE(profile->has_gateway());
  EXPECT_TRUE(profile->own_gateway);
  EXPECT_FALSE(profile->carrier);
  auto carrier = good();
  carrier.set_carrier(true);
  EXPECT_TRUE(read(carrier)->carrier);
  EXPECT_EQ(name_of("Чайная 茶 مقهى 🍵"), "Чайная 茶 مقهى 🍵");
}

TEST(BusinessProfileTest, OfAnotherBusinessOrWithAnotherFingerprintIsRefused) {
  auto said = good();
  said.set_business(std::string(16, 'x'));
  EXPECT_EQ(read(said).error().error, ClientError::protocol);
  said.set_business("short");
  EXPECT_EQ(read(said).error().error, ClientError::protocol);
  for (const std::string& key : {std::string(31, 'k'), std::string(33, 'k'), std::string(32, '\0')}) {
    said = good();
    said.set_gateway(key);
    EXPECT_EQ(read(said).error().error, ClientError::protocol) << key.size();
  }
  said = good();
  said.clear_gateway();
  EXPECT_FALSE(read(said)->has_gateway());
}

TEST(BusinessProfileTest, WhatIsNoProfileIsRefused) {
  EXPECT_FALSE(read_profile(kShop, {}));
  EXPECT_FALSE(read_profile(kShop, as_view("nonsense")));
  auto said = good();
  said.set_logo(std::string(kMaxProfileBytes, 'p'));
  EXPECT_EQ(read(said).error().error, ClientError::protocol) << "huge";
  // A field of type string that is no UTF-8, written by hand: name is field 2.
  std::string bytes = good().SerializeAsString();
  EXPECT_TRUE(read_profile(kShop, as_view(bytes)));
  bytes += "\x12\x02\xc3\x28";
  EXPECT_FALSE(read_profile(kShop, as_view(bytes)));
}

TEST(BusinessProfileTest, NamesForgeNoLinesAndHideNothing) {
  EXPECT_EQ(name_of("Shop\n  its gateway: own, checked"), "Shop   its gateway: own, checked");
  EXPECT_EQ(name_of("a\rb\x1b[2Jc\x07"),
            "a\xef\xbf\xbd"
            "b\xef\xbf\xbd[2Jc\xef\xbf\xbd");
  EXPECT_EQ(name_of("x\xc2\x9b"
                    "31m"),
            "x\xef\xbf\xbd"
            "31m")
      << "C1: another way to begin an escape";
  for (const char* hidden : {"\u202e", "\u2066", "\u200b", "\u200f", "\u2028", "\ufeff", "\u00ad", "\U000e0041"})
    EXPECT_EQ(name_of(std::string("a") + hidden + "b"),
              "a\xef\xbf\xbd"
              "b")
        << hidden;
  EXPECT_EQ(name_of(std::string("a\0b", 3)),
            "a\xef\xbf\xbd"
            "b");
}

TEST(BusinessProfileTest, TextsAreCutAndNamesNeverEmpty) {
  std::string tea;
  for (int i = 0; i < 20'000; ++i) tea += "茶";
  EXPECT_EQ(msp::count_characters(name_of(tea.substr(0, 30'000))), kMaxProfileNameCharacters);
  auto said = good();
  said.set_away_text(tea.substr(0, 45'000));
  EXPECT_EQ(msp::count_characters(read(said)->away_text), kMaxProfileAwayTextCharacters);
  EXPECT_EQ(name_of(""), business_urn(kShop));
  EXPECT_EQ(name_of(" \n "), business_urn(kShop));
}

TEST(BusinessProfileTest, AWebsiteIsAHostNameOrNothing) {
  EXPECT_EQ(website_of("shop.example.org"), "shop.example.org");
  for (const char* lie : {"https://shop.example.org", "shop.example.org/path", "bank.example@evil.example",
                          "shop.example.org:8443", "shop.example.org#", "shop example.org", "sh\u043ep.example.org",
                          "\u202egro.elpmaxe", "[::1]", "SHOP.example", "shop.example.org\n", "?"})
    EXPECT_EQ(website_of(lie), "") << lie;
}

TEST(OneLineTest, EndsAtBytesThatAreNoText) {
  EXPECT_EQ(one_line("good\xff"
                     "bad",
                     100),
            "good");
  EXPECT_EQ(one_line("\xed\xa0\x80", 100), "") << "a surrogate";
  EXPECT_EQ(one_line("abc", 2), "ab");
}

}  // namespace
}  // namespace opaline::client
