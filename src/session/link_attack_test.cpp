// Linking against a server that speaks for itself (docs/protocol.md, Linking, "Why this holds").
#include <gtest/gtest.h>

#include "session/testing_link.hpp"

namespace opaline::session {
namespace {

using testing::Linking;
using testing::Way;

LinkDigits digits_of(const Result<LinkStep, Error>& step) {
  EXPECT_TRUE(step && std::holds_alternative<LinkDigits>(step->event));
  return std::get<LinkDigits>(step->event);
}

// ---- a machine in the middle

/// M between N and P, with keys of its own towards both.
class MiddleTest : public ::testing::Test {
 protected:
  Linking honest{Way::typed};
  SeededRandom random{99};
  LinkNewDevice as_new{random};
  LinkPrimary as_primary{honest.input()};

  void SetUp() override { as_new.opened(honest.exchange); }
};

// Both halves through, P's first: M knows P's digits before it commits to N.
TEST_F(MiddleTest, DigitsDifferIfPComesFirst) {
  const auto p1 = honest.primary.on_message(as_new.hello(), honest.random_p);
  const auto m1 = as_new.on_message(p1->send[0], random);
  const LinkDigits at_p = digits_of(honest.primary.on_message(m1->send[0], honest.random_p));
  const auto m2 = as_primary.on_message(honest.fresh.hello(), random);
  const auto n1 = honest.fresh.on_message(m2->send[0], honest.random_n);
  const auto m3 = as_primary.on_message(n1->send[0], random);
  const LinkDigits at_n = digits_of(honest.fresh.on_message(m3->send[0], honest.random_n));
  EXPECT_NE(at_p, at_n);
}

TEST_F(MiddleTest, DigitsDifferIfNComesFirst) {
  const auto m2 = as_primary.on_message(honest.fresh.hello(), random);
  const auto n1 = honest.fresh.on_message(m2->send[0], honest.random_n);
  const auto m3 = as_primary.on_message(n1->send[0], random);
  const LinkDigits at_n = digits_of(honest.fresh.on_message(m3->send[0], honest.random_n));
  const auto p1 = honest.primary.on_message(as_new.hello(), honest.random_p);
  // M may answer P's commitment with any nonce: N's own, here.
  const LinkDigits at_p = digits_of(honest.primary.on_message(n1->send[0], honest.random_p));
  EXPECT_NE(at_p, at_n);
}

TEST_F(MiddleTest, OnlyAnotherNonceChangesTheDigits) {
  const auto p1 = honest.primary.on_message(honest.fresh.hello(), honest.random_p);
  const auto n1 = honest.fresh.on_message(p1->send[0], honest.random_n);
  Bytes nonce = n1->send[0];
  nonce.back() ^= std::byte{1};
  const auto p2 = honest.primary.on_message(nonce, honest.random_p);
  EXPECT_NE(digits_of(p2), digits_of(honest.fresh.on_message(p2->send[0], honest.random_n)));
}

// What M changes of a hello or a commitment, N finds at the reveal, before any digit is shown.
TEST_F(MiddleTest, ChangedHelloOrCommitmentShowsAtTheReveal) {
  for (const bool hello : {true, false}) {
    for (const std::size_t place : {std::size_t{2}, std::size_t{20}, std::size_t{33}}) {
      Linking link(Way::typed);
      std::optional<Error> at_n;
      link.on_the_way = [&](bool from_new, std::size_t index, Bytes message) {
        if (from_new == hello && index == 0) message[place] ^= std::byte{1};
        return message;
      };
      link.on_error = [&](bool at_new, Error error) {
        EXPECT_TRUE(at_new);
        at_n = error;
      };
      link.run();
      EXPECT_EQ(at_n, Error::authentication_failed);
      EXPECT_FALSE(link.digits_n.has_value());
    }
  }
}

/// Counts what is drawn.
class Counted final : public RandomSource {
 public:
  explicit Counted(RandomSource& source) : source_(source) {}
  void fill(std::span<std::byte> out) override {
    source_.fill(out);
    drawn += out.size();
  }
  std::size_t drawn = 0;

 private:
  RandomSource& source_;
};

// There is nothing to grind: N draws its nonce when the commitment is here, P sends nothing of what it committed to
// before it has the nonce, and N takes one reveal: the one committed to.
TEST_F(MiddleTest, TheNonceIsDrawnAfterTheCommitmentAndOneRevealIsTaken) {
  Counted counted(honest.random_n);
  const auto p1 = honest.primary.on_message(honest.fresh.hello(), honest.random_p);
  EXPECT_EQ(p1->send[0].size(), 2u + 32u);
  const auto n1 = honest.fresh.on_message(p1->send[0], counted);
  EXPECT_EQ(counted.drawn, 32u);
  const auto p2 = honest.primary.on_message(n1->send[0], honest.random_p);
  Bytes other = p2->send[0];
  other.back() ^= std::byte{1};
  EXPECT_EQ(honest.fresh.on_message(other, counted).error(), Error::authentication_failed);
  EXPECT_EQ(honest.fresh.on_message(p2->send[0], counted).error(), Error::out_of_turn);
}

TEST_F(MiddleTest, NothingIsSealedOrOpenedBeforeThePersonsWord) {
  const auto p1 = honest.primary.on_message(honest.fresh.hello(), honest.random_p);
  const auto n1 = honest.fresh.on_message(p1->send[0], honest.random_n);
  const auto p2 = honest.primary.on_message(n1->send[0], honest.random_p);
  ASSERT_EQ(p2->send.size(), 1u);
  (void)digits_of(honest.fresh.on_message(p2->send[0], honest.random_n));
  // P's person was quicker: the welcome waits, whatever it is, and opens with N's person's word.
  const auto p3 = honest.primary.confirm();
  const auto held = honest.fresh.on_message(p3->send[0], honest.random_n);
  ASSERT_TRUE(held && held->send.empty() && std::holds_alternative<std::monostate>(held->event));
  const auto word = honest.fresh.confirm();
  EXPECT_TRUE(word && std::holds_alternative<LinkWelcome>(word->event));
}

TEST_F(MiddleTest, OneWelcomeIsHeldAndNoMore) {
  const auto p1 = honest.primary.on_message(honest.fresh.hello(), honest.random_p);
  const auto n1 = honest.fresh.on_message(p1->send[0], honest.random_n);
  const auto p2 = honest.primary.on_message(n1->send[0], honest.random_p);
  (void)digits_of(honest.fresh.on_message(p2->send[0], honest.random_n));
  const auto p3 = honest.primary.confirm();
  ASSERT_TRUE(honest.fresh.on_message(p3->send[0], honest.random_n).has_value());
  EXPECT_EQ(honest.fresh.on_message(p3->send[0], honest.random_n).error(), Error::out_of_turn);
  EXPECT_EQ(honest.fresh.confirm().error(), Error::out_of_turn);
}

TEST_F(MiddleTest, AForgedWelcomeHeldFailsWithThePersonsWord) {
  const auto p1 = honest.primary.on_message(honest.fresh.hello(), honest.random_p);
  const auto n1 = honest.fresh.on_message(p1->send[0], honest.random_n);
  const auto p2 = honest.primary.on_message(n1->send[0], honest.random_p);
  (void)digits_of(honest.fresh.on_message(p2->send[0], honest.random_n));
  Bytes forged = honest.primary.confirm()->send[0];
  forged.back() ^= std::byte{1};
  ASSERT_TRUE(honest.fresh.on_message(forged, honest.random_n).has_value());
  EXPECT_EQ(honest.fresh.confirm().error(), Error::authentication_failed);
  EXPECT_TRUE(honest.fresh.over());
}

// Scanned: M can be neither.
TEST_F(MiddleTest, AScannedCodeAdmitsNobodyElse) {
  Linking link(Way::scanned);
  EXPECT_EQ(link.primary.on_message(as_new.hello(), link.random_p).error(), Error::authentication_failed);
  // M as P: it has the hash and the exchange, not the secret.
  Bytes raw = *from_base64url(as_text(link.fresh.code()).substr(kLinkCodePrefix.size()));
  random.fill(std::span(raw).subspan(17, 16));
  LinkPrimary middle(link.input(), *decode_link_code(std::string(kLinkCodePrefix) + to_base64url(raw)));
  const auto answered = middle.on_message(link.fresh.hello(), random);
  ASSERT_TRUE(link.fresh.on_message(answered->send[0], link.random_n).has_value());
  EXPECT_EQ(link.fresh.on_message(answered->send[1], link.random_n).error(), Error::authentication_failed);
  EXPECT_TRUE(link.fresh.over());
}

// N shows a code, P scanned it, and M plays the typed way to N: P takes nothing that N or M says then.
TEST_F(MiddleTest, MixedWaysEndAtThePrimary) {
  Linking link(Way::scanned);
  ASSERT_TRUE(link.primary.on_message(link.fresh.hello(), link.random_p).has_value());
  LinkPrimary middle(link.input());
  const auto committed = middle.on_message(link.fresh.hello(), random);
  const auto n1 = link.fresh.on_message(committed->send[0], link.random_n);
  EXPECT_EQ(link.primary.on_message(n1->send[0], link.random_p).error(), Error::out_of_turn);
}

TEST_F(MiddleTest, PersonsOfTwoExchangesSeeOtherDigits) {
  Linking other(Way::typed, 500);
  honest.run();
  other.run();
  ASSERT_TRUE(honest.linked && other.linked);
  EXPECT_EQ(honest.digits_n, honest.digits_p);
  EXPECT_NE(honest.digits_n, other.digits_n);
}

}  // namespace
}  // namespace opaline::session
