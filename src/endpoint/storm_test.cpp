// Everything at once, from seeds: cuts, crashes, failing commits, refusals, duplicates, damage, states set back. Then
// calm, and what must hold: every text once, in order, reported; no line in a conversation without a reason; rest.
// A failure prints its seed: OPALINE_STORM_SEED=n runs that one alone (OPALINE_STORM_COUNT=m: m from it on),
// OPALINE_STORM_TRACE=1 prints what moves.
#include <gtest/gtest.h>

#include <cstdlib>

#include "endpoint/testing/world.hpp"

namespace opaline::endpoint {
namespace {

using testing::Device;
using testing::World;

struct Weather {
  bool damage = false;    ///< the relay flips bits, twice
  bool set_back = false;  ///< a device is restored from a backup, once
};

class Storm {
 public:
  Storm(std::uint64_t seed, Weather weather) : world_(seed), dice_(seed * 77 + 1), weather_(weather) {
    const std::size_t people = 2 + dice_.below(2);
    for (std::size_t i = 0; i < people; ++i) world_.add("person " + std::to_string(i));
    world_.duplicate_one_in = dice_.below(2) * 5;
    refuse_one_in_ = dice_.below(3) * 6;
    world_.on_submit = [this](const Device&, const EnvelopeId&) -> std::optional<wire::SubmitStatus> {
      if (refuse_one_in_ == 0 || dice_.below(refuse_one_in_) != 0) return std::nullopt;
      const wire::SubmitStatus statuses[] = {wire::SubmitStatus::full, wire::SubmitStatus::refresh,
                                             wire::SubmitStatus::refused, wire::SubmitStatus::retry};
      return statuses[dice_.below(4)];
    };
    damage_left_ = weather_.damage ? 2 : 0;
    world_.damage = [this](const Device&, Bytes& ciphertext) {
      if (damage_left_ == 0 || dice_.below(12) != 0) return;
      --damage_left_;
      ciphertext[dice_.below(ciphertext.size())] ^= std::byte{1};
    };
  }

  void trace(bool on) { world_.trace = on; }

  void rage(std::size_t steps) {
    for (std::size_t i = 0; i < steps && !::testing::Test::HasFatalFailure(); ++i) step();
  }

  void calm() {
    refuse_one_in_ = 0;
    damage_left_ = 0;
    world_.directory_out = false;
    world_.mailbox_limit = 10'000;
    for (const auto& device : world_.devices) {
      device->store.fail_commits = 0;
      device->store.apply_failed = false;
      world_.connect(*device);
    }
    ASSERT_TRUE(world_.pass(std::chrono::hours(60), std::chrono::hours(1)));
  }

  void check() {
    for (const auto& from : world_.devices) {
      EXPECT_EQ(from->endpoint->waiting(), 0u);
      EXPECT_EQ(from->store.rows(Table::outbox) + from->store.rows(Table::envelope), 0u);
      EXPECT_EQ(from->store.rows(Table::parked), 0u);
      for (const auto& out : from->store.history().outgoing) check_arrived(*from, out);
      for (const auto& to : world_.devices) check_order(*from, *to);
      if (!weather_.damage && !weather_.set_back) {
        const Counters& c = from->endpoint->counters();
        EXPECT_EQ(c.undecryptable + c.orphans + c.unconfirmed + c.malformed, 0u);
        EXPECT_EQ(from->store.history().notices.size(), from->notices(NoticeKind::first_contact));
      }
      EXPECT_LE(from->notices(NoticeKind::session_healed), weather_.set_back ? 6u : weather_.damage ? 2u : 0u);
      EXPECT_EQ(from->notices(NoticeKind::identity_changed) + from->notices(NoticeKind::list_forked) +
                    from->notices(NoticeKind::list_rolled_back),
                0u);
    }
    // Refusals and cuts repeat envelopes, healing adds some; nothing multiplies.
    EXPECT_LE(world_.envelopes, 40 * texts_ + 400);
  }

  /// At the end everybody talks to everybody as if nothing had been: a text and a receipt, no more.
  void check_healthy() {
    for (const auto& from : world_.devices) {
      for (const auto& to : world_.devices) {
        if (from == to) continue;
        // In two steps: the first may still answer an old session.
        world_.send(*from, *to, "calm");
        ASSERT_TRUE(world_.settle());
        const std::uint64_t before = world_.envelopes;
        world_.send(*from, *to, "really");
        ASSERT_TRUE(world_.settle());
        EXPECT_EQ(world_.envelopes, before + 2);
        EXPECT_EQ(to->texts().back(), "really");
      }
    }
  }

 private:
  Device& any() { return *world_.devices[dice_.below(world_.devices.size())]; }

  void step() {
    Device& device = any();
    switch (dice_.below(24)) {
      case 0:
      case 1:
      case 2:
        return say(device);
      case 3:
        return device.connected ? world_.cut(device, dice_.below(6)) : world_.connect(device);
      case 4:
        if (!device.connected) world_.connect(device);
        return;
      case 5:
        if (dice_.below(3) == 0) world_.crash(device);
        return;
      case 6:
        device.store.fail_commits = dice_.below(2);
        device.store.apply_failed = dice_.below(2) == 0;
        return;
      case 7:
        return pass_time(device);
      case 8:
        world_.directory_out = dice_.below(4) == 0;
        world_.mailbox_limit = dice_.below(4) == 0 ? 3 : 10'000;
        return;
      case 9:
        return typing_and_reading(device);
      case 10:
        return set_back(device);
      default:
        // Frames move, some of them; rounds happen at any point.
        world_.serve(device, dice_.below(5));
        if (device.connected) world_.deliver(device, dice_.below(5));
        if (dice_.below(3) != 0) world_.round(device);
    }
  }

  void say(Device& from) {
    Device& to = any();
    if (&to == &from) return;
    ++texts_;
    const auto id = from.endpoint->send_text(to.address.account, "text " + std::to_string(texts_));
    ASSERT_TRUE(id);
    addressee_[*id] = &to;
    if (dice_.below(2) == 0) world_.round(from);
  }

  void pass_time(Device& device) {
    world_.clock.advance(seconds(1 + static_cast<std::int64_t>(dice_.below(dice_.below(2) == 0 ? 10 : 3600))));
    device.endpoint->tick();
    world_.round(device);
  }

  void typing_and_reading(Device& device) {
    Device& to = any();
    if (&to == &device) return;
    device.endpoint->send_typing(to.address.account, dice_.below(2) == 0);
    std::vector<MessageId> ids;
    for (const IncomingMessage& message : device.store.history().incoming)
      if (message.sender.account == to.address.account && dice_.below(3) == 0) ids.push_back(message.id);
    device.endpoint->mark_read(to.address.account, ids);
  }

  void set_back(Device& device) {
    if (!weather_.set_back || set_back_at_) return;
    if (!backup_) {
      backup_of_ = &device;
      backup_ = device.store.backup();
    } else if (dice_.below(3) == 0) {
      world_.clock.advance(std::chrono::minutes(30));
      world_.restore(*backup_of_, std::move(*backup_));
      set_back_at_ = world_.clock.now();
    }
  }

  void check_arrived(const Device& from, const MemoryEndpointStore::Outgoing& out) {
    const auto addressee = addressee_.find(out.message.id);
    if (addressee == addressee_.end()) return;
    const auto& incoming = addressee->second->store.history().incoming;
    const auto copies = std::count_if(incoming.begin(), incoming.end(),
                                      [&](const IncomingMessage& m) { return m.id == out.message.id; });
    EXPECT_LE(copies, 1) << to_string(out.message.body.text);
    // What was delivered to a state that is no more is not sent again unless somebody misses it.
    if (weather_.set_back && (!set_back_at_ || out.message.sent_at < *set_back_at_)) return;
    EXPECT_EQ(copies, 1) << from.name << ": " << to_string(out.message.body.text);
    EXPECT_TRUE(out.state == MessageState::delivered || out.state == MessageState::read)
        << to_string(out.message.body.text) << " " << static_cast<int>(out.state) << " "
        << static_cast<int>(out.reason);
  }

  void check_order(const Device& from, const Device& to) {
    if (weather_.set_back) return;
    Time last{};
    for (const IncomingMessage& message : to.store.history().incoming) {
      if (message.sender != from.address || message.late) continue;
      EXPECT_GT(message.sent_at, last);
      last = message.sent_at;
      if (!weather_.damage) {
        EXPECT_FALSE(message.late);
      }
    }
  }

  World world_;
  SeededRandom dice_;
  Weather weather_;
  std::uint64_t refuse_one_in_ = 0;
  std::size_t damage_left_ = 0;
  std::uint64_t texts_ = 0;
  std::map<MessageId, Device*> addressee_;
  Device* backup_of_ = nullptr;
  std::optional<MemoryEndpointStore::Contents> backup_;
  std::optional<Time> set_back_at_;
};

void run_seeds(std::uint64_t first, std::uint64_t count, Weather weather) {
  if (const char* const only = std::getenv("OPALINE_STORM_SEED")) {
    first = std::strtoull(only, nullptr, 10);
    count = 1;
  }
  if (const char* const more = std::getenv("OPALINE_STORM_COUNT")) count = std::strtoull(more, nullptr, 10);
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    SCOPED_TRACE("OPALINE_STORM_SEED=" + std::to_string(seed));
    Storm storm(seed, weather);
    storm.trace(std::getenv("OPALINE_STORM_TRACE") != nullptr);
    storm.rage(250);
    storm.calm();
    storm.check_healthy();
    storm.check();
    if (::testing::Test::HasFailure()) return;
  }
}

TEST(StormTest, CutsCrashesAndRefusals) {
  run_seeds(1, 250, {});
}
TEST(StormTest, WithDamage) {
  run_seeds(10'001, 125, {.damage = true});
}
TEST(StormTest, WithAStateSetBack) {
  run_seeds(20'001, 125, {.set_back = true});
}

}  // namespace
}  // namespace opaline::endpoint
