// The containers of the hot path against the standard library's, on random operations.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <deque>
#include <map>

#include "relay/internal/envelope.hpp"
#include "relay/internal/flat_map.hpp"
#include "relay/internal/ring.hpp"
#include "relay/internal/shares.hpp"
#include "relay/revocations.hpp"
#include "wire/send_token.hpp"

namespace opaline::relay::internal {
namespace {

struct BadHash {  // everything collides in four places, and wraps around
  std::size_t operator()(int key) const { return static_cast<std::size_t>(key % 4) + 13; }
};

TEST(FlatMap, BehavesLikeAMap) {
  rc::check([](const std::vector<std::pair<bool, std::uint8_t>>& operations) {
    FlatMap<int, int, BadHash> map;
    std::map<int, int*> model;
    std::vector<int> values(256);
    for (const auto& [insert, byte] : operations) {
      const int key = byte % 32;
      if (insert && !model.contains(key)) {
        map.insert(key, &values[byte]);
        model[key] = &values[byte];
      } else if (!insert) {
        int* const expected = model.contains(key) ? model[key] : nullptr;
        RC_ASSERT(map.erase(key) == expected);
        model.erase(key);
      }
      RC_ASSERT(map.size() == model.size());
      for (int k = 0; k < 32; ++k) RC_ASSERT(map.find(k) == (model.contains(k) ? model[k] : nullptr));
    }
    std::size_t seen = 0;
    map.for_each([&seen](int&) { ++seen; });
    RC_ASSERT(seen == model.size());
  });
}

TEST(Ring, BehavesLikeADeque) {
  rc::check([](const std::vector<std::uint8_t>& operations) {
    Ring<int> ring;
    std::deque<int> model;
    for (const int each : operations) {
      if (each % 3 != 0) {
        ring.push_back(each);
        model.push_back(each);
      } else if (!model.empty()) {
        RC_ASSERT(ring.front() == model.front());
        RC_ASSERT(ring.back() == model.back());
        ring.pop_front();
        model.pop_front();
        ring.trim();
      }
      RC_ASSERT(ring.size() == model.size());
      for (std::uint32_t i = 0; i < ring.size(); ++i) RC_ASSERT(ring[i] == model[i]);
    }
  });
}

TEST(EnvelopePool, KeepsEverySizeApartAndGivesEverythingBack) {
  rc::check([](const std::vector<std::uint16_t>& sizes) {
    EnvelopePool pool;
    std::vector<std::pair<Envelope*, Bytes>> live;
    for (const std::size_t raw : sizes) {
      const std::size_t size = 1 + raw % wire::kMaxEnvelopeBytes;
      const Bytes content(size, static_cast<std::byte>(raw));
      live.emplace_back(pool.make(content), content);
      if (raw % 3 == 0) {
        pool.free(live.front().first);
        live.erase(live.begin());
      }
      for (auto& [envelope, expected] : live) RC_ASSERT(equal(envelope->ciphertext(), expected));
    }
    for (auto& [envelope, expected] : live) pool.free(envelope);
    RC_ASSERT(pool.used_blocks() == 0u);
    RC_ASSERT(pool.used_bytes() == 0u);
  });
}

TEST(DuplicateIndex, FindsExactlyWhatIsInFlight) {
  SeededRandom random(3);
  EnvelopePool pool;
  DuplicateIndex index(random);
  std::vector<Envelope*> live;
  for (int i = 0; i < 2000; ++i) {
    Envelope* const e = pool.make(as_view("x"));
    e->id = random.id<EnvelopeId>();
    e->sender_tag = static_cast<std::uint64_t>(i % 7);
    index.insert(e);
    live.push_back(e);
  }
  for (std::size_t i = 0; i < live.size(); i += 2) index.erase(live[i]);
  for (std::size_t i = 0; i < live.size(); ++i) {
    Envelope* const e = live[i];
    EXPECT_EQ(index.find(nullptr, e->id, e->sender_tag), i % 2 == 0 ? nullptr : e);
    EXPECT_EQ(index.find(nullptr, e->id, e->sender_tag + 1), nullptr);
    EXPECT_EQ(index.find(reinterpret_cast<Mailbox*>(&index), e->id, e->sender_tag), nullptr);
  }
  for (Envelope* const e : live) pool.free(e);
}

TEST(Shares, CountsAndForgetsTheLeast) {
  Shares shares;
  for (std::uint64_t tag = 1; tag <= Shares::kMaxSenders; ++tag) shares.charge(tag, tag);
  shares.charge(5, 1000);
  EXPECT_EQ(shares.use(5).envelopes, 2u);
  EXPECT_EQ(shares.use(5).bytes, 1005u);
  shares.charge(9999, 50);
  EXPECT_EQ(shares.use(1).envelopes, 0u);  // had the least
  EXPECT_EQ(shares.use(9999).bytes, 50u);
  shares.give_back(5, 5);
  shares.give_back(5, 1000);
  EXPECT_EQ(shares.use(5).envelopes, 0u);
  EXPECT_EQ(shares.use(5).bytes, 0u);
  EXPECT_EQ(shares.at_least(1, 250).size(), Shares::kMaxSenders - 1);
  EXPECT_EQ(shares.at_least(2, 250).size(), 7u);
}

class RevocationsTest : public ::testing::Test {
 protected:
  using Verdict = Revocations::Verdict;
  SeededRandom random{1};
  Revocations revocations;
  const AccountId sender = random.id<AccountId>();
  const MailboxId mailbox = random.id<MailboxId>();
  const Time now{std::chrono::days(20'000)};
  const Time expires = now + wire::kSendTokenLifetime;
};

TEST_F(RevocationsTest, VoidWhatWasIssuedBefore) {
  EXPECT_EQ(revocations.check(sender, mailbox, expires), Verdict::open);
  const auto version = revocations.version();
  revocations.revoke_mailbox(mailbox, now);
  EXPECT_NE(revocations.version(), version);
  EXPECT_EQ(revocations.check(sender, mailbox, expires), Verdict::refresh);
  EXPECT_EQ(revocations.check(sender, mailbox, expires + seconds(1)), Verdict::open);
  EXPECT_EQ(revocations.check(sender, random.id<MailboxId>(), expires), Verdict::open);
  revocations.revoke_mailbox(mailbox, now - seconds(9));  // an older one takes nothing back
  EXPECT_EQ(revocations.check(sender, mailbox, expires), Verdict::refresh);
  revocations.revoke_sender(sender, now + seconds(1));
  EXPECT_EQ(revocations.check(sender, mailbox, expires + seconds(1)), Verdict::refresh);
}

TEST_F(RevocationsTest, AGoneMailboxIsGoneForEveryToken) {
  revocations.mailbox_gone(mailbox, now);
  EXPECT_EQ(revocations.check(sender, mailbox, expires + std::chrono::days(3)), Verdict::gone);
  EXPECT_TRUE(revocations.is_gone(mailbox));
}

TEST_F(RevocationsTest, ForgetsWhatHasExpiredByItself) {
  revocations.mailbox_gone(mailbox, now);
  revocations.revoke_mailbox(mailbox, now);
  revocations.revoke_sender(sender, now);
  revocations.forget(expires);
  EXPECT_EQ(revocations.size(), 3u);
  revocations.forget(expires + seconds(1));
  EXPECT_EQ(revocations.size(), 0u);
}

}  // namespace
}  // namespace opaline::relay::internal
