// Everything at once, from seeds, between people with several devices each: devices are linked and taken off, texts go
// from any to all, and are read and deleted on any; lines are cut, programs die, commits fail, mailboxes are full,
// envelopes are damaged, a device is restored from a copy, lists are under way. Then calm, and what must hold
// (testing/household.cpp). A failure prints its seed: OPALINE_STORM_SEED=n runs that one alone (OPALINE_STORM_COUNT=m:
// m from it on), OPALINE_STORM_TRACE=1 prints what moves.
#include <gtest/gtest.h>

#include <cstdlib>

#include "endpoint/testing/household.hpp"

namespace opaline::endpoint {
namespace {

using testing::Device;
using testing::Household;
using testing::Person;
using testing::World;

struct Weather {
  bool damage = false;    ///< the relay flips bits, twice
  bool set_back = false;  ///< a device is restored from a backup, once
  bool blocks = false;
  bool full = false;  ///< mailboxes hold three envelopes at times: devices miss what the sync would have told
  std::size_t steps = 250;
  std::size_t devices = 3;  ///< so many each at the beginning, at most
};

class Storm {
 public:
  Storm(std::uint64_t seed, Weather weather)
      : world_(seed), dice_(seed * 77 + 1), weather_(weather), house_(world_, dice_, 2 + dice_.below(2)) {
    world_.duplicate_one_in = dice_.below(2) * 5;
    world_.history_at_once = 1 + dice_.below(4);
    for (Person& person : house_.people) {
      world_.connect(*person.primary);
      for (std::size_t more = dice_.below(weather_.devices); more > 0; --more)
        person.devices.push_back(&world_.link_live(*person.primary, person.primary->name + "." + std::to_string(more)));
    }
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

  void rage() {
    for (std::size_t i = 0; i < weather_.steps && !::testing::Test::HasFatalFailure(); ++i) step();
  }

  void calm() {
    refuse_one_in_ = 0;
    damage_left_ = 0;
    world_.directory_out = world_.refuse_lists = false;
    world_.notices = true;
    world_.mailbox_limit = 10'000;
    for (const auto& device : world_.devices) {
      device->store.fail_commits = 0;
      device->store.apply_failed = false;
    }
    for (int round = 0; round < 2; ++round) {
      for (Person& person : house_.people) house_.finish_links(person, round == 0);
      for (Device* device : house_.live())
        if (!device->connected) world_.connect(*device);
      ASSERT_TRUE(world_.pass(std::chrono::hours(5), std::chrono::hours(1)));
    }
    ASSERT_TRUE(world_.pass(std::chrono::hours(60), std::chrono::hours(1)));
  }

  void check() {
    for (const Device* device : house_.live()) {
      EXPECT_EQ(device->endpoint->waiting(), 0u) << device->name;
      EXPECT_EQ(device->store.rows(Table::outbox) + device->store.rows(Table::envelope), 0u) << device->name;
      EXPECT_EQ(device->store.rows(Table::parked), 0u) << device->name;
      EXPECT_FALSE(device->endpoint->list_change_pending()) << device->name;
      if (!weather_.damage && !weather_.set_back) {
        const Counters& c = device->endpoint->counters();
        EXPECT_EQ(c.undecryptable + c.orphans + c.malformed, 0u) << device->name;
      }
      EXPECT_LE(device->notices(NoticeKind::session_healed), weather_.set_back ? 12u : weather_.damage ? 2u : 0u);
      EXPECT_EQ(device->notices(NoticeKind::identity_changed) + device->notices(NoticeKind::list_forked) +
                    device->notices(NoticeKind::list_rolled_back),
                0u)
          << device->name;
    }
    house_.check({.late = weather_.damage || weather_.set_back || weather_.full,
                  .states = !weather_.set_back,
                  .since = weather_.set_back ? set_back_at_.value_or(Time::max()) : testing::kStart,
                  .set_back = backup_of_});
    // Each text goes to some devices of two people, with receipts and marks; nothing multiplies.
    const std::size_t devices = world_.devices.size();
    EXPECT_LE(world_.envelopes, 12 * devices * (house_.texts.size() + acts_ + 8) + 100 * devices) << devices;
  }

  /// At the end everybody talks to everybody as if nothing had been.
  void check_healthy() {
    const auto all = house_.live();
    for (Device* from : all) {
      const Person& person = house_.person_of(*from);
      const Person& peer = house_.other_than(person);
      if (person.ever_blocked.contains(peer.account) || peer.ever_blocked.contains(person.account)) continue;
      // Twice: what was lost is asked for once more when its sender is heard again.
      for (int time = 0; time < 2; ++time) {
        world_.send(*from, *peer.primary, "calm");
        ASSERT_TRUE(world_.pass(std::chrono::minutes(2)));
      }
      const std::uint64_t before = world_.envelopes;
      world_.send(*from, *peer.primary, "really");
      ASSERT_TRUE(world_.settle());
      const auto theirs = house_.live_of(peer), ours = house_.live_of(person);
      // The text and its copies; the news that it is sent; a receipt of each of theirs to each of ours.
      EXPECT_LE(world_.envelopes - before, theirs.size() + 2 * (ours.size() - 1) + theirs.size() * ours.size());
      for (const Device* to : theirs) EXPECT_EQ(to->texts().back(), "really") << from->name << " to " << to->name;
      for (const Device* to : ours)
        EXPECT_EQ(to->store.history().outgoing.back().state, MessageState::delivered) << to->name;
    }
  }

 private:
  void step() {
    Device& device = house_.any();
    Person& person = house_.person_of(device);
    switch (dice_.below(30)) {
      case 0:
      case 1:
      case 2:
        return house_.say(device, house_.other_than(person).account);
      case 3:
        return device.connected ? world_.cut(device, dice_.below(6)) : world_.connect(device);
      case 4:
      case 5:
        if (!device.connected) world_.connect(device);
        return;
      case 6:
        if (dice_.below(3) == 0) world_.crash(device);
        return;
      case 7:
        device.store.fail_commits = dice_.below(2);
        device.store.apply_failed = dice_.below(2) == 0;
        return;
      case 8:
        world_.clock.advance(seconds(1 + static_cast<std::int64_t>(dice_.below(dice_.below(2) == 0 ? 10 : 3600))));
        device.endpoint->tick();
        return world_.round(device);
      case 9:
        world_.directory_out = dice_.below(4) == 0;
        world_.refuse_lists = dice_.below(6) == 0;
        world_.notices = dice_.below(2) == 0;
        world_.mailbox_limit = weather_.full && dice_.below(3) == 0 ? 3 : 10'000;
        return;
      case 10:
        ++acts_;
        device.endpoint->send_typing(house_.other_than(person).account, true);
        return house_.read_some(device);
      case 11:
        ++acts_;
        if (dice_.below(8) == 0) return house_.delete_conversation(device);
        return house_.delete_some(device);
      case 12:
        ++acts_;
        if (weather_.blocks) house_.block(device, house_.other_than(person).account, dice_.below(2) == 0);
        return;
      case 13:
        ++acts_;
        if (dice_.below(2) == 0) house_.start_link(person);
        return;
      case 14:
        return house_.finish_links(person, dice_.below(2) == 0);
      case 15:
        ++acts_;
        if (dice_.below(4) == 0) house_.unlink_one(person);
        return;
      case 16:
        return set_back(device);
      default:
        // Frames move, some of them; rounds happen at any point.
        for (int i = 0; i < 3; ++i) {
          Device& some = house_.any();
          world_.serve(some, dice_.below(8));
          if (some.connected) world_.deliver(some, dice_.below(8));
          if (dice_.below(3) != 0) world_.round(some);
        }
    }
  }

  void set_back(Device& device) {
    if (!weather_.set_back || set_back_at_) return;
    if (!backup_) {
      // Not the one that has the account key: an old list of its own may not be followed by a new one of that number.
      if (&device == house_.person_of(device).primary) return;
      backup_of_ = &device;
      backup_ = device.store.backup();
    } else if (dice_.below(3) == 0 && house_.is_live(*backup_of_)) {
      world_.clock.advance(std::chrono::minutes(30));
      world_.restore(*backup_of_, std::move(*backup_));
      set_back_at_ = world_.clock.now();
    }
  }

  World world_;
  SeededRandom dice_;
  Weather weather_;
  Household house_;
  std::uint64_t refuse_one_in_ = 0;
  std::size_t damage_left_ = 0;
  std::size_t acts_ = 0;
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
    storm.rage();
    storm.calm();
    storm.check();
    storm.check_healthy();
    if (::testing::Test::HasFailure()) return;
  }
}

TEST(DeviceStormTest, CutsCrashesAndRefusals) {
  run_seeds(1, 40, {});
}
TEST(DeviceStormTest, WithFullMailboxesAndBlocks) {
  run_seeds(10'001, 25, {.blocks = true, .full = true});
}
TEST(DeviceStormTest, WithDamage) {
  run_seeds(20'001, 25, {.damage = true});
}
TEST(DeviceStormTest, WithADeviceSetBack) {
  run_seeds(30'001, 25, {.set_back = true});
}
TEST(DeviceStormTest, WithTenDevices) {
  run_seeds(40'001, 3, {.steps = 400, .devices = 10});
}

}  // namespace
}  // namespace opaline::endpoint
