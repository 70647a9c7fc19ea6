// Random calls against a model of what must be there, for every driver of the MailboxStore port.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "store/conformance/mailbox_harness.hpp"

namespace opaline::store {
namespace {

using conformance::append_for;
using conformance::is_as_appended;
using conformance::MailboxHarness;
using conformance::sequences;

MailboxId mailbox(std::uint8_t number) {
  ByteArray<16> bytes{};
  bytes[0] = std::byte{number};
  return MailboxId(bytes);
}

class Model {
 public:
  explicit Model(MailboxHarness& harness, std::uint64_t seed) : harness_(harness), random_(seed) {
    epoch_ = *harness_.store().acquire_all();
  }
  void run(int steps) {
    for (int i = 0; i < steps && !testing::Test::HasFailure(); ++i) step();
  }

 private:
  struct Envelope {
    Day day{};
    std::size_t size = 0;
  };
  using Box = std::map<std::uint64_t, Envelope>;

  void step() {
    const MailboxId box = mailbox(static_cast<std::uint8_t>(random_.below(4)));
    switch (random_.below(12)) {
      case 0:
      case 1:
      case 2:
      case 3:
        return append(box);
      case 4:
        return append_late(box);
      case 5:
      case 6:
        return remove(box, Sequence(random_.below(next_[box] + 3)));
      case 7:
        return check(box);
      case 8:
        return check_part(box);
      case 9:
        if (random_.below(4) == 0) ++today_;
        return;
      case 10:
        if (random_.below(4) == 0) expire();
        return;
      default:
        if (random_.below(8) != 0) return;
        if (random_.below(2) == 0) return destroy(box);
        harness_.reopen();
        epoch_ = *harness_.store().acquire_all();
    }
  }
  void append(const MailboxId& box) {
    std::vector<Append> batch;
    const std::uint64_t size = 1 + random_.below(5);
    for (std::uint64_t i = 0; i < size; ++i) {
      next_[box] += 1 + (random_.below(6) == 0 ? random_.below(3) : 0);  // sometimes one is left out
      batch.push_back(append_for(box, next_[box], Day(today_), random_.below(300)));
    }
    store(box, batch);
  }
  void append_late(const MailboxId& box) {
    if (next_[box] == 0) return;
    const std::uint64_t sequence = 1 + random_.below(next_[box]);
    store(box, {append_for(box, sequence, Day(today_), random_.below(300))});
  }
  void store(const MailboxId& box, const std::vector<Append>& batch) {
    const auto outcomes = harness_.append_now(epoch_, batch);
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const auto sequence = static_cast<std::uint64_t>(batch[i].sequence);
      const bool there = boxes_[box].contains(sequence);
      EXPECT_EQ(outcomes[i], there ? AppendOutcome::duplicate : AppendOutcome::stored) << sequence;
      if (!there) boxes_[box][sequence] = {batch[i].day, batch[i].ciphertext.size()};
    }
  }
  void remove(const MailboxId& box, Sequence through) {
    harness_.store().remove(epoch_, {{box, through}});
    std::erase_if(boxes_[box], [&](const auto& each) { return each.first <= static_cast<std::uint64_t>(through); });
  }
  void destroy(const MailboxId& box) {
    harness_.store().destroy(epoch_, box);
    boxes_[box].clear();
  }
  void expire() {
    const std::uint32_t day = today_ - 1 - static_cast<std::uint32_t>(random_.below(3));
    EXPECT_TRUE(harness_.expire_now(Day(day)));
    for (auto& [id, box] : boxes_) std::erase_if(box, [&](const auto& each) { return each.second.day <= Day(day); });
  }
  void check(const MailboxId& id) {
    const Box& box = boxes_[id];
    const auto [outcome, envelopes] = harness_.read_now(epoch_, id);
    ASSERT_EQ(outcome, ReadOutcome::ok);
    ASSERT_EQ(envelopes.size(), box.size());
    auto at = box.begin();
    std::map<Day, MailboxSummary::PerDay> days;
    for (const StoredEnvelope& each : envelopes) {
      EXPECT_TRUE(is_as_appended(each, append_for(id, at->first, at->second.day, at->second.size))) << at->first;
      auto& day = days[at->second.day];
      if (day.count++ == 0) day.first = Sequence(at->first);
      day.last = Sequence(at->first);
      day.bytes += at->second.size;
      ++at;
    }
    const auto [answer, found] = harness_.summarize_now(epoch_, id);
    ASSERT_EQ(answer, ReadOutcome::ok);
    EXPECT_EQ(found.last, Sequence(box.empty() ? 0 : box.rbegin()->first));
    ASSERT_EQ(found.days.size(), days.size());
    std::size_t i = 0;
    for (const auto& [day, counts] : days) {
      const auto& got = found.days[i++];
      EXPECT_TRUE(got.day == day && got.first == counts.first && got.last == counts.last) << number(day);
      EXPECT_EQ(got.count, counts.count);
      EXPECT_EQ(got.bytes, counts.bytes);
    }
  }
  void check_part(const MailboxId& id) {
    const std::uint64_t from = random_.below(next_[id] + 2);
    const std::size_t count = 1 + random_.below(4);
    std::vector<std::uint64_t> expected;
    for (auto at = boxes_[id].lower_bound(from); at != boxes_[id].end() && expected.size() < count; ++at)
      expected.push_back(at->first);
    EXPECT_EQ(sequences(harness_.read_now(epoch_, id, Sequence(from), count).second), expected);
  }

  MailboxHarness& harness_;
  SeededRandom random_;
  OwnerEpoch epoch_{};
  std::uint32_t today_ = 20000;
  std::map<MailboxId, Box> boxes_;
  std::map<MailboxId, std::uint64_t> next_;
};

using MakeHarness = std::unique_ptr<MailboxHarness> (*)();
class MailboxStoreModelTest : public testing::TestWithParam<std::pair<const char*, MakeHarness>> {};

TEST_P(MailboxStoreModelTest, RandomCallsDoWhatTheModelDoes) {
  for (std::uint64_t seed = 1; seed <= 5 && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const auto harness = GetParam().second();
    Model(*harness, seed).run(600);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Drivers, MailboxStoreModelTest,
    testing::Values(
        std::pair<const char*, MakeHarness>(
            "memory", [] { return std::unique_ptr<MailboxHarness>(new conformance::MemoryMailboxHarness); }),
        std::pair<const char*, MakeHarness>(
            "rocksdb", [] { return std::unique_ptr<MailboxHarness>(new conformance::RocksdbMailboxHarness); })),
    [](const auto& param) { return param.param.first; });

}  // namespace
}  // namespace opaline::store
