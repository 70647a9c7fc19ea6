// Random schedules against the promises: a node on a memory disk with faults, devices that come and go, bytes that
// arrive when they like, crashes, deadlines, days that pass. What is checked (docs/promises.md):
//   1   an envelope that was answered `accepted` reaches its device, whatever crashes (unless it expired)
//   2   an envelope for a device that is there with credit and acknowledges in time is never handed to the store
//   3   when everything is acknowledged, nothing is left on the disk
//   4   nothing beyond retention is pushed
//   10  per sender and recipient: accepted envelopes arrive in order; exactly one answer for each submission
// and that in the end everything moves: no envelope, credit or acknowledgement is lost on the way.
#include <gtest/gtest.h>

#include <cstdlib>

#include "relay/test_support/world.hpp"

namespace opaline::relay::testing {
namespace {

using wire::SubmitStatus;
using namespace std::chrono_literals;

struct Schedule {
  std::size_t devices = 3;
  bool crashes = false, cuts = false, faults = false, deadlines = false, days = false, full = false, small_ram = false;
};

class Model {
 public:
  Model(std::uint64_t seed)
      : dice_(seed ^ 0x6f70616c696e65), schedule_(choose(dice_)), world_(seed, config(), schedule_.devices) {
    const std::size_t n = schedule_.devices;
    states_.resize(n);
    for (std::size_t i = 0; i < n; ++i) {
      TestDevice& device = *world_.devices[i];
      states_[i].generous = dice_.below(2) == 0;
      for (std::size_t j = 0; j < n; ++j) device.peers.push_back({.mailbox = world_.devices[j]->mailbox, .outbox = {}});
      device.on_result = [this, i](TestDevice::Peer& peer, const TestDevice::Outgoing& e, SubmitStatus status) {
        on_result(i, peer, e, status);
      };
      device.on_push = [this, i](const TestDevice::Received& r, bool) { on_push(i, r); };
    }
    world_.on_start = [this] {
      world_.watched->on_append = [this](const store::Append& append) { on_append(append); };
    };
    world_.start();
  }

  void run(std::size_t steps) {
    for (std::size_t i = 0; i < steps && !::testing::Test::HasFailure(); ++i) step();
    if (!::testing::Test::HasFailure()) finish();
  }

 private:
  struct DeviceState {
    bool generous = false;  ///< gives endless credit at once and never again
    bool online = false;    ///< the server has its credit
    std::uint64_t online_since = 0;
    bool was_late = false;           ///< some envelope's deadline passed on this connection
    std::vector<EnvelopeId> pushed;  ///< on this connection
    void leave() {
      const bool is_generous = generous;
      *this = {};
      generous = is_generous;
    }
  };
  struct Known {
    std::size_t from = 0, to = 0;
    std::uint32_t order = 0;
    std::uint64_t arrived_step = 0;
    Instant arrived;
    std::optional<Day> first_day;  ///< of arrival
    Day accepted_day{};
    bool accepted = false, acknowledged = false, ephemeral = false;
  };

  static Schedule choose(SeededRandom& dice) {
    const auto maybe = [&dice] { return dice.below(2) == 0; };
    return {.devices = 2 + static_cast<std::size_t>(dice.below(3)),
            .crashes = maybe(),
            .cuts = maybe(),
            .faults = maybe(),
            .deadlines = maybe(),
            .days = dice.below(4) == 0,
            .full = dice.below(4) == 0,
            .small_ram = dice.below(8) == 0};
  }

  NodeConfig config() {
    NodeConfig out;
    out.server_name = "model.test";
    out.limits.mailbox_envelopes = 12 + static_cast<std::uint32_t>(dice_.below(100));
    out.limits.mailbox_bytes = 4096 + dice_.below(60'000);
    out.limits.sender_share = 1 + static_cast<std::uint32_t>(dice_.below(4));
    out.limits.drain_window_envelopes = 1 + dice_.below(16);
    out.limits.drain_window_bytes = 100 + dice_.below(4000);
    out.limits.unacknowledged_envelopes = 2 + static_cast<std::uint32_t>(dice_.below(60));
    out.limits.unacknowledged_bytes = 2000 + dice_.below(10'000);
    out.limits.idle_mailboxes = 1 + dice_.below(4);
    out.limits.idle_mailbox_time = milliseconds(1 + dice_.below(2000));
    out.limits.store_repeats = static_cast<std::uint32_t>(dice_.below(4));
    if (schedule_.small_ram) out.limits.max_ram_bytes = 8000 + dice_.below(20'000);
    return out;
  }

  std::size_t any_device() { return static_cast<std::size_t>(dice_.below(world_.devices.size())); }

  void step() {
    ++now_;
    const std::size_t i = any_device();
    TestDevice& device = *world_.devices[i];
    switch (dice_.below(20)) {
      case 0:
      case 1:
        write(device);
        return;
      case 2:
      case 3:
        device.send_some(1 + dice_.below(12));
        return;
      case 4:
      case 5:
      case 6:
        deliver_up(i);
        return;
      case 7:
      case 8:
      case 9:
        world_.deliver_down(i);
        forget_if_gone(i);
        return;
      case 10:
      case 11:
        acknowledge(device);
        return;
      case 12:
        credit(i);
        return;
      case 13:
        if (!world_.running()) world_.start();
        world_.connect(i);
        return;
      case 14:
        world_.answer_auth();
        return;
      case 15:
      case 16:
        world_.end_round();
        return;
      case 17:
        if (world_.store) world_.store->step();
        return;
      case 18:
        tick();
        return;
      case 19:
        calamity(i);
        return;
    }
  }

  void write(TestDevice& device) {
    if (quiet_) return;
    const auto to = static_cast<std::size_t>(dice_.below(device.peers.size()));
    for (std::uint64_t n = 1 + dice_.below(8); n > 0; --n) {
      const EnvelopeId id = world_.random.id<EnvelopeId>();
      Known& e = known_[id];
      e.from = device.index;
      e.to = to;
      e.order = device.peers[to].next_order;
      e.ephemeral = dice_.below(10) == 0;
      device.write(to, id, 8 + dice_.below(300),
                   e.ephemeral ? wire::EnvelopeClass::ephemeral : wire::EnvelopeClass::normal);
    }
  }

  void deliver_up(std::size_t i) {
    TestDevice& device = *world_.devices[i];
    if (device.uplink.empty() || !world_.running() || !device.connected) return;
    const Bytes batch = device.uplink.front();
    const bool ready = device.ready;
    for (wire::FrameReader in(batch); !in.done();) {
      const auto frame = in.next();
      ASSERT_TRUE(frame.has_value());
      if (const auto* submit = std::get_if<wire::Submit>(&*frame)) {
        Known& e = known_[submit->id];
        tell("submit " + name(submit->id));
        if (!e.first_day) e.first_day = day_of(world_.clock.now());
        if (e.arrived_step == 0) {
          e.arrived_step = now_;
          e.arrived = world_.clock.monotonic();
        }
      } else if (const auto* ack = std::get_if<wire::Ack>(&*frame)) {
        for (std::uint32_t n = 0; n < ack->number; ++n) known_[states_[i].pushed[n]].acknowledged = true;
      } else if (std::holds_alternative<wire::Credit>(*frame) && ready && !states_[i].online) {
        states_[i].online = true;
        states_[i].online_since = now_;
      }
    }
    world_.deliver_up(i);
    if (dice_.below(2) == 0) world_.end_round();
  }

  void acknowledge(TestDevice& device) {
    if (!device.ready || device.unacknowledged.empty()) return;
    device.acknowledge(device.acknowledged + 1 + static_cast<std::uint32_t>(dice_.below(device.unacknowledged.size())));
  }

  void credit(std::size_t i) {
    TestDevice& device = *world_.devices[i];
    if (!device.ready) return;
    if (!states_[i].generous) {
      device.give_credit(static_cast<std::uint32_t>(dice_.below(6)),
                         400 + static_cast<std::uint32_t>(dice_.below(2000)));
    } else if (device.receive_credit == 0 && device.pushes == 0) {
      device.give_credit(UINT32_MAX, UINT32_MAX);
    }
  }

  void advance(std::chrono::nanoseconds by) {
    world_.clock.advance(by);
    const Instant at = world_.clock.monotonic();
    for (const auto& [id, e] : known_) {
      const bool waits = e.arrived_step != 0 && !e.acknowledged;
      if (waits && e.arrived + world_.config.limits.delivery_deadline <= at) states_[e.to].was_late = true;
    }
  }

  void tick() {
    if (schedule_.deadlines && dice_.below(4) == 0) {
      advance(1s * dice_.below(12));
    } else {
      advance(1ms * dice_.below(100));
    }
    if (world_.node) world_.node->tick();
  }

  void calamity(std::size_t i) {
    switch (dice_.below(6)) {
      case 0:
        if (schedule_.crashes && dice_.below(6) == 0) dice_.below(3) == 0 ? stop() : crash();
        return;
      case 1:
      case 2:
        if (schedule_.cuts) dice_.below(3) == 0 ? abandon(i) : cut(i);
        return;
      case 3:
        if (schedule_.faults) {
          world_.disk.faults.unknown_lost = dice_.below(2) == 0 ? 0 : 200;
          world_.disk.faults.unknown_stored = dice_.below(2) == 0 ? 0 : 200;
          world_.disk.faults.read_failed = dice_.below(2) == 0 ? 0 : 300;
        }
        return;
      case 4:
        if (schedule_.full) world_.disk.faults.full = !world_.disk.faults.full;
        return;
      case 5:
        if (schedule_.days && dice_.below(8) == 0) {
          // What was pushed in time is not to be seen only after the days.
          for (std::size_t d = 0; d < world_.devices.size(); ++d) {
            while (world_.deliver_down(d)) {
            }
            forget_if_gone(d);
          }
          advance(std::chrono::days(1 + dice_.below(20)));
        }
        return;
    }
  }

  void refresh_tokens(std::size_t i) {
    if (world_.devices[i]->ready) world_.route_all(i);
  }

  void crash() {
    tell("crash");
    world_.crash();
    for (DeviceState& s : states_) s.leave();
    for (auto& [id, e] : known_) e.arrived_step = 0;
  }

  /// A clean end: everything in RAM is stored or refused, everybody is told.
  void stop() {
    if (!world_.running()) return;
    tell("stop");
    stopping_ = true;
    bool done = false;
    world_.disk.faults = {};
    world_.node->shut_down([&done] { done = true; });
    for (int round = 0; round < 200 && !done; ++round) {
      world_.end_round();
      world_.store->run();
      advance(100ms);
      world_.node->tick();
    }
    ASSERT_TRUE(done) << "the node does not stop";
    ASSERT_EQ(world_.node->counters().envelopes_in_ram, 0u);
    stopping_ = false;
    crash();
  }

  void abandon(std::size_t i) {
    tell("abandon " + std::to_string(i));
    world_.abandon(i);
    forget_if_gone(i);
  }

  void cut(std::size_t i) {
    tell("cut " + std::to_string(i));
    world_.cut(i);
    forget_if_gone(i);
  }
  void forget_if_gone(std::size_t i) {
    if (!world_.devices[i]->connected) states_[i].leave();
  }

  /// One line of the schedule's story, when a single seed is replayed.
  void tell(const std::string& what) const {
    if (std::getenv("OPALINE_SEED") != nullptr)
      std::printf("%6llu %s\n", static_cast<unsigned long long>(now_), what.c_str());
  }
  [[nodiscard]] std::string name(const EnvelopeId& id) const {
    const Known& e = known_.at(id);
    return std::to_string(e.from) + ">" + std::to_string(e.to) + " #" + std::to_string(e.order);
  }

  void on_result(std::size_t from, TestDevice::Peer&, const TestDevice::Outgoing& sent, SubmitStatus status) {
    tell("result " + name(sent.id) + " status " + std::to_string(static_cast<int>(status)));
    Known& e = known_[sent.id];
    if (e.ephemeral) {
      ASSERT_TRUE(status == SubmitStatus::accepted || status == SubmitStatus::held_back ||
                  status == SubmitStatus::refresh);
    } else if (status == SubmitStatus::accepted) {
      e.accepted = true;
      e.accepted_day = day_of(world_.clock.now());
    }
    if (status != SubmitStatus::accepted) e.arrived_step = 0;
    if (status == SubmitStatus::refresh) refresh_tokens(from);
    ASSERT_NE(status, SubmitStatus::gone);
    ASSERT_NE(status, SubmitStatus::refused);
  }

  void on_push(std::size_t i, const TestDevice::Received& r) {
    const Known& e = known_.at(r.id);
    tell("push " + name(r.id));
    ASSERT_EQ(e.to, i) << "pushed to the wrong device";
    states_[i].pushed.push_back(r.id);
    if (e.accepted) {
      // Promise 4. A push may have been on its way for a while, but days pass only while nothing is.
      pushed_days_.push_back({e.accepted_day, day_of(world_.clock.now())});
    }
  }

  /// Promise 2: what is appended must have had a reason.
  void on_append(const store::Append& append) {
    const Known& e = known_.at(append.id);
    tell("append " + name(append.id) + " at " + std::to_string(static_cast<std::uint64_t>(append.sequence)));
    ASSERT_FALSE(e.ephemeral) << "an ephemeral envelope was stored";
    if (schedule_.small_ram || stopping_ || e.arrived_step == 0) return;
    const DeviceState& to = states_[e.to];
    const bool in_time = world_.clock.monotonic() - e.arrived < world_.config.limits.delivery_deadline;
    const bool there = to.generous && to.online && to.online_since < e.arrived_step && !to.was_late;
    EXPECT_FALSE(there && in_time) << "stored although its device is online";
  }

  void finish() {
    quiet_ = true;
    world_.disk.faults = {};
    if (!world_.running()) world_.start();
    // Calm for longer than any repetition waits (a read that failed): what is still on the disk then stays there.
    int calm = 0;
    for (int round = 0; round < 800 && calm < 3; ++round) {
      for (std::size_t i = 0; i < world_.devices.size(); ++i) {
        TestDevice& device = *world_.devices[i];
        world_.connect(i);
        if (device.ready && device.receive_credit < 1000) device.give_credit(1000, 1'000'000);
        if (device.ready && !device.unacknowledged.empty()) {
          device.acknowledge(device.pushes);
        }
        device.send_some(100);
      }
      world_.settle();
      if (world_.disk.faults.full) FAIL();
      // Often less than the store's repeat delay: devices take and acknowledge while an append's outcome is open.
      advance(calm > 0 ? 4s : 1ms * (dice_.below(4) == 0 ? 200 : dice_.below(10)));
      world_.node->tick();
      world_.settle();
      calm = quiet() ? calm + 1 : 0;
    }
    check_end();
  }

  bool quiet() {
    for (const auto& device : world_.devices) {
      if (!device->ready || !device->unacknowledged.empty() || device->drained == 0) return false;
      for (const auto& peer : device->peers) {
        if (!peer.outbox.empty()) return false;
      }
    }
    return world_.node->counters().envelopes_in_ram == 0;
  }

  std::string stuck() {
    std::string out;
    for (const auto& d : world_.devices) {
      out += "\ndevice " + std::to_string(d->index) + (d->ready ? " ready" : " not ready") + ", to acknowledge " +
             std::to_string(d->unacknowledged.size()) + ", drained " + std::to_string(d->drained) +
             ", credit to send " + std::to_string(d->send_credit_envelopes) + ", outboxes";
      for (const auto& peer : d->peers) {
        out += " " + std::to_string(peer.outbox.size());
        if (!peer.outbox.empty()) out += "(first " + std::to_string(peer.outbox.front().number) + ")";
      }
    }
    const Counters& c = world_.node->counters();
    out += "\nin RAM " + std::to_string(c.envelopes_in_ram) + ", full " + std::to_string(c.full) + ", retry " +
           std::to_string(c.retry) + ", held back " + std::to_string(c.held_back) + ", pushed " +
           std::to_string(c.pushed);
    return out;
  }

  void check_end() {
    ASSERT_TRUE(quiet()) << "something never moved: " << stuck();
    bool may_have_expired = false;
    for (const auto& [id, e] : known_) {
      if (!e.accepted) continue;
      if (may_be_expired(e)) {
        may_have_expired = true;
        continue;
      }
      EXPECT_TRUE(world_.devices[e.to]->seen.contains(id)) << "promise 1: accepted and lost";
    }
    for (const auto& [accepted, pushed] : pushed_days_) {
      EXPECT_LT(number(pushed), number(accepted) + world_.config.limits.retention.count()) << "promise 4";
    }
    for (const auto& device : world_.devices) check_order(*device);
    world_.node.reset();
    world_.store->run();
    world_.watched.reset();
    world_.store.reset();
    if (may_have_expired) return;
    for (const auto& [mailbox, envelopes] : world_.disk.copy().mailboxes) {
      for (const auto& [sequence, envelope] : envelopes) {
        ADD_FAILURE() << "promise 3: left on the disk at " << static_cast<std::uint64_t>(sequence) << ": "
                      << name(envelope.id);
      }
    }
  }

  /// A copy of it that was stored before the sender heard of it may have expired; another may have come later.
  bool may_be_expired(const Known& e) const {
    const Day today = day_of(world_.clock.now());
    return e.first_day && number(*e.first_day) + world_.config.limits.retention.count() <= number(today);
  }

  void check_order(const TestDevice& device) {
    std::map<std::uint32_t, std::uint32_t> last;
    for (const TestDevice::Received& r : device.received) {
      const Known& e = known_.at(r.id);
      if (!e.accepted || may_be_expired(e)) continue;
      std::uint32_t& before = last[r.payload.sender];
      EXPECT_GT(r.payload.order, before) << "promise 10: out of order";
      before = r.payload.order;
    }
  }

  SeededRandom dice_;
  const Schedule schedule_;
  World world_;
  std::vector<DeviceState> states_;
  std::map<EnvelopeId, Known> known_;
  std::vector<std::pair<Day, Day>> pushed_days_;
  std::uint64_t now_ = 0;
  bool quiet_ = false, stopping_ = false;
};

TEST(RelayModel, PromisesHoldOnRandomSchedules) {
  const char* const one = std::getenv("OPALINE_SEED");
  const char* const count = std::getenv("OPALINE_SEEDS");
  const std::uint64_t first = one != nullptr ? std::strtoull(one, nullptr, 10) : 1;
  const std::uint64_t seeds = one != nullptr ? 1 : count != nullptr ? std::strtoull(count, nullptr, 10) : 3000;
  for (std::uint64_t seed = first; seed < first + seeds; ++seed) {
    SCOPED_TRACE("to replay: OPALINE_SEED=" + std::to_string(seed));
    Model model(seed);
    model.run(900);
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace opaline::relay::testing
