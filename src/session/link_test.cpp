// Linking (docs/protocol.md, section Linking): both ways, and everything that a server in the middle can try.
#include <gtest/gtest.h>

#include "session/testing.hpp"
#include "session/testing_link.hpp"

namespace opaline::session {
namespace {

using testing::kStart;
using testing::Linking;
using testing::NewKeys;
using testing::Way;

constexpr auto kOver = Error::out_of_turn;

template <class Event>
const Event& event(const Result<LinkStep, Error>& step) {
  EXPECT_TRUE(step.has_value() && std::holds_alternative<Event>(step->event));
  return std::get<Event>(step->event);
}

class LinkTest : public ::testing::TestWithParam<Way> {
 protected:
  Linking link{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(BothWays, LinkTest, ::testing::Values(Way::scanned, Way::typed),
                         [](const auto& param) { return param.param == Way::scanned ? "scanned" : "typed"; });

TEST_P(LinkTest, ANewDeviceComesIntoTheList) {
  const Result<LinkStep, Error> welcomed = link.until_welcome();
  const LinkWelcome& welcome = event<LinkWelcome>(welcomed);
  EXPECT_EQ(welcome.list.hash(), link.alice.list.hash());
  EXPECT_EQ(welcome.device, DeviceNumber{2});
  EXPECT_EQ(welcome.mailbox, link.mailbox);
  EXPECT_EQ(welcome.handle, "anna@example.org");

  const Result<LinkStep, Error> proposed = link.propose(welcome);
  const LinkProposal& proposal = event<LinkProposal>(proposed);
  EXPECT_EQ(proposal.keys, link.keys->identity.public_keys());
  EXPECT_EQ(proposal.signed_prekeys, link.keys->prekeys.signed_set);
  EXPECT_EQ(proposal.one_time_batch, link.keys->prekeys.one_time_batch);
  EXPECT_EQ(proposal.capabilities, kCapabilityMessages | kCapabilityEphemeral);
  EXPECT_EQ(proposal.name, "Anna's laptop ✓");
  EXPECT_TRUE(proposal.wants_history);
  EXPECT_FALSE(proposal.web);
  EXPECT_FALSE(link.primary.over());

  const VerifiedDeviceList next = link.sign(link.primary.next_list(kStart));
  EXPECT_EQ(compare_lists(link.alice.list, next), ListChange::successor);
  const auto approved = link.primary.approve(next);
  ASSERT_TRUE(approved && approved->send.size() == 1);
  const auto done = link.fresh.on_message(approved->send[0], link.random_n);
  EXPECT_EQ(event<LinkDone>(done).list.hash(), next.hash());
  EXPECT_TRUE(link.primary.over() && link.fresh.over());
}

TEST_P(LinkTest, ItFitsAnExchange) {
  link.run();
  EXPECT_LE(link.from_new.size(), 8u);
  EXPECT_LE(link.from_primary.size(), 8u);
  for (const auto* side : {&link.from_new, &link.from_primary}) {
    for (const Bytes& message : *side) EXPECT_LE(message.size(), kMaxLinkMessageBytes);
  }
}

TEST_P(LinkTest, APrimaryCanSayNo) {
  for (const LinkRefusal reason :
       {LinkRefusal::person, LinkRefusal::too_many, LinkRefusal::list_changed, LinkRefusal::service}) {
    Linking other(GetParam());
    const auto welcomed = other.until_welcome();
    (void)other.propose(event<LinkWelcome>(welcomed));
    const auto refused = other.primary.refuse(reason);
    ASSERT_TRUE(refused && refused->send.size() == 1);
    EXPECT_TRUE(other.primary.over());
    EXPECT_EQ(event<LinkRefusal>(other.fresh.on_message(refused->send[0], other.random_n)), reason);
    EXPECT_TRUE(other.fresh.over());
  }
}

TEST_P(LinkTest, ARefusalMayComeInPlaceOfTheWelcomesAnswer) {
  (void)link.until_welcome();
  const auto refused = link.primary.refuse(LinkRefusal::list_changed);
  EXPECT_EQ(event<LinkRefusal>(link.fresh.on_message(refused->send[0], link.random_n)), LinkRefusal::list_changed);
}

/// Plays an honest exchange, but message `at` of one side is changed by `tamper`; gives what the one who received it
/// said.
template <class Tamper>
Error deceived(Way way, bool of_new, std::size_t at, Tamper tamper) {
  Linking link(way);
  std::optional<Error> said;
  link.on_the_way = [&](bool from_new, std::size_t index, Bytes message) {
    return from_new == of_new && index == at ? tamper(std::move(message)) : message;
  };
  link.on_error = [&](bool at_new, Error error) {
    EXPECT_NE(at_new, of_new);  // the receiver
    if (!said) said = error;
    // One try: whatever comes now, and whatever the person does, it is over and stays so.
    if (at_new) {
      EXPECT_TRUE(link.fresh.over());
      EXPECT_TRUE(link.fresh.code().empty());
      for (const Bytes& message : link.from_primary) {
        EXPECT_EQ(link.fresh.on_message(message, link.random_n).error(), kOver);
      }
      EXPECT_EQ(link.fresh.confirm().error(), kOver);
    } else {
      EXPECT_TRUE(link.primary.over());
      for (const Bytes& message : link.from_new) {
        EXPECT_EQ(link.primary.on_message(message, link.random_p).error(), kOver);
      }
      EXPECT_EQ(link.primary.confirm().error(), kOver);
      EXPECT_EQ(link.primary.refuse(LinkRefusal::person).error(), kOver);
    }
  };
  link.run();
  EXPECT_FALSE(link.linked);
  EXPECT_TRUE(said.has_value()) << "nobody noticed: message " << at << " of " << (of_new ? "N" : "P");
  return said.value_or(Error::bad_state);
}

/// How many messages each side sends.
std::size_t count(Way way, bool of_new) {
  if (way == Way::scanned) return of_new ? 2 : 3;  // hello, keys | answer, welcome, done
  return of_new ? 3 : 4;                           // hello, nonce, keys | commitment, reveal, welcome, done
}

/// In a typed exchange, messages before the reveal can be changed without anybody but the persons seeing it: theirs
/// are other digits. Those changes are MiddleMan's.
bool persons_see_it(Way way, bool of_new, std::size_t at) {
  return way == Way::typed && of_new && at == 1;
}

template <class Visit>
void for_each_message(Way way, Visit visit) {
  for (const bool of_new : {true, false}) {
    for (std::size_t at = 0; at < count(way, of_new); ++at) {
      SCOPED_TRACE((of_new ? "N's message " : "P's message ") + std::to_string(at));
      visit(of_new, at);
    }
  }
}

TEST_P(LinkTest, ADamagedMessageEndsIt) {
  for_each_message(GetParam(), [&](bool of_new, std::size_t at) {
    const std::size_t size = link.size_of(of_new, at);
    // Version, type, and places all over.
    for (const std::size_t place : {std::size_t{0}, std::size_t{1}, std::size_t{2}, size / 3, size / 2, size - 1}) {
      SCOPED_TRACE(place);
      if (persons_see_it(GetParam(), of_new, at) && place > 1) continue;
      // A hello in a typed exchange has no check of its own: the other side's commitment is to it.
      const bool hello = of_new && at == 0 && GetParam() == Way::typed && place > 1;
      if (hello) continue;
      // So has a commitment, which shows with the reveal.
      if (!of_new && at == 0 && GetParam() == Way::typed && place > 1) continue;
      const Error error = deceived(GetParam(), of_new, at, [&](Bytes message) {
        message[place] ^= std::byte{0x10};
        return message;
      });
      if (place == 0) {
        EXPECT_EQ(error, Error::unsupported_version);
      } else if (place > 1) {
        EXPECT_TRUE(error == Error::authentication_failed || error == Error::bad_key);
      }
    }
  });
}

TEST_P(LinkTest, ATruncatedOrLongerMessageEndsIt) {
  for_each_message(GetParam(), [&](bool of_new, std::size_t at) {
    for (const std::size_t keep : {std::size_t{0}, std::size_t{1}, std::size_t{2}, link.size_of(of_new, at) - 1}) {
      (void)deceived(GetParam(), of_new, at, [&](Bytes message) {
        message.resize(keep);
        return message;
      });
    }
    (void)deceived(GetParam(), of_new, at, [&](Bytes message) {
      message.push_back(std::byte{0});
      return message;
    });
    EXPECT_EQ(deceived(GetParam(), of_new, at,
                       [&](Bytes message) {
                         message.resize(kMaxLinkMessageBytes + 1);
                         return message;
                       }),
              Error::too_large);
  });
}

TEST_P(LinkTest, ReplaysReordersAndReflectionsEndIt) {
  Linking honest(GetParam(), 77);
  honest.run();
  ASSERT_TRUE(honest.linked);
  for_each_message(GetParam(), [&](bool of_new, std::size_t at) {
    const std::vector<Bytes>& same_side = of_new ? honest.from_new : honest.from_primary;
    const std::vector<Bytes>& other_side = of_new ? honest.from_primary : honest.from_new;
    for (std::size_t i = 0; i < same_side.size(); ++i) {
      if (i == at) continue;  // below
      (void)deceived(GetParam(), of_new, at, [&](const Bytes&) { return same_side[i]; });
    }
    for (const Bytes& message : other_side) {
      EXPECT_EQ(deceived(GetParam(), of_new, at, [&](const Bytes&) { return message; }), kOver);  // reflected
    }
  });
}

TEST_P(LinkTest, SealedMessagesOfAnotherExchangeDoNotOpen) {
  Linking other(GetParam(), 78);
  other.run();
  ASSERT_TRUE(other.linked);
  for_each_message(GetParam(), [&](bool of_new, std::size_t at) {
    const Bytes& foreign = (of_new ? other.from_new : other.from_primary)[at];
    if (std::to_integer<int>(foreign[1]) < 6) return;
    EXPECT_EQ(deceived(GetParam(), of_new, at, [&](const Bytes&) { return foreign; }), Error::authentication_failed);
  });
}

TEST_P(LinkTest, TheSameMessageTwiceEndsIt) {
  for_each_message(GetParam(), [&](bool of_new, std::size_t at) {
    Linking again(GetParam());
    std::optional<Error> said;
    again.twice = std::pair(of_new, at);
    again.on_error = [&](bool, Error error) {
      if (!said) said = error;
    };
    again.run();
    // The last message finds an object that is over already.
    EXPECT_EQ(said, kOver);
  });
}

TEST_P(LinkTest, NothingGoesOnAfterEnd) {
  (void)link.until_welcome();
  link.fresh.end();
  link.primary.end();
  EXPECT_EQ(link.fresh.on_message(link.from_primary.back(), link.random_n).error(), kOver);
  EXPECT_EQ(link.primary.on_message(link.from_new.back(), link.random_p).error(), kOver);
  const NewKeys keys({link.alice.account, DeviceNumber{2}}, 5);
  EXPECT_EQ(link.fresh.send_keys(keys.input(), link.random_n).error(), kOver);
  EXPECT_EQ(link.primary.approve(link.alice.list).error(), kOver);
  EXPECT_EQ(link.primary.refuse(LinkRefusal::person).error(), kOver);
}

TEST_P(LinkTest, CallsOutOfTurnEndIt) {
  EXPECT_EQ(link.fresh.confirm().error(), kOver);
  EXPECT_TRUE(link.fresh.over());
  EXPECT_EQ(link.primary.refuse(LinkRefusal::person).error(), kOver);  // no channel yet
  EXPECT_TRUE(link.primary.over());
  Linking other(GetParam());
  const NewKeys keys({other.alice.account, DeviceNumber{2}}, 5);
  EXPECT_EQ(other.fresh.send_keys(keys.input(), other.random_n).error(), kOver);
  EXPECT_TRUE(other.fresh.over());
  EXPECT_EQ(other.primary.approve(other.alice.list).error(), kOver);
  EXPECT_TRUE(other.primary.over());
}

TEST_P(LinkTest, LowOrderPointsAreRefused) {
  const ByteArray<32> points[] = {ByteArray<32>{}, {std::byte{1}}};
  for (const auto& point : points) {
    const auto with_point = [&](Bytes message) {
      std::ranges::copy(point, message.begin() + 2);
      return message;
    };
    if (GetParam() == Way::typed) {
      EXPECT_EQ(deceived(Way::typed, true, 0, with_point), Error::bad_key);
      continue;
    }
    EXPECT_EQ(deceived(Way::scanned, true, 0, with_point), Error::authentication_failed);  // the hash comes first
    EXPECT_EQ(deceived(Way::scanned, false, 0, with_point), Error::bad_key);
  }
}

TEST_P(LinkTest, AnEncapsulationKeyThatIsNoneIsRefused) {
  const Error error = deceived(GetParam(), true, 0, [](Bytes message) {
    std::fill(message.begin() + 34, message.begin() + 40, std::byte{0xff});  // coefficients above q
    return message;
  });
  EXPECT_EQ(error, GetParam() == Way::typed ? Error::bad_key : Error::authentication_failed);
}

// ---- the code

TEST(LinkCodeTest, IsOneTextAndBack) {
  Linking link(Way::scanned);
  const SecretBytes text = link.fresh.code();
  ASSERT_EQ(text.size(), kLinkCodeCharacters);
  const auto code = decode_link_code(as_text(text));
  ASSERT_TRUE(code.has_value());
  EXPECT_EQ(code->exchange, link.exchange);
  EXPECT_TRUE(equal(encode_link_code(*code), text));
  EXPECT_EQ(as_text(text),
            std::string(kLinkCodePrefix) + to_base64url(*from_base64url(as_text(text).substr(kLinkCodePrefix.size()))));
}

TEST(LinkCodeTest, IsReadStrictly) {
  Linking link(Way::scanned);
  const std::string good = to_string(link.fresh.code());
  for (const std::string& other : {std::string(), std::string("https://example.org"), good.substr(1), " " + good}) {
    EXPECT_EQ(decode_link_code(other).error(), Error::wrong_kind) << other;
  }
  for (const std::string& bad :
       {good + " ", good + "=", good + "A", good + "AAAA", good.substr(0, good.size() - 1), good.substr(0, 20),
        std::string(kLinkCodePrefix), good.substr(0, 50) + "+" + good.substr(51), good + std::string(100'000, 'A')}) {
    EXPECT_EQ(decode_link_code(bad).error(), Error::malformed) << bad.substr(0, 120);
  }
  // The last character has two bits (65 bytes are 86 characters and 4 bits): others are no second text for the value.
  int same = 0;
  for (const char c : std::string_view("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")) {
    std::string other = good;
    other.back() = c;
    same += decode_link_code(other).has_value() ? 1 : 0;
  }
  EXPECT_EQ(same, 16);
  std::string newer = good;
  newer[kLinkCodePrefix.size() + 1] = 'g';  // version 2
  EXPECT_EQ(decode_link_code(newer).error(), Error::unsupported_version);
}

TEST(LinkCodeTest, IsGoneOnceAMessageCame) {
  Linking link(Way::typed);
  EXPECT_FALSE(link.fresh.code().empty());
  const auto committed = link.primary.on_message(link.fresh.hello(), link.random_p);
  ASSERT_TRUE(link.fresh.on_message(committed->send[0], link.random_n).has_value());
  EXPECT_TRUE(link.fresh.code().empty());
}

TEST(LinkCodeTest, AnotherExchangeHashOrSecretFails) {
  for (const std::size_t at : {std::size_t{1}, std::size_t{17}, std::size_t{33}, std::size_t{64}}) {
    Linking link(Way::scanned);
    Bytes raw = *from_base64url(as_text(link.fresh.code()).substr(kLinkCodePrefix.size()));
    raw[at] ^= std::byte{1};
    auto code = decode_link_code(std::string(kLinkCodePrefix) + to_base64url(raw));
    ASSERT_TRUE(code.has_value());
    link.primary = LinkPrimary(link.input(), std::move(*code));
    const auto answered = link.primary.on_message(link.fresh.hello(), link.random_p);
    const bool in_secret = at == 17;
    ASSERT_EQ(answered.has_value(), in_secret) << at;
    if (!in_secret) {
      EXPECT_EQ(answered.error(), Error::authentication_failed);
      continue;
    }
    ASSERT_TRUE(link.fresh.on_message(answered->send[0], link.random_n).has_value());
    EXPECT_EQ(link.fresh.on_message(answered->send[1], link.random_n).error(), Error::authentication_failed);
  }
}

}  // namespace
}  // namespace opaline::session
