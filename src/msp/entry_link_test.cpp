#include "msp/entry_link.hpp"

#include <gmock/gmock.h>
#include <rapidcheck.h>

#include "base/random.hpp"

namespace opaline::msp {
namespace {

const std::string kUrn = "urn:biz:0f6a1b2c-3d4e-5f60-8192-a3b4c5d6e7f8";
const std::string kFingerprint = to_base64url(Bytes(32, std::byte{0x5a}));

void expect_error(std::string_view link, Error error) {
  const auto parsed = parse_entry_link(link);
  ASSERT_FALSE(parsed.has_value()) << link;
  EXPECT_EQ(name(parsed.error()), name(error)) << link;
}

TEST(EntryLink, Whole) {
  const auto link =
      parse_entry_link("https://bcrw.Example.org/" + kUrn +
                       "?biz-intent-id=order&biz-group-id=sales%20team&body=Order%20no.%2017%3A%20caf%C3%A9&utm=x"
                       "&opaline-gateway=" +
                       kFingerprint);
  ASSERT_TRUE(link.has_value());
  EXPECT_EQ(link->host, "bcrw.example.org");
  EXPECT_EQ(to_text(link->business), kUrn.substr(8));
  EXPECT_EQ(link->intent, "order");
  EXPECT_EQ(link->group, "sales team");
  EXPECT_EQ(link->body, "Order no. 17: café");
  ASSERT_TRUE(link->gateway.has_value());
  EXPECT_EQ(link->gateway->array()[31], std::byte{0x5a});
  EXPECT_EQ(parse_entry_link(*write_entry_link(*link)), link);
}

TEST(EntryLink, Bare) {
  for (const std::string& text : {kUrn, kUrn + "?", std::string("URN:BIZ:0F6A1B2C-3D4E-5F60-8192-A3B4C5D6E7F8")}) {
    const auto link = parse_entry_link(text);
    ASSERT_TRUE(link.has_value()) << text;
    EXPECT_TRUE(link->host.empty() && link->body.empty() && !link->gateway);
    EXPECT_EQ(*write_entry_link(*link), kUrn);
  }
  EXPECT_EQ(parse_entry_link(kUrn + "?body=Hi")->body, "Hi");
}

TEST(EntryLink, TakesALineAndAPlus) {
  EXPECT_EQ(parse_entry_link(kUrn + "?body=a%0Ab")->body, "a\nb");
  EXPECT_EQ(parse_entry_link(kUrn + "?body=a%0D%0Ab")->body, "a\nb");
  EXPECT_EQ(parse_entry_link(kUrn + "?body=1+1")->body, "1+1");
  EXPECT_EQ(parse_entry_link(kUrn + "?&&body=a&")->body, "a");
  EXPECT_EQ(parse_entry_link("HTTPS://host:8443/" + kUrn)->host, "host:8443");
}

TEST(EntryLink, Malformed) {
  for (const std::string& link : {std::string(),
                                  std::string("urn:biz:"),
                                  std::string("urn:biz:1"),
                                  "urn:mbid:" + kUrn.substr(8),
                                  kUrn + "x",
                                  kUrn + "/x",
                                  "http://host/" + kUrn,
                                  "https://host" + kUrn,
                                  "https:///" + kUrn,
                                  "https://u@host/" + kUrn,
                                  "https://host/a/" + kUrn,
                                  "https://[::1]/" + kUrn,
                                  "https://host:/" + kUrn,
                                  "https://host:123456/" + kUrn,
                                  "https://h%6fst/" + kUrn,
                                  kUrn + "#f",
                                  kUrn + "?body=%",
                                  kUrn + "?body=%4",
                                  kUrn + "?body=%zz",
                                  kUrn + "?body=a b",
                                  kUrn + "?body=a&body=b",
                                  kUrn + "?body=%ff",
                                  kUrn + "?body=%00",
                                  kUrn + "?body=%c0%80",
                                  kUrn + "?body=%ed%a0%80",
                                  kUrn + "?opaline-gateway=",
                                  kUrn + "?opaline-gateway=AAAA",
                                  kUrn + "?opaline-gateway=" + kFingerprint + "A",
                                  kUrn + "?opaline-gateway=" + kFingerprint + "=",
                                  kUrn + "?opaline-gateway=" + kFingerprint + "&opaline-gateway=" + kFingerprint,
                                  " " + kUrn,
                                  kUrn + "\n",
                                  kUrn + "?body=caf\xc3\xa9"}) {
    expect_error(link, Error::malformed);
  }
}

TEST(EntryLink, HidesNothing) {
  for (const std::string_view bad : {"%E2%80%AE", "%E2%81%A6", "%1B%5B2J", "%0D", "%C2%85", "%E2%80%A8", "%EF%BF%BC",
                                     "%E2%80%8B", "%F3%A0%81%81", "%7F"}) {
    expect_error(kUrn + "?body=a" + std::string(bad) + "b", Error::unsafe_text);
    expect_error(kUrn + "?biz-intent-id=a" + std::string(bad), Error::unsafe_text);
  }
  expect_error(kUrn + "?biz-group-id=a%0Ab", Error::unsafe_text);
}

TEST(EntryLink, IsBounded) {
  EXPECT_TRUE(parse_entry_link(kUrn + "?body=" + std::string(kMaxPrefillCharacters, 'x')).has_value());
  expect_error(kUrn + "?body=" + std::string(kMaxPrefillCharacters + 1, 'x'), Error::oversized);
  expect_error(kUrn + "?biz-intent-id=" + std::string(kMaxTagCharacters + 1, 'x'), Error::oversized);
  expect_error(kUrn + "?x=" + std::string(kMaxEntryLinkBytes, 'x'), Error::oversized);
}

TEST(EntryLink, WritesOnlyWhatItReads) {
  EntryLink link{.host = "Host", .business = {}, .intent = {}, .group = {}, .body = {}, .gateway = {}};
  EXPECT_EQ(write_entry_link(link).error(), Error::malformed);
  link.host = "h";
  link.body = Text("\xe2\x80\xae");
  EXPECT_EQ(write_entry_link(link).error(), Error::unsafe_text);
  link.body = Text("\xff");
  EXPECT_EQ(write_entry_link(link).error(), Error::malformed);
  std::string wide;
  for (std::size_t i = 0; i < kMaxPrefillCharacters; ++i) wide += "😀";
  link.body = Text(wide);
  EXPECT_EQ(write_entry_link(link).error(), Error::oversized);  // as a link it would be
}

TEST(EntryLink, GoesThereAndBack) {
  EXPECT_TRUE(rc::check([](std::uint64_t seed) {
    SeededRandom random(seed);
    const std::string_view letters[] = {"a", "Z", "0", " ", "&", "=", "%", "+", "/", "?", "#", "é", "😀", "\"", "<"};
    const auto text = [&](std::size_t most) {
      std::string out;
      for (std::uint64_t i = random.below(most); i > 0; --i) out += letters[random.below(std::size(letters))];
      return Text(out);
    };
    EntryLink link{.host = random.below(2) == 0 ? "" : "m.example.org:443",
                   .business = random.id<Uuid>(),
                   .intent = text(20),
                   .group = text(20),
                   .body = text(200),
                   .gateway = {}};
    if (random.below(2) == 0) link.gateway = random.id<GatewayFingerprint>();
    const auto written = write_entry_link(link);
    RC_ASSERT(written.has_value());
    RC_ASSERT(*parse_entry_link(*written) == link);
  }));
}

}  // namespace
}  // namespace opaline::msp
