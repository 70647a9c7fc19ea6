// What cannot be opened: it comes again, once, with at most one line in the conversation, and without loops.
#include <gtest/gtest.h>

#include "endpoint/internal/records.hpp"
#include "endpoint/testing/world.hpp"

namespace opaline::endpoint {
namespace {

using testing::Device;
using testing::World;
using Texts = std::vector<std::string>;

class HealingTest : public ::testing::Test {
 protected:
  void SetUp() override {
    world.connect(anna);
    world.connect(ben);
  }
  void get_to_know() {
    world.send(anna, ben, "hello");
    ASSERT_TRUE(world.settle());
    world.send(ben, anna, "hi");
    ASSERT_TRUE(world.settle());
  }
  /// Both ways once more, and nothing else moves.
  void expect_healthy() {
    // What was asked about is asked about once more where its sender is heard later: now, if at all.
    world.send(anna, ben, "are you there?");
    world.send(ben, anna, "are you?");
    ASSERT_TRUE(world.settle());
    const std::uint64_t before = world.envelopes;
    const std::size_t heard_a = anna.texts().size(), heard_b = ben.texts().size();
    for (int i = 0; i < 3; ++i) {
      world.send(anna, ben, "ping");
      ASSERT_TRUE(world.settle());
      world.send(ben, anna, "pong");
      ASSERT_TRUE(world.settle());
    }
    EXPECT_EQ(anna.texts().size(), heard_a + 3);
    EXPECT_EQ(ben.texts().size(), heard_b + 3);
    EXPECT_EQ(world.envelopes, before + 12);  // six texts, six receipts
  }
  /// The session in which `from` writes to `to`.
  static session::HandshakeHash sending(Device& from, const Device& to) {
    internal::DeviceRecord record;
    const auto row = from.store.get(Table::peer_device, internal::device_key(to.address));
    EXPECT_TRUE(*row && decode(**row, record));
    return record.sending;
  }
  std::size_t lines() const {
    return anna.notices(NoticeKind::session_healed) + ben.notices(NoticeKind::session_healed);
  }
  /// The texts without repetition, sorted: what arrived at all.
  static std::set<std::string> as_set(const Texts& texts) { return {texts.begin(), texts.end()}; }

  World world{5};
  Device& anna = world.add("anna");
  Device& ben = world.add("ben");
};

TEST_F(HealingTest, ADamagedEnvelopeComesAgain) {
  get_to_know();
  int left = 1;
  world.damage = [&](const Device& to, Bytes& ciphertext) {
    if (&to == &ben && left-- > 0) ciphertext.back() ^= std::byte{1};
  };
  for (int i = 0; i < 5; ++i) world.send(anna, ben, std::to_string(i));
  ASSERT_TRUE(world.pass(std::chrono::minutes(2)));
  EXPECT_EQ(as_set(ben.texts()), as_set({"hello", "0", "1", "2", "3", "4"}));
  EXPECT_EQ(ben.texts().size(), 6u);
  EXPECT_TRUE(ben.store.history().incoming.back().late);
  EXPECT_EQ(ben.notices(NoticeKind::session_healed), 1u);
  EXPECT_EQ(anna.notices(NoticeKind::session_healed), 0u);
  expect_healthy();
}

TEST_F(HealingTest, ADamagedHandshakeComesAgainOnceBothKnowEachOther) {
  // The first message of all names nobody when it cannot be opened; its sender repeats the handshake, and the next one
  // heals nothing but brings the session. Then the first is asked for.
  int left = 1;
  world.damage = [&](const Device& to, Bytes& ciphertext) {
    if (&to == &ben && left-- > 0) ciphertext.back() ^= std::byte{1};
  };
  world.send(anna, ben, "lost");
  ASSERT_TRUE(world.settle());
  EXPECT_TRUE(ben.texts().empty());
  world.send(anna, ben, "found");
  ASSERT_TRUE(world.pass(std::chrono::minutes(2)));
  EXPECT_EQ(as_set(ben.texts()), as_set({"lost", "found"}));
  EXPECT_EQ(ben.texts().size(), 2u);
  expect_healthy();
}

TEST_F(HealingTest, BothOpenAtOnceAndConverge) {
  for (std::uint64_t seed = 0; seed < 12; ++seed) {
    World w(1000 + seed);
    Device& a = w.add("a");
    Device& b = w.add("b");
    w.connect(a);
    w.connect(b);
    w.send(a, b, "from a 1");
    w.send(b, a, "from b 1");
    w.send(a, b, "from a 2");
    w.send(b, a, "from b 2");
    ASSERT_TRUE(w.settle());
    EXPECT_EQ(a.texts(), (Texts{"from b 1", "from b 2"}));
    EXPECT_EQ(b.texts(), (Texts{"from a 1", "from a 2"}));
    EXPECT_EQ(a.endpoint->counters().sessions_opened + b.endpoint->counters().sessions_opened, 2u);
    // Both go on in one session: no further handshake, no trouble.
    for (int i = 0; i < 10; ++i) {
      w.send(a, b, "x");
      w.send(b, a, "y");
      ASSERT_TRUE(w.settle());
    }
    EXPECT_EQ(a.endpoint->counters().sessions_opened + b.endpoint->counters().sessions_opened, 2u);
    EXPECT_EQ(a.endpoint->counters().undecryptable + b.endpoint->counters().undecryptable, 0u);
    EXPECT_EQ(a.endpoint->counters().orphans + b.endpoint->counters().orphans, 0u);
    EXPECT_EQ(a.texts().size(), 12u);
    EXPECT_EQ(b.texts().size(), 12u);
    EXPECT_EQ(sending(a, b), sending(b, a));
  }
}

TEST_F(HealingTest, BothOpenWhileTheOthersIsSlowAndConverge) {
  for (std::uint64_t seed = 0; seed < 24; ++seed) {
    SCOPED_TRACE(seed);
    World w(2000 + seed);
    Device& a = w.add("a");
    Device& b = w.add("b");
    w.connect(a);
    w.connect(b);
    ASSERT_TRUE(w.settle());
    // b has asked for a's bundles before a's opening is under way to it, and reads that later than the answer.
    w.send(b, a, "from b");
    w.serve(b, 100);
    w.send(a, b, "from a");
    for (int i = 0; i < 4; ++i) {
      w.serve(a, 100);
      w.deliver(a, 100);
      w.round(a);
    }
    w.clock.advance(seconds(20));
    w.deliver(b, 1);
    w.round(b);
    ASSERT_EQ(a.endpoint->counters().sessions_opened, 1u);
    ASSERT_EQ(b.endpoint->counters().sessions_opened, 1u) << "it did not know of a's";
    w.serve(b, 100);
    w.deliver(a, 100);  // leaves its own: nobody has answered it
    w.round(a);
    if (seed % 2 != 0) w.clock.advance(seconds(20));  // b leaves its own, too
    ASSERT_TRUE(w.settle());
    for (int i = 0; i < 5; ++i) {
      w.send(a, b, "x");
      w.send(b, a, "y");
      ASSERT_TRUE(w.settle());
    }
    EXPECT_EQ(sending(a, b), sending(b, a));
    EXPECT_EQ(a.endpoint->counters().sessions_opened + b.endpoint->counters().sessions_opened, 2u);
    EXPECT_EQ(a.endpoint->counters().undecryptable + b.endpoint->counters().undecryptable, 0u);
    EXPECT_EQ(a.texts().size(), 6u);
    EXPECT_EQ(b.texts().size(), 6u);
  }
}

TEST_F(HealingTest, AReceiverThatWasSetBackGetsItAllAgain) {
  get_to_know();
  const auto old = ben.store.backup();
  for (int i = 0; i < 20; ++i) {
    world.send(anna, ben, "to ben " + std::to_string(i));
    ASSERT_TRUE(world.settle());
    world.send(ben, anna, "to anna " + std::to_string(i));
    ASSERT_TRUE(world.settle());
  }
  world.restore(ben, old);
  world.clock.advance(std::chrono::hours(1));
  for (int i = 0; i < 5; ++i) world.send(anna, ben, "later " + std::to_string(i));
  world.connect(ben);
  ASSERT_TRUE(world.pass(std::chrono::minutes(5)));
  Texts wanted{"hello"};
  for (int i = 0; i < 5; ++i) wanted.push_back("later " + std::to_string(i));
  EXPECT_EQ(as_set(ben.texts()), as_set(wanted));
  EXPECT_EQ(ben.texts().size(), wanted.size());
  EXPECT_EQ(lines(), 0u);
  expect_healthy();
}

TEST_F(HealingTest, ASenderThatWasSetBackIsUnderstoodAgain) {
  get_to_know();
  const auto old = anna.store.backup();
  for (int i = 0; i < 20; ++i) {
    world.send(anna, ben, "to ben " + std::to_string(i));
    if (i % 3 == 0) {
      ASSERT_TRUE(world.settle());
      world.send(ben, anna, "to anna " + std::to_string(i));
    }
    ASSERT_TRUE(world.settle());
  }
  const std::size_t before = ben.texts().size();
  world.restore(anna, old);
  world.clock.advance(std::chrono::hours(1));
  world.connect(anna);
  for (int i = 0; i < 5; ++i) world.send(anna, ben, "again " + std::to_string(i));
  ASSERT_TRUE(world.pass(std::chrono::minutes(5)));
  EXPECT_EQ(ben.texts().size(), before + 5);
  EXPECT_EQ(ben.endpoint->counters().orphans, 0u);  // old tags still say whose it is
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(as_set(ben.texts()).contains("again " + std::to_string(i)));
  EXPECT_LE(lines(), 1u);
  expect_healthy();
}

TEST_F(HealingTest, BothWereSetBack) {
  get_to_know();
  const auto old_a = anna.store.backup();
  const auto old_b = ben.store.backup();
  for (int i = 0; i < 6; ++i) {
    world.send(anna, ben, "x");
    ASSERT_TRUE(world.settle());
    world.send(ben, anna, "y");
    ASSERT_TRUE(world.settle());
  }
  world.restore(anna, old_a);
  world.restore(ben, old_b);
  world.clock.advance(std::chrono::hours(1));
  world.connect(anna);
  world.connect(ben);
  world.send(anna, ben, "from anna");
  world.send(ben, anna, "from ben");
  ASSERT_TRUE(world.pass(std::chrono::minutes(5)));
  EXPECT_TRUE(as_set(anna.texts()).contains("from ben"));
  EXPECT_TRUE(as_set(ben.texts()).contains("from anna"));
  EXPECT_LE(lines(), 2u);
  expect_healthy();
}

TEST_F(HealingTest, LostSessionsHealByProbing) {
  get_to_know();
  // Ben's sessions are lost, all else is there.
  auto contents = ben.store.backup();
  std::erase_if(contents.rows, [](const auto& row) {
    return row.first.first == Table::session || row.first.first == Table::session_tag;
  });
  world.restore(ben, std::move(contents));
  world.connect(ben);
  for (int i = 0; i < 5; ++i) world.send(anna, ben, std::to_string(i));
  ASSERT_TRUE(world.pass(std::chrono::minutes(5)));
  EXPECT_EQ(as_set(ben.texts()), as_set({"hello", "0", "1", "2", "3", "4"}));
  EXPECT_EQ(ben.texts().size(), 6u);
  expect_healthy();
}

TEST_F(HealingTest, LostPrekeysAreReplacedAndTheMessageComesAgain) {
  get_to_know();
  auto contents = ben.store.backup();
  std::erase_if(contents.rows, [](const auto& row) {
    const Table t = row.first.first;
    return t == Table::session || t == Table::session_tag || t == Table::prekey_set || t == Table::one_time;
  });
  world.restore(ben, std::move(contents));
  // Anna opens a new session with prekeys that ben does not have any more.
  auto annas = anna.store.backup();
  std::erase_if(annas.rows, [](const auto& row) {
    const Table t = row.first.first;
    return t == Table::session || t == Table::session_tag;
  });
  world.restore(anna, std::move(annas));
  world.clock.advance(std::chrono::hours(1));
  world.connect(anna);
  world.connect(ben);
  world.send(anna, ben, "with lost prekeys");
  ASSERT_TRUE(world.pass(std::chrono::minutes(5)));
  EXPECT_EQ(as_set(ben.texts()), as_set({"hello", "with lost prekeys"}));
  EXPECT_EQ(ben.endpoint->counters().prekey_sets, 1u);
  expect_healthy();
}

TEST_F(HealingTest, AGapTooLongIsSaidAndHealed) {
  get_to_know();
  world.cut(ben);
  // Everything of a month expired at the relay, but the last ones.
  for (int i = 0; i < 1200; ++i) {
    world.send(anna, ben, std::to_string(i));
    if (i % 100 == 99) {
      ASSERT_TRUE(world.settle());
    }
  }
  ASSERT_TRUE(world.settle());
  auto& waiting = world.mailboxes[ben.mailbox].waiting;
  ASSERT_EQ(waiting.size(), 1200u);
  waiting.erase(waiting.begin(), waiting.end() - 3);
  waiting.front().gap = true;
  world.connect(ben);
  ASSERT_TRUE(world.pass(std::chrono::minutes(5)));
  EXPECT_EQ(ben.notices(NoticeKind::messages_expired), 1u);
  EXPECT_EQ(ben.notices(NoticeKind::session_healed), 0u);
  EXPECT_EQ(ben.count_events<MessagesMissed>(), 1u);
  EXPECT_EQ(as_set(ben.texts()), as_set({"hello", "1197", "1198", "1199"}));
  expect_healthy();
}

TEST_F(HealingTest, GarbageCostsLittle) {
  get_to_know();
  const std::uint64_t before = world.envelopes;
  // A stranger, or the server, fills the mailbox with what is no message at all, for three days.
  for (int hour = 0; hour < 72; ++hour) {
    for (int i = 0; i < 30; ++i) {
      Bytes junk(300 + world.random.below(9000));
      world.random.fill(junk);
      if (i % 3 == 0) std::fill(junk.begin(), junk.begin() + 16, std::byte{0});
      if (i % 6 == 0) junk[16] = std::byte{1};
      if (i % 10 == 0) junk.resize(world.random.below(20));
      world.mailboxes[ben.mailbox].waiting.push_back({world.random.id<EnvelopeId>(), junk, anna.address.account});
    }
    world.cut(ben);
    world.connect(ben);
    ASSERT_TRUE(world.pass(std::chrono::hours(1), std::chrono::minutes(20)));
  }
  EXPECT_LE(world.envelopes - before, 3 * kMaxOrphans) << "of each device that is asked, once a day";
  EXPECT_EQ(lines(), 0u);
  EXPECT_EQ(ben.texts(), Texts{"hello"});
  EXPECT_LE(ben.endpoint->counters().prekey_sets, 200u);
  world.send(anna, ben, "still here");
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(ben.texts().back(), "still here");
}

TEST_F(HealingTest, ARelayThatDamagesEverythingEndsInRest) {
  get_to_know();
  world.damage = [&](const Device&, Bytes& ciphertext) { ciphertext.back() ^= std::byte{1}; };
  const std::uint64_t before = world.envelopes;
  for (int day = 0; day < 5; ++day) {
    world.send(anna, ben, "a" + std::to_string(day));
    world.send(ben, anna, "b" + std::to_string(day));
    ASSERT_TRUE(world.pass(std::chrono::days(1), std::chrono::minutes(30)));
  }
  EXPECT_LE(world.envelopes - before, 200u);
  world.damage = nullptr;
  world.send(anna, ben, "clear again");
  world.send(ben, anna, "clear again");
  ASSERT_TRUE(world.pass(std::chrono::days(2), std::chrono::minutes(30)));
  EXPECT_TRUE(as_set(ben.texts()).contains("clear again"));
  EXPECT_TRUE(as_set(anna.texts()).contains("clear again"));
}

TEST_F(HealingTest, FreshSessionsAreFewWhateverTheRelayDoes) {
  get_to_know();
  // Handshakes pass, everything else is damaged: each fresh session breaks at once.
  world.damage = [&](const Device&, Bytes& ciphertext) {
    if (!session::is_handshake(ciphertext)) ciphertext.back() ^= std::byte{1};
  };
  for (int i = 0; i < 40; ++i) {
    world.send(anna, ben, std::to_string(i));
    world.send(ben, anna, std::to_string(i));
    ASSERT_TRUE(world.pass(std::chrono::minutes(30)));
  }
  for (const Device* device : {&anna, &ben}) {
    EXPECT_LE(device->endpoint->counters().heals, kMaxHealsPerWindow);
  }
  // One of them ran out of its budget, and stopped.
  EXPECT_GT(anna.endpoint->counters().heals_suppressed + ben.endpoint->counters().heals_suppressed, 20u);
  EXPECT_LE(lines(), 2 * kMaxHealsPerWindow);
  world.damage = nullptr;
  ASSERT_TRUE(world.pass(std::chrono::hours(30), std::chrono::minutes(30)));
  world.send(anna, ben, "clear");
  world.send(ben, anna, "clear");
  ASSERT_TRUE(world.pass(std::chrono::minutes(5)));
  EXPECT_TRUE(as_set(ben.texts()).contains("clear"));
  EXPECT_TRUE(as_set(anna.texts()).contains("clear"));
}

TEST_F(HealingTest, AMessageIsSentAgainTwiceAtMost) {
  get_to_know();
  // Ben's copy of this message never arrives whole.
  bool on = true;
  world.damage = [&](const Device& to, Bytes& ciphertext) {
    if (&to == &ben && on) ciphertext.back() ^= std::byte{1};
  };
  world.send(anna, ben, "cursed");
  ASSERT_TRUE(world.pass(std::chrono::days(4), std::chrono::minutes(30)));
  EXPECT_LE(anna.endpoint->counters().resends, 2u);
  on = false;
  world.send(anna, ben, "fine");
  ASSERT_TRUE(world.pass(std::chrono::hours(2)));
  EXPECT_TRUE(as_set(ben.texts()).contains("fine"));
}

TEST_F(HealingTest, AReplayedFirstMessageIsRefused) {
  std::optional<World::Envelope> first;
  world.send(anna, ben, "pay me 100");
  for (int i = 0; i < 10 && !first; ++i) {
    world.serve(anna, 100);
    if (!world.mailboxes[ben.mailbox].pushed.empty()) first = world.mailboxes[ben.mailbox].pushed.front();
    world.deliver(anna, 100);
    world.round(anna);
  }
  ASSERT_TRUE(first);
  ASSERT_TRUE(world.settle());
  world.send(ben, anna, "done");
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(ben.texts().size(), 1u);
  // Under its own id, and under another.
  for (const bool other_id : {false, true}) {
    world.cut(ben);
    if (other_id) first->id = world.random.id<EnvelopeId>();
    world.mailboxes[ben.mailbox].waiting.push_back(*first);
    world.connect(ben);
    ASSERT_TRUE(world.pass(std::chrono::minutes(3)));
    EXPECT_EQ(ben.texts().size(), 1u);
  }
  expect_healthy();
}

TEST_F(HealingTest, AnEnvelopeUnderAnotherIdIsNotOpened) {
  get_to_know();
  world.cut(ben);
  world.send(anna, ben, "mine");
  ASSERT_TRUE(world.settle());
  auto& waiting = world.mailboxes[ben.mailbox].waiting;
  ASSERT_EQ(waiting.size(), 1u);
  waiting.front().id = world.random.id<EnvelopeId>();
  world.connect(ben);
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(ben.texts(), Texts{"hello"});
  EXPECT_EQ(ben.endpoint->counters().undecryptable, 1u);
}

}  // namespace
}  // namespace opaline::endpoint
