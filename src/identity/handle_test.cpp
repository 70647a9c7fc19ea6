#include "identity/handle.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "identity/phone_number.hpp"

namespace opaline::identity {
namespace {

std::string normal(std::string_view text) {
  const auto handle = normalize_handle(text);
  return handle ? handle->text() : "refused";
}

TEST(Handle, PhoneNumbersBecomeE164) {
  EXPECT_EQ(normal("+4915112345678"), "+4915112345678");
  EXPECT_EQ(normal("+49 (151) 1234-5678"), "+4915112345678");
  EXPECT_EQ(normal("+1 202.555.0143"), "+12025550143");
  EXPECT_EQ(normal("+39 06 6982 1234"), "+390669821234") << "Italy keeps its leading zero";
  EXPECT_EQ(normalize_handle("+4915112345678")->kind(), HandleKind::phone);
}

TEST(Handle, OneNumberHasOneText) {
  // A trunk zero after the country code is dropped, else one subscriber had two handles.
  EXPECT_EQ(normal("+44 (0)20 7946 0958"), normal("+442079460958"));
}

TEST(Handle, RefusesNumbersThatAreReadDifferentlyEachTime) {
  EXPECT_EQ(normal("+98000106"), "refused") << "found by the property below: two trunk prefixes in front";
}

TEST(Handle, RefusesWhatIsNoNumber) {
  for (const char* text :
       {"", "+", "+49", "+491", "+4915112345678901234", "015112345678", "+49151CALLME", "+1234567890123456",
        "+49151123456;ext=1", "+49151123456x1", "++4915112345678", "+49 151\t12345678", "+999123456789",
        "+٤٩١٥١١٢٣٤٥٦٧٨", " +4915112345678", "+00000000000", "+49+15112345678"}) {
    EXPECT_EQ(normal(text), "refused") << text;
  }
}

TEST(Handle, PhoneNumbersKnowTheirRegion) {
  EXPECT_EQ(normalize_phone("+4915112345678")->region, "DE");
  EXPECT_EQ(normalize_phone("+4915112345678")->country_code, 49U);
  EXPECT_EQ(normalize_phone("+12025550143")->region.size() <= 3, true);
}

TEST(Handle, AddressesAreLowered) {
  EXPECT_EQ(normal("Ada.Lovelace+x@Example.ORG"), "ada.lovelace+x@example.org");
  EXPECT_EQ(normal("a@b.co"), "a@b.co");
  EXPECT_EQ(normal("o'brien@xn--bcher-kva.example"), "o'brien@xn--bcher-kva.example");
  EXPECT_EQ(normalize_handle("a@b.co")->kind(), HandleKind::email);
}

TEST(Handle, RefusesUnusualAddresses) {
  const std::string long_local = std::string(65, 'a') + "@example.org";
  const std::string long_label = "a@" + std::string(64, 'b') + ".org";
  const std::string too_long = "a@" + std::string(60, 'b') + "." + std::string(60, 'c') + "." + std::string(60, 'd') +
                               "." + std::string(60, 'e') + "." + std::string(10, 'f');
  for (const std::string& text : {std::string("@example.org"),
                                  std::string("ada@"),
                                  std::string("ada"),
                                  std::string("ada@localhost"),
                                  std::string("ada@@example.org"),
                                  std::string("a@b@example.org"),
                                  std::string(".ada@example.org"),
                                  std::string("ada.@example.org"),
                                  std::string("a..b@example.org"),
                                  std::string("\"a b\"@example.org"),
                                  std::string("ada@example..org"),
                                  std::string("ada@-example.org"),
                                  std::string("ada@example-.org"),
                                  std::string("ada@[192.0.2.1]"),
                                  std::string("ada@192.0.2.1"),
                                  std::string("ada@example.org\n"),
                                  std::string("ada@example.org\r\nRCPT TO:<b@example.org>"),
                                  std::string("ada <ada@example.org>"),
                                  std::string("ada@exa mple.org"),
                                  std::string("ad\0a@example.org", 16),
                                  std::string("bücher@example.org"),
                                  std::string("ada@bücher.example"),
                                  std::string("+49151@example.org"),
                                  std::string("ada@example.org."),
                                  long_local,
                                  long_label,
                                  too_long}) {
    EXPECT_EQ(normal(text), "refused") << text;
  }
}

TEST(Handle, NormalisingTwiceChangesNothing) {
  std::size_t accepted = 0;
  EXPECT_TRUE(rc::check("what is accepted is a fixed point, short, and printable ASCII", [&] {
    const auto text = *rc::gen::container<std::string>(rc::gen::elementOf(std::string("aabBcC1233--+..@ \xc3\n")));
    const auto digits = *rc::gen::container<std::string>(rc::gen::elementOf(std::string("0123456789 -")));
    for (const std::string& candidate :
         {text, "+" + digits, text + "@example.org", "a@" + text + ".org", text + "@" + text + ".b.co"}) {
      const auto once = normalize_handle(candidate);
      if (!once) continue;
      ++accepted;
      RC_ASSERT(normalize_handle(once->text()) == once);
      RC_ASSERT(Handle::from_stored(once->text()) == *once);
      RC_ASSERT(once->text().size() <= kMaxHandleBytes);
      for (const char c : once->text()) RC_ASSERT(c > ' ' && c < 127);
    }
  }));
  EXPECT_GT(accepted, 0u) << "the generator no longer reaches what is accepted";
}

}  // namespace
}  // namespace opaline::identity
